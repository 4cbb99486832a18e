package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/jobs"
)

// An abuse is what somebody does who may upload, or send to the queue, and may no more
// than that; and the refusal that it must get. In all its texts {} is the name of the
// case, which is a folder of the uploads or a bucket of its own.
type abuse struct {
	name    string
	objects [][2]string // bucket/key and body, uploaded in this order
	message string      // sent to the queue
	source  string      // of the result; empty: it has the case's name in it, or the message is known by its token

	code string // of the failed result
	dead bool   // the message goes to the dead-letter queue
	idle bool   // the log says that nothing is done
	says string // in the error, the reason or the log
}

// abuseRoutes let uploaders have their say in a few things.
const abuseRoutes = `version: 1
routes:
  - name: cuts
    match: {bucket: uploads, prefix: cut-}
    sidecar: {wait: true, allow: [clips, settings, destination, steps]}
    steps: [transcode]
  - name: videos
    match: {bucket: uploads, suffix: .mp4}
    sidecar: {wait: true, allow: [style, blocks, allowWeak, margin, cover, similarity, regions, destination, steps]}
    steps: [{mosaic: {blocks: 5, style: fill}}]
  - name: films
    match: {bucket: uploads, suffix: .mov}
    steps: [mosaic]
  - name: job-files
    match: {bucket: 'own-*'}
    steps: [{transcode: {destination: 's3://results/streams/{bucket}/{name}/'}}]
  - name: drop
    match: {bucket: drop}
    steps: [mosaic]
`

// A watcher notes what the daemon asks of S3.
type watcherProxy struct {
	mu       sync.Mutex
	requests []string // method, a space, and the path
}

// start puts the watcher between a daemon and its AWS.
func (w *watcherProxy) start(t *testing.T, c *cloud) {
	t.Helper()
	to, err := url.Parse(c.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests = append(w.requests, r.Method+" "+r.URL.Path)
		if from := r.Header.Get("X-Amz-Copy-Source"); from != "" {
			w.requests = append(w.requests, "GET /"+from)
		}
		w.mu.Unlock()
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	c.environ = append(slices.Clone(c.environ), "AWS_ENDPOINT_URL="+server.URL)
}

// check fails where something was read that is none of the attacker's business, or
// something written beside the records of jobs.
func (w *watcherProxy) check(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := 0
	for _, r := range w.requests {
		method, path, _ := strings.Cut(r, " ")
		bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if bucket == "" || bucket == awslocal.AccountID { // of another service
			continue
		}
		seen++
		reads := method == http.MethodGet || method == http.MethodHead
		switch {
		case bucket == "secret" || bucket == "config" || strings.HasPrefix(key, "victim/") || strings.HasPrefix(key, "mosaic/victim/"):
			t.Errorf("asked for %s", r)
		case !reads && !(bucket == "results" && strings.HasPrefix(key, jobs.DefaultStatePrefix)) && !strings.HasPrefix(path, "/2017-08-29/"):
			t.Errorf("wrote: %s", r)
		}
	}
	if seen == 0 {
		t.Error("no request was seen")
	}
}

// contents are the ETags of all objects but the records of jobs.
func (c *cloud) contents() map[string]string {
	c.t.Helper()
	all := map[string]string{}
	buckets, err := c.s3.ListBuckets(context.Background(), &s3.ListBucketsInput{})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, b := range buckets.Buckets {
		pages := s3.NewListObjectsV2Paginator(c.s3, &s3.ListObjectsV2Input{Bucket: b.Name, EncodingType: "url"})
		for pages.HasMorePages() {
			page, err := pages.NextPage(context.Background())
			if err != nil {
				c.t.Fatal(err)
			}
			for _, o := range page.Contents {
				if name := *b.Name + "/" + aws.ToString(o.Key); !strings.HasPrefix(name, "results/"+jobs.DefaultStatePrefix) {
					all[name] = aws.ToString(o.ETag)
				}
			}
		}
	}
	return all
}

func (c *cloud) write(bucket, key, body string) {
	c.t.Helper()
	_, err := c.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		c.t.Fatalf("%s/%s: %v", bucket, key, err)
	}
}

// TestAbuse has an attacker try everything in abuses on the real daemon. Each attempt
// gets its refusal, and afterwards every bucket holds what it held before: nothing was
// written, and nothing read but what the attacker had uploaded.
func TestAbuse(t *testing.T) {
	t.Parallel()
	for _, ca := range []struct {
		name   string
		routes string
		all    []abuse
	}{{"default", "", abusesOfDefaults()}, {"routes", abuseRoutes, slices.Concat(abusesOfMessages(), abusesOfSidecars(), abusesOfJobFiles(), abusesOfKeys())}} {
		t.Run(ca.name, func(t *testing.T) {
			t.Parallel()
			t.Logf("%d attempts", len(ca.all))
			c := newCloud(t)
			c.environ = append(slices.Clone(c.environ), "MOSAICD_SOURCE_BUCKETS=", "MOSAICD_MEDIACONVERT_ROLE="+demoRole)
			if ca.routes != "" {
				c.environ = append(c.environ, "MOSAICD_ROUTES="+ca.routes)
			}
			c.try(ca.all)
		})
	}
}

