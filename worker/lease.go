package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"go.uber.org/zap"
)

const (
	// callTimeout ends one call about a message, the client's own tries included.
	callTimeout = 10 * time.Second

	// stopTime is how long before the end of its lease a handler is told to stop.
	stopTime = 10 * time.Second

	// minBeat is the least time that a beat gets for its answer.
	minBeat = 3 * time.Second

	// minLease is the shortest lease worth asking for.
	minLease = callTimeout + stopTime

	// retryBeats is how many times closer the tries after a failed beat are.
	retryBeats = 3
)

// A lease is the time for which SQS keeps a message from other workers.
type lease struct {
	since  time.Time // from before the last call that was granted
	length time.Duration
}

func (l lease) left() time.Duration { return l.length - elapsed(l.since) }

// beatTimeout is how long the next beat may take: when it hangs there must be
// time for one more, and then for the handler to stop.
func (l lease) beatTimeout() time.Duration {
	return max(minBeat, min(callTimeout, (l.left()-stopTime)/2))
}

// elapsed returns the time since t by the clock that says more of the monotonic
// one, which stands still while the machine is suspended, and the wall clock.
func elapsed(t time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// keep extends d's visibility until handled is closed, and reports whether the
// message is still this worker's. It returns false early, while there is time
// for the handler to stop, when the next beat would come too late or when SQS
// says that the receipt handle is no longer good.
//
// It does not end with ctx: a handler that was told to stop still needs its
// message until it has returned.
func (w *Worker) keep(ctx context.Context, d delivery, handled <-chan struct{}) bool {
	ctx = context.WithoutCancel(ctx)
	l := lease{since: d.asked, length: w.cfg.Visibility}
	lost := func(err error) bool {
		d.log.Warn(eventLeaseLost, d.duration(), zap.Duration(keyLeaseLeft, l.left()), zap.Error(err))
		return false
	}
	every := func(d time.Duration) time.Duration { return jitter(d, rand.Float64()) }

	next := time.NewTimer(every(w.cfg.Heartbeat) - elapsed(l.since))
	defer next.Stop()
	for {
		select {
		case <-handled:
			return l.left() > 0 || lost(errors.New("lease ended before a beat"))
		case <-w.left:
			return false // the message was given back without its handler
		case <-next.C:
		}
		// Both limits are met only after a long sleep of the machine or process
		// and at the end of the 12 h; asking would only hide the first.
		ask := min(w.cfg.Visibility, d.left())
		if l.left() <= 0 || ask < minLease {
			return lost(errors.New("no time left to extend"))
		}

		sent := time.Now()
		err := w.setVisibility(ctx, d, ask, l.beatTimeout())
		var wait time.Duration
		switch {
		case err == nil:
			l = lease{since: sent, length: ask}
			wait = min(every(w.cfg.Heartbeat), ask-stopTime)
		case isGone(err):
			return lost(err)
		default:
			wait = every(w.cfg.Heartbeat / retryBeats)
			// Of a message that has been handled only the verdict is yet to
			// come, and no beat.
			if l.left() <= wait+minBeat+stopTime && !closed(handled) {
				return lost(err)
			}
			d.log.Warn(eventHeartbeatFailed, d.duration(), zap.Duration(keyLeaseLeft, l.left()), zap.Error(err))
		}
		next.Reset(wait)
	}
}

// closed reports whether c is closed, without waiting.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// setVisibility makes d's message visible again after t, and gives up after
// timeout.
func (w *Worker) setVisibility(ctx context.Context, d delivery, t, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := w.queue.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl:          &w.cfg.QueueURL,
		ReceiptHandle:     d.message.ReceiptHandle,
		VisibilityTimeout: seconds(t),
	})
	if err != nil {
		return fmt.Errorf("change visibility to %s: %w", t, err)
	}
	return nil
}

// seconds rounds up, so that a wait shorter than SQS's unit is still a wait.
func seconds(d time.Duration) int32 {
	return int32((d + time.Second - 1) / time.Second)
}

// isGone reports whether err says that the receipt handle no longer stands for a
// message in flight.
//
// The modelled errors are told by their types, since their codes differ by
// protocol (MessageNotInflight is AWS.SimpleQueueService.MessageNotInflight in
// the header for clients of the query protocol). An expired handle and one of a
// deleted message are an InvalidParameterValue, which is not modelled, and has
// its long name from servers without that header.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
func isGone(err error) bool {
	var (
		invalid  *types.ReceiptHandleIsInvalid
		inflight *types.MessageNotInflight
		other    smithy.APIError
	)
	return errors.As(err, &invalid) || errors.As(err, &inflight) ||
		errors.As(err, &other) && strings.TrimSuffix(other.ErrorCode(), "Exception") == "InvalidParameterValue"
}
