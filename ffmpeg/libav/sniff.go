package libav

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// sniffed is how much of a file's beginning is looked at: enough for five packets
// of an MPEG-TS behind some garbage.
const sniffed = 4096

// names are what an input may be, for people.
const names = "MP4, MOV, Matroska, WebM, MPEG-TS, MPEG-PS, MXF, AVI, FLV, ASF, Ogg or DV"

// A Container is one that an input may be.
type Container struct {
	Name       string
	Extensions []string // of files that are usually of it
	demuxer    string   // libav's name
	is         func(head []byte) bool
}

// Containers are all of them, in the order in which they are looked for.
func Containers() []Container {
	return []Container{
		{"MP4, QuickTime, 3GP", []string{".mp4", ".m4v", ".mov", ".3gp", ".f4v"}, "mov", isMOV},
		{"Matroska, WebM", []string{".mkv", ".webm"}, "matroska", isEBML},
		{"FLV", []string{".flv"}, "flv", isFLV},
		{"AVI", []string{".avi"}, "avi", isAVI},
		{"ASF (Windows Media)", []string{".wmv"}, "asf", isASF},
		{"Ogg", []string{".ogv"}, "ogg", isOgg},
		{"MPEG-PS, VOB", []string{".mpg", ".mpeg", ".vob"}, "mpeg", isPS},
		{"DV without a container", []string{".dv"}, "dv", isDV},
		// These may come after something else.
		{"MPEG-TS, M2TS", []string{".ts", ".m2ts", ".mts"}, "mpegts", isTS},
		{"MXF", []string{".mxf"}, "mxf", isMXF},
	}
}

// sniff returns the name of the only demuxer that a file may be given to, by its
// first bytes. libav guesses by the name and by much more of the content: it would
// take a playlist for one, whatever it is called.
func sniff(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open input: %w", err)
	}
	defer f.Close()
	head := make([]byte, sniffed)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read input: %w", err)
	}
	head = head[:n]
	for _, c := range Containers() {
		if c.is(head) {
			return c.demuxer, nil
		}
	}
	return "", ffmpeg.Errorf(ffmpeg.CodeNotVideo, "not a video: no %s file begins like this one%s", names, guess(head))
}

// boxes are those that an ISO base media or QuickTime file begins with.
var boxes = []string{"ftyp", "styp", "moov", "moof", "mdat", "sidx", "free", "skip", "wide", "pnot", "uuid"}

func isMOV(head []byte) bool {
	return len(head) >= 8 && slices.Contains(boxes, string(head[4:8]))
}

func isEBML(head []byte) bool { return bytes.HasPrefix(head, []byte{0x1a, 0x45, 0xdf, 0xa3}) }

func isFLV(head []byte) bool { return bytes.HasPrefix(head, []byte("FLV\x01")) }

func isAVI(head []byte) bool {
	return len(head) >= 12 && string(head[:4]) == "RIFF" && (string(head[8:12]) == "AVI " || string(head[8:12]) == "AVIX")
}

func isASF(head []byte) bool { return bytes.HasPrefix(head, asfHeader) }

func isOgg(head []byte) bool { return bytes.HasPrefix(head, []byte("OggS\x00")) }

// isPS looks for a pack header (ISO/IEC 13818-1, 2.5.3.3, and 11172-1, 2.4.3.2).
func isPS(head []byte) bool { return bytes.HasPrefix(head, []byte{0, 0, 1, 0xba}) }

// isDV looks for the header block of a frame of 525 or 625 lines (IEC 61834-2).
func isDV(head []byte) bool {
	return len(head) >= 4 && head[0] == 0x1f && head[1] == 0x07 && head[2] == 0 && head[3]&0x7f == 0x3f
}

// isMXF looks for a header partition, before which there may be a run-in.
func isMXF(head []byte) bool { return bytes.Contains(head, mxfHeader) }

// isTS looks for five sync bytes in a row, at the distance of packets: of MPEG-TS,
// with a time code of four bytes (M2TS), or with 16 bytes of error correction.
func isTS(head []byte) bool {
	const sync, packets = 0x47, 5
	for _, size := range []int{188, 192, 204} {
		for start := range min(size, len(head)) {
			n := 0
			for at := start; at < len(head) && head[at] == sync; at += size {
				n++
			}
			if n >= packets {
				return true
			}
		}
	}
	return false
}

// guess says what a file is that is no video, where that helps.
func guess(head []byte) string {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, known := range []struct{ prefix, name string }{
		{"#EXTM3U", "an HLS playlist"}, {"ffconcat", "a script that joins files"}, {"<?xml", "XML"}, {"<MPD", "a DASH manifest"},
		{"v=0", "a session description"}, {"GIF8", "a GIF"}, {"\x89PNG", "a PNG"}, {"\xff\xd8\xff", "a JPEG"}, {"PK\x03\x04", "a ZIP file"}, {"{", "JSON"},
	} {
		if bytes.HasPrefix(text, []byte(known.prefix)) {
			return ": it is " + known.name
		}
	}
	if len(head) == 0 {
		return ": it is empty"
	}
	return ""
}
