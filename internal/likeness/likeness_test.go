package likeness

import (
	"context"
	"image"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/internal/sample"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

// TestSimilarity: the demo's three heads are told apart, also after the encoder.
func TestSimilarity(t *testing.T) {
	t.Parallel()
	l, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := sample.Default
	path := filepath.Join(t.TempDir(), "a.mp4")
	if err := s.Write(path); err != nil {
		t.Fatal(err)
	}
	heads := map[int][][]float32{}
	_, err = libav.Watch(context.Background(), path, libav.Look{Every: 250 * time.Millisecond, MaxSide: 640}, func(at time.Duration, picture image.Image) error {
		for _, p := range l.find(picture) {
			middle := image.Pt(int((p.Box.Left+p.Box.Width/2)*float64(s.Size.X)), int((p.Box.Top+p.Box.Height/2)*float64(s.Size.Y)))
			for i, face := range s.Faces(at) {
				if middle.In(face) {
					heads[i] = append(heads[i], p.Template)
				}
			}
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		portrait, err := sample.Portrait(i)
		if err != nil {
			t.Fatal(err)
		}
		found, err := l.Portraits(context.Background(), portrait)
		if err != nil || len(found) != 1 {
			t.Fatalf("%d faces in portrait %d, %v", len(found), i, err)
		}
		heads[i] = append(heads[i], found[0].Template)
	}
	same, different := 100.0, 0.0
	for i, all := range heads {
		for j, others := range heads {
			for _, a := range all {
				for _, b := range others {
					if s := Similarity(a, b); i == j {
						same = math.Min(same, s)
					} else {
						different = math.Max(different, s)
					}
				}
			}
		}
	}
	t.Logf("the same head is alike by %.1f %% at least, another by %.1f %% at most; %d, %d, %d samples", same, different, len(heads[0]), len(heads[1]), len(heads[2]))
	if same < 82 || different > 75 {
		t.Errorf("the same head is alike by %.1f %% at least, another by %.1f %% at most", same, different)
	}
}

// TestPersonsWhoCross: each keeps the index, and only the listed one has matches.
func TestPersonsWhoCross(t *testing.T) {
	t.Parallel()
	l, err := New(func(ctx context.Context, video []byte, show func(time.Duration, image.Image) error) (ffmpeg.Media, error) {
		path := filepath.Join(t.TempDir(), "x.mp4")
		if err := os.WriteFile(path, video, 0o600); err != nil {
			return ffmpeg.Media{}, err
		}
		report, err := libav.Watch(ctx, path, libav.Look{Every: 500 * time.Millisecond, MaxSide: 640}, show, nil)
		return report.Source, err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := sample.Default
	s.Crossing = true
	path := filepath.Join(t.TempDir(), "a.mp4")
	if err := s.Write(path); err != nil {
		t.Fatal(err)
	}
	video, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	portrait, err := sample.Portrait(0)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := l.Portraits(context.Background(), portrait)
	if err != nil {
		t.Fatal(err)
	}
	body, err := l.Persons(context.Background(), video, []awslocal.Listed{{FaceID: "1", Portrait: listed[0]}}, 80)
	if err != nil {
		t.Fatal(err)
	}
	d, err := faces.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	heads := map[int]map[int]int{0: {}, 1: {}} // samples by head and person
	for _, f := range d.Faces {
		middle := image.Pt(int((f.Box.Left+f.Box.Width/2)*float64(s.Size.X)), int((f.Box.Top+f.Box.Height/2)*float64(s.Size.Y)))
		truth := s.Faces(f.At)
		in := [2]bool{middle.In(truth[0]), middle.In(truth[1])}
		if in[0] == in[1] {
			continue // one before the other: either may be meant
		}
		head := 0
		if in[1] {
			head = 1
		}
		heads[head][f.Person]++
		if (f.Similarity > 0) != (head == 0) {
			t.Errorf("at %s head %d is alike by %.1f %%", f.At, head, f.Similarity)
		}
	}
	t.Log("samples by head and person:", heads)
	if len(heads[0]) != 1 || len(heads[1]) != 1 || len(d.Faces) < 20 {
		t.Errorf("samples by head and person: %v", heads)
	}
}
