package awslocal_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

func TestQueueSendReceiveDelete(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", nil)
	if !strings.HasPrefix(url, e.URL()+"/") {
		t.Fatalf("queue URL %s is not below %s", url, e.URL())
	}
	if got, want := e.queueARN(t, url), "arn:aws:sqs:us-east-1:000000000000:jobs"; got != want {
		t.Fatalf("ARN %s, want %s", got, want)
	}
	id := e.send(t, url, "hello ü")
	m := e.one(t, url)
	if *m.Body != "hello ü" || *m.MessageId != id {
		t.Fatalf("got %s %q, want %s", *m.MessageId, *m.Body, id)
	}
	e.none(t, url) // in flight
	if err := e.delete(t, url, m); err != nil {
		t.Fatal(err)
	}
	if err := e.delete(t, url, m); err != nil {
		t.Fatalf("delete again: %v", err)
	}
	if got := e.counts(t, url); got != "0 visible 0 in flight 0 delayed" {
		t.Fatal(got)
	}
}

func (e env) counts(t *testing.T, url string) string {
	t.Helper()
	out, err := e.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s visible %s in flight %s delayed", out.Attributes["ApproximateNumberOfMessages"],
		out.Attributes["ApproximateNumberOfMessagesNotVisible"], out.Attributes["ApproximateNumberOfMessagesDelayed"])
}

func TestQueueCounts(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", nil)
	e.send(t, url, "one")
	e.one(t, url)
	e.send(t, url, "two")
	if _, err := e.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: &url, MessageBody: aws.String("three"), DelaySeconds: 900,
	}); err != nil {
		t.Fatal(err)
	}
	if got := e.counts(t, url); got != "1 visible 1 in flight 1 delayed" {
		t.Fatal(got)
	}
}

func TestVisibilityTimeoutReturnsMessage(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", map[string]string{"VisibilityTimeout": "1"})
	e.send(t, url, "job")
	first := e.one(t, url)
	if got := first.Attributes["ApproximateReceiveCount"]; got != "1" {
		t.Fatalf("receive count %s, want 1", got)
	}
	began := time.Now()
	second := e.one(t, url) // the poll ends when the timeout does
	if took := time.Since(began); took < 800*time.Millisecond || took > 2*time.Second {
		t.Fatalf("visible after %s, want about 1s", took)
	}
	if got := second.Attributes["ApproximateReceiveCount"]; got != "2" {
		t.Fatalf("receive count %s, want 2", got)
	}
	if *first.ReceiptHandle == *second.ReceiptHandle {
		t.Fatal("the same receipt handle twice")
	}
	if first.Attributes["SentTimestamp"] != second.Attributes["SentTimestamp"] {
		t.Fatal("the sent timestamp changed")
	}
	if err := e.delete(t, url, first); err != nil {
		t.Fatalf("delete with a stale handle: %v", err)
	}
	if err := e.setVisibility(t, url, second, 0); err != nil {
		t.Fatalf("the stale handle deleted the message: %v", err)
	}
}

func TestReceiveVisibilityTimeout(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", map[string]string{"VisibilityTimeout": "300"})
	e.send(t, url, "job")
	if _, err := e.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, VisibilityTimeout: 1}); err != nil {
		t.Fatal(err)
	}
	e.none(t, url)
	e.one(t, url)
}

func TestChangeVisibilityZeroReturnsMessageAtOnce(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", map[string]string{"VisibilityTimeout": "300"})
	e.send(t, url, "job")
	for n := range 3 {
		m := e.poll(t, url, 0)
		if len(m) != 1 {
			t.Fatalf("receive %d: %d messages", n+1, len(m))
		}
		if got := m[0].Attributes["ApproximateReceiveCount"]; got != fmt.Sprint(n+1) {
			t.Fatalf("receive count %s, want %d", got, n+1)
		}
		if err := e.setVisibility(t, url, m[0], 0); err != nil {
			t.Fatal(err)
		}
	}
}

func TestChangeVisibilityZeroWakesLongPoll(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", map[string]string{"VisibilityTimeout": "300"})
	e.send(t, url, "job")
	m := e.one(t, url)
	got := e.polling(t, url)
	if err := e.setVisibility(t, url, m, 0); err != nil {
		t.Fatal(err)
	}
	if p := <-got; p.err != nil || len(p.Messages) != 1 {
		t.Fatalf("got %+v, want one message", p)
	}
}

