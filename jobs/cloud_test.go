package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	mctypes "github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mosaicd/mosaicd/jobs/transcode"
)

const transcoded = "  - {name: all, steps: [transcode]}\n"

func TestTranscode(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(transcoded))
	if err := b.handle(created(record("folder/a+b.mp4", b.put("folder/a b.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	r := b.results(1)[0]
	if r.Status != StatusSucceeded || r.Kind != "transcode" || r.Step != 1 || r.Steps != 1 || r.Source != "s3://uploads/folder/a b.mp4" {
		t.Fatalf("result is %+v, %+v", r, r.Error)
	}
	uris := map[string]string{}
	for _, o := range r.Outputs {
		uris[o.URI] = o.Kind
		if o.Bytes == 0 {
			t.Errorf("%s has no size", o.URI)
		}
		if body, _ := b.get(results, strings.TrimPrefix(o.URI, "s3://results/")); body == "" {
			t.Errorf("%s is empty", o.URI)
		}
	}
	for _, name := range []string{"", "_high", "_medium", "_low"} {
		if uri := "s3://results/a b/hls/a b" + name + ".m3u8"; uris[uri] == "" {
			t.Errorf("%s is not in %v", uri, uris)
		}
	}
	jobs := b.cloudJobs()
	if len(jobs) != 1 || len(r.Cloud) != 1 || r.Cloud[0].JobID != *jobs[0].Id || r.Cloud[0].Attempts != 1 || r.Cloud[0].Status != "COMPLETE" {
		t.Errorf("%d jobs, the result says %+v", len(jobs), r.Cloud)
	}
	if m := jobs[0].UserMetadata; m["mosaicd-job"] != r.Job || m["application"] != "mosaicd" || m["settings"] != "hls" || m["input"] == "" {
		t.Errorf("user metadata is %v", m)
	}
	if c := b.claim(r.ID); c.State != StateSucceeded || c.Owner != "" {
		t.Errorf("the claim is %+v", c)
	}
	if left := b.keys(results, ".mosaicd/waiting/"); left != nil {
		t.Errorf("left waiting: %v", left)
	}
}

// TestMosaicThenTranscode: the renditions are made of the covered video.
func TestMosaicThenTranscode(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, steps: [mosaic, transcode]}\n"))
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	all := b.results(2)
	slices.SortFunc(all, func(x, y Result) int { return x.Step - y.Step })
	for i, kind := range []string{"mosaic", "transcode"} {
		if r := all[i]; r.Kind != kind || r.Status != StatusSucceeded || r.ID != fmt.Sprintf("%s-%d", r.Job, i+1) || r.Job != all[0].Job || r.last() != (i == 1) {
			t.Errorf("result %d is %+v, %+v", i+1, r, r.Error)
		}
	}
	if input := *b.cloudJobs()[0].Settings.Inputs[0].FileInput; input != "s3://results/mosaic/a.mp4" {
		t.Errorf("MediaConvert read %s", input)
	}
	if !all[1].StartedAt.Equal(all[0].FinishedAt) {
		t.Errorf("the transcode started at %s, the mosaic ended at %s", all[1].StartedAt, all[0].FinishedAt)
	}
}

// TestStepsEndWithTheFirstThatFails: nothing is streamed that wasn't covered.
func TestStepsEndWithTheFirstThatFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, steps: [mosaic, transcode]}\n"))
	if err := b.handle(created(record("gone.mp4", "", 5)), 1); err != nil {
		t.Fatal(err)
	}
	r := b.one()
	if r.Status != StatusFailed || r.Kind != "mosaic" || !r.last() || len(b.cloudJobs()) != 0 || b.claim(r.Job).State != StateFailed {
		t.Errorf("result is %+v", r)
	}
}

func (b *bench) putJobFile(name string, change func(map[string]any)) {
	b.t.Helper()
	var settings map[string]any
	if err := json.Unmarshal(transcode.BuiltIn().Raw, &settings); err != nil {
		b.t.Fatal(err)
	}
	if change != nil {
		change(settings)
	}
	body, err := json.Marshal(settings)
	if err != nil {
		b.t.Fatal(err)
	}
	b.put("jobs/"+name, string(body), nil)
}

