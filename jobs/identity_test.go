package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/event"
)

// versioned has buckets keep versions.
func (b *bench) versioned(buckets ...string) {
	b.t.Helper()
	for _, name := range buckets {
		_, err := b.s3.PutBucketVersioning(context.Background(), &s3.PutBucketVersioningInput{
			Bucket: &name, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// upload puts an object there and returns the notification of it.
func (b *bench) upload(bucket, key, body string) string {
	b.t.Helper()
	out, err := b.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		b.t.Fatal(err)
	}
	b.uploaded++
	version := ""
	if out.VersionId != nil {
		version = fmt.Sprintf(`,"versionId":%q`, *out.VersionId)
	}
	return created(fmt.Sprintf(`{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-11-25T10:00:00Z","eventName":"ObjectCreated:Put",
		"s3":{"bucket":{"name":%q},"object":{"key":%q,"size":%d,"eTag":%q,"sequencer":"%018X"%s}}}`,
		bucket, strings.ReplaceAll(url.QueryEscape(key), "%2F", "/"), len(body), strings.Trim(*out.ETag, `"`), b.uploaded, version))
}

func (b *bench) mustHandle(body string) {
	b.t.Helper()
	if err := b.handle(body, 1); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) wantBody(key, want string) map[string]string {
	b.t.Helper()
	got, metadata := b.get(results, key)
	if got != want {
		b.t.Errorf("%s holds %q, want %q", key, got, want)
	}
	return metadata
}

func (b *bench) wantCode(r Result, status Status, code string) {
	b.t.Helper()
	if r.Status != status || r.Error == nil || r.Error.Code != code {
		b.t.Errorf("result is %s, %+v, want %s, %s", r.Status, r.Error, status, code)
	}
}

// TestOlderUploadNeverReplacesNewer: whatever the order of work.
func TestOlderUploadNeverReplacesNewer(t *testing.T) {
	t.Parallel()
	for name, buckets := range map[string][]string{"versions": {uploads, results}, "versions of sources": {uploads}, "versions of outputs": {results}, "no versions": nil} {
		t.Run(name+", in order", func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.versioned(buckets...)
			b.mustHandle(b.upload(uploads, "a.mp4", "first"))
			b.mustHandle(b.upload(uploads, "a.mp4", "second"))
			for _, r := range b.published() {
				if r.Status != StatusSucceeded {
					t.Errorf("result is %+v, %+v", r, r.Error)
				}
			}
			b.wantBody("mosaic/a.mp4", "covered second")
		})
		// The older one is worked last, or began first and is overtaken on its way: at
		// each of these moments.
		for _, moment := range []ffmpeg.Op{"before", ffmpeg.OpDetect, ffmpeg.OpMosaic} {
			t.Run(name+", overtaken "+string(moment), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				b.versioned(buckets...)
				first := b.upload(uploads, "a.mp4", "first")
				var second string
				overtake := func() {
					second = b.upload(uploads, "a.mp4", "second")
					b.mustHandle(second)
				}
				if moment == "before" {
					overtake()
				}
				plain := &fakeEngine{}
				b.engine.do = func(ctx context.Context, s ffmpeg.Spec) (ffmpeg.Report, error) {
					if second == "" && s.Op == moment {
						overtake()
					}
					return plain.Run(ctx, s, nil)
				}
				b.mustHandle(first)
				all := b.published()
				if len(all) != 2 || all[0].Status != StatusSucceeded {
					t.Fatalf("results are %+v", all)
				}
				status, code := StatusIgnored, CodeSuperseded
				if moment == "before" && !strings.HasPrefix(name, "versions of s") && name != "versions" {
					status, code = StatusFailed, CodeSourceChanged // it isn't there any more
				}
				b.wantCode(all[1], status, code)
				if got := b.claim(all[1].Job).State; got != State(status) {
					t.Errorf("state is %s", got)
				}
				b.wantBody("mosaic/a.mp4", "covered second")
				b.checkClean()
				b.mustHandle(first) // delivered again
				if again := b.published(); len(again) != 0 {
					t.Errorf("published again: %+v", again)
				}
			})
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	for name, c := range map[string]struct {
		a, b    origin
		current *object
		want    int
	}{
		"sequencers":                   {origin{sequencer: "0055AED6DCD90281E5"}, origin{sequencer: "0055AED6DCD90281E6"}, nil, -1},
		"sequencers, shorter":          {origin{sequencer: "0055AED6DCD90281E50"}, origin{sequencer: "0055AED6DCD90281E6"}, nil, -1},
		"sequencers, padded on right":  {origin{sequencer: "0055AED6DCD9"}, origin{sequencer: "0055AED6DCD90281E6"}, nil, -1},
		"sequencers, shorter is later": {origin{sequencer: "006"}, origin{sequencer: "0055AED6DCD90281E6"}, nil, 1},
		"sequencers, letter case":      {origin{sequencer: "0a"}, origin{sequencer: "0B"}, nil, -1},
		"sequencers before times":      {origin{sequencer: "02", modified: early}, origin{sequencer: "01", modified: late}, nil, 1},
		"sequencers before current":    {origin{sequencer: "02", etag: "a"}, origin{sequencer: "01", etag: "b"}, &object{etag: `"b"`}, 1},
		"same content again":           {origin{sequencer: "01", etag: "a"}, origin{sequencer: "02", etag: "a"}, nil, -1},
		"same version":                 {origin{version: "v", sequencer: "02"}, origin{version: "v"}, nil, 0},
		"same ETag without versions":   {origin{etag: "a", modified: early}, origin{etag: "a", modified: late}, nil, 0},
		"current is a":                 {origin{etag: "a", modified: early}, origin{etag: "b", modified: late}, &object{etag: `"a"`}, 1},
		"current is b":                 {origin{version: "1"}, origin{version: "2"}, &object{Location: event.Location{VersionID: "2"}}, -1},
		"null versions":                {origin{version: "null", etag: "a"}, origin{version: "null", etag: "b"}, &object{Location: event.Location{VersionID: "null"}, etag: "b"}, -1},
		"times":                        {origin{version: "1", modified: early}, origin{version: "2", modified: late}, nil, -1},
		"times, neither current":       {origin{version: "1", modified: late}, origin{version: "2", modified: early}, &object{Location: event.Location{VersionID: "3"}}, 1},
		"nothing known":                {origin{version: "1"}, origin{version: "2", modified: late}, nil, 0},
	} {
		if got := c.a.order(c.b, c.current); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestDestinationTaken: no output of another source, and nothing that mosaicd did not
// write, is replaced without being told to.
func TestDestinationTaken(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const everything = "  - {name: all, match: {}, steps: [{mosaic: {destination: 's3://results/one.mp4'}}]}\n"
	const sheet = "  - {name: all, match: {}, steps: [{mosaic: {destination: 's3://results/one.mp4', sheet: true}}]}\n"
	ask := func(source, more string) string {
		return fmt.Sprintf(`{"version":1,"kind":"mosaic","source":"s3://uploads/%s","destination":"s3://results/mosaic/x.mp4"%s}`, source, more)
	}
	for name, c := range map[string]struct {
		routes string
		first  func(*bench)
		second func(*bench) string
		key    string
		code   string // of the second; empty: it replaces
	}{
		"a.avi and a.avi.mp4": {"", func(b *bench) { b.mustHandle(b.upload(uploads, "a.avi", "first")) },
			func(b *bench) string { return b.upload(uploads, "a.avi.mp4", "second") }, "mosaic/a.avi.mp4", CodeDestinationTaken},
		"one key of a route": {everything, func(b *bench) { b.mustHandle(b.upload(uploads, "a.mp4", "first")) },
			func(b *bench) string { return b.upload(uploads, "b.mp4", "second") }, "one.mp4", CodeDestinationTaken},
		"two buckets": {"", func(b *bench) {
			if _, err := b.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("more")}); err != nil {
				b.t.Fatal(err)
			}
			b.mustHandle(b.upload("more", "a.mp4", "first"))
		}, func(b *bench) string { return b.upload(uploads, "a.mp4", "second") }, "mosaic/a.mp4", CodeDestinationTaken},
		"not of mosaicd": {"", func(b *bench) { b.upload(results, "mosaic/a.mp4", "covered first") },
			func(b *bench) string { return b.upload(uploads, "a.mp4", "second") }, "mosaic/a.mp4", CodeDestinationTaken},
		"a sheet that is not of mosaicd": {sheet, func(b *bench) { b.upload(results, "one.mp4.sheet.png", "covered first") },
			func(b *bench) string { return b.upload(uploads, "a.mp4", "second") }, "one.mp4.sheet.png", CodeDestinationTaken},
		"asked for": {"", func(b *bench) { b.mustHandle(b.upload(uploads, "x.mp4", "first")) }, func(b *bench) string {
			b.upload(uploads, "y.mp4", "second")
			return ask("y.mp4", "")
		}, "mosaic/x.mp4", CodeDestinationTaken},
		"asked for, overwrite": {"", func(b *bench) { b.mustHandle(b.upload(uploads, "x.mp4", "first")) }, func(b *bench) string {
			b.upload(uploads, "y.mp4", "second")
			return ask("y.mp4", `,"overwrite":true`)
		}, "mosaic/x.mp4", ""},
		"asked for again, other settings": {"", func(b *bench) { b.mustHandle(b.upload(uploads, "x.mp4", "second")) },
			func(*bench) string { return ask("x.mp4", `,"style":"fill"`) }, "mosaic/x.mp4", ""},
		"an older release, another source": {"", func(b *bench) {
			job := strings.Repeat("a", 32)
			claim := newClaim(Job{ID: job, Source: event.Location{Bucket: uploads, Key: "other.mp4"}, Steps: []Step{{Kind: KindMosaic}}}, "", "")
			if err := b.h.claims.create(ctx, claim); err != nil {
				b.t.Fatal(err)
			}
			b.writeOld("mosaic/a.mp4", "covered first", job)
		}, func(b *bench) string { return b.upload(uploads, "a.mp4", "second") }, "mosaic/a.mp4", CodeDestinationTaken},
		"an older release, forgotten": {"", func(b *bench) { b.writeOld("mosaic/a.mp4", "covered first", strings.Repeat("b", 32)) },
			func(b *bench) string { return b.upload(uploads, "a.mp4", "second") }, "mosaic/a.mp4", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := func(*Config) {}
			if c.routes != "" {
				change = routed(c.routes)
			}
			b := newBench(t, change, func(c *Config) { c.SourceBuckets = []string{uploads, results, "more"} })
			c.first(b)
			b.published()
			second := c.second(b)
			if err := b.h.Handle(ctx, messageOf("message-2", second)); err != nil {
				t.Fatal(err)
			}
			r := b.one()
			if c.code == "" {
				if r.Status != StatusSucceeded {
					t.Errorf("result is %+v, %+v", r, r.Error)
				}
				b.wantBody(c.key, "covered second")
				return
			}
			b.wantCode(r, StatusFailed, c.code)
			if !strings.Contains(r.Error.Message, "choose") {
				t.Errorf("no remedy: %s", r.Error.Message)
			}
			b.wantBody(c.key, "covered first")
			if b.engine.runs() > 1 {
				t.Error("it was encoded first")
			}
		})
	}
}

// writeOld writes an output as a worker of an older release did.
func (b *bench) writeOld(key, body, job string) {
	b.t.Helper()
	_, err := b.s3.PutObject(context.Background(), &s3.PutObjectInput{
		Bucket: aws.String(results), Key: &key, Body: strings.NewReader(body), Metadata: map[string]string{jobMetadata: job},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestOriginIsWritten: of keys that headers don't take as they are, too.
func TestOriginIsWritten(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"a b+c.mp4", "🎬\n\x1b[31m.mp4", strings.Repeat("é", 300) + ".mp4", strings.Repeat("é", 502) + ".mp4"} {
		b := newBench(t)
		b.versioned(uploads)
		b.mustHandle(b.upload(uploads, key, "first"))
		b.mustHandle(b.upload(uploads, key, "second"))
		all := b.published()
		if len(all) != 2 || all[1].Status != StatusSucceeded {
			t.Fatalf("%q: results are %+v, %+v", key, all, all[0].Error)
		}
		r := all[1]
		m := b.wantBody("mosaic/"+key, "covered second")
		if m[jobMetadata] != r.Job || m[versionMetadata] != r.SourceVersionID || r.SourceVersionID == "" || m[etagMetadata] != r.SourceETag ||
			m[sequencerMetadata] != "000000000000000002" || m[stepMetadata] != "1" || m[modifiedMetadata] == "" || m[sourceMetadata] == "" {
			t.Errorf("%q: metadata is %v", key, m)
		}
		total := 0
		for name, value := range m {
			total += len(name) + len(value)
			if strings.ContainsFunc(value, func(c rune) bool { return c <= ' ' || c > '~' }) {
				t.Errorf("%q: %s is %q", key, name, value)
			}
		}
		if total > 2048 {
			t.Errorf("%q: %d bytes of metadata", key, total)
		}
		if r.Outputs[0].ETag == "" {
			t.Errorf("the output is %+v", r.Outputs[0])
		}
	}
}

// TestSourceIsFixed: what is overwritten after the job saw it first is not covered
// with the boxes of what was there before. A version that is kept is worked on.
func TestSourceIsFixed(t *testing.T) {
	t.Parallel()
	asked := `{"version":1,"kind":"mosaic","source":"s3://uploads/d/a.mp4","destination":"s3://results/mosaic/d/a.mp4"}`
	for name, ca := range map[string]struct {
		start  func(*bench) string
		routes string
	}{
		"upload":  {func(b *bench) string { return b.upload(uploads, "d/a.mp4", "video") }, ""},
		"message": {func(b *bench) string { b.upload(uploads, "d/a.mp4", "video"); return asked }, ""},
		"sidecar": {func(b *bench) string {
			b.upload(uploads, "d/a.mp4", "video")
			return b.upload(uploads, "d/clip.json", `{"srcVideo":"a.mp4"}`)
		}, "  - {name: videos, match: {suffix: .mp4}, sidecar: wait, steps: [mosaic]}\n"},
	} {
		for _, versions := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", versions ", versions), func(t *testing.T) {
				t.Parallel()
				change := func(*Config) {}
				if ca.routes != "" {
					change = routed(ca.routes)
				}
				b := newBench(t, rekognising, change)
				if versions {
					b.versioned(uploads)
				}
				b.found = found(3, 2*time.Second)
				b.mustHandle(ca.start(b))
				b.upload(uploads, "d/a.mp4", "something else")
				r := b.results(1)[0]
				if !versions {
					b.wantCode(r, StatusFailed, CodeSourceChanged)
					if b.engine.runs() != 0 || b.keys(results, "mosaic/") != nil {
						t.Error("it was covered")
					}
					return
				}
				b.wantBody("mosaic/d/a.mp4", "covered video")
				if r.Status != StatusSucceeded || r.SourceVersionID == "" {
					t.Errorf("result is %+v, %+v", r, r.Error)
				}
				in := b.claim(r.Job).Steps[0].Input
				if in == nil || in.VersionID != r.SourceVersionID || in.ETag == "" || in.Bytes != 5 || in.Modified.IsZero() {
					t.Errorf("fixed is %+v", in)
				}
			})
		}
	}
}

// TestSourceOfOlderRelease: a job that a worker of an older release began has no
// fixed source.
func TestSourceOfOlderRelease(t *testing.T) {
	t.Parallel()
	for _, overwritten := range []bool{false, true} {
		b := newBench(t, rekognising)
		b.found = found(3, 2*time.Second)
		b.upload(uploads, "a.mp4", "video")
		b.mustHandle(`{"version":1,"kind":"mosaic","source":"s3://uploads/a.mp4","destination":"s3://results/a.mp4"}`)
		key := b.keys(results, ".mosaicd/claims/")[0]
		body, _ := b.get(results, key)
		var claim map[string]any
		if err := json.Unmarshal([]byte(body), &claim); err != nil {
			t.Fatal(err)
		}
		delete(claim["steps"].([]any)[0].(map[string]any), "input")
		if overwritten {
			claim["createdAt"] = time.Now().Add(-time.Hour)
			b.upload(uploads, "a.mp4", "something else")
		}
		old, err := json.Marshal(claim)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(results), Key: &key, Body: bytes.NewReader(old)}); err != nil {
			t.Fatal(err)
		}
		r := b.results(1)[0]
		if overwritten {
			b.wantCode(r, StatusFailed, CodeSourceChanged)
		} else if b.wantBody("a.mp4", "covered video"); r.Status != StatusSucceeded {
			t.Errorf("result is %+v, %+v", r, r.Error)
		}
	}
}

