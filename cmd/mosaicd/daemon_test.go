package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mosaicd/mosaicd/internal/judge"
	"github.com/mosaicd/mosaicd/internal/sample"
	"github.com/mosaicd/mosaicd/jobs"
)

// short and long are videos with faces; the long one takes seconds to encode
// with the slow settings below.
var (
	shortScene = sample.Scene{Size: image.Pt(640, 360), Rate: 25, Length: time.Second}
	longScene  = sample.Scene{Size: image.Pt(960, 540), Rate: 25, Length: 8 * time.Second}
	slowly     = []string{"--preset", "slower", "--threads", "1"}
)

// video returns the file of a scene. It is made once for all tests, which only
// read it.
func video(t *testing.T, s sample.Scene) string {
	t.Helper()
	videos.Lock()
	defer videos.Unlock()
	path := filepath.Join(videos.folder, fmt.Sprintf("%+v.mp4", s))
	if size(path) > 0 {
		return path
	}
	if err := s.Write(path); err != nil {
		t.Fatal(err)
	}
	return path
}

var videos struct {
	sync.Mutex
	folder string // made and removed by TestMain
}

func TestDaemonWorksAnUpload(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.daemon("--preset", "ultrafast")
	source := video(t, shortScene)
	c.put("folder/a b+ü.mp4", source)
	r := c.result()
	if r.Status != jobs.StatusSucceeded || r.Source != "s3://uploads/folder/a b+ü.mp4" || len(r.Outputs) != 1 {
		t.Fatalf("result is %+v", r)
	}
	if got, want := r.Outputs[0].URI, "s3://results/mosaic/folder/a b+ü.mp4"; got != want {
		t.Errorf("output is %s, want %s", got, want)
	}
	if r.Stats.Frames != 25 || r.Stats.FramesCovered != 25 || r.Stats.Faces < 3 {
		t.Errorf("stats are %+v", r.Stats)
	}
	output := c.get(r.Outputs[0].URI)
	if got, want := judge.Hashes(judge.Packets(t, output, "0:a")), judge.Hashes(judge.Packets(t, source, "0:a")); !slices.Equal(got, want) {
		t.Error("sound packets differ from the source's")
	}
	until(t, "the message to be deleted", func() bool { return c.waiting(c.queue) == 0 })
	for _, line := range append(d.lines(t, "job_started"), append(d.lines(t, "job_succeeded"), d.lines(t, "result_published")...)...) {
		for _, key := range []string{"job_id", "message_id", "kind", "source"} {
			if v, _ := line[key].(string); v == "" {
				t.Errorf("%s has no %s", line["event"], key)
			}
		}
	}
	stop(t, d)
	if left, _ := os.ReadDir(scratchOf(c)); len(left) != 0 {
		t.Errorf("%d entries left in the scratch folder", len(left))
	}
}

// stop ends a daemon that has nothing to do and waits for it.
func stop(t *testing.T, d *runningDaemon) {
	t.Helper()
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-d.done:
		if err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
	case <-time.After(3 * time.Minute):
		t.Error("the daemon did not stop")
	}
}

func scratchOf(c *cloud) string {
	for _, v := range c.environ {
		if name, value, _ := strings.Cut(v, "="); name == "MOSAICD_SCRATCH" {
			return value
		}
	}
	return ""
}

