package sheet

import (
	"image"
	"image/color"
	"image/draw"
	"testing"
)

func plain(width, height int, c color.Color) image.Image {
	p := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(p, p.Rect, image.NewUniform(c), image.Point{}, draw.Src)
	return p
}

func TestDraw(t *testing.T) {
	t.Parallel()
	red, blue := color.RGBA{255, 0, 0, 255}, color.RGBA{0, 0, 255, 255}
	got := Draw(
		[]image.Image{plain(200, 100, red), plain(100, 200, red)},
		[]image.Image{plain(200, 100, blue), plain(100, 200, blue), plain(9, 9, blue)}, 50)
	if want := image.Rect(0, 0, 2*50+3*gap, 25+100+3*gap); got.Rect != want {
		t.Fatalf("sheet is %v, want %v", got.Rect, want)
	}
	for at, want := range map[image.Point]color.RGBA{
		{gap + 25, gap + 12}:          red,
		{2*gap + 75, gap + 12}:        blue,
		{gap + 25, 2*gap + 25 + 50}:   red,
		{2*gap + 75, 2*gap + 25 + 50}: blue,
		{1, 1}:                        {255, 255, 255, 255},
	} {
		if c := got.RGBAAt(at.X, at.Y); c != want {
			t.Errorf("%v is %v, want %v", at, c, want)
		}
	}
}
