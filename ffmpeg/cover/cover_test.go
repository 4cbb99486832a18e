package cover

import (
	"fmt"
	"image"
	"math/rand/v2"
	"slices"
	"testing"
)

// layout is a chroma subsampling, in log2.
type layout struct {
	name           string
	shiftX, shiftY int
	planes         int
}

var layouts = []layout{
	{"4:2:0", 1, 1, 3}, {"4:2:2", 1, 0, 3}, {"4:4:4", 0, 0, 3}, {"gray", 0, 0, 1},
}

// noise returns a picture of random samples, so that any write shows.
func noise[T Sample](l layout, width, height, depth int) Picture[T] {
	rng := rand.New(rand.NewPCG(uint64(width), uint64(height)))
	pic := Picture[T]{Width: width, Height: height}
	for i := range l.planes {
		p := Plane[T]{Width: width, Height: height, Black: T(16 << (depth - 8))}
		if i > 0 {
			p.ShiftX, p.ShiftY = l.shiftX, l.shiftY
			p.Width = (width + 1<<l.shiftX - 1) >> l.shiftX
			p.Height = (height + 1<<l.shiftY - 1) >> l.shiftY
			p.Black = T(128 << (depth - 8))
		}
		p.Stride = p.Width + 5 // libav pads its rows
		p.Pix = make([]T, p.Stride*p.Height)
		for j := range p.Pix {
			p.Pix[j] = T(rng.IntN(1 << depth))
		}
		pic.Planes = append(pic.Planes, p)
	}
	return pic
}

func clone[T Sample](pic Picture[T]) Picture[T] {
	pic.Planes = slices.Clone(pic.Planes)
	for i := range pic.Planes {
		pic.Planes[i].Pix = slices.Clone(pic.Planes[i].Pix)
	}
	return pic
}

// checkOnlyInside fails when a sample outside rect changed, padding included,
// or when fewer than most samples inside did.
func checkOnlyInside[T Sample](t *testing.T, before, after Picture[T], rect image.Rectangle) {
	t.Helper()
	for i := range after.Planes {
		p, old := &after.Planes[i], &before.Planes[i]
		inside := image.Rect(
			rect.Min.X>>p.ShiftX, rect.Min.Y>>p.ShiftY,
			(rect.Max.X+1<<p.ShiftX-1)>>p.ShiftX, (rect.Max.Y+1<<p.ShiftY-1)>>p.ShiftY,
		).Intersect(image.Rect(0, 0, p.Width, p.Height))
		if i == 0 { // luma follows where it has to round out to the chroma grid
			inside = rect.Inset(-1).Intersect(image.Rect(0, 0, p.Width, p.Height))
		}
		changed := 0
		for j := range p.Pix {
			if p.Pix[j] == old.Pix[j] {
				continue
			}
			at := image.Pt(j%p.Stride, j/p.Stride)
			if !at.In(inside) {
				t.Fatalf("plane %d changed at %v, outside %v", i, at, inside)
			}
			changed++
		}
		if want := rect.Intersect(image.Rect(0, 0, after.Width, after.Height)); changed*10 < want.Dx()*want.Dy()>>(p.ShiftX+p.ShiftY)*8 {
			t.Errorf("plane %d: only %d samples changed in %v", i, changed, want)
		}
	}
}

func TestDrawChangesOnlyTheRectangle(t *testing.T) {
	t.Parallel()
	rects := []image.Rectangle{
		image.Rect(10, 12, 42, 52),
		image.Rect(11, 13, 40, 51),     // odd edges
		image.Rect(-20, -9, 30, 31),    // cut by the upper left corner
		image.Rect(90, 60, 190, 160),   // cut by the lower right corner
		image.Rect(-50, -50, 500, 500), // larger than the picture
	}
	for _, style := range []Style{Mosaic, Blur, Fill} {
		for _, l := range layouts {
			for _, size := range []image.Point{{128, 96}, {121, 87}} {
				for _, rect := range rects {
					t.Run(fmt.Sprint(style, l.name, size, rect), func(t *testing.T) {
						t.Parallel()
						painter, err := New(style, 8)
						if err != nil {
							t.Fatal(err)
						}
						before := noise[uint8](l, size.X, size.Y, 8)
						after := clone(before)
						Draw(painter, after, []image.Rectangle{rect})
						checkOnlyInside(t, before, after, rect)

						before16 := noise[uint16](l, size.X, size.Y, 10)
						after16 := clone(before16)
						Draw(painter, after16, []image.Rectangle{rect})
						checkOnlyInside(t, before16, after16, rect)
					})
				}
			}
		}
	}
}

func TestDrawOutsideThePictureChangesNothing(t *testing.T) {
	t.Parallel()
	painter, _ := New(Mosaic, 8)
	before := noise[uint8](layouts[0], 64, 48, 8)
	after := clone(before)
	Draw(painter, after, []image.Rectangle{image.Rect(64, 0, 99, 40), image.Rect(-30, -30, 0, 0), {}})
	if !slices.Equal(before.Planes[0].Pix, after.Planes[0].Pix) {
		t.Error("luma changed")
	}
}

