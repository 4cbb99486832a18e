package ecs

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// An agent notes what it is asked.
type agent struct {
	mu     sync.Mutex
	asked  []string
	answer func(w http.ResponseWriter)
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	a.asked = append(a.asked, r.Method+" "+r.URL.Path+" "+string(body))
	if a.answer != nil {
		a.answer(w)
	}
}

func TestProtection(t *testing.T) {
	t.Parallel()
	a := &agent{}
	server := httptest.NewServer(a)
	defer server.Close()
	p := NewProtection(server.URL + "/api/123/")
	now := time.Unix(0, 0)
	p.now = func() time.Time { return now }
	for _, on := range []bool{false, true, true} {
		if err := p.Protect(t.Context(), on); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(protectedFor/2 + time.Second)
	for _, on := range []bool{true, false, false} {
		if err := p.Protect(t.Context(), on); err != nil {
			t.Fatal(err)
		}
	}
	const on = `PUT /api/123/task-protection/v1/state {"ExpiresInMinutes":20,"ProtectionEnabled":true}`
	const off = `PUT /api/123/task-protection/v1/state {"ProtectionEnabled":false}`
	if want := []string{on, on, off}; !slices.Equal(a.asked, want) {
		t.Errorf("asked %q, want %q", a.asked, want)
	}
	for says, answer := range map[string]func(http.ResponseWriter){
		"AccessDeniedException: no": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"error":{"Code":"AccessDeniedException","Message":"no"}}`)
		},
		"TASK_NOT_VALID: not of a service": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"failure":{"Reason":"TASK_NOT_VALID","Detail":"not of a service"}}`)
		},
		"status 500": func(w http.ResponseWriter) { w.WriteHeader(500) },
	} {
		a.mu.Lock()
		a.answer = answer
		a.mu.Unlock()
		if err := p.Protect(t.Context(), true); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error is %v, want %s", err, says)
		}
	}
	server.Close()
	if err := p.Protect(t.Context(), true); err == nil {
		t.Error("nobody answered, and it was no error")
	}
}

func TestInstance(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked, notice, target := 0, false, "InService"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
			_, _ = io.WriteString(w, "token")
		case r.Header.Get("X-aws-ec2-metadata-token") != "token":
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/autoscaling/target-lifecycle-state"):
			_, _ = io.WriteString(w, target)
		case notice:
			_, _ = io.WriteString(w, `{"action":"terminate","time":"2026-11-21T08:22:00Z"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			if asked++; asked == 3 {
				notice = true
			}
		}
	}))
	defer server.Close()
	i := NewInstance(server.URL)
	i.every = time.Millisecond
	if !i.Wait(t.Context()) || asked != 3 {
		t.Errorf("the notice came after it was asked for %d times", asked)
	}
	mu.Lock()
	notice, asked, target = false, 3, "Terminated"
	mu.Unlock()
	if !i.Wait(t.Context()) || asked != 4 {
		t.Errorf("the group's choice was seen after %d times", asked-3)
	}
	nobody := NewInstance("http://127.0.0.1:1")
	nobody.every = time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if nobody.Wait(ctx) {
		t.Error("a notice came from nobody")
	}
}
