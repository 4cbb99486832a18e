package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/internal/sample"
	"github.com/mosaicd/mosaicd/internal/sheet"
	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/routes"
	"github.com/mosaicd/mosaicd/worker"
)

type demoCommand struct {
	Dir      string `help:"Folder for what the demo makes." default:"mosaicd-demo" placeholder:"DIR"`
	Serve    bool   `help:"Keep running, for you to upload and to send messages."`
	Detector string `help:"Who looks for faces: builtin, or rekognition, which is the built-in detector behind Rekognition's calls here." enum:"builtin,rekognition" default:"builtin"`
	Addr     string `help:"Address of the AWS services; port 0 is a free one. Only a loopback address, but for --services." default:"127.0.0.1:0"`
	Services bool   `help:"Start the services only, with the demo's queues, topics and buckets, and wait: for a mosaicd run beside them. In a container, --addr may be of any interface."`
}

// Help is what --help says beyond the flags.
func (demoCommand) Help() string {
	return `Starts SQS, SNS, S3, MediaConvert and Rekognition on loopback and the daemon's own worker against them, makes a video, uploads it, and waits for both results: the faces covered, and then the renditions for streaming. MediaConvert transcodes nothing here; its files are placeholders. Needs no account, no network and no configuration.`
}

// Names of what the demo makes in its AWS.
const (
	demoUploads    = "uploads"
	demoResults    = "results"
	demoQueue      = "mosaicd"
	demoDead       = "mosaicd-dead"
	demoTopic      = "mosaicd-results"
	demoSearched   = "AmazonRekognitionDone" // that role's managed policy wants the prefix
	demoInbox      = "mosaicd-inbox"         // subscribed to the topic, as a customer's would be
	demoKey        = "demo/source.mp4"
	demoRole       = "arn:aws:iam::" + awslocal.AccountID + ":role/mediaconvert"
	demoSearchRole = "arn:aws:iam::" + awslocal.AccountID + ":role/rekognition"
	// demoRoutes have the ladder made of the covered video.
	demoRoutes = `version: 1
routes:
  - name: demo
    match: {suffix: [.mp4, .mov, .mkv, .webm, .ts]}
    steps: [mosaic, transcode]
`
)

func (c *demoCommand) Run(ctx context.Context, std streams) error {
	libav.Quiet()
	if err := os.MkdirAll(filepath.Join(c.Dir, "scratch"), 0o755); err != nil {
		return usagef("--dir: %w", err)
	}
	logFile, err := os.Create(filepath.Join(c.Dir, "mosaicd.log"))
	if err != nil {
		return usagef("--dir: %w", err)
	}
	defer logFile.Close()
	log := newLogger(zapcore.Lock(logFile), "info")

	media, err := placeholders(c.Dir)
	if err != nil {
		return err
	}
	engine, err := ffmpeg.Self("engine")
	if err != nil {
		return err
	}
	scratch := filepath.Join(c.Dir, "scratch")
	known, err := people(engine, scratch)
	if err != nil {
		return err
	}
	server, err := awslocal.Start(ctx, awslocal.Config{
		Addr: c.Addr, AnyInterface: c.Services, Log: log, Pace: 300 * time.Millisecond, Media: media, Faces: finder(engine, scratch), People: known,
	})
	if err != nil {
		return usagef("--addr: %w", err)
	}
	defer server.Close()
	d := &demo{dir: c.Dir, detector: jobs.Detector(c.Detector), engine: engine, std: std, server: server, cfg: server.AWSConfig()}
	d.say("SQS, SNS, S3, MediaConvert and Rekognition on %s", server.URL())
	if err := d.prepare(ctx); err != nil {
		return err
	}

	if c.Services {
		return errors.Join(d.serve(ctx, true), server.Close())
	}

	workCtx, stop := context.WithCancel(ctx)
	worked := make(chan error, 1)
	go func() { worked <- d.work(workCtx, log) }()
	err = d.show(ctx)
	if err == nil && c.Serve {
		err = d.serve(ctx, false)
	}
	stop()
	// A worker waits for its last poll of the queue, up to 20 s, as a message may
	// come of it. Here everything ends with us: the poll is cut off.
	return errors.Join(err, server.Close(), <-worked)
}

// A demo is the way of one video.
type demo struct {
	dir      string
	detector jobs.Detector
	engine   jobs.Engine
	std      streams
	server   *awslocal.Server
	cfg      aws.Config
	queue    string // URL
	dead     string // URL
	inbox    string // URL
	topic    string // ARN
	searched string // ARN of the topic of Rekognition's notices
	uploaded time.Time
}

func (d *demo) say(format string, args ...any) {
	terminal.Fprintf(d.std.out, format+"\n", args...)
}

