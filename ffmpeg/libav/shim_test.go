package libav

import (
	"context"
	"errors"
	"image"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/judge"
)

// TestPointersOfAstiav holds what shim.go relies on: structs of one field, which
// is the C pointer.
func TestPointersOfAstiav(t *testing.T) {
	t.Parallel()
	for _, ca := range []struct {
		of   reflect.Type
		name string
	}{
		{reflect.TypeFor[astiav.FormatContext](), "AVFormatContext"},
		{reflect.TypeFor[astiav.Stream](), "AVStream"},
		{reflect.TypeFor[astiav.CodecParameters](), "AVCodecParameters"},
	} {
		if ca.of.NumField() != 1 || ca.of.Field(0).Type.Kind() != reflect.Pointer ||
			!strings.HasSuffix(ca.of.Field(0).Type.Elem().Name(), ca.name) {
			t.Errorf("%s is not one pointer to %s any more: see shim.go", ca.of, ca.name)
		}
	}
}

func TestVersionIsThePinnedOne(t *testing.T) {
	t.Parallel()
	lines := strings.Join(Version(), "\n")
	for _, want := range []string{"FFmpeg 7.1.", "libavformat 61.", "license GPL", "--disable-network", "--disable-everything"} {
		if !strings.Contains(lines, want) {
			t.Errorf("%q is not in\n%s", want, lines)
		}
	}
}

// TestOrientation turns a known point by each matrix and back.
func TestOrientation(t *testing.T) {
	t.Parallel()
	const width, height = 40, 20
	corner := image.Rect(0, 0, 4, 2) // coded, upper left
	for _, ca := range []struct {
		o     orientation
		shown image.Rectangle
	}{
		{upright, image.Rect(0, 0, 4, 2)},
		{orientation{a: 0, b: 1, c: -1, d: 0}, image.Rect(18, 0, 20, 4)},    // a quarter clockwise: upper right
		{orientation{a: -1, b: 0, c: 0, d: -1}, image.Rect(36, 18, 40, 20)}, // lower right
		{orientation{a: 0, b: -1, c: 1, d: 0}, image.Rect(0, 36, 2, 40)},    // lower left
		{orientation{a: -1, b: 0, c: 0, d: 1}, image.Rect(36, 0, 40, 2)},    // mirrored
	} {
		if got := ca.o.toCoded(ca.shown, width, height); got != corner {
			t.Errorf("%+v: %v is coded at %v, want %v", ca.o, ca.shown, got, corner)
		}
		pix := make([]byte, width*height)
		for y := corner.Min.Y; y < corner.Max.Y; y++ {
			for x := corner.Min.X; x < corner.Max.X; x++ {
				pix[y*width+x] = 1
			}
		}
		shownWidth, shownHeight := ca.o.display(width, height)
		shown := ca.o.show(pix, width, height, 1)
		for y := range shownHeight {
			for x := range shownWidth {
				if got, want := shown[y*shownWidth+x] == 1, image.Pt(x, y).In(ca.shown); got != want {
					t.Fatalf("%+v: pixel %d,%d is %v", ca.o, x, y, got)
				}
			}
		}
	}
}

func TestChapters(t *testing.T) {
	t.Parallel()
	chapters := filepath.Join(t.TempDir(), "chapters.txt")
	err := os.WriteFile(chapters, []byte(";FFMETADATA1\n"+
		"[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=First\n"+
		"[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1500\ntitle=Second\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	source := judge.Make(t, "chapters.mkv", "-i", testPattern(t, "a.mkv"), "-i", chapters, "-map", "0", "-map_chapters", "1", "-c", "copy")
	for _, name := range []string{"out.mkv", "out.mp4"} {
		output, _ := mosaic(t, source, name, still{box})
		about := judge.About(t, output)
		for _, want := range []string{"Chapter #0:0: start 0.000000, end 0.500000", "Chapter #0:1: start 0.500000, end 1.500000", ": Second"} {
			if !strings.Contains(about, want) {
				t.Errorf("%s: %q is not in\n%s", name, want, about)
			}
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	source := testPattern(t, "a.mp4", "-bf", "3")
	var at []time.Duration
	report, err := Watch(context.Background(), source, Look{Every: 250 * time.Millisecond, MaxSide: 160, Gray: true},
		func(when time.Duration, p image.Image) error {
			if gray, ok := p.(*image.Gray); !ok || gray.Rect != image.Rect(0, 0, 160, 120) {
				t.Errorf("picture is %T %v", p, p.Bounds())
			}
			at = append(at, when.Round(time.Millisecond))
			return nil
		}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{0, 280, 520, 760, 1000, 1280, 1480} // on the grid, rounded up to frames of 40 ms; and the last
	if len(at) < len(want) {
		t.Fatalf("pictures at %v", at)
	}
	for i, w := range want {
		if w *= time.Millisecond; i < len(want)-1 && at[i] != w {
			t.Errorf("picture %d at %v, want %v", i, at[i], w)
		}
	}
	if last := at[len(at)-1]; report.Frames < 37 || last != time.Duration(report.Frames-1)*40*time.Millisecond {
		t.Errorf("last picture at %v of %d frames", last, report.Frames)
	}
}

func TestWatchAt(t *testing.T) {
	t.Parallel()
	source := testPattern(t, "a.mp4") // 25 frames a second
	for name, c := range map[string]struct{ at, want []time.Duration }{
		"first frame from then on": {[]time.Duration{0, 50 * time.Millisecond, 400 * time.Millisecond}, []time.Duration{0, 80 * time.Millisecond, 400 * time.Millisecond}},
		"two of one frame":         {[]time.Duration{41 * time.Millisecond, 42 * time.Millisecond}, []time.Duration{80 * time.Millisecond}},
		"after the last":           {[]time.Duration{time.Hour}, []time.Duration{last(t, source)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []time.Duration
			_, err := Watch(context.Background(), source, Look{At: c.at, MaxSide: 64}, func(at time.Duration, _ image.Image) error {
				got = append(got, at)
				return nil
			}, nil)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("shown at %v, %v; want %v", got, err, c.want)
			}
		})
	}
}

// last is the time of a video's last frame.
func last(t *testing.T, path string) (at time.Duration) {
	t.Helper()
	_, err := Watch(context.Background(), path, Look{MaxSide: 16}, func(when time.Duration, _ image.Image) error {
		at = when
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestWatchPassesErrorsOn(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	_, err := Watch(context.Background(), testPattern(t, "a.mp4"), Look{}, func(time.Duration, image.Image) error { return enough }, nil)
	if !errors.Is(err, enough) {
		t.Errorf("error is %v", err)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	got, err := Probe(testPattern(t, "a.mkv"))
	if err != nil {
		t.Fatal(err)
	}
	got.Duration = float64(int(got.Duration*10)) / 10
	got.FileDuration = float64(int(got.FileDuration*10)) / 10
	want := ffmpeg.Media{Format: "matroska,webm", Duration: 1.5, FileDuration: 1.5, Codec: "h264", Pixels: "yuv420p", Width: 320, Height: 240, FrameRate: 25, Streams: 2}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := Probe(filepath.Join(t.TempDir(), "missing")); err == nil || codeOf(err) != "" {
		t.Errorf("a missing file: %v", err)
	}
}
