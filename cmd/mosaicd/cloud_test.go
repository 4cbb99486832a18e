package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/jobs"
)

const transcodes = "MOSAICD_ROUTES={version: 1, routes: [{name: all, steps: [transcode]}]}"

// cloudJobs is how many jobs MediaConvert has.
func (c *cloud) cloudJobs() int {
	c.t.Helper()
	n := 0
	pages := mediaconvert.NewListJobsPaginator(c.cloud, &mediaconvert.ListJobsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			c.t.Fatal(err)
		}
		n += len(page.Jobs)
	}
	return n
}

// TestUploadsTwiceToTwoWorkers: a hundred uploads, each announced twice and out
// of order, are a hundred jobs and a hundred results.
func TestUploadsTwiceToTwoWorkers(t *testing.T) {
	t.Parallel()
	const uploads = 100
	c := newCloud(t)
	ctx := context.Background()
	// A second queue hears of the uploads too; what comes there is sent on.
	side, err := c.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("side")})
	if err != nil {
		t.Fatal(err)
	}
	c.server.Notify(awslocal.Notification{Bucket: demoUploads, QueueURL: *side.QueueUrl})
	for i := range uploads {
		key := fmt.Sprintf("folder/%d.mp4", i)
		if _, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(demoUploads), Key: &key, Body: strings.NewReader("video " + key)}); err != nil {
			t.Fatal(err)
		}
	}
	var again []string
	for range uploads {
		again = append(again, *c.take(*side.QueueUrl).Body)
	}
	rand.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
	for i, body := range again {
		delay := int32(i % 3)
		if _, err := c.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &c.queue, MessageBody: &body, DelaySeconds: delay}); err != nil {
			t.Fatal(err)
		}
	}
	c.environ = append(c.environ, transcodes, "MOSAICD_MEDIACONVERT_ROLE="+demoRole, "MOSAICD_CONCURRENCY=8")
	workers := []*runningDaemon{c.daemon(), c.daemon()}

	ids, sources := map[string]bool{}, map[string]bool{}
	for range uploads {
		r := c.result()
		if r.Status != jobs.StatusSucceeded || ids[r.ID] || sources[r.Source] {
			t.Errorf("result is %+v, %+v", r, r.Error)
		}
		ids[r.ID], sources[r.Source] = true, true
	}
	until(t, "every message to be deleted", func() bool { return c.waiting(c.queue) == 0 })
	if n := c.cloudJobs(); n != uploads {
		t.Errorf("%d jobs in MediaConvert", n)
	}
	if n, dead := c.waiting(c.inbox), c.waiting(c.dead); n != 0 || dead != 0 {
		t.Errorf("%d more results, %d dead letters", n, dead)
	}
	for _, d := range workers {
		if len(d.lines(t, "job_dispatched")) == 0 {
			t.Error("a worker had nothing to do")
		}
		stop(t, d)
	}
}

