package worker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"go.uber.org/zap"
)

func TestTakesOnlyWhatItHasSlotsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a", "b", "c", "d", "e", "f", "g")
		var now, most atomic.Int32
		next := make(chan struct{})
		w := start(t, q, func(context.Context, types.Message) error {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			<-next
			return nil
		}, Config{Concurrency: 3})

		synctest.Wait()
		if s := w.Status(); s.InFlight != 3 || s.Slots != 3 {
			t.Errorf("status is %+v, want 3 in flight of 3", s)
		}
		if got := q.called(opReceive); len(got) != 1 || got[0].most != 3 {
			t.Fatalf("receives are %+v, want one for 3", got)
		}

		next <- struct{}{}
		synctest.Wait()
		if got := q.called(opReceive); len(got) != 2 || got[1].most != 1 {
			t.Fatalf("receives are %+v, want a second one for 1", got)
		}

		close(next)
		synctest.Wait()
		if s := w.Status(); s.InFlight != 0 {
			t.Errorf("status is %+v, want none in flight", s)
		}
		if n := len(q.called(opDelete)); n != 7 {
			t.Errorf("%d deletes, want 7", n)
		}
		if most.Load() != 3 {
			t.Errorf("%d handlers at once, want 3", most.Load())
		}
	})
}

func TestReceiveAsksForWhatSQSAllows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		for n := range 70 {
			q.put(fmt.Sprint(n), nil)
		}
		hold := make(chan struct{})
		w := start(t, q, func(context.Context, types.Message) error { <-hold; return nil },
			Config{Concurrency: 64, Visibility: 90 * time.Second})
		synctest.Wait()
		if s := w.Status(); s.InFlight != 64 {
			t.Errorf("status is %+v, want 64 in flight", s)
		}
		for n, c := range q.called(opReceive) {
			if want := int32(min(10, 64-10*n)); c.most != want || c.waits != 20 || c.visibility != 90 {
				t.Errorf("receive %d is %+v, want %d messages, 20 s of waiting, 90 s of visibility", n, c, want)
			}
		}
		close(hold)
	})
}

func TestHandlerGetsTheMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.put("the body", map[string]types.MessageAttributeValue{"colour": {DataType: aws.String("String"), StringValue: aws.String("red")}})
		time.Sleep(time.Minute)
		var got types.Message
		w := start(t, q, func(_ context.Context, m types.Message) error { got = m; return nil }, Config{})
		synctest.Wait()
		if *got.Body != "the body" || *got.MessageId != "m1" || *got.MessageAttributes["colour"].StringValue != "red" {
			t.Errorf("message is %+v", got)
		}
		if got.Attributes["ApproximateReceiveCount"] != "1" || got.Attributes["SentTimestamp"] == "" {
			t.Errorf("attributes are %v", got.Attributes)
		}
		line := w.event(t, eventReceived).ContextMap()
		if line[keyMessageID] != "m1" || line[keyReceives] != int64(1) || line[keyQueuedFor] != time.Minute {
			t.Errorf("log line is %v", line)
		}
	})
}

func TestStopLetsTheLongPollEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		w := start(t, q, nothing, Config{})
		time.Sleep(5 * time.Second)
		stopped := time.Now()
		w.stop()
		<-w.done
		if took := time.Since(stopped); took != 15*time.Second {
			t.Errorf("Run returned %s after the stop, want the 15s that the long poll had to go", took)
		}
		if n := len(q.called(opReceive)); n != 1 {
			t.Errorf("%d receives, want 1", n)
		}
		if s := w.Status(); !s.Draining {
			t.Errorf("status is %+v, want draining", s)
		}
	})
}

// A Drain shorter than the long poll must not keep it from giving back.
func TestMessageThatComesWhileStoppingIsReleased(t *testing.T) {
	t.Parallel()
	for _, drain := range []time.Duration{time.Second, time.Minute} {
		t.Run(drain.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue()
				w := start(t, q, func(context.Context, types.Message) error {
					t.Error("handled a message after the stop")
					return nil
				}, Config{Drain: drain, Concurrency: 2})
				time.Sleep(5 * time.Second)
				w.stop()
				time.Sleep(10 * time.Second)
				q.put("late", nil)
				<-w.done
				if in := q.visibleIn(0); in > 0 {
					t.Errorf("message is visible in %s, want now", in)
				}
				if line := w.event(t, eventReleased); line.Level != zap.InfoLevel {
					t.Errorf("released at level %s, want info", line.Level)
				}
				if s := w.Status(); s.InFlight != 0 {
					t.Errorf("status is %+v, want none in flight", s)
				}
			})
		})
	}
}

func TestDrainLetsHandlersFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a", "b")
		w := start(t, q, func(ctx context.Context, _ types.Message) error {
			if !sleep(ctx, 85*time.Second) {
				t.Errorf("handler's context ended: %v", context.Cause(ctx))
			}
			return nil
		}, Config{})
		time.Sleep(time.Second)
		w.stop()
		<-w.done
		if !q.message(0).deleted {
			t.Error("the message in hand was not deleted")
		}
		if q.message(1).receives != 0 {
			t.Error("a message was received after the stop")
		}
		if n := len(q.called(opChange)); n < 2 {
			t.Errorf("%d heartbeats, want them to go on while draining", n)
		}
		if line := w.event(t, eventDraining).ContextMap(); line[keyInFlight] != int64(1) {
			t.Errorf("log line is %v, want 1 in flight", line)
		}
	})
}

func TestDrainEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		w := start(t, q, func(ctx context.Context, _ types.Message) error {
			<-ctx.Done()
			cause := context.Cause(ctx)
			// The handler needs long to stop: its message must stay invisible.
			time.Sleep(5 * time.Minute)
			if in := q.visibleIn(0); in <= 0 {
				t.Errorf("message became visible %s before the handler returned", -in)
			}
			return fmt.Errorf("interrupted: %w", cause)
		}, Config{Drain: 10 * time.Second})
		time.Sleep(time.Second)
		stopped := time.Now()
		w.stop()
		<-w.done
		if took := time.Since(stopped); took != 5*time.Minute+10*time.Second {
			t.Errorf("Run returned after %s, want the drain time and the handler's", took)
		}
		if in := q.visibleIn(0); in > 0 || q.message(0).deleted {
			t.Errorf("message is visible in %s (deleted: %v), want now", in, q.message(0).deleted)
		}
		line := w.event(t, eventReleased)
		if line.Level != zap.InfoLevel || line.ContextMap()[keyMessageID] != "m1" {
			t.Errorf("log line is %+v", line)
		}
		w.noEvent(t, eventRetry)
	})
}

func TestRunEndsWhenSQSDoesNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.fail = func(ctx context.Context, _ call) error { <-ctx.Done(); return ctx.Err() }
		w := start(t, q, nothing, Config{})
		synctest.Wait()
		stopped := time.Now()
		w.stop()
		<-w.done
		if took := time.Since(stopped); took != receiveTimeout {
			t.Errorf("Run returned after %s, want %s", took, receiveTimeout)
		}
	})
}

func TestOutageIsAFewLogLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		begin := time.Now()
		var requests int
		q.fail = func(_ context.Context, c call) error {
			requests++
			switch since := time.Since(begin); {
			case c.op != opReceive || since > 30*time.Minute:
				return nil
			case since > 10*time.Minute:
				return errors.New("dial tcp: connection refused")
			default:
				// As from AWS, no two are alike.
				return fmt.Errorf("RequestID %d: %w", requests, &smithy.GenericAPIError{Code: "ServiceUnavailable"})
			}
		}
		w := start(t, q, nothing, Config{})
		time.Sleep(20 * time.Minute)
		if s := w.Status(); s.ReceiveError != "receive message: dial tcp: connection refused" || !s.LastReceive.IsZero() {
			t.Errorf("status is %+v", s)
		}
		time.Sleep(11 * time.Minute)
		if s := w.Status(); s.ReceiveError != "" || s.LastReceive.Before(begin.Add(30*time.Minute)) {
			t.Errorf("status after the outage is %+v", s)
		}
		if !q.message(0).deleted {
			t.Error("the message was not worked after the outage")
		}
		if n := w.logs.FilterMessage(eventReceiveFailed).Len(); n != 2 {
			t.Errorf("%d lines %s, want one for each of 2 kinds", n, eventReceiveFailed)
		}
		failed := w.event(t, eventReceiveRecovered).ContextMap()[keyFailures].(int64)
		if failed < 30*60/20 || failed > 600 {
			t.Errorf("%d receives failed in 30 min, want the back-off to grow to 20 s", failed)
		}
	})
}

func TestStopCutsThePauseShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.fail = func(context.Context, call) error { return errors.New("no") }
		w := start(t, q, nothing, Config{})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		stopped := time.Now()
		w.stop()
		<-w.done
		if took := time.Since(stopped); took != 0 {
			t.Errorf("Run returned %s after the stop, want at once", took)
		}
	})
}

func TestRunsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, newFakeQueue(), nothing, Config{})
		synctest.Wait()
		if err := w.Run(t.Context()); err == nil {
			t.Error("a second Run gave no error")
		}
	})
}

func TestStopBeforeRun(t *testing.T) {
	t.Parallel()
	q := newFakeQueue("a")
	w, err := New(q, nothing, zap.NewNop(), Config{QueueURL: testQueueURL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Error(err)
	}
	if n := len(q.called(opReceive)); n != 0 {
		t.Errorf("%d receives, want none", n)
	}
}

func TestHandlersKeepTheValuesOfRunsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		var got any
		w, err := New(newFakeQueue("a"), handlerFunc(func(ctx context.Context, _ types.Message) error {
			got = ctx.Value(key{})
			return nil
		}), zap.NewNop(), Config{QueueURL: testQueueURL})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "v"), time.Second)
		defer cancel()
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
		if got != "v" {
			t.Errorf("value is %v, want v", got)
		}
	})
}

func TestReceiveCount(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"": 1, "x": 1, "0": 1, "1": 1, "7": 7} {
		m := types.Message{Attributes: map[string]string{"ApproximateReceiveCount": in}}
		if got := receiveCount(m); got != want {
			t.Errorf("receiveCount(%q) = %d, want %d", in, got, want)
		}
	}
	if got := receiveCount(types.Message{}); got != 1 {
		t.Errorf("receiveCount without attributes = %d, want 1", got)
	}
}

func TestHurryReleasesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		w := start(t, q, func(ctx context.Context, _ types.Message) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}, Config{Drain: time.Hour})
		time.Sleep(time.Second)
		w.Hurry() // before anybody stopped it: nothing
		time.Sleep(time.Minute)
		w.noEvent(t, eventReleased)
		stopped := time.Now()
		w.stop()
		<-w.done
		if took := time.Since(stopped); took != time.Second {
			t.Errorf("Run returned after %s, want the second that the handler takes", took)
		}
		if in := q.visibleIn(0); in > 0 || q.message(0).deleted {
			t.Errorf("message is visible in %s (deleted: %v), want now", in, q.message(0).deleted)
		}
		w.event(t, eventReleased)
		w.event(t, eventHurried)
	})
}

// A handler that doesn't heed its context holds up neither the end nor its message,
// also when it did not heed the end of the drain before.
func TestHurryLeavesHandlersThatDoNotReturn(t *testing.T) {
	t.Parallel()
	for _, drain := range []time.Duration{time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue("a", "b")
			enough := make(chan struct{})
			w := start(t, q, func(context.Context, types.Message) error { <-enough; return nil }, Config{Drain: drain, Concurrency: 2})
			time.Sleep(time.Second)
			w.stop()
			time.Sleep(10 * time.Second)
			hurried := time.Now()
			w.Hurry()
			w.Hurry()
			<-w.done
			if took := time.Since(hurried); took != hurryTime {
				t.Errorf("Run returned after %s, want %s", took, hurryTime)
			}
			time.Sleep(5 * time.Minute) // no beat hides a message again
			for i := range 2 {
				if in := q.visibleIn(i); in > 0 || q.message(i).deleted {
					t.Errorf("message %d is visible in %s (deleted: %v), want now", i, in, q.message(i).deleted)
				}
			}
			close(enough)
			synctest.Wait()
			if q.message(0).deleted || q.message(1).deleted {
				t.Error("a handler that was left behind still decided about its message")
			}
		})
	}
}

// What a long poll brings after all is given back before the end.
func TestHurryWaitsForTheReceive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		w := start(t, q, nothing, Config{})
		time.Sleep(time.Second)
		w.stop()
		w.Hurry()
		time.Sleep(10 * time.Second)
		q.put("late", nil)
		<-w.done
		if in := q.visibleIn(0); in > 0 || q.message(0).receives != 1 {
			t.Errorf("message is visible in %s, want now", in)
		}
		w.event(t, eventReleased)
	})
}