// TestInputOfStepIsFixed: a step reads what the step before wrote, and nothing else.
func TestInputOfStepIsFixed(t *testing.T) {
	t.Parallel()
	for _, versions := range []bool{false, true} {
		b := newBench(t, routed("  - {name: all, match: {}, steps: [remux, mosaic]}\n"))
		if versions {
			b.versioned(results)
		}
		event := b.upload(uploads, "a.ts", "video")
		b.sns.set(true) // the result of the remux isn't out
		if err := b.handle(event, 1); err == nil {
			t.Fatal("the result was published")
		}
		b.writeOld("remux/a.ts.mp4", "something else", strings.Repeat("a", 32))
		b.sns.set(false)
		b.mustHandle(event)
		all := b.published()
		if len(all) != 2 || all[0].Status != StatusSucceeded {
			t.Fatalf("results are %+v", all)
		}
		if versions {
			b.wantBody("mosaic/a.ts.mp4", "covered covered video")
		} else {
			b.wantCode(all[1], StatusFailed, CodeSourceChanged)
		}
	}
	// It is never its own output, nor kept for that of the step before.
	b := newBench(t, routed("  - {name: all, match: {}, steps: [{remux: {destination: 's3://results/a.mp4'}}, {mosaic: {destination: 's3://results/a.mp4'}}]}\n"))
	b.mustHandle(b.upload(uploads, "a.ts", "video"))
	all := b.published()
	if len(all) != 2 {
		t.Fatalf("results are %+v", all)
	}
	b.wantCode(all[1], StatusFailed, CodeInvalidRequest)
}

