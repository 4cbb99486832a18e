package awslocal_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mosaicd/mosaicd/internal/awslocal"
)

func TestServersAreSeparate(t *testing.T) {
	t.Parallel()
	a, b := start(t), start(t)
	urlA, urlB := a.queue(t, "jobs", nil), b.queue(t, "jobs", nil)
	if urlA == urlB {
		t.Fatal("one queue for two servers")
	}
	a.send(t, urlA, "for a")
	b.none(t, urlB)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b.send(t, urlB, "for b")
	if m := b.one(t, urlB); *m.Body != "for b" {
		t.Fatalf("got %q", *m.Body)
	}
	c := start(t)
	if list, err := c.sqs.ListQueues(t.Context(), &sqs.ListQueuesInput{}); err != nil || len(list.QueueUrls) != 0 {
		t.Fatalf("a new server has %v, %v", list, err)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	a, b := start(t), start(t)
	var wg sync.WaitGroup
	for i, e := range []env{a, b, a, b} {
		name := "queue-" + string(rune('a'+i))
		wg.Go(func() {
			out, err := e.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
			if err != nil {
				t.Error(err)
				return
			}
			for range 20 {
				if _, err := e.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: &name}); err != nil {
					t.Error(err)
				}
			}
			for n := 0; n < 20; {
				got, err := e.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: out.QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5})
				if err != nil || len(got.Messages) == 0 || *got.Messages[0].Body != name {
					t.Errorf("got %v, %v", got, err)
					return
				}
				n += len(got.Messages)
			}
		})
	}
	wg.Wait()
}

func TestEnvironServesDefaultClients(t *testing.T) {
	e := start(t)
	for _, v := range e.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bucket := s3.NewFromConfig(cfg) // without UsePathStyle
	if _, err := bucket.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("media")}); err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("media"), Key: aws.String("k"), Body: strings.NewReader("x"),
	}); err != nil {
		t.Fatal(err)
	}
	if _, body := e.get(t, s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("k")}); body != "x" {
		t.Fatalf("got %q", body)
	}
	if _, err := sqs.NewFromConfig(cfg).ListQueues(t.Context(), &sqs.ListQueuesInput{}); err != nil {
		t.Fatal(err)
	}
	if _, err := sns.NewFromConfig(cfg).ListTopics(t.Context(), &sns.ListTopicsInput{}); err != nil {
		t.Fatal(err)
	}
}

func TestCloseEndsLongPoll(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"close", "context"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := awslocal.Start(ctx, awslocal.Config{})
			if err != nil {
				t.Fatal(err)
			}
			e := env{Server: s, sqs: sqs.NewFromConfig(s.AWSConfig(), func(o *sqs.Options) { o.Retryer = aws.NopRetryer{} })}
			polling := e.polling(t, e.queue(t, "jobs", nil))
			began := time.Now()
			if end == "context" {
				cancel()
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if p := <-polling; p.err == nil && len(p.Messages) != 0 {
				t.Fatalf("got %+v", p)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Fatalf("closed after %s", took)
			}
			if err := s.Close(); err != nil {
				t.Fatalf("close again: %v", err)
			}
		})
	}
}

func TestCancelledPollTakesNoMessage(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", nil)
	sent, err := e.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("job"), DelaySeconds: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := e.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20}); err == nil {
		t.Fatal("the poll outlived its context")
	}
	if m := e.one(t, url); *m.MessageId != *sent.MessageId || m.Attributes["ApproximateReceiveCount"] != "1" {
		t.Fatalf("got %s, receive %s", *m.MessageId, m.Attributes["ApproximateReceiveCount"])
	}
}

func TestStartRefusesOtherAddresses(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "nonsense"} {
		if s, err := awslocal.Start(t.Context(), awslocal.Config{Addr: addr}); err == nil {
			s.Close()
			t.Errorf("listens on %s", addr)
		}
	}
}

func TestAnyInterface(t *testing.T) {
	t.Parallel()
	if _, err := awslocal.Start(t.Context(), awslocal.Config{Addr: "0.0.0.0:0"}); err == nil {
		t.Error("it listens on every interface, unasked")
	}
	s, err := awslocal.Start(t.Context(), awslocal.Config{Addr: "0.0.0.0:0", AnyInterface: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") {
		t.Errorf("its URL is %s", s.URL())
	}
	if _, err := sqs.NewFromConfig(s.AWSConfig()).ListQueues(t.Context(), &sqs.ListQueuesInput{}); err != nil {
		t.Error(err)
	}
}