// TestJobFiles: each of the bucket's makes a job, all of them one result.
func TestJobFiles(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(transcoded))
	b.putJobFile("one.json", nil)
	b.putJobFile("two.json", nil)
	b.put("jobs/readme.txt", "not a job file", nil)
	b.put("jobs/old/three.json", "not in the folder itself", nil)
	upload := created(record("a.mp4", b.put("a.mp4", "video", nil), 5))
	if err := b.handle(upload, 1); err != nil {
		t.Fatal(err)
	}
	r := b.results(1)[0]
	var names []string
	for _, c := range r.Cloud {
		names = append(names, c.Settings)
	}
	if r.Status != StatusSucceeded || !slices.Equal(names, []string{"one", "two"}) || len(b.cloudJobs()) != 2 || len(r.Outputs) != 8 {
		t.Errorf("result is %+v of %v", r, names)
	}
	// A mistake in one of them stops all, before the first is sent.
	b.putJobFile("two.json", func(s map[string]any) { s["OutputGroup"] = s["OutputGroups"] })
	if err := b.handle(created(record("b.mp4", b.put("b.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	if r := b.one(); r.Status != StatusFailed || r.Error.Code != CodeInvalidSettings || !strings.Contains(r.Error.Message, "two.json") || !strings.Contains(r.Error.Message, "OutputGroup") {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
	if n := len(b.cloudJobs()); n != 2 {
		t.Errorf("%d jobs", n)
	}
}

// TestSettingsInTheirOrder: the route's own options, the job file's, the daemon's.
func TestSettingsInTheirOrder(t *testing.T) {
	t.Parallel()
	file := func(s map[string]any) {
		settings := map[string]any{}
		for key, value := range s {
			settings[key] = value
			delete(s, key)
		}
		s["Settings"], s["Priority"], s["StatusUpdateInterval"], s["Queue"] = settings, 7, "SECONDS_30", "from-the-file"
	}
	b := newBench(t, routed("  - name: all\n    steps:\n      - transcode: {priority: -3, jobFiles: {allow: [queue]}, destination: 's3://results/{dir}/{name}/'}\n"), func(c *Config) {
		c.Cloud.Queue, c.Cloud.Priority, c.Cloud.Acceleration = "from-the-daemon", 1, "PREFERRED"
	})
	b.putJobFile("x.json", file)
	if err := b.handle(created(record("d/a.mp4", b.put("d/a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	j := b.cloudJobs()[0]
	if *j.Priority != -3 || j.StatusUpdateInterval != "SECONDS_30" || !strings.HasSuffix(*j.Queue, "from-the-file") || j.AccelerationSettings.Mode != "PREFERRED" {
		t.Errorf("priority %d, interval %s, queue %s, acceleration %s", *j.Priority, j.StatusUpdateInterval, *j.Queue, j.AccelerationSettings.Mode)
	}
	if to := *j.Settings.OutputGroups[0].OutputGroupSettings.HlsGroupSettings.Destination; to != "s3://results/d/a/" {
		t.Errorf("destination is %s", to)
	}
}

// TestCloudErrors: what may pass is tried again, as another job of MediaConvert.
func TestCloudErrors(t *testing.T) {
	t.Parallel()
	for _, ca := range []struct {
		name   string
		codes  []int // of the attempts; 0 succeeds
		status Status
		code   string
		jobs   int
	}{
		{"passes", []int{1999, 0}, StatusSucceeded, "", 2},
		{"does not pass", []int{1999, 1999, 1999, 0}, StatusFailed, "mediaconvert_1999", 3},
		{"bad input", []int{1010, 0}, StatusFailed, "mediaconvert_1010", 1},
		{"not with acceleration", []int{1042, 0}, StatusSucceeded, "", 2},
	} {
		t.Run(ca.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, routed(transcoded), func(c *Config) { c.Cloud.Acceleration = "PREFERRED" })
			codes := make(chan int, len(ca.codes))
			for _, c := range ca.codes {
				codes <- c
			}
			b.server.FailJobs(func(*mediaconvert.CreateJobInput) (int, string) { return <-codes, "no good" })
			if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
				t.Fatal(err)
			}
			r := b.results(1)[0]
			if r.Status != ca.status || r.Cloud[0].Attempts != ca.jobs {
				t.Errorf("result is %+v, %+v, %+v", r, r.Error, r.Cloud)
			}
			if ca.code != "" && (r.Error.Code != ca.code || !strings.Contains(r.Error.Message, "no good")) {
				t.Errorf("error is %+v", r.Error)
			}
			jobs := b.cloudJobs()
			if len(jobs) != ca.jobs {
				t.Errorf("%d jobs", len(jobs))
			}
			slow := slices.ContainsFunc(jobs, func(j mctypes.Job) bool { return j.AccelerationSettings.Mode == "DISABLED" })
			if want := ca.name == "not with acceleration"; slow != want {
				t.Errorf("a job without acceleration: %v, want %v", slow, want)
			}
		})
	}
}

// TestCloudEventsTwiceAndInAnyOrder do no harm.
func TestCloudEventsTwiceAndInAnyOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(transcoded))
	b.server.RepeatEvents(true)
	for i := range 5 {
		key := fmt.Sprintf("%d.mp4", i)
		if err := b.handle(created(record(key, b.put(key, "video", nil), 5)), 1); err != nil {
			t.Fatal(err)
		}
	}
	b.results(5)
	b.pump(func() bool { return len(b.logs.FilterMessage(eventCloudIgnored).All()) >= 5 })
	if all := b.published(); len(all) != 0 || len(b.cloudJobs()) != 5 {
		t.Errorf("published %+v of %d jobs", all, len(b.cloudJobs()))
	}
}

func TestCloudEventsOfOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const format = `{"version":"0","id":"x","detail-type":"MediaConvert Job State Change","source":"aws.mediaconvert","account":"000000000000","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":[],"detail":{"timestamp":1,"accountId":"000000000000","queue":"q","jobId":"1-a","status":%q,"userMetadata":%s}}`
	for _, meta := range []string{`{}`, `{"mosaicd-job":"x"}`, `{"mosaicd-job":"../../x","mosaicd-step":"1","mosaicd-part":"0","mosaicd-attempt":"1"}`,
		`{"mosaicd-job":"fde3c882ec9929fc026df4df2cad7755","mosaicd-step":"1","mosaicd-part":"0","mosaicd-attempt":"1"}`,
		`{"mosaicd-job":"fde3c882ec9929fc026df4df2cad7755","mosaicd-step":"0","mosaicd-part":"-1","mosaicd-attempt":"1"}`} {
		for _, status := range []string{"COMPLETE", "ERROR", "CANCELED"} {
			if err := b.handle(fmt.Sprintf(format, status, meta), 1); err != nil {
				t.Errorf("%s of %s: %v", status, meta, err)
			}
		}
	}
	if n := len(b.logs.FilterMessage(eventCloudIgnored).All()); n != 15 || len(b.published()) != 0 {
		t.Errorf("%d lines in the log", n)
	}
}

// TestLostEvent: MediaConvert is asked when it is silent.
func TestLostEvent(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(transcoded))
	b.server.LoseEvents(true)
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	// Heard of a moment ago: not asked for.
	if err := b.h.reconcile(ctx, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if n := len(b.logs.FilterMessage(eventCloudAsked).All()); n != 0 {
		t.Errorf("asked %d times", n)
	}
	var all []Result
	b.pump(func() bool {
		if err := b.h.reconcile(ctx, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		all = append(all, b.published()...)
		return len(all) > 0
	})
	if r := all[0]; len(all) != 1 || r.Status != StatusSucceeded || len(r.Outputs) != 4 || r.Outputs[0].URI != "s3://results/a/hls/a.m3u8" {
		t.Errorf("results are %+v", all)
	}
	if left := b.keys(results, ".mosaicd/waiting/"); left != nil {
		t.Errorf("left waiting: %v", left)
	}
}

// TestOneCloudJob: a worker that dies between creating the job and noting it
// leaves one job, and the next worker finds it.
func TestOneCloudJob(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"a.mp4", strings.Repeat("long/", 80) + "a.mp4"} { // SearchJobs takes 300 characters
		b := newBench(t, routed(transcoded))
		b.server.HoldJobs(true)
		b.server.FailJobs(func(*mediaconvert.CreateJobInput) (int, string) {
			b.s3calls.refuse.Store(true) // from now on
			return 0, ""
		})
		body := created(record(key, b.put(key, "video", nil), 5))
		if err := b.handle(body, 1); err == nil {
			t.Fatal("the job was noted")
		}
		b.s3calls.refuse.Store(false)
		c := b.claim(id("upload", uploads, key, "", strings.Split(body, `"eTag":"`)[1][:32], "0A"))
		if !c.busy(time.Now()) {
			t.Fatalf("the claim is %+v", c)
		}
		// Its lease has run out.
		c.LeaseEnds = time.Now().Add(-time.Second)
		if err := b.h.claims.save(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		if err := b.handle(body, 2); err != nil {
			t.Fatal(err)
		}
		b.server.HoldJobs(false)
		if r := b.results(1)[0]; r.Status != StatusSucceeded {
			t.Errorf("result is %+v", r)
		}
		if n := len(b.cloudJobs()); n != 1 {
			t.Errorf("%d jobs", n)
		}
	}
}

// TestThrottled: nothing is published, and the message is worked when it comes
// again.
func TestThrottled(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(transcoded))
	b.clients.MediaConvert = mediaconvert.New(b.cloud.Options(), func(o *mediaconvert.Options) { o.Retryer = aws.NopRetryer{} })
	b.h.cloud = b.clients.MediaConvert
	b.server.Throttle(2)
	body := created(record("a.mp4", b.put("a.mp4", "video", nil), 5))
	for range 2 {
		var throttled *mctypes.TooManyRequestsException
		if err := b.handle(body, 1); !errors.As(err, &throttled) {
			t.Fatalf("error is %v", err)
		}
	}
	if all := b.published(); len(all) != 0 {
		t.Errorf("published %+v", all)
	}
	if err := b.handle(body, 3); err != nil {
		t.Fatal(err)
	}
	if r := b.results(1)[0]; r.Status != StatusSucceeded || len(b.cloudJobs()) != 1 {
		t.Errorf("result is %+v", r)
	}
}

// TestAnotherAttemptIsThrottled: the event that caused it comes again and goes on.
func TestAnotherAttemptIsThrottled(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(transcoded))
	b.h.cloud = mediaconvert.New(b.cloud.Options(), func(o *mediaconvert.Options) { o.Retryer = aws.NopRetryer{} })
	codes := make(chan int, 2)
	codes <- 1999
	codes <- 0
	b.server.FailJobs(func(*mediaconvert.CreateJobInput) (int, string) { return <-codes, "no good" })
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	b.server.Throttle(2)
	if r := b.results(1)[0]; r.Status != StatusSucceeded || r.Cloud[0].Attempts != 2 || len(b.cloudJobs()) != 2 {
		t.Errorf("result is %+v, %+v", r, r.Cloud)
	}
	if n := len(b.logs.FilterMessage(eventJobInterrupted).All()); n != 2 {
		t.Errorf("interrupted %d times", n)
	}
}

