package worker

import (
	"sync"
	"time"
)

// Status is what a Worker does at one moment, for health endpoints.
type Status struct {
	// LastReceive is when SQS last answered a receive, with messages or without.
	// Zero before the first. While InFlight equals Slots no receive is made, and
	// while one waits for messages it can be 20 s old.
	LastReceive time.Time `json:"last_receive"`

	// ReceiveError is the error of the last receive, "" when SQS answered it.
	ReceiveError string `json:"receive_error,omitempty"`

	// Unfit is why this machine receives no messages: its Gate, or what messages met. ""
	// while it does.
	Unfit string `json:"unfit,omitempty"`

	// InFlight counts the messages in hand, from receive to delete or return.
	InFlight int `json:"in_flight"`

	// Slots is how many messages can be in hand: Config.Concurrency.
	Slots int `json:"slots"`

	// Draining is true once Run's context has ended.
	Draining bool `json:"draining"`
}

// Status returns what w does now.
func (w *Worker) Status() Status {
	w.status.mu.Lock()
	defer w.status.mu.Unlock()
	return w.status.now
}

// status is a Status that several goroutines write.
type status struct {
	mu  sync.Mutex
	now Status
}

func (s *status) received(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.now.ReceiveError = err.Error()
		return
	}
	s.now.ReceiveError = ""
	s.now.LastReceive = time.Now()
}

func (s *status) setUnfit(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Unfit = reason
}

func (s *status) addInFlight(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.InFlight += n
}

// setDraining returns how many messages are in hand.
func (s *status) setDraining() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Draining = true
	return s.now.InFlight
}
