package faces

import (
	"bytes"
	"image"
	"image/draw"
	_ "image/jpeg"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// samplePicture is the module's own, 320×400 with one face.
func samplePicture(t testing.TB) *image.Gray {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "internal", "sample", "face.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	source, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	gray := image.NewGray(source.Bounds())
	draw.Draw(gray, gray.Rect, source, image.Point{}, draw.Src)
	return gray
}

func TestFind(t *testing.T) {
	t.Parallel()
	d, err := NewDetector()
	if err != nil {
		t.Fatal(err)
	}
	picture := samplePicture(t)
	var wg sync.WaitGroup
	for range 4 { // one Detector serves several goroutines
		wg.Go(func() {
			boxes := d.Find(picture)
			if len(boxes) != 1 {
				t.Errorf("%d faces in a portrait: %v", len(boxes), boxes)
				return
			}
			b := boxes[0]
			eyesAndMouth := Box{90.0 / 320, 165.0 / 400, 140.0 / 320, 135.0 / 400}
			if b.Left > eyesAndMouth.Left || b.Top > eyesAndMouth.Top || b.right() < eyesAndMouth.right() || b.bottom() < eyesAndMouth.bottom() || b.Width > 1 {
				t.Errorf("the face is at %+v", b)
			}
		})
	}
	wg.Wait()
	if boxes := d.Find(image.NewGray(image.Rect(0, 0, 640, 360))); len(boxes) != 0 {
		t.Errorf("faces in a black picture: %v", boxes)
	}
	for _, size := range []image.Point{{}, {1, 1}, {23, 640}, {24, 24}, {25, 24}} {
		d.Find(image.NewGray(image.Rectangle{Max: size}))
	}
	noisy := image.NewGray(image.Rect(0, 0, 200, 200))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range noisy.Pix {
		noisy.Pix[i] = uint8(rng.IntN(256))
	}
	d.Find(noisy)
}

// TestCascade: what is embedded is what the module ships.
func TestCascade(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/esimov/pigo").Output()
	folder := strings.TrimSpace(string(out))
	if err != nil || folder == "" {
		t.Skipf("the module's folder is not known here: %v", err)
	}
	for committed, shipped := range map[string]string{
		"cascade/facefinder":             "cascade/facefinder",
		"../../internal/sample/face.jpg": "testdata/sample.jpg",
	} {
		want, err := os.ReadFile(filepath.Join(folder, shipped))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(committed)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not the module's %s: run go generate ./...", committed, shipped)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	d, err := NewDetector()
	if err != nil {
		b.Fatal(err)
	}
	picture := image.NewGray(image.Rect(0, 0, 640, 360))
	draw.Draw(picture, image.Rect(100, 0, 420, 360), samplePicture(b), image.Point{}, draw.Src)
	for b.Loop() {
		d.Find(picture)
	}
}
