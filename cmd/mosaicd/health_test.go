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
	const now, long = time.Nanosecond, time.Hour // ago
	for _, ca := range []struct {
		name          string
		status        worker.Status
		received      time.Duration // ago; 0: never
		alive, taking int
	}{
		{"just started", worker.Status{Slots: 1}, 0, 200, 200},
		{"waiting for messages", worker.Status{Slots: 1}, now, 200, 200},
		{"a long job", worker.Status{Slots: 1, InFlight: 1}, long, 200, 200},
		{"AWS out of reach", worker.Status{Slots: 1, ReceiveError: "no route to host"}, long, 200, 200},
		{"unfit", worker.Status{Slots: 1, Unfit: "no room"}, long, 200, 503},
		{"draining", worker.Status{Slots: 1, Draining: true}, long, 200, 503},
		{"stuck", worker.Status{Slots: 2, InFlight: 1}, long, 503, 200},
	} {
		t.Run(ca.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(health(func() worker.Status {
				s := ca.status
				if ca.received > 0 {
					s.LastReceive = time.Now().Add(-ca.received)
				}
				return s
			}, sandboxFull))
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
