package worker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type handlerFunc func(ctx context.Context, m types.Message) error

func (f handlerFunc) Handle(ctx context.Context, m types.Message) error { return f(ctx, m) }

// rejection and postponement stand for the types of the package jobs: the worker
// knows them by their methods only.
type rejection struct{ reason string }

func (e *rejection) Error() string  { return "rejected: " + e.reason }
func (e *rejection) Reject() string { return e.reason }

type postponement struct{ after time.Duration }

func (e *postponement) Error() string             { return fmt.Sprintf("not for %s", e.after) }
func (e *postponement) RetryAfter() time.Duration { return e.after }

// running is a Worker whose Run is under way.
type running struct {
	*Worker
	logs *observer.ObservedLogs
	stop context.CancelFunc
	done chan struct{} // closed when Run has returned
}

// start runs a worker of q. The test's end stops it and waits for it.
func start(t *testing.T, q Queue, h handlerFunc, cfg Config) *running {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	if cfg.QueueURL == "" {
		cfg.QueueURL = testQueueURL
	}
	w, err := New(q, h, zap.New(core), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Worker: w, logs: logs, stop: stop, done: make(chan struct{})}
	var once sync.WaitGroup
	once.Go(func() {
		defer close(r.done)
		if err := w.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		once.Wait()
	})
	return r
}

// event returns the only log line of that name.
func (r *running) event(t *testing.T, name string) observer.LoggedEntry {
	t.Helper()
	all := r.logs.FilterMessage(name).All()
	if len(all) != 1 {
		t.Fatalf("%d log lines %s, want 1; all: %v", len(all), name, r.logs.All())
	}
	return all[0]
}

func (r *running) noEvent(t *testing.T, name string) {
	t.Helper()
	if all := r.logs.FilterMessage(name).All(); len(all) != 0 {
		t.Errorf("log has %s: %v", name, all)
	}
}

// near fails unless got is within a second of want, which is what rounding to
// SQS's whole seconds can make.
func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if d := got - want; d < -time.Second || d > time.Second {
		t.Errorf("%s = %s, want about %s", what, got, want)
	}
}
