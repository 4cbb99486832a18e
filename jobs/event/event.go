// Package event reads what a message of the queue says: bytes in, events out.
//
// What AWS writes is read leniently, as AWS adds fields. What people write is
// read strictly: a field that is misspelt is an error, not an option lost.
package event

import (
	"fmt"
	"strings"
	"time"
)

// MaxBody is the size in bytes of the largest body that Decode reads, which is
// the largest that SQS takes.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const MaxBody = 1 << 20

// An Event is one thing that a message says: ObjectCreated, TestNotification,
// Ignored, Unreadable, MediaConvertChanged, FaceSearchEnded or Request.
type Event interface{ isEvent() }

// ObjectCreated says that S3 has a new object or a new version of one. Key is
// what S3 calls it; it may hold any characters and is no safe file name.
type ObjectCreated struct {
	Bucket    string
	Key       string // decoded, 1 to 1,024 bytes of UTF-8
	VersionID string // empty where the bucket has no versions
	ETag      string // without quotes; may be empty
	// Sequencer orders the events of one key: the greater hexadecimal number,
	// with zeros added on the right to the shorter one, is the later event.
	Sequencer string
	Region    string
	Size      int64     // bytes; UnknownSize where the event doesn't say
	Time      time.Time // UTC; zero where the event doesn't say
	EventName string    // without the prefix s3:, as in ObjectCreated:Put
	// EventID tells two writes of one key apart where the event has neither an ETag nor a Sequencer; else it is empty.
	EventID string `json:",omitempty"`
}

// UnknownSize is the Size of an object about which the event says none.
const UnknownSize = -1

// Location returns where the object is.
func (o ObjectCreated) Location() Location {
	return Location{Bucket: o.Bucket, Key: o.Key, VersionID: o.VersionID}
}

// TestNotification is what S3 sends when a bucket's notifications are set up.
type TestNotification struct{ Bucket string }

// Ignored is an event for which there is nothing to do, but to say so: of an
// object of S3 that was not created, or of a status that came after this code.
// Bucket and Key are empty where the event names no object.
type Ignored struct {
	Name   string // without the prefix s3:, as in ObjectRemoved:Delete or Object Deleted
	Bucket string
	Key    string // decoded
	Reason string // for the log
}

// Unreadable is one record of several, of which at least one can be read.
type Unreadable struct {
	Reason string // which, and what is wrong with it: printable and short
}

func (Unreadable) isEvent()       {}
func (ObjectCreated) isEvent()    {}
func (TestNotification) isEvent() {}
func (Ignored) isEvent()          {}
func (Request) isEvent()          {}

// A shape is one kind of document that a message can be.
type shape struct {
	name    string // with its article
	matches func(object) bool
	decode  func(object) ([]Event, error)
}

// shapes are tried in their order. Each has a file of its own.
var shapes = []shape{
	{"an S3 notification", isS3, decodeS3},
	{"an EventBridge event", isEventBridge, decodeEventBridge},
	{"", isNotice, decodeNotice},
	{"a Rekognition notification", isRekognition, decodeRekognition},
	{"a mosaicd message", isRequest, decodeRequest},
	{"a VOD request", isVOD, decodeVOD},
}

// Decode reads one SQS message body. It returns every event that the body holds,
// at least one, in the order of the body. SNS envelopes, at most two around each
// other, are taken off. UTF-16 and a byte order mark are read, too.
//
// Of several records of S3 each is read by itself: those that can't be are Unreadable. Any other body that
// holds anything unreadable gives no event at all: the error is an
// *UnknownError where the message, its version or its kind isn't known, and an
// *InvalidError where one of its values can't be. The same body gives the same
// error for ever, so that trying it again is of no use.
func Decode(body []byte) ([]Event, error) {
	if len(body) > MaxBody {
		return nil, unknownf("body of %d bytes: SQS allows %d", len(body), MaxBody)
	}
	message, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	depth := 0
	for ; isEnvelope(message); depth++ {
		if ended, err := isUnsubscribed(message); err != nil || ended != nil {
			return ended, err
		}
		if depth == maxEnvelopes {
			return nil, unknownf("more than %d SNS envelopes around each other", maxEnvelopes)
		}
		if message, err = openEnvelope(message); err != nil {
			return nil, err
		}
	}
	events, err := decode(message)
	if err != nil && depth > 0 {
		return nil, fmt.Errorf("in an SNS envelope: %w", err)
	}
	return events, err
}

func decode(message object) ([]Event, error) {
	var names []string
	for _, s := range shapes {
		if s.matches(message) {
			return s.decode(message)
		}
		if s.name != "" {
			names = append(names, s.name)
		}
	}
	return nil, unknownf("neither %s: %s", strings.Join(names, " nor "), message)
}