func TestRefusedByMediaConvert(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(transcoded))
	b.h.cloud = refusing{b.cloud}
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	if r := b.one(); r.Status != StatusFailed || r.Error.Code != CodeRefused || !strings.Contains(r.Error.Message, "no such queue") {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
}

// refusing is a MediaConvert that takes no job.
type refusing struct{ MediaConvert }

func (refusing) CreateJob(context.Context, *mediaconvert.CreateJobInput, ...func(*mediaconvert.Options)) (*mediaconvert.CreateJobOutput, error) {
	return nil, &mctypes.BadRequestException{Message: aws.String("no such queue")}
}

func TestLadder(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - name: all\n    steps:\n      - transcode: {ladder: {1080: 's3://uploads/config/1080.json', 720: 's3://uploads/config/720.json', 480: 's3://uploads/config/480.json'}}\n"))
	for _, height := range []string{"1080", "720", "480"} {
		b.put("config/"+height+".json", string(transcode.BuiltIn().Raw), nil)
	}
	body := strings.Repeat("x", 5<<20) // larger than both excerpts
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", body, nil), len(body))), 1); err != nil {
		t.Fatal(err)
	}
	r := b.results(1)[0] // 720×1280, as fakeEngine has it
	if r.Cloud[0].Settings != "720" || r.Probe == nil || r.Probe.Height != 1280 {
		t.Errorf("result is %+v, %+v, %+v", r, r.Cloud, r.Probe)
	}
	b.checkClean()
}

