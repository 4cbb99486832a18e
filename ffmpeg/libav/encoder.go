package libav

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"runtime"
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

// Names of libav's encoders.
const (
	x264 = "libx264"
	x265 = "libx265"
)

// encoderOf is the one that makes what somebody asked for, a value of ffmpeg.Codecs,
// of a source with such pictures: where nobody chose, HEVC also holds what H.264 can't, as
// samples of 12 bits.
func encoderOf(asked string, source astiav.CodecID, pixels astiav.PixelFormat) string {
	free := asked != ffmpeg.CodecH264
	if asked == ffmpeg.CodecHEVC || free && (source == astiav.CodecIDHevc || !writes(x264, pixels) && writes(x265, pixels)) {
		return x265
	}
	return x264
}

// writes reports whether an encoder has a form for pictures of a format.
func writes(encoder string, pixels astiav.PixelFormat) bool {
	codec := astiav.FindEncoderByName(encoder)
	return codec != nil && slices.Contains(codec.PixelFormats(), pixels)
}

// An encoder turns frames into packets of H.264 or HEVC. One goroutine uses it.
type encoder struct {
	cc       *astiav.CodecContext
	codec    *astiav.Codec
	format   pictureFormat
	timeBase astiav.Rational
	stream   int // of the source, for errors
	// bottomFirst is of interlaced video. The frames say so, too, but x264 would have
	// written its headers by then.
	bottomFirst bool
	// aspectInFrames: only the pictures say what shape their pixels have.
	aspectInFrames bool
	message        message
}

