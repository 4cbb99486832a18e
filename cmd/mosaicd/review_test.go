package main

import (
	"encoding/json"
	"image"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/mosaicd/mosaicd/internal/browser"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

// weakly covers faces so that the detector still finds them: with cells that are too fine.
var weakly = []string{"--preset", "ultrafast", "--blocks", "64", "--allow-weak"}

const reviews = "MOSAICD_ROUTES={version: 1, routes: [{name: all, steps: [{mosaic: {residual: review}}, transcode]}]}"

// inReview uploads a video and waits until its job waits for a review.
func (c *cloud) inReview(key string) jobs.Result {
	c.t.Helper()
	c.put(key, video(c.t, shortScene))
	r := c.result()
	if r.Status != jobs.StatusReview || r.Error.Code != "residual_faces" {
		c.t.Fatalf("result is %+v, %+v", r, r.Error)
	}
	return r
}

// TestReview goes the ways out of a review as an operator does.
func TestReview(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.environ = append(c.environ, reviews, "MOSAICD_MEDIACONVERT_ROLE="+demoRole)
	d := c.daemon(weakly...)
	first, second, third := c.inReview("a.mp4"), c.inReview("b.mp4"), c.inReview("c.mp4")

	code, out, stderr := call(t, c.environ, "jobs", "--state", "review", "--output", "json")
	if code != exitDone || strings.Count(out, "\n") != 3 || !strings.Contains(out, first.Job) || !strings.Contains(out, `"error":"residual_faces"`) {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
	if code, _, stderr := call(t, c.environ, "cancel", first.Job); code != exitFailed || !strings.Contains(stderr, "mosaicd reject") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if code, _, stderr := call(t, c.environ, "status", first.Job, "--watch"); code != exitReview || !strings.Contains(stderr, "mosaicd approve") {
		t.Errorf("exit code %d: %s", code, stderr)
	}

	code, out, stderr = call(t, c.environ, "approve", "s3://uploads/a.mp4", "--reason", "a poster", "--wait")
	if code != exitDone || !strings.Contains(out, "state    succeeded") || !strings.Contains(out, "a poster") {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
	for range 2 { // the mosaic and the transcode
		if r := c.result(); r.Job != first.Job || r.Status != jobs.StatusSucceeded {
			t.Errorf("result is %+v", r)
		}
	}
	if code, _, stderr := call(t, c.environ, "approve", first.Job); code != exitDone || !strings.Contains(stderr, "nothing to do") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if code, _, stderr := call(t, c.environ, "rerender", first.Job); code != exitFailed || !strings.Contains(stderr, "is succeeded, and only a job in review") {
		t.Errorf("exit code %d: %s", code, stderr)
	}

	code, out, stderr = call(t, c.environ, "reject", second.Job, "--reason", "a face", "--wait", "--output", "json")
	var record jobs.Claim
	if err := json.Unmarshal([]byte(out), &record); err != nil || code != exitDone || record.State != jobs.StateFailed {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out, stderr)
	}
	if r := c.result(); r.Job != second.Job || r.Status != jobs.StatusFailed || r.Error.Code != jobs.CodeRejected || r.Error.Message != "a face" {
		t.Errorf("result is %+v", r)
	}
	if len(d.lines(t, "output_deleted")) != 1 {
		t.Error("the output was not deleted")
	}

	regions := write(t, "regions.json", `{"add": [{"left": 0, "top": 0, "width": 1, "height": 1}]}`)
	code, out, stderr = call(t, c.environ, "rerender", third.Job, "--regions", regions, "--output", "json")
	if code != exitDone || !strings.Contains(out, third.Job) {
		t.Fatalf("exit code %d\n%s%s", code, out, stderr)
	}
	anew := c.result()
	if anew.Job != third.Job || anew.ID == third.ID || anew.Outputs[0].URI != third.Outputs[0].URI || anew.Outputs[0].ETag == third.Outputs[0].ETag {
		t.Errorf("result is %+v", anew)
	}
	if size(c.get(anew.Outputs[0].URI)) != anew.Outputs[0].Bytes {
		t.Error("the output is not the new one")
	}

	for _, ca := range []struct {
		says string
		args []string
	}{
		{"--reason is missing", []string{"reject", first.Job}},
		{"--regions", []string{"rerender", first.Job, "--regions", "/nowhere.json"}},
		{"unknown field", []string{"rerender", first.Job, "--regions", write(t, "bad.json", `{"ad":[]}`)}},
	} {
		if code, _, stderr := call(t, c.environ, ca.args...); code != exitUsage || !strings.Contains(stderr, ca.says) {
			t.Errorf("%v: exit code %d: %s", ca.args, code, stderr)
		}
	}
	if code, _, stderr := call(t, c.environ, "approve", strings.Repeat("0", 32)); code != exitFailed || !strings.Contains(stderr, "no such job") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if n := c.waiting(c.dead); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

// TestReviewByPage goes the whole way of a review: a page, what a person draws and
// strikes out on it, the file that the page saves, and the video that is made of it.
func TestReviewByPage(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	ctx := browser.Start(t)
	c := newCloud(t)
	c.environ = append(c.environ, "MOSAICD_ROUTES={version: 1, routes: [{name: all, steps: [{mosaic: {residual: review}}]}]}")
	c.daemon(weakly...)
	held := c.inReview("a.mp4")
	before, _ := frames(t, video(t, shortScene))
	first, _ := frames(t, c.get(held.Outputs[0].URI))

	folder := t.TempDir()
	page := filepath.Join(folder, "report.html")
	code, _, stderr := call(t, nil, append([]string{"mosaic", "--verify", "--report", page, video(t, shortScene), filepath.Join(folder, "covered.mp4")}, weakly...)...)
	if code != exitDone {
		t.Fatal(stderr)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1200, 900), chromedp.Navigate("file://"+page)); err != nil {
		t.Fatal(err)
	}
	type rectangle struct{ X, Y, Width, Height float64 }
	shown, err := chromedp.Run(ctx, chromedp.Evaluate[rectangle](`(() => {
		const el = document.querySelector(".shot.after");
		el.scrollIntoView({block: "center"});
		const {x, y, width, height} = el.getBoundingClientRect();
		return {X: x, Y: y, Width: width, Height: height};
	})()`))
	if err != nil {
		t.Fatal(err)
	}
	// Along the lower edge, where no face goes; and face 1 is struck out.
	if err := browser.Drag(ctx, shown.X+0.05*shown.Width, shown.Y+0.86*shown.Height, shown.X+0.95*shown.Width, shown.Y+0.98*shown.Height); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(() => {
		document.querySelector("button[aria-label='strike out face 1']").click();
		return true;
	})()`)); err != nil {
		t.Fatal(err)
	}
	saved := browser.Download(ctx, t, "regions.json", chromedp.Click(chromedp.CSS("#save")))
	regions, err := faces.ParseRegions(saved)
	if err != nil || len(regions.Add) != 1 || len(regions.Except) == 0 {
		t.Fatalf("%v in\n%s", err, saved)
	}
	code, out, stderr := call(t, c.environ, "rerender", "s3://uploads/a.mp4", "--wait", "--regions", write(t, "regions.json", string(saved)))
	if code != exitReview { // faces are still found, as the covers are as weak as before
		t.Fatalf("exit code %d\n%s%s", code, out, stderr)
	}
	anew := c.result()
	if anew.ID != held.Job+"-1-2" || anew.Outputs[0].URI != held.Outputs[0].URI {
		t.Errorf("result is %+v", anew)
	}
	second, _ := frames(t, c.get(anew.Outputs[0].URI))
	if len(second) != len(before) || len(first) != len(before) {
		t.Fatalf("%d and %d frames of %d", len(first), len(second), len(before))
	}
	// The middles of what was drawn, and of what is not covered any more.
	in := func(b faces.Box) func(image.Point) bool {
		w, h := float64(shortScene.Size.X), float64(shortScene.Size.Y)
		r := image.Rect(int(b.Left*w), int(b.Top*h), int((b.Left+b.Width)*w), int((b.Top+b.Height)*h)).Inset(12)
		return func(p image.Point) bool { return p.In(r) }
	}
	middle := len(before) / 2
	drawn := in(regions.Add[0].Box)
	if was, is := difference(before[middle], first[middle], drawn), difference(before[middle], second[middle], drawn); is < 2*was {
		t.Errorf("what was drawn differs from the source by %.1f, before by %.1f", is, was)
	}
	struck := in(regions.Except[0].Box)
	if was, is := difference(before[middle], first[middle], struck), difference(before[middle], second[middle], struck); was < 1.3*is {
		t.Errorf("what was struck out differs from the source by %.1f, before by %.1f", is, was)
	}
}

// TestReviewOutlivesAWorker: the worker that renders anew is killed, and the next one
// does what was decided.
func TestReviewOutlivesAWorker(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	c := newCloud(t)
	c.environ = append(c.environ, "MOSAICD_ROUTES={version: 1, routes: [{name: all, steps: [{mosaic: {residual: review}}]}]}")
	weak := c.daemon(weakly...)
	held := c.inReview("a.mp4")
	stop(t, weak)
	regions := write(t, "regions.json", `{"add": [{"left": 0, "top": 0, "width": 1, "height": 1}]}`)
	if code, _, stderr := call(t, c.environ, "rerender", held.Job, "--regions", regions); code != exitDone {
		t.Fatal(stderr)
	}
	first := c.daemon(slowly...)
	first.engine(t)
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.daemon("--preset", "ultrafast")
	anew := c.result()
	if anew.ID != held.Job+"-1-2" || anew.Outputs[0].URI != held.Outputs[0].URI || anew.Outputs[0].ETag == held.Outputs[0].ETag {
		t.Errorf("result is %+v", anew)
	}
	code, out, stderr := call(t, c.environ, "status", "s3://uploads/a.mp4", "--json")
	var record jobs.Claim
	if err := json.Unmarshal([]byte(out), &record); err != nil || code != exitDone || !record.State.Ended() || len(record.Steps[0].Decisions) != 1 {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out, stderr)
	}
}