// TestExcerpt: both ends of the object, and a hole between.
func TestExcerpt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := strings.Repeat("a", 100) + strings.Repeat("b", 1000) + strings.Repeat("c", 100)
	b.put("x", body, nil)
	o, err := b.h.store.head(context.Background(), Identity{Location: location("s3://uploads/x")})
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int64]string{
		100: strings.Repeat("a", 100) + strings.Repeat("\x00", 1000) + strings.Repeat("c", 100), 600: body, 5000: body,
	} {
		path := t.TempDir() + "/excerpt"
		if err := b.h.store.excerpt(context.Background(), o, path, size); err != nil {
			t.Fatal(err)
		}
		if got := readFile(t, path); got != want {
			t.Errorf("excerpt of %d bytes at each end is %q", size, got)
		}
	}
}

func TestCancelInTheCloud(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, steps: [mosaic, transcode]}\n"))
	b.server.HoldJobs(true)
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	mosaic := b.one()
	ctx := context.Background()
	if _, err := b.h.claims.Cancel(ctx, mosaic.ID, b.cloud); err != nil {
		t.Fatal(err)
	}
	if r := b.results(1)[0]; r.Status != StatusCancelled || r.Kind != "transcode" || !r.last() || b.claim(r.Job).State != StateCancelled {
		t.Errorf("result is %+v", r)
	}
	if _, err := b.h.claims.Cancel(ctx, mosaic.Job, b.cloud); !errors.Is(err, ErrEnded) {
		t.Errorf("a second time: %v", err)
	}
	if _, err := b.h.claims.Cancel(ctx, strings.Repeat("0", 32), b.cloud); !errors.Is(err, ErrNoSuchJob) {
		t.Errorf("of another job: %v", err)
	}
	if _, err := b.h.claims.Cancel(ctx, "nonsense", b.cloud); !errors.Is(err, ErrNoSuchJob) {
		t.Errorf("of no job: %v", err)
	}
}

// TestDestinationsThatComeBack: outputs that would start jobs are not written.
func TestDestinationsThatComeBack(t *testing.T) {
	t.Parallel()
	for yaml, ok := range map[string]bool{
		"  - {name: all, match: {bucket: uploads}, steps: [{transcode: {destination: 's3://uploads/encoded/{name}/'}}]}\n":                                              false,
		"  - {name: done, match: {prefix: encoded/}}\n  - {name: all, match: {bucket: uploads}, steps: [{transcode: {destination: 's3://uploads/encoded/{name}/'}}]}\n": true,
		"  - {name: all, match: {prefix: in/}, steps: [{transcode: {destination: 's3://uploads/encoded/{name}/'}}]}\n":                                                  true,
	} {
		b := newBench(t, routed(yaml))
		if err := b.handle(created(record("in/a.mp4", b.put("in/a.mp4", "video", nil), 5)), 1); err != nil {
			t.Fatal(err)
		}
		if r := b.results(1)[0]; (r.Status == StatusSucceeded) != ok || !ok && r.Error.Code != CodeInvalidRoute {
			t.Errorf("%s: %+v, %+v", yaml, r, r.Error)
		}
	}
}

func TestVODRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put("folder/a.mp4", "video", nil)
	if err := b.handle(`{"BucketFrom":"uploads","BucketTo":"results","Filename":"folder/a.mp4","StartTimecode":"00:00:10:00","EndTimecode":"00:00:20:00"}`, 1); err != nil {
		t.Fatal(err)
	}
	r := b.results(1)[0]
	if r.Status != StatusSucceeded || r.Outputs[0].URI != "s3://results/encoded/folder/a.m3u8" {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
	clips := b.cloudJobs()[0].Settings.Inputs[0].InputClippings
	if len(clips) != 1 || *clips[0].StartTimecode != "00:00:10:00" || *clips[0].EndTimecode != "00:00:20:00" {
		t.Errorf("clippings are %+v", clips)
	}
}

