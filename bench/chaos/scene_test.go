package main

import (
	"image"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/libav"
)

// TestReadScene: the reader tells what the chaos promises: which upload a video is,
// that its face is covered, and that nothing else is.
func TestReadScene(t *testing.T) {
	t.Parallel()
	s := scene{key: 49, version: 700}
	if next := (scene{key: 49, version: 701}); next.slot() == s.slot() {
		t.Error("the face of the next version is at the same place")
	}
	for name, c := range map[string]struct {
		grey []int // slots
		want string
	}{
		"nothing":                  {nil, "is not covered"},
		"the face":                 {[]int{s.slot()}, ""},
		"another place":            {[]int{(s.slot() + 1) % 8}, "covered"},
		"the face, another place":  {[]int{s.slot(), (s.slot() + 3) % 8}, "what is no face"},
		"everything but the codes": {[]int{0, 1, 2, 3, 4, 5, 6, 7}, "what is no face"},
	} {
		path := filepath.Join(t.TempDir(), "x.mp4")
		w, err := libav.NewWriter(path, ffmpeg.Formats[".mp4"], sceneSize, sceneRate, ffmpeg.Video{Preset: "ultrafast", CRF: 20})
		if err != nil {
			t.Fatal(err)
		}
		p := s.picture()
		for _, slot := range c.grey {
			fill(p, face(slot))
		}
		for range sceneFrames {
			if err := w.Picture(p); err != nil {
				t.Fatal(err)
			}
			if err := w.Sound(make([]float32, libav.SampleRate/sceneRate)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := readScene(path)
		if c.want == "" && (err != nil || got != s) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func fill(p *image.YCbCr, r image.Rectangle) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			p.Y[p.YOffset(x, y)] = (dark + bright) / 2
		}
	}
}
