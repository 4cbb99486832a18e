// Package mp4box carries from one MP4 or MOV file to another what they say of
// themselves and their tracks and what libav has no place for: QuickTime's and
// Android's keys with their types, user data, and how pictures lie on a sphere and are
// of two views. Boxes are copied as they are. Pictures among them are not: nobody has
// looked for faces there.
//
// Formats: ISO/IEC 14496-12; Apple, QuickTime File Format, "Metadata"; Google, Spherical
// Video V1 and V2 RFC; Apple, Stereo Video ISOBMFF Extensions.
package mp4box

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// What is carried at most; more is not metadata that people make.
const (
	maxBox   = 64 << 10 // of one box, in bytes
	maxAll   = 1 << 20  // of all of a file
	maxBoxes = 1 << 12  // beside each other
)

// A Box is a whole box, with its header.
type Box []byte

// New makes a box. Kind has four bytes.
func New(kind string, content ...[]byte) Box {
	body := bytes.Join(content, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
}

// Kind is the type of a box, of four bytes.
func (b Box) Kind() string { return string(b[4:8]) }

// content is what is in the box. Boxes in here have short headers.
func (b Box) content() []byte { return b[8:] }

// Notes are what a file, or a track, says of itself.
type Notes struct {
	Keys      Box   // meta of QuickTime's keys; nil: there are none
	KeysFirst bool  // they are before the tracks
	ITunes    Box   // meta in the user data, as iTunes has it; nil: there is none
	User      []Box // all other user data
}

// A Track is what is said of one.
type Track struct {
	Notes
	Boxes []Box // of the track itself: Google's spherical video V1
	Entry []Box // of the first sample entry
	// Layers: there is more than one view, each in a layer of its own (MV-HEVC).
	Layers bool
}

// Metadata is what Read found.
type Metadata struct {
	Movie  Notes
	Tracks map[uint32]Track // by their identifiers
	// Lost names what is not carried, and why.
	Lost []string
}

// A span is where the content of a box lies in a file.
type span struct {
	kind    string
	at, end int64 // of the content
}

// children calls f with each box in a span, until one is damaged.
func children(r io.ReaderAt, in span, f func(span) error) error {
	at := in.at
	for range maxBoxes {
		var head [16]byte
		if in.end-at < 8 {
			return nil
		}
		if _, err := r.ReadAt(head[:8], at); err != nil {
			return fmt.Errorf("read %s at %d: %w", in.kind, at, err)
		}
		length, header := int64(binary.BigEndian.Uint32(head[:])), int64(8)
		switch length {
		case 0:
			length = in.end - at
		case 1:
			if _, err := r.ReadAt(head[8:], at+8); err != nil {
				return fmt.Errorf("read %s at %d: %w", in.kind, at, err)
			}
			length, header = int64(binary.BigEndian.Uint64(head[8:])), 16
		}
		if length < header || length > in.end-at {
			return nil
		}
		if err := f(span{string(head[4:8]), at + header, at + length}); err != nil {
			return err
		}
		at += length
	}
	return nil
}

// Read gathers what a file of so many bytes says. What is damaged is passed over: it is
// libav that judges the file.
func Read(r io.ReaderAt, size int64) (Metadata, error) {
	c := collector{r: r, left: maxAll, m: Metadata{Tracks: map[uint32]Track{}}}
	err := children(r, span{"file", 0, size}, func(s span) error {
		if s.kind != "moov" {
			return nil
		}
		if err := c.movie(s); err != nil {
			return err
		}
		return errFound
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	slices.Sort(c.m.Lost)
	c.m.Lost = slices.Compact(c.m.Lost)
	return c.m, err
}

// errFound ends the search for the only moov.
var errFound = errors.New("moov found")

// A collector reads one file.
type collector struct {
	r    io.ReaderAt
	left int // how many bytes may be carried yet
	m    Metadata
}

func (c *collector) movie(moov span) error {
	return children(c.r, moov, func(s span) error {
		switch s.kind {
		case "trak":
			return c.track(s)
		case "meta", "udta":
			if s.kind == "meta" && len(c.m.Tracks) == 0 {
				c.m.Movie.KeysFirst = true
			}
			return c.notes(&c.m.Movie, s, "the file")
		case "uuid":
			c.lose("the file", "uuid", "nobody knows what is in it")
		}
		return nil
	})
}

func (c *collector) lose(whose, kind, why string) {
	c.m.Lost = append(c.m.Lost, fmt.Sprintf("%s: its metadata %s: %s", whose, printable(kind), why))
}

// printable is a name that comes out of a file, as it may be shown.
func printable(kind string) string {
	if len(kind) == 4 {
		kind = strings.Replace(kind, "\xa9", "©", 1)
	}
	if !utf8.ValidString(kind) || strings.ContainsFunc(kind, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Sprintf("%q", kind)
	}
	return kind
}

// whole reads a box; nil where it may not be carried.
func (c *collector) whole(s span, whose string) (Box, error) {
	n := int(min(s.end-s.at, maxAll+1))
	if n > maxBox || n > c.left {
		c.lose(whose, s.kind, fmt.Sprintf("it is of %d bytes, which no text is", s.end-s.at))
		return nil, nil
	}
	body := make([]byte, n)
	if _, err := c.r.ReadAt(body, s.at); err != nil {
		return nil, fmt.Errorf("read %s at %d: %w", s.kind, s.at, err)
	}
	c.left -= n
	return New(s.kind, body), nil
}

// Sphere is the identifier of Google's spherical video V1, which is in XML.
const sphere = "\xff\xcc\x82\x63\xf8\x55\x4a\x93\x88\x14\x58\x7a\x02\x52\x1f\xdd"

func (c *collector) track(trak span) error {
	var t Track
	var id uint32
	var entries []span
	err := children(c.r, trak, func(s span) error {
		whose := fmt.Sprintf("track %d", id)
		switch s.kind {
		case "tkhd":
			var head [24]byte
			if _, err := c.r.ReadAt(head[:min(24, s.end-s.at)], s.at); err != nil {
				return fmt.Errorf("read tkhd: %w", err)
			}
			if id = binary.BigEndian.Uint32(head[12:]); head[0] == 1 {
				id = binary.BigEndian.Uint32(head[20:])
			}
		case "meta", "udta":
			return c.notes(&t.Notes, s, whose)
		case "uuid":
			b, err := c.whole(s, whose)
			switch {
			case err != nil || b == nil:
				return err
			case bytes.HasPrefix(b.content(), []byte(sphere)) && !pictured(b):
				t.Boxes = append(t.Boxes, b)
			default:
				c.lose(whose, "uuid", "nobody knows what is in it")
			}
		case "mdia", "minf", "stbl", "stsd":
			entries = append(entries, s)
		}
		return nil
	})
	for _, step := range []string{"minf", "stbl", "stsd"} {
		if err != nil || len(entries) == 0 {
			break
		}
		in := entries[len(entries)-1]
		entries = entries[:0]
		err = children(c.r, in, func(s span) error {
			if s.kind == step {
				entries = append(entries, s)
			}
			return nil
		})
	}
	if err == nil && len(entries) > 0 {
		err = c.entry(&t, entries[0], fmt.Sprintf("track %d", id))
	}
	if err == nil {
		c.m.Tracks[id] = t
	}
	return err
}

// visualEntry is how long a sample entry of video is before its boxes, without a header.
const visualEntry = 78

// ofEntry are the boxes of a sample entry that say how pictures are to be looked at.
var ofEntry = []string{"st3d", "sv3d", "vexu", "hfov", "dvcC", "dvvC", "dvwC"}

// entry reads the first sample entry, if it is of video: of other kinds it has none of
// these boxes, or they are found by their names by accident.
func (c *collector) entry(t *Track, stsd span, whose string) error {
	first := true
	stsd.at += 8 // version, flags, and how many entries
	return children(c.r, stsd, func(s span) error {
		if !first || s.end-s.at < visualEntry {
			return nil
		}
		first = false
		s.at += visualEntry
		return children(c.r, s, func(s span) error {
			if s.kind == "lhvC" {
				t.Layers = true
			}
			if !slices.Contains(ofEntry, s.kind) {
				return nil
			}
			b, err := c.whole(s, whose)
			if b != nil {
				t.Entry = append(t.Entry, b)
			}
			return err
		})
	})
}

// texts are user data that people and cameras write: text and numbers. Those whose name
// begins with © are text by definition.
var texts = []string{
	// 3GPP TS 26.244, 8
	"titl", "dscp", "cprt", "perf", "auth", "gnre", "rtng", "clsf", "kywd", "loci", "albm", "yrrc",
	// QuickTime
	"name", "date", "manu", "modl", "slno", "apmd", "tool", "cmnm", "cmid", "LOOP", "SelO", "AllF", "WLOC",
	// tracks
	"kind", "tagc", "hnti", "hinf", "tnam",
	// Samsung, GoPro
	"smta", "smrd", "FIRM", "LENS", "CAME", "SETT", "MUID", "HMMT", "BCID", "GUMI", "GPMF",
}

// ofWriter is user data that says what wrote the source, and chapters, which the output
// has of its own.
var ofWriter = []string{"\xa9swr", "\xa9too", "\xa9enc", "chpl", "free", "skip"}

func (c *collector) notes(n *Notes, in span, whose string) error {
	if in.kind == "meta" {
		b, err := c.whole(in, whose)
		if err != nil || b == nil {
			return err
		}
		return c.meta(n, b, whose)
	}
	return children(c.r, in, func(s span) error {
		switch {
		case slices.Contains(ofWriter, s.kind) || s.kind == "\x00\x00\x00\x00":
			return nil
		case s.kind != "meta" && s.kind != "XMP_" && s.kind[0] != 0xa9 && !slices.Contains(texts, s.kind):
			c.lose(whose, s.kind, "it may hold a picture that no face was looked for in")
			return nil
		}
		b, err := c.whole(s, whose)
		switch {
		case err != nil || b == nil:
			return err
		case s.kind == "meta":
			return c.meta(n, b, whose)
		case pictured(b):
			c.lose(whose, s.kind, picture)
		default:
			n.User = append(n.User, b)
		}
		return nil
	})
}

const picture = "it holds a picture that no face was looked for in"

// pictured reports whether there is a picture in a box, or the text of one: a JPEG, PNG,
// GIF, WebP or HEIF.
func pictured(b Box) bool {
	for _, mark := range []string{
		"\xff\xd8\xff", "\x89PNG", "GIF8", "WEBPVP8", "ftyphei", "ftypmif1", "ftypavif", "/9j/", "iVBORw0KGgo", "R0lGOD",
	} {
		if bytes.Contains(b, []byte(mark)) {
			return true
		}
	}
	return false
}

// within calls f with each box in a slice.
func within(body []byte, f func(Box)) {
	for len(body) >= 8 {
		n := binary.BigEndian.Uint32(body)
		if n < 8 || uint64(n) > uint64(len(body)) {
			return
		}
		f(Box(body[:n:n]))
		body = body[n:]
	}
}

// meta takes what is text of a box of keys, or of one as iTunes has it.
func (c *collector) meta(n *Notes, b Box, whose string) error {
	body := b.content()
	var version []byte // QuickTime has none
	if len(body) >= 12 && string(body[8:12]) == "hdlr" {
		version, body = body[:4], body[4:]
	}
	var handler string
	var names []string
	within(body, func(b Box) {
		switch content := b.content(); b.Kind() {
		case "hdlr":
			if len(content) >= 12 {
				handler = string(content[8:12])
			}
		case "keys":
			if len(content) > 8 {
				within(content[8:], func(b Box) { names = append(names, string(b.content())) })
			}
		}
	})
	if handler != "mdta" && handler != "mdir" {
		c.lose(whose, "meta", "nobody knows what is in it")
		return nil
	}
	kept := 0
	out := [][]byte{version}
	within(body, func(b Box) {
		switch b.Kind() {
		case "hdlr", "keys", "ctry", "lang":
			out = append(out, b)
		case "ilst":
			var items [][]byte
			within(b.content(), func(item Box) {
				name := item.Kind()
				if at := binary.BigEndian.Uint32(item[4:]); handler == "mdta" {
					if at == 0 || uint64(at) > uint64(len(names)) {
						return
					}
					name = names[at-1]
				}
				if handler == "mdir" && name == "covr" || name == "encoder" || slices.Contains(ofWriter, name) {
					return // cover art is a stream to libav
				}
				if pictured(item) || unreadable(item) {
					c.lose(whose, name, picture)
					return
				}
				items = append(items, item)
			})
			kept += len(items)
			out = append(out, New("ilst", items...))
		}
	})
	switch {
	case kept == 0:
	case handler == "mdta" && n.Keys == nil:
		n.Keys = New("meta", out...)
	case handler == "mdir" && n.ITunes == nil:
		n.ITunes = New("meta", out...)
	default:
		c.lose(whose, "meta", "there are two of them")
	}
	return nil
}

// Types of values that are neither text nor numbers.
// https://developer.apple.com/documentation/quicktime-file-format/well-known_types
var images = []uint32{13, 14, 27}

// unreadable reports whether an item has a value that is a picture, or so long that it
// may be one.
func unreadable(item Box) bool {
	const longBinary = 1 << 10
	bad := false
	within(item.content(), func(b Box) {
		if content := b.content(); b.Kind() == "data" && len(content) >= 8 {
			kind := binary.BigEndian.Uint32(content) & 0xffffff
			bad = bad || slices.Contains(images, kind) || kind == 0 && len(content) > longBinary
		}
	})
	return bad
}