// TestMediaConvertReadsWhatIsFixed: it takes no version, so that what is overwritten
// meanwhile is found out.
func TestMediaConvertReadsWhatIsFixed(t *testing.T) {
	t.Parallel()
	const transcoding = "  - {name: all, match: {suffix: .mp4}, steps: [transcode]}\n"
	for _, buckets := range [][]string{nil, {uploads}} {
		b := newBench(t, routed(transcoding))
		b.versioned(buckets...)
		first := b.upload(uploads, "a.mp4", "video")
		b.mustHandle(first)
		second := b.upload(uploads, "a.mp4", "something else") // before its end is noted
		b.wantCode(b.results(1)[0], StatusFailed, CodeSourceChanged)
		b.upload(uploads, "a.mp4", "a third")
		if n := len(b.cloudJobs()); n != 1 {
			t.Errorf("%d cloud jobs", n)
		}
		b.mustHandle(second) // before it is dispatched
		b.wantCode(b.one(), StatusFailed, CodeSourceChanged)
		if n := len(b.cloudJobs()); n != 1 {
			t.Errorf("%d cloud jobs", n)
		}
	}
	// The covered video of a newer upload is there before that of an older one was read.
	b := newBench(t, routed("  - {name: all, match: {suffix: .mp4}, steps: [mosaic, transcode]}\n"))
	b.versioned(uploads)
	first := b.upload(uploads, "a.mp4", "first")
	b.mustHandle(first)
	b.mustHandle(b.upload(uploads, "a.mp4", "second"))
	for _, r := range b.results(4) {
		switch {
		case r.Step == 1 || r.SourceETag == b.put("same.txt", "second", nil):
			if r.Status != StatusSucceeded {
				t.Errorf("result is %+v, %+v", r, r.Error)
			}
		default:
			b.wantCode(r, StatusIgnored, CodeSuperseded)
		}
	}
}

