package libav

import (
	"errors"

	"github.com/asticode/go-astiav"
)

// firstFramePackets is how many packets of the video are read for its first frame.
const firstFramePackets = 256

// firstFrame decodes the first picture of a file, with contexts of its own. It
// returns nil where there is none: whoever decodes all of it will say why.
func firstFrame(path string) (_ *astiav.Frame, err error) {
	in, err := openInput(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	dec, err := openDecoder(in, 1)
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	pkt, frame := astiav.AllocPacket(), astiav.AllocFrame()
	if pkt == nil || frame == nil {
		return nil, errors.New("allocate the first frame: out of memory")
	}
	defer pkt.Free()
	keep := false
	defer func() {
		if !keep {
			frame.Free()
		}
	}()
	for read := 0; read < firstFramePackets; {
		err := in.read(pkt)
		if errors.Is(err, astiav.ErrEof) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		if pkt.StreamIndex() == in.video.Index() {
			read++
			if _, err := dec.send(pkt); err != nil {
				return nil, err
			}
			switch err := dec.receive(frame); {
			case err == nil:
				keep = true
				return frame, nil
			case !errors.Is(err, astiav.ErrEagain):
				return nil, err
			}
		}
		pkt.Unref()
	}
	return nil, nil
}

// describeHDR tells the encoder what the source says of the display that it was
// mastered on and of its brightest light (SMPTE ST 2086, CTA-861.3), which players
// need to show HDR10. HEVC says it with its first picture, if not the container does.
func describeHDR(e *encoder, in *input, path string) error {
	if in.video.CodecParameters().ColorTransferCharacteristic() != astiav.ColorTransferCharacteristicSmpte2084 {
		return nil
	}
	frame, err := firstFrame(path)
	if err != nil || frame == nil {
		return err
	}
	defer frame.Free()
	return lendSideData(e.cc, frame)
}
