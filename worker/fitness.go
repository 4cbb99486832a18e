package worker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"
)

// A Gate tells whether this machine can work any message now: whether there is room on its
// disk, for instance. Ready is called before each receive, and should answer within
// milliseconds.
type Gate interface {
	Ready(ctx context.Context) error
}

// A Fault is an error for which this machine is to blame, and not the message. MachineFault
// returns the reason in a line.
type Fault interface {
	error
	MachineFault() string
}

const (
	// maxFaults is after how many failures of the machine's own, in a row, no more messages
	// are received.
	maxFaults = 2

	checkPauseBase = time.Second
	checkPauseCap  = time.Minute
	restBase       = 30 * time.Second
	restCap        = 10 * time.Minute

	gateTimeout = 10 * time.Second
	// unfitEvery is how often the log says that the machine is still unfit.
	unfitEvery = time.Minute
)

// A fitness knows whether this machine is fit to work messages. It is not after two checks of
// the gate in a row that failed, until one succeeds; and after two messages in a row that came
// back with a Fault, for a while that grows, as the gate may not see what they met.
type fitness struct {
	gate   Gate // nil: it is always open
	log    *zap.Logger
	status *status
	asked  chan error // the gate's answer that is still to come; only check uses it

	mu     sync.Mutex
	failed int       // checks, in a row
	faults int       // messages, in a row
	rests  int       // in a row
	until  time.Time // no check before
	reason string    // why it is unfit; empty: it is fit
	said   time.Time // when the log had it last
}

// check returns how long to wait with the next receive; 0: not at all. Only one goroutine
// calls it.
func (f *fitness) check(ctx context.Context) time.Duration {
	if rest := f.resting(); rest > 0 {
		return min(rest, unfitEvery)
	}
	err := f.ready(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return checkPauseBase // it won't be waited for
	case err != nil:
		if f.failed++; f.failed >= maxFaults {
			f.unfit(err.Error())
		}
		return backoff(checkPauseBase, checkPauseCap, f.failed, rand.Float64())
	case f.reason != "":
		f.log.Info(eventRecovered, zap.String(keyReason, f.reason))
		f.reason, f.said = "", time.Time{}
		f.status.setUnfit("")
	}
	f.failed, f.faults = 0, min(f.faults, maxFaults-1) // one more fault, and it rests again
	return 0
}

// resting returns how long no check is made yet.
func (f *fitness) resting() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	rest := time.Until(f.until)
	if rest > 0 {
		f.say()
	}
	return rest
}

// ready asks the gate. A disk that hangs may never answer: it is not asked twice at a time.
func (f *fitness) ready(ctx context.Context) error {
	if f.gate == nil {
		return nil
	}
	if f.asked == nil {
		answer := make(chan error, 1)
		f.asked = answer
		go func() { answer <- f.gate.Ready(ctx) }()
	}
	late := time.NewTimer(gateTimeout)
	defer late.Stop()
	select {
	case err := <-f.asked:
		f.asked = nil
		return err
	case <-late.C:
		return fmt.Errorf("a check of this machine did not end within %s", gateTimeout)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// doubtful reports whether messages should be tried one at a time.
func (f *fitness) doubtful() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults > 0
}

// fault counts a message that came back with a Fault.
func (f *fitness) fault(reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.faults++; f.faults < maxFaults {
		return
	}
	f.rests++
	f.until = time.Now().Add(jitter(min(restBase<<min(f.rests-1, 10), restCap), rand.Float64()))
	f.unfit(reason)
}

// worked notes a message that was worked well.
func (f *fitness) worked() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults, f.rests = 0, 0
}

func (f *fitness) unfit(reason string) {
	f.reason = reason
	f.status.setUnfit(reason)
	f.say()
}

// say has the log say that the machine is unfit, unless it has just done so.
func (f *fitness) say() {
	if now := time.Now(); now.Sub(f.said) >= unfitEvery {
		f.said = now
		f.log.Warn(eventUnfit, zap.String(keyReason, f.reason), zap.Int(keyFailures, max(f.failed, f.faults)))
	}
}
