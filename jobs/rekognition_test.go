package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

func rekognising(c *Config) { c.Detector = DetectorRekognition }

// found is a result of so many samples of one face, of a video of two seconds.
func found(samples int, duration time.Duration) []byte {
	var all []string
	for i := range samples {
		all = append(all, fmt.Sprintf(`{"Timestamp":%d,"Face":{"BoundingBox":{"Left":0.1,"Top":0.1,"Width":0.2,"Height":0.2},"Confidence":99}}`, i*100))
	}
	return fmt.Appendf(nil, `{"VideoMetadata":{"Codec":"h264","DurationMillis":%d,"Format":"QuickTime / MOV","FrameRate":25,"FrameHeight":720,"FrameWidth":1280},"Faces":[%s]}`,
		duration.Milliseconds(), strings.Join(all, ","))
}

func TestRekognition(t *testing.T) {
	t.Parallel()
	b := newBench(t, rekognising)
	b.found = found(15, 2*time.Second) // two pages
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	r := b.results(1)[0]
	if r.Status != StatusSucceeded || r.Stats.Faces != 1 || r.Kind != "mosaic" {
		t.Fatalf("result is %+v, %+v", r, r.Error)
	}
	for _, s := range b.engine.specs {
		if s.Op == ffmpeg.OpDetect {
			t.Error("the built-in detector looked, too")
		}
	}
	if n := b.searches.pages.Load(); n != 2 {
		t.Errorf("%d pages were fetched", n)
	}
	if left := b.keys(results, ".mosaicd/waiting/"); left != nil {
		t.Errorf("left waiting: %v", left)
	}
	// Its notice comes again.
	notice := fmt.Sprintf(`{"JobId":%q,"Status":"SUCCEEDED","API":"StartFaceDetection","JobTag":%q,"Timestamp":1,"Video":{"S3ObjectName":"a.mp4","S3Bucket":"uploads"}}`,
		b.claim(r.Job).Steps[0].Search.JobID, r.ID)
	for range 2 {
		if err := b.handle(notice, 1); err != nil {
			t.Error(err)
		}
	}
	if all := b.published(); len(all) != 0 || b.engine.runs() != 1 {
		t.Errorf("published %+v", all)
	}
}

// TestRekognitionFailsClosed: nothing is published as covered, and nothing
// encoded.
func TestRekognitionFailsClosed(t *testing.T) {
	t.Parallel()
	for name, ca := range map[string]struct {
		prepare func(*bench)
		code    string
	}{
		"a page comes again": {func(b *bench) { b.searches.again = true }, CodeInvalidDetections},
		"failed":             {func(b *bench) { b.server.FailSearches(true) }, CodeSearchFailed},
		"too short":          {func(b *bench) { b.engine.probe = ffmpeg.Media{Format: "mov,mp4", Codec: "h264", Duration: 60} }, CodeInvalidDetections},
		"codec":              {func(b *bench) { b.engine.probe = ffmpeg.Media{Format: "mov,mp4", Codec: "hevc", Duration: 2} }, CodeNotSearchable},
		"container": {func(b *bench) {
			b.engine.probe = ffmpeg.Media{Format: "matroska,webm", Codec: "h264", Duration: 2}
			b.engine.do = func(_ context.Context, s ffmpeg.Spec) (ffmpeg.Report, error) {
				return ffmpeg.Report{}, &ffmpeg.Error{Code: ffmpeg.CodeUnsupported, Message: "no"}
			}
		}, CodeNotSearchable},
		"too long": {func(b *bench) { b.engine.probe = ffmpeg.Media{Format: "mov,mp4", Codec: "h264", Duration: 7 * 3600} }, CodeSourceTooLarge},
		"no sense": {func(b *bench) {
			b.found = []byte(`{"Faces":[{"Timestamp":1,"Face":{"BoundingBox":{"Left":0.1,"Top":0.1,"Width":-1,"Height":0.2}}}]}`)
		}, CodeInvalidDetections},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, rekognising)
			b.found = found(3, 2*time.Second)
			ca.prepare(b)
			if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
				t.Fatal(err)
			}
			if r := b.results(1)[0]; r.Status != StatusFailed || r.Error.Code != ca.code || len(r.Outputs) != 0 || b.engine.runs() != 0 {
				t.Errorf("result is %+v, %+v", r, r.Error)
			}
			if covered := b.keys(results, "mosaic/"); covered != nil {
				t.Errorf("written: %v", covered)
			}
			b.checkClean()
		})
	}
}