func TestChangeVisibilityExtends(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", map[string]string{"VisibilityTimeout": "1"})
	e.send(t, url, "job")
	m := e.one(t, url)
	if err := e.setVisibility(t, url, m, 300); err != nil {
		t.Fatal(err)
	}
	if got := e.poll(t, url, 2); len(got) != 0 { // twice the first timeout
		t.Fatal("the message came back in spite of the extension")
	}
	if err := e.delete(t, url, m); err != nil {
		t.Fatal(err)
	}
}

func TestChangeVisibilityErrors(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", map[string]string{"VisibilityTimeout": "300"})
	e.send(t, url, "job")
	m := e.one(t, url)
	wantCode(t, e.setVisibility(t, url, m, 43201), "InvalidParameterValue")
	if err := e.setVisibility(t, url, m, 0); err != nil {
		t.Fatal(err)
	}
	wantAs[*types.MessageNotInflight](t, e.setVisibility(t, url, m, 60))
	again := e.one(t, url)
	wantCode(t, e.setVisibility(t, url, m, 60), "InvalidParameterValue") // somebody else's now
	if err := e.delete(t, url, again); err != nil {
		t.Fatal(err)
	}
	wantCode(t, e.setVisibility(t, url, again, 60), "InvalidParameterValue")

	bad := types.Message{ReceiptHandle: aws.String("none")}
	wantAs[*types.ReceiptHandleIsInvalid](t, e.setVisibility(t, url, bad, 60))
	wantAs[*types.ReceiptHandleIsInvalid](t, e.delete(t, url, bad))
	e.send(t, url, "untouched")
	wantAs[*types.ReceiptHandleIsInvalid](t, e.delete(t, url, types.Message{ReceiptHandle: aws.String("")}))
	e.one(t, url)
}

func TestUnknownQueue(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.URL() + "/000000000000/none"
	_, err := e.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
	wantAs[*types.QueueDoesNotExist](t, err)
	_, err = e.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
	wantAs[*types.QueueDoesNotExist](t, err)
	_, err = e.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("none")})
	wantAs[*types.QueueDoesNotExist](t, err)
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "AWS.SimpleQueueService.NonExistentQueue" {
		t.Fatalf("got %v, want the code of the query protocol", err)
	}
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", nil)
	began := time.Now()
	if got := e.poll(t, url, 1); len(got) != 0 {
		t.Fatal("a message out of nothing")
	}
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Fatalf("the poll ended after %s, want 1s", took)
	}
	got := e.polling(t, url)
	began = time.Now()
	e.send(t, url, "job")
	if p := <-got; p.err != nil || len(p.Messages) != 1 {
		t.Fatalf("got %+v, want one message", p)
	}
	if took := time.Since(began); took > time.Second {
		t.Fatalf("the poll ended %s after the message came", took)
	}
}

func TestLongPollOfQueue(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", map[string]string{"ReceiveMessageWaitTimeSeconds": "20"})
	if _, err := e.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: &url, MessageBody: aws.String("later"), DelaySeconds: 1,
	}); err != nil {
		t.Fatal(err)
	}
	out, err := e.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Messages) != 1 {
		t.Fatal("the delayed message did not end the poll")
	}
}

func TestReceiveGivesOnlyWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", map[string]string{"VisibilityTimeout": "300"})
	if _, err := e.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: &url, MessageBody: aws.String("x"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"kind": {DataType: aws.String("String"), StringValue: aws.String("mosaic")},
			"tag":  {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
			"prio": {DataType: aws.String("Number"), StringValue: aws.String("7")},
		},
	}); err != nil {
		t.Fatal(err)
	}
	receive := func(in sqs.ReceiveMessageInput) types.Message {
		t.Helper()
		in.QueueUrl = &url
		out, err := e.sqs.ReceiveMessage(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) != 1 {
			t.Fatalf("received %d messages, want 1", len(out.Messages))
		}
		if err := e.setVisibility(t, url, out.Messages[0], 0); err != nil {
			t.Fatal(err)
		}
		return out.Messages[0]
	}
	if m := receive(sqs.ReceiveMessageInput{}); len(m.Attributes)+len(m.MessageAttributes) != 0 {
		t.Fatalf("got %v and %v, want none", m.Attributes, m.MessageAttributes)
	}
	m := receive(sqs.ReceiveMessageInput{
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"ApproximateReceiveCount"},
		MessageAttributeNames:       []string{"ki.*"},
	})
	if len(m.Attributes) != 1 || m.Attributes["ApproximateReceiveCount"] != "2" {
		t.Fatalf("got %v", m.Attributes)
	}
	if len(m.MessageAttributes) != 1 || *m.MessageAttributes["kind"].StringValue != "mosaic" {
		t.Fatalf("got %v", m.MessageAttributes)
	}
	all := e.one(t, url).MessageAttributes
	if len(all) != 3 || string(all["tag"].BinaryValue) != "\x00\xff" || *all["prio"].StringValue != "7" {
		t.Fatalf("got %v", all)
	}
}

