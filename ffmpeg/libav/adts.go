package libav

import (
	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// An adtsConfig is what the headers in AAC packets say of them, where it is not said
// apart (ISO/IEC 13818-7, 6.2): profile, sampling frequency and channels.
type adtsConfig struct {
	known         bool
	third, fourth byte // of the header, as far as they tell
}

// adtsOf reads the header of a packet; it is not known where there is none.
func adtsOf(body []byte) adtsConfig {
	if len(body) < 4 || body[0] != 0xff || body[1]&0xf0 != 0xf0 {
		return adtsConfig{}
	}
	const private = 1 << 1
	return adtsConfig{true, body[2] &^ private, body[3] >> 6}
}

// keepsConfig refuses sound whose headers change where the container has one for all
// of it: players would make noise of the rest. MPEG-TS leaves each packet its own.
func (o *output) keepsConfig(r *route, source int, pkt *astiav.Packet) error {
	if o.format == "mpegts" || r.verbatim {
		return nil
	}
	c := adtsOf(payload(pkt))
	if c.known && r.config.known && c != r.config {
		return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "stream %d (audio, aac) changes its sampling frequency or its channels at %s, which %s can't hold: choose .ts for the output",
			source, toDuration(pkt.Pts(), r.timeBase), o.format)
	}
	if c.known {
		r.config = c
	}
	return nil
}
