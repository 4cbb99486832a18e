package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

const reviewed = "  - {name: all, steps: [{mosaic: {residual: review, sheet: true}}, transcode]}\n"

// inReview has a job whose output waits for a review, and returns its result.
func (b *bench) inReview(key string) Result {
	b.t.Helper()
	b.engine.shows = true
	if err := b.handle(created(record(key, b.put(key, "video", nil), 5)), 1); err != nil {
		b.t.Fatal(err)
	}
	r := b.one()
	if r.Status != StatusReview {
		b.t.Fatalf("result is %+v", r)
	}
	b.engine.shows = false
	return r
}

// say gives the handler a message of its own id.
func (b *bench) say(id, format string, args ...any) error {
	body := fmt.Sprintf(`{"version":1,`+format+`}`, args...)
	return b.h.Handle(context.Background(), sqstypes.Message{MessageId: &id, Body: &body})
}

func TestApprove(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(reviewed))
	r := b.inReview("a.mp4")
	if got := b.index(); !slices.Equal(got, []string{"review " + r.Job}) {
		t.Errorf("the index is %v", got)
	}
	for range 2 { // delivered twice
		if err := b.say("m1", `"kind":"approve","job":%q,"reason":"it is a poster"`, r.ID); err != nil {
			t.Fatal(err)
		}
	}
	all := b.results(2)
	mosaic, transcode := all[0], all[1]
	if mosaic.ID != r.Job+"-1-2" || mosaic.Status != StatusSucceeded || mosaic.Error != nil || mosaic.first() != r.first() || mosaic.last() {
		t.Errorf("result is %+v", mosaic)
	}
	if d := mosaic.Decision; d == nil || d.Kind != "approve" || d.Reason != "it is a poster" || d.ID != "m1" || d.Held != nil {
		t.Errorf("decision is %+v", d)
	}
	if transcode.Status != StatusSucceeded || transcode.Kind != KindTranscode || b.engine.runs() != 1 {
		t.Errorf("result is %+v, the engine ran %d times", transcode, b.engine.runs())
	}
	if got := b.index(); !slices.Equal(got, []string{"succeeded " + r.Job}) {
		t.Errorf("the index is %v", got)
	}
	// Said once more nothing happens; the contrary is refused, and says why.
	if err := b.say("m2", `"kind":"approve","job":%q`, r.Job); err != nil || len(b.published()) != 0 {
		t.Errorf("approved again: %v", err)
	}
	err := b.say("m3", `"kind":"reject","job":%q,"reason":"a face"`, r.Job)
	if rejection, ok := errors.AsType[*Rejection](err); !ok || !strings.Contains(rejection.Error(), "is succeeded, and only a job in review") || !strings.Contains(rejection.Error(), "the last decision was approve") {
		t.Errorf("rejected afterwards: %v", err)
	}
	if body, _ := b.get(results, "mosaic/a.mp4"); body != "covered video" {
		t.Errorf("the output is %q", body)
	}
}

// TestApproveWhatIsGone: an output that is not the one that was held back is not let
// through.
func TestApproveWhatIsGone(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(reviewed))
	r := b.inReview("a.mp4")
	if _, err := b.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(results), Key: aws.String("mosaic/a.mp4"), Body: strings.NewReader("other")}); err != nil {
		t.Fatal(err)
	}
	err := b.say("m1", `"kind":"approve","job":%q`, r.Job)
	if !errors.As(err, new(*Rejection)) || !strings.Contains(err.Error(), "not the one that was held back") || b.claim(r.Job).State != StateReview {
		t.Errorf("%v", err)
	}
	// Nor deleted by a reject.
	if err := b.say("m2", `"kind":"reject","job":%q,"reason":"a face"`, r.Job); err != nil {
		t.Fatal(err)
	}
	if body, _ := b.get(results, "mosaic/a.mp4"); body != "other" || len(b.logs.FilterMessage(eventOutputKept).All()) != 1 {
		t.Errorf("it is %q", body)
	}
}