// TestDisposeOfWhatWasWorked: nothing else is deleted or moved.
func TestDisposeOfWhatWasWorked(t *testing.T) {
	t.Parallel()
	route := func(after string) func(*Config) {
		return routed("  - {name: all, match: {suffix: .mp4}, steps: [mosaic], after: " + after + "}\n")
	}
	// until has a message worked to where its result can't be published.
	until := func(b *bench, body string) {
		b.t.Helper()
		b.sns.set(true)
		if err := b.handle(body, 1); err == nil {
			b.t.Fatal("the result was published")
		}
		b.sns.set(false)
	}
	kept := func(b *bench, n int) {
		b.t.Helper()
		if got := b.logs.FilterMessage(eventSourceKept).All(); len(got) != n {
			b.t.Errorf("kept: %v", got)
		}
	}
	source := func(b *bench, key string) string {
		b.t.Helper()
		body, _ := b.get(uploads, key)
		return body
	}
	for _, after := range []string{"{delete: true}", "{move: 's3://results/archive/{key}'}"} {
		b := newBench(t, route(after))
		first := b.upload(uploads, "a.mp4", "first")
		until(b, first)
		b.upload(uploads, "a.mp4", "second")
		b.mustHandle(first)
		if kept(b, 1); source(b, "a.mp4") != "second" {
			t.Errorf("%s: the source is gone", after)
		}

		b = newBench(t, route(after))
		b.versioned(uploads)
		first = b.upload(uploads, "a.mp4", "first")
		until(b, first)
		second := b.upload(uploads, "a.mp4", "second")
		b.mustHandle(first)
		if kept(b, 0); source(b, "a.mp4") != "second" {
			t.Errorf("%s: the newer version is gone", after)
		}
		if strings.Contains(after, "move") {
			b.wantBody("archive/a.mp4", "first")
			b.mustHandle(second) // to where the first one is, which would be lost
			if kept(b, 1); source(b, "a.mp4") != "second" {
				t.Errorf("%s: the newer version is gone", after)
			}
			b.wantBody("archive/a.mp4", "first")
		}

		// The current version goes, and the one before it is current again, unworked.
		b = newBench(t, route(after))
		b.versioned(uploads)
		b.upload(uploads, "a.mp4", "first")
		b.mustHandle(b.upload(uploads, "a.mp4", "second"))
		if kept(b, 0); source(b, "a.mp4") != "first" {
			t.Errorf("%s: the older version is gone", after)
		}
	}
	// A worker that lost the job while it published touches nothing.
	b := newBench(t, route("{delete: true}"))
	first := b.upload(uploads, "a.mp4", "first")
	b.sns.then = func() {
		key := b.keys(results, ".mosaicd/claims/")[0]
		claim := b.claim(strings.TrimSuffix(strings.TrimPrefix(key, ".mosaicd/claims/"), ".json"))
		claim.Owner = "another worker"
		if err := b.h.claims.save(context.Background(), claim); err != nil {
			t.Error(err)
		}
	}
	if err := b.handle(first, 1); err == nil {
		t.Error("it went on without the job")
	}
	if source(b, "a.mp4") != "first" {
		t.Error("the source is gone")
	}
}