// TestMosaicCells holds the irreversibility: no cell is finer than the longer
// side divided by the blocks, also where the picture cuts the rectangle off.
func TestMosaicCells(t *testing.T) {
	t.Parallel()
	painter, _ := New(Mosaic, 8)
	for _, rect := range []image.Rectangle{image.Rect(16, 16, 80, 80), image.Rect(-44, 10, 20, 74)} {
		pic := noise[uint8](layouts[2], 128, 96, 8)
		Draw(painter, pic, []image.Rectangle{rect})
		luma := &pic.Planes[0]
		visible := rect.Intersect(image.Rect(0, 0, 128, 96))
		distinct := map[uint8]bool{}
		for y := visible.Min.Y; y < visible.Max.Y; y++ {
			for x := visible.Min.X; x < visible.Max.X; x++ {
				distinct[luma.Pix[y*luma.Stride+x]] = true
				if x%8 != 0 && x > visible.Min.X && luma.Pix[y*luma.Stride+x] != luma.Pix[y*luma.Stride+x-1] {
					t.Fatalf("%v: a cell's edge at x=%d, y=%d", rect, x, y)
				}
			}
		}
		if cells := (visible.Dx()/8 + 1) * (visible.Dy()/8 + 1); len(distinct) > cells {
			t.Errorf("%v: %d distinct values in at most %d cells", rect, len(distinct), cells)
		}
	}
}

// TestMosaicIsTheAverage checks values against a sum written the long way.
func TestMosaicIsTheAverage(t *testing.T) {
	t.Parallel()
	painter, _ := New(Mosaic, 4)
	before := noise[uint16](layouts[3], 64, 64, 12)
	after := clone(before)
	Draw(painter, after, []image.Rectangle{image.Rect(16, 16, 48, 48)})
	sum := 0
	for y := 24; y < 32; y++ {
		for x := 16; x < 24; x++ {
			sum += int(before.Planes[0].Pix[y*before.Planes[0].Stride+x])
		}
	}
	if got, want := int(after.Planes[0].Pix[24*after.Planes[0].Stride+16]), (sum+32)/64; got != want {
		t.Errorf("cell is %d, want %d", got, want)
	}
}

// TestBlurIsSmoothAndHoldsNoDetail: on a fine checkerboard, whose averages are
// all alike, nothing of the pattern is left, and on a step the blur has no edge.
func TestBlurIsSmoothAndHoldsNoDetail(t *testing.T) {
	t.Parallel()
	painter, _ := New(Blur, 8)
	pic := noise[uint8](layouts[3], 128, 128, 8)
	luma := &pic.Planes[0]
	for y := range luma.Height {
		for x := range luma.Width {
			luma.Pix[y*luma.Stride+x] = uint8((x + y) % 2 * 255)
			if x >= 100 {
				luma.Pix[y*luma.Stride+x] = 200
			}
		}
	}
	area := image.Rect(32, 32, 128, 96)
	Draw(painter, pic, []image.Rectangle{area})
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X + 1; x < area.Max.X; x++ {
			here, left := int(luma.Pix[y*luma.Stride+x]), int(luma.Pix[y*luma.Stride+x-1])
			if d := here - left; d < -8 || d > 8 {
				t.Fatalf("a step of %d at %d,%d", d, x, y)
			}
		}
	}
	if v := luma.Pix[64*luma.Stride+40]; v < 126 || v > 129 {
		t.Errorf("a checkerboard's average is %d", v)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := New("pixelate", 8); err == nil {
		t.Error("an unknown style was accepted")
	}
	if _, err := New(Mosaic, 0); err == nil {
		t.Error("0 blocks were accepted")
	}
}

// BenchmarkDraw is three faces of 240×300 on one 1080p picture in 4:2:0.
func BenchmarkDraw(b *testing.B) {
	faces := []image.Rectangle{image.Rect(101, 200, 341, 500), image.Rect(800, 333, 1040, 633), image.Rect(1500, 600, 1740, 900)}
	for _, style := range []Style{Mosaic, Blur, Fill} {
		b.Run(string(style)+"/8bit", func(b *testing.B) {
			painter, _ := New(style, 8)
			pic := noise[uint8](layouts[0], 1920, 1080, 8)
			b.ReportAllocs()
			for b.Loop() {
				Draw(painter, pic, faces)
			}
		})
		b.Run(string(style)+"/10bit", func(b *testing.B) {
			painter, _ := New(style, 8)
			pic := noise[uint16](layouts[0], 1920, 1080, 10)
			b.ReportAllocs()
			for b.Loop() {
				Draw(painter, pic, faces)
			}
		})
	}
}
