package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/sample"
	"github.com/mosaicd/mosaicd/jobs"
)

// crossingScene is two who change places: the second passes before the first.
var crossingScene = sample.Scene{Size: image.Pt(640, 360), Rate: 25, Length: 4 * time.Second, Crossing: true}

func portrait(t *testing.T, head int) string {
	t.Helper()
	body, err := sample.Portrait(head)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, fmt.Sprintf("%d.png", head), string(body))
}

// TestDaemonCoversStrangers: of two who cross, one of whom is in the collection,
// the other one is covered on every frame.
func TestDaemonCoversStrangers(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	code, out, stderr := call(t, c.environ, "faces", "add", "staff", "anna", portrait(t, 0))
	if code != exitDone || !strings.Contains(out, "anna") {
		t.Fatalf("exit code %d\n%s%s", code, out, stderr)
	}
	d := c.daemon("--detector", "rekognition", "--collection", "staff", "--cover", "strangers", "--style", "fill", "--preset", "ultrafast", "--crf", "10", "--sheet")
	source := video(t, crossingScene)
	c.put("a.mp4", source)
	r := c.result()
	if r.Status != jobs.StatusSucceeded {
		t.Fatalf("result is %+v, %+v", r, r.Error)
	}
	stop(t, d)
	if r.Stats.Residual.Faces > 0 {
		t.Errorf("the listed face counts as still found: %+v", r.Stats.Residual)
	}
	if sheet := r.Outputs[len(r.Outputs)-1]; len(r.Outputs) != 2 || sheet.Kind != "sheet" || sheet.URI != r.Outputs[0].URI+".sheet.png" || size(c.get(sheet.URI)) != sheet.Bytes {
		t.Errorf("outputs are %+v", r.Outputs)
	}

	before, at := frames(t, source)
	after, _ := frames(t, c.get(r.Outputs[0].URI))
	shown := 0
	for i := range before {
		faces := crossingScene.Faces(at[i])
		listed, stranger := faces[0], faces[1]
		black := image.NewGray(after[i].Rect)
		features := stranger.Inset(stranger.Dx() / 8)
		if d := difference(after[i], black, func(p image.Point) bool { return p.In(features) }); d > 24 {
			t.Errorf("frame at %s: the stranger shows, %.1f above black", at[i], d)
		}
		if max(listed.Min.X-stranger.Max.X, stranger.Min.X-listed.Max.X) < 2*stranger.Dx() {
			continue // near the stranger's cover
		}
		shown++
		if d := difference(before[i], after[i], func(p image.Point) bool { return p.In(listed) }); d > 4 {
			t.Errorf("frame at %s: the listed face differs by %.1f", at[i], d)
		}
	}
	if shown < 10 {
		t.Errorf("the listed face is away from the other on %d frames only", shown)
	}
}

// TestFacesCommands: what a person does to a collection, and what messages do.
func TestFacesCommands(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("looking for faces takes very long with the race detector")
	}
	c := newCloud(t)
	anna, ben := portrait(t, 0), portrait(t, 1)
	for _, ca := range []struct {
		args string
		code int
		says string
	}{
		{"list staff", exitFailed, "staff does not exist"},
		{"add staff anna " + anna, exitDone, "anna  " + anna},
		{"add staff anna " + anna, exitDone, "anna"}, // again: it is one face
		{"add staff ben " + ben, exitDone, "ben"},
		{"add staff carl " + write(t, "none.png", string(plainPNG(t))), exitFailed, "no face is found in"},
		{"add staff carl " + write(t, "text.png", "text"), exitFailed, "invalid image format"},
		{"add staff carl " + filepath.Join(t.TempDir(), "missing.png"), exitFailed, "IMAGE: stat"},
		{"add no/staff carl " + anna, exitUsage, "COLLECTION: collection: must be"},
		{"add staff carlé " + anna, exitUsage, "EXTERNAL_ID: externalId: must be"},
		{"add staff all " + group(t), exitFailed, "3 faces are found in"},
		{"remove staff carl", exitFailed, "collection staff has no face of carl"},
		{"remove staff ben", exitDone, "ben"},
	} {
		code, out, stderr := call(t, c.environ, append([]string{"faces"}, strings.Fields(ca.args)...)...)
		if code != ca.code || !strings.Contains(out+stderr, ca.says) {
			t.Errorf("%s: exit code %d\n%s%s", ca.args, code, out, stderr)
		}
	}
	_, out, _ := call(t, c.environ, "faces", "list", "staff")
	if strings.Count(out, "\n") != 1 || !strings.Contains(out, "anna") {
		t.Errorf("the list is\n%s", out)
	}

	d := c.daemon()
	c.put("ben.png", ben)
	c.put("group.png", group(t))
	for _, ca := range []struct {
		body   string
		status jobs.Status
		faces  []string
	}{
		{`{"version":1,"kind":"faces-add","collection":"guests","externalId":"ben","images":["s3://uploads/ben.png"]}`, jobs.StatusSucceeded, []string{"ben"}},
		{`{"version":1,"kind":"faces-add","collection":"guests","externalId":"all","images":["s3://uploads/ben.png","s3://uploads/group.png"]}`, jobs.StatusFailed, nil},
		{`{"version":1,"kind":"faces-list","collection":"guests"}`, jobs.StatusSucceeded, []string{"ben"}},
		{`{"version":1,"kind":"faces-remove","collection":"guests","externalId":"ben"}`, jobs.StatusSucceeded, []string{"ben"}},
		{`{"version":1,"kind":"faces-list","collection":"guests"}`, jobs.StatusSucceeded, nil},
		{`{"version":1,"kind":"faces-list","collection":"nobody"}`, jobs.StatusFailed, nil},
	} {
		if _, err := c.sqs.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &c.queue, MessageBody: &ca.body}); err != nil {
			t.Fatal(err)
		}
		r := c.result()
		var names []string
		for _, f := range r.Faces {
			names = append(names, f.ExternalID)
		}
		if r.Status != ca.status || !slices.Equal(names, ca.faces) || r.Status == jobs.StatusFailed && r.Error.Code != jobs.CodeCollection {
			t.Errorf("%s: result is %+v, %+v", ca.body, r, r.Error)
		}
	}
	stop(t, d)
}

func plainPNG(t *testing.T) []byte {
	t.Helper()
	var body bytes.Buffer
	if err := png.Encode(&body, image.NewGray(image.Rect(0, 0, 200, 200))); err != nil {
		t.Fatal(err)
	}
	return body.Bytes()
}

// group is a picture of three.
func group(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "group.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	enough := errors.New("one is enough")
	_, err = libav.Watch(context.Background(), video(t, shortScene), libav.Look{}, func(_ time.Duration, p image.Image) error {
		return errors.Join(enough, png.Encode(f, p))
	}, nil)
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	return path
}
