package libav

import (
	"errors"
	"fmt"

	"github.com/asticode/go-astiav"
)

// pixelAspect is the shape of the video's pixels, width to height; zero where nothing says
// so. The container's word counts more than the codec's, as for all players.
func (in *input) pixelAspect() astiav.Rational { return in.fc.GuessSampleAspectRatio(in.video, nil) }

func isRatio(r astiav.Rational) bool { return r.Num() > 0 && r.Den() > 0 }

// squareUnlessSet is r, or 1:1 where it says nothing.
func squareUnlessSet(r astiav.Rational) astiav.Rational {
	if !isRatio(r) {
		return astiav.NewRational(1, 1)
	}
	return r
}

// sameShape reports whether pixels of two shapes look alike; one that is not said is a square.
func sameShape(a, b astiav.Rational) bool {
	a, b = squareUnlessSet(a), squareUnlessSet(b)
	return a.Num()*b.Den() == b.Num()*a.Den()
}

func ratioOf(r astiav.Rational) string { return fmt.Sprintf("%d:%d", r.Num(), r.Den()) }

// aspectFilters are libav's bit stream filters that write the shape of the pixels into the
// headers of a codec.
var aspectFilters = map[astiav.CodecID]string{
	astiav.CodecIDH264: "h264_metadata",
	astiav.CodecIDHevc: "hevc_metadata",
}

// copyPixelAspect gives a copy of the video the shape that the source's pixels have. A
// container that has no place for it leaves it to the codec, which may say something else.
func (o *output) copyPixelAspect(in *input, s *astiav.Stream) error {
	params := in.video.CodecParameters()
	aspect := in.pixelAspect()
	setSampleAspectRatio(s, aspect)
	s.CodecParameters().SetSampleAspectRatio(aspect)
	if o.format != "mpegts" || sameShape(aspect, params.SampleAspectRatio()) {
		return nil
	}
	name, option, value := aspectFilters[params.CodecID()], "sample_aspect_ratio", aspect
	if params.CodecID() == astiav.CodecIDMpeg2Video {
		// It has the shape of the picture, of which there are four.
		name, option = "mpeg2_metadata", "display_aspect_ratio"
		value = astiav.NewRational(params.Width()*aspect.Num(), params.Height()*aspect.Den())
	}
	if name == "" {
		o.drop(in.video, fmt.Sprintf("that its pixels are of %s, which %s has no place for", ratioOf(aspect), o.format))
		return nil
	}
	f, err := newBitStreamFilter(name, option, fmt.Sprintf("%d/%d", value.Num(), value.Den()), in.video)
	if err != nil {
		return fmt.Errorf("set the shape of the pixels of stream %d: %w", in.video.Index(), err)
	}
	r := o.routes[in.video.Index()]
	r.converter = f
	if err := f.bsf.OutputCodecParameters().Copy(s.CodecParameters()); err != nil {
		return fmt.Errorf("copy parameters of stream %d: %w", in.video.Index(), err)
	}
	s.CodecParameters().SetSampleAspectRatio(aspect)
	return nil
}

// A bitStreamFilter changes coded packets without decoding them.
type bitStreamFilter struct {
	bsf    *astiav.BitStreamFilterContext
	stream int
}

// newBitStreamFilter opens one of libav's for a stream, with one option.
func newBitStreamFilter(name, option, value string, of *astiav.Stream) (_ *bitStreamFilter, err error) {
	filter := astiav.FindBitStreamFilterByName(name)
	if filter == nil {
		return nil, fmt.Errorf("this libav has no %s", name)
	}
	bsf, err := astiav.AllocBitStreamFilterContext(filter)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	f := &bitStreamFilter{bsf: bsf, stream: of.Index()}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if err := of.CodecParameters().Copy(bsf.InputCodecParameters()); err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	bsf.SetInputTimeBase(of.TimeBase())
	if err := bsf.PrivateData().Options().Set(option, value, 0); err != nil {
		return nil, fmt.Errorf("open %s with %s=%s: %w", name, option, value, err)
	}
	if err := bsf.Initialize(); err != nil {
		return nil, ofFile(fmt.Errorf("open %s: %w", name, err))
	}
	return f, nil
}

func (f *bitStreamFilter) send(pkt *astiav.Packet) error {
	if err := f.bsf.SendPacket(pkt); err != nil {
		return ofFile(fmt.Errorf("filter stream %d: %w", f.stream, err))
	}
	return nil
}

func (f *bitStreamFilter) receive(pkt *astiav.Packet) error {
	err := f.bsf.ReceivePacket(pkt)
	if err == nil || errors.Is(err, astiav.ErrEagain) || errors.Is(err, astiav.ErrEof) {
		return err
	}
	return ofFile(fmt.Errorf("filter stream %d: %w", f.stream, err))
}

// Close frees everything. Calling it again does nothing.
func (f *bitStreamFilter) Close() { f.bsf.Free() }