// TestRekognitionLongResult: two hours with ten faces are more than 64 MiB with all that
// Rekognition says of a face. Each page is an object of its own, and read as a stream.
func TestRekognitionLongResult(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long with the race detector, which sees nothing new in it")
	}
	const length, people = 2 * time.Hour, 10
	b := newBench(t, rekognising)
	b.server.PageFaces(1000)
	var all bytes.Buffer
	for at := time.Duration(0); at < length; at += 500 * time.Millisecond {
		for i := range people {
			fmt.Fprintf(&all, `,{"Timestamp":%d,"Face":{"BoundingBox":{"Left":%.16f,"Top":0.4123456789012345,"Width":0.0523456789012345,"Height":0.1023456789012345},`+
				`"Confidence":99.98765432109876,"Landmarks":[{"Type":"eyeLeft","X":0.1234567890123456,"Y":0.2234567890123456},{"Type":"eyeRight","X":0.1434567890123456,"Y":0.2234567890123456},`+
				`{"Type":"mouthLeft","X":0.1234567890123456,"Y":0.2534567890123456},{"Type":"mouthRight","X":0.1434567890123456,"Y":0.2534567890123456},{"Type":"nose","X":0.1334567890123456,"Y":0.2434567890123456}],`+
				`"Pose":{"Pitch":-7.123456789012345,"Roll":1.123456789012345,"Yaw":12.12345678901234},"Quality":{"Brightness":80.12345678901234,"Sharpness":78.64349365234375}}}`,
				at.Milliseconds(), 0.02+float64(i)/11)
		}
	}
	b.found = fmt.Appendf(nil, `{"VideoMetadata":{"DurationMillis":%d},"Faces":[%s]}`, length.Milliseconds(), all.Bytes()[1:])
	media := ffmpeg.Media{Format: "mov,mp4", Codec: "h264", Duration: length.Seconds(), Width: 1280, Height: 720}
	b.engine.probe = media
	var tracks faces.Tracks
	b.engine.do = func(_ context.Context, s ffmpeg.Spec) (ffmpeg.Report, error) {
		switch s.Op {
		case ffmpeg.OpDetect:
			return ffmpeg.Report{Source: media, Detections: []byte(`{"Faces":[]}`)}, nil
		}
		if err := json.Unmarshal(s.Tracks, &tracks); err != nil {
			return ffmpeg.Report{}, err
		}
		return ffmpeg.Report{Source: media, Output: media}, os.WriteFile(s.Output, []byte("covered"), 0o600)
	}
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	r := b.results(1)[0]
	if r.Status != StatusSucceeded || r.Stats.Faces != people || len(tracks) != people {
		t.Fatalf("result is %+v, %+v", r, r.Error)
	}
	for i, track := range tracks {
		if first, last := track[0].At, track[len(track)-1].At; first > 0 || last < length-500*time.Millisecond {
			t.Errorf("face %d is covered from %s to %s", i, first, last)
		}
	}
	pages := b.keys(results, ".mosaicd/detections/")
	total := 0
	for _, key := range pages {
		body, _ := b.get(results, key)
		total += len(body)
		if len(body) > 1<<20 {
			t.Errorf("%s has %d bytes", key, len(body))
		}
	}
	if len(pages) != 144 || total <= 64<<20 || b.claim(r.Job).Steps[0].Search.Pages != 144 {
		t.Errorf("%d pages of %d bytes are kept", len(pages), total)
	}
	t.Logf("%d pages, %.1f MiB", len(pages), float64(total)/(1<<20))
}

