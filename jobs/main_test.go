package jobs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	mctypes "github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/rekognition"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/jobs/faces"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	uploads = "uploads"
	results = "results"
)

// A fakeEngine copies its input, or does what the test wants instead.
type fakeEngine struct {
	mu    sync.Mutex
	specs []ffmpeg.Spec
	shows bool         // a face is found in outputs, too
	probe ffmpeg.Media // what OpProbe says, instead of an MP4
	do    func(context.Context, ffmpeg.Spec) (ffmpeg.Report, error)
}

func (e *fakeEngine) Run(ctx context.Context, s ffmpeg.Spec, progress func(ffmpeg.Progress)) (ffmpeg.Report, error) {
	e.mu.Lock()
	e.specs = append(e.specs, s)
	e.mu.Unlock()
	if progress != nil {
		progress(ffmpeg.Progress{Frames: 1})
	}
	if e.do != nil && s.Op != ffmpeg.OpProbe {
		return e.do(ctx, s)
	}
	r := ffmpeg.Report{Frames: 50, FramesCovered: 20, Output: ffmpeg.Media{Duration: 2, Width: 640, Height: 360}}
	if s.Op == ffmpeg.OpProbe {
		return ffmpeg.Report{Source: cmp.Or(e.probe, ffmpeg.Media{Format: "mov,mp4", Codec: "h264", Duration: 2, Width: 720, Height: 1280})}, nil
	}
	if s.Op == ffmpeg.OpDetect {
		r.Detections = json.RawMessage(`{"JobStatus":"SUCCEEDED","Faces":[]}`)
		if strings.HasPrefix(filepath.Base(s.Input), "output") && !e.shows {
			return r, nil
		}
		r.Detections = json.RawMessage(`{"JobStatus":"SUCCEEDED","Faces":[{"Timestamp":0,"Face":{"BoundingBox":{"Left":0.1,"Top":0.1,"Width":0.2,"Height":0.2}}}]}`)
		return r, nil
	}
	if s.Op == ffmpeg.OpPictures {
		return pictures(s)
	}
	body, err := os.ReadFile(s.Input)
	if err != nil {
		return r, err
	}
	return r, os.WriteFile(s.Output, append([]byte("covered "), body...), 0o600)
}

// runs is how often the engine encoded.
func (e *fakeEngine) runs() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, s := range e.specs {
		if s.Op == ffmpeg.OpMosaic {
			n++
		}
	}
	return n
}

// A refusingSNS loses what is published as long as it is told to.
type refusingSNS struct {
	SNS
	mu     sync.Mutex
	refuse bool
	then   func() // called when something was published
}

func (r *refusingSNS) set(refuse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = refuse
}

func (r *refusingSNS) Publish(ctx context.Context, in *sns.PublishInput, o ...func(*sns.Options)) (*sns.PublishOutput, error) {
	r.mu.Lock()
	refuse := r.refuse
	r.mu.Unlock()
	if refuse {
		return nil, errors.New("no answer from SNS")
	}
	out, err := r.SNS.Publish(ctx, in, o...)
	if r.then != nil {
		r.then()
	}
	return out, err
}

// A bench is a Handler with an AWS of its own.
type bench struct {
	t        *testing.T
	h        *Handler
	engine   *fakeEngine
	sns      *refusingSNS
	server   *awslocal.Server
	s3       *s3.Client
	s3calls  *failingS3 // what the handler calls
	sqs      *sqs.Client
	cloud    *mediaconvert.Client
	config   Config
	clients  Clients
	inbox    string
	events   string // queue of MediaConvert's events
	scratch  string
	found    []byte // what Rekognition finds
	asked    string // how it was asked for persons
	searches *countingRekognition
	uploaded int // makes sequencers
	logs     *observer.ObservedLogs
}

func newBench(t *testing.T, change ...func(*Config)) *bench {
	t.Helper()
	return newPacedBench(t, 0, change...)
}

