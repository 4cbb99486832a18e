package worker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

const (
	testQueueURL = "https://sqs.eu-west-1.amazonaws.com/123456789012/videos"
	testDeadURL  = "https://sqs.eu-west-1.amazonaws.com/123456789012/videos-dead"
)

// fakeQueue is a standard queue in memory with SQS's rules of visibility, by the
// clock of its caller's bubble. It also stands for the dead-letter queue.
type fakeQueue struct {
	// wait, if not 0, is how long an empty receive waits at most, in place of
	// what it asks for.
	wait time.Duration

	// fail, if set, is asked before each call is served. It runs unlocked, so it
	// may block.
	fail func(ctx context.Context, c call) error

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when a message may have become visible
	messages []*fakeMessage
	dead     []*sqs.SendMessageInput
	calls    []call
	sent     int
}

type fakeMessage struct {
	id, body   string
	attributes map[string]types.MessageAttributeValue
	sent       time.Time
	receives   int
	received   time.Time
	visibleAt  time.Time
	handle     string
	deleted    bool
}

// call is one call that the queue was asked.
type call struct {
	op         string
	at         time.Time
	handle     string
	visibility int32 // of receives and changes
	most       int32 // messages a receive asked for
	waits      int32
}

const (
	opReceive = "ReceiveMessage"
	opChange  = "ChangeMessageVisibility"
	opDelete  = "DeleteMessage"
	opSend    = "SendMessage"
)

func newFakeQueue(bodies ...string) *fakeQueue {
	q := &fakeQueue{changed: make(chan struct{})}
	for _, b := range bodies {
		q.put(b, nil)
	}
	return q
}

func (q *fakeQueue) put(body string, attributes map[string]types.MessageAttributeValue) *fakeMessage {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent++
	m := &fakeMessage{id: fmt.Sprintf("m%d", q.sent), body: body, attributes: attributes, sent: time.Now(), visibleAt: time.Now()}
	q.messages = append(q.messages, m)
	q.wake()
	return m
}

func (q *fakeQueue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *fakeQueue) begin(ctx context.Context, c call) error {
	c.at = time.Now()
	q.mu.Lock()
	q.calls = append(q.calls, c)
	q.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if q.fail != nil {
		return q.fail(ctx, c)
	}
	return nil
}

func (q *fakeQueue) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	err := q.begin(ctx, call{op: opReceive, visibility: in.VisibilityTimeout, most: in.MaxNumberOfMessages, waits: in.WaitTimeSeconds})
	if err != nil {
		return nil, err
	}
	end := time.Now().Add(cmp.Or(q.wait, time.Duration(in.WaitTimeSeconds)*time.Second))
	for {
		out, next, changed := q.take(in)
		if len(out) > 0 || !time.Now().Before(end) {
			return &sqs.ReceiveMessageOutput{Messages: out}, nil
		}
		if next.IsZero() || next.After(end) {
			next = end
		}
		t := time.NewTimer(time.Until(next))
		select {
		case <-t.C:
		case <-changed:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
		t.Stop()
	}
}

// take hands out what is visible, and says when more will be.
func (q *fakeQueue) take(in *sqs.ReceiveMessageInput) (out []types.Message, next time.Time, changed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, m := range q.messages {
		switch {
		case m.deleted:
		case m.visibleAt.After(now):
			if next.IsZero() || m.visibleAt.Before(next) {
				next = m.visibleAt
			}
		case len(out) < int(in.MaxNumberOfMessages):
			m.receives++
			m.received = now
			m.visibleAt = now.Add(time.Duration(in.VisibilityTimeout) * time.Second)
			m.handle = fmt.Sprintf("%s/%d", m.id, m.receives)
			out = append(out, m.export(in))
		}
	}
	return out, next, q.changed
}

func (m *fakeMessage) export(in *sqs.ReceiveMessageInput) types.Message {
	out := types.Message{
		MessageId:     aws.String(m.id),
		ReceiptHandle: aws.String(m.handle),
		Body:          aws.String(m.body),
		Attributes:    map[string]string{},
	}
	for _, name := range in.MessageSystemAttributeNames {
		switch name {
		case types.MessageSystemAttributeNameApproximateReceiveCount:
			out.Attributes[string(name)] = strconv.Itoa(m.receives)
		case types.MessageSystemAttributeNameSentTimestamp:
			out.Attributes[string(name)] = strconv.FormatInt(m.sent.UnixMilli(), 10)
		}
	}
	if slices.Contains(in.MessageAttributeNames, "All") {
		out.MessageAttributes = m.attributes
	}
	return out
}

func (q *fakeQueue) ChangeMessageVisibility(ctx context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	err := q.begin(ctx, call{op: opChange, handle: *in.ReceiptHandle, visibility: in.VisibilityTimeout})
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.messages, func(m *fakeMessage) bool { return m.handle == *in.ReceiptHandle })
	if i < 0 {
		return nil, &types.ReceiptHandleIsInvalid{}
	}
	m, now := q.messages[i], time.Now()
	visibleAt := now.Add(time.Duration(in.VisibilityTimeout) * time.Second)
	switch {
	case m.deleted:
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterValue", Message: "Message does not exist or is not available for visibility timeout change."}
	case !m.visibleAt.After(now):
		return nil, &types.MessageNotInflight{}
	case visibleAt.After(m.received.Add(12 * time.Hour)):
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterValue", Message: "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"}
	}
	m.visibleAt = visibleAt
	q.wake()
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

// DeleteMessage succeeds with an old receipt handle too, and then deletes nothing.
func (q *fakeQueue) DeleteMessage(ctx context.Context, in *sqs.DeleteMessageInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageOutput, error) {
	if err := q.begin(ctx, call{op: opDelete, handle: *in.ReceiptHandle}); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		if m.handle == *in.ReceiptHandle {
			m.deleted = true
		}
	}
	return &sqs.DeleteMessageOutput{}, nil
}

func (q *fakeQueue) SendMessage(ctx context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	if err := q.begin(ctx, call{op: opSend}); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dead = append(q.dead, in)
	return &sqs.SendMessageOutput{MessageId: aws.String(fmt.Sprintf("dead%d", len(q.dead)))}, nil
}

// called returns the calls of one operation so far.
func (q *fakeQueue) called(op string) []call {
	q.mu.Lock()
	defer q.mu.Unlock()
	var found []call
	for _, c := range q.calls {
		if c.op == op {
			found = append(found, c)
		}
	}
	return found
}

// message returns a copy of the nth message put, from 0.
func (q *fakeQueue) message(n int) fakeMessage {
	q.mu.Lock()
	defer q.mu.Unlock()
	return *q.messages[n]
}

// visibleIn is how long the nth message will be invisible yet.
func (q *fakeQueue) visibleIn(n int) time.Duration { return time.Until(q.message(n).visibleAt) }

func (q *fakeQueue) deadLetters() []*sqs.SendMessageInput {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.dead)
}