// TestRekognitionKeptByOthers: a worker of an earlier version kept the pages in one object.
func TestRekognitionKeptByOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t, rekognising)
	at := event.Location{Bucket: results, Key: ".mosaicd/detections/x.json"}
	pages := []json.RawMessage{[]byte(`{"NextToken":"1","Faces":[]}`), found(3, 2*time.Second)}
	if err := b.h.store.write(t.Context(), at, "job", pages); err != nil {
		t.Fatal(err)
	}
	d, err := b.h.searched(t.Context(), StepState{Search: &FaceSearch{Detections: at}})
	if err != nil || len(d.Faces) != 3 {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestRekognitionFallback: what Rekognition doesn't take, where the route allows
// it.
func TestRekognitionFallback(t *testing.T) {
	t.Parallel()
	b := newBench(t, rekognising, routed("  - {name: all, steps: [{mosaic: {fallback: builtin}}]}\n"))
	b.engine.probe = ffmpeg.Media{Format: "matroska,webm", Codec: "vp9", Duration: 2}
	if err := b.handle(created(record("a.webm", b.put("a.webm", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	r := b.one()
	if r.Status != StatusSucceeded || r.Stats.Faces != 1 || b.server.Searches() != 0 || !strings.Contains(b.claim(r.Job).Steps[0].Fallback, "vp9") {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
}

// TestFaceSearch: where a collection is named, whose the faces are is asked, too.
func TestFaceSearch(t *testing.T) {
	t.Parallel()
	persons := func(matches bool) []byte {
		var all []string
		for i := range 25 { // three pages
			match := ""
			if matches {
				match = `,"FaceMatches":[{"Similarity":95,"Face":{"FaceId":"x","ExternalImageId":"anna"}}]`
			}
			all = append(all, fmt.Sprintf(`{"Timestamp":%d,"Person":{"Index":0,"Face":{"BoundingBox":{"Left":0.1,"Top":0.1,"Width":0.2,"Height":0.2}}}%s}`, i*80, match))
		}
		return fmt.Appendf(nil, `{"VideoMetadata":{"DurationMillis":2000},"Persons":[%s]}`, strings.Join(all, ","))
	}
	for name, ca := range map[string]struct {
		cover   string
		matches bool
		faces   int // covered
	}{
		"listed is there":    {"strangers", true, 0},
		"a stranger":         {"strangers", false, 1},
		"only the listed":    {"listed", true, 1},
		"nobody is listed":   {"listed", false, 0},
		"everybody is asked": {"all", true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, rekognising, func(c *Config) {
				c.Settings.Collection, c.Settings.Cover, c.Settings.Similarity = "staff", ca.cover, 90
			})
			b.found = persons(ca.matches)
			b.put("anna.png", "\x89PNG", nil)
			if err := b.handle(`{"version":1,"kind":"faces-add","collection":"staff","externalId":"anna","images":["s3://uploads/anna.png"]}`, 1); err != nil {
				t.Fatal(err)
			}
			if r := b.one(); r.Status != StatusSucceeded || len(r.Faces) != 1 || r.Faces[0].ExternalID != "anna" || r.Source != "s3://uploads/anna.png" {
				t.Fatalf("result is %+v, %+v", r, r.Error)
			}
			if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
				t.Fatal(err)
			}
			r := b.results(1)[0]
			if r.Status != StatusSucceeded || r.Stats.Faces != ca.faces {
				t.Errorf("result is %+v, %+v, %+v", r, r.Error, r.Stats)
			}
			if b.asked != "1 listed, 90 %" {
				t.Errorf("Rekognition was asked for %s", b.asked)
			}
			if n := b.searches.pages.Load(); n != 0 {
				t.Errorf("%d pages of a detection were fetched", n)
			}
		})
	}
	t.Run("no such collection", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, rekognising, func(c *Config) { c.Settings.Collection = "nobody" })
		if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
			t.Fatal(err)
		}
		if r := b.one(); r.Status != StatusFailed || r.Error.Code != CodeSearchFailed || !strings.Contains(r.Error.Message, "there is no collection nobody") {
			t.Errorf("result is %+v, %+v", r, r.Error)
		}
	})
}

