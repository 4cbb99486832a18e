package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/event"
)

func TestHandleUpload(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	etag := b.put("folder/a b.mp4", "video", nil)
	if err := b.handle(created(record("folder/a+b.mp4", etag, 5)), 1); err != nil {
		t.Fatal(err)
	}
	r := b.one()
	want := []Output{{URI: "s3://results/mosaic/folder/a b.mp4", Kind: "file", ETag: "7360a7aa08243330c9a9fe58b17d9b78", MediaType: "video/mp4", Bytes: 13, DurationSeconds: 2, Width: 640, Height: 360}}
	if r.Version != 1 || r.Kind != "mosaic" || r.Status != StatusSucceeded || r.Source != "s3://uploads/folder/a b.mp4" || !reflect.DeepEqual(r.Outputs, want) {
		t.Errorf("result is %+v", r)
	}
	if r.Stats == nil || r.Stats.Frames != 50 || r.Stats.FramesCovered != 20 || r.Stats.Faces != 1 || r.Stats.SourceBytes != 5 || r.StartedAt.IsZero() || r.FinishedAt.Before(r.StartedAt) {
		t.Errorf("result is %+v, stats %+v", r, r.Stats)
	}
	body, metadata := b.get(results, "mosaic/folder/a b.mp4")
	if body != "covered video" || metadata[jobMetadata] != r.Job || r.ID != r.Job+"-1" || r.Step != 1 || r.Steps != 1 || r.Route != "videos" {
		t.Errorf("the output is %q with %v", body, metadata)
	}
	if source, _ := b.get(uploads, "folder/a b.mp4"); source != "video" {
		t.Error("the source was touched")
	}
	b.checkClean()
	for _, line := range b.logs.All() {
		fields := line.ContextMap()
		for _, key := range []string{keyJob, keyMessage, keyKind, keySource} {
			if fields[key] == nil || fields[key] == "" {
				t.Errorf("%s has no %s: %v", line.Message, key, fields)
			}
		}
	}
}

// TestVerify: faces that are still found are counted, and where the route asks
// for it nothing is streamed before a person looked.
func TestVerify(t *testing.T) {
	t.Parallel()
	for name, ca := range map[string]struct {
		shows  bool
		yaml   string
		status Status
		last   bool
	}{
		"none is found":   {false, "  - {name: all, steps: [{mosaic: {residual: review}}, transcode]}\n", StatusSucceeded, false},
		"one is found":    {true, "  - {name: all, steps: [mosaic, transcode]}\n", StatusSucceeded, false},
		"one is too many": {true, "  - {name: all, steps: [{mosaic: {residual: review}}, transcode]}\n", StatusReview, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, routed(ca.yaml), func(c *Config) { c.Verify = true })
			b.server.HoldJobs(true)
			b.engine.shows = ca.shows
			if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
				t.Fatal(err)
			}
			r := b.one()
			if r.Status != ca.status || r.last() != ca.last || r.first() != "s3://results/mosaic/a.mp4" {
				t.Errorf("result is %+v, %+v", r, r.Error)
			}
			residual := r.Stats.Residual
			if (residual.Faces == 1) != ca.shows || len(residual.AtSeconds) != residual.Faces {
				t.Errorf("residual faces are %+v", residual)
			}
			if n := len(b.cloudJobs()); (n == 0) != ca.last {
				t.Errorf("%d jobs in MediaConvert", n)
			}
			if s := b.claim(r.Job).State; ca.last && s != StateReview {
				t.Errorf("the job is %s", s)
			}
		})
	}
}

func TestHandleTwiceIsOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := created(record("a.mp4", b.put("a.mp4", "video", nil), 5))
	for i := range 3 {
		if err := b.handle(body, i+1); err != nil {
			t.Fatal(err)
		}
	}
	b.one()
	if n := b.engine.runs(); n != 1 {
		t.Errorf("the engine ran %d times", n)
	}
}

// TestHandlePublishesLater: what ended before the worker died or SNS failed is
// only published afterwards.
func TestHandlePublishesLater(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := created(record("a.mp4", b.put("a.mp4", "video", nil), 5))
	b.sns.set(true)
	if err := b.handle(body, 1); err == nil || errors.As(err, new(*Rejection)) {
		t.Fatalf("error is %v, want one to come again", err)
	}
	b.sns.set(false)
	if err := b.handle(body, 2); err != nil {
		t.Fatal(err)
	}
	if r := b.one(); r.Status != StatusSucceeded || b.engine.runs() != 1 {
		t.Errorf("result is %+v after %d runs", r, b.engine.runs())
	}
}

// TestAcceptedJobSurvivesRoutes: a worker stops in a job, and the next one starts with routes that have nothing for the
// object: the record says what is to be done.
func TestAcceptedJobSurvivesRoutes(t *testing.T) {
	t.Parallel()
	const before = `
  - {name: videos, match: {suffix: [.mp4, clip.json]}, sidecar: {}, steps: [{mosaic: {destination: "s3://results/before/{key}"}}]}`
	for name, after := range map[string]func(*Config){
		"no steps":                  routed("\n  - {name: none, match: {suffix: .mp4}, steps: []}"),
		"another match":             routed("\n  - {name: none, match: {suffix: .mov}, steps: [mosaic]}"),
		"another destination":       routed("\n  - {name: none, match: {suffix: .mp4}, steps: [{mosaic: {destination: \"s3://results/after/{key}\"}}]}"),
		"waits for a sidecar":       routed("\n  - {name: none, match: {suffix: .mp4}, sidecar: wait, steps: [mosaic]}"),
		"by content type":           routed("\n  - {name: none, match: {contentType: text/plain}, steps: [mosaic]}"),
		"lies where mosaicd writes": func(c *Config) { c.OutputBucket, c.OutputPrefix = uploads, "folder/" },
	} {
		for _, sidecar := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, sidecar %t", name, sidecar), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, routed(before), func(c *Config) {
					if name == "lies where mosaicd writes" {
						c.OutputBucket = uploads // where the records are stays
					}
				})
				b.engine.do = func(context.Context, ffmpeg.Spec) (ffmpeg.Report, error) {
					return ffmpeg.Report{}, context.Canceled // the worker's drain ran out
				}
				key := "folder/a.mp4"
				etag := b.put(key, "video", nil)
				if sidecar {
					key = "folder/clip.json"
					etag = b.put(key, `{"srcVideo":"a.mp4"}`, nil)
				}
				body := created(record(key, etag, 5))
				if err := b.handle(body, 1); err == nil {
					t.Fatal("the job ended")
				}
				b.engine.do = nil
				config := b.config
				after(&config)
				var err error
				if b.h, err = NewHandler(b.clients, b.engine, zap.NewNop(), config); err != nil {
					t.Fatal(err)
				}
				if err := b.handle(body, 2); err != nil {
					t.Fatal(err)
				}
				r := b.one()
				if r.Status != StatusSucceeded || r.Outputs[0].URI != "s3://results/before/folder/a.mp4" {
					t.Errorf("result is %+v, %+v", r, r.Error)
				}
				// Once more, it is a job that was done.
				if err := b.handle(body, 3); err != nil {
					t.Error(err)
				}
				if all := b.published(); len(all) != 0 {
					t.Errorf("published %+v", all)
				}
			})
		}
	}
}

