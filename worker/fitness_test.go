package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"
)

// A door is a Gate that tests open and shut.
type door struct {
	mu     sync.Mutex
	reason error
	asked  int
	hangs  chan struct{}
}

func (d *door) set(reason error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reason = reason
}

func (d *door) Ready(context.Context) error {
	if d.hangs != nil {
		<-d.hangs
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	return d.reason
}

type faultError struct{}

func (faultError) Error() string        { return "write /scratch/x: input/output error" }
func (faultError) MachineFault() string { return "input/output error" }

// TestUnfitMachineTakesNothing: not from the start, and no message is received meanwhile; it
// goes on by itself.
func TestUnfitMachineTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a", "b", "c")
		d := &door{reason: errors.New("read-only file system")}
		w := start(t, q, nothing, Config{Concurrency: 3, Gate: d})
		time.Sleep(time.Hour)
		if n := len(q.called(opReceive)); n != 0 {
			t.Errorf("%d receives", n)
		}
		if s := w.Status(); s.Unfit != "read-only file system" || s.InFlight != 0 {
			t.Errorf("status is %+v", s)
		}
		// Twice in the first seconds, then about every half minute.
		if d.asked < 60 || d.asked > 3600/5 {
			t.Errorf("it was checked %d times in an hour", d.asked)
		}
		lines := w.logs.FilterMessage(eventUnfit).All()
		if n := len(lines); n < 25 || n > 60 || lines[0].Level != zap.WarnLevel || lines[0].ContextMap()[keyReason] != "read-only file system" {
			t.Errorf("%d lines in an hour, the first is %+v", n, lines[0])
		}
		d.set(nil)
		time.Sleep(checkPauseCap)
		synctest.Wait()
		for i := range 3 {
			if m := q.message(i); !m.deleted || m.receives != 1 {
				t.Errorf("message %d: %+v", i, m)
			}
		}
		if s := w.Status(); s.Unfit != "" {
			t.Errorf("status is %+v", s)
		}
		w.event(t, eventRecovered)
	})
}

// TestOneFailedCheckIsNothing: no receive follows it, and nobody is told.
func TestOneFailedCheckIsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		d := &door{reason: errors.New("no room")}
		w := start(t, q, nothing, Config{Gate: d})
		synctest.Wait()
		if s := w.Status(); s.Unfit != "" || len(q.called(opReceive)) != 0 {
			t.Errorf("status is %+v", s)
		}
		d.set(nil)
		time.Sleep(checkPauseBase)
		synctest.Wait()
		if !q.message(0).deleted || w.logs.FilterMessage(eventUnfit).Len() != 0 {
			t.Errorf("message is %+v; %v", q.message(0), w.logs.All())
		}
	})
}

// TestFaultsOfTheMachine: the gate sees nothing, the messages do. They go back at once, two
// are enough, and after a while one is tried.
func TestFaultsOfTheMachine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a", "b", "c", "d", "e")
		var mu sync.Mutex
		broken := true
		w := start(t, q, func(context.Context, types.Message) error {
			mu.Lock()
			defer mu.Unlock()
			if broken {
				return fmt.Errorf("work: %w", faultError{})
			}
			return nil
		}, Config{Concurrency: 2, Gate: &door{}})
		synctest.Wait()
		if s := w.Status(); s.Unfit != "input/output error" || s.InFlight != 0 {
			t.Errorf("status is %+v", s)
		}
		back := q.called(opChange)
		if len(back) < 2 || len(back) > 3 { // both were received together, or one after the other
			t.Errorf("%d messages came back", len(back))
		}
		for _, c := range back {
			if c.visibility != 0 {
				t.Errorf("a message is hidden for %d s", c.visibility)
			}
		}
		before := len(q.called(opReceive))
		time.Sleep(restBase / 2)
		if n := len(q.called(opReceive)); n != before {
			t.Errorf("%d receives while it rests", n-before)
		}
		// Each rest is twice as long, until one receive in ten minutes is left.
		time.Sleep(2 * time.Hour)
		if n := len(q.called(opReceive)) - before; n < 12 || n > 32 { // each of the two slots may try one
			t.Errorf("%d receives in two hours", n)
		}
		for _, c := range q.called(opReceive)[before:] {
			if c.most != 1 {
				t.Errorf("%d messages were asked for", c.most)
			}
		}
		mu.Lock()
		broken = false
		mu.Unlock()
		time.Sleep(2 * restCap)
		synctest.Wait()
		for i := range 5 {
			if !q.message(i).deleted {
				t.Errorf("message %d is left: %+v", i, q.message(i))
			}
		}
		if s := w.Status(); s.Unfit != "" {
			t.Errorf("status is %+v", s)
		}
		w.fitness.mu.Lock()
		defer w.fitness.mu.Unlock()
		if w.fitness.faults != 0 || w.fitness.rests != 0 {
			t.Errorf("it is still doubted: %d faults, %d rests", w.fitness.faults, w.fitness.rests)
		}
	})
}

// TestGateThatHangs: neither the messages in hand nor the end wait for it.
func TestGateThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		d := &door{hangs: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		f := &fitness{gate: d, log: zap.NewNop(), status: &status{}}
		for range maxFaults {
			if f.check(ctx) == 0 {
				t.Error("it is open")
			}
		}
		f.worked()
		if s := f.status.now.Unfit; !strings.Contains(s, "did not end within 10s") {
			t.Errorf("unfit: %q", s)
		}
		stop()
		began := time.Now()
		f.check(ctx)
		if took := time.Since(began); took > 0 {
			t.Errorf("the end took %s", took)
		}
		close(d.hangs)
		synctest.Wait()
		if d.asked != 1 || len(q.called(opReceive)) != 0 {
			t.Errorf("it was asked %d times", d.asked)
		}
	})
}