// TestClipsHaveTheirOwnPlace: the renditions of a part don't take the place of
// those of the whole.
func TestClipsHaveTheirOwnPlace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put("a.mp4", "video", nil)
	seen := map[string]bool{}
	for i, part := range []string{"", `,"start":"00:00:01:00"`, `,"start":"00:00:02:00"`, `,"start":"00:00:02:00","end":"00:00:03:00"`} {
		m := message(`{"version":1,"kind":"transcode","source":"s3://uploads/a.mp4"`+part+`}`, 1)
		m.MessageId = aws.String(fmt.Sprint(i))
		if err := b.h.Handle(context.Background(), m); err != nil {
			t.Fatal(err)
		}
		r := b.results(1)[0]
		if uri := r.first(); seen[uri] || !strings.HasPrefix(uri, "s3://results/a") || (uri == "s3://results/a/hls/a.m3u8") != (part == "") {
			t.Errorf("%s goes to %s", part, uri)
		}
		seen[r.first()] = true
	}
}

func TestTranscodeRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put("a.mp4", "video", nil)
	b.put("b.mp4", "video", nil)
	b.putJobFile("not-this.json", nil)
	body := fmt.Sprintf(`{"version":1,"kind":"transcode","source":"s3://uploads/a.mp4","destination":"s3://results/x/","settings":%s,
		"clips":[{"start":"00:00:01:00","end":"00:00:02:00"},{"start":"00:00:05:00"},{"source":"s3://uploads/b.mp4"}]}`, transcode.BuiltIn().Raw)
	if err := b.handle(body, 1); err != nil {
		t.Fatal(err)
	}
	r := b.results(1)[0]
	if r.Status != StatusSucceeded || r.Cloud[0].Settings != "message" || r.Outputs[0].URI != "s3://results/x/a.m3u8" {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
	inputs := b.cloudJobs()[0].Settings.Inputs
	if len(inputs) != 2 || len(inputs[0].InputClippings) != 2 || *inputs[1].FileInput != "s3://uploads/b.mp4" || inputs[1].InputClippings != nil {
		t.Errorf("%d inputs: %+v", len(inputs), inputs)
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, steps: [{transcode: {template: mine}}]}\n"))
	upload := func(key string) Result {
		if err := b.handle(created(record(key, b.put(key, "video", nil), 5)), 1); err != nil {
			t.Fatal(err)
		}
		return b.results(1)[0]
	}
	if r := upload("a.mp4"); r.Status != StatusFailed || r.Error.Code != CodeInvalidSettings || !strings.Contains(r.Error.Message, "mine") {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
	in, err := transcode.BuiltIn().Job(transcode.Rewrite{Input: "s3://x/y.mp4", Destination: "s3://x/"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.cloud.CreateJobTemplate(context.Background(), &mediaconvert.CreateJobTemplateInput{
		Name: aws.String("mine"), Settings: &mctypes.JobTemplateSettings{OutputGroups: in.Settings.OutputGroups},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := upload("b.mp4"); r.Status != StatusSucceeded || r.Outputs[0].URI != "s3://results/b/mine/b.m3u8" {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
}

// TestProgressIsPublished where the route asks for it.
func TestProgressIsPublished(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, steps: [transcode], progress: publish}\n"))
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	b.pump(func() bool {
		ended := false
		for _, r := range b.published() {
			if ids[r.ID] {
				t.Errorf("%s twice", r.ID)
			}
			ids[r.ID] = true
			if r.Status == StatusProgressing && (r.Percent == nil || r.last()) {
				t.Errorf("progress is %+v", r)
			}
			ended = ended || r.Status == StatusSucceeded
		}
		return ended
	})
	if len(ids) < 2 {
		t.Errorf("published %v", ids)
	}
}

// TestDispose: what becomes of the source, after the result is out.
func TestDispose(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, ca := range map[string]struct {
		after string
		check func(*bench)
	}{
		"tag": {"{tag: {state: done}}", func(b *bench) {
			out, err := b.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String(uploads), Key: aws.String("in/a b+c.mp4")})
			if err != nil || len(out.TagSet) != 2 {
				b.t.Errorf("tags are %+v, %v", out, err)
			}
		}},
		"move": {"{move: 's3://results/archive/{key}'}", func(b *bench) {
			if left := b.keys(uploads, "in/"); left != nil {
				b.t.Errorf("left: %v", left)
			}
			if body, _ := b.get(results, "archive/in/a b+c.mp4"); body != "video" {
				b.t.Errorf("moved: %q", body)
			}
		}},
		"move in circles": {"{move: 's3://uploads/in/again/{key}'}", func(b *bench) {
			if left := b.keys(uploads, "in/"); len(left) != 1 || len(b.logs.FilterMessage(eventSourceKept).All()) != 1 {
				b.t.Errorf("left: %v", left)
			}
		}},
		"delete": {"{delete: true}", func(b *bench) {
			if left := b.keys(uploads, "in/"); left != nil {
				b.t.Errorf("left: %v", left)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, routed("  - {name: all, match: {prefix: in/}, steps: [mosaic], after: "+ca.after+"}\n"))
			etag := b.put("in/a b+c.mp4", "video", nil)
			_, err := b.s3.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: aws.String(uploads), Key: aws.String("in/a b+c.mp4"), Tagging: tagging("had", "before")})
			if err != nil {
				t.Fatal(err)
			}
			body := created(record("in/a+b%2Bc.mp4", etag, 5))
			b.sns.set(true) // as long as the result isn't out nothing happens to it
			if err := b.handle(body, 1); err == nil {
				t.Fatal("the result was published")
			}
			if left := b.keys(uploads, "in/"); len(left) != 1 {
				t.Errorf("left: %v", left)
			}
			b.sns.set(false)
			if err := b.handle(body, 2); err != nil {
				t.Fatal(err)
			}
			if r := b.one(); r.Status != StatusSucceeded || b.claim(r.Job).State != StateSucceeded {
				t.Errorf("result is %+v", r)
			}
			ca.check(b)
		})
	}
}

func TestIgnoredIsPublished(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: videos, match: {suffix: .mp4}, steps: [mosaic], ignored: publish}\n  - {name: rest, ignored: publish}\n"))
	for key, reason := range map[string]string{"empty.mp4": "it is empty", "notes.txt": "route rest has no steps"} {
		size := 5
		if key == "empty.mp4" {
			size = 0
		}
		for range 2 {
			if err := b.handle(created(record(key, "", size)), 1); err != nil {
				t.Fatal(err)
			}
		}
		all := b.published()
		if len(all) != 2 || all[0].ID != all[1].ID || all[0].Status != StatusIgnored || all[0].Error.Message != reason || !all[0].StartedAt.Equal(all[1].StartedAt) {
			t.Errorf("%s: %+v", key, all)
		}
	}
}

func TestRoutesThatDoNotMatch(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: typed, match: {contentType: video/*}, steps: [mosaic]}\n"))
	put := func(key, contentType string) string {
		out, err := b.s3.PutObject(context.Background(), &s3.PutObjectInput{
			Bucket: aws.String(uploads), Key: &key, Body: bytes.NewReader([]byte("video")), ContentType: &contentType,
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Trim(*out.ETag, `"`)
	}
	for _, body := range []string{created(record("notes", put("notes", "text/plain"), 5)), created(record("gone", "", 5))} {
		if err := b.handle(body, 1); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.logs.FilterMessage(eventObjectIgnored).All()); n != 2 || len(b.published()) != 0 {
		t.Errorf("%d lines: %v", n, b.logs.All())
	}
	if err := b.handle(created(record("video", put("video", "video/mp4"), 5)), 1); err != nil {
		t.Fatal(err)
	}
	if r := b.one(); r.Status != StatusSucceeded || r.Outputs[0].URI != "s3://results/mosaic/video.mp4" {
		t.Errorf("result is %+v", r)
	}
}