// TestGrowingPlaylist: it starts nothing until it ends, however often it is written and whenever its events are looked at.
func TestGrowingPlaylist(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("\n  - {name: live, match: {suffix: .m3u8}, steps: [remux], ignored: publish}"))
	const head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n"
	b.put("live/a.ts", "a", nil)
	b.put("live/b.ts", "b", nil)
	var events []string
	write := func(body string) string {
		etag := b.put("live/index.m3u8", body, nil)
		return created(strings.ReplaceAll(record("live/index.m3u8", etag, len(body)), `"0A"`, fmt.Sprintf(`"%02X"`, 10+len(events))))
	}
	for _, body := range []string{head, head + "#EXTINF:4.0,\na.ts\n", head + "#EXTINF:4.0,\na.ts\n#EXTINF:4.0,\nb.ts\n"} {
		events = append(events, write(body))
		if err := b.handle(events[len(events)-1], 1); err != nil {
			t.Fatal(err)
		}
	}
	events = append(events, write(head+"#EXTINF:4.0,\na.ts\n#EXTINF:4.0,\nb.ts\n#EXT-X-ENDLIST\n"))
	for _, e := range events[:3] { // late, and again
		if err := b.handle(e, 1); err != nil {
			t.Fatal(err)
		}
	}
	if all := b.published(); len(all) != 0 {
		t.Fatalf("published %+v", all)
	}
	if claims := b.keys(results, ".mosaicd/claims/"); claims != nil {
		t.Errorf("started %v", claims)
	}
	if n := b.logs.FilterMessage(eventObjectIgnored).Len(); n != 6 {
		t.Errorf("%d lines say why", n)
	}
	if err := b.handle(events[3], 1); err != nil {
		t.Fatal(err)
	}
	if r := b.one(); r.Status != StatusSucceeded {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
	// It is written once more between its job's start and the work: that has an event of its own.
	e := write(head + "#EXTINF:4.0,\na.ts\n#EXT-X-ENDLIST\n")
	b.s3calls.headed = func() { write(head + "#EXTINF:4.0,\nb.ts\n#EXT-X-ENDLIST\n"); b.s3calls.headed = nil }
	if err := b.handle(e, 1); err != nil {
		t.Fatal(err)
	}
	if all := b.published(); len(all) != 1 || all[0].Status != StatusIgnored {
		t.Errorf("published %+v", all)
	}
	// Who asks for a recording that goes on hears that it does.
	write(head)
	if err := b.handle(`{"version":1,"kind":"mosaic","source":"s3://uploads/live/index.m3u8","destination":"s3://results/x.mp4"}`, 1); err != nil {
		t.Fatal(err)
	}
	if r := b.one(); r.Status != StatusFailed || !strings.Contains(r.Error.Message, "the recording goes on") {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
}

// TestOneRecordUnreadable: the others are worked, and the message goes to the dead-letter queue with what is wrong.
func TestOneRecordUnreadable(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := created(record("bad%zz.mp4", "0", 5), record("a.mp4", b.put("a.mp4", "video", nil), 5), record("worse%yy.mp4", "0", 5))
	for range 2 { // the second time it was replayed
		err := b.handle(body, 1)
		rejection, ok := errors.AsType[*Rejection](err)
		if !ok || !strings.Contains(rejection.Reject(), "2 of 3 records can't be read, the others were worked: Records[0].s3.object.key") {
			t.Fatalf("error is %v", err)
		}
	}
	if r := b.one(); r.Status != StatusSucceeded || r.Source != "s3://uploads/a.mp4" {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
}

// TestEventWithoutSize: S3 is asked for it.
func TestEventWithoutSize(t *testing.T) {
	t.Parallel()
	const large = "\n  - {name: large, match: {suffix: .mp4, minBytes: 6}, steps: []}\n  - {name: small, match: {suffix: .mp4}, steps: [mosaic]}"
	for name, ca := range map[string]struct {
		put, key, body, want string // want: ok, ignored, or a code
	}{
		"small":           {"a.mp4", "a.mp4", "video", "ok"},
		"large":           {"a.mp4", "a.mp4", "a large video", "ignored"},
		"empty":           {"a.mp4", "a.mp4", "", "ignored"},
		"gone":            {"b.mp4", "a.mp4", "video", CodeSourceGone},
		"without an ETag": {"a.mp4", "a.mp4", "video", "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			routes := large
			if name == "gone" { // of unknown size it would be ignored as a large one
				routes = "\n  - {name: all, match: {suffix: .mp4, minBytes: 1}, steps: [mosaic]}"
			}
			b := newBench(t, routed(routes))
			e := strings.Replace(record(ca.key, b.put(ca.put, ca.body, nil), 5), `"size":5,`, "", 1)
			if name == "without an ETag" {
				e = `{"detail-type":"AWS API Call via CloudTrail","source":"aws.s3","detail":{"eventID":"1","eventName":"PutObject","requestParameters":{"bucketName":"uploads","key":"a.mp4"}}}`
			} else {
				e = created(e)
			}
			for range 2 {
				if err := b.handle(e, 1); err != nil {
					t.Fatal(err)
				}
			}
			all := b.published()
			switch {
			case ca.want == "ignored" && len(all) == 0:
			case len(all) == 1 && ca.want == "ok" && all[0].Status == StatusSucceeded:
			case len(all) == 1 && all[0].Error != nil && all[0].Error.Code == ca.want:
			default:
				t.Errorf("published %+v", all)
			}
		})
	}
}

// TestDetectionsOfAnotherVideo: what can't be of the source is refused, before anything is encoded.
func TestDetectionsOfAnotherVideo(t *testing.T) {
	t.Parallel()
	const face = `"Faces":[{"Timestamp":%d,"Face":{"BoundingBox":{"Left":0.1,"Top":0.1,"Width":0.2,"Height":0.2}}}]`
	for name, ca := range map[string]struct{ page, code, says string }{
		"of it":          {fmt.Sprintf(`{"Video":{"S3Object":{"Bucket":"uploads","Name":"a.mp4"}},"VideoMetadata":{"DurationMillis":2000,"FrameWidth":1280,"FrameHeight":720},`+face+`}`, 1500), "", ""},
		"half as long":   {fmt.Sprintf(`{"VideoMetadata":{"DurationMillis":1000},`+face+`}`, 0), CodeInvalidDetections, "they are of 1.00 s, the video has 2.00 s"},
		"past the end":   {fmt.Sprintf(`{`+face+`}`, 90_000), CodeInvalidDetections, "90.00 s, are after the video's end"},
		"another object": {fmt.Sprintf(`{"Video":{"S3Object":{"Bucket":"uploads","Name":"b.mp4"}},`+face+`}`, 0), CodeInvalidDetections, "the detections are of s3://uploads/b.mp4, not of s3://uploads/a.mp4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.put("a.mp4", "video", nil)
			b.put("faces.json", ca.page, nil)
			if err := b.handle(`{"version":1,"kind":"mosaic","source":"s3://uploads/a.mp4","destination":"s3://results/x.mp4","detections":["s3://uploads/faces.json"]}`, 1); err != nil {
				t.Fatal(err)
			}
			r := b.one()
			if ca.code == "" && r.Error != nil || ca.code != "" && (r.Error == nil || r.Error.Code != ca.code || !strings.Contains(r.Error.Message, ca.says) || b.engine.runs() != 0) {
				t.Errorf("%d runs, result is %+v, %+v", b.engine.runs(), r, r.Error)
			}
		})
	}
}

