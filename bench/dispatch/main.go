// Command dispatch measures how fast uploads become MediaConvert jobs: through
// one mosaicd worker, and through a loop in Python with boto3 that does for each
// what the usual Lambda function does. Both talk to the same embedded AWS, each on
// the same one core, and the AWS on another.
//
//	make bench
//	go run ./bench/dispatch -uploads 500 -runs 5
package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sys/unix"

	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/jobs/transcode"
)

type options struct {
	mosaicd, python, peer string
	uploads, single, runs int
	concurrency           int
}

func main() {
	var o options
	flag.StringVar(&o.mosaicd, "mosaicd", "bin/mosaicd", "program to measure")
	flag.StringVar(&o.python, "python", "python3", "Python with boto3 to compare with")
	flag.StringVar(&o.peer, "peer", "bench/dispatch/peer.py", "the loop in Python")
	flag.IntVar(&o.uploads, "uploads", 300, "that arrive at once")
	flag.IntVar(&o.single, "single", 20, "that arrive one by one")
	flag.IntVar(&o.runs, "runs", 3, "of each")
	flag.IntVar(&o.concurrency, "concurrency", 16, "of mosaicd")
	flag.Parse()
	if err := compare(o); err != nil {
		fmt.Fprintln(os.Stderr, "dispatch:", err)
		os.Exit(1)
	}
}

func compare(o options) error {
	if out, err := exec.Command(o.python, "-c", "import boto3").CombinedOutput(); err != nil {
		fmt.Printf("dispatch: skipped, as %s has no boto3: %s\n", o.python, out)
		return nil
	}
	// The core on which we are, and with us the AWS, isn't theirs.
	last := runtime.NumCPU() - 1
	if last > 0 {
		runtime.GOMAXPROCS(last)
		var ours unix.CPUSet
		for i := range last {
			ours.Set(i)
		}
		if err := setAffinity(&ours); err != nil {
			return err
		}
	}
	fmt.Printf("%d uploads at once, %d one by one, one core for the worker, %d cores in all; median of %d runs in turn\n", o.uploads, o.single, last+1, o.runs)
	var ours, theirs []figures
	for range o.runs {
		a, err := measure(o, last, func(s *site) *exec.Cmd { return s.mosaicd(o) })
		if err != nil {
			return fmt.Errorf("mosaicd: %w", err)
		}
		b, err := measure(o, last, func(s *site) *exec.Cmd {
			return exec.Command(o.python, o.peer, s.queue, "results", role)
		})
		if err != nil {
			return fmt.Errorf("boto3: %w", err)
		}
		ours, theirs = append(ours, a), append(theirs, b)
	}
	fmt.Printf("%-24s %12s %12s %8s\n", "", "mosaicd", "boto3", "ratio")
	row := func(name, unit string, of func(figures) float64, ratio func(a, b float64) float64) {
		var ratios []float64
		for i := range ours {
			ratios = append(ratios, ratio(of(ours[i]), of(theirs[i])))
		}
		fmt.Printf("%-24s %8.1f %-3s %8.1f %-3s %8.1f\n", name, median(ours, of), unit, median(theirs, of), unit, middle(ratios))
	}
	row("throughput", "/s", func(f figures) float64 { return f.perSecond }, func(a, b float64) float64 { return a / b })
	row("from send to CreateJob", "ms", func(f figures) float64 { return f.latency.Seconds() * 1000 }, func(a, b float64) float64 { return b / a })
	return nil
}

// setAffinity moves every thread of this process.
func setAffinity(to *unix.CPUSet) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, to); err != nil {
			return fmt.Errorf("keep to some cores: %w", err)
		}
	}
	return nil
}

type figures struct {
	perSecond float64
	latency   time.Duration // median of those that come one by one
}

const role = "arn:aws:iam::" + awslocal.AccountID + ":role/mediaconvert"

// A site is an AWS for one run.
type site struct {
	server  *awslocal.Server
	cfg     aws.Config
	queue   string
	topic   string
	folder  string
	mu      sync.Mutex
	created map[string]time.Time // by input
	changed chan struct{}
}

func measure(o options, core int, program func(*site) *exec.Cmd) (f figures, err error) {
	ctx := context.Background()
	s, err := newSite(ctx)
	if err != nil {
		return f, err
	}
	defer s.close()
	cmd := program(s)
	cmd.Args = append([]string{"taskset", "-c", strconv.Itoa(core), cmd.Path}, cmd.Args[1:]...)
	if cmd.Path, err = exec.LookPath("taskset"); err != nil {
		return f, err
	}
	cmd.Env = append(append(os.Environ(), cmd.Env...), s.server.Environ()...)
	log, err := os.Create(filepath.Join(s.folder, "log"))
	if err != nil {
		return f, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return f, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if _, err := s.send(ctx, "warm-up", 3); err != nil {
		return f, err
	}
	var single []time.Duration
	for i := range o.single {
		took, err := s.send(ctx, fmt.Sprintf("single-%d", i), 1)
		if err != nil {
			return f, err
		}
		single = append(single, took)
	}
	slices.Sort(single)
	f.latency = single[len(single)/2]
	took, err := s.send(ctx, "burst", o.uploads)
	f.perSecond = float64(o.uploads) / took.Seconds()
	return f, err
}

func newSite(ctx context.Context) (*site, error) {
	server, err := awslocal.Start(ctx, awslocal.Config{})
	if err != nil {
		return nil, err
	}
	s := &site{server: server, cfg: server.AWSConfig(), created: map[string]time.Time{}, changed: make(chan struct{}, 1)}
	if s.folder, err = os.MkdirTemp("", "mosaicd-bench-*"); err != nil {
		return nil, err
	}
	server.HoldJobs(true) // what becomes of them isn't measured
	server.FailJobs(func(in *mediaconvert.CreateJobInput) (int, string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.created[aws.ToString(in.Settings.Inputs[0].FileInput)] = time.Now()
		select {
		case s.changed <- struct{}{}:
		default:
		}
		return 0, ""
	})
	buckets := s3.NewFromConfig(s.cfg)
	for _, name := range []string{"uploads", "results"} {
		if _, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
			return nil, err
		}
	}
	_, err = buckets.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("uploads"), Key: aws.String("jobs/hls.json"), Body: bytes.NewReader(transcode.BuiltIn().Raw),
	})
	if err != nil {
		return nil, err
	}
	queue, err := sqs.NewFromConfig(s.cfg).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("uploads")})
	if err != nil {
		return nil, err
	}
	s.queue = *queue.QueueUrl
	topic, err := sns.NewFromConfig(s.cfg).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("results")})
	if err != nil {
		return nil, err
	}
	s.topic = *topic.TopicArn
	return s, nil
}

func (s *site) close() {
	s.server.Close()
	os.RemoveAll(s.folder)
}

// mosaicd is the worker, with a route that only transcodes.
func (s *site) mosaicd(o options) *exec.Cmd {
	path, err := filepath.Abs(o.mosaicd)
	if err != nil {
		path = o.mosaicd
	}
	cmd := exec.Command(path, "run")
	cmd.Env = []string{
		"GOMAXPROCS=1", "MOSAICD_QUEUE_URL=" + s.queue, "MOSAICD_TOPIC_ARN=" + s.topic, "MOSAICD_OUTPUT_BUCKET=results",
		"MOSAICD_HTTP_ADDR=", "MOSAICD_SCRATCH=" + s.folder, "MOSAICD_CONCURRENCY=" + strconv.Itoa(o.concurrency),
		"MOSAICD_MEDIACONVERT_ROLE=" + role, "MOSAICD_ROUTES={version: 1, routes: [{name: all, steps: [transcode]}]}",
	}
	return cmd
}

// send uploads n objects, announces them, and waits until each has its job.
func (s *site) send(ctx context.Context, name string, n int) (time.Duration, error) {
	client, buckets := sqs.NewFromConfig(s.cfg), s3.NewFromConfig(s.cfg)
	var entries []types.SendMessageBatchRequestEntry
	for i := range n {
		key := fmt.Sprintf("%s-%d.mp4", name, i)
		put, err := buckets.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String("uploads"), Key: &key, Body: strings.NewReader(upload),
		})
		if err != nil {
			return 0, err
		}
		entries = append(entries, types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(notification(key, strings.Trim(*put.ETag, `"`))),
		})
	}
	started := time.Now()
	for batch := range slices.Chunk(entries, 10) {
		if _, err := client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &s.queue, Entries: batch}); err != nil {
			return 0, err
		}
	}
	for {
		last, done := s.all(name, n)
		if done {
			return last.Sub(started), nil
		}
		select {
		case <-s.changed:
		case <-time.After(2 * time.Minute):
			log, _ := os.ReadFile(filepath.Join(s.folder, "log"))
			return 0, fmt.Errorf("no job came for some of %d uploads %s: %s", n, name, log[max(0, len(log)-2000):])
		}
	}
}

// all says when the last of n jobs was created.
func (s *site) all(name string, n int) (last time.Time, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range n {
		at, ok := s.created[fmt.Sprintf("s3://uploads/%s-%d.mp4", name, i)]
		if !ok {
			return last, false
		}
		if at.After(last) {
			last = at
		}
	}
	return last, true
}

// upload is what each object holds: its content is never read.
const upload = "a video"

func notification(key, etag string) string {
	return fmt.Sprintf(`{"Records":[{"eventVersion":"2.5","eventSource":"aws:s3","awsRegion":"us-east-1",`+
		`"eventTime":"2026-01-01T00:00:00.000Z","eventName":"ObjectCreated:Put","s3":{"s3SchemaVersion":"1.0",`+
		`"configurationId":"x","bucket":{"name":"uploads","arn":"arn:aws:s3:::uploads"},`+
		`"object":{"key":%q,"size":%d,"eTag":%q,"sequencer":"0055AED6DCD90281E5"}}}]}`, key, len(upload), etag)
}

func median(all []figures, of func(figures) float64) float64 {
	var values []float64
	for _, f := range all {
		values = append(values, of(f))
	}
	return middle(values)
}

func middle(values []float64) float64 {
	slices.SortFunc(values, cmp.Compare[float64])
	return values[len(values)/2]
}
