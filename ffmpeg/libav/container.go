package libav

import (
	"fmt"
	"slices"
	"strings"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// inTransportStream are the codecs that MPEG-TS has a stream type or descriptor
// for. libav writes any other as private data, which no player can make anything
// of, and calls it done.
var inTransportStream = []astiav.CodecID{
	astiav.CodecIDH264, astiav.CodecIDHevc, astiav.CodecIDMpeg2Video, astiav.CodecIDMpeg1Video,
	astiav.CodecIDMpeg4, astiav.CodecIDVc1,
	astiav.CodecIDMp2, astiav.CodecIDMp3, astiav.CodecIDAac, astiav.CodecIDAacLatm, astiav.CodecIDAc3,
	astiav.CodecIDEac3,
	astiav.CodecIDOpus, astiav.CodecIDDts, astiav.CodecIDTruehd, astiav.CodecIDS302M,
	astiav.CodecIDDvbSubtitle, astiav.CodecIDDvbTeletext, codecIDAribCaption,
	astiav.CodecIDSmpteKlv, astiav.CodecIDTimedId3,
	astiav.CodecIDBinData, // private data is that, and nothing more was known of it before
}

// misread are codecs that a muxer of libav writes so that readers make noise of them, or
// nothing: QuickTime has no place for what Windows Media says of itself, and older readers
// take all PCM in MP4 (ISO/IEC 23003-5) for 16 bits.
var misread = map[string][]astiav.CodecID{
	"mov": {
		astiav.CodecIDWmav1, astiav.CodecIDWmav2, astiav.CodecIDWmapro, astiav.CodecIDWmalossless,
		astiav.CodecIDWmavoice, astiav.CodecIDSpeex,
	},
	"mp4": {
		astiav.CodecIDPcmS24Le, astiav.CodecIDPcmS24Be, astiav.CodecIDPcmS32Le, astiav.CodecIDPcmS32Be,
		astiav.CodecIDPcmF32Le, astiav.CodecIDPcmF32Be, astiav.CodecIDPcmF64Le, astiav.CodecIDPcmF64Be,
	},
}

// holds reports whether a container has a place for a copy of a stream.
func holds(format string, s *astiav.Stream) bool {
	id := s.CodecParameters().CodecID()
	switch {
	case id == astiav.CodecIDNone, slices.Contains(misread[format], id):
		return false
	case format == "mpegts":
		return slices.Contains(inTransportStream, id)
	}
	return canHold(format, s)
}

// isCounted reports whether a stream is one that people see, hear or read.
func isCounted(s *astiav.Stream) bool {
	switch s.CodecParameters().MediaType() {
	case astiav.MediaTypeVideo, astiav.MediaTypeAudio, astiav.MediaTypeSubtitle:
		return !isPicture(s)
	}
	return false
}

// choose returns the first of the containers that spec takes that holds all of a file's
// video, sound and subtitles, and else the one that holds most of them. The video is
// encoded, or copied as it is.
func choose(in *input, spec ffmpeg.Spec, encoded bool) string {
	best, least := spec.Format, -1
	for _, format := range append([]string{spec.Format}, spec.Otherwise...) {
		lost := 0
		for _, s := range in.fc.Streams() {
			made := encoded && s.Index() == in.video.Index() || slices.Contains(in.empty, s.Index())
			if isCounted(s) && !made && !holds(format, s) && !converts(format, s, spec.ConvertSubtitles) {
				lost++
			}
		}
		if least < 0 || lost < least {
			best, least = format, lost
		}
	}
	return best
}

// judgeLosses decides what becomes of streams that the container has no place for: a job
// fails rather than lose one that people see, hear or read. A further form of sound that
// is kept anyway is left out.
func (o *output) judgeLosses() error {
	if err := o.judgeUnknown(); err != nil {
		return err
	}
	for _, s := range o.unheld {
		twin := o.twin(s)
		switch {
		case o.dropStreams:
			o.drop(s, o.format+" can't hold it")
		case twin != nil:
			o.drop(s, fmt.Sprintf("%s can't hold it%s; stream %d is kept, which has sound of the same language",
				o.format, elsewhere(s, o.format), twin.Index()))
		default:
			return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "%s can't be copied into %s: %s",
				nameOf(s), o.format, remedy(s, o.format))
		}
	}
	return nil
}

