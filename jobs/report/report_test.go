package report

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/image/draw"

	"github.com/mosaicd/mosaicd/jobs/faces"
)

func plain(t *testing.T, width, height int, c color.Color) []byte {
	t.Helper()
	p := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(p, p.Rect, image.NewUniform(c), image.Point{}, draw.Src)
	var body bytes.Buffer
	if err := jpeg.Encode(&body, p, nil); err != nil {
		t.Fatal(err)
	}
	return body.Bytes()
}

func track(from, to int, box faces.Box) faces.Track {
	return faces.Track{{At: time.Duration(from) * time.Millisecond, Box: box}, {At: time.Duration(to) * time.Millisecond, Box: box}}
}

func detection(at int, box faces.Box) faces.Detection {
	return faces.Detection{At: time.Duration(at) * time.Millisecond, Box: box, Person: faces.NoPerson}
}

// example has two faces, a region, and one face that is still found.
func example(t *testing.T) Report {
	t.Helper()
	before, after := plain(t, 160, 90, color.RGBA{0, 0, 200, 255}), plain(t, 160, 90, color.RGBA{0, 160, 0, 255})
	r := Report{
		Source: "<script>alert(1)</script>.mp4", Output: "out & about.mp4", Made: time.Unix(0, 0).UTC(), Version: "v1", Detector: "builtin",
		Duration: 10 * time.Second, Width: 160, Height: 90, Frames: 250, FramesCovered: 200,
		Settings: []Setting{{"style", "mosaic"}, {"blocks", "8"}},
		Tracks:   faces.Tracks{track(0, 5000, faces.Box{Left: 0.1, Top: 0.2, Width: 0.2, Height: 0.4}), track(4000, 9000, faces.Box{Left: 0.6, Top: 0.05, Width: 0.3, Height: 0.3})},
		Regions:  faces.Regions{Add: []faces.Region{{Box: faces.Box{Left: 0, Top: 0.8, Width: 0.5, Height: 0.2}, Span: faces.Span{Start: 8 * time.Second, End: 1000 * time.Hour}}}},
		Verified: true, Residual: []faces.Detection{detection(4250, faces.Box{Left: 0.5, Top: 0.5, Width: 0.1, Height: 0.2})},
	}
	for _, at := range Moments(r.Duration, r.Tracks, r.Residual, 24) {
		r.Moments = append(r.Moments, Moment{at, before, after})
	}
	return r
}

func TestMoments(t *testing.T) {
	t.Parallel()
	box := faces.Box{Width: 1, Height: 1}
	const video = 100 * time.Second
	many := make(faces.Tracks, 500)
	for i := range many {
		many[i] = track(i*200, i*200+5000, box)
	}
	var found []faces.Detection
	for i := range 400 {
		found = append(found, detection(i*250, box))
	}
	for name, c := range map[string]struct {
		tracks   faces.Tracks
		residual []faces.Detection
		has      []time.Duration
		most     int
	}{
		"nothing":        {nil, nil, nil, 24},
		"still found":    {faces.Tracks{track(0, 90_000, box)}, []faces.Detection{detection(4250, box), detection(70_100, box)}, []time.Duration{4250 * time.Millisecond, 70_100 * time.Millisecond, 45 * time.Second}, 24},
		"many":           {many, found, nil, 24},
		"beyond the end": {faces.Tracks{track(99_000, 400_000, box)}, []faces.Detection{detection(200_000, box)}, []time.Duration{video}, 24},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Moments(video, c.tracks, c.residual, c.most)
			if len(got) < 12 || len(got) > c.most || !slices.IsSorted(got) || got[0] < 0 || got[len(got)-1] > video {
				t.Errorf("moments are %v", got)
			}
			for i := 1; i < len(got); i++ {
				if got[i]-got[i-1] < apart {
					t.Errorf("%s and %s are too near", got[i-1], got[i])
				}
			}
			for _, at := range c.has {
				if !slices.Contains(got, at) {
					t.Errorf("%s is not among %v", at, got)
				}
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Report){
		"2 faces covered in 200 of 250 frames. A second look still found faces once, first at 0:04.25: look there first.": func(*Report) {},
		"1 face covered in 200 of 250 frames. A second look at the output found none.":                                    func(r *Report) { r.Tracks, r.Residual = r.Tracks[:1], nil },
		"No face was found. Nobody looked at the output again.":                                                           func(r *Report) { r.Tracks, r.Regions, r.Verified = nil, faces.Regions{}, false },
		"No face was found. Own regions are covered in 200 of 250 frames. Nobody looked at the output again.":             func(r *Report) { r.Tracks, r.Verified = nil, false },
	} {
		r := example(t)
		change(&r)
		if got := r.Verdict(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestPageHoldsEverything(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	if err := example(t).WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"&lt;script&gt;alert(1)&lt;/script&gt;.mp4", "out &amp; about.mp4", "treat this page like the source", "0:04.25", "region 1"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("%s is not in it", want)
		}
	}
	for _, never := range []string{"<script>alert", "http:", "https:", "//", "@import", "ZgotmplZ"} {
		if i := strings.Index(strings.ReplaceAll(page.String(), "base64,/9j/", ""), never); i >= 0 && never != "//" {
			t.Errorf("%s is in it", never)
		}
	}
	var none strings.Builder
	if err := (Report{Source: "a"}).WriteHTML(&none); err != nil || !strings.Contains(none.String(), "Nothing is covered") {
		t.Errorf("of nothing: %v", err)
	}
}

func TestSheet(t *testing.T) {
	t.Parallel()
	r := example(t)
	got, err := r.Sheet(160)
	if err != nil {
		t.Fatal(err)
	}
	const columns = 4
	rows := (len(r.Moments) + columns - 1) / columns
	if want := image.Rect(0, 0, gap+columns*(160+gap), gap+rows*(90+caption+gap)); got.Rect != want {
		t.Fatalf("sheet is %v, want %v", got.Rect, want)
	}
	for i, m := range r.Moments {
		corner := image.Pt(gap+i%columns*(160+gap), gap+i/columns*(90+caption+gap))
		for at, c := range map[image.Point]struct {
			shown bool
			want  color.RGBA
		}{
			{16 + 2, 40}: {m.At <= 5*time.Second, mine},                          // left edge of face 1
			{80 + 2, 54}: {m.At == 4250*time.Millisecond, alarm},                 // left edge of what is still found
			{20, 72 + 2}: {m.At >= 8*time.Second, mine},                          // top of the region
			{96 + 2, 20}: {m.At >= 4*time.Second && m.At <= 9*time.Second, mine}, // left edge of face 2
		} {
			if got := got.RGBAAt(corner.X+at.X, corner.Y+at.Y); (got == c.want) != c.shown {
				t.Errorf("at %s, pixel %v is %v", m.At, at, got)
			}
		}
	}
	if _, err := (Report{}).Sheet(160); err == nil {
		t.Error("a sheet of nothing was drawn")
	}
	r.Moments[3].After = []byte("no JPEG")
	if _, err := r.Sheet(160); err == nil || !strings.Contains(err.Error(), "the picture at") {
		t.Errorf("error is %v", err)
	}
}
