package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/event"
)

var noFaces = json.RawMessage(`{"JobStatus":"SUCCEEDED","Faces":[]}`)

// index is what of the index is there, as place and job's id.
func (b *bench) index() []string {
	b.t.Helper()
	var all []string
	for _, key := range b.keys(results, ".mosaicd/index/state/") {
		parts := strings.Split(key, "/")
		all = append(all, parts[3]+" "+parts[4][stampDigits+1:])
	}
	return all
}

// TestIndexFollowsJobs: a job is among the active ones while it runs or waits, then
// where it ended, and always once.
func TestIndexFollowsJobs(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, steps: [mosaic, transcode]}\n"))
	b.server.HoldJobs(true)
	body := created(record("a/b.mp4", b.put("a/b.mp4", "video", nil), 5))
	if err := b.handle(body, 1); err != nil {
		t.Fatal(err)
	}
	id := b.one().Job
	if err := b.handle(body, 2); err != nil { // changes nothing
		t.Fatal(err)
	}
	if got := b.index(); !slices.Equal(got, []string{"active " + id}) {
		t.Fatalf("the index is %v", got)
	}
	found, err := b.h.claims.OfSource(context.Background(), event.Location{Bucket: uploads, Key: "a/b.mp4"}, 10)
	if err != nil || len(found) != 1 || found[0].Job.ID != id || found[0].State != StateWaiting {
		t.Fatalf("of the source there are %+v, %v", found, err)
	}
	b.server.HoldJobs(false)
	b.results(1)
	if got := b.index(); !slices.Equal(got, []string{"succeeded " + id}) {
		t.Fatalf("the index is %v", got)
	}
	if err := b.handle(created(record("gone.mp4", "0123", 5)), 1); err != nil {
		t.Fatal(err)
	}
	id = b.one().Job
	if got := b.index(); !slices.Contains(got, "failed "+id) || len(got) != 2 {
		t.Errorf("the index is %v", got)
	}
}

// An indexlessS3 refuses what is written to the index as long as it is told to.
type indexlessS3 struct {
	S3
	refuse atomic.Bool
}

func (f *indexlessS3) PutObject(ctx context.Context, in *s3.PutObjectInput, o ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	if f.refuse.Load() && strings.Contains(*in.Key, "/index/") {
		return nil, errors.New("access denied")
	}
	return f.S3.PutObject(ctx, in, o...)
}

func (f *indexlessS3) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput, o ...func(*s3.Options)) (*s3.DeleteObjectOutput, error) {
	if f.refuse.Load() && strings.Contains(*in.Key, "/index/") {
		return nil, errors.New("access denied")
	}
	return f.S3.DeleteObject(ctx, in, o...)
}

