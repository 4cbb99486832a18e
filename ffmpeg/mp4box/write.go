package mp4box

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A File is what Write needs of one.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// slack is how much more room Room asks for: for headers, and for a box that fills what
// is left.
const slack = 512

// Room is how many bytes of room Write needs for what is to be carried; 0: there is nothing.
func Room(movie Notes, tracks []Track) int {
	n := movie.size()
	for _, t := range tracks {
		n += t.Notes.size()
		for _, b := range slices.Concat(t.Boxes, t.Entry) {
			n += len(b)
		}
	}
	if n == 0 {
		return 0
	}
	return n + slack + 64*len(tracks)
}

func (n Notes) size() int {
	size := len(n.Keys) + len(n.ITunes)
	for _, b := range n.User {
		size += len(b)
	}
	return size
}

// mark begins the text that keeps the room.
const mark = "room for what the source says "

// Filler is a text of so many bytes to keep the room with: one of the metadata that the
// muxer writes.
func Filler(room int) string { return mark + strings.Repeat(" ", max(room-len(mark), 0)) }

// Write puts what is said of a movie and of its tracks, in the order of the output's,
// into a finished file of size bytes. The file has a Filler in its metadata, whose place
// they take: so nothing else moves.
func Write(f File, size int64, movie Notes, tracks []Track) error {
	var at span
	err := children(f, span{"file", 0, size}, func(s span) error {
		if s.kind == "moov" {
			at = s
		}
		return nil
	})
	if err != nil {
		return err
	}
	if at.kind == "" || at.end-at.at > 1<<31 {
		return errors.New("there is no moov to write to")
	}
	body := make([]byte, at.end-at.at)
	if _, err := f.ReadAt(body, at.at); err != nil {
		return fmt.Errorf("read moov: %w", err)
	}
	moov := parse("moov", body)
	if !moov.vacate() {
		return errors.New("the room that was made for metadata is not there")
	}
	moov.put(movie, "moov")
	k := 0
	for _, trak := range moov.kids {
		if trak.kind == "trak" && k < len(tracks) {
			trak.putTrack(tracks[k])
			k++
		}
	}
	left := len(body) + 8 - moov.size()
	if left < 8 {
		return fmt.Errorf("metadata is %d bytes longer than the room for it", 8-left)
	}
	moov.kids = append(moov.kids, &node{kind: "free", body: make([]byte, left-8)})
	w := bufio.NewWriterSize(io.NewOffsetWriter(f, at.at), 1<<18)
	for _, kid := range moov.kids {
		if err := kid.write(w); err != nil {
			return fmt.Errorf("write moov: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write moov: %w", err)
	}
	return nil
}

// A node is a box whose boxes can be changed. Its body comes before them.
type node struct {
	kind string
	body []byte
	kids []*node
}

// bodies are how much of each kind of box comes before the boxes in it.
var bodies = map[string]int{
	"moov": 0, "trak": 0, "mdia": 0, "minf": 0, "stbl": 0, "udta": 0, "ilst": 0, "stsd": 8, "meta": 4,
}

func parse(kind string, body []byte) *node {
	n := &node{kind: kind, body: body}
	before, ok := bodies[kind]
	if !ok || len(body) < before || kind == "meta" && (len(body) < 12 || string(body[8:12]) != "hdlr") {
		return n
	}
	n.body = body[:before]
	rest := body[before:]
	within(rest, func(b Box) {
		kid := parse(b.Kind(), b.content())
		n.kids = append(n.kids, kid)
		rest = rest[len(b):]
	})
	if len(rest) > 0 { // not boxes after all
		return &node{kind: kind, body: body}
	}
	return n
}

func (n *node) size() int {
	size := 8 + len(n.body)
	for _, k := range n.kids {
		size += k.size()
	}
	return size
}

func (n *node) write(w io.Writer) error {
	head := append(binary.BigEndian.AppendUint32(nil, uint32(n.size())), n.kind...)
	if _, err := w.Write(append(head, n.body...)); err != nil {
		return err
	}
	for _, k := range n.kids {
		if err := k.write(w); err != nil {
			return err
		}
	}
	return nil
}

// kid is the first box of a kind, made where there is none.
func (n *node) kid(kind string) *node {
	for _, k := range n.kids {
		if k.kind == kind {
			return k
		}
	}
	k := &node{kind: kind}
	n.kids = append(n.kids, k)
	return k
}

func (n *node) drop(kinds ...string) {
	n.kids = slices.DeleteFunc(n.kids, func(k *node) bool { return slices.Contains(kinds, k.kind) })
}

func (n *node) add(b Box) { n.kids = append(n.kids, &node{kind: b.Kind(), body: b.content()}) }

// vacate removes the text that keeps the room.
func (n *node) vacate() bool {
	for i, k := range n.kids {
		if slices.Contains([]string{"udta", "meta", "ilst"}, k.kind) && len(k.kids) > 0 {
			if k.vacate() {
				return true
			}
		} else if n.kind != "moov" && bytes.Contains(k.body[:min(len(k.body), 2*len(mark))], []byte(mark)) {
			n.kids = slices.Delete(n.kids, i, i+1)
			return true
		}
	}
	return false
}

// put adds what is said of the movie or of a track. What libav wrote of the same names
// goes.
func (n *node) put(notes Notes, kind string) {
	if notes.Keys != nil {
		keys := &node{kind: "meta", body: notes.Keys.content()}
		if notes.KeysFirst && kind == "moov" && len(n.kids) > 0 {
			n.kids = slices.Insert(n.kids, 1, keys) // after mvhd
		} else {
			n.kids = append(n.kids, keys)
		}
	}
	if notes.ITunes == nil && len(notes.User) == 0 {
		return
	}
	user := n.kid("udta")
	if notes.ITunes != nil {
		user.drop("meta")
		user.add(notes.ITunes)
	}
	place := false
	for _, b := range notes.User {
		user.drop(b.Kind())
		place = place || b.Kind() == "\xa9xyz"
	}
	if place { // which libav says again in another way, with fewer digits
		user.drop("loci")
	}
	for _, b := range notes.User {
		user.add(b)
	}
}

func (n *node) putTrack(t Track) {
	n.put(t.Notes, "trak")
	for _, b := range t.Boxes {
		n.add(b)
	}
	if len(t.Entry) == 0 {
		return
	}
	stsd := n.kid("mdia").kid("minf").kid("stbl").kid("stsd")
	if len(stsd.kids) == 0 || len(stsd.kids[0].body) < visualEntry {
		return
	}
	entry := stsd.kids[0]
	head, rest := entry.body[:visualEntry], entry.body[visualEntry:]
	within(rest, func(b Box) {
		entry.add(b)
		rest = rest[len(b):]
	})
	// A terminator of four zeros may be left, which QuickTime allows.
	entry.body = head
	entry.drop(ofEntry...)
	for _, b := range t.Entry {
		entry.add(b)
	}
}
