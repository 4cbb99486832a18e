package awslocal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mosaicd/mosaicd/internal/awslocal"
)

// s3Event is what the tests read of a notification.
type s3Event struct {
	Records []struct {
		EventVersion, EventSource, AwsRegion, EventTime, EventName string

		S3 struct {
			Bucket struct{ Name, Arn string }
			Object struct {
				Key, ETag, VersionID, Sequencer string
				Size                            int64
			}
		}
	}
}

func (e env) event(t *testing.T, queue string) s3Event {
	t.Helper()
	m := e.one(t, queue)
	var ev s3Event
	if err := json.Unmarshal([]byte(*m.Body), &ev); err != nil {
		t.Fatal(err)
	}
	if len(ev.Records) != 1 {
		t.Fatalf("%d records", len(ev.Records))
	}
	if err := e.delete(t, queue, m); err != nil {
		t.Fatal(err)
	}
	return ev
}

// A file is uploaded, and a worker that polls the queue finds and reads it.
func Example() {
	ctx := context.Background()
	server, err := awslocal.Start(ctx, awslocal.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	cfg := server.AWSConfig()
	buckets, queues := s3.NewFromConfig(cfg), sqs.NewFromConfig(cfg)

	if _, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("media")}); err != nil {
		log.Fatal(err)
	}
	queue, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("jobs")})
	if err != nil {
		log.Fatal(err)
	}
	server.Notify(awslocal.Notification{Bucket: "media", QueueURL: *queue.QueueUrl, Prefix: "in/", Suffix: ".mp4"})

	if _, err := buckets.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("media"), Key: aws.String("in/a b+ü.mp4"), Body: strings.NewReader("video"),
	}); err != nil {
		log.Fatal(err)
	}

	received, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, WaitTimeSeconds: 20})
	if err != nil {
		log.Fatal(err)
	}
	var event s3Event
	if err := json.Unmarshal([]byte(*received.Messages[0].Body), &event); err != nil {
		log.Fatal(err)
	}
	object := event.Records[0].S3.Object
	key, err := url.QueryUnescape(object.Key)
	if err != nil {
		log.Fatal(err)
	}
	head, err := buckets.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("media"), Key: &key, IfMatch: &object.ETag})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(event.Records[0].EventName, object.Key)
	fmt.Println(key, *head.ContentLength)
	// Output:
	// ObjectCreated:Put in/a+b%2B%C3%BC.mp4
	// in/a b+ü.mp4 5
}

func TestNotificationOfEveryWayToCreate(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	queue := e.queue(t, "jobs", nil)
	e.Notify(awslocal.Notification{Bucket: "media", QueueURL: queue})

	var last string
	check := func(name, key string, size int64) {
		t.Helper()
		ev := e.event(t, queue)
		r := ev.Records[0]
		if r.EventName != name || r.EventSource != "aws:s3" || r.EventVersion != "2.1" || r.AwsRegion != awslocal.Region ||
			r.S3.Bucket.Name != "media" || r.S3.Bucket.Arn != "arn:aws:s3:::media" || r.S3.Object.Key != key || r.S3.Object.Size != size {
			t.Fatalf("got %+v, want %s of %s with %d bytes", r, name, key, size)
		}
		head, err := e.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("media"), Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		if r.S3.Object.ETag != strings.Trim(*head.ETag, `"`) {
			t.Fatalf("ETag %s, want %s", r.S3.Object.ETag, *head.ETag)
		}
		if len(r.S3.Object.Sequencer) != 18 || r.S3.Object.Sequencer <= last {
			t.Fatalf("sequencer %q after %q", r.S3.Object.Sequencer, last)
		}
		last = r.S3.Object.Sequencer
		if r.S3.Object.VersionID != "" {
			t.Fatal("a version without versioning")
		}
	}

	e.put(t, "media", "put", "12345")
	check("ObjectCreated:Put", "put", 5)

	if _, err := e.s3.CopyObject(t.Context(), &s3.CopyObjectInput{
		Bucket: aws.String("media"), Key: aws.String("copied"), CopySource: aws.String("media/put"),
	}); err != nil {
		t.Fatal(err)
	}
	check("ObjectCreated:Copy", "copied", 5)

	if _, err := transfermanager.New(e.s3).UploadObject(t.Context(), &transfermanager.UploadObjectInput{
		Bucket: aws.String("media"), Key: aws.String("parts"), Body: bytes.NewReader(make([]byte, 17<<20)),
	}); err != nil {
		t.Fatal(err)
	}
	check("ObjectCreated:CompleteMultipartUpload", "parts", 17<<20)

	e.postForm(t, "media", "posted", "123")
	check("ObjectCreated:Post", "posted", 3)

	_, err := e.s3.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("media"), Key: aws.String("put"), Body: strings.NewReader("x"), IfNoneMatch: aws.String("*"),
	})
	wantStatus(t, err, http.StatusPreconditionFailed)
	e.none(t, queue)
}

// postForm uploads as a browser's form does, for which the SDK has no call.
func (e env) postForm(t *testing.T, bucket, key, content string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("key", key); err != nil {
		t.Fatal(err)
	}
	file, err := form.CreateFormFile("file", "upload")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(file, content)
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL()+"/"+bucket, &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	res, err := e.AWSConfig().HTTPClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
}

func TestNotificationFilter(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	e.bucket(t, "other")
	queue, all := e.queue(t, "jobs", nil), e.queue(t, "all", nil)
	e.Notify(awslocal.Notification{Bucket: "media", QueueURL: e.URL() + "/000000000000/none"}) // fails no upload
	e.Notify(awslocal.Notification{Bucket: "media", QueueURL: queue, Prefix: "in/", Suffix: ".mp4"})
	e.Notify(awslocal.Notification{Bucket: "media", QueueURL: all})
	e.put(t, "other", "in/a.mp4", "x")
	e.put(t, "media", "out/a.mp4", "x")
	e.put(t, "media", "in/a.txt", "x")
	e.put(t, "media", "in/b.mp4", "x")
	if got := e.event(t, queue).Records[0].S3.Object.Key; got != "in/b.mp4" {
		t.Fatalf("told of %s", got)
	}
	e.none(t, queue)
	if got := e.poll(t, all, 0); len(got) != 3 {
		t.Fatalf("%d notifications, want 3", len(got))
	}
}

func TestNotificationVersion(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	queue := e.queue(t, "jobs", nil)
	e.Notify(awslocal.Notification{Bucket: "media", QueueURL: queue})
	if _, err := e.s3.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket:                  aws.String("media"),
		VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
	put := e.put(t, "media", "k", "x")
	if got := e.event(t, queue).Records[0].S3.Object.VersionID; got != *put.VersionId {
		t.Fatalf("version %q, want %q", got, *put.VersionId)
	}
}
