package libav

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// A decoder turns packets of one video stream into frames. One goroutine uses it.
type decoder struct {
	cc       *astiav.CodecContext
	timeBase astiav.Rational
	stream   int
	// refused counts packets that the codec could make nothing of, damaged the frames
	// that it could not make whole.
	refused, damaged int64
	packets          int64
	spare            *astiav.Frame // to change the format of a frame with
	line             timeline
	usual            int64 // how long a frame lasts that doesn't say so
	known            int64 // time of the latest frame that had one
	name             string
}

func openDecoder(in *input, threads int) (_ *decoder, err error) {
	params := in.video.CodecParameters()
	codec := astiav.FindDecoder(params.CodecID())
	if codec == nil {
		return nil, ffmpeg.Errorf(ffmpeg.CodeUnsupported, "video codec %s is not supported", params.CodecID().Name())
	}
	d := &decoder{
		cc: astiav.AllocCodecContext(codec), timeBase: in.video.TimeBase(), stream: in.video.Index(), spare: astiav.AllocFrame(),
		usual: in.frameDuration(), name: nameOf(in.video),
	}
	if d.cc == nil || d.spare == nil {
		return nil, errors.New("open decoder: out of memory")
	}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if err := params.ToCodecContext(d.cc); err != nil {
		return nil, fmt.Errorf("open decoder: %w", err)
	}
	d.cc.SetThreadCount(threadsOf(threads))
	// Without it libav crops at the left only where the result is aligned for SIMD: it
	// would leave a part of the picture that no player shows.
	d.cc.SetFlags(d.cc.Flags().Add(astiav.CodecContextFlagUnaligned))
	setPacketTimeBase(d.cc, d.timeBase)
	options := astiav.NewDictionary()
	defer options.Free()
	if err := options.Set("max_pixels", strconv.Itoa(maxPixels), 0); err != nil {
		return nil, fmt.Errorf("open decoder: option max_pixels: %w", err)
	}
	if err := d.cc.Open(codec, options); err != nil {
		return nil, ffmpeg.Errorf(ffmpeg.CodeInvalid, "open %s decoder: %w", codec.Name(), err)
	}
	return d, nil
}

// send gives the codec a packet, or nil at the end. It returns false when the
// codec must be drained by receive first, with the same packet to be sent again.
// A packet that the codec refuses is counted and passed over, as players do.
func (d *decoder) send(pkt *astiav.Packet) (bool, error) {
	err := d.cc.SendPacket(pkt)
	switch {
	case errors.Is(err, astiav.ErrEagain):
		return false, nil
	case pkt == nil && err != nil:
		return false, fmt.Errorf("flush decoder of stream %d: %w", d.stream, err)
	case pkt == nil:
		return true, nil
	case errors.Is(err, astiav.ErrInvaliddata):
		d.refused++
	case err != nil:
		return false, ofFile(fmt.Errorf("decode video stream %d at %s: %w", d.stream, toDuration(pkt.Pts(), d.timeBase), err))
	}
	d.packets++
	return true, nil
}

// receive fills frame. It returns astiav.ErrEagain when the codec wants another
// packet and astiav.ErrEof after the last frame.
func (d *decoder) receive(frame *astiav.Frame) error {
	for {
		err := d.cc.ReceiveFrame(frame)
		switch {
		case errors.Is(err, astiav.ErrInvaliddata): // with frame threads a bad packet shows here
			d.refused++
		case err == nil:
			if damaged(frame) {
				d.damaged++
			}
			return toPlanar(frame, d.spare)
		case errors.Is(err, astiav.ErrEagain) || errors.Is(err, astiav.ErrEof):
			return err
		default:
			return ofFile(fmt.Errorf("decode video stream %d: %w", d.stream, err))
		}
	}
}

// time is when a frame is shown; AVI has no times of its last B-frames.
func (d *decoder) time(f *astiav.Frame) int64 {
	at, ok := timestamp(f)
	expected := d.line.prev + 2*d.usual // one frame is between
	if !ok {
		at = d.known + d.usual
	} else if pts := f.Pts(); pts != at && pts != astiav.NoPtsValue && pts > d.line.prev && off(pts, expected) < off(at, expected) {
		// libav goes by decoding times once a single one of the others was wrong.
		at = pts
		setTimestamp(f, at)
	}
	d.known = at
	return at
}

// settle repairs the time of a frame that is held back, which the given one follows.
func (d *decoder) settle(held *astiav.Frame, at int64, next int64, last bool) {
	if settled := d.line.settle(at, next, d.usual, last); settled != at {
		setTimestamp(held, settled)
	}
}

// verdict says whether what came out is worth the name of the video.
func (d *decoder) verdict(frames int64) error {
	switch {
	case frames == 0:
		return ffmpeg.Errorf(ffmpeg.CodeInvalid, "no picture could be decoded from video stream %d (%d packets, %d of them refused)", d.stream, d.packets, d.refused)
	case d.errors()*20 > d.packets:
		return ffmpeg.Errorf(ffmpeg.CodeInvalid, "video stream %d is damaged: %d of its %d packets can't be decoded, and %d frames are not whole", d.stream, d.refused, d.packets, d.damaged)
	}
	return d.line.verdict(d.stream, d.timeBase, d.line.repaired)
}

// repaired says what of the frames' times was.
func (d *decoder) repaired() []ffmpeg.Repair { return d.line.report(d.name, d.stream, d.timeBase) }

// errors are what the decoder had to make the best of.
func (d *decoder) errors() int64 { return d.refused + d.damaged }

// Close frees everything. Calling it again does nothing.
func (d *decoder) Close() {
	if d.cc != nil {
		d.cc.Free()
	}
	if d.spare != nil {
		d.spare.Free()
		d.spare = nil
	}
}
