package libav

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// whole refuses a file that ends before its container says that it does: one whose
// recording or upload broke off. libav works what is there and calls it done.
//
// Some cameras count a few bytes too many for the last box of samples (mdat). Where the
// index is before that box it says what is needed: excess is how many bytes are not
// there, and the caller has to see that no sample is among them.
func whole(path, demuxer string) (excess int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("open input: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("open input: %w", err)
	}
	size, end := info.Size(), int64(0)
	switch demuxer {
	case "mov":
		last := lastBox(f, size)
		if end = last.end; end > size && last.spare(end-size) {
			return end - size, nil
		}
	case "matroska":
		end = endOfSegment(f)
	case "avi":
		end = endOfRIFF(f)
	case "asf":
		end = endOfASF(f)
	case "mxf":
		end = endOfMXF(f)
	}
	if end > size {
		return 0, cutOff(size, end)
	}
	return 0, nil
}

func cutOff(size, end int64) error {
	return ffmpeg.Errorf(ffmpeg.CodeInvalid, "the file is cut off: it has %d bytes of at least %d", size, end)
}

// topBoxes are those at the top of an ISO base media file whose size can be believed:
// what comes after the last one may be anything.
var topBoxes = append([]string{"meta", "mfra", "udta", "emsg", "prft"}, boxes...)

// maxBoxes is more than a day of fragments has.
const maxBoxes = 1 << 20

// A lastOne is the last box at the top of a file.
type lastOne struct {
	kind             string
	end              int64 // where it says that it ends
	index, fragments bool  // whether there is a moov, or a moof, before it
}

// fewBytes are so few that no sample of a video is among them.
const fewBytes = 64

// spare reports whether a file may be whole though the box ends so many bytes after it:
// samples are found by an index that is there. That of fragments is read as they come,
// so of them only a few bytes may be missing.
func (b lastOne) spare(missing int64) bool {
	return slices.Contains([]string{"mdat", "free", "skip", "wide"}, b.kind) && b.index && (!b.fragments || missing <= fewBytes)
}

// lastBox is the last one at the top of a file (ISO/IEC 14496-12, 4.2).
func lastBox(f io.ReaderAt, size int64) (last lastOne) {
	for range maxBoxes {
		var head [16]byte
		if _, err := f.ReadAt(head[:8], last.end); err != nil || !slices.Contains(topBoxes, string(head[4:8])) {
			break
		}
		last.index = last.index || last.kind == "moov"
		last.fragments = last.fragments || last.kind == "moof"
		last.kind = string(head[4:8])
		length := int64(binary.BigEndian.Uint32(head[:]))
		switch {
		case length == 0: // to the end of the file
			last.end = size
			return last
		case length == 1:
			if _, err := f.ReadAt(head[8:], last.end+8); err != nil {
				last.end += int64(len(head))
				return last
			}
			length = int64(binary.BigEndian.Uint64(head[8:]))
		}
		if length < 8 || last.end+length < last.end { // damaged: for libav to judge
			break
		}
		last.end += length
	}
	return last
}

// endOfSegment is where a Matroska file's only segment says that it ends; 0 where it
// doesn't say, as in live recordings (RFC 8794, 6; RFC 9559, 5.1).
func endOfSegment(f io.ReaderAt) int64 {
	at := int64(4) // the identifier of EBML, which sniff has seen
	header, length, known := elementSize(f, at)
	if !known {
		return 0
	}
	at += length + header
	var id [4]byte
	if _, err := f.ReadAt(id[:], at); err != nil || id != [4]byte{0x18, 0x53, 0x80, 0x67} {
		return 0
	}
	body, length, known := elementSize(f, at+4)
	if !known {
		return 0
	}
	return at + 4 + length + body
}

// elementSize reads the size of an EBML element: its value, and how many bytes it
// takes itself.
func elementSize(f io.ReaderAt, at int64) (value, length int64, known bool) {
	var raw [8]byte
	if n, err := f.ReadAt(raw[:], at); n == 0 || err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, false
	}
	for length = 1; length <= 8 && raw[0]>>(8-length)&1 == 0; length++ {
	}
	if length > 8 {
		return 0, 0, false
	}
	value = int64(binary.BigEndian.Uint64(raw[:]) >> (64 - 8*length) & (1<<(7*length) - 1))
	return value, length, value != 1<<(7*length)-1 // all ones: unknown
}

// endOfRIFF is where the first chunk of an AVI file says that it ends; 0 where it
// was not filled in when the recording stopped.
func endOfRIFF(f io.ReaderAt) int64 {
	var head [8]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return 0
	}
	length := binary.LittleEndian.Uint32(head[4:])
	if length == 0 || length == 1<<32-1 {
		return 0
	}
	return 8 + int64(length)
}