func (c *cloud) try(all []abuse) {
	t := c.t
	t.Helper()
	for _, name := range []string{"secret", "config", "drop"} {
		if _, err := c.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
			t.Fatal(err)
		}
	}
	c.server.Notify(awslocal.Notification{Bucket: "drop", QueueURL: c.queue})
	for _, name := range []string{"secret/a.mp4", "secret/b.mp4", "secret/x.json", "config/x.json", "uploads/victim/a.mp4", "uploads/victim/b.mp4", "results/mosaic/victim/a.mp4", "results/streams/victim/a.mp4"} {
		bucket, key, _ := strings.Cut(name, "/")
		c.write(bucket, key, "nobody else's")
	}
	for c.waiting(c.queue) > 0 { // the victims' own jobs are not to be looked at
		c.take(c.queue)
	}
	for i := range all {
		c.prepare(i, &all[i])
	}
	until(t, "the events of the uploads", func() bool { return c.waiting(c.queue) > 0 })
	before := c.contents()
	var watch watcherProxy
	watch.start(t, c)
	d := c.daemon("--concurrency", "8", "--preset", "ultrafast", "--no-verify")
	for _, a := range all {
		if a.message == "" {
			continue
		}
		if _, err := c.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &c.queue, MessageBody: &a.message}); err != nil {
			t.Fatalf("%s: %v", a.name, err)
		}
	}
	until(t, "all messages to be worked", func() bool { return c.waiting(c.queue) == 0 })
	c.judge(all, d)
	if err := d.Process.Kill(); err != nil { // it would end its poll first
		t.Fatal(err)
	}
	<-d.done
	if after := c.contents(); !mapsEqual(before, after) {
		t.Errorf("the buckets have changed:\n%s", changes(before, after))
	}
	if n := c.cloudJobs(); n > 0 {
		t.Errorf("%d jobs of MediaConvert", n)
	}
	watch.check(t)
}

// prepare names a case and uploads what it needs.
func (c *cloud) prepare(i int, a *abuse) {
	c.t.Helper()
	name := fmt.Sprintf("own-%03d", i)
	if strings.Contains(a.name, "cut") {
		name = fmt.Sprintf("cut-%03d", i)
	}
	fill := func(s string) string { return strings.ReplaceAll(s, "{}", name) }
	a.message, a.source, a.says = fill(a.message), fill(a.source), fill(a.says)
	if a.code != "" && a.source == "" {
		a.source = name + "/"
		if strings.HasPrefix(a.message, `{"version"`) {
			a.source = fmt.Sprintf("%032x", i+1)
			a.message = `{"token":"` + a.source + `",` + a.message[1:]
		}
	}
	for _, o := range a.objects {
		bucket, key, _ := strings.Cut(fill(o[0]), "/")
		if bucket == name {
			if _, err := c.s3.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &bucket}); err == nil {
				c.server.Notify(awslocal.Notification{Bucket: bucket, QueueURL: c.queue, Suffix: ".mp4"})
			}
		}
		c.write(bucket, key, fill(o[1]))
	}
}

// judge holds what became of each case against what must become of it.
func (c *cloud) judge(all []abuse, d *runningDaemon) {
	t := c.t
	t.Helper()
	var results []jobs.Result
	for _, body := range c.drain(c.inbox) {
		var r jobs.Result
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
	}
	dead := c.drain(c.dead)
	log := func(events ...string) (lines []string) {
		for _, e := range events {
			for _, l := range d.lines(t, e) {
				body, _ := json.Marshal(l)
				lines = append(lines, string(body))
			}
		}
		return lines
	}
	ignored := log("object_ignored", "cloud_ignored", "search_ignored", "event_ignored")
	for _, r := range results {
		if r.Status == jobs.StatusSucceeded || r.Status == jobs.StatusReview {
			t.Errorf("something was done: %+v", r)
		}
	}
	for _, a := range all {
		var got []string
		switch {
		case a.code != "":
			for _, r := range results {
				if r.Job == a.source || strings.Contains(r.Source, a.source) {
					got = append(got, r.Error.Code+": "+r.Error.Message)
				}
			}
		case a.dead:
			for _, line := range dead {
				if body, reason, _ := strings.Cut(line, "\x00"); body == a.message {
					got = append(got, ": "+reason)
				}
			}
		case a.idle:
			for _, line := range ignored {
				if strings.Contains(line, a.says) {
					got = append(got, ": "+line)
				}
			}
		}
		if len(got) != 1 || !strings.HasPrefix(got[0], a.code+": ") || !strings.Contains(got[0], a.says) {
			t.Errorf("%s: got %q, want one %s with %q", a.name, got, a.code, a.says)
		}
	}
}

// drain takes all messages of a queue: their bodies and, after a zero, their reasons.
func (c *cloud) drain(queue string) (bodies []string) {
	c.t.Helper()
	for {
		out, err := c.sqs.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{
			QueueUrl: &queue, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			c.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return bodies
		}
		for _, m := range out.Messages {
			body := aws.ToString(m.Body)
			if reason, ok := m.MessageAttributes["reason"]; ok {
				body += "\x00" + aws.ToString(reason.StringValue)
			}
			bodies = append(bodies, body)
		}
	}
}

func mapsEqual(a, b map[string]string) bool { return changes(a, b) == "" }

func changes(before, after map[string]string) string {
	var out bytes.Buffer
	for name, etag := range after {
		if before[name] != etag {
			fmt.Fprintf(&out, "written: %s\n", name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			fmt.Fprintf(&out, "gone: %s\n", name)
		}
	}
	return out.String()
}
