package awslocal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/Admiral-Piett/goaws/app/gosqs"
	"github.com/Admiral-Piett/goaws/app/interfaces"
	"github.com/Admiral-Piett/goaws/app/models"
	"github.com/sirupsen/logrus"
	"go.uber.org/zap"
)

// goawsMu is held during every call to goaws and guards its package variables:
// goaws keeps queues, topics and settings there, and reads them without locks.
var goawsMu sync.Mutex

// An account holds the queues and topics of one Server. All its fields are
// guarded by goawsMu.
type account struct {
	url     string
	env     models.Environment
	queues  map[string]*models.Queue
	topics  map[string]*models.Topic
	log     io.Writer
	changed chan struct{} // closed, and replaced, when a message may have come
}

// An operation is one that goaws implements.
type operation func(*http.Request) (int, interfaces.AbstractResponseBody)

func newAccount(url string, log *zap.Logger) *account {
	return &account{
		url: url,
		env: models.Environment{
			Region:    Region,
			AccountID: AccountID,
			// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
			QueueAttributeDefaults: models.EnvQueueAttributes{
				VisibilityTimeout:      30,
				MaximumMessageSize:     1 << 20,
				MessageRetentionPeriod: 4 * 24 * 3600,
			},
		},
		queues:  make(map[string]*models.Queue),
		topics:  make(map[string]*models.Topic),
		log:     logWriter{log.Named("goaws")},
		changed: make(chan struct{}),
	}
}

// lock makes goaws see the queues and topics of a, with all visibility timeouts
// up to date, until the function that it returns is called.
func (a *account) lock() (unlock func()) {
	goawsMu.Lock()
	std := logrus.StandardLogger()
	out := std.Out
	std.SetOutput(a.log)
	models.CurrentEnvironment = a.env
	models.SyncQueues.Queues = a.queues
	models.SyncTopics.Topics = a.topics
	a.expire(time.Now())
	return func() {
		models.ResetApp() // puts empty maps in place of ours
		std.SetOutput(out)
		goawsMu.Unlock()
	}
}

// wake makes every long poll of a look again. The caller holds the lock.
func (a *account) wake() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// expire returns every message whose visibility timeout has ended to its queue,
// or moves it to the dead-letter queue. goaws does so from a goroutine that
// never looks more often than its ticker; ending the timeout by its own
// ChangeMessageVisibility is exact and needs no goroutine.
func (a *account) expire(now time.Time) {
	for name, q := range a.queues {
		var ended []string
		for _, m := range q.Messages {
			if m.ReceiptHandle != "" && !m.VisibilityTimeout.After(now) {
				ended = append(ended, m.ReceiptHandle)
			}
		}
		for _, handle := range ended {
			// It cannot fail: the message was found under the same lock.
			_, _ = call(gosqs.ChangeMessageVisibilityV1, models.ChangeMessageVisibilityRequest{
				QueueUrl: name, ReceiptHandle: handle,
			})
		}
	}
}

// nextChange returns when the next message becomes visible by itself, not
// before since, and whether there is one.
func (a *account) nextChange(since time.Time) (next time.Time, ok bool) {
	for _, q := range a.queues {
		for _, m := range q.Messages {
			at := m.VisibilityTimeout
			if m.ReceiptHandle == "" {
				at = delayedUntil(m)
			}
			if !at.Before(since) && (!ok || at.Before(next)) {
				next, ok = at, true
			}
		}
	}
	return next, ok
}

func delayedUntil(m models.SqsMessage) time.Time {
	return m.SentTime.Add(time.Duration(m.DelaySecs) * time.Second)
}

// call runs a goaws operation with input as its JSON request. The caller holds
// the lock.
func call(op operation, input any) (interfaces.AbstractResponseBody, error) {
	body, err := json.Marshal(input)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	r, err := http.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", jsonType)
	_, out := op(r)
	if failed, ok := out.(models.ErrorResponse); ok {
		return nil, sqsError(failed.Result)
	}
	return out, nil
}

// logWriter logs each line that is written to it.
type logWriter struct{ log *zap.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Debug("emulator", zap.ByteString("line", bytes.TrimSpace(p)))
	return len(p), nil
}
