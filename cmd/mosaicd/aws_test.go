package main

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// TestConnectionsAreImpatient: a peer that says nothing more is given up, one that
// is only slow is not.
func TestConnectionsAreImpatient(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := &impatient{near, 500 * time.Millisecond}
	go func() {
		for range 4 { // longer than the silence in all
			time.Sleep(200 * time.Millisecond)
			_, _ = far.Write([]byte("x"))
		}
	}()
	for range 4 {
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading from the silent peer: %v", err)
	}
	if _, err := c.Write([]byte("nobody reads this")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing to the silent peer: %v", err)
	}
}
