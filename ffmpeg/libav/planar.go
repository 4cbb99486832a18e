package libav

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/asticode/go-astiav"
)

// A planarForm is one that no encoder writes, or whose components share a plane, and the
// planar one that holds all of its samples, and no others but copies of them.
type planarForm struct {
	from, to astiav.PixelFormat
	// packed is, for two pixels in four bytes, where the first luma and both chroma are.
	packed []int
	// repeatX, repeatY is how often each sample of chroma is written.
	repeatX, repeatY int
}

var planarForms = []planarForm{
	// DV of 525 lines, and JPEG.
	{from: astiav.PixelFormatYuv411P, to: astiav.PixelFormatYuv422P, repeatX: 2, repeatY: 1},
	{from: astiav.PixelFormatYuvj411P, to: astiav.PixelFormatYuvj422P, repeatX: 2, repeatY: 1},
	{from: astiav.PixelFormatYuv440P, to: astiav.PixelFormatYuv444P, repeatX: 1, repeatY: 2},
	{from: astiav.PixelFormatYuvj440P, to: astiav.PixelFormatYuvj444P, repeatX: 1, repeatY: 2},
	// Uncompressed video.
	{from: astiav.PixelFormatUyvy422, to: astiav.PixelFormatYuv422P, packed: []int{1, 0, 2}},
	{from: astiav.PixelFormatYuyv422, to: astiav.PixelFormatYuv422P, packed: []int{0, 1, 3}},
	{from: astiav.PixelFormatYvyu422, to: astiav.PixelFormatYuv422P, packed: []int{0, 3, 1}},
}

// planarOf is the format in which the frames of a video come out of its decoder.
func planarOf(p astiav.PixelFormat) astiav.PixelFormat {
	if i := slices.IndexFunc(planarForms, func(f planarForm) bool { return f.from == p }); i >= 0 {
		return planarForms[i].to
	}
	return p
}

// toPlanar gives a frame planes of its own, by way of spare, where its format wants that.
func toPlanar(frame, spare *astiav.Frame) error {
	i := slices.IndexFunc(planarForms, func(f planarForm) bool { return f.from == frame.PixelFormat() })
	if i < 0 {
		return nil
	}
	form := planarForms[i]
	spare.SetWidth(frame.Width())
	spare.SetHeight(frame.Height())
	spare.SetPixelFormat(form.to)
	if err := spare.AllocBuffer(0); err != nil {
		return fmt.Errorf("allocate a frame of %s: %w", form.to.Name(), err)
	}
	if err := copyProperties(spare, frame); err != nil {
		return fmt.Errorf("copy what is said of a frame: %w", err)
	}
	var err error
	if form.packed != nil {
		err = form.unpack(frame, spare)
	} else {
		err = form.repeat(frame, spare)
	}
	if err != nil {
		return err
	}
	frame.Unref()
	frame.MoveRef(spare)
	return nil
}

// row is one of a plane of an 8-bit frame, in the frame's own memory.
func row(f *astiav.Frame, plane, y, width int) ([]byte, error) {
	c := framePointer(f)
	stride := int(c.linesize[plane])
	if c.data[plane] == nil || stride < width {
		return nil, errors.New("a frame has rows that are too short")
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(c.data[plane]), y*stride)), width), nil
}

func (p planarForm) unpack(from, to *astiav.Frame) error {
	width, chroma := from.Width(), (from.Width()+1)/2
	for y := range from.Height() {
		in, err := row(from, 0, y, 4*chroma)
		if err != nil {
			return err
		}
		luma, err := row(to, 0, y, width)
		if err != nil {
			return err
		}
		for x := range luma {
			luma[x] = in[2*x+p.packed[0]]
		}
		for plane := 1; plane <= 2; plane++ {
			out, err := row(to, plane, y, chroma)
			if err != nil {
				return err
			}
			for x := range out {
				out[x] = in[4*x+p.packed[plane]]
			}
		}
	}
	return nil
}

func (p planarForm) repeat(from, to *astiav.Frame) error {
	l, err := layoutOf(p.to, false)
	if err != nil {
		return err
	}
	for plane := range 3 {
		repeatX, repeatY, width, height := 1, 1, from.Width(), from.Height()
		if plane > 0 {
			repeatX, repeatY = p.repeatX, p.repeatY
			width, height = (width+1<<l.shiftX-1)>>l.shiftX, (height+1<<l.shiftY-1)>>l.shiftY
		}
		for y := range height {
			in, err := row(from, plane, y/repeatY, (width+repeatX-1)/repeatX)
			if err != nil {
				return err
			}
			out, err := row(to, plane, y, width)
			if err != nil {
				return err
			}
			for x := range out {
				out[x] = in[x/repeatX]
			}
		}
	}
	return nil
}
