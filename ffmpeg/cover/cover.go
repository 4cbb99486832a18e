// Package cover draws mosaic, blur and fill over rectangles of a planar
// picture, in place: samples outside the rectangles are read but never written.
package cover

import (
	"fmt"
	"image"
)

// A Style says what a cover looks like.
type Style string

const (
	// Mosaic replaces each cell of a grid by its average.
	Mosaic Style = "mosaic"
	// Blur is the same grid of averages, joined smoothly: it holds no more of
	// the face than Mosaic does, whatever is done to sharpen it.
	Blur Style = "blur"
	// Fill is black.
	Fill Style = "fill"
)

// ParseStyle returns the Style of that name.
func ParseStyle(name string) (Style, error) {
	switch s := Style(name); s {
	case Mosaic, Blur, Fill:
		return s, nil
	}
	return "", fmt.Errorf("unknown cover style %q: mosaic, blur and fill are known", name)
}

// A Sample is one value of a plane: uint8 for 8 bit, uint16 for 9 to 16 bit.
type Sample interface{ uint8 | uint16 }

// A Plane is one component of a picture.
type Plane[T Sample] struct {
	Pix    []T
	Stride int // samples from one row to the next
	Width  int
	Height int
	// ShiftX and ShiftY are the log2 of how much coarser than luma the plane
	// is: 1 and 1 for the chroma planes of 4:2:0, 0 and 0 for luma.
	ShiftX, ShiftY int
	// Black is the plane's value in a black picture.
	Black T
}

func (p *Plane[T]) row(y, x0, x1 int) []T {
	return p.Pix[y*p.Stride+x0 : y*p.Stride+x1]
}

// A Picture is its planes, luma first. Width and Height are those of luma.
type Picture[T Sample] struct {
	Planes        []Plane[T]
	Width, Height int
}

// A Painter draws covers of one style. It keeps scratch memory from one
// picture to the next, so it must not be used by two goroutines at once.
type Painter struct {
	style  Style
	blocks int
	grid   []uint32
	across []span
}

// New returns a Painter. Blocks is the number of cells across the longer side
// of a rectangle, at least 1; Fill does not use it.
func New(style Style, blocks int) (*Painter, error) {
	if _, err := ParseStyle(string(style)); err != nil {
		return nil, err
	}
	if blocks < 1 {
		return nil, fmt.Errorf("blocks: must be at least 1 (got %d)", blocks)
	}
	return &Painter{style: style, blocks: blocks}, nil
}

// Draw covers each rectangle, given in luma samples. Rectangles are clipped to
// the picture and rounded outwards to the chroma grid. The size of the cells
// follows the whole rectangle, also where the picture cuts it off: half a face
// gets cells as coarse as the whole face does.
func Draw[T Sample](p *Painter, pic Picture[T], rects []image.Rectangle) {
	gridX, gridY := 1, 1
	for i := range pic.Planes {
		gridX = max(gridX, 1<<pic.Planes[i].ShiftX)
		gridY = max(gridY, 1<<pic.Planes[i].ShiftY)
	}
	for _, rect := range rects {
		clipped := rect.Intersect(image.Rect(0, 0, pic.Width, pic.Height))
		if clipped.Empty() {
			continue
		}
		clipped = alignOut(clipped, gridX, gridY)
		cell := p.cellSize(rect, max(gridX, gridY))
		for i := range pic.Planes {
			plane := &pic.Planes[i]
			area := shift(clipped, plane.ShiftX, plane.ShiftY).Intersect(image.Rect(0, 0, plane.Width, plane.Height))
			if area.Empty() {
				continue
			}
			cellW, cellH := cell>>plane.ShiftX, cell>>plane.ShiftY
			switch p.style {
			case Mosaic:
				mosaic(plane, area, cellW, cellH)
			case Blur:
				blur(p, plane, area, cellW, cellH)
			case Fill:
				fill(plane, area)
			}
		}
	}
}

// cellSize is the side of a cell in luma samples, a multiple of align. Cells are
// as large as was asked for or larger, in steps: a box that breathes by a pixel
// from frame to frame keeps its grid, and the edges of larger cells lie on those
// of the encoder's transform blocks, which makes them cheap to encode.
func (p *Painter) cellSize(rect image.Rectangle, align int) int {
	longer := max(rect.Dx(), rect.Dy())
	size := (longer + p.blocks - 1) / p.blocks
	step := 1
	switch {
	case size > 64:
		step = 16
	case size > 12:
		step = 8
	case size > 4:
		step = 4
	}
	return roundUp(size, max(step, align))
}

func fill[T Sample](p *Plane[T], area image.Rectangle) {
	for y := area.Min.Y; y < area.Max.Y; y++ {
		row := p.row(y, area.Min.X, area.Max.X)
		for x := range row {
			row[x] = p.Black
		}
	}
}

// average is the rounded mean of the plane over cell, which must not be empty.
func average[T Sample](p *Plane[T], cell image.Rectangle) uint32 {
	var sum uint64
	for y := cell.Min.Y; y < cell.Max.Y; y++ {
		for _, v := range p.row(y, cell.Min.X, cell.Max.X) {
			sum += uint64(v)
		}
	}
	n := uint64(cell.Dx() * cell.Dy())
	return uint32((sum + n/2) / n)
}

func alignOut(r image.Rectangle, x, y int) image.Rectangle {
	return image.Rect(r.Min.X/x*x, r.Min.Y/y*y, roundUp(r.Max.X, x), roundUp(r.Max.Y, y))
}

// shift maps a rectangle on the chroma grid from luma samples to a plane's.
func shift(r image.Rectangle, x, y int) image.Rectangle {
	return image.Rect(r.Min.X>>x, r.Min.Y>>y, r.Max.X>>x, r.Max.Y>>y)
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }
