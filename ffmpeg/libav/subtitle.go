package libav

// #include <libavcodec/avcodec.h>
// #include <libavutil/mem.h>
//
// // convert_text decodes a subtitle and encodes it again. It sets text to memory that
// // the caller frees with av_free, and size to 0 where there is nothing to be read.
// static int convert_text(AVCodecContext *dec, AVCodecContext *enc, AVPacket *pkt, uint8_t **text, int *size,
//                         int64_t *start, int64_t *end) {
//     enum { room = 1 << 20 };
//     AVSubtitle sub = { 0 };
//     int got = 0;
//     *size = 0;
//     int ret = avcodec_decode_subtitle2(dec, &sub, &got, pkt);
//     if (ret < 0 || !got || !sub.num_rects) {
//         avsubtitle_free(&sub);
//         return ret < 0 ? ret : 0;
//     }
//     *start = sub.start_display_time;
//     *end = sub.end_display_time;
//     if (!(*text = av_malloc(room))) {
//         avsubtitle_free(&sub);
//         return AVERROR(ENOMEM);
//     }
//     sub.end_display_time -= sub.start_display_time; // encoders want that
//     sub.start_display_time = 0;
//     ret = avcodec_encode_subtitle(enc, *text, room, &sub);
//     avsubtitle_free(&sub);
//     if (ret < 0) {
//         av_freep(text);
//         return ret;
//     }
//     *size = ret;
//     return 0;
// }
//
// // copy_header gives an encoder the styles that the decoder knows: both speak ASS.
// static int copy_header(AVCodecContext *enc, const AVCodecContext *dec) {
//     if (!dec->subtitle_header)
//         return 0;
//     enc->subtitle_header = av_mallocz(dec->subtitle_header_size + 1);
//     if (!enc->subtitle_header)
//         return AVERROR(ENOMEM);
//     memcpy(enc->subtitle_header, dec->subtitle_header, dec->subtitle_header_size);
//     enc->subtitle_header_size = dec->subtitle_header_size;
//     return 0;
// }
import "C"

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// texts are subtitles that are text.
var texts = []astiav.CodecID{
	astiav.CodecIDSubrip, astiav.CodecIDAss, astiav.CodecIDSsa, astiav.CodecIDText, astiav.CodecIDWebvtt,
	astiav.CodecIDMovText,
}

// textOf is the encoder of text subtitles for a container.
var textOf = map[string]string{"mp4": "mov_text", "mov": "mov_text", "matroska": "webvtt"}

// A subtitler turns text subtitles of one kind into another, at the same times.
type subtitler struct {
	dec, enc *astiav.CodecContext
	base     astiav.Rational
	stream   int
	pending  *astiav.Packet // not received yet; nil: nothing is
	ended    bool
}

func newSubtitler(source *astiav.Stream, encoder string) (_ *subtitler, err error) {
	p := source.CodecParameters()
	from, to := astiav.FindDecoder(p.CodecID()), astiav.FindEncoderByName(encoder)
	if from == nil || to == nil {
		return nil, ffmpeg.Errorf(ffmpeg.CodeUnsupported, "this libav has no decoder for it, or no %s", encoder)
	}
	s := &subtitler{
		dec: astiav.AllocCodecContext(from), enc: astiav.AllocCodecContext(to),
		base: source.TimeBase(), stream: source.Index(),
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.dec == nil || s.enc == nil {
		return nil, errors.New("out of memory")
	}
	if err := p.ToCodecContext(s.dec); err != nil {
		return nil, err
	}
	setPacketTimeBase(s.dec, s.base)
	if err := s.dec.Open(from, nil); err != nil {
		return nil, ofFile(err)
	}
	if err := check(C.copy_header(codecPointer(s.enc), codecPointer(s.dec))); err != nil {
		return nil, err
	}
	s.enc.SetTimeBase(astiav.NewRational(1, 1000))
	if err := s.enc.Open(to, nil); err != nil {
		return nil, ofFile(err)
	}
	return s, nil
}

func (s *subtitler) describe(p *astiav.CodecParameters) error { return s.enc.ToCodecParameters(p) }

func (s *subtitler) send(pkt *astiav.Packet) error {
	if pkt == nil {
		s.ended = true
		return nil
	}
	var text *C.uint8_t
	var size C.int
	var start, end C.int64_t
	ret := C.convert_text(codecPointer(s.dec), codecPointer(s.enc), packetPointer(pkt), &text, &size, &start, &end)
	if err := check(ret); err != nil {
		at := toDuration(pkt.Pts(), s.base)
		return ofFile(fmt.Errorf("convert the subtitle of stream %d at %s: %w", s.stream, at, err))
	}
	defer C.av_free(unsafe.Pointer(text))
	pts, duration := pkt.Pts(), pkt.Duration()
	pkt.Unref()
	if size == 0 {
		return nil
	}
	if s.pending == nil {
		if s.pending = astiav.AllocPacket(); s.pending == nil {
			return errors.New("convert a subtitle: out of memory")
		}
	}
	if err := s.pending.FromData(C.GoBytes(unsafe.Pointer(text), size)); err != nil {
		return fmt.Errorf("convert a subtitle: %w", err)
	}
	thousandths := astiav.NewRational(1, 1000)
	pts += astiav.RescaleQ(int64(start), thousandths, s.base)
	if duration <= 0 && end > start && uint32(end) != math.MaxUint32 { // the codec's own word
		duration = astiav.RescaleQ(int64(end-start), thousandths, s.base)
	}
	s.pending.SetPts(pts)
	s.pending.SetDts(pts)
	s.pending.SetDuration(duration)
	s.pending.SetFlags(s.pending.Flags().Add(astiav.PacketFlagKey))
	return nil
}

func (s *subtitler) receive(pkt *astiav.Packet) error {
	switch {
	case s.pending != nil && s.pending.Size() > 0:
		pkt.MoveRef(s.pending)
		return nil
	case s.ended:
		return astiav.ErrEof
	}
	return astiav.ErrEagain
}

// Close frees everything. Calling it again does nothing.
func (s *subtitler) Close() {
	for _, c := range []*astiav.CodecContext{s.dec, s.enc} {
		if c != nil {
			c.Free()
		}
	}
	if s.pending != nil {
		s.pending.Free()
		s.pending = nil
	}
}
