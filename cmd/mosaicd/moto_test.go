package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mosaicd/mosaicd/internal/judge"
	"github.com/mosaicd/mosaicd/jobs"
)

// newMoto is an AWS of somebody else's making, with what the daemon needs in it.
// https://docs.getmoto.org/en/latest/docs/server_mode.html
func newMoto(t *testing.T) *cloud {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("moto_server is not here: nothing is tried against a second emulator")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	listener.Close() // moto takes no port 0
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", port)
	log, err := os.Create(filepath.Join(t.TempDir(), "moto.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	until(t, "moto to listen", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})

	endpoint := "http://127.0.0.1:" + port
	cfg := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("testing", "testing", ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}
	c := &cloud{t: t, cfg: cfg, s3: newS3(cfg), sqs: sqs.NewFromConfig(cfg)}
	arn := func(name string) string { return "arn:aws:sqs:eu-west-1:123456789012:" + name }
	for _, q := range []struct {
		name       string
		url        *string
		attributes map[string]string
	}{
		{"dead", &c.dead, map[string]string{"MessageRetentionPeriod": "1209600"}},
		{"work", &c.queue, map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"10"}`, arn("dead"))}},
		{"inbox", &c.inbox, nil},
	} {
		out, err := c.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &q.name, Attributes: q.attributes})
		if err != nil {
			t.Fatal(err)
		}
		*q.url = aws.ToString(out.QueueUrl)
	}
	topics := sns.NewFromConfig(cfg)
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("results")})
	if err != nil {
		t.Fatal(err)
	}
	c.topic = aws.ToString(topic.TopicArn)
	if _, err := topics.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String(arn("inbox")), Attributes: map[string]string{"RawMessageDelivery": "true"},
	}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{demoUploads, demoResults} {
		if _, err := c.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{
			Bucket: &name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.s3.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: aws.String(demoUploads),
		NotificationConfiguration: &s3types.NotificationConfiguration{QueueConfigurations: []s3types.QueueConfiguration{
			{QueueArn: aws.String(arn("work")), Events: []s3types.Event{"s3:ObjectCreated:*"}},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	c.environ = []string{
		"AWS_ENDPOINT_URL=" + endpoint, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=testing", "AWS_SECRET_ACCESS_KEY=testing", "AWS_SESSION_TOKEN=",
		"MOSAICD_QUEUE_URL=" + c.queue, "MOSAICD_DEAD_LETTER_URL=" + c.dead, "MOSAICD_TOPIC_ARN=" + c.topic, "MOSAICD_OUTPUT_BUCKET=" + demoResults, "MOSAICD_SOURCE_BUCKETS=" + demoUploads,
		"MOSAICD_SCRATCH=" + t.TempDir(), "MOSAICD_HTTP_ADDR=", "MOSAICD_VISIBILITY=30s", "MOSAICD_DRAIN=1s", "MOSAICD_PRESET=ultrafast",
	}
	return c
}

// TestSecondEmulator has the whole way of a video go through somebody else's idea
// of AWS, so that nothing leans on ours.
func TestSecondEmulator(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a second way of the same daemon")
	}
	c := newMoto(t)
	if code, lines, out := checkupOf(t, c.environ); code != exitDone || !strings.HasPrefix(lines["queue"], "ok ") {
		t.Errorf("the doctor's exit code is %d\n%s", code, out)
	}
	d := c.daemon()
	source := video(t, shortScene)
	c.put("folder/a b+ü.mp4", source)
	r := c.result()
	if r.Status != jobs.StatusSucceeded || len(r.Outputs) != 1 || r.Outputs[0].URI != "s3://results/mosaic/folder/a b+ü.mp4" {
		t.Fatalf("result is %+v, %+v", r, r.Error)
	}
	if got, want := judge.Packets(t, c.get(r.Outputs[0].URI), "0:a"), judge.Packets(t, source, "0:a"); !slices.Equal(judge.Hashes(got), judge.Hashes(want)) {
		t.Error("the sound is another")
	}
	// The same object again is worked again; a broken one fails, and says so.
	c.put("broken.mp4", write(t, "broken.mp4", "no video at all"))
	if r := c.result(); r.Status != jobs.StatusFailed || r.Error.Code != "not_a_video" {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
	if code, out, stderr := call(t, c.environ, "send", "mosaic", "s3://uploads/folder/a b+ü.mp4", "s3://results/by-hand.mp4", "--style", "fill"); code != exitDone {
		t.Fatalf("%s%s", out, stderr)
	}
	if r := c.result(); r.Status != jobs.StatusSucceeded || r.Outputs[0].URI != "s3://results/by-hand.mp4" {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
	if _, err := c.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &c.queue, MessageBody: aws.String("what is this?")}); err != nil {
		t.Fatal(err)
	}
	until(t, "a dead letter", func() bool { return c.waiting(c.dead) == 1 })
	if m := c.take(c.dead); aws.ToString(m.MessageAttributes["reason"].StringValue) == "" {
		t.Errorf("dead letter without a reason: %v", m.MessageAttributes)
	}
	until(t, "an empty queue", func() bool { return c.waiting(c.queue) == 0 })
	stop(t, d)
}
