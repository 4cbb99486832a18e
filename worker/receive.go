package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"go.uber.org/zap"
)

const (
	maxReceive = 10               // most messages of one receive
	longPoll   = 20 * time.Second // longest wait that SQS allows

	receiveTimeout   = longPoll + 10*time.Second
	receivePauseBase = time.Second
	receivePauseCap  = 20 * time.Second
)

// A delivery is one message as it was handed to this worker.
type delivery struct {
	message types.Message

	// receives is SQS's count of how often the message was received, this time
	// included. At least 1. A receive that a deploy cut short counts too.
	receives int

	// asked is from before the receive was sent. SQS counts the visibility and
	// its 12 h from some moment after it, so that what is counted from here ends
	// too early rather than too late.
	asked time.Time

	// came is when the answer was here.
	came time.Time

	log *zap.Logger // names the message
}

// duration is how long the message has been in hand, as a log field.
func (d delivery) duration() zap.Field { return zap.Duration(keyDuration, time.Since(d.came)) }

// left is how long SQS lets this worker keep the message yet, in whole seconds.
func (d delivery) left() time.Duration {
	return max(maxHold-elapsed(d.asked), 0).Truncate(time.Second)
}

// receive waits for messages and takes at most n, which is at most maxReceive.
//
// It does not end with ctx: SQS may have handed a message out already, and that
// would stay invisible for its whole timeout with nobody at it.
func (w *Worker) receive(ctx context.Context, n int) ([]delivery, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), receiveTimeout)
	defer cancel()
	asked := time.Now()
	out, err := w.queue.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:            &w.cfg.QueueURL,
		MaxNumberOfMessages: int32(n),
		WaitTimeSeconds:     int32(longPoll / time.Second),
		VisibilityTimeout:   seconds(w.cfg.Visibility),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount,
			types.MessageSystemAttributeNameSentTimestamp,
		},
		MessageAttributeNames: []string{"All"},
	}, once)
	if err != nil {
		err = fmt.Errorf("receive message: %w", err)
	}
	w.status.received(err)
	if err != nil {
		return nil, err
	}
	came := time.Now()
	received := make([]delivery, len(out.Messages))
	for i, m := range out.Messages {
		d := delivery{message: m, receives: receiveCount(m), asked: asked, came: came}
		d.log = w.log.With(zap.String(keyMessageID, aws.ToString(m.MessageId)), zap.Int(keyReceives, d.receives))
		d.log.Debug(eventReceived, queuedFor(m, came))
		received[i] = d
	}
	return received, nil
}

// once leaves trying again to Run, which ends it when it is told to stop. The
// client's own tries would each be one more long poll.
func once(o *sqs.Options) { o.RetryMaxAttempts = 1 }

func receiveCount(m types.Message) int {
	n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil {
		return 1
	}
	return max(n, 1)
}

func queuedFor(m types.Message, came time.Time) zap.Field {
	ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	if err != nil {
		return zap.Skip()
	}
	return zap.Duration(keyQueuedFor, came.Sub(time.UnixMilli(ms)))
}

// An outage is a row of failed receives. Its lines in the log are one for each
// change of error and one at its end, not one for each failure.
type outage struct {
	kind     string
	failures int
}

// observe takes the error of one more receive and returns how long to wait
// before the next: 0 when there was none.
func (o *outage) observe(log *zap.Logger, err error) time.Duration {
	if err == nil {
		if o.failures > 0 {
			log.Info(eventReceiveRecovered, zap.Int(keyFailures, o.failures))
		}
		*o = outage{}
		return 0
	}
	o.failures++
	if kind := errorKind(err); kind != o.kind {
		o.kind = kind
		log.Warn(eventReceiveFailed, zap.Int(keyFailures, o.failures), zap.Error(err))
	}
	return backoff(receivePauseBase, receivePauseCap, o.failures, rand.Float64())
}

// errorKind returns what is the same in two errors of one kind. The text of an
// error of AWS holds the request's id and differs each time.
func errorKind(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err.Error()
}
