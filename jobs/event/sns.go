package event

import "fmt"

// maxEnvelopes is how many SNS envelopes are taken off: one of the topic that
// the bucket writes to, and one of a topic behind it.
const maxEnvelopes = 2

// isEnvelope recognises what SNS puts around a message where raw delivery is off.
// https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
func isEnvelope(message object) bool {
	return message.has("Type") && message.has("Message")
}

func openEnvelope(envelope object) (object, error) {
	var kind, text string
	if err := envelope.field("Type").text(&kind); err != nil {
		return object{}, fmt.Errorf("SNS envelope: %w", err)
	}
	if kind != "Notification" {
		return object{}, unknownf("unknown type %s of SNS envelope: this worker knows Notification", quote(kind))
	}
	if err := envelope.field("Message").text(&text); err != nil {
		return object{}, fmt.Errorf("SNS envelope: %w", err)
	}
	message, err := parseObject([]byte(text))
	if err != nil {
		return object{}, fmt.Errorf("in an SNS envelope: %w", err)
	}
	return message, nil
}