// newPacedBench has MediaConvert take its time.
func newPacedBench(t *testing.T, pace time.Duration, change ...func(*Config)) *bench {
	t.Helper()
	ctx := context.Background()
	b := &bench{t: t, engine: &fakeEngine{}, scratch: t.TempDir()}
	server, err := awslocal.Start(ctx, awslocal.Config{Pace: pace, Faces: func(context.Context, []byte) ([]byte, error) { return b.found, nil }, People: b})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	cfg := server.AWSConfig()
	topics := sns.NewFromConfig(cfg)
	b.sns, b.server = &refusingSNS{SNS: topics}, server
	b.s3, b.sqs, b.cloud = s3.NewFromConfig(cfg), sqs.NewFromConfig(cfg), mediaconvert.NewFromConfig(cfg)
	b.searches = &countingRekognition{Rekognition: rekognition.NewFromConfig(cfg)}
	b.s3calls = &failingS3{S3: b.s3}
	for _, name := range []string{uploads, results} {
		if _, err := b.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
			t.Fatal(err)
		}
	}
	for name, url := range map[string]*string{"inbox": &b.inbox, "events": &b.events} {
		queue, err := b.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
		if err != nil {
			t.Fatal(err)
		}
		*url = *queue.QueueUrl
	}
	server.NotifyJobs(b.events)
	arns := map[string]string{}
	for name, queue := range map[string]string{"results": "inbox", "AmazonRekognition": "events"} {
		topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		arns[name] = *topic.TopicArn
		_, err = topics.Subscribe(ctx, &sns.SubscribeInput{
			TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Attributes: map[string]string{"RawMessageDelivery": strconv.FormatBool(name == "results")},
			Endpoint: aws.String("arn:aws:sqs:" + awslocal.Region + ":" + awslocal.AccountID + ":" + queue),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	c := Config{
		OutputBucket: results, OutputPrefix: "mosaic/", TopicARN: arns["results"], Scratch: b.scratch,
		SourceBuckets: []string{uploads, results},
		Detector:      DetectorBuiltin, Settings: DefaultSettings(), Cloud: CloudConfig{Role: "arn:aws:iam::000000000000:role/mediaconvert"},
		Rekognition: RekognitionConfig{TopicARN: arns["AmazonRekognition"], Role: "arn:aws:iam::000000000000:role/rekognition"},
	}
	for _, f := range change {
		f(&c)
	}
	core, logs := observer.New(zap.DebugLevel)
	b.logs = logs
	b.config, b.clients = c, Clients{S3: b.s3calls, SNS: b.sns, MediaConvert: b.cloud, Rekognition: b.searches}
	if b.h, err = NewHandler(b.clients, b.engine, zap.New(core), c); err != nil {
		t.Fatal(err)
	}
	return b
}

// Portraits finds a face in any picture.
func (b *bench) Portraits(context.Context, []byte) ([]awslocal.Portrait, error) {
	return []awslocal.Portrait{{Box: faces.Box{Left: 0.1, Top: 0.1, Width: 0.5, Height: 0.5}, Confidence: 99}}, nil
}

// Persons finds what the test says, and notes what it was asked.
func (b *bench) Persons(_ context.Context, _ []byte, listed []awslocal.Listed, threshold float64) ([]byte, error) {
	b.asked = fmt.Sprintf("%d listed, %g %%", len(listed), threshold)
	return b.found, nil
}

// A countingRekognition counts what is asked of it.
type countingRekognition struct {
	Rekognition
	pages   atomic.Int32
	started func() // called when a search was started
	again   bool   // each page is said to be followed by itself
}

func (c *countingRekognition) StartFaceDetection(ctx context.Context, in *rekognition.StartFaceDetectionInput, o ...func(*rekognition.Options)) (*rekognition.StartFaceDetectionOutput, error) {
	out, err := c.Rekognition.StartFaceDetection(ctx, in, o...)
	if c.started != nil {
		c.started()
	}
	return out, err
}

func (c *countingRekognition) GetFaceDetection(ctx context.Context, in *rekognition.GetFaceDetectionInput, o ...func(*rekognition.Options)) (*rekognition.GetFaceDetectionOutput, error) {
	c.pages.Add(1)
	if c.again {
		in.NextToken = nil
	}
	out, err := c.Rekognition.GetFaceDetection(ctx, in, o...)
	if err == nil && c.again {
		out.NextToken = aws.String("again")
	}
	return out, err
}

// A failingS3 refuses writes of claims as long as it is told to.
type failingS3 struct {
	S3
	refuse atomic.Bool
	headed func()           // called before an object is looked up
	got    func(key string) // called when the headers of an object were read
}

func (f *failingS3) GetObject(ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	out, err := f.S3.GetObject(ctx, in, o...)
	if f.got != nil {
		f.got(*in.Key)
	}
	return out, err
}

func (f *failingS3) HeadObject(ctx context.Context, in *s3.HeadObjectInput, o ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	if f.headed != nil {
		f.headed()
	}
	return f.S3.HeadObject(ctx, in, o...)
}

func (f *failingS3) PutObject(ctx context.Context, in *s3.PutObjectInput, o ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	if f.refuse.Load() && strings.Contains(*in.Key, "claims/") {
		return nil, errors.New("no answer from S3")
	}
	return f.S3.PutObject(ctx, in, o...)
}

// routed sets the routes of a bench.
func routed(yaml string) func(*Config) {
	return func(c *Config) {
		r, err := routes.Parse("test", []byte("version: 1\nroutes:\n"+yaml))
		if err != nil {
			panic(err)
		}
		c.Routes = r
	}
}

// pump hands MediaConvert's events to the handler until done.
func (b *bench) pump(done func() bool) {
	b.t.Helper()
	ctx := context.Background()
	for deadline := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain; the log says %v", b.logs.All())
		}
		out, err := b.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &b.events, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, VisibilityTimeout: 1})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, m := range out.Messages {
			if err := b.h.Handle(ctx, m); err != nil {
				continue // it comes again
			}
			if _, err := b.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &b.events, ReceiptHandle: m.ReceiptHandle}); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// results waits for that many results.