// TestIndexFails: an index that can't be written fails no job, what is wrong in it is
// passed over, and it is put right later.
func TestIndexFails(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t)
	api := &indexlessS3{S3: b.s3}
	b.h.claims.s3 = api
	run := func(key string) string {
		t.Helper()
		if err := b.handle(created(record(key, b.put(key, "video", nil), 5)), 1); err != nil {
			t.Fatal(err)
		}
		return b.one().Job
	}
	find := func() []string {
		t.Helper()
		found, err := b.h.claims.Find(ctx, Query{})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, c := range found {
			ids = append(ids, c.Job.ID)
		}
		return ids
	}
	api.refuse.Store(true)
	lost := run("lost.mp4")
	if n := len(b.logs.FilterMessage(eventIndexFailed).All()); n == 0 || len(b.index()) != 0 {
		t.Errorf("%d complaints, the index is %v", n, b.index())
	}
	api.refuse.Store(false)
	// A worker died after the claim said that it ended, or an old one ended it.
	stale := run("stale.mp4")
	claim := b.claim(stale)
	if err := b.h.claims.leave(ctx, claim.entry("succeeded")); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{activePlace, "failed"} {
		if err := b.h.claims.enter(ctx, claim.entry(place), stale); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.h.claims.enter(ctx, strings.ReplaceAll(claim.entry("failed"), stale, strings.Repeat("0", 32)), stale); err != nil {
		t.Fatal(err) // of a record that is gone
	}
	if got := find(); got != nil {
		t.Errorf("found %v", got)
	}
	if err := b.h.claims.sweepIndex(ctx, time.Now().Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := b.index(); slices.Contains(got, activePlace+" "+stale) || !slices.Contains(got, "succeeded "+stale) {
		t.Errorf("the index is %v", got)
	}
	if got := find(); !slices.Equal(got, []string{stale}) {
		t.Errorf("found %v", got)
	}
	if n, err := b.h.claims.Reindex(ctx, nil); err != nil || n != 2 {
		t.Errorf("%d records, %v", n, err)
	}
	if got := find(); !slices.Equal(got, []string{stale, lost}) {
		t.Errorf("found %v, want %s and %s", got, stale, lost)
	}
}

// TestIndexTakenOver: a worker that dies before it wrote the index leaves that to the
// next one.
func TestIndexTakenOver(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t)
	body := created(record("a.mp4", b.put("a.mp4", "video", nil), 5))
	b.sns.set(true)
	if err := b.handle(body, 1); err == nil {
		t.Fatal("published")
	}
	for _, key := range b.keys(results, ".mosaicd/index/") {
		if err := b.h.claims.leave(ctx, strings.TrimPrefix(key, ".mosaicd/")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.handle(body, 2); err == nil || len(b.index()) != 1 {
		t.Errorf("%v, the index is %v", err, b.index())
	}
}

// TestFind: each condition by itself and all together, against claims that were made
// at known times.
func TestFind(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t)
	now := time.Now().UTC()
	long := strings.Repeat("ä/", 450)
	states := []State{StateRunning, StateWaiting, StateSucceeded, StateFailed, StateReview}
	const n = 60
	for i := range n {
		c := newClaim(Job{
			ID: id("find", fmt.Sprint(i)), Route: []string{"videos", "a b/ü%"}[i%2], Steps: []Step{{Kind: KindMosaic}},
			Source: event.Location{Bucket: uploads, Key: []string{"folder/", "folder 2/", long}[i%3] + fmt.Sprintf("%d\n.mp4", i)},
		}, "", "")
		c.State, c.CreatedAt = states[i%5], now.Add(-time.Duration(i)*time.Minute)
		if err := b.h.claims.create(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	for name, ca := range map[string]struct {
		q     Query
		match func(i int) bool
	}{
		"all":          {Query{}, func(int) bool { return true }},
		"newest":       {Query{Limit: 7}, func(i int) bool { return i < 7 }},
		"a state":      {Query{States: []State{StateReview}}, func(i int) bool { return i%5 == 4 }},
		"running":      {Query{States: []State{StateRunning}, Limit: 5}, func(i int) bool { return i%5 == 0 && i < 25 }},
		"two states":   {Query{States: []State{StateWaiting, StateFailed}}, func(i int) bool { return i%5 == 1 || i%5 == 3 }},
		"route":        {Query{Route: "a b/ü%"}, func(i int) bool { return i%2 == 1 }},
		"route's part": {Query{Route: "a b/ü"}, func(int) bool { return false }},
		"folder":       {Query{Source: "s3://uploads/folder"}, func(i int) bool { return i%3 < 2 }},
		"one folder":   {Query{Source: "s3://uploads/folder/"}, func(i int) bool { return i%3 == 0 }},
		"long":         {Query{Source: "s3://uploads/" + long}, func(i int) bool { return i%3 == 2 }},
		"very long":    {Query{Source: "s3://uploads/" + long + "5"}, func(i int) bool { return i%3 == 2 && strings.HasPrefix(fmt.Sprint(i), "5") }},
		"no bucket":    {Query{Source: "s3://uploads2"}, func(int) bool { return false }},
		"since":        {Query{Since: now.Add(-10 * time.Minute)}, func(i int) bool { return i <= 10 }},
		"before":       {Query{Before: now.Add(-50 * time.Minute)}, func(i int) bool { return i > 50 }},
		"between":      {Query{Since: now.Add(-20 * time.Minute), Before: now.Add(-10 * time.Minute), Limit: 3}, func(i int) bool { return i > 10 && i <= 13 }},
		"everything":   {Query{States: []State{StateSucceeded}, Route: "videos", Source: "s3://uploads/folder 2/", Since: now.Add(-time.Hour)}, func(i int) bool { return i%5 == 2 && i%2 == 0 && i%3 == 1 }},
	} {
		found, err := b.h.claims.Find(ctx, ca.q)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var want, got []string
		for i := range n {
			if ca.match(i) {
				want = append(want, id("find", fmt.Sprint(i)))
			}
		}
		for _, c := range found {
			got = append(got, c.Job.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: found %d, want %d, the newest first", name, len(got), len(want))
		}
	}
}

// TestProgressInClaim: the claim of a running job says how far it is.
func TestProgressInClaim(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Lease = time.Second })
	seen := make(chan *Progress, 1)
	b.engine.do = func(ctx context.Context, s ffmpeg.Spec) (ffmpeg.Report, error) {
		if s.Op != ffmpeg.OpMosaic {
			return ffmpeg.Report{Detections: noFaces}, nil
		}
		for ctx.Err() == nil {
			found, err := b.h.claims.Find(ctx, Query{})
			if err == nil && len(found) == 1 && found[0].Progress != nil && found[0].Progress.Phase == PhaseEncode {
				seen <- found[0].Progress
				break
			}
		}
		return ffmpeg.Report{Frames: 50, Output: ffmpeg.Media{Duration: 2, Width: 640, Height: 360}}, os.WriteFile(s.Output, []byte("covered"), 0o600)
	}
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	if p := <-seen; p.Step != 1 || p.Frames != 1 || p.At.IsZero() {
		t.Errorf("progress is %+v", p)
	}
	if c := b.claim(b.one().Job); c.Progress != nil {
		t.Errorf("afterwards it is %+v", c.Progress)
	}
}
