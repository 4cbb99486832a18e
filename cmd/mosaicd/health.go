package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/mosaicd/mosaicd/worker"
)

// stuckAfter is how long the loop may be silent: several long polls.
const stuckAfter = 2 * time.Minute

// health answers /healthz, which is green as long as the loop lives: also while
// a long job runs, while AWS is out of reach and while the worker drains; and
// /readyz, which is green while messages are taken.
func health(status func() worker.Status, sandbox sandboxLevel) http.Handler {
	started := time.Now()
	answer := func(healthy func(worker.Status) bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			s := status()
			w.Header().Set("Content-Type", "application/json")
			if !healthy(s) {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_ = json.NewEncoder(w).Encode(struct {
				worker.Status
				Sandbox sandboxLevel `json:"sandbox,omitempty"`
			}{s, sandbox}) // the client is gone: nobody to tell
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", answer(func(s worker.Status) bool {
		last := s.LastReceive
		if last.IsZero() {
			last = started
		}
		busy := s.InFlight >= s.Slots
		return busy || s.Draining || s.ReceiveError != "" || time.Since(last) < stuckAfter
	}))
	mux.HandleFunc("GET /readyz", answer(func(s worker.Status) bool { return !s.Draining }))
	return mux
}
