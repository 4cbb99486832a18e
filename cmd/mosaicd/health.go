package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/worker"
)

// stuckAfter is how long the loop may be silent: several long polls.
const stuckAfter = 2 * time.Minute

// health answers /healthz, which is green as long as the loop lives: also while
// a long job runs, while AWS is out of reach and while the worker drains; and
// /readyz, which is green while messages are taken: not on a machine that is unfit for them.
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
		return busy || s.Draining || s.ReceiveError != "" || s.Unfit != "" || time.Since(last) < stuckAfter
	}))
	mux.HandleFunc("GET /readyz", answer(func(s worker.Status) bool { return !s.Draining && s.Unfit == "" }))
	return mux
}

// A healthCommand is for what asks a container whether it is well, where there is
// no shell and no curl.
type healthCommand struct {
	HTTPAddr string        `name:"http-addr" help:"Address of the daemon's /healthz." default:"127.0.0.1:8080" env:"MOSAICD_HTTP_ADDR"`
	Ready    bool          `help:"Ask /readyz instead: whether it takes messages."`
	Timeout  time.Duration `help:"How long to wait for the answer." default:"4s"`
}

func (c *healthCommand) Run(ctx context.Context, std streams) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	host, port, err := net.SplitHostPort(c.HTTPAddr)
	if err != nil {
		return usagef("--http-addr: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens on all
	}
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, nil)
	if err != nil {
		return usagef("--http-addr: %w", err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("the daemon does not answer: %w", err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(terminal.JSON(std.out), answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the daemon says %s", answer.Status)
	}
	return nil
}
