package report

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"time"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// What a sheet looks like, in pixels.
const (
	gap        = 8
	caption    = 18
	maxColumns = 4
)

var (
	paper = color.RGBA{255, 255, 255, 255}
	ink   = color.RGBA{20, 24, 29, 255}
	mine  = color.RGBA{255, 255, 255, 255} // of covers, between two dark lines
	alarm = color.RGBA{255, 59, 48, 255}   // of faces that are still found
)

// Sheet draws the pictures of the output, each so many pixels wide, with the covers
// outlined and, in red, the faces that are still found. It shows nothing of the
// source.
func (r Report) Sheet(width int) (*image.RGBA, error) {
	if len(r.Moments) == 0 || width < 1 {
		return nil, errors.New("draw a contact sheet: there is no picture")
	}
	var pictures []image.Image
	height := 1
	for _, m := range r.Moments {
		p, err := jpeg.Decode(bytes.NewReader(m.After))
		if err != nil {
			return nil, fmt.Errorf("draw a contact sheet: the picture at %s: %w", clock(m.At), err)
		}
		pictures = append(pictures, p)
		height = max(height, width*p.Bounds().Dy()/max(p.Bounds().Dx(), 1))
	}
	columns := min(maxColumns, int(math.Ceil(math.Sqrt(float64(len(pictures))))))
	rows := (len(pictures) + columns - 1) / columns
	out := image.NewRGBA(image.Rect(0, 0, gap+columns*(width+gap), gap+rows*(height+caption+gap)))
	draw.Draw(out, out.Rect, image.NewUniform(paper), image.Point{}, draw.Src)
	for i, p := range pictures {
		corner := image.Pt(gap+i%columns*(width+gap), gap+i/columns*(height+caption+gap))
		shown := image.Rectangle{Max: image.Pt(width, width*p.Bounds().Dy()/max(p.Bounds().Dx(), 1))}.Add(corner)
		draw.ApproxBiLinear.Scale(out, shown, p, p.Bounds(), draw.Src, nil)
		r.outline(out.SubImage(shown).(*image.RGBA), r.Moments[i].At)
		write(out, corner.Add(image.Pt(0, height+caption-5)), clock(r.Moments[i].At))
	}
	return out, nil
}

// outline draws the boxes of a time over its picture.
func (r Report) outline(over *image.RGBA, at time.Duration) {
	for _, b := range r.covers(at) {
		box := pixels(b, over.Rect)
		frame(over, box, 1, ink)
		frame(over, box.Inset(1), 2, mine)
		frame(over, box.Inset(3), 1, ink)
	}
	for _, b := range r.left(at) {
		box := pixels(b, over.Rect)
		frame(over, box.Inset(-3), 2, alarm) // two lines, for those who don't see red
		frame(over, box.Inset(1), 2, alarm)
	}
}

func pixels(b labelled, in image.Rectangle) image.Rectangle {
	x := func(v float64) int { return in.Min.X + int(math.Round(v*float64(in.Dx()))) }
	y := func(v float64) int { return in.Min.Y + int(math.Round(v*float64(in.Dy()))) }
	return image.Rect(x(b.Left), y(b.Top), x(b.Left+b.Width), y(b.Top+b.Height))
}

// frame draws the inner border of a rectangle.
func frame(over *image.RGBA, r image.Rectangle, thick int, c color.Color) {
	if r.Empty() {
		return
	}
	for _, side := range []image.Rectangle{
		image.Rect(r.Min.X, r.Min.Y, r.Max.X, r.Min.Y+thick), image.Rect(r.Min.X, r.Max.Y-thick, r.Max.X, r.Max.Y),
		image.Rect(r.Min.X, r.Min.Y, r.Min.X+thick, r.Max.Y), image.Rect(r.Max.X-thick, r.Min.Y, r.Max.X, r.Max.Y),
	} {
		draw.Draw(over, side.Intersect(over.Rect), image.NewUniform(c), image.Point{}, draw.Src)
	}
}

func write(over *image.RGBA, at image.Point, text string) {
	d := font.Drawer{Dst: over, Src: image.NewUniform(ink), Face: basicfont.Face7x13, Dot: fixed.P(at.X, at.Y)}
	d.DrawString(text)
}
