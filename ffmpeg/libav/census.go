package libav

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// beyondLate is how much of a file libav reads beyond the first packet of a stream in
// order to know what it is, in bytes.
const beyondLate = 4 << 20

// census reads a file that names streams of which nothing is known, or more videos than
// one, and notes those that have no packets at all: recorders announce sound that never
// comes, and editors leave empty tracks behind. Where a stream that libav knows nothing
// of has packets after all, late is where in the file the last one of them begins.
func (in *input) census(path string) (late int64, err error) {
	var asked, unknown []int
	videos := 0
	for _, s := range in.fc.Streams() {
		p := s.CodecParameters()
		switch {
		case isVideo(s):
			videos++
			asked = append(asked, s.Index())
		case p.MediaType() == astiav.MediaTypeAudio && (p.SampleRate() == 0 || p.ChannelLayout().Channels() == 0):
			asked, unknown = append(asked, s.Index()), append(unknown, s.Index())
		}
	}
	if videos < 2 && len(unknown) == 0 {
		return 0, nil
	}
	first, err := firstPackets(path, asked)
	if err != nil {
		return 0, err
	}
	for _, s := range asked {
		at, ok := first[s]
		switch {
		case !ok:
			in.empty = append(in.empty, s)
		case slices.Contains(unknown, s):
			late = max(late, at, 1)
		}
	}
	return late, nil
}

// firstPackets reads a file until each of some streams had a packet, and returns where in
// the file it was.
func firstPackets(path string, streams []int) (map[int]int64, error) {
	fc, _, err := openFile(path, nil)
	if err != nil {
		return nil, err
	}
	defer fc.CloseInput()
	pkt := astiav.AllocPacket()
	if pkt == nil {
		return nil, errors.New("look for empty streams: out of memory")
	}
	defer pkt.Free()
	first := map[int]int64{}
	for len(first) < len(streams) {
		for _, s := range fc.Streams() { // there may be more of them now
			if !slices.Contains(streams, s.Index()) {
				s.SetDiscard(astiav.DiscardAll)
			}
		}
		if err := fc.ReadFrame(pkt); errors.Is(err, astiav.ErrEof) {
			break
		} else if err != nil {
			return nil, ffmpeg.Errorf(ffmpeg.CodeInvalid, "read input: %w", err)
		}
		if _, ok := first[pkt.StreamIndex()]; !ok && slices.Contains(streams, pkt.StreamIndex()) {
			first[pkt.StreamIndex()] = pkt.Pos()
		}
		pkt.Unref()
	}
	return first, nil
}

// holdsSamples reports whether all samples that the index of an MP4 or MOV names are in
// the file.
func (in *input) holdsSamples(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	for _, s := range in.fc.Streams() {
		if endOfSamples(s) > info.Size() {
			return false
		}
	}
	return true
}

func (in *input) cutOff(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open input: %w", err)
	}
	return cutOff(info.Size(), info.Size()+in.excess)
}