// prepare makes the queues, the topic and the buckets.
func (d *demo) prepare(ctx context.Context) error {
	queues, topics, buckets := sqs.NewFromConfig(d.cfg), sns.NewFromConfig(d.cfg), newS3(d.cfg)
	for _, q := range []struct {
		name       string
		url        *string
		attributes map[string]string
	}{
		{demoDead, &d.dead, map[string]string{"MessageRetentionPeriod": "1209600"}},
		{demoQueue, &d.queue, map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:` + awslocal.Region + ":" + awslocal.AccountID + ":" + demoDead + `","maxReceiveCount":10}`}},
		{demoInbox, &d.inbox, nil},
	} {
		out, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &q.name, Attributes: q.attributes})
		if err != nil {
			return fmt.Errorf("create queue %s: %w", q.name, err)
		}
		*q.url = aws.ToString(out.QueueUrl)
	}
	for _, name := range []string{demoUploads, demoResults} {
		if _, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	for _, t := range []struct {
		name, queue string
		raw         string
		arn         *string
	}{{demoTopic, d.inbox, "true", &d.topic}, {demoSearched, d.queue, "false", &d.searched}} {
		topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: &t.name})
		if err != nil {
			return fmt.Errorf("create topic %s: %w", t.name, err)
		}
		*t.arn = aws.ToString(topic.TopicArn)
		attributes, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &t.queue, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
		})
		if err != nil {
			return fmt.Errorf("look up the ARN of queue %s: %w", t.queue, err)
		}
		_, err = topics.Subscribe(ctx, &sns.SubscribeInput{
			TopicArn: t.arn, Protocol: aws.String("sqs"),
			Endpoint:   aws.String(attributes.Attributes[string(types.QueueAttributeNameQueueArn)]),
			Attributes: map[string]string{"RawMessageDelivery": t.raw},
		})
		if err != nil {
			return fmt.Errorf("subscribe %s: %w", t.queue, err)
		}
	}
	d.server.AddRole("mediaconvert", "mediaconvert.amazonaws.com")
	d.server.AddRole("rekognition", "rekognition.amazonaws.com")
	d.server.Notify(awslocal.Notification{Bucket: demoUploads, QueueURL: d.queue})
	d.server.NotifyJobs(d.queue)
	return nil
}

// work is the daemon, as "mosaicd run" has it.
func (d *demo) work(ctx context.Context, log *zap.Logger) error {
	table, err := routes.Parse("demo", []byte(demoRoutes))
	if err != nil {
		return err
	}
	daemon, err := newDaemon(d.cfg, d.engine, log, daemonConfig{
		worker: worker.Config{QueueURL: d.queue, DeadLetterURL: d.dead, Drain: 20 * time.Second},
		jobs: jobs.Config{
			OutputBucket: demoResults, OutputPrefix: "mosaic/", TopicARN: d.topic,
			Scratch: filepath.Join(d.dir, "scratch"), Detector: d.detector, Settings: jobs.DefaultSettings(), Verify: true,
			Routes: table, Cloud: jobs.CloudConfig{Role: demoRole},
			Rekognition: jobs.RekognitionConfig{TopicARN: d.searched, Role: demoSearchRole},
		},
	})
	if err != nil {
		return err
	}
	return daemon.run(ctx)
}

// show sends one video the whole way and prints what happens to it.
func (d *demo) show(ctx context.Context) error {
	source := filepath.Join(d.dir, "source.mp4")
	if err := sample.Default.Write(source); err != nil {
		return err
	}
	d.say("made %s: three faces, %d×%d, %s with sound", source, sample.Default.Size.X, sample.Default.Size.Y, sample.Default.Length)
	if err := d.upload(ctx, source); err != nil {
		return err
	}
	d.say("uploaded it to s3://%s/%s; S3 tells queue %s", demoUploads, demoKey, d.queue)
	covered, err := d.next(ctx)
	if err != nil {
		return err
	}
	if _, err := d.next(ctx); err != nil {
		return err
	}
	d.say("\nthe job's record, as \"mosaicd status %s\" shows it:", covered.Job)
	records := jobs.NewClaims(newS3(d.cfg), demoResults, jobs.DefaultStatePrefix)
	if err := d.status(ctx, records, covered.Job); err != nil {
		return err
	}
	result := filepath.Join(d.dir, "result.mp4")
	if err := d.download(ctx, covered.Outputs[0].URI, result); err != nil {
		return err
	}
	frames := filepath.Join(d.dir, "frames.png")
	if err := contactSheet(ctx, source, result, frames); err != nil {
		return err
	}
	d.say("\nsee for yourself:\n  %s\n  %s\n  %s (before and after)\n  %s", source, result, frames, filepath.Join(d.dir, "mosaicd.log"))
	return nil
}