// judgeUnknown refuses a file whose only sound may be a stream that a transport stream gives
// a number of somebody's own (ISO/IEC 13818-1, table 2-34), and that nothing here recognises.
func (o *output) judgeUnknown() error {
	const private = 0x80
	var unknown *astiav.Stream
	for _, s := range o.sources {
		p := s.CodecParameters()
		switch {
		case p.MediaType() == astiav.MediaTypeAudio:
			return nil
		case p.MediaType() == astiav.MediaTypeUnknown && p.CodecTag() >= private && p.CodecTag() <= 0xff &&
			o.routes[s.Index()] == nil:
			unknown = s
		}
	}
	if unknown == nil || o.dropStreams {
		return nil
	}
	return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "stream %d, of the private type 0x%02x, may be sound, "+
		"of which there is no other, and nothing here knows it: allow its loss (--drop-streams)",
		unknown.Index(), uint32(unknown.CodecParameters().CodecTag()))
}

// twin is a stream that the output has and that may be the same sound as s in another form.
func (o *output) twin(s *astiav.Stream) *astiav.Stream {
	if s.CodecParameters().MediaType() != astiav.MediaTypeAudio {
		return nil
	}
	for _, other := range o.sources {
		a, b := language(s), language(other)
		if other.CodecParameters().MediaType() == astiav.MediaTypeAudio && o.routes[other.Index()] != nil &&
			(a == b || a == "" || b == "") && sameListeners(s, other) {
			return other
		}
	}
	return nil
}

// sameListeners reports whether two streams of sound are for the same people: one with
// comments, or that describes the pictures, is no other form of one without.
func sameListeners(a, b *astiav.Stream) bool {
	for _, f := range []astiav.DispositionFlag{
		astiav.DispositionFlagComment, astiav.DispositionFlagHearingImpaired,
		astiav.DispositionFlagVisualImpaired, astiav.DispositionFlagDescriptions,
	} {
		if a.DispositionFlags().Has(f) != b.DispositionFlags().Has(f) {
			return false
		}
	}
	return true
}

// language is what a stream says of its own; empty where that is nothing.
func language(s *astiav.Stream) string {
	if d := s.Metadata(); d != nil {
		if e := d.Get("language", nil, 0); e != nil && e.Value() != "und" {
			return e.Value()
		}
	}
	return ""
}

// homes are the extensions of the containers that hold a stream, but for one.
func homes(s *astiav.Stream, but string) []string {
	var names []string
	for _, extension := range []string{".mkv", ".mov", ".mp4", ".ts"} {
		if format := ffmpeg.Formats[extension]; format != but && (holds(format, s) || converts(format, s, false)) {
			names = append(names, extension)
		}
	}
	return names
}

// elsewhere says which containers hold a stream, where one does.
func elsewhere(s *astiav.Stream, but string) string {
	if names := homes(s, but); len(names) > 0 {
		return " (" + strings.Join(names, " or ") + " can)"
	}
	return ""
}

// remedy says what to do about a stream that a container can't hold.
func remedy(s *astiav.Stream, format string) string {
	var ways []string
	if names := homes(s, format); len(names) > 0 {
		ways = append(ways, "choose another container for the output, such as "+strings.Join(names, " or "))
	}
	if converts(format, s, true) {
		ways = append(ways, "have it converted (--subtitles convert)")
	}
	return strings.Join(append(ways, "allow its loss (--drop-streams)"), ", or ")
}