// openEncoder opens x264 or x265 with the look of the source's video, which is at path: size,
// pixel format, colour description, sample aspect ratio, fields, time base.
func openEncoder(in *input, path string, settings ffmpeg.Video, globalHeader bool) (*encoder, error) {
	params := in.video.CodecParameters()
	format := pictureFormat{params.Width(), params.Height(), planarOf(params.PixelFormat())}
	e, err := newEncoder(encoderOf(settings.Codec, params.CodecID(), format.pixels), format, in.video.TimeBase())
	if err != nil {
		return nil, err
	}
	e.stream = in.video.Index()
	e.cc.SetSampleAspectRatio(in.pixelAspect())
	e.cc.SetFramerate(in.frameRate())
	copyColor(e.cc, params)
	copyFieldOrder(e.cc, params)
	err = describe(e, in, path)
	if err == nil {
		err = e.open(settings, globalHeader)
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

func newEncoder(name string, format pictureFormat, timeBase astiav.Rational) (*encoder, error) {
	codec := astiav.FindEncoderByName(name)
	if codec == nil {
		return nil, fmt.Errorf("open encoder: this libav has no %s", name)
	}
	if !slices.Contains(codec.PixelFormats(), format.pixels) {
		return nil, ffmpeg.Errorf(ffmpeg.CodeUnsupported, "pixel format %s has no form that %s writes", format.pixels.Name(), name)
	}
	if err := fits(name, format); err != nil {
		return nil, err
	}
	e := &encoder{cc: astiav.AllocCodecContext(codec), codec: codec, format: format, timeBase: timeBase}
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

// minHEVC is the smallest side of a picture that x265 takes, in pixels.
const minHEVC = 16

// fits refuses sizes that the codec has no form for: it crops by whole samples of
// chroma (H.264, 7.4.2.1.1; H.265, 7.4.3.2.1).
func fits(name string, f pictureFormat) error {
	l, err := layoutOf(f.pixels, false)
	if err != nil {
		return err
	}
	if f.width < 1 || f.height < 1 {
		return ffmpeg.Errorf(ffmpeg.CodeInvalid, "a picture of %s has no size", f)
	}
	if x, y := 1<<l.shiftX, 1<<l.shiftY; f.width%x != 0 || f.height%y != 0 {
		return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "a picture of %s has no form that %s writes: with such chroma its width must be a multiple of %d, and its height of %d", f, name, x, y)
	}
	if name == x265 && min(f.width, f.height) < minHEVC {
		return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "a picture of %s is too small for %s: choose H.264 for the output", f, name)
	}
	return nil
}

// lookaheads are how many frames ahead each encoder looks by each preset, where it is
// far enough to be worth shortening.
// https://x265.readthedocs.io/en/master/presets.html
var lookaheads = map[string]map[string]int{
	x264: {"": 40, "veryfast": 10, "faster": 20, "fast": 30, "medium": 40, "slow": 50, "slower": 60, "veryslow": 60, "placebo": 60},
	x265: {"": 20, "superfast": 10, "veryfast": 15, "faster": 15, "fast": 15, "medium": 20, "slow": 25, "slower": 40, "veryslow": 40, "placebo": 60},
}

// leastLookahead is how far each encoder may look at 1080p and above. x265 insists on
// more than it makes B-frames of, which are up to eight.
var leastLookahead = map[string]int{x264: 8, x265: 9}

// lookahead is how many frames ahead an encoder may look by a preset, and whether the
// preset says more: most of its memory goes there. At 1080p the 40 of x264's preset
// medium take 220 MB more than 8 and make files no smaller, and the 20 of x265's some
// 80 MB. Small pictures cost little, and keep what their preset says.
func (p pictureFormat) lookahead(encoder, preset string) (frames int, less bool) {
	const pixels = 8 * 1920 * 1080
	frames = max(leastLookahead[encoder], pixels/(p.width*p.height))
	return frames, frames < lookaheads[encoder][preset]
}

// threadsOf is how many threads to use where somebody asked for so many; 0 is one for
// each core. libav and x264 would take more of them, each with pictures of its own.
func threadsOf(asked int) int { return cmp.Or(asked, runtime.NumCPU()) }

func (e *encoder) open(settings ffmpeg.Video, globalHeader bool) error {
	if globalHeader {
		e.cc.SetFlags(e.cc.Flags().Add(astiav.CodecContextFlagGlobalHeader))
	}
	options := map[string]string{"crf": strconv.Itoa(settings.CRF)}
	if settings.Preset != "" {
		options["preset"] = settings.Preset
	}
	threads := threadsOf(settings.Threads)
	ahead, less := e.format.lookahead(e.codec.Name(), settings.Preset)
	if e.codec.Name() == x265 {
		// It writes to standard error by itself; and it looks for the number of cores
		// where the sandbox lets nobody look. What libav calls threads is how many
		// pictures are coded at once: about as many as x265 itself would choose.
		options["x265-params"] = fmt.Sprintf("log-level=error:pools=%d", threads)
		// Closed captions (ATSC A/53), which libx264 writes by default.
		options["a53cc"] = "1"
		if less {
			options["x265-params"] += fmt.Sprintf(":rc-lookahead=%d", ahead)
		}
		e.cc.SetThreadCount(1 + bits.Len(uint(threads/4)))
	} else {
		e.cc.SetThreadCount(threads)
		// How many frames wait for the thread that looks ahead: four, which x264 would
		// choose, are no faster.
		options["x264-params"] = "sync-lookahead=1"
		if e.bottomFirst {
			options["x264-params"] += ":bff=1"
		}
		if less {
			options["rc-lookahead"] = strconv.Itoa(ahead)
		}
	}
	err := withOptions(options, func(d *astiav.Dictionary) error { return e.cc.Open(e.codec, d) })
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
	if was, is := e.cc.SampleAspectRatio(), f.SampleAspectRatio(); e.aspectInFrames && !sameShape(was, is) {
		return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "video stream %d changes the shape of its pixels from %s to %s at %s: "+
			"a change within a file is not supported", e.stream, ratioOf(squareUnlessSet(was)), ratioOf(squareUnlessSet(is)), toDuration(f.Pts(), e.timeBase))
	}
	if e.codec.Name() == x265 && interlaced(f) {
		return e.noFields()
	}
	// x264 would take the source's choice of I, P and B for an order.
	f.SetPictureType(astiav.PictureTypeNone)
	if err := e.cc.SendFrame(f); err != nil {
		return fmt.Errorf("encode video stream %d at %s: %w", e.stream, toDuration(f.Pts(), e.timeBase), err)
	}
	return nil
}

// noFields says why x265 is not given interlaced video: it takes fields for frames.
func (e *encoder) noFields() error {
	return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "video stream %d is interlaced, which %s does not write: choose H.264 for the output", e.stream, e.codec.Name())
}

// receive fills pkt. It returns astiav.ErrEagain when the encoder wants another
// frame and astiav.ErrEof after the last packet.
func (e *encoder) receive(pkt *astiav.Packet) error {
	err := e.cc.ReceivePacket(pkt)
	if err == nil {
		if err = e.message.insert(pkt); err != nil {
			return fmt.Errorf("add a message to video stream %d: %w", e.stream, err)
		}
	}
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
