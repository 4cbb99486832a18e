package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/internal/sample"
	"github.com/mosaicd/mosaicd/jobs"
)

// The least that a worker takes: the sooner a message comes back, the more is done.
const visibility = 30 * time.Second

const role = "arn:aws:iam::" + awslocal.AccountID + ":role/mediaconvert"

// A world is an AWS with workers at it.
type world struct {
	server *awslocal.Server
	s3     *s3.Client
	sqs    *sqs.Client
	queue  string
	dead   string
	inbox  string
	topic  string
	// notices is the topic of Rekognition.
	notices string
	folder  string
	binary  string
	routes  string
	video   []byte
	record  record
	closes  []func()

	uploads map[string]bool
	mu      sync.Mutex
	results map[string][]string // by result id: what was delivered
	last    map[string]bool     // sources whose last result was delivered
	jobs    map[string]bool     // jobs of which that is so
	settled func() bool         // nil: every source has its last result
}

func newWorld(ctx context.Context, binary, routes string, faces func(context.Context, []byte) ([]byte, error)) (*world, error) {
	server, err := awslocal.Start(ctx, awslocal.Config{Faces: faces})
	if err != nil {
		return nil, err
	}
	cfg := server.AWSConfig()
	w := &world{
		server: server, s3: s3.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg), binary: binary, routes: routes,
		uploads: map[string]bool{}, results: map[string][]string{}, last: map[string]bool{}, jobs: map[string]bool{},
		record: record{handles: map[string]string{}},
	}
	if w.folder, err = os.MkdirTemp("", "mosaicd-chaos-*"); err != nil {
		return nil, err
	}
	for name, url := range map[string]*string{"work": &w.queue, "dead": &w.dead, "inbox": &w.inbox} {
		out, err := w.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
		if err != nil {
			return nil, err
		}
		*url = *out.QueueUrl
	}
	for _, name := range []string{"uploads", "results"} {
		if _, err := w.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
			return nil, err
		}
	}
	topics := sns.NewFromConfig(cfg)
	for _, t := range []struct {
		name, queue string
		arn         *string
	}{{"results", "inbox", &w.topic}, {"AmazonRekognition", "work", &w.notices}} {
		topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: &t.name})
		if err != nil {
			return nil, err
		}
		*t.arn = *topic.TopicArn
		_, err = topics.Subscribe(ctx, &sns.SubscribeInput{
			TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Attributes: map[string]string{"RawMessageDelivery": "true"},
			Endpoint: aws.String("arn:aws:sqs:" + awslocal.Region + ":" + awslocal.AccountID + ":" + t.queue),
		})
		if err != nil {
			return nil, err
		}
	}
	server.Notify(awslocal.Notification{Bucket: "uploads", QueueURL: w.queue})
	server.NotifyJobs(w.queue)
	source := filepath.Join(w.folder, "source.mp4")
	scene := sample.Scene{Size: image.Pt(320, 180), Rate: 25, Length: 400 * time.Millisecond}
	if err := scene.Write(source); err != nil {
		return nil, err
	}
	w.video, err = os.ReadFile(source)
	return w, err
}

func (w *world) close() {
	for _, f := range w.closes {
		f()
	}
	w.server.Close()
	os.RemoveAll(w.folder)
}

// upload puts one more video there.
func (w *world) upload(ctx context.Context, name string) error {
	key := name + ".mp4"
	w.uploads[key] = true
	_, err := w.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("uploads"), Key: &key, Body: bytes.NewReader(w.video)})
	return err
}

// A node is one worker, which may be started again and again.
type node struct {
	w        *world
	id       int
	endpoint string
	scratch  string
	cmd      *exec.Cmd
	done     chan error
	failAt   string // name of a fail point
	health   string // address of its health endpoints; empty: none
	more     []string
}

func (w *world) node(id int) (*node, error) {
	endpoint, stop, err := w.record.observe(w.server.URL(), id)
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, stop)
	n := &node{w: w, id: id, endpoint: endpoint, scratch: filepath.Join(w.folder, "scratch-"+strconv.Itoa(id))}
	return n, os.MkdirAll(n.scratch, 0o700)
}

