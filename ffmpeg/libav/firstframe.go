package libav

import (
	"errors"

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
