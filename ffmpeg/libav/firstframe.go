package libav

import (
	"errors"
	"fmt"

	"github.com/asticode/go-astiav"
)

// firstFramePackets is how many packets of the video are read for its first frame.
const firstFramePackets = 256

// firstFrame decodes the first picture of a file into frame, with contexts of its own.
// It returns false where there is none: whoever decodes all of it will say why.
func firstFrame(path string, frame *astiav.Frame) (bool, error) {
	in, err := openInput(path)
	if err != nil {
		return false, err
	}
	defer in.Close()
	dec, err := openDecoder(in, 1)
	if err != nil {
		return false, err
	}
	defer dec.Close()
	pkt := astiav.AllocPacket()
	if pkt == nil {
		return false, errors.New("look at the first frame: out of memory")
	}
	defer pkt.Free()
	for read := 0; read < firstFramePackets; {
		err := in.read(pkt)
		ended := errors.Is(err, astiav.ErrEof)
		switch {
		case ended:
			_, err = dec.send(nil) // very few frames: the decoder holds them all
		case err == nil && pkt.StreamIndex() == in.video.Index():
			read++
			_, err = dec.send(pkt)
		}
		if err != nil {
			return false, err
		}
		pkt.Unref()
		if err := dec.receive(frame); err == nil {
			return true, nil
		} else if errors.Is(err, astiav.ErrEof) || ended {
			return false, nil
		} else if !errors.Is(err, astiav.ErrEagain) {
			return false, err
		}
	}
	return false, nil
}

// look decodes the first picture where it may say how it is shown and the container
// does not.
func (in *input) look(path string) error {
	switch in.video.CodecParameters().CodecID() {
	case astiav.CodecIDH264, astiav.CodecIDHevc, astiav.CodecIDMjpeg:
	default:
		return nil
	}
	if in.pose.settled {
		return nil
	}
	frame := astiav.AllocFrame()
	if frame == nil {
		return errors.New("look at the first frame: out of memory")
	}
	defer frame.Free()
	if found, err := firstFrame(path, frame); err != nil || !found {
		return err
	}
	return in.orient(frame)
}

// orient takes the first picture's word for how the video is shown, where the
// container is silent, and has the stream say the same: that is what outputs copy.
func (in *input) orient(first *astiav.Frame) error {
	if err := in.pose.look(first); err != nil {
		return err
	}
	if m, ok := displayMatrix(first); ok && in.pose.byPictures {
		if err := setDisplayMatrix(in.video.CodecParameters(), m); err != nil {
			return fmt.Errorf("describe how the video is shown: %w", err)
		}
	}
	return nil
}

// describe tells the encoder what the source's first picture says and its container may
// not: the shape of its pixels; that it is of two fields, which many containers are silent or wrong about; and
// of the display that it was mastered on and of its brightest light (SMPTE ST 2086,
// CTA-861.3), which players need to show HDR10.
func describe(e *encoder, in *input, path string) error {
	frame := astiav.AllocFrame()
	if frame == nil {
		return errors.New("look at the first frame: out of memory")
	}
	defer frame.Free()
	found, err := firstFrame(path, frame)
	if err != nil {
		return err
	}
	if e.aspectInFrames = !isRatio(in.video.SampleAspectRatio()); found && e.aspectInFrames {
		e.cc.SetSampleAspectRatio(frame.SampleAspectRatio())
	}
	isInterlaced, bottomFirst := fields(in.video.CodecParameters())
	if found && !isInterlaced && interlaced(frame) {
		isInterlaced, bottomFirst = true, !topFirst(frame)
	}
	e.bottomFirst = bottomFirst
	if found {
		if err := in.orient(frame); err != nil {
			return err
		}
	}
	if isInterlaced {
		// Else x264 codes both fields as one picture, and says that it is.
		e.cc.SetFlags(e.cc.Flags().Add(astiav.CodecContextFlagInterlacedDct).Add(astiav.CodecContextFlagInterlacedMe))
	}
	switch {
	case isInterlaced && e.codec.Name() == x265:
		return e.noFields()
	case found:
		return lendSideData(e.cc, frame)
	}
	return nil
}
