// Package sheet draws contact sheets: pictures before and after, side by side.
package sheet

import (
	"image"
	"image/color"

	"golang.org/x/image/draw"
)

// gap is the width in pixels of the lines between the pictures.
const gap = 6

// Draw puts each picture of before beside the one of after, one row for each
// pair, every picture width pixels wide. Pictures without a partner are left out.
func Draw(before, after []image.Image, width int) *image.RGBA {
	pairs := min(len(before), len(after))
	height := gap
	for i := range pairs {
		height += scaled(before[i], width).Y + gap
	}
	out := image.NewRGBA(image.Rect(0, 0, 2*width+3*gap, height))
	draw.Draw(out, out.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	y := gap
	for i := range pairs {
		size := scaled(before[i], width)
		for column, picture := range []image.Image{before[i], after[i]} {
			at := image.Rectangle{Max: size}.Add(image.Pt(gap+column*(width+gap), y))
			draw.ApproxBiLinear.Scale(out, at, picture, picture.Bounds(), draw.Src, nil)
		}
		y += size.Y + gap
	}
	return out
}

// scaled is the picture's size at the given width.
func scaled(picture image.Image, width int) image.Point {
	size := picture.Bounds().Size()
	if size.X == 0 {
		return image.Pt(width, 1)
	}
	return image.Pt(width, max(size.Y*width/size.X, 1))
}