// TestRekognitionCopy: what only the container keeps from Rekognition is put into
// another one, for it alone.
func TestRekognitionCopy(t *testing.T) {
	t.Parallel()
	b := newBench(t, rekognising)
	b.found = found(3, 2*time.Second)
	b.engine.probe = ffmpeg.Media{Format: "matroska,webm", Codec: "h264", Duration: 2}
	if err := b.handle(created(record("a.mkv", b.put("a.mkv", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	c := b.claim(id("upload", uploads, "a.mkv", "", b.put("a.mkv", "video", nil), "0A"))
	at := c.Steps[0].Search.Copy
	if body, _ := b.get(at.Bucket, at.Key); body != "covered video" { // as the engine here remuxes
		t.Errorf("Rekognition was given %q", body)
	}
	if r := b.results(1)[0]; r.Status != StatusSucceeded || r.Stats.Faces != 1 || r.Outputs[0].URI != "s3://results/mosaic/a.mkv" {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
	if left := b.keys(results, ".mosaicd/copies/"); left != nil {
		t.Errorf("left: %v", left)
	}
	b.checkClean()
}

// TestCoverNeedsACollection: who is a stranger is not known without one.
func TestCoverNeedsACollection(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]*bench{"rekognition": newBench(t, rekognising), "builtin": newBench(t)} {
		b.put("a.mp4", "video", nil)
		for i, options := range []string{`"cover":"strangers"`, `"regions":{"add":[{"left":0}]}`} {
			if err := b.handle(fmt.Sprintf(`{"version":1,"kind":"mosaic","source":"s3://uploads/a.mp4","destination":"s3://results/%d.mp4",%s}`, i, options), 1); err != nil {
				t.Fatal(err)
			}
			if r := b.one(); r.Status != StatusFailed || r.Error.Code != CodeInvalidRequest || b.server.Searches() != 0 {
				t.Errorf("%s, %s: result is %+v, %+v", name, options, r, r.Error)
			}
		}
	}
}

// TestRekognitionNoticeBeforeTheStartIsNoted: the worker dies before it can note
// the search; the notice waits, and the next worker gets the same search.
func TestRekognitionNoticeBeforeTheStartIsNoted(t *testing.T) {
	t.Parallel()
	b := newBench(t, rekognising)
	b.found = found(3, 2*time.Second)
	b.searches.started = func() { b.s3calls.refuse.Store(true) }
	etag := b.put("a.mp4", "video", nil)
	body := created(record("a.mp4", etag, 5))
	if err := b.handle(body, 1); err == nil {
		t.Fatal("the search was noted")
	}
	b.s3calls.refuse.Store(false)
	b.searches.started = nil
	b.pump(func() bool { return len(b.logs.FilterMessage(eventJobBusy).All()) > 0 }) // the notice has to wait
	c := b.claim(id("upload", uploads, "a.mp4", "", etag, "0A"))
	c.LeaseEnds = time.Now().Add(-time.Second)
	if err := b.h.claims.save(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	if err := b.handle(body, 2); err != nil {
		t.Fatal(err)
	}
	if r := b.results(1)[0]; r.Status != StatusSucceeded || b.server.Searches() != 1 {
		t.Errorf("result is %+v after %d searches", r, b.server.Searches())
	}
}

// TestRekognitionIsNotAskedAgain when only the engine failed.
func TestRekognitionIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, rekognising)
	b.found = found(3, 2*time.Second)
	crashed := false
	b.engine.do = func(_ context.Context, s ffmpeg.Spec) (ffmpeg.Report, error) {
		if s.Op == ffmpeg.OpProbe {
			return ffmpeg.Report{Source: ffmpeg.Media{Format: "mov,mp4", Codec: "h264", Duration: 2}}, nil
		}
		if !crashed {
			crashed = true
			return ffmpeg.Report{}, &ffmpeg.CrashError{Signal: "SIGKILL"}
		}
		return ffmpeg.Report{Frames: 1}, errors.New("stop here")
	}
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	b.pump(func() bool { return len(b.logs.FilterMessage(eventJobInterrupted).All()) > 1 })
	if n := b.searches.pages.Load(); n != 1 || b.server.Searches() != 1 {
		t.Errorf("%d pages of %d searches", n, b.server.Searches())
	}
}

func TestRekognitionNoticeIsLost(t *testing.T) {
	t.Parallel()
	b := newBench(t, rekognising, func(c *Config) { c.Rekognition.TopicARN = "arn:aws:sns:us-east-1:000000000000:nobody" })
	b.found = found(3, 2*time.Second)
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	var all []Result
	b.pump(func() bool {
		if err := b.h.reconcile(context.Background(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		all = append(all, b.published()...)
		return len(all) > 0
	})
	if r := all[0]; r.Status != StatusSucceeded || len(all) != 1 {
		t.Errorf("results are %+v", all)
	}
}

func TestRekognitionNoticesOfOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, tag := range []string{"", "somebody-elses", "fde3c882ec9929fc026df4df2cad7755-1"} {
		body := fmt.Sprintf(`{"JobId":"x","Status":"SUCCEEDED","API":"FACE_DETECTION","JobTag":%q,"Timestamp":1,"Video":{"S3ObjectName":"a.mp4","S3Bucket":"uploads"}}`, tag)
		if err := b.handle(body, 1); err != nil {
			t.Errorf("%q: %v", tag, err)
		}
	}
	if n := len(b.logs.FilterMessage(eventSearchIgnored).All()); n != 3 {
		t.Errorf("%d lines in the log", n)
	}
}