func TestReject(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		b := newBench(t, routed(reviewed))
		r := b.inReview("a.mp4")
		if n := len(b.keys(results, "mosaic/")); n != 2 {
			t.Fatalf("%d outputs", n)
		}
		for range 2 {
			if err := b.say("m1", `"kind":"reject","job":%q,"reason":"a face at 0:12","keepOutput":%t`, r.Job, keep); err != nil {
				t.Fatal(err)
			}
		}
		got := b.one()
		if got.ID != r.Job+"-1-2" || got.Status != StatusFailed || got.Error.Code != CodeRejected || got.Error.Message != "a face at 0:12" || !got.last() {
			t.Errorf("result is %+v, %+v", got, got.Error)
		}
		want := 0
		if keep {
			want = 2
		}
		if n := len(b.keys(results, "mosaic/")); n != want || len(got.Outputs) != want {
			t.Errorf("%d outputs are left, %d in the result, want %d", n, len(got.Outputs), want)
		}
		if s := b.claim(r.Job).State; s != StateFailed {
			t.Errorf("the job is %s", s)
		}
	}
}

func TestRerender(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(reviewed))
	r := b.inReview("a.mp4")
	b.engine.do = func(ctx context.Context, s ffmpeg.Spec) (ffmpeg.Report, error) {
		switch s.Op {
		case ffmpeg.OpMosaic:
			return ffmpeg.Report{Frames: 50, Output: ffmpeg.Media{Duration: 2, Width: 640, Height: 360}}, os.WriteFile(s.Output, append([]byte("anew "), s.Tracks...), 0o600)
		case ffmpeg.OpDetect:
			return ffmpeg.Report{Detections: noFaces}, nil
		}
		return pictures(s)
	}
	const regions = `{"add":[{"left":0.5,"top":0.5,"width":0.25,"height":0.25}]}`
	for range 2 {
		if err := b.say("m1", `"kind":"rerender","job":%q,"regions":%s`, r.Job, regions); err != nil {
			t.Fatal(err)
		}
	}
	all := b.results(2)
	if mosaic := all[0]; mosaic.ID != r.Job+"-1-2" || mosaic.Status != StatusSucceeded || mosaic.first() != r.first() || mosaic.Outputs[0].ETag == r.Outputs[0].ETag {
		t.Errorf("result is %+v", mosaic)
	}
	if all[1].Kind != KindTranscode || all[1].Status != StatusSucceeded {
		t.Errorf("result is %+v", all[1])
	}
	body, metadata := b.get(results, "mosaic/a.mp4")
	if !strings.HasPrefix(body, "anew ") || !strings.Contains(body, "0.5,0.5,0.25,0.25") || metadata[renderMetadata] != "1" || metadata[jobMetadata] != r.Job {
		t.Errorf("the output is %q with %v", body, metadata)
	}
}

// TestRerenderAgain: what is still not right comes back, as often as it takes.
func TestRerenderAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, steps: [{mosaic: {residual: review}}]}\n"))
	r := b.inReview("a.mp4")
	ids := map[string]bool{r.ID: true}
	b.engine.shows = true
	for i := range 3 {
		if err := b.say(fmt.Sprint("m", i), `"kind":"rerender","job":%q`, r.Job); err != nil {
			t.Fatal(err)
		}
		got := b.one()
		if got.Status != StatusReview || ids[got.ID] {
			t.Errorf("result is %+v", got)
		}
		ids[got.ID] = true
	}
	if err := b.say("m1", `"kind":"rerender","job":%q`, r.Job); err != nil || len(b.published()) != 0 {
		t.Errorf("an old message came again: %v", err)
	}
	if err := b.say("m9", `"kind":"approve","job":%q`, r.Job); err != nil || b.one().Status != StatusSucceeded {
		t.Errorf("approved at last: %v", err)
	}
}