// TestRecordingIsOfOnePiece: the pieces of a segment are of one object, and the
// playlist is the one that was seen first. A newer playlist has an event of its own, and fails nothing.
func TestRecordingIsOfOnePiece(t *testing.T) {
	t.Parallel()
	const playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n#EXT-X-BYTERANGE:4@0\nall.ts\n#EXTINF:2,\n#EXT-X-BYTERANGE:4@4\nall.ts\n#EXT-X-ENDLIST\n"
	for name, change := range map[string]func(*bench){
		"segment":  func(b *bench) { b.upload(uploads, "r/all.ts", "bbbbbbbb") },
		"playlist": func(b *bench) { b.upload(uploads, "r/a.m3u8", playlist+"\n") },
	} {
		b := newBench(t, routed("  - {name: all, match: {suffix: .m3u8}, steps: [remux]}\n"))
		b.upload(uploads, "r/all.ts", "aaaaaaaa")
		event := b.upload(uploads, "r/a.m3u8", playlist)
		changed := false
		b.s3calls.got = func(key string) {
			if key == "r/all.ts" && !changed {
				changed = true
				change(b)
			}
		}
		b.mustHandle(event)
		if !changed {
			t.Fatalf("%s: no segment was read", name)
		}
		if name == "playlist" {
			if all := b.published(); len(all) != 0 {
				t.Errorf("published %+v", all)
			}
			continue
		}
		b.wantCode(b.one(), StatusFailed, CodeSourceChanged)
	}
}

