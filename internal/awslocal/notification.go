package awslocal

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// A Notification says which new objects a queue is told of.
type Notification struct {
	Bucket   string
	QueueURL string
	Prefix   string // of the key. Defaults to any
	Suffix   string // of the key. Defaults to any
	// EventBridge sends EventBridge's event instead of S3's own notification.
	EventBridge bool
}

func (n Notification) selects(c created) bool {
	return n.Bucket == c.bucket && strings.HasPrefix(c.key, n.Prefix) && strings.HasSuffix(c.key, n.Suffix)
}

// created is an object that has just been written.
type created struct {
	event, bucket, key, versionID string
	etag                          string // quoted
	size                          int64
}

// A notifier sends S3's notifications.
type notifier struct {
	deliver func(queueURL, body string) error
	log     *zap.Logger

	mu            sync.Mutex
	notifications []Notification
	sequencer     uint64
}

func newNotifier(deliver func(queueURL, body string) error, log *zap.Logger) *notifier {
	// Sequencers grow from one Server to the next, too.
	return &notifier{deliver: deliver, log: log, sequencer: uint64(time.Now().UnixNano())}
}

func (n *notifier) notify(add Notification) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notifications = append(n.notifications, add)
}

// send tells every queue that wants to know of c. A queue that does not exist
// is logged, as S3 does not fail an upload either.
func (n *notifier) send(c created) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sequencer++
	for _, to := range n.notifications {
		if !to.selects(c) {
			continue
		}
		body, err := json.Marshal(to.message(c, n.sequencer, time.Now()))
		if err == nil {
			err = n.deliver(to.QueueURL, string(body))
		}
		if err != nil {
			n.log.Warn("notification not delivered", zap.String("bucket", c.bucket), zap.String("key", c.key),
				zap.String("queue_url", to.QueueURL), zap.Error(err))
		}
	}
}

// message is what the queue is told.
func (n Notification) message(c created, sequencer uint64, at time.Time) any {
	if n.EventBridge {
		return newObjectEvent(c, sequencer, at)
	}
	return newMessage(c, sequencer, at)
}

// An objectEvent is the detail of an "Object Created" of EventBridge.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
type objectEvent struct {
	Version   string            `json:"version"`
	Bucket    map[string]string `json:"bucket"`
	Object    objectEventObject `json:"object"`
	RequestID string            `json:"request-id"`
	Requester string            `json:"requester"`
	Address   string            `json:"source-ip-address"`
	Reason    string            `json:"reason"`
}

type objectEventObject struct {
	Key       string `json:"key"` // not encoded
	Size      int64  `json:"size"`
	ETag      string `json:"etag"`
	VersionID string `json:"version-id,omitempty"`
	Sequencer string `json:"sequencer"`
}

// reasons are what EventBridge calls the operations that make objects.
var reasons = map[string]string{eventPut: "PutObject", eventPost: "POST Object", eventCopy: "CopyObject", eventComplete: "CompleteMultipartUpload"}

func newObjectEvent(c created, sequencer uint64, at time.Time) bridgeEvent {
	return newBridgeEvent("aws.s3", "Object Created", "arn:aws:s3:::"+c.bucket, at, objectEvent{
		Version: "0", Bucket: map[string]string{"name": c.bucket},
		Object:    objectEventObject{c.key, c.size, strings.Trim(c.etag, `"`), c.versionID, formatSequencer(sequencer)},
		RequestID: requestID(), Requester: AccountID, Address: "127.0.0.1", Reason: reasons[c.event],
	})
}

func formatSequencer(n uint64) string { return fmt.Sprintf("%018X", n) }

// message is the body of a notification, in the order and with the names of
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type message struct {
	Records []record
}

type record struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      principal         `json:"userIdentity"`
	RequestParameters map[string]string `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                recordS3          `json:"s3"`
}

type principal struct {
	PrincipalID string `json:"principalId"`
}

type recordS3 struct {
	SchemaVersion   string       `json:"s3SchemaVersion"`
	ConfigurationID string       `json:"configurationId"`
	Bucket          recordBucket `json:"bucket"`
	Object          recordObject `json:"object"`
}

type recordBucket struct {
	Name          string    `json:"name"`
	OwnerIdentity principal `json:"ownerIdentity"`
	ARN           string    `json:"arn"`
}

type recordObject struct {
	Key       string `json:"key"`
	Size      int64  `json:"size"`
	ETag      string `json:"eTag"`
	VersionID string `json:"versionId,omitempty"`
	Sequencer string `json:"sequencer"`
}

func newMessage(c created, sequencer uint64, at time.Time) message {
	id := requestID()
	return message{[]record{{
		EventVersion:      "2.1",
		EventSource:       "aws:s3",
		AWSRegion:         Region,
		EventTime:         at.UTC().Format("2006-01-02T15:04:05.000Z"),
		EventName:         c.event,
		UserIdentity:      principal{"AWS:" + accessKeyID},
		RequestParameters: map[string]string{"sourceIPAddress": "127.0.0.1"},
		ResponseElements:  map[string]string{"x-amz-request-id": id, "x-amz-id-2": id},
		S3: recordS3{
			SchemaVersion:   "1.0",
			ConfigurationID: "awslocal",
			Bucket:          recordBucket{c.bucket, principal{AccountID}, "arn:aws:s3:::" + c.bucket},
			Object: recordObject{
				Key:       eventKey(c.key),
				Size:      c.size,
				ETag:      strings.Trim(c.etag, `"`),
				VersionID: c.versionID,
				Sequencer: formatSequencer(sequencer),
			},
		},
	}}}
}

// eventKey encodes a key as S3 does in its notifications: as in a form, but for
// the slash.
func eventKey(key string) string {
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}
