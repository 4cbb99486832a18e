package awslocal_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

func (e env) topic(t *testing.T, name string) string {
	t.Helper()
	out, err := e.sns.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	return *out.TopicArn
}

func (e env) subscribe(t *testing.T, topic, queueURL string, attrs map[string]string) string {
	t.Helper()
	out, err := e.sns.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: aws.String(e.queueARN(t, queueURL)), Attributes: attrs,
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.SubscriptionArn
}

func stringAttribute(name, value string) map[string]types.MessageAttributeValue {
	return map[string]types.MessageAttributeValue{
		name: {DataType: aws.String("String"), StringValue: &value},
	}
}

func TestTopicEnvelope(t *testing.T) {
	t.Parallel()
	e := start(t)
	topic, queue := e.topic(t, "results"), e.queue(t, "inbox", nil)
	if want := "arn:aws:sns:us-east-1:000000000000:results"; topic != want {
		t.Fatalf("ARN %s, want %s", topic, want)
	}
	e.subscribe(t, topic, queue, nil)
	out, err := e.sns.Publish(t.Context(), &sns.PublishInput{
		TopicArn: &topic, Message: aws.String(`{"job":"ü"}`), Subject: aws.String("done"),
		MessageAttributes: stringAttribute("outcome", "done"),
	})
	if err != nil {
		t.Fatal(err)
	}
	m := e.one(t, queue)
	if m.Attributes["SentTimestamp"] <= "1" || m.Attributes["ApproximateReceiveCount"] != "1" {
		t.Fatalf("got %v", m.Attributes)
	}
	var got struct {
		Type, MessageID, TopicArn, Subject, Message string
		MessageAttributes                           map[string]struct{ Type, Value string }
	}
	if err := json.Unmarshal([]byte(*m.Body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != "Notification" || got.MessageID != *out.MessageId || got.TopicArn != topic ||
		got.Subject != "done" || got.Message != `{"job":"ü"}` {
		t.Fatalf("got %s", *m.Body)
	}
	if a := got.MessageAttributes["outcome"]; a.Type != "String" || a.Value != "done" {
		t.Fatalf("got %s", *m.Body)
	}
}

func TestTopicRaw(t *testing.T) {
	t.Parallel()
	e := start(t)
	topic, queue := e.topic(t, "results"), e.queue(t, "inbox", nil)
	e.subscribe(t, topic, queue, map[string]string{"RawMessageDelivery": "true"})
	polling := e.polling(t, queue)
	if _, err := e.sns.Publish(t.Context(), &sns.PublishInput{
		TopicArn: &topic, Message: aws.String(`{"Type":"Notification"}`), MessageAttributes: stringAttribute("outcome", "done"),
	}); err != nil {
		t.Fatal(err)
	}
	p := <-polling
	if p.err != nil || len(p.Messages) != 1 || *p.Messages[0].Body != `{"Type":"Notification"}` {
		t.Fatalf("got %+v", p)
	}
	if err := e.setVisibility(t, queue, p.Messages[0], 0); err != nil {
		t.Fatal(err)
	}
	if m := e.one(t, queue); *m.MessageAttributes["outcome"].StringValue != "done" {
		t.Fatalf("got %v", m.MessageAttributes)
	}
}

func TestTopicFilterPolicy(t *testing.T) {
	t.Parallel()
	e := start(t)
	topic, queue := e.topic(t, "results"), e.queue(t, "failures", nil)
	e.subscribe(t, topic, queue, map[string]string{
		"RawMessageDelivery": "true", "FilterPolicy": `{"outcome":["failed","rejected"]}`,
	})
	for _, outcome := range []string{"done", "failed"} {
		if _, err := e.sns.Publish(t.Context(), &sns.PublishInput{
			TopicArn: &topic, Message: &outcome, MessageAttributes: stringAttribute("outcome", outcome),
		}); err != nil {
			t.Fatal(err)
		}
	}
	if m := e.one(t, queue); *m.Body != "failed" {
		t.Fatalf("got %s", *m.Body)
	}
}

func TestTopicRefusals(t *testing.T) {
	t.Parallel()
	e := start(t)
	topic, queue := e.topic(t, "results"), e.queue(t, "inbox", nil)
	none := topic + "-none"
	_, err := e.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: &none, Message: aws.String("x")})
	wantAs[*types.NotFoundException](t, err)

	for _, in := range []sns.SubscribeInput{
		{Protocol: aws.String("https"), Endpoint: aws.String("https://127.0.0.1/")},
		{Protocol: aws.String("sqs"), Attributes: map[string]string{"FilterPolicy": `{"n":[{"numeric":[">",1]}]}`}},
		{Protocol: aws.String("sqs"), Attributes: map[string]string{"FilterPolicyScope": "MessageBody"}},
	} {
		in.TopicArn = &topic
		if in.Endpoint == nil {
			in.Endpoint = aws.String(e.queueARN(t, queue))
		}
		_, err := e.sns.Subscribe(t.Context(), &in)
		wantAs[*types.InvalidParameterException](t, err)
	}
	_, err = e.sns.SetTopicAttributes(t.Context(), &sns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("DisplayName")})
	wantCode(t, err, "InvalidAction")
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	e := start(t)
	topic, queue := e.topic(t, "results"), e.queue(t, "inbox", nil)
	subscription := e.subscribe(t, topic, queue, nil)
	list, err := e.sns.ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	if err != nil || len(list.Subscriptions) != 1 || *list.Subscriptions[0].SubscriptionArn != subscription {
		t.Fatalf("got %+v, %v", list, err)
	}
	if _, err := e.sns.Unsubscribe(t.Context(), &sns.UnsubscribeInput{SubscriptionArn: &subscription}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: &topic, Message: aws.String("x")}); err != nil {
		t.Fatal(err)
	}
	e.none(t, queue)
}

// TestTopicLimit: SNS takes 262,144 bytes, of the message and of its attributes
// together.
func TestTopicLimit(t *testing.T) {
	t.Parallel()
	e := start(t)
	topic := e.topic(t, "results")
	const limit = 262_144
	attributes := stringAttribute("outcome", "dönes") // 7 + 6 ("String") + 6 bytes
	publish := func(bytes int, attributes map[string]types.MessageAttributeValue) error {
		_, err := e.sns.Publish(t.Context(), &sns.PublishInput{
			TopicArn: &topic, Message: aws.String(strings.Repeat("é", bytes/2) + strings.Repeat("x", bytes%2)), MessageAttributes: attributes,
		})
		return err
	}
	for _, fits := range []error{publish(limit, nil), publish(limit-19, attributes)} {
		if fits != nil {
			t.Error(fits)
		}
	}
	for name, err := range map[string]error{"message": publish(limit+1, nil), "attributes": publish(limit-18, attributes)} {
		t.Log(name)
		wantCode(t, err, "InvalidParameter")
	}
	half := strings.Repeat("x", limit/2+1)
	_, err := e.sns.PublishBatch(t.Context(), &sns.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: []types.PublishBatchRequestEntry{
		{Id: aws.String("1"), Message: &half}, {Id: aws.String("2"), Message: &half},
	}})
	wantCode(t, err, "BatchRequestTooLong")
}