func TestDaemonSaysWhatIsWrongWithAFile(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.daemon()
	text := filepath.Join(t.TempDir(), "notes.mp4")
	if err := os.WriteFile(text, []byte(strings.Repeat("these are notes\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	sound := judge.Make(t, "sound.mp4", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac")
	for path, code := range map[string]string{text: "not_a_video", sound: "no_video_stream"} {
		c.put(filepath.Base(path), path)
		if r := c.result(); r.Status != jobs.StatusFailed || r.Error == nil || r.Error.Code != code || len(r.Outputs) != 0 {
			t.Errorf("%s: result is %+v", path, r)
		}
	}
	until(t, "the messages to be deleted", func() bool { return c.waiting(c.queue) == 0 })
	if n := len(d.lines(t, "job_started")); n != 2 {
		t.Errorf("2 jobs were started %d times", n)
	}
}

func TestDaemonKeepsWhatItCannotRead(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.daemon()
	body := `{"version":1,"kind":"mosiac","source":"s3://uploads/a.mp4","destination":"s3://results/a.mp4"}`
	if _, err := c.sqs.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &c.queue, MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
	m := c.take(c.dead)
	if aws.ToString(m.Body) != body {
		t.Errorf("the body became %q", aws.ToString(m.Body))
	}
	if reason := aws.ToString(m.MessageAttributes["reason"].StringValue); !strings.Contains(reason, "mosiac") || !strings.Contains(reason, "mosaic") {
		t.Errorf("reason is %q", reason)
	}
	until(t, "the message to be moved", func() bool { return c.waiting(c.queue) == 0 })
}

// TestDaemonSurvivesItsEngine: the engine dies in the middle of a job; the daemon
// says so, and the job is tried again and succeeds.
func TestDaemonSurvivesItsEngine(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.daemon(slowly...)
	c.put("a.mp4", video(t, longScene))
	if err := syscall.Kill(d.engine(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if r := c.result(); r.Status != jobs.StatusSucceeded || r.Stats.Frames != 200 {
		t.Errorf("result is %+v", r)
	}
	crashes := d.lines(t, "engine_crashed")
	if len(crashes) != 1 || crashes[0]["signal"] != "SIGKILL" || crashes[0]["job_id"] == "" {
		t.Errorf("the log says %v", crashes)
	}
	if n := len(d.lines(t, "job_started")); n != 2 {
		t.Errorf("the job was started %d times", n)
	}
}

// TestAnotherDaemonFinishes: the daemon dies in the middle of a job. Its engine
// dies with it, the message comes back, and another worker does the job.
func TestAnotherDaemonFinishes(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	first := c.daemon(slowly...)
	c.put("a.mp4", video(t, longScene))
	engine := first.engine(t)
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, "the engine to die with its daemon", func() bool { return !alive(engine) })
	second := c.daemon("--preset", "ultrafast")
	r := c.result()
	if r.Status != jobs.StatusSucceeded || r.Stats.Frames != 200 {
		t.Errorf("result is %+v", r)
	}
	if started := second.lines(t, "job_started"); len(started) != 1 {
		t.Errorf("the second daemon says %v", started)
	}
	until(t, "the message to be deleted", func() bool { return c.waiting(c.queue) == 0 })
	if left, _ := os.ReadDir(scratchOf(c)); len(left) != 0 {
		t.Errorf("%d entries left in the scratch folder", len(left))
	}
}

// TestDaemonGivesBack: told to stop in the middle of a job that takes longer
// than the drain, the daemon gives the message back at once.
func TestDaemonGivesBack(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	// Not given back, it would stay hidden for longer than the test waits.
	first := c.daemon(slices.Concat(slowly, []string{"--visibility", "1h"})...)
	c.put("a.mp4", video(t, longScene))
	first.engine(t)
	stop(t, first)
	if left, _ := os.ReadDir(scratchOf(c)); len(left) != 0 {
		t.Errorf("%d entries left in the scratch folder", len(left))
	}
	c.daemon("--preset", "ultrafast")
	if r := c.result(); r.Status != jobs.StatusSucceeded {
		t.Errorf("result is %+v", r)
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.daemon("--preset", "ultrafast")
	source := video(t, shortScene)
	c.put("a.mp4", source)
	c.result()

	detections := filepath.Join(t.TempDir(), "faces.json")
	if err := os.WriteFile(detections, shortScene.Detections(500*time.Millisecond), 0o600); err != nil {
		t.Fatal(err)
	}
	c.put("faces.json", detections)
	until(t, "the log to say that it is no video", func() bool { return len(d.lines(t, "object_ignored")) > 0 })

	code, id, stderr := call(t, c.environ, "send", "mosaic", "s3://uploads/a.mp4", "s3://results/by-hand.mkv", "--style", "fill", "--detections", "s3://uploads/faces.json")
	if code != exitDone || len(strings.TrimSpace(id)) != 32 {
		t.Fatalf("exit code %d, %q, %s", code, id, stderr)
	}
	r := c.result()
	if r.Job != strings.TrimSpace(id) {
		t.Errorf("send said %s, the job is %s", id, r.Job)
	}
	if r.Status != jobs.StatusSucceeded || r.Outputs[0].URI != "s3://results/by-hand.mkv" || r.Outputs[0].MediaType != "video/x-matroska" || r.Stats.Faces != 3 {
		t.Errorf("result is %+v", r)
	}

	// The same as plain JSON, once from a file and once from standard input.
	_, body, _ := call(t, c.environ, "send", "mosaic", "s3://uploads/a.mp4", "s3://results/by-hand.mp4", "--crf", "30", "--dry-run")
	file := filepath.Join(t.TempDir(), "message.json")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := call(t, c.environ, "send", "--file", file); code != exitDone {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	cmd := mosaicd(c.environ, "send", "--file", "-")
	cmd.Stdin = strings.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for range 2 {
		if r := c.result(); r.Status != jobs.StatusSucceeded || r.Outputs[0].URI != "s3://results/by-hand.mp4" {
			t.Errorf("result is %+v", r)
		}
	}
}

// TestSendWait: send stays until the job has ended and says what came of it. The same
// request with the same token is the same job, another one is refused.
func TestSendWait(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.put("a.mp4", video(t, shortScene))
	c.take(c.queue)
	d := c.daemon("--preset", "ultrafast")
	const token = "0D3F5B5E-8C1A-4F6E-9B7A-112233445566"
	job := strings.ToLower(strings.ReplaceAll(token, "-", ""))
	request := []string{"send", "mosaic", "s3://uploads/a.mp4", "s3://results/by-hand.mp4", "--token", token}
	code, out, stderr := call(t, c.environ, append(request, "--wait")...)
	if code != exitDone || !strings.HasPrefix(out, job+"\n") || !strings.Contains(out, "state    succeeded") || !strings.Contains(out, "s3://results/by-hand.mp4") {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
	if r := c.result(); r.Job != job {
		t.Errorf("the result is of job %s", r.Job)
	}
	// Again, without hyphens and as JSON: nothing is done, and it says so at once.
	request[len(request)-1] = job
	code, out, stderr = call(t, c.environ, append(request, "--wait", "--output", "json")...)
	var record jobs.Claim
	if err := json.Unmarshal([]byte(out), &record); err != nil || code != exitDone || record.Job.ID != job || record.State != jobs.StateSucceeded {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out, stderr)
	}
	until(t, "the repeated request", func() bool { return len(d.lines(t, "job_repeated")) == 1 })
	// Another request can't have the token.
	request[3] = "s3://results/elsewhere.mp4"
	if code, out, _ := call(t, c.environ, append(request, "--output", "json")...); code != exitDone || !strings.Contains(out, `{"jobs":["`+job+`"],"messageId":"`) {
		t.Errorf("exit code %d\n%s", code, out)
	}
	letter := c.take(c.dead)
	if reason := aws.ToString(letter.MessageAttributes["reason"].StringValue); !strings.Contains(reason, "token: "+job+" is the id of another job") {
		t.Errorf("the reason is %q", reason)
	}
	// What fails says so by its exit code.
	code, out, stderr = call(t, c.environ, "send", "mosaic", "s3://uploads/gone.mp4", "s3://results/gone.mp4", "--wait")
	if code != exitFailed || !strings.Contains(out, "source_gone") || !strings.Contains(stderr, "failed") {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
	if code, _, stderr := call(t, c.environ, "send", "mosaic", "s3://uploads/a.mp4", "s3://results/x.mp4", "--token", "order-17"); code != exitUsage || !strings.Contains(stderr, "must be a UUID") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	c.result()
	// Where nobody works the queue, --timeout ends the waiting.
	stop(t, d)
	code, _, stderr = call(t, c.environ, "send", "mosaic", "s3://uploads/a.mp4", "s3://results/x.mp4", "--wait", "--timeout", "1s")
	if code != exitFailed || !strings.Contains(stderr, "waits on the queue") || !strings.Contains(stderr, "--timeout") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// TestDaemonChoosesAContainerThatHoldsAll: where nobody named the output, it goes into one
// that has a place for all that the source has.
func TestDaemonChoosesAContainerThatHoldsAll(t *testing.T) {
	t.Parallel()
	source := judge.Make(t, "a.mkv", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=0.4", "-f", "lavfi", "-i", "sine=duration=0.4",
		"-c:v", "libx264", "-c:a", "pcm_s24le") // which older readers of MP4 take for noise
	c := newCloud(t)
	c.daemon("--preset", "ultrafast", "--sheet", "--routes", `{version: 1, routes: [{name: all, match: {prefix: both/}, steps: [remux, mosaic]}, {name: mosaic, steps: [mosaic]}]}`)
	want := func(outputs ...string) {
		t.Helper()
		r := c.result()
		var got []string
		for _, o := range r.Outputs {
			got = append(got, o.URI)
		}
		if r.Status != jobs.StatusSucceeded || !slices.Equal(got, outputs) || r.Outputs[0].MediaType != "video/x-matroska" || r.Stats.DroppedStreams != nil {
			t.Fatalf("result is %+v of %q, want %q", r, got, outputs)
		}
		sound := judge.Packets(t, c.get(got[0]), "0:a")
		if before := judge.Packets(t, source, "0:a"); !slices.Equal(judge.Hashes(sound), judge.Hashes(before)) {
			t.Errorf("%s has other sound", got[0])
		}
	}
	c.put("a.webm", source)
	want("s3://results/mosaic/a.webm.mkv", "s3://results/mosaic/a.webm.mkv.sheet.png")
	c.put("a.mp4", source)
	want("s3://results/mosaic/a.mp4.mkv", "s3://results/mosaic/a.mp4.mkv.sheet.png")
	c.put("both/a.ts", source)
	want("s3://results/remux/both/a.ts.mkv")
	want("s3://results/mosaic/both/a.ts.mkv", "s3://results/mosaic/both/a.ts.mkv.sheet.png")
}