// TestHandleAtOnce: while a job is worked, another message of the same upload is
// done with, as the first one is there if its worker dies; the same message
// delivered again has to wait.
func TestHandleAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := created(record("a.mp4", b.put("a.mp4", "video", nil), 5))
	b.engine.do = func(_ context.Context, s ffmpeg.Spec) (ffmpeg.Report, error) {
		if s.Op == ffmpeg.OpDetect {
			return ffmpeg.Report{Detections: []byte(`{"Faces":[]}`)}, nil
		}
		other := message(body, 1)
		other.MessageId = aws.String("message-2")
		if err := b.h.Handle(context.Background(), other); err != nil {
			t.Errorf("another message: %v", err)
		}
		var busy interface{ RetryAfter() time.Duration }
		if err := b.handle(body, 2); !errors.As(err, &busy) || busy.RetryAfter() <= 0 || busy.RetryAfter() > DefaultLease+2*leaseGrace {
			t.Errorf("the same message: %v", err)
		}
		return ffmpeg.Report{Frames: 1}, os.WriteFile(s.Output, []byte("covered"), 0o600)
	}
	if err := b.handle(body, 1); err != nil {
		t.Fatal(err)
	}
	b.one()
	if n := b.engine.runs(); n != 1 {
		t.Errorf("the engine ran %d times", n)
	}
}

// TestHandleFailsForGood: bad input is published once and not tried again.
func TestHandleFailsForGood(t *testing.T) {
	t.Parallel()
	engineSays := func(err error) func(*bench) {
		return func(b *bench) {
			b.engine.do = func(context.Context, ffmpeg.Spec) (ffmpeg.Report, error) { return ffmpeg.Report{}, err }
		}
	}
	crash := &ffmpeg.CrashError{Signal: "SIGSEGV", ExitCode: -1}
	for _, ca := range []struct {
		name    string
		prepare func(*bench)
		body    string // of an upload of a.mp4, unless it is given
		attempt int
		code    string
	}{
		{"gone", nil, created(record("b.mp4", "d41d8cd98f00b204e9800998ecf8427e", 5)), 1, CodeSourceGone},
		{"overwritten", nil, created(record("a.mp4", "00000000000000000000000000000000", 5)), 1, CodeSourceChanged},
		{"not a video", engineSays(ffmpeg.Errorf(ffmpeg.CodeNotVideo, "no")), "", 1, "not_a_video"},
		{"no video stream", engineSays(ffmpeg.Errorf(ffmpeg.CodeNoVideoStream, "no")), "", 1, "no_video_stream"},
		{"engine failed too often", engineSays(ffmpeg.Errorf(ffmpeg.CodeEngine, "no")), "", 3, "engine_failed"},
		{"engine crashed twice", engineSays(crash), "", 2, "engine_crashed"},
		{"engine stalled twice", engineSays(&ffmpeg.CrashError{Reason: ffmpeg.ReasonStalled, Signal: "SIGKILL", ExitCode: -1}), "", 2, "engine_stalled"},
		{"engine was killed too often", engineSays(&ffmpeg.CrashError{Reason: ffmpeg.ReasonKilled, Signal: "SIGKILL", ExitCode: -1}), "", 3, "engine_killed"},
		{"engine had no memory twice", engineSays(ffmpeg.Errorf(ffmpeg.CodeMemory, "no")), "", 2, "engine_out_of_memory"},
		{"over itself", nil, `{"version":1,"kind":"mosaic","source":"s3://results/x.mp4","destination":"s3://results/x.webm"}`, 1, CodeInvalidRequest},
		{"no such detections", nil, `{"version":1,"kind":"mosaic","source":"s3://uploads/a.mp4","destination":"s3://results/x.mp4","detections":["s3://uploads/none.json"]}`, 1, CodeSourceGone},
		{"bad detections", nil, `{"version":1,"kind":"mosaic","source":"s3://uploads/a.mp4","destination":"s3://results/x.mp4","detections":["s3://uploads/a.mp4"]}`, 1, CodeInvalidDetections},
	} {
		t.Run(ca.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			etag := b.put("a.mp4", "video", nil)
			if ca.prepare != nil {
				ca.prepare(b)
			}
			if ca.body == "" {
				ca.body = created(record("a.mp4", etag, 5))
			}
			for i := range ca.attempt + 1 { // and once more when it is done with
				if err := b.handle(ca.body, i+1); (err != nil) != (i+1 < ca.attempt) {
					t.Fatalf("attempt %d: %v", i+1, err)
				}
			}
			if r := b.one(); r.Status != StatusFailed || r.Error == nil || r.Error.Code != ca.code || r.Error.Message == "" || len(r.Outputs) != 0 {
				t.Errorf("result is %+v, %+v", r, r.Error)
			}
			b.checkClean()
		})
	}
	t.Run("too large", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, func(c *Config) { c.MaxSourceBytes = 4 })
		if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
			t.Fatal(err)
		}
		if r := b.one(); r.Error == nil || r.Error.Code != CodeSourceTooLarge {
			t.Errorf("result is %+v", r)
		}
	})
}

