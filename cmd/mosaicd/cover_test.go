package main

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/judge"
)

// frames returns every frame of a video as shown, in gray, with its time.
func frames(t *testing.T, path string) (all []*image.Gray, at []time.Duration) {
	t.Helper()
	_, err := libav.Watch(context.Background(), path, libav.Look{Gray: true}, func(when time.Duration, p image.Image) error {
		all, at = append(all, p.(*image.Gray)), append(at, when)
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return all, at
}

// difference is the mean absolute difference of two pictures where inside is
// true for, in steps of 0 to 255.
func difference(a, b *image.Gray, inside func(image.Point) bool) float64 {
	sum, n := 0, 0
	for y := range a.Rect.Dy() {
		for x := range a.Rect.Dx() {
			if inside(image.Pt(x, y)) {
				d := int(a.Pix[y*a.Stride+x]) - int(b.Pix[y*b.Stride+x])
				sum += max(d, -d)
				n++
			}
		}
	}
	return float64(sum) / float64(max(n, 1))
}

// TestEveryFaceIsCovered: on every frame of a video whose faces are known, each
// face is changed beyond recognition and the ground is not.
func TestEveryFaceIsCovered(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	source, folder := video(t, shortScene), t.TempDir()
	detections := filepath.Join(folder, "faces.json")
	if err := os.WriteFile(detections, shortScene.Detections(500*time.Millisecond), 0o600); err != nil {
		t.Fatal(err)
	}
	before, at := frames(t, source)
	for _, args := range [][]string{{"--detections", detections}, {"--detector", "builtin"}, {"--detections", detections, "--style", "blur"}, {"--detections", detections, "--style", "fill"}} {
		t.Run(strings.Join(args[len(args)-2:], " "), func(t *testing.T) {
			t.Parallel()
			output := filepath.Join(t.TempDir(), "out.mp4")
			if code, _, stderr := call(t, nil, append([]string{"mosaic", source, output, "--preset", "ultrafast", "--crf", "10"}, args...)...); code != exitDone {
				t.Fatal(stderr)
			}
			after, _ := frames(t, output)
			if len(after) != len(before) {
				t.Fatalf("%d frames of %d", len(after), len(before))
			}
			for i := range before {
				faces := shortScene.Faces(at[i])
				for k, face := range faces {
					// The middle of the face, where eyes, nose and mouth are.
					features := face.Inset(face.Dx() / 5)
					if d := difference(before[i], after[i], func(p image.Point) bool { return p.In(features) }); d < 8 {
						t.Errorf("frame at %s: face %d differs by %.1f only", at[i], k, d)
					}
				}
				away := func(p image.Point) bool {
					return !slices.ContainsFunc(faces, func(f image.Rectangle) bool { return p.In(f.Inset(-f.Dx())) })
				}
				if d := difference(before[i], after[i], away); d > 2 {
					t.Errorf("frame at %s: the ground differs by %.1f", at[i], d)
				}
			}
		})
	}
}

// TestMosaicCommandOnRealFootage is the main job on a file from the field: its
// video starts 0.85 s after its sound.
func TestMosaicCommandOnRealFootage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("looking for faces takes very long with the race detector")
	}
	source := hamilton(t)
	folder := t.TempDir()
	detections, output := filepath.Join(folder, "d.json"), filepath.Join(folder, "out.mp4")
	// One box that moves right by a tenth of the picture each second.
	left := func(t time.Duration) float64 { return 0.05 + 0.05*t.Seconds() }
	var entries []string
	for at := time.Duration(0); at < 10*time.Second; at += 500 * time.Millisecond {
		entries = append(entries, fmt.Sprintf(`{"Timestamp":%d,"Face":{"BoundingBox":{"Left":%f,"Top":0.2,"Width":0.2,"Height":0.5}}}`, at.Milliseconds(), left(at)))
	}
	if err := os.WriteFile(detections, []byte(`{"JobStatus":"SUCCEEDED","Faces":[`+strings.Join(entries, ",")+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := call(t, nil, "mosaic", "--detections", detections, "--style", "fill", "--margin", "0", "--preset", "ultrafast", "--crf", "10", source, output); code != exitDone {
		t.Fatal(stderr)
	}
	got, want := judge.Packets(t, output, "0:a"), judge.Packets(t, source, "0:a")
	if !slices.Equal(judge.Hashes(got), judge.Hashes(want)) || !slices.Equal(judge.Times(got), judge.Times(want)) {
		t.Error("sound packets or their times differ from the source's")
	}
	if got, want := judge.Times(judge.Frames(t, output)), judge.Times(judge.Frames(t, source)); !slices.Equal(got, want) {
		t.Error("the times of frames differ from the source's")
	}
	after, at := frames(t, output)
	for i, picture := range after {
		box := image.Rect(int(math.Ceil(left(at[i])*640)), 72, int((left(at[i])+0.2)*640), 252).Inset(4)
		black := image.NewGray(picture.Rect)
		if d := difference(picture, black, func(p image.Point) bool { return p.In(box) }); d > 20 {
			t.Errorf("frame at %s: the box shows, %.1f above black", at[i], d)
		}
	}
}

// TestMosaicCommandWithRegions: a rectangle of a person's own, for half a second.
func TestMosaicCommandWithRegions(t *testing.T) {
	t.Parallel()
	source, output := video(t, shortScene), filepath.Join(t.TempDir(), "out.mp4")
	regions := write(t, "regions.json", `{"add":[{"left":0.25,"top":0.25,"width":0.5,"height":0.5,"end":0.5}],"only":[{"start":0.9}]}`)
	if code, _, stderr := call(t, nil, "mosaic", "--regions", regions, "--style", "fill", "--preset", "ultrafast", "--crf", "10", source, output); code != exitDone {
		t.Fatal(stderr)
	}
	before, _ := frames(t, source)
	after, at := frames(t, output)
	box := image.Rect(160, 90, 480, 270).Inset(4)
	for i, picture := range after {
		black := difference(picture, image.NewGray(picture.Rect), func(p image.Point) bool { return p.In(box) })
		changed := difference(picture, before[i], func(p image.Point) bool { return true })
		switch {
		case at[i] <= 500*time.Millisecond && black > 20:
			t.Errorf("frame at %s: the rectangle shows, %.1f above black", at[i], black)
		case at[i] > 500*time.Millisecond && at[i] < 900*time.Millisecond && changed > 3:
			t.Errorf("frame at %s differs by %.1f", at[i], changed)
		case at[i] > 920*time.Millisecond && changed < 3:
			t.Errorf("frame at %s: the faces aren't covered", at[i])
		}
	}
	if code, _, stderr := call(t, nil, "mosaic", "--regions", write(t, "bad.json", `{"add":[{}]}`), source, output); code != exitUsage || !strings.Contains(stderr, "add[0]") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// TestMosaicCommandReports: a page and a sheet beside the output, of any file.
func TestMosaicCommandReports(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	folder := t.TempDir()
	output, page, sheet := filepath.Join(folder, "out.mp4"), filepath.Join(folder, "report.html"), filepath.Join(folder, "sheet.png")
	if code, _, stderr := call(t, nil, "mosaic", video(t, shortScene), output, "--preset", "ultrafast", "--verify", "--report", page, "--sheet", sheet); code != exitDone {
		t.Fatal(stderr)
	}
	body, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"covered in 25 of 25 frames. A second look at the output", "data:image/jpeg;base64,", "face 3", "mosaicd " + version} {
		if !strings.Contains(string(body), want) {
			t.Errorf("%s is not in the page", want)
		}
	}
	f, err := os.Open(sheet)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if drawn, err := png.Decode(f); err != nil || drawn.Bounds().Dx() < 600 {
		t.Errorf("the sheet is %v, %v", drawn, err)
	}
	// Once more, over all three.
	args := []string{"mosaic", video(t, shortScene), output, "--preset", "ultrafast", "--detector", "none", "--report", page, "--sheet", sheet}
	if code, _, stderr := call(t, nil, append(args, "--overwrite")...); code != exitDone {
		t.Fatal(stderr)
	}
	if body, err = os.ReadFile(page); err != nil || strings.Contains(string(body), "covered in 25 of 25 frames") {
		t.Errorf("the page was not replaced: %v", err)
	}
	if code, _, stderr := call(t, nil, "mosaic", video(t, shortScene), output, "--overwrite", "--report", folder+"/no/where.html"); code != exitFailed || !strings.Contains(stderr, "--report: its folder") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
