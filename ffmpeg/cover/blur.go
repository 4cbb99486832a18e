package cover

import "image"

// fraction is the fixed-point denominator of blur's weights.
const fraction = 256

// A span says between which two cells a sample lies, and how far from the
// first one's centre to the second's, in 1/fraction.
type span struct{ first, second, weight int }

// blur draws the bilinear interpolation between the averages of the same cells
// that mosaic would draw.
func blur[T Sample](p *Painter, plane *Plane[T], area image.Rectangle, cellW, cellH int) {
	cols := (plane.Width + cellW - 1) / cellW
	rows := (plane.Height + cellH - 1) / cellH
	// Cells whose centres surround the area: its own and one more on each side.
	cells := image.Rect(
		max(area.Min.X/cellW-1, 0), max(area.Min.Y/cellH-1, 0),
		min((area.Max.X-1)/cellW+2, cols), min((area.Max.Y-1)/cellH+2, rows))

	p.grid = p.grid[:0]
	bounds := image.Rect(0, 0, plane.Width, plane.Height)
	for cy := cells.Min.Y; cy < cells.Max.Y; cy++ {
		for cx := cells.Min.X; cx < cells.Max.X; cx++ {
			cell := image.Rect(cx*cellW, cy*cellH, (cx+1)*cellW, (cy+1)*cellH)
			p.grid = append(p.grid, average(plane, cell.Intersect(bounds)))
		}
	}

	p.across = p.across[:0]
	for x := area.Min.X; x < area.Max.X; x++ {
		p.across = append(p.across, between(x, cellW, cells.Min.X, cells.Max.X))
	}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		down := between(y, cellH, cells.Min.Y, cells.Max.Y)
		upper := p.grid[down.first*cells.Dx():][:cells.Dx()]
		lower := p.grid[down.second*cells.Dx():][:cells.Dx()]
		line := plane.row(y, area.Min.X, area.Max.X)
		for i, s := range p.across {
			top := int(upper[s.first])*(fraction-s.weight) + int(upper[s.second])*s.weight
			bottom := int(lower[s.first])*(fraction-s.weight) + int(lower[s.second])*s.weight
			line[i] = T((top*(fraction-down.weight) + bottom*down.weight + fraction*fraction/2) / (fraction * fraction))
		}
	}
}

// between places sample i among cells of the given size; first and second
// count from the cell low and stay below high.
func between(i, size, low, high int) span {
	// In half samples, so that the centre of an even cell is a whole number.
	fromCentre := 2*i + 1 - size
	first := fromCentre / (2 * size)
	if fromCentre < 0 {
		return span{0, 0, 0} // before the first centre of the picture
	}
	weight := (fromCentre - first*2*size) * fraction / (2 * size)
	second := min(first+1, high-1)
	first = min(max(first, low), high-1)
	return span{first - low, max(second, low) - low, weight}
}