// TestFoldersOfMediaConvert: renditions of another source are not replaced, and those
// of a newer upload neither.
func TestFoldersOfMediaConvert(t *testing.T) {
	t.Parallel()
	const transcoding = "  - {name: all, match: {}, steps: [transcode]}\n"
	for _, second := range []string{"y/a.mp4", "x/a.mov"} {
		b := newBench(t, routed(transcoding))
		b.mustHandle(b.upload(uploads, "x/a.mp4", "first"))
		b.mustHandle(b.upload(uploads, second, "second"))
		for _, r := range b.results(2) {
			if r.Source == "s3://uploads/"+second {
				b.wantCode(r, StatusFailed, CodeDestinationTaken)
			} else if r.Status != StatusSucceeded {
				t.Errorf("result is %+v, %+v", r, r.Error)
			}
		}
		b.mustHandle(b.upload(uploads, "x/a.mp4", "third")) // the same source is replaced
		if r := b.results(1)[0]; r.Status != StatusSucceeded {
			t.Errorf("result is %+v, %+v", r, r.Error)
		}
	}
	// Together in one folder, under other names, they are welcome.
	b := newBench(t, routed("  - {name: all, match: {}, steps: [{transcode: {destination: 's3://results/all/'}}]}\n"))
	b.mustHandle(b.upload(uploads, "x/a.mp4", "first"))
	b.mustHandle(b.upload(uploads, "x/b.mp4", "second"))
	for _, r := range b.results(2) {
		if r.Status != StatusSucceeded {
			t.Errorf("result is %+v, %+v", r, r.Error)
		}
	}
}