// next waits for a result and prints it.
func (d *demo) next(ctx context.Context) (jobs.Result, error) {
	r, body, err := d.result(ctx)
	if err != nil {
		return r, err
	}
	d.say("\nresult %d of %d, the %s, from topic %s after %.1f s:", r.Step, r.Steps, r.Kind, d.topic, time.Since(d.uploaded).Seconds())
	_, _ = fmt.Fprintf(terminal.JSON(d.std.out), "%s\n", body)
	if r.Kind == jobs.KindTranscode {
		d.say("(MediaConvert is not really here: these files are placeholders.)")
	}
	if r.Status != jobs.StatusSucceeded {
		return r, fmt.Errorf("the %s %s: %s (see %s)", r.Kind, r.Status, r.Error.Message, filepath.Join(d.dir, "mosaicd.log"))
	}
	return r, nil
}

// status prints the record of a job. The last result is published a moment before
// it is noted there.
func (d *demo) status(ctx context.Context, records *jobs.Claims, id string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the job's record did not say that it ended"))
	defer cancel()
	for {
		claim, err := records.Read(ctx, id)
		if err != nil {
			return err
		}
		if claim.State.Ended() {
			return (&watcher{cloud: mediaconvert.NewFromConfig(d.cfg), out: d.std.out}).print(ctx, claim)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d *demo) upload(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	d.uploaded = time.Now()
	_, err = transfermanager.New(newS3(d.cfg)).UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: aws.String(demoUploads), Key: aws.String(demoKey), Body: f, ContentType: aws.String("video/mp4"),
	})
	if err != nil {
		return fmt.Errorf("upload the sample video: %w", err)
	}
	return nil
}

// result waits for what the topic delivers, and returns it parsed and indented.
func (d *demo) result(ctx context.Context) (jobs.Result, []byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("no result came within 5 minutes"))
	defer cancel()
	var r jobs.Result
	client := sqs.NewFromConfig(d.cfg)
	for {
		out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &d.inbox, WaitTimeSeconds: 5})
		if ctx.Err() != nil {
			return r, nil, fmt.Errorf("wait for the result: %w (see %s)", context.Cause(ctx), filepath.Join(d.dir, "mosaicd.log"))
		} else if err != nil {
			return r, nil, fmt.Errorf("wait for the result: %w", err)
		}
		if len(out.Messages) == 0 {
			continue
		}
		body := []byte(aws.ToString(out.Messages[0].Body))
		if err := json.Unmarshal(body, &r); err != nil {
			return r, nil, fmt.Errorf("read the result: %w", err)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, body, "", "  "); err != nil {
			return r, nil, fmt.Errorf("read the result: %w", err)
		}
		return r, indented.Bytes(), nil
	}
}

func (d *demo) download(ctx context.Context, uri, path string) error {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = transfermanager.New(newS3(d.cfg)).DownloadObject(ctx, &transfermanager.DownloadObjectInput{
		Bucket: &bucket, Key: &key, WriterAt: f,
	})
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("download %s: %w", uri, err)
	}
	return nil
}

// serve says how to reach the demo's AWS, which may be all that runs, and waits.
func (d *demo) serve(ctx context.Context, only bool) error {
	d.say("\nrunning until you press Ctrl-C. In another terminal:")
	for _, v := range append(d.server.Environ(),
		"MOSAICD_QUEUE_URL="+d.queue, "MOSAICD_DEAD_LETTER_URL="+d.dead,
		"MOSAICD_TOPIC_ARN="+d.topic, "MOSAICD_OUTPUT_BUCKET="+demoResults, "MOSAICD_MEDIACONVERT_ROLE="+demoRole,
		"MOSAICD_REKOGNITION_TOPIC_ARN="+d.searched, "MOSAICD_REKOGNITION_ROLE="+demoSearchRole) {
		d.say("  export %s", v)
	}
	if !only {
		d.say("then, for example:\n  aws s3 cp my.mp4 s3://%s/my.mp4\n  mosaicd send mosaic s3://%s/%s s3://%s/by-hand.mp4 --style blur\n  mosaicd send transcode s3://%s/%s --start 00:00:01:00 --end 00:00:03:00\n  aws sqs receive-message --endpoint-url %s --queue-url %s\n  aws s3 cp s3://%s/by-hand.mp4 .",
			demoUploads, demoUploads, demoKey, demoResults, demoUploads, demoKey, d.server.URL(), d.inbox, demoResults)
	} else {
		d.say("then:\n  mosaicd doctor\n  mosaicd run")
	}
	<-ctx.Done()
	return nil
}

// contactSheet draws a few moments of both videos.
func contactSheet(ctx context.Context, before, after, path string) error {
	look := libav.Look{Every: sample.Default.Length / 4, MaxSide: 640}
	columns := [2][]image.Image{}
	for i, name := range []string{before, after} {
		_, err := libav.Watch(ctx, name, look, func(_ time.Duration, picture image.Image) error {
			columns[i] = append(columns[i], picture)
			return nil
		}, nil)
		if err != nil {
			return fmt.Errorf("draw the contact sheet: %w", err)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("draw the contact sheet: %w", err)
	}
	err = png.Encode(f, sheet.Draw(columns[0], columns[1], 640))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("draw the contact sheet: %w", err)
	}
	return nil
}
