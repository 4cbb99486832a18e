package awslocal_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"github.com/mosaicd/mosaicd/internal/awslocal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// env is a Server of the test's own and clients that talk to it.
type env struct {
	*awslocal.Server
	sqs *sqs.Client
	sns *sns.Client
	s3  *s3.Client
}

func start(t *testing.T) env {
	t.Helper()
	s, err := awslocal.Start(t.Context(), awslocal.Config{Log: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg := s.AWSConfig()
	return env{s, sqs.NewFromConfig(cfg), sns.NewFromConfig(cfg), s3.NewFromConfig(cfg)}
}

func (e env) queue(t *testing.T, name string, attrs map[string]string) string {
	t.Helper()
	out, err := e.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attrs})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl
}

func (e env) queueARN(t *testing.T, url string) string {
	t.Helper()
	out, err := e.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"QueueArn"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes["QueueArn"]
}

func (e env) send(t *testing.T, url, body string) string {
	t.Helper()
	out, err := e.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	if err != nil {
		t.Fatal(err)
	}
	return *out.MessageId
}

// poll receives at most ten messages, waiting up to wait seconds for the first.
func (e env) poll(t *testing.T, url string, wait int32) []types.Message {
	t.Helper()
	out, err := e.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: wait,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

// polling starts a long poll of 20 seconds for one message.
func (e env) polling(t *testing.T, url string) <-chan polled {
	got := make(chan polled, 1)
	go func() {
		out, err := e.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
		got <- polled{out, err}
	}()
	return got
}

type polled struct {
	*sqs.ReceiveMessageOutput
	err error
}

// one receives the message that must be there within five seconds.
func (e env) one(t *testing.T, url string) types.Message {
	t.Helper()
	got := e.poll(t, url, 5)
	if len(got) != 1 {
		t.Fatalf("received %d messages, want 1", len(got))
	}
	return got[0]
}

// none checks that the queue has no visible message now.
func (e env) none(t *testing.T, url string) {
	t.Helper()
	if got := e.poll(t, url, 0); len(got) != 0 {
		t.Fatalf("received %q, want no message", *got[0].Body)
	}
}

func (e env) setVisibility(t *testing.T, url string, m types.Message, seconds int32) error {
	t.Helper()
	_, err := e.sqs.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds,
	})
	return err
}

func (e env) delete(t *testing.T, url string, m types.Message) error {
	t.Helper()
	_, err := e.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
	return err
}

func (e env) bucket(t *testing.T, name string) {
	t.Helper()
	if _, err := e.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
}

func wantAs[E error](t *testing.T, err error) {
	t.Helper()
	if e := new(E); !errors.As(err, e) {
		t.Fatalf("got %v, want %T", err, *e)
	}
}

// wantCode checks the code of an error that has no type of its own.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		t.Fatalf("got %v, want %s", err, code)
	}
}