func (n *node) start() error {
	log, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	n.cmd = exec.Command(n.w.binary, "run")
	n.cmd.Env = []string{
		"HOME=" + n.w.folder, "AWS_ENDPOINT_URL=" + n.endpoint, "AWS_REGION=" + awslocal.Region, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_EC2_METADATA_DISABLED=true",
		"MOSAICD_QUEUE_URL=" + n.endpoint + n.w.queue[len(n.w.server.URL()):], "MOSAICD_DEAD_LETTER_URL=" + n.endpoint + n.w.dead[len(n.w.server.URL()):],
		"MOSAICD_TOPIC_ARN=" + n.w.topic, "MOSAICD_OUTPUT_BUCKET=results", "MOSAICD_SCRATCH=" + n.scratch, "MOSAICD_HTTP_ADDR=" + n.health,
		"MOSAICD_VISIBILITY=" + visibility.String(), "MOSAICD_DRAIN=1s", "MOSAICD_PRESET=ultrafast", "MOSAICD_VERIFY=false", "MOSAICD_RECONCILE_AFTER=20s",
		"MOSAICD_SANDBOX=auto", "MOSAICD_ROUTES=" + n.w.routes, "MOSAICD_MEDIACONVERT_ROLE=" + role, "MOSAICD_FAILPOINT=" + n.failAt,
	}
	n.cmd.Env = append(n.cmd.Env, n.more...)
	n.cmd.Stderr = log
	// It must not outlive us, however we end.
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		return err
	}
	n.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan<- error) { done <- cmd.Wait() }(n.cmd, n.done)
	return nil
}

func (n *node) log() string { return filepath.Join(n.w.folder, fmt.Sprintf("worker-%d.log", n.id)) }

// kill is kill -9.
func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	<-n.done
}

// stop is SIGTERM. It returns how long the worker took.
func (n *node) stop() (time.Duration, error) {
	started := time.Now()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case err := <-n.done:
		if ws, ok := n.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGTERM {
			err = nil // it had only just been started, and listened to no signal yet
		}
		return time.Since(started), err
	case <-time.After(2 * time.Minute):
		n.kill()
		return time.Since(started), errors.New("it did not stop")
	}
}

// collect takes results off the topic's queue until ctx ends.
func (w *world) collect(ctx context.Context) error {
	for ctx.Err() == nil {
		out, err := w.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &w.inbox, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
		if ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
		for _, m := range out.Messages {
			var r jobs.Result
			if err := json.Unmarshal([]byte(*m.Body), &r); err != nil {
				return err
			}
			w.mu.Lock()
			w.results[r.ID] = append(w.results[r.ID], *m.Body)
			if r.Status != jobs.StatusProgressing && (r.Step == r.Steps || r.Status != jobs.StatusSucceeded) {
				w.last[r.Source], w.jobs[r.Job] = true, true
			}
			w.mu.Unlock()
			if _, err := w.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &w.inbox, ReceiptHandle: m.ReceiptHandle}); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	return nil
}

// ended is how many uploads have their last result.
func (w *world) ended() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.last)
}

// jobsEnded is how many jobs have their last result.
func (w *world) jobsEnded() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.jobs)
}

// messages is how many are visible and how many are not.
func (w *world) messages(ctx context.Context, queue string) (visible, hidden int, err error) {
	out, err := w.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		return 0, 0, err
	}
	visible, err1 := strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"])
	hidden, err2 := strconv.Atoi(out.Attributes["ApproximateNumberOfMessagesNotVisible"])
	return visible, hidden, errors.Join(err1, err2)
}

// settle waits until every upload has ended and the queue is empty.
func (w *world) settle(ctx context.Context, within time.Duration) error {
	for deadline := time.Now().Add(within); ; {
		visible, hidden, err := w.messages(ctx, w.queue)
		if err != nil {
			return err
		}
		settled := w.ended() == len(w.uploads)
		if w.settled != nil {
			settled = w.settled()
		}
		if settled && visible+hidden == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d uploads have ended, %d messages are visible and %d are not", w.ended(), len(w.uploads), visible, hidden)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