// TestHandleComesAgain: what may pass is not published, and leaves nothing.
func TestHandleComesAgain(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"engine failed":  ffmpeg.Errorf(ffmpeg.CodeEngine, "no such setting"),
		"engine crashed": &ffmpeg.CrashError{Signal: "SIGKILL", ExitCode: -1, Stderr: "last words"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.engine.do = func(context.Context, ffmpeg.Spec) (ffmpeg.Report, error) { return ffmpeg.Report{}, err }
			body := created(record("a.mp4", b.put("a.mp4", "video", nil), 5))
			if got := b.handle(body, 2); !errors.Is(got, err) {
				t.Errorf("error is %v", got)
			}
			if all := b.published(); len(all) != 0 {
				t.Errorf("published %+v", all)
			}
			b.checkClean()
			b.engine.do = nil
			if err := b.handle(body, 3); err != nil {
				t.Fatal(err)
			}
			if r := b.one(); r.Status != StatusSucceeded {
				t.Errorf("result is %+v", r)
			}
		})
	}
}

// TestHandleStopped: a worker that stops, or lost its lease, publishes nothing,
// whatever its engine says while it is being killed.
func TestHandleStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithCancel(context.Background())
	b.engine.do = func(context.Context, ffmpeg.Spec) (ffmpeg.Report, error) {
		cancel()
		return ffmpeg.Report{}, ffmpeg.Errorf(ffmpeg.CodeInvalid, "cut off in the middle")
	}
	err := b.h.Handle(ctx, message(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 3))
	if err == nil || len(b.published()) != 0 {
		t.Errorf("error is %v", err)
	}
	b.checkClean()
}