func TestReceiveLimits(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", nil)
	for _, in := range []sqs.ReceiveMessageInput{
		{MaxNumberOfMessages: 11}, {WaitTimeSeconds: 21}, {VisibilityTimeout: 43201},
	} {
		in.QueueUrl = &url
		_, err := e.sqs.ReceiveMessage(t.Context(), &in)
		wantCode(t, err, "InvalidParameterValue")
	}
	for i := range 12 {
		e.send(t, url, fmt.Sprint(i))
	}
	if got := e.poll(t, url, 0); len(got) != 10 {
		t.Fatalf("received %d messages, want 10", len(got))
	}
	if got := e.poll(t, url, 0); len(got) != 2 {
		t.Fatalf("received %d messages, want 2", len(got))
	}
}

func TestSetQueueAttributesKeepsOthers(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", map[string]string{"VisibilityTimeout": "77", "Policy": `{"Version":"2012-10-17"}`})
	if _, err := e.sqs.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: &url, Attributes: map[string]string{"DelaySeconds": "3"},
	}); err != nil {
		t.Fatal(err)
	}
	out, err := e.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"VisibilityTimeout", "DelaySeconds", "MaximumMessageSize"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(out.Attributes); got != "map[DelaySeconds:3 MaximumMessageSize:1048576 VisibilityTimeout:77]" {
		t.Fatal(got)
	}
}

func TestDeadLetterQueue(t *testing.T) {
	t.Parallel()
	e := start(t)
	dead := e.queue(t, "dead", nil)
	url := e.queue(t, "jobs", map[string]string{
		"VisibilityTimeout": "1",
		"RedrivePolicy":     fmt.Sprintf(`{"maxReceiveCount":2,"deadLetterTargetArn":%q}`, e.queueARN(t, dead)),
	})
	id := e.send(t, url, "poison")
	if err := e.setVisibility(t, url, e.one(t, url), 0); err != nil {
		t.Fatal(err)
	}
	e.one(t, url)
	e.none(t, dead)
	m := e.one(t, dead) // waits for the visibility timeout of the other queue
	if *m.MessageId != id || *m.Body != "poison" {
		t.Fatalf("got %s %q", *m.MessageId, *m.Body)
	}
	e.none(t, url)
	_, err := e.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("bad"), Attributes: map[string]string{
		"RedrivePolicy": `{"maxReceiveCount":2,"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none"}`,
	}})
	wantCode(t, err, "InvalidAttributeValue")
}

func TestOtherQueueOperations(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", nil)
	e.queue(t, "other", nil)
	if again := e.queue(t, "jobs", nil); again != url {
		t.Fatalf("created again at %s, want %s", again, url)
	}
	found, err := e.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("jobs")})
	if err != nil || *found.QueueUrl != url {
		t.Fatalf("got %v, %v", found, err)
	}
	list, err := e.sqs.ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String("jo")})
	if err != nil || len(list.QueueUrls) != 1 {
		t.Fatalf("got %v, %v", list, err)
	}
	e.send(t, url, "x")
	if _, err := e.sqs.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	e.none(t, url)
	if _, err := e.sqs.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	_, err = e.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("jobs")})
	wantAs[*types.QueueDoesNotExist](t, err)
	_, err = e.sqs.ListQueueTags(t.Context(), &sqs.ListQueueTagsInput{QueueUrl: aws.String(e.queue(t, "jobs", nil))})
	wantAs[*types.UnsupportedOperation](t, err)
	_, err = e.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("jobs.fifo")})
	wantCode(t, err, "InvalidParameterValue")
}
