package libav

import (
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// A tally is what went into one stream of a file, or came out of it.
type tally struct {
	packets int64
	bytes   int64
	sum     uint32 // of all payloads, one after the other: muxers may join small packets
	last    int64  // decoding time that was written, in the source's time base
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (t *tally) add(pkt *astiav.Packet) {
	body := payload(pkt)
	t.packets++
	t.bytes += int64(len(body))
	t.sum = crc32.Update(t.sum, castagnoli, body)
}

// audit reads a finished file and holds it against what was written: libav's muxers
// say that all is well where they left something out.
func (o *output) audit() error {
	in, _, err := openFile(o.path, map[string]string{"ignore_editlist": "1"})
	if err != nil {
		return fmt.Errorf("read the output again: %w", err)
	}
	defer in.CloseInput()
	o.auditTags(in)
	pkt := astiav.AllocPacket()
	if pkt == nil {
		return errors.New("read the output again: out of memory")
	}
	defer pkt.Free()
	read := map[int]*tally{}
	for {
		if err := in.ReadFrame(pkt); errors.Is(err, astiav.ErrEof) {
			break
		} else if err != nil {
			return fmt.Errorf("read the output again: %w", err)
		}
		t := read[pkt.StreamIndex()]
		if t == nil {
			t = &tally{}
			read[pkt.StreamIndex()] = t
		}
		t.add(pkt)
		pkt.Unref()
	}
	for source, r := range o.routes {
		got := read[r.stream.Index()]
		if got == nil {
			got = &tally{}
		}
		want := r.written
		same := true
		params := r.stream.CodecParameters()
		switch params.MediaType() {
		case astiav.MediaTypeVideo:
			// Read out of MPEG-TS, each field of interlaced video may be a packet.
			same = got.packets == want.packets || o.format == "mpegts" && got.packets > want.packets
		case astiav.MediaTypeAudio:
			same = !r.verbatim || got.bytes == want.bytes && got.sum == want.sum
		}
		if !same {
			return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "stream %d (%s, %s) does not come out of %s as it went in: %d packets of %d bytes, and not %d of %d: choose another container for the output",
				source, params.MediaType(), params.CodecID().Name(), o.format, got.packets, got.bytes, want.packets, want.bytes)
		}
	}
	return nil
}

// auditTags tells of what a file and its streams said of themselves and the output does
// not say.
func (o *output) auditTags(in *astiav.FormatContext) {
	tell := func(whose string, lost []string) {
		if len(lost) > 0 {
			o.dropped = append(o.dropped, fmt.Sprintf("%s: its tags %s, which %s has no place for", whose, strings.Join(lost, ", "), o.format))
		}
	}
	tell("the file", lostTags(o.said, tagsOf(in.Metadata())))
	for _, source := range slices.Sorted(maps.Keys(o.routes)) {
		r := o.routes[source]
		if r.stream.Index() < in.NbStreams() {
			tell(r.name, lostTags(r.said, tagsOf(in.Streams()[r.stream.Index()].Metadata())))
		}
	}
}

// keepsPayload reports whether the container stores the source's packets as they are.
// MPEG-TS has headers of its own in them, which AAC without a header apart has, too.
func (o *output) keepsPayload(source *astiav.CodecParameters) bool {
	return o.format != "mpegts" && (source.CodecID() != astiav.CodecIDAac || len(source.ExtraData()) > 0)
}
