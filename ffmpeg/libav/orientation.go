package libav

import (
	"image"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// An orientation is how a player turns and flips the coded picture: a display
// matrix (ISO/IEC 14496-12, 8.3.2) of quarter turns. The coded point (x, y) is
// shown at (a·x + c·y, b·x + d·y), moved to where both are positive.
type orientation struct{ a, b, c, d int }

var upright = orientation{a: 1, d: 1}

// orientationOf reads a display matrix. Matrices that scale or turn by less than a
// quarter are refused: a box could not be placed by them.
func orientationOf(m *astiav.DisplayMatrix) (orientation, error) {
	sign := func(v uint32) int {
		switch i := int32(v); {
		case i > 1<<15:
			return 1
		case i < -1<<15:
			return -1
		}
		return 0
	}
	o := orientation{a: sign(m[0]), b: sign(m[1]), c: sign(m[3]), d: sign(m[4])}
	quarterTurn := o.a*o.a+o.b*o.b == 1 && o.a*o.a == o.d*o.d && o.b*o.b == o.c*o.c
	if !quarterTurn {
		return upright, ffmpeg.Errorf(ffmpeg.CodeUnsupported, "the video is turned by %.0f degrees: only quarter turns and flips are supported", m.Rotation())
	}
	return o, nil
}

// swaps reports whether width and height change places.
func (o orientation) swaps() bool { return o.a == 0 }

// rotation is in degrees clockwise: 0, 90, 180 or 270. A flip does not count.
func (o orientation) rotation() int {
	switch {
	case o.b == 1:
		return 90
	case o.b == -1:
		return 270
	case o.d == -1:
		return 180
	}
	return 0
}

// display is the size at which a coded picture is shown.
func (o orientation) display(width, height int) (int, int) {
	if o.swaps() {
		return height, width
	}
	return width, height
}

// origin is where the coded point (0, 0) is shown.
func (o orientation) origin(width, height int) (x, y int) {
	negative := func(v, size int) int {
		if v < 0 {
			return size
		}
		return 0
	}
	return negative(o.a, width) + negative(o.c, height), negative(o.b, width) + negative(o.d, height)
}

// toCoded maps a rectangle of the picture as shown to the coded picture of the
// given size.
func (o orientation) toCoded(r image.Rectangle, width, height int) image.Rectangle {
	ox, oy := o.origin(width, height)
	back := func(p image.Point) image.Point {
		x, y := p.X-ox, p.Y-oy
		return image.Pt(o.a*x+o.b*y, o.c*x+o.d*y) // the inverse of a turn is its transpose
	}
	return image.Rectangle{Min: back(r.Min), Max: back(r.Max)}.Canon()
}

// show turns coded pixels of the given size in bytes into the picture as shown.
func (o orientation) show(pix []byte, width, height, size int) []byte {
	if o == upright {
		return pix
	}
	shownWidth, _ := o.display(width, height)
	ox, oy := o.origin(width, height)
	// A mirrored axis starts at its last pixel, not one past it.
	if o.a < 0 || o.c < 0 {
		ox--
	}
	if o.b < 0 || o.d < 0 {
		oy--
	}
	out := make([]byte, len(pix))
	for y := range height {
		for x := range width {
			at := ((o.b*x+o.d*y+oy)*shownWidth + o.a*x + o.c*y + ox) * size
			copy(out[at:at+size], pix[(y*width+x)*size:])
		}
	}
	return out
}

// A pose is how a video is shown: as its container says, or else as its pictures do
// (display orientation SEI of H.264 and HEVC, Exif of MJPEG). Where both say
// something the container wins, as in ffmpeg; other players read nothing else.
type pose struct {
	turn orientation
	// settled: by the container, or by the first picture that says anything.
	settled, byPictures bool
	seen                bool
}

// poseOf is what the container says.
func poseOf(p *astiav.CodecParameters) (pose, error) {
	m, ok := p.SideData().DisplayMatrix().Get()
	if !ok {
		return pose{turn: upright}, nil
	}
	turn, err := orientationOf(m)
	return pose{turn: turn, settled: true}, err
}

// look takes notice of what a picture says. The orientation of the first one holds
// until another is given; which is refused, as no container has a place for it.
func (p *pose) look(f *astiav.Frame) error {
	if p.settled && !p.byPictures {
		return nil
	}
	first := !p.seen
	p.seen = true
	m, ok := displayMatrix(f)
	if !ok {
		return nil
	}
	turn, err := orientationOf(&m)
	switch {
	case err != nil:
		return err
	case !p.settled && (first || turn == p.turn):
		p.turn, p.settled, p.byPictures = turn, true, true
	case turn != p.turn:
		return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "the video turns in the middle, from %d to %d degrees: a change within a file is not supported",
			p.turn.rotation(), turn.rotation())
	}
	return nil
}
