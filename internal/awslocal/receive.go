package awslocal

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/Admiral-Piett/goaws/app/gosqs"
	"github.com/Admiral-Piett/goaws/app/models"
)

// The limits of ReceiveMessage:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
const (
	maxMessages   = 10
	maxWait       = 20    // seconds
	maxVisibility = 43200 // seconds
)

// receiveInput is a ReceiveMessage request. A nil number was not given.
type receiveInput struct {
	QueueURL                    string `json:"QueueUrl"`
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
	MaxNumberOfMessages         *int
	WaitTimeSeconds             *int
	VisibilityTimeout           *int
}

func (in *receiveInput) validate() error {
	for _, f := range []struct {
		name     string
		value    *int
		min, max int
	}{
		{"MaxNumberOfMessages", in.MaxNumberOfMessages, 1, maxMessages},
		{"WaitTimeSeconds", in.WaitTimeSeconds, 0, maxWait},
		{"VisibilityTimeout", in.VisibilityTimeout, 0, maxVisibility},
	} {
		if f.value != nil && (*f.value < f.min || *f.value > f.max) {
			return errInvalidParameter(fmt.Sprintf("Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.",
				*f.value, f.name, f.min, f.max))
		}
	}
	return nil
}

// receive waits for messages as long as the request, or else the queue, says.
// The long poll of goaws looks ten times a second; this one sleeps until
// something changes.
func (a *account) receive(ctx context.Context, body []byte) (any, error) {
	var in receiveInput
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, &apiError{status: http.StatusBadRequest, code: "SerializationException", message: err.Error()}
	}
	if err := in.validate(); err != nil {
		return nil, err
	}
	start := time.Now()
	for {
		messages, again, err := a.receiveNow(ctx, &in, start)
		switch {
		case err != nil:
			return nil, err
		case len(messages) > 0:
			return map[string]any{"Messages": messages}, nil
		case again == nil:
			return nil, nil
		}
		timer := time.NewTimer(again.wait)
		select {
		case <-ctx.Done():
		case <-again.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// nextLook says when a long poll looks again: after wait, unless changed is
// closed before.
type nextLook struct {
	wait    time.Duration
	changed <-chan struct{}
}

// receiveNow takes the messages that are visible. If there are none it says
// when to look again, or nil when the poll that began at start is over.
func (a *account) receiveNow(ctx context.Context, in *receiveInput, start time.Time) ([]*models.ResultMessage, *nextLook, error) {
	looked := time.Now()
	unlock := a.lock()
	defer unlock()
	if ctx.Err() != nil { // a message handed out now would reach nobody
		return nil, nil, nil
	}
	q := a.queue(in.QueueURL)
	if q == nil {
		return nil, nil, errQueueDoesNotExist()
	}
	req := models.ReceiveMessageRequest{
		QueueUrl:            q.Name,
		MaxNumberOfMessages: 1,
		WaitTimeSeconds:     -1, // not at all; 0 would be the queue's own
	}
	if in.MaxNumberOfMessages != nil {
		req.MaxNumberOfMessages = *in.MaxNumberOfMessages
	}
	if in.VisibilityTimeout != nil {
		req.VisibilityTimeout = *in.VisibilityTimeout
	}
	out, err := call(gosqs.ReceiveMessageV1, req)
	if err != nil {
		return nil, nil, err
	}
	if messages := out.(models.ReceiveMessageResponse).Result.Messages; len(messages) > 0 {
		for _, m := range messages {
			in.complete(q, m)
		}
		return messages, nil, nil
	}

	seconds := q.ReceiveMessageWaitTimeSeconds
	if in.WaitTimeSeconds != nil {
		seconds = *in.WaitTimeSeconds
	}
	now, end := time.Now(), start.Add(time.Duration(seconds)*time.Second)
	if !now.Before(end) {
		return nil, nil, nil
	}
	if at, ok := a.nextChange(looked); ok && at.Before(end) {
		end = at.Add(time.Microsecond) // goaws wants the time to be past
	}
	return nil, &nextLook{wait: end.Sub(now), changed: a.changed}, nil
}

// complete counts the receive of m, which goaws does not, and leaves in m only
// what was asked for, as SQS does.
func (in *receiveInput) complete(q *models.Queue, m *models.ResultMessage) {
	i := slices.IndexFunc(q.Messages, func(s models.SqsMessage) bool { return s.ReceiptHandle == m.ReceiptHandle })
	kept := &q.Messages[i]
	kept.NumberOfReceives++
	if in.VisibilityTimeout != nil && *in.VisibilityTimeout == 0 {
		kept.VisibilityTimeout = time.Now() // goaws takes 0 for the queue's own
	}
	m.Attributes["SentTimestamp"] = strconv.FormatInt(kept.SentTime.UnixMilli(), 10)

	system := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	maps.DeleteFunc(m.Attributes, func(name, _ string) bool { return !wanted(system, name) })
	all := len(m.MessageAttributes)
	m.MessageAttributes = maps.Clone(m.MessageAttributes) // the queue keeps all of them
	maps.DeleteFunc(m.MessageAttributes, func(name string, _ models.MessageAttribute) bool {
		return !wanted(in.MessageAttributeNames, name)
	})
	if len(m.MessageAttributes) != all || all == 0 {
		m.MD5OfMessageAttributes = "" // it is the sum of all of them
	}
}
