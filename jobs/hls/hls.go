// Package hls reads the media playlist of an HLS recording: which files it is made
// of, in which order. Joined, they are one MPEG-TS file, or one fragmented MP4.
// https://www.rfc-editor.org/rfc/rfc8216
package hls

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/Eyevinn/hls-m3u8/m3u8"
)

// ErrOpen is of a recording that goes on.
var ErrOpen = errors.New("the recording goes on: its playlist has no EXT-X-ENDLIST")

// Limits of a playlist. Two days in segments of two seconds are 86,400.
const (
	MaxBytes  = 16 << 20
	maxPieces = 100_000
)

// IsPlaylist says whether a file is one, by its name.
func IsPlaylist(name string) bool { return strings.EqualFold(path.Ext(name), ".m3u8") }

// Growing reports whether a playlist is of a recording that goes on: it is a media playlist, has no EXT-X-ENDLIST, and
// may not name a segment yet.
func Growing(body []byte) bool {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !bytes.HasPrefix(body, []byte("#EXTM3U")) {
		return false
	}
	for line := range bytes.Lines(body) {
		for _, tag := range []string{"#EXT-X-ENDLIST", "#EXT-X-STREAM-INF", "#EXT-X-I-FRAME-STREAM-INF", "#EXT-X-MEDIA:"} {
			if bytes.HasPrefix(line, []byte(tag)) {
				return false
			}
		}
	}
	return true
}

// A Piece is a part of a recording: a file beside its playlist, or below it.
type Piece struct {
	Name   string // with / between folders; never out of the playlist's own
	Offset int64  // in bytes
	Length int64  // in bytes; 0: to its end
}

// quotedRange is how EXT-X-MAP gives its byte range (RFC 8216, 4.3.2.5). The library
// reads it without the quotes, and with the offset, only.
var quotedRange = regexp.MustCompile(`BYTERANGE="([0-9]+)(?:@([0-9]+))?"`)

// Parse reads a media playlist. What can't be joined without being encoded again, or
// would need to be fetched from elsewhere, is an error.
func Parse(body []byte) ([]Piece, error) {
	if len(body) > MaxBytes {
		return nil, fmt.Errorf("a playlist of %d bytes: at most %d are read", len(body), MaxBytes)
	}
	body = quotedRange.ReplaceAll(body, []byte("BYTERANGE=$1@0$2"))
	list, kind, err := m3u8.DecodeFrom(bytes.NewReader(body), true)
	if err != nil {
		return nil, fmt.Errorf("not a playlist: %w", err)
	}
	if kind == m3u8.MASTER {
		return nil, errors.New("a multivariant playlist: name the media playlist of one of its variants")
	}
	media, ok := list.(*m3u8.MediaPlaylist)
	if !ok {
		return nil, errors.New("not a media playlist")
	}
	return pieces(media)
}

func pieces(media *m3u8.MediaPlaylist) ([]Piece, error) {
	segments := media.GetAllSegments()
	switch {
	case !media.Closed:
		return nil, ErrOpen
	case len(segments) == 0:
		return nil, errors.New("the playlist names no segment")
	case len(segments) > maxPieces:
		return nil, fmt.Errorf("%d segments: at most %d are joined", len(segments), maxPieces)
	case media.Iframe:
		return nil, errors.New("a playlist of I-frames only: name one of all frames")
	}
	if err := open(media.Keys); err != nil {
		return nil, err
	}
	var all []Piece
	head := media.Map
	if head != nil {
		p, err := piece(head.URI, head.Offset, head.Limit)
		if err != nil {
			return nil, fmt.Errorf("EXT-X-MAP: %w", err)
		}
		all = append(all, p)
	}
	for i, s := range segments {
		fault := func(format string, args ...any) error {
			return fmt.Errorf("segment %d (%s): %w", i+1, s.URI, fmt.Errorf(format, args...))
		}
		switch {
		case s.Gap:
			return nil, fault("the recording lacks it (EXT-X-GAP)")
		case s.Discontinuity && i > 0:
			return nil, fault("a discontinuity: what follows has other times or streams, and can't be joined without being encoded again")
		case s.Map != nil && i == 0 && head == nil:
			head = s.Map
			p, err := piece(head.URI, head.Offset, head.Limit)
			if err != nil {
				return nil, fmt.Errorf("EXT-X-MAP: %w", err)
			}
			all = append(all, p)
		case s.Map != nil && !s.Map.Equal(head):
			return nil, fault("another EXT-X-MAP: streams that change can't be joined without being encoded again")
		}
		if err := open(s.Keys); err != nil {
			return nil, fault("%w", err)
		}
		p, err := piece(s.URI, s.Offset, s.Limit)
		if err != nil {
			return nil, fault("%w", err)
		}
		if last := len(all) - 1; p.Length > 0 && p.Offset == 0 && last >= 0 && all[last].Name == p.Name {
			p.Offset = all[last].Offset + all[last].Length // left out: it begins where the last one ends
		}
		all = append(all, p)
	}
	return all, nil
}

// open refuses what is encrypted.
func open(keys []m3u8.Key) error {
	for _, k := range keys {
		if k.Method != "" && k.Method != "NONE" {
			return fmt.Errorf("encrypted (EXT-X-KEY %s): only recordings in the clear are read", k.Method)
		}
	}
	return nil
}

// piece judges the name of a file: it must be in the playlist's own folder, or below.
func piece(uri string, offset, length int64) (Piece, error) {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return Piece{}, fmt.Errorf("its name %q can't be read", uri)
	case u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "/"):
		return Piece{}, fmt.Errorf("its name %q leads elsewhere: only files beside the playlist are read", uri)
	case offset < 0 || length < 0:
		return Piece{}, fmt.Errorf("byte range %d@%d", length, offset)
	}
	name := path.Clean(u.Path)
	if u.Path == "" || name == "." || name == ".." || strings.HasPrefix(name, "../") || strings.ContainsAny(name, "\\\x00") {
		return Piece{}, fmt.Errorf("its name %q leads elsewhere: only files beside the playlist are read", uri)
	}
	return Piece{name, offset, length}, nil
}

// Join writes the pieces one after the other. It returns how many bytes they have in
// all.
func Join(to io.Writer, all []Piece, fetch func(Piece) (io.ReadCloser, error)) (int64, error) {
	var total int64
	for _, p := range all {
		from, err := fetch(p)
		if err != nil {
			return total, fmt.Errorf("segment %s: %w", p.Name, err)
		}
		n, err := io.Copy(to, from)
		total += n
		if err = errors.Join(err, from.Close()); err != nil {
			return total, fmt.Errorf("segment %s: %w", p.Name, err)
		}
		if p.Length > 0 && n != p.Length {
			return total, fmt.Errorf("segment %s: %d bytes came of %d", p.Name, n, p.Length)
		}
	}
	return total, nil
}
