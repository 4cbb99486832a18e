package event

import (
	"encoding/json"
	"strings"
	"time"
)

// A bridged is what is read of the envelope of every event of EventBridge.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
type bridged struct {
	ID     string          `json:"id"`
	Source string          `json:"source"`
	Name   string          `json:"detail-type"`
	Region string          `json:"region"`
	Time   string          `json:"time"`
	Detail json.RawMessage `json:"detail"`

	at time.Time // Time, UTC
}

func isEventBridge(message object) bool { return message.has("detail-type") }

func decodeEventBridge(message object) ([]Event, error) {
	var b bridged
	if err := message.lenient(&b); err != nil {
		return nil, err
	}
	if err := checkOpaque("", opaque{"region", b.Region}); err != nil {
		return nil, err
	}
	var err error
	if b.at, err = parseTime("time", b.Time); err != nil {
		return nil, err
	}
	event, err := b.event()
	if err != nil {
		return nil, err
	}
	return []Event{event}, nil
}

func (b bridged) event() (Event, error) {
	switch {
	case b.Source == "aws.s3" && b.Name == cloudTrailCall:
		return b.cloudTrail()
	case b.Source == "aws.s3" && b.Name != "":
		return b.s3()
	case b.Source == "aws.mediaconvert" && b.Name == mediaConvertChange:
		return b.mediaConvert()
	case strings.HasPrefix(b.Source, "aws.") && b.Name != "": // a rule that matches more than it should
		return Ignored{Name: b.Name, Reason: "mosaicd has nothing to do with such events of " + quote(b.Source)}, nil
	}
	return nil, unknownf("unknown event %s of source %s from EventBridge: this worker knows those of aws.s3, and %s of aws.mediaconvert",
		quote(b.Name), quote(b.Source), mediaConvertChange)
}

// detail reads the part that is the source's own.
func (b bridged) detail(to any) error { return field{"detail", b.Detail}.lenient(to) }