func (b *bench) results(n int) []Result {
	b.t.Helper()
	var all []Result
	b.pump(func() bool { all = append(all, b.published()...); return len(all) >= n })
	if all = append(all, b.published()...); len(all) != n {
		b.t.Fatalf("%d results: %+v", len(all), all)
	}
	return all
}

// claim reads the record of a job.
func (b *bench) claim(id string) *Claim {
	b.t.Helper()
	c, err := b.h.claims.Read(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// cloudJobs are all jobs of MediaConvert.
func (b *bench) cloudJobs() []mctypes.Job {
	b.t.Helper()
	var all []mctypes.Job
	pages := mediaconvert.NewListJobsPaginator(b.cloud, &mediaconvert.ListJobsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, page.Jobs...)
	}
	return all
}

// keys are those of a bucket below a prefix.
func (b *bench) keys(bucket, prefix string) []string {
	b.t.Helper()
	out, err := b.s3.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	if err != nil {
		b.t.Fatal(err)
	}
	var keys []string
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// put uploads an object and returns its ETag, without quotes as events have it.
func (b *bench) put(key, body string, metadata map[string]string) string {
	b.t.Helper()
	out, err := b.s3.PutObject(context.Background(), &s3.PutObjectInput{
		Bucket: aws.String(uploads), Key: &key, Body: bytes.NewReader([]byte(body)), Metadata: metadata,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	etag, _ := strconv.Unquote(*out.ETag)
	return etag
}

func (b *bench) get(bucket, key string) (body string, metadata map[string]string) {
	b.t.Helper()
	out, err := b.s3.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		b.t.Fatal(err)
	}
	defer out.Body.Close()
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(out.Body); err != nil {
		b.t.Fatal(err)
	}
	return buf.String(), out.Metadata
}

// handle gives the handler a message received for the nth time.
func (b *bench) handle(body string, attempt int) error {
	return b.h.Handle(context.Background(), message(body, attempt))
}

func messageOf(id, body string) sqstypes.Message {
	m := message(body, 1)
	m.MessageId = &id
	return m
}

func message(body string, attempt int) sqstypes.Message {
	return sqstypes.Message{
		MessageId: aws.String("message-1"), Body: &body,
		Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(attempt)},
	}
}

// published returns every result that went out.
func (b *bench) published() []Result {
	b.t.Helper()
	var all []Result
	for {
		out, err := b.sqs.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{
			QueueUrl: &b.inbox, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			b.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			var r Result
			if err := json.Unmarshal([]byte(*m.Body), &r); err != nil {
				b.t.Fatal(err)
			}
			for name, want := range map[string]string{"kind": r.Kind, "status": string(r.Status), "last": strconv.FormatBool(r.last())} {
				if got := aws.ToString(m.MessageAttributes[name].StringValue); got != want {
					b.t.Errorf("attribute %s is %q, want %q", name, got, want)
				}
			}
			all = append(all, r)
		}
	}
}

// one returns the only result that went out.
func (b *bench) one() Result {
	b.t.Helper()
	all := b.published()
	if len(all) != 1 {
		b.t.Fatalf("%d results: %+v", len(all), all)
	}
	return all[0]
}

// checkClean fails where a job left files behind.
func (b *bench) checkClean() {
	b.t.Helper()
	left, err := os.ReadDir(b.scratch)
	if err != nil || len(left) != 0 {
		b.t.Errorf("left in scratch: %v, %v", left, err)
	}
}

func created(records ...string) string {
	all := ""
	for i, r := range records {
		if i > 0 {
			all += ","
		}
		all += r
	}
	return `{"Records":[` + all + `]}`
}

func record(key, etag string, size int) string {
	return fmt.Sprintf(`{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":%q,"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"uploads"},"object":{"key":%q,"size":%d,"eTag":%q,"sequencer":"0A"}}}`,
		time.Unix(0, 0).UTC().Format(time.RFC3339), key, size, etag)
}
