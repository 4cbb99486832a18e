package libav

import (
	"testing"

	"github.com/asticode/go-astiav"
)

// TestTame: what damaged 10-bit video decodes to has samples that x264 dies of.
func TestTame(t *testing.T) {
	t.Parallel()
	f := astiav.AllocFrame()
	defer f.Free()
	f.SetWidth(34)
	f.SetHeight(6)
	f.SetPixelFormat(astiav.PixelFormatYuv420P10Le)
	if err := f.AllocBuffer(0); err != nil {
		t.Fatal(err)
	}
	l, err := layoutOf(f.PixelFormat(), false)
	if err != nil {
		t.Fatal(err)
	}
	fill := func(value uint16) []uint16 {
		pic, err := picture[uint16](f, l)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pic.Planes {
			for i := range p.Pix {
				p.Pix[i] = value
			}
		}
		return pic.Planes[2].Pix
	}
	fill(1023)
	if err := tame(f, l); err != nil {
		t.Fatal(err)
	}
	last := fill(1023)
	last[len(last)-1] = 1024 // the last sample of the last plane, behind the last whole word
	if err := tame(f, l); err != nil {
		t.Fatal(err)
	}
	pic, err := picture[uint16](f, l)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range pic.Planes {
		for y := range p.Height {
			for x, v := range p.Pix[y*p.Stride:][:p.Width] {
				if v != 1023 {
					t.Errorf("plane %d has %d at %d, %d", i, v, x, y)
				}
			}
		}
	}
}
