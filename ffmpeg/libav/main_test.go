package libav

import (
	"context"
	"errors"
	"image"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

func TestMain(m *testing.M) {
	Quiet()
	goleak.VerifyTestMain(m)
}

// still covers the same rectangles all the time, given in pixels as displayed.
type still []image.Rectangle

func (s still) At(time.Duration, int, int) []image.Rectangle {
	return append([]image.Rectangle(nil), s...)
}

// hamilton is real footage: its video starts 0.85 s after its sound.
func hamilton(t testing.TB) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "media", "hamilton.mp4")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no real footage here: %v", err)
	}
	return path
}

// mosaic runs Mosaic on a file and returns the output's path.
func mosaic(t testing.TB, source, outputName string, covers Covers) (string, ffmpeg.Report) {
	t.Helper()
	output := filepath.Join(t.TempDir(), outputName)
	report, err := Mosaic(context.Background(), specOf(source, output), covers, nil)
	if err != nil {
		t.Fatal(err)
	}
	return output, report
}

func specOf(source, output string) ffmpeg.Spec {
	return ffmpeg.Spec{
		Op: ffmpeg.OpMosaic, Input: source, Output: output, Format: ffmpeg.Formats[filepath.Ext(output)],
		Style: "mosaic", Blocks: 8, Video: ffmpeg.Video{Preset: "ultrafast", CRF: 12},
	}
}

// pictures returns every frame as shown, with its time.
func pictures(t testing.TB, path string) (all []*image.RGBA, at []time.Duration) {
	t.Helper()
	_, err := Watch(context.Background(), path, Look{}, func(when time.Duration, p image.Image) error {
		all, at = append(all, p.(*image.RGBA)), append(at, when)
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return all, at
}

// psnr of the pixels where is true for, in decibels, over red, green and blue.
func psnr(a, b *image.RGBA, where func(image.Point) bool) float64 {
	var sum, n float64
	for y := range a.Rect.Dy() {
		for x := range a.Rect.Dx() {
			if !where(image.Pt(x, y)) {
				continue
			}
			i, j := a.PixOffset(x, y), b.PixOffset(x, y)
			for c := range 3 {
				d := float64(a.Pix[i+c]) - float64(b.Pix[j+c])
				sum += d * d
				n++
			}
		}
	}
	if sum == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(255*255*n/sum)
}

// checkCovered fails where a picture is not like the source outside the
// rectangles, or too much like it inside one.
func checkCovered(t *testing.T, before, after *image.RGBA, rects []image.Rectangle) {
	t.Helper()
	if before.Rect != after.Rect {
		t.Fatalf("picture is %v, the source's %v", after.Rect, before.Rect)
	}
	near := func(p image.Point) bool { // what the encoder smears, and the rounding to chroma
		for _, r := range rects {
			if p.In(r.Inset(-8)) {
				return true
			}
		}
		return false
	}
	if v := psnr(before, after, func(p image.Point) bool { return !near(p) }); v < 33 {
		t.Errorf("outside the covers: %.1f dB", v)
	}
	for _, r := range rects {
		if v := psnr(before, after, func(p image.Point) bool { return p.In(r.Inset(2)) }); v > 27 {
			t.Errorf("under the cover %v: %.1f dB: it shows", r, v)
		}
	}
}

func codeOf(err error) ffmpeg.Code {
	var e *ffmpeg.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