// TestOlderCloudJobIsCancelled: MediaConvert would write its renditions over the newer
// ones.
func TestOlderCloudJobIsCancelled(t *testing.T) {
	t.Parallel()
	b := newPacedBench(t, 2*time.Second, routed("  - {name: all, match: {suffix: .mp4}, steps: [mosaic, transcode]}\n"))
	b.versioned(uploads)
	b.mustHandle(b.upload(uploads, "a.mp4", "first"))
	newer := b.upload(uploads, "a.mp4", "second")
	b.mustHandle(newer)
	older := 0
	for _, r := range b.results(4) {
		switch {
		case r.Error == nil && r.Status == StatusSucceeded:
		default:
			older++
			b.wantCode(r, StatusIgnored, CodeSuperseded)
			if len(r.Outputs) != 0 || r.Step != 2 {
				t.Errorf("result is %+v", r)
			}
		}
	}
	if n := len(b.logs.FilterMessage(eventCloudCancelled).All()); n != 1 || older != 1 {
		t.Errorf("%d jobs were cancelled, %d results superseded", n, older)
	}
	if jobs := b.cloudJobs(); len(jobs) != 2 || jobs[0].Status == jobs[1].Status {
		t.Errorf("cloud jobs are %+v", jobs)
	}
}

// TestTranscodeOfWhatIsNotDownloaded: limits of downloads are none of MediaConvert's.
func TestTranscodeOfWhatIsNotDownloaded(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, match: {}, steps: [transcode]}\n"), func(c *Config) { c.MaxSourceBytes = 3 })
	b.mustHandle(b.upload(uploads, "a.mp4", "video"))
	if r := b.results(1)[0]; r.Status != StatusSucceeded || r.SourceETag == "" {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
}