// TestDecideAnywhere: a worker that dies after any step of a decision leaves the rest
// to the next one, and nothing is published twice with different content.
func TestDecideAnywhere(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]string{
		"approve":  `"kind":"approve","job":%q`,
		"reject":   `"kind":"reject","job":%q,"reason":"a face"`,
		"rerender": `"kind":"rerender","job":%q,"regions":{"add":[{"left":0,"top":0,"width":1,"height":1}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, routed("  - {name: all, steps: [{mosaic: {residual: review}}]}\n"))
			r := b.inReview("a.mp4")
			// It can't publish what it did.
			b.sns.set(true)
			if err := b.say("m1", kind, r.Job); err == nil || errors.As(err, new(*Rejection)) {
				t.Fatalf("error is %v", err)
			}
			c := b.claim(r.Job)
			if c.State != StateRunning || !c.Decided("m1") {
				t.Fatalf("the job is %s", c.State)
			}
			// Another worker has the message now, and dies with it.
			c.Owner, c.LeaseEnds, c.MessageID = "dead", time.Now().Add(time.Hour), "m1"
			if err := b.h.claims.save(context.Background(), c); err != nil {
				t.Fatal(err)
			}
			b.sns.set(false)
			if err := b.say("m1", kind, r.Job); !errors.As(err, new(busyError)) {
				t.Errorf("while it is worked: %v", err)
			}
			if err := b.say("m2", `"kind":"approve","job":%q`, r.Job); name != "approve" && !errors.As(err, new(*Rejection)) {
				t.Errorf("the contrary: %v", err)
			}
			c = b.claim(r.Job)
			c.LeaseEnds = time.Now().Add(-time.Minute)
			if err := b.h.claims.save(context.Background(), c); err != nil {
				t.Fatal(err)
			}
			if err := b.say("m1", kind, r.Job); err != nil {
				t.Fatal(err)
			}
			got := b.one()
			if want := map[string]Status{"approve": StatusSucceeded, "reject": StatusFailed, "rerender": StatusSucceeded}[name]; got.Status != want || got.ID != r.Job+"-1-2" {
				t.Errorf("result is %+v", got)
			}
			outputs := b.keys(results, "mosaic/")
			if (len(outputs) == 0) != (name == "reject") {
				t.Errorf("outputs are %v", outputs)
			}
			if got := b.index(); len(got) != 1 {
				t.Errorf("the index is %v", got)
			}
		})
	}
}

// TestDecideRefuses what can't be decided: each is a dead letter that says why, and
// changes nothing.
func TestDecideRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, steps: [{mosaic: {residual: review}}]}\n"))
	review := b.inReview("review.mp4")
	if err := b.handle(created(record("done.mp4", b.put("done.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	done := b.one()
	if err := b.handle(created(record("gone.mp4", "0123", 5)), 1); err != nil {
		t.Fatal(err)
	}
	failed := b.one()
	for _, ca := range []struct{ says, message string }{
		{"there is no job 00000000000000000000000000000000", `"kind":"approve","job":"00000000000000000000000000000000"`},
		{"approve: job " + done.Job + " is succeeded", `"kind":"approve","job":"` + done.Job + `"`},
		{"reject: job " + failed.Job + " is failed", `"kind":"reject","reason":"a","job":"` + failed.Job + `"`},
		{"rerender: job " + done.Job + " is succeeded", `"kind":"rerender","job":"` + done.Job + `"`},
		{"reason: must be", `"kind":"reject","job":"` + review.Job + `"`},
		{`unknown field "ad"`, `"kind":"rerender","regions":{"ad":[]},"job":"` + review.Job + `"`},
	} {
		err := b.say("m", "%s", ca.message)
		if !errors.As(err, new(*Rejection)) || !strings.Contains(err.Error(), ca.says) {
			t.Errorf("%s: error is %v", ca.message, err)
		}
	}
	if all := b.published(); len(all) != 0 || b.claim(review.Job).State != StateReview || b.claim(done.Job).State != StateSucceeded {
		t.Errorf("published %+v", all)
	}
}

// pictures makes as many pictures as are asked for.
func pictures(s ffmpeg.Spec) (ffmpeg.Report, error) {
	var r ffmpeg.Report
	for _, at := range s.At {
		var body bytes.Buffer
		if err := jpeg.Encode(&body, image.NewGray(image.Rect(0, 0, 16, 16)), nil); err != nil {
			return r, err
		}
		name := fmt.Sprintf("%d.jpg", at)
		if err := os.WriteFile(filepath.Join(s.Output, name), body.Bytes(), 0o600); err != nil {
			return r, err
		}
		r.Pictures = append(r.Pictures, ffmpeg.Picture{Name: name, At: at})
	}
	return r, nil
}
