package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"
)

// failOn fails the first n calls of op.
func failOn(op string, n int) func(context.Context, call) error {
	return func(_ context.Context, c call) error {
		if c.op == op && n > 0 {
			n--
			return errors.New(op + " failed")
		}
		return nil
	}
}

func TestDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		w := start(t, q, nothing, Config{})
		synctest.Wait()
		if !q.message(0).deleted {
			t.Error("message is not deleted")
		}
		line := w.event(t, eventDone)
		got := line.ContextMap()
		if line.Level != zap.InfoLevel || got[keyMessageID] != "m1" || got[keyReceives] != int64(1) || got[keyDuration] != time.Duration(0) {
			t.Errorf("log line is %+v", line)
		}
	})
}

func TestFailureBacksOffMoreEachTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		const receives = 12
		w := start(t, q, func(_ context.Context, m types.Message) error {
			if m.Attributes["ApproximateReceiveCount"] == fmt.Sprint(receives) {
				return nil
			}
			return errors.New("no luck")
		}, Config{BackoffBase: 3 * time.Second, BackoffCap: 10 * time.Minute})
		time.Sleep(receives * 10 * time.Minute)

		delays := q.called(opChange)
		if len(delays) != receives-1 {
			t.Fatalf("%d calls, want one for each of %d failures", len(delays), receives-1)
		}
		longest, total := int32(3), int32(0)
		for n, c := range delays {
			if c.visibility < 1 || c.visibility > longest {
				t.Errorf("failure %d waits %d s, want 1 to %d", n+1, c.visibility, longest)
			}
			longest, total = min(2*longest, 600), total+c.visibility
		}
		if total < 100 { // of 3,369 at most: the chance is nil if it grows
			t.Errorf("11 failures waited %d s in all, want growth", total)
		}
		line := w.logs.FilterMessage(eventRetry).All()[receives-2]
		got := line.ContextMap()
		if line.Level != zap.WarnLevel || got["error"] != "no luck" || got[keyReceives] != int64(receives-1) || got[keyDelay].(time.Duration) <= 0 {
			t.Errorf("log line is %+v", line)
		}
		w.event(t, eventDone)
	})
}

func TestPostponementNamesTheDelay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ after, want time.Duration }{
		{time.Hour, time.Hour},
		{1500 * time.Millisecond, 2 * time.Second},
		{20 * time.Hour, 12 * time.Hour},
	} {
		t.Run(tt.after.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue("a")
				w := start(t, q, func(_ context.Context, m types.Message) error {
					if m.Attributes["ApproximateReceiveCount"] == "1" {
						return fmt.Errorf("wait for the transcode: %w", &postponement{tt.after})
					}
					return nil
				}, Config{})
				synctest.Wait()
				if in := q.visibleIn(0); in != tt.want {
					t.Errorf("visible in %s, want %s", in, tt.want)
				}
				w.event(t, eventRetry)
				w.noEvent(t, eventVisibilityFailed)
				time.Sleep(tt.want)
				synctest.Wait()
				if m := q.message(0); m.receives != 2 || !m.deleted {
					t.Errorf("message is %+v, want received again when it was said", m)
				}
			})
		})
	}
}

func TestPostponementCanBeNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		start(t, q, func(_ context.Context, m types.Message) error {
			if m.Attributes["ApproximateReceiveCount"] == "1" {
				return &postponement{-time.Hour}
			}
			return nil
		}, Config{})
		synctest.Wait()
		if m := q.message(0); m.receives != 2 || !m.deleted {
			t.Errorf("message is %+v, want received again at once", m)
		}
	})
}

func TestRejectionGoesToTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		kept := types.MessageAttributeValue{DataType: aws.String("Binary"), BinaryValue: []byte{1, 2}}
		q.put("{not json", map[string]types.MessageAttributeValue{
			"trace":         kept,
			attributeReason: {DataType: aws.String("String"), StringValue: aws.String("an older one")},
		})
		w := start(t, q, func(context.Context, types.Message) error {
			return fmt.Errorf("decode: %w", &rejection{"bad_message"})
		}, Config{DeadLetterURL: testDeadURL})
		synctest.Wait()

		dead := q.deadLetters()
		if len(dead) != 1 || !q.message(0).deleted {
			t.Fatalf("%d dead letters (deleted: %v), want one, and the message deleted", len(dead), q.message(0).deleted)
		}
		if *dead[0].QueueUrl != testDeadURL || *dead[0].MessageBody != "{not json" {
			t.Errorf("dead letter is %+v", dead[0])
		}
		got := dead[0].MessageAttributes
		if len(got) != 3 || string(got["trace"].BinaryValue) != "\x01\x02" ||
			*got[attributeReason].StringValue != "bad_message" || *got[attributeSource].StringValue != "m1" {
			t.Errorf("attributes are %+v", got)
		}
		line := w.event(t, eventRejected)
		if m := line.ContextMap(); line.Level != zap.WarnLevel || m[keyReason] != "bad_message" || m["error"] != "decode: rejected: bad_message" {
			t.Errorf("log line is %+v", line)
		}
	})
}

func TestRejectionWithoutDeadLetterQueueBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		w := start(t, q, func(context.Context, types.Message) error { return &rejection{"bad_message"} },
			Config{BackoffBase: time.Hour, BackoffCap: time.Hour})
		synctest.Wait()
		if in := q.visibleIn(0); q.message(0).deleted || in <= 0 || in > time.Hour {
			t.Errorf("visible in %s (deleted: %v), want up to 1h", in, q.message(0).deleted)
		}
		if n := len(q.called(opSend)); n != 0 {
			t.Errorf("%d sends, want none", n)
		}
		if got := w.event(t, eventRetry).ContextMap(); got[keyReason] != "bad_message" {
			t.Errorf("log line is %v", got)
		}
	})
}

func TestRejectionIsNotDeletedUnlessSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		q.fail = failOn(opSend, 1)
		w := start(t, q, func(context.Context, types.Message) error { return &rejection{"bad_message"} },
			Config{DeadLetterURL: testDeadURL})
		synctest.Wait()
		if q.message(0).deleted || q.visibleIn(0) <= 0 {
			t.Errorf("visible in %s (deleted: %v), want a back-off", q.visibleIn(0), q.message(0).deleted)
		}
		if line := w.event(t, eventDeadLetterFailed); line.Level != zap.ErrorLevel {
			t.Errorf("log line is %+v", line)
		}
		w.event(t, eventRetry)
		time.Sleep(time.Minute)
		if len(q.deadLetters()) != 1 || !q.message(0).deleted {
			t.Errorf("%d dead letters (deleted: %v) after the next receive", len(q.deadLetters()), q.message(0).deleted)
		}
	})
}

func TestPanicIsOneMoreError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a", "b")
		w := start(t, q, func(_ context.Context, m types.Message) error {
			if *m.Body == "a" && m.Attributes["ApproximateReceiveCount"] == "1" {
				panicForTest(&rejection{"thrown"})
			}
			return nil
		}, Config{DeadLetterURL: testDeadURL})
		synctest.Wait()
		if q.message(0).deleted || len(q.deadLetters()) != 0 || !q.message(1).deleted {
			t.Error("want the first message kept, nothing rejected, and the second done")
		}
		line := w.event(t, eventRetry)
		got := line.ContextMap()
		if stack := got[keyStack].(string); line.Level != zap.ErrorLevel || !strings.Contains(stack, "panicForTest") {
			t.Errorf("log line is %+v, want an error with the stack", line)
		}
		if got["error"] != "handler panicked: rejected: thrown" {
			t.Errorf("error is %v", got["error"])
		}
		time.Sleep(time.Minute)
		if !q.message(0).deleted {
			t.Error("the message was not tried again")
		}
	})
}

func panicForTest(v any) { panic(v) }

func TestInterruptedJobIsNotJudged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		err     error
		deleted bool
	}{
		{"rejected", &rejection{"decoder_failed"}, false},
		{"postponed", &postponement{time.Hour}, false},
		{"failed", errors.New("killed"), false},
		{"done", nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue("a")
				w := start(t, q, func(ctx context.Context, _ types.Message) error {
					<-ctx.Done()
					return tt.err
				}, Config{DeadLetterURL: testDeadURL})
				synctest.Wait()
				w.stop()
				<-w.done
				if m := q.message(0); m.deleted != tt.deleted || len(q.deadLetters()) != 0 {
					t.Errorf("deleted: %v, dead letters: %d; want %v, 0", m.deleted, len(q.deadLetters()), tt.deleted)
				}
				if !tt.deleted {
					if in := q.visibleIn(0); in > 0 {
						t.Errorf("visible in %s, want now", in)
					}
					w.event(t, eventReleased)
				}
			})
		})
	}
}

func TestDeleteIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		fail     func(context.Context, call) error
		tries    int
		deleted  bool
		longest  time.Duration
		logEvent string
	}{
		{"fails twice", failOn(opDelete, 2), 3, true, 3 * time.Second, eventDone},
		{"always fails", failOn(opDelete, 1000), 4, false, 7 * time.Second, eventDeleteFailed},
		{"handle gone", func(_ context.Context, c call) error {
			if c.op == opDelete {
				return &types.ReceiptHandleIsInvalid{}
			}
			return nil
		}, 1, false, 0, eventDeleteFailed},
		{"no answer", func(ctx context.Context, c call) error {
			if c.op == opDelete {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, 2, false, verdictTime, eventDeleteFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue("a")
				q.fail = tt.fail
				w := start(t, q, nothing, Config{})
				begin := time.Now()
				synctest.Wait()
				w.stop()
				<-w.done
				if n := len(q.called(opDelete)); n != tt.tries {
					t.Errorf("%d tries, want %d", n, tt.tries)
				}
				if got := q.message(0).deleted; got != tt.deleted {
					t.Errorf("deleted: %v, want %v", got, tt.deleted)
				}
				// Run waits for its long poll too, which begins as it takes the slot.
				if took := time.Since(begin); took > tt.longest+longPoll {
					t.Errorf("took %s, want at most %s", took, tt.longest+longPoll)
				}
				w.event(t, tt.logEvent)
			})
		})
	}
}

func TestGiveBackThatFailsIsLeftToTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue("a")
		q.fail = failOn(opChange, 1)
		w := start(t, q, func(_ context.Context, m types.Message) error {
			if m.Attributes["ApproximateReceiveCount"] == "1" {
				return errors.New("no luck")
			}
			return nil
		}, Config{})
		synctest.Wait()
		w.event(t, eventVisibilityFailed)
		w.event(t, eventRetry)
		time.Sleep(DefaultVisibility)
		synctest.Wait()
		if !q.message(0).deleted {
			t.Error("the message did not come again after its visibility timeout")
		}
	})
}

func TestDeadLetterAttributesKeepToTen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ have, dropped int }{{0, 0}, {8, 0}, {9, 1}, {10, 2}} {
		m := types.Message{MessageId: aws.String("m1"), MessageAttributes: map[string]types.MessageAttributeValue{}}
		for n := range tt.have {
			m.MessageAttributes[fmt.Sprintf("a%d", n)] = stringAttribute("v")
		}
		got, dropped := deadLetterAttributes(m, "why")
		if dropped != tt.dropped || len(got) != tt.have-tt.dropped+2 {
			t.Errorf("of %d attributes %d dropped, %d left; want %d dropped", tt.have, dropped, len(got), tt.dropped)
		}
		if *got[attributeReason].StringValue != "why" || *got[attributeSource].StringValue != "m1" {
			t.Errorf("ours are %+v", got)
		}
		if _, ok := got["a9"]; ok {
			t.Error("the last by name was kept")
		}
		if len(m.MessageAttributes) != tt.have {
			t.Error("the message itself was changed")
		}
	}
}

func TestLegalReason(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                    "unspecified",
		"bad_message":         "bad_message",
		"tab\tand\nline":      "tab\tand\nline",
		"nul\x00bell\a":       "nul\uFFFDbell\uFFFD",
		"bad utf-8 \xff.":     "bad utf-8 \uFFFD.",
		"no character \uFFFE": "no character \uFFFD",
		"face 🙂":              "face 🙂",
	} {
		if got := legalReason(in); got != want {
			t.Errorf("legalReason(%q) = %q, want %q", in, got, want)
		}
	}
	long := legalReason("a" + strings.Repeat("é", 600))
	if len(long) != 1023 || !utf8.ValidString(long) || slices.Contains([]rune(long), utf8.RuneError) {
		t.Errorf("a reason of 1,201 bytes became %d bytes: %q", len(long), long)
	}
}

// TestLargestDeadLetter: SQS takes 1 MiB, of which a message may need all.
func TestLargestDeadLetter(t *testing.T) {
	t.Parallel()
	own := map[string]types.MessageAttributeValue{"customer": stringAttribute("4711")} // 8 + 6 + 4 bytes
	for left, want := range map[int][]string{
		0: {"customer"}, 18: {"customer"}, 25: {"customer", attributeSource}, 500: {"customer", attributeSource},
		2000: {"customer", attributeReason, attributeSource},
	} {
		m := types.Message{MessageId: aws.String("m1"), Body: aws.String(strings.Repeat("x", maxMessage-18-left)), MessageAttributes: own}
		got, _ := deadLetterAttributes(m, strings.Repeat("r", maxReason))
		size := len(*m.Body)
		for name, a := range got {
			size += len(name) + len(*a.DataType) + len(*a.StringValue)
		}
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) || size > maxMessage {
			t.Errorf("with %d bytes left: %v, %d bytes", left, names, size)
		}
	}
}
