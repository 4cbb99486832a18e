package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"go.uber.org/zap"
)

func TestTwoHourJobKeepsItsMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("film")
		w := start(t, q, func(ctx context.Context, _ types.Message) error {
			if !sleep(ctx, 2*time.Hour) {
				t.Errorf("handler's context ended: %v", context.Cause(ctx))
			}
			return nil
		}, Config{Concurrency: 2}) // the second slot would take the message if it were visible
		last := time.Now()
		time.Sleep(2*time.Hour + time.Second)

		beats := q.called(opChange)
		if n := len(beats); n < 7200/33 || n > 7200/27 {
			t.Errorf("%d beats in 2 h, want one each 27 to 33 s", n)
		}
		var jittered bool
		for _, b := range beats {
			gap := b.at.Sub(last)
			if gap < 27*time.Second || gap > 33*time.Second || b.visibility != 120 {
				t.Fatalf("a beat %s after the last for %d s, want 27s to 33s for 120 s", gap, b.visibility)
			}
			jittered = jittered || gap != 30*time.Second
			last = b.at
		}
		if !jittered {
			t.Error("all beats are 30s apart, want jitter")
		}
		if m := q.message(0); !m.deleted || m.receives != 1 {
			t.Errorf("message is %+v, want deleted after one receive", m)
		}
		if line := w.event(t, eventDone).ContextMap(); line[keyDuration] != 2*time.Hour {
			t.Errorf("log line is %v", line)
		}
	})
}

func TestLeaseIsLostWhenBeatsFail(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, c call) error {
		if c.op == opChange {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	refuse := func(_ context.Context, c call) error {
		if c.op == opChange {
			return errors.New("service unavailable")
		}
		return nil
	}
	for _, tt := range []struct {
		name       string
		visibility time.Duration
		fail       func(context.Context, call) error
	}{
		{"refused", 120 * time.Second, refuse},
		{"unanswered", 120 * time.Second, hang},
		{"short and refused", 30 * time.Second, refuse},
		{"short and unanswered", 30 * time.Second, hang},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue("a")
				q.fail = tt.fail
				begin := time.Now()
				lost := make(chan time.Duration, 1)
				w := start(t, q, func(ctx context.Context, m types.Message) error {
					if m.Attributes["ApproximateReceiveCount"] != "1" {
						return nil
					}
					<-ctx.Done()
					if cause := context.Cause(ctx); !errors.Is(cause, ErrLeaseLost) {
						t.Errorf("cause is %v, want ErrLeaseLost", cause)
					}
					lost <- time.Since(begin)
					return nil // too late: it is not this worker's any more
				}, Config{Visibility: tt.visibility})

				after := <-lost
				if after > tt.visibility-stopTime {
					t.Errorf("lost after %s, want at least %s before the message is visible after %s", after, stopTime, tt.visibility)
				}
				synctest.Wait()
				beats := q.called(opChange)
				if len(beats) < 2 {
					t.Errorf("%d beats, want more than one try", len(beats))
				}
				if q.message(0).deleted {
					t.Error("deleted a message that was lost")
				}
				w.event(t, eventLeaseLost)
				w.event(t, eventAbandoned)
				if n := w.logs.FilterMessage(eventHeartbeatFailed).Len(); n != len(beats)-1 {
					t.Errorf("%d lines %s for %d beats, want one less", n, eventHeartbeatFailed, len(beats))
				}

				time.Sleep(tt.visibility)
				if m := q.message(0); m.receives != 2 || !m.deleted {
					t.Errorf("message is %+v, want it received again and done", m)
				}
			})
		})
	}
}

func TestLeaseIsLostWhenTheHandleIsGone(t *testing.T) {
	t.Parallel()
	for _, gone := range []error{
		&types.ReceiptHandleIsInvalid{},
		&types.MessageNotInflight{},
		&smithy.GenericAPIError{Code: "InvalidParameterValue"},
	} {
		t.Run(gone.(smithy.APIError).ErrorCode(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue("a")
				q.fail = func(_ context.Context, c call) error {
					if c.op == opChange {
						return gone
					}
					return nil
				}
				begin := time.Now()
				w := start(t, q, func(ctx context.Context, m types.Message) error {
					if m.Attributes["ApproximateReceiveCount"] == "1" {
						<-ctx.Done()
					}
					return context.Cause(ctx)
				}, Config{})
				time.Sleep(33 * time.Second)
				synctest.Wait()
				beats := q.called(opChange)
				if len(beats) != 1 {
					t.Fatalf("%d calls after %s, want one", len(beats), time.Since(begin))
				}
				if err := w.event(t, eventAbandoned).ContextMap()["error"]; err != ErrLeaseLost.Error() {
					t.Errorf("handler's error is %v, want %v", err, ErrLeaseLost)
				}
				if n := len(q.called(opDelete)); n != 0 {
					t.Errorf("%d deletes, want none", n)
				}
				time.Sleep(120 * time.Second) // received again, and done
			})
		})
	}
}

func TestFailedBeatIsTriedAgainSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		var failures int
		q.fail = func(_ context.Context, c call) error {
			if c.op == opChange && failures < 3 {
				failures++
				return errors.New("throttled")
			}
			return nil
		}
		w := start(t, q, func(ctx context.Context, _ types.Message) error {
			if !sleep(ctx, 10*time.Minute) {
				t.Errorf("handler's context ended: %v", context.Cause(ctx))
			}
			return nil
		}, Config{})
		time.Sleep(11 * time.Minute)
		beats := q.called(opChange)
		for n := 1; n <= 3; n++ {
			if gap := beats[n].at.Sub(beats[n-1].at); gap < 9*time.Second || gap > 11*time.Second {
				t.Errorf("try %d came after %s, want about 10s", n, gap)
			}
		}
		if n := w.logs.FilterMessage(eventHeartbeatFailed).Len(); n != 3 {
			t.Errorf("%d lines %s, want 3", n, eventHeartbeatFailed)
		}
		w.event(t, eventDone)
	})
}

// SQS counts from when it handed the message out, which the worker knows only to
// be after the receive was sent.
func TestLeaseCountsFromBeforeTheReceive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		start(t, q, func(ctx context.Context, _ types.Message) error {
			sleep(ctx, time.Minute)
			return nil
		}, Config{Visibility: 30 * time.Second})
		time.Sleep(19 * time.Second)
		q.put("a", nil)
		synctest.Wait()
		if n := len(q.called(opChange)); n != 1 {
			t.Errorf("%d beats as the message came, want one at once", n)
		}
		time.Sleep(2 * time.Minute)
		if m := q.message(0); !m.deleted || m.receives != 1 {
			t.Errorf("message is %+v, want deleted after one receive", m)
		}
	})
}

func TestVerdictWaitsForTheBeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		beating := make(chan struct{})
		var beats int
		q.fail = func(_ context.Context, c call) error {
			if c.op == opChange {
				beats++
				if beats == 1 {
					close(beating)
					time.Sleep(5 * time.Second) // takes effect only then
				}
			}
			return nil
		}
		w := start(t, q, func(context.Context, types.Message) error {
			<-beating
			return &postponement{after: time.Hour}
		}, Config{})
		<-beating
		time.Sleep(6 * time.Second)
		near(t, "time until visible", q.visibleIn(0), time.Hour-time.Second)
		w.event(t, eventRetry)
	})
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		begin := time.Now()
		w := start(t, q, func(ctx context.Context, m types.Message) error {
			if m.Attributes["ApproximateReceiveCount"] != "1" {
				return nil
			}
			<-ctx.Done()
			if cause := context.Cause(ctx); !errors.Is(cause, ErrTooLong) {
				t.Errorf("cause is %v, want ErrTooLong", cause)
			}
			if at := time.Since(begin); at != DefaultMaxTime {
				t.Errorf("context ended after %s, want %s", at, DefaultMaxTime)
			}
			return ctx.Err()
		}, Config{})
		time.Sleep(12 * time.Hour)
		if line := w.event(t, eventRetry).ContextMap(); line[keyCause] != ErrTooLong.Error() {
			t.Errorf("log line is %v, want the cause %v", line, ErrTooLong)
		}
		if m := q.message(0); m.receives != 2 || !m.deleted {
			t.Errorf("message is %+v, want it received again and done", m)
		}
	})
}

// SQS refuses, rather than shortens, an extension beyond 12 h.
func TestBeatsAskForNoMoreThanTwelveHours(t *testing.T) {
	t.Parallel()
	for _, visibility := range []time.Duration{120 * time.Second, time.Hour, 12 * time.Hour} {
		t.Run(visibility.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue("a")
				begin := time.Now()
				w := start(t, q, func(ctx context.Context, m types.Message) error {
					if m.Attributes["ApproximateReceiveCount"] == "1" {
						time.Sleep(12*time.Hour - time.Second) // whatever ctx says
					}
					return nil
				}, Config{Visibility: visibility})
				time.Sleep(12*time.Hour - 2*time.Second)
				if in := q.visibleIn(0); in < 0 {
					t.Errorf("visible %s too early", -in)
				}
				beats := q.called(opChange)
				if len(beats) == 0 {
					t.Error("no beats")
				}
				for _, b := range beats {
					if end := b.at.Sub(begin) + time.Duration(b.visibility)*time.Second; end > 12*time.Hour {
						t.Errorf("a beat asked for visibility until %s", end)
					}
				}
				time.Sleep(13 * time.Hour)
				if err := w.event(t, eventLeaseLost).ContextMap()["error"]; err != "no time left to extend" {
					t.Errorf("lease was lost: %v", err)
				}
			})
		})
	}
}

// As after the process or the machine was suspended: nobody saw the lease end.
func TestLeaseThatEndedUnseenIsLost(t *testing.T) {
	t.Parallel()
	open, closed := make(chan struct{}), make(chan struct{})
	close(closed)
	for name, handled := range map[string]chan struct{}{"handler at work": open, "handler returned": closed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newFakeQueue()
			w, err := New(q, nothing, zap.NewNop(), Config{QueueURL: testQueueURL})
			if err != nil {
				t.Fatal(err)
			}
			d := delivery{asked: time.Now().Add(-3 * time.Minute), log: zap.NewNop()}
			for range 50 { // the timer and handled may both be ready
				if w.keep(t.Context(), d, handled) {
					t.Fatal("kept a message that has been visible for a minute")
				}
			}
			if n := len(q.called(opChange)); n != 0 {
				t.Errorf("%d beats, want none", n)
			}
		})
	}
}