func TestHandleIgnores(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ours := b.put("again.mp4", "video", map[string]string{jobMetadata: "some id"})
	empty := b.put("empty.mp4", "", nil)
	inOutput := strings.ReplaceAll(record("mosaic/a.mp4", "", 5), `"name":"uploads"`, `"name":"results"`)
	inLedger := strings.ReplaceAll(record(".mosaicd/claims/x.json", "", 5), `"name":"uploads"`, `"name":"results"`)
	removed := strings.ReplaceAll(record("a.mp4", "", 5), "ObjectCreated:Put", "ObjectRemoved:Delete")
	for name, body := range map[string]string{
		"written by mosaicd":      created(record("again.mp4", ours, 5)),
		"empty":                   created(record("empty.mp4", empty, 0)),
		"a folder":                created(record("folder/", "", 0)),
		"under the output prefix": created(inOutput),
		"in the ledger":           created(inLedger),
		"removed":                 created(removed),
		"S3's test":               `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-01T00:00:00.000Z","Bucket":"uploads"}`,
	} {
		b.logs.TakeAll()
		if err := b.handle(body, 1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		said := b.logs.FilterMessage(eventObjectIgnored).All()
		if len(said) != 1 || said[0].ContextMap()["reason"] == "" {
			t.Errorf("%s: the log says %v", name, b.logs.All())
		}
	}
	if all := b.published(); len(all) != 0 || b.engine.runs() != 0 {
		t.Errorf("published %+v", all)
	}
}

func TestHandleSeveralRecords(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := created(record("a.mp4", b.put("a.mp4", "video", nil), 5), record("b.avi", b.put("b.avi", "video", nil), 5), record("gone.mp4", "", 5))
	if err := b.handle(body, 1); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range b.published() {
		got[r.Source] = string(r.Status)
		if len(r.Outputs) > 0 {
			got[r.Source] = r.Outputs[0].URI
		}
	}
	want := map[string]string{
		"s3://uploads/a.mp4": "s3://results/mosaic/a.mp4", "s3://uploads/b.avi": "s3://results/mosaic/b.avi.mp4", "s3://uploads/gone.mp4": "failed",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("results are %v", got)
	}
}

func TestHandleRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.OutputBuckets = []string{uploads} })
	b.put("a.mp4", "video", map[string]string{jobMetadata: "some id"}) // a person may ask for it again
	b.put("faces-1.json", `{"JobStatus":"SUCCEEDED","NextToken":"x","Faces":[{"Timestamp":0,"Face":{"BoundingBox":{"Left":0.1,"Top":0.1,"Width":0.2,"Height":0.2}}}]}`, nil)
	b.put("faces-2.json", `{"JobStatus":"SUCCEEDED","Faces":[{"Timestamp":0,"Face":{"BoundingBox":{"Left":0.6,"Top":0.6,"Width":0.2,"Height":0.2}}}]}`, nil)
	body := `{"version":1,"kind":"mosaic","source":"s3://uploads/a.mp4","destination":"s3://uploads/covered/a.mkv",
		"detections":["s3://uploads/faces-1.json","s3://uploads/faces-2.json"],"style":"fill","blocks":4,"margin":0,"preset":"slow","crf":0}`
	if err := b.handle(body, 1); err != nil {
		t.Fatal(err)
	}
	r := b.one()
	if r.Status != StatusSucceeded || r.Outputs[0].URI != "s3://uploads/covered/a.mkv" || r.Outputs[0].MediaType != "video/x-matroska" || r.Stats.Faces != 2 {
		t.Fatalf("result is %+v, %+v", r, r.Error)
	}
	if len(b.engine.specs) != 2 || b.engine.specs[0].Op != ffmpeg.OpProbe {
		t.Fatalf("the engine was told %+v: the detector was not to be asked", b.engine.specs)
	}
	s := b.engine.specs[1]
	if s.Format != "matroska" || s.Style != "fill" || s.Blocks != 4 || s.Video.Preset != "slow" || s.Video.CRF != 0 {
		t.Errorf("the engine was told %+v", s)
	}
	// Sent again it is another job.
	again := message(body, 1)
	again.MessageId = aws.String("message-2")
	if err := b.h.Handle(context.Background(), again); err != nil {
		t.Fatal(err)
	}
	if second := b.one(); second.ID == r.ID {
		t.Error("two messages are one job")
	}
}

func TestHandleVersion(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := context.Background()
	_, err := b.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: aws.String(uploads), VersioningConfiguration: versioned(),
	})
	if err != nil {
		t.Fatal(err)
	}
	first, err := b.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(uploads), Key: aws.String("a.mp4"), Body: strings.NewReader("first")})
	if err != nil {
		t.Fatal(err)
	}
	b.put("a.mp4", "second", nil)
	body := strings.Replace(created(record("a.mp4", strings.Trim(*first.ETag, `"`), 5)), `"sequencer"`, `"versionId":"`+*first.VersionId+`","sequencer"`, 1)
	if err := b.handle(body, 1); err != nil {
		t.Fatal(err)
	}
	if r := b.one(); r.SourceVersionID != *first.VersionId {
		t.Errorf("result is %+v", r)
	}
	if output, _ := b.get(results, "mosaic/a.mp4"); output != "covered first" {
		t.Errorf("the output is %q", output)
	}
}

func TestHandleRejects(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for body, says := range map[string]string{
		"hello":                           "not JSON",
		`{"version":2,"kind":"mosaic"}`:   "unknown version 2",
		`{"version":1,"kind":"mosiac"}`:   `unknown message kind "mosiac"`,
		`{"version":1,"kind":"mosaic"}`:   "source",
		`{"Records":[{"s3":{}}],"a":"b"}`: "",
	} {
		err := b.handle(body, 1)
		var r *Rejection
		if !errors.As(err, &r) || !strings.Contains(r.Reject(), says) || r.Reject() == "" {
			t.Errorf("%s: error is %v", body, err)
		}
	}
	var unknown *event.UnknownError
	if err := b.handle("hello", 1); !errors.As(err, &unknown) {
		t.Errorf("error is %v", err)
	}
}
