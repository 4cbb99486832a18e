package cover

import "image"

// mosaic averages cells. They are anchored to the picture and not to the area:
// on a face that moves through a still grid, frame after frame shows the same
// few averages, where a grid that moves along would sample the face anew each
// time. A cell that the area cuts is averaged whole, so that no sliver at its
// edge is finer than a cell.
func mosaic[T Sample](p *Plane[T], area image.Rectangle, cellW, cellH int) {
	bounds := image.Rect(0, 0, p.Width, p.Height)
	for y := area.Min.Y / cellH * cellH; y < area.Max.Y; y += cellH {
		for x := area.Min.X / cellW * cellW; x < area.Max.X; x += cellW {
			cell := image.Rect(x, y, x+cellW, y+cellH).Intersect(bounds)
			value := T(average(p, cell))
			inside := cell.Intersect(area)
			for row := inside.Min.Y; row < inside.Max.Y; row++ {
				line := p.row(row, inside.Min.X, inside.Max.X)
				for i := range line {
					line[i] = value
				}
			}
		}
	}
}
