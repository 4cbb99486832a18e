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
	if kind == "SubscriptionConfirmation" {
		var topic string
		if err := envelope.field("TopicArn").text(&topic); err != nil {
			return object{}, fmt.Errorf("SNS envelope: %w", err)
		}
		// The address in it is not opened: anybody who may send to the queue can write one.
		return object{}, unknownf("SNS asks to confirm that topic %s may send to this queue. If it should, run "+
			"aws sns confirm-subscription with the TopicArn and the Token of this message, within three days, "+
			"and delete the message. If not, delete it", quote(topic))
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

// isUnsubscribed reads what SNS says when a subscription has ended; nil for any other envelope.
func isUnsubscribed(envelope object) ([]Event, error) {
	var kind, topic string
	if envelope.field("Type").text(&kind) != nil || kind != "UnsubscribeConfirmation" {
		return nil, nil
	}
	if err := envelope.field("TopicArn").text(&topic); err != nil {
		return nil, fmt.Errorf("SNS envelope: %w", err)
	}
	return []Event{Ignored{Name: kind, Reason: "topic " + quote(topic) + " sends to this queue no more: if it should, subscribe the queue again"}}, nil
}
