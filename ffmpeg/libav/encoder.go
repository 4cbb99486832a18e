package libav

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// A picture format is what all frames of one video have in common.
type pictureFormat struct {
	width, height int
	pixels        astiav.PixelFormat
}

func formatOf(f *astiav.Frame) pictureFormat {
	return pictureFormat{f.Width(), f.Height(), f.PixelFormat()}
}

func (p pictureFormat) String() string {
	return fmt.Sprintf("%dx%d %s", p.width, p.height, p.pixels.Name())
}

// An encoder turns frames into H.264 packets. One goroutine uses it.
type encoder struct {
	cc       *astiav.CodecContext
	format   pictureFormat
	timeBase astiav.Rational
	stream   int // of the source, for errors
	// bottomFirst is of interlaced video. The frames say so, too, but x264 would have
	// written its headers by then.
	bottomFirst bool
}

// openEncoder opens x264 with the look of the source's video, which is at path: size,
// pixel format, colour description, sample aspect ratio, fields, time base.
func openEncoder(in *input, path string, settings ffmpeg.Video, globalHeader bool) (*encoder, error) {
	params := in.video.CodecParameters()
	e, err := newEncoder(pictureFormat{params.Width(), params.Height(), params.PixelFormat()}, in.video.TimeBase())
	if err != nil {
		return nil, err
	}
	e.stream = in.video.Index()
	e.cc.SetSampleAspectRatio(params.SampleAspectRatio())
	e.cc.SetFramerate(in.frameRate())
	copyColor(e.cc, params)
	copyFieldOrder(e.cc, params)
	interlaced, bottomFirst := fields(params)
	e.bottomFirst = bottomFirst
	if interlaced {
		// Else x264 codes both fields as one picture, and says that it is.
		e.cc.SetFlags(e.cc.Flags().Add(astiav.CodecContextFlagInterlacedDct).Add(astiav.CodecContextFlagInterlacedMe))
	}
	err = describeHDR(e, in, path)
	if err == nil {
		err = e.open(settings, globalHeader)
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

func newEncoder(format pictureFormat, timeBase astiav.Rational) (*encoder, error) {
	codec := astiav.FindEncoderByName("libx264")
	if codec == nil {
		return nil, errors.New("open encoder: this libav has no libx264")
	}
	if !slices.Contains(codec.PixelFormats(), format.pixels) {
		return nil, ffmpeg.Errorf(ffmpeg.CodeUnsupported, "pixel format %s has no H.264 form", format.pixels.Name())
	}
	e := &encoder{cc: astiav.AllocCodecContext(codec), format: format, timeBase: timeBase}
	if e.cc == nil {
		return nil, errors.New("open encoder: out of memory")
	}
	e.cc.SetWidth(format.width)
	e.cc.SetHeight(format.height)
	e.cc.SetPixelFormat(format.pixels)
	e.cc.SetTimeBase(timeBase)
	useFrameDuration(e.cc)
	return e, nil
}

func (e *encoder) open(settings ffmpeg.Video, globalHeader bool) error {
	e.cc.SetThreadCount(settings.Threads)
	if globalHeader {
		e.cc.SetFlags(e.cc.Flags().Add(astiav.CodecContextFlagGlobalHeader))
	}
	options := map[string]string{"crf": strconv.Itoa(settings.CRF)}
	if settings.Preset != "" {
		options["preset"] = settings.Preset
	}
	if e.bottomFirst {
		options["x264-params"] = "bff=1"
	}
	err := withOptions(options, func(d *astiav.Dictionary) error {
		return e.cc.Open(astiav.FindEncoderByName("libx264"), d)
	})
	if err != nil {
		return fmt.Errorf("open encoder for %s: %w", e.format, err)
	}
	return nil
}

// send gives the encoder a frame, or nil at the end.
func (e *encoder) send(f *astiav.Frame) error {
	if f == nil {
		if err := e.cc.SendFrame(nil); err != nil {
			return fmt.Errorf("flush encoder: %w", err)
		}
		return nil
	}
	if got := formatOf(f); got != e.format {
		return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "video stream %d changes from %s to %s at %s: a change within a file is not supported",
			e.stream, e.format, got, toDuration(f.Pts(), e.timeBase))
	}
	// x264 would take the source's choice of I, P and B for an order.
	f.SetPictureType(astiav.PictureTypeNone)
	if err := e.cc.SendFrame(f); err != nil {
		return fmt.Errorf("encode video stream %d at %s: %w", e.stream, toDuration(f.Pts(), e.timeBase), err)
	}
	return nil
}

// receive fills pkt. It returns astiav.ErrEagain when the encoder wants another
// frame and astiav.ErrEof after the last packet.
func (e *encoder) receive(pkt *astiav.Packet) error {
	err := e.cc.ReceivePacket(pkt)
	if err == nil || errors.Is(err, astiav.ErrEagain) || errors.Is(err, astiav.ErrEof) {
		return err
	}
	return fmt.Errorf("encode video stream %d: %w", e.stream, err)
}

// Close frees everything. Calling it again does nothing.
func (e *encoder) Close() { e.cc.Free() }

// withOptions calls open with a dictionary of options, and fails when libav left
// one over: it did not know it, and would have kept silent.
func withOptions(options map[string]string, open func(*astiav.Dictionary) error) error {
	d := astiav.NewDictionary()
	defer d.Free()
	for key, value := range options {
		if err := d.Set(key, value, 0); err != nil {
			return fmt.Errorf("option %s: %w", key, err)
		}
	}
	if err := open(d); err != nil {
		return err
	}
	if left := d.Get("", nil, astiav.NewDictionaryFlags(astiav.DictionaryFlagIgnoreSuffix)); left != nil {
		return fmt.Errorf("option %s=%s is unknown to libav", left.Key(), left.Value())
	}
	return nil
}