// TestStatusAndCancel as a person uses them.
func TestStatusAndCancel(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.server.HoldJobs(true)
	c.environ = append(c.environ, transcodes, "MOSAICD_MEDIACONVERT_ROLE="+demoRole)
	d := c.daemon()
	c.put("a.mp4", video(t, shortScene))
	until(t, "a job in MediaConvert", func() bool { return len(d.lines(t, "job_dispatched")) > 0 })
	job := d.lines(t, "job_dispatched")[0]["job_id"].(string)
	until(t, "the claim to say so", func() bool {
		_, out, _ := call(t, c.environ, "status", job)
		return strings.Contains(out, "state    waiting")
	})
	code, out, stderr := call(t, c.environ, "status", job)
	for _, want := range []string{job, "s3://uploads/a.mp4", "step 1/1 transcode", "hls: MediaConvert job ", "attempt 1", "PROGRESSING"} {
		if code != exitDone || !strings.Contains(out, want) {
			t.Errorf("exit code %d, %q is not in\n%s%s", code, want, out, stderr)
		}
	}
	if code, out, stderr := call(t, c.environ, "cancel", job); code != exitDone || !strings.Contains(out, job) {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
	if code, out, stderr := call(t, c.environ, "status", job+"-1", "--watch", "--every", "50ms"); code != exitFailed || !strings.Contains(out, "state    cancelled") || !strings.Contains(stderr, "cancelled") {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
	if r := c.result(); r.Status != jobs.StatusCancelled {
		t.Errorf("result is %+v", r)
	}
	code, out, _ = call(t, c.environ, "status", job, "--json")
	var claim jobs.Claim
	if err := json.Unmarshal([]byte(out), &claim); code != exitDone || err != nil || claim.State != jobs.StateCancelled || claim.Job.Source.Key != "a.mp4" {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
	for _, args := range [][]string{{"status", strings.Repeat("0", 32)}, {"cancel", strings.Repeat("0", 32)}, {"cancel", job}} {
		if code, _, stderr := call(t, c.environ, args...); code != exitFailed || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d\n%s", args, code, stderr)
		}
	}
	stop(t, d)
}

// TestSendTranscode: from the command line to the result.
func TestSendTranscode(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.environ = append(c.environ, "MOSAICD_MEDIACONVERT_ROLE="+demoRole, "MOSAICD_ROUTES={version: 1, routes: [{name: none, steps: []}]}")
	c.put("a.mp4", video(t, shortScene))
	code, out, stderr := call(t, c.environ, "send", "transcode", "s3://uploads/a.mp4", "--start", "00:00:00:00", "--end", "00:00:00:12", "--destination", "s3://results/x/")
	if code != exitDone || strings.TrimSpace(out) == "" {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	d := c.daemon()
	if r := c.result(); r.Status != jobs.StatusSucceeded || r.Kind != "transcode" || len(r.Outputs) != 4 || r.Outputs[0].URI != "s3://results/x/a.m3u8" {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
	stop(t, d)
}

// TestRoutesFromS3: the daemon reads them when it starts.
func TestRoutesFromS3(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	const yaml = "version: 1\nroutes:\n  - name: nothing\n    ignored: publish\n"
	if _, err := c.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(demoResults), Key: aws.String("routes.yaml"), Body: strings.NewReader(yaml)}); err != nil {
		t.Fatal(err)
	}
	d := c.daemon("--routes", "s3://results/routes.yaml")
	c.put("a.mp4", video(t, shortScene))
	if r := c.result(); r.Status != jobs.StatusIgnored || r.Route != "nothing" {
		t.Errorf("result is %+v", r)
	}
	stop(t, d)
}

// TestCheckEvents: an event's file in the place of an object.
func TestCheckEvents(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		code int
		says string
	}{
		`{"version":1,"kind":"mosaic","source":"s3://in/a.mp4","destination":"s3://out/a.mp4"}`: {exitDone, "mosaic of s3://in/a.mp4"},
		`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"in"}`:                          {exitDone, "nothing"},
		`{"version":1,"kind":"blur"}`: {exitUsage, "mosaic, transcode"},
	} {
		path := write(t, "event.json", body)
		code, out, stderr := call(t, nil, "check", path)
		if code != want.code || !strings.Contains(out+stderr, want.says) {
			t.Errorf("%s: exit code %d\n%s%s", body, code, out, stderr)
		}
	}
	if code, _, stderr := call(t, nil, "check", "nowhere.json"); code != exitUsage || !strings.Contains(stderr, "nowhere.json") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// TestDaemonWithRekognition: upload, search, notice, mosaic, result.
func TestDaemonWithRekognition(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.daemon("--detector", "rekognition", "--preset", "ultrafast")
	c.put("a.mp4", video(t, shortScene))
	r := c.result()
	if r.Status != jobs.StatusSucceeded || r.Stats.Faces < 3 || r.Stats.FramesCovered != 25 || r.Stats.DetectSeconds != 0 {
		t.Errorf("result is %+v, %+v, %+v", r, r.Error, r.Stats)
	}
	if fetched := d.lines(t, "search_fetched"); len(fetched) != 1 || fetched[0]["pages"].(float64) < 2 {
		t.Errorf("the log says %v", fetched)
	}
	stop(t, d)
}

func TestFacesDetect(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	source := video(t, shortScene)
	code, out, stderr := call(t, nil, "faces", "detect", source)
	var page struct {
		Faces         []struct{ Timestamp int64 }
		VideoMetadata struct{ DurationMillis, FrameWidth int }
	}
	if err := json.Unmarshal([]byte(out), &page); code != exitDone || err != nil || len(page.Faces) < 12 || page.VideoMetadata.DurationMillis != 1000 || page.VideoMetadata.FrameWidth != 640 {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out, stderr)
	}
	output := t.TempDir() + "/out.mp4"
	if code, _, stderr := call(t, nil, "mosaic", "--detections", write(t, "faces.json", out), "--preset", "ultrafast", source, output); code != exitDone || size(output) == 0 {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if code, _, stderr := call(t, nil, "faces", "detect", "/nowhere.mp4"); code != exitFailed || !strings.Contains(stderr, "nowhere.mp4") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}
