package libav

// #include <libavutil/frame.h>
// #include <libavutil/pixdesc.h>
import "C"

import (
	"image"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/cover"
)

// A layout says how a pixel format lies in memory: planes of 8- or 16-bit
// samples in native byte order, luma first.
type layout struct {
	planes         int
	depth          int // bits a sample
	shiftX, shiftY int // of the planes after the first
	fullRange      bool
}

// layoutOf refuses what is not planar YUV or gray.
func layoutOf(format astiav.PixelFormat, full bool) (layout, error) {
	refused := func(why string) (layout, error) {
		return layout{}, ffmpeg.Errorf(ffmpeg.CodeUnsupported, "pixel format %s can't be covered: %s", format.Name(), why)
	}
	d := C.av_pix_fmt_desc_get(C.enum_AVPixelFormat(format))
	if d == nil {
		return layout{}, ffmpeg.Errorf(ffmpeg.CodeInvalid, "the video's pixel format is unknown: no picture of it could be decoded")
	}
	switch {
	case d.flags&C.AV_PIX_FMT_FLAG_HWACCEL != 0:
		return refused("its pictures are not in main memory")
	case d.flags&C.AV_PIX_FMT_FLAG_RGB != 0, d.flags&(C.AV_PIX_FMT_FLAG_PAL|C.AV_PIX_FMT_FLAG_BITSTREAM|C.AV_PIX_FMT_FLAG_BAYER) != 0:
		return refused("it is not YUV")
	case d.flags&C.AV_PIX_FMT_FLAG_ALPHA != 0:
		return refused("it has transparency, which the output codec has not")
	case d.flags&C.AV_PIX_FMT_FLAG_BE != 0:
		return refused("its samples are big-endian")
	case d.nb_components != 1 && d.nb_components != 3:
		return refused("it is not YUV")
	}
	l := layout{planes: int(d.nb_components), depth: int(d.comp[0].depth), fullRange: full}
	for i := range l.planes {
		c := d.comp[i]
		if int(c.plane) != i || int(c.step) != (l.depth+7)/8 || c.offset != 0 || c.shift != 0 || int(c.depth) != l.depth {
			return refused("its components share a plane")
		}
	}
	if l.planes > 1 {
		l.shiftX, l.shiftY = int(d.log2_chroma_w), int(d.log2_chroma_h)
	}
	return l, nil
}

// black is the value of plane i in a black picture.
func (l layout) black(i int) int {
	switch {
	case i > 0:
		return 128 << (l.depth - 8)
	case l.fullRange:
		return 0
	default:
		return 16 << (l.depth - 8)
	}
}

// picture is a frame's own memory as cover draws on it: valid until the frame
// is unreferenced, and to be written only after MakeWritable.
func picture[T cover.Sample](f *astiav.Frame, l layout) (cover.Picture[T], error) {
	c := framePointer(f)
	pic := cover.Picture[T]{Width: f.Width(), Height: f.Height(), Planes: make([]cover.Plane[T], l.planes)}
	size := int(unsafe.Sizeof(T(0)))
	for i := range pic.Planes {
		p := cover.Plane[T]{Width: pic.Width, Height: pic.Height, Black: T(l.black(i))}
		if i > 0 {
			p.ShiftX, p.ShiftY = l.shiftX, l.shiftY
			p.Width = (pic.Width + 1<<l.shiftX - 1) >> l.shiftX
			p.Height = (pic.Height + 1<<l.shiftY - 1) >> l.shiftY
		}
		stride := int(c.linesize[i])
		if c.data[i] == nil || stride < p.Width*size || stride%size != 0 {
			return pic, ffmpeg.Errorf(ffmpeg.CodeUnsupported, "plane %d of a frame has a row of %d bytes for %d samples", i, stride, p.Width)
		}
		p.Stride = stride / size
		// The last row may end where its samples do.
		p.Pix = unsafe.Slice((*T)(unsafe.Pointer(c.data[i])), p.Stride*(p.Height-1)+p.Width)
		pic.Planes[i] = p
	}
	return pic, nil
}

// drawCovers covers rects, given in coded pixels, in the frame's own planes.
func drawCovers(p *cover.Painter, f *astiav.Frame, l layout, rects []image.Rectangle) error {
	if err := f.MakeWritable(); err != nil { // the decoder may still predict from it
		return err
	}
	if l.depth > 8 {
		pic, err := picture[uint16](f, l)
		if err != nil {
			return err
		}
		cover.Draw(p, pic, rects)
		return nil
	}
	pic, err := picture[uint8](f, l)
	if err != nil {
		return err
	}
	cover.Draw(p, pic, rects)
	return nil
}

// tame cuts samples to the depth that they are said to have. What a decoder makes of
// damaged 10-bit video has more, and x264 ends the process over it.
func tame(f *astiav.Frame, l layout) error {
	if l.depth <= 8 || l.depth >= 16 {
		return nil
	}
	pic, err := picture[uint16](f, l)
	if err != nil {
		return err
	}
	if !wild(pic, l.depth) {
		return nil
	}
	if err := f.MakeWritable(); err != nil {
		return err
	}
	if pic, err = picture[uint16](f, l); err != nil {
		return err
	}
	for _, p := range pic.Planes {
		for y := range p.Height {
			row := p.Pix[y*p.Stride:][:p.Width]
			for x, v := range row {
				row[x] = min(v, 1<<l.depth-1)
			}
		}
	}
	return nil
}

// wild reports whether a sample has more bits than it should.
func wild(pic cover.Picture[uint16], depth int) bool {
	for _, p := range pic.Planes {
		for y := range p.Height {
			row := p.Pix[y*p.Stride:][:p.Width]
			// Four at once: each frame comes by here.
			words := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(row))), len(row)/4)
			var all uint64
			for _, w := range words {
				all |= w
			}
			for _, v := range row[len(words)*4:] {
				all |= uint64(v)
			}
			all |= all>>16 | all>>32 | all>>48
			if uint16(all)>>depth != 0 {
				return true
			}
		}
	}
	return false
}

// planesOf is the memory of an 8-bit frame.
func planesOf(f *astiav.Frame) ([]cover.Plane[uint8], error) {
	l, err := layoutOf(f.PixelFormat(), false)
	if err != nil {
		return nil, err
	}
	pic, err := picture[uint8](f, l)
	return pic.Planes, err
}

// soundOf is the memory of a frame of mono sound in 32-bit floats.
func soundOf(f *astiav.Frame) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(framePointer(f).data[0])), f.NbSamples())
}
