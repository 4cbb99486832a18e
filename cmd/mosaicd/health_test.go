package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mosaicd/mosaicd/worker"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	now, long := time.Now(), time.Now().Add(-time.Hour)
	for _, ca := range []struct {
		name          string
		status        worker.Status
		alive, taking int
	}{
		{"just started", worker.Status{Slots: 1}, 200, 200},
		{"waiting for messages", worker.Status{Slots: 1, LastReceive: now}, 200, 200},
		{"a long job", worker.Status{Slots: 1, InFlight: 1, LastReceive: long}, 200, 200},
		{"AWS out of reach", worker.Status{Slots: 1, LastReceive: long, ReceiveError: "no route to host"}, 200, 200},
		{"draining", worker.Status{Slots: 1, LastReceive: long, Draining: true}, 200, 503},
		{"stuck", worker.Status{Slots: 2, InFlight: 1, LastReceive: long}, 503, 200},
	} {
		t.Run(ca.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(health(func() worker.Status { return ca.status }))
			defer server.Close()
			for path, want := range map[string]int{"/healthz": ca.alive, "/readyz": ca.taking, "/": 404} {
				got, err := http.Get(server.URL + path)
				if err != nil {
					t.Fatal(err)
				}
				got.Body.Close()
				if got.StatusCode != want {
					t.Errorf("%s is %d, want %d", path, got.StatusCode, want)
				}
			}
		})
	}
}
