package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/internal/failpoint"
)

// A Rejection is an error that no further try would mend. Reject returns the
// reason in a word or a line, for the dead-letter queue and the log.
type Rejection interface {
	error
	Reject() string
}

// A Postponement is an error that names when the next try makes sense.
// RetryAfter is cut to what is left of the 12 h that SQS allows a receive, and
// rounded up to whole seconds; 0 or less is at once.
type Postponement interface {
	error
	RetryAfter() time.Duration
}

const (
	// verdictTime ends all the calls that follow a handler's return.
	verdictTime = 20 * time.Second

	deleteTries     = 4
	deletePauseBase = time.Second
	deletePauseCap  = 4 * time.Second
)

// Message attributes that a rejected message carries to the dead-letter queue.
const (
	attributeReason = "reason"
	attributeSource = "source_message_id"

	maxAttributes = 10   // that SQS allows a message
	maxReason     = 1024 // bytes

	// maxMessage is how many bytes SQS takes of a body and its attributes together.
	// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
	maxMessage = 1 << 20
)

// settle does to d what err, and the cause of the handler's context, say. It
// does so even when the worker is being stopped.
func (w *Worker) settle(ctx context.Context, d delivery, err, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), verdictTime)
	defer cancel()
	var (
		rejection    Rejection
		postponement Postponement
		fault        Fault
	)
	switch {
	case err == nil:
		w.fitness.worked()
		if w.delete(ctx, d) {
			failpoint.Hit("deleted")
			d.log.Info(eventDone, d.duration())
		}
	case errors.Is(cause, ErrStopping):
		// Before Rejection: a job that was cut short may well look broken.
		w.release(ctx, d)
	case errors.As(err, &fault):
		w.fitness.fault(fault.MachineFault())
		w.retry(ctx, d, 0, err, cause)
	case errors.As(err, &rejection):
		w.reject(ctx, d, legalReason(rejection.Reject()), err, cause)
	case errors.As(err, &postponement):
		w.retry(ctx, d, postponement.RetryAfter(), err, cause)
	default:
		w.retry(ctx, d, w.backoff(d), err, cause)
	}
}

func (w *Worker) backoff(d delivery) time.Duration {
	return backoff(w.cfg.BackoffBase, w.cfg.BackoffCap, d.receives, rand.Float64())
}

// delete reports whether the message is deleted. If not, it is delivered again.
func (w *Worker) delete(ctx context.Context, d delivery) bool {
	for try := 1; ; try++ {
		err := w.deleteOnce(ctx, d)
		if err == nil {
			return true
		}
		if try == deleteTries || isGone(err) || !sleep(ctx, backoff(deletePauseBase, deletePauseCap, try, rand.Float64())) {
			d.log.Error(eventDeleteFailed, d.duration(), zap.Error(err))
			return false
		}
	}
}

func (w *Worker) deleteOnce(ctx context.Context, d delivery) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := w.queue.DeleteMessage(ctx, &sqs.DeleteMessageInput{
		QueueUrl:      &w.cfg.QueueURL,
		ReceiptHandle: d.message.ReceiptHandle,
	})
	if err != nil {
		return fmt.Errorf("delete message: %w", err)
	}
	return nil
}

// release gives d back at once, for another worker. It does not end with ctx,
// which may have ended with the drain time.
func (w *Worker) release(ctx context.Context, d delivery) {
	if w.giveBack(context.WithoutCancel(ctx), d, 0) {
		d.log.Info(eventReleased, d.duration())
	}
}

// retry gives d back after delay, and says why.
func (w *Worker) retry(ctx context.Context, d delivery, delay time.Duration, err, cause error, more ...zap.Field) {
	delay = min(max(delay, 0), d.left())
	w.giveBack(ctx, d, delay)
	fields := append(more, d.duration(), zap.Duration(keyDelay, delay), zap.Error(err), zap.NamedError(keyCause, cause))
	var panicked *panicError
	if errors.As(err, &panicked) {
		d.log.Error(eventRetry, append(fields, zap.ByteString(keyStack, panicked.stack))...)
		return
	}
	d.log.Warn(eventRetry, fields...)
}

// giveBack makes d's message visible again after delay and reports whether it
// could. If not, the visibility timeout does the same, only later.
func (w *Worker) giveBack(ctx context.Context, d delivery, delay time.Duration) bool {
	err := w.setVisibility(ctx, d, delay, callTimeout)
	if err != nil {
		d.log.Warn(eventVisibilityFailed, d.duration(), zap.Duration(keyDelay, delay), zap.Error(err))
	}
	return err == nil
}

// reject moves d's message to the dead-letter queue. A message that cannot be
// put there is returned with a back-off and never deleted.
func (w *Worker) reject(ctx context.Context, d delivery, reason string, err, cause error) {
	field := zap.String(keyReason, reason)
	if w.cfg.DeadLetterURL == "" {
		w.retry(ctx, d, w.backoff(d), err, cause, field)
		return
	}
	attributes, dropped := deadLetterAttributes(d.message, reason)
	if sendErr := w.sendDeadLetter(ctx, d, attributes); sendErr != nil {
		d.log.Error(eventDeadLetterFailed, d.duration(), field, zap.Error(sendErr))
		w.retry(ctx, d, w.backoff(d), err, cause, field)
		return
	}
	if w.delete(ctx, d) {
		d.log.Warn(eventRejected, d.duration(), field, zap.Int(keyAttributesDropped, dropped), zap.Error(err))
	}
}

func (w *Worker) sendDeadLetter(ctx context.Context, d delivery, attributes map[string]types.MessageAttributeValue) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := w.queue.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl:          &w.cfg.DeadLetterURL,
		MessageBody:       d.message.Body,
		MessageAttributes: attributes,
	})
	if err != nil {
		return fmt.Errorf("send to dead-letter queue: %w", err)
	}
	return nil
}

// deadLetterAttributes returns m's attributes with ours among them, and how many
// of m's had to go because SQS allows ten. The last by name go first. Of ours only
// what a message still has room for is added.
func deadLetterAttributes(m types.Message, reason string) (attributes map[string]types.MessageAttributeValue, dropped int) {
	attributes = maps.Clone(m.MessageAttributes)
	if attributes == nil {
		attributes = make(map[string]types.MessageAttributeValue)
	}
	delete(attributes, attributeReason)
	delete(attributes, attributeSource)
	names := slices.Sorted(maps.Keys(attributes))
	for _, name := range names[min(len(names), maxAttributes-2):] {
		delete(attributes, name)
		dropped++
	}
	room := maxMessage - len(aws.ToString(m.Body))
	for name, a := range attributes {
		room -= len(name) + len(aws.ToString(a.DataType)) + len(aws.ToString(a.StringValue)) + len(a.BinaryValue)
	}
	for _, ours := range []struct{ name, value string }{{attributeSource, aws.ToString(m.MessageId)}, {attributeReason, reason}} {
		if size := len(ours.name) + len("String") + len(ours.value); size <= room {
			attributes[ours.name] = stringAttribute(ours.value)
			room -= size
		}
	}
	return attributes, dropped
}

func stringAttribute(s string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &s}
}

// legalReason makes s a value that SQS takes: not empty, at most maxReason bytes,
// and only characters that XML allows.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func legalReason(s string) string {
	s = strings.Map(func(r rune) rune {
		if isXML(r) {
			return r
		}
		return utf8.RuneError
	}, s)
	if s == "" {
		return "unspecified"
	}
	for len(s) > maxReason {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

func isXML(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}
