package hls

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

const head = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n"

func TestGrowing(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		head:                              true, // no segment yet
		head + "#EXTINF:4.0,\na.ts\n":     true,
		"\ufeff" + head:                   true,
		head + "#EXTINF:4.0,\r\na.ts\r\n": true,
		head + "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXTINF:4.0,\na.ts\n#EXT-X-ENDLIST": false,
		head + "#EXTINF:4.0,\r\na.ts\r\n#EXT-X-ENDLIST\r\n":                     false,
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n":                    false, // names playlists
		"a text": false, // no playlist: the job says so
		"":       false,
	} {
		if got := Growing([]byte(body)); got != want {
			t.Errorf("%q: %t", body, got)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body string
		want []Piece
	}{
		"segments": {head + "#EXTINF:4.0,\na.ts\n#EXTINF:4.0,\nsub/b%20c.ts?token=1\n#EXT-X-ENDLIST\n", []Piece{{Name: "a.ts"}, {Name: "sub/b c.ts"}}},
		"fMP4":     {head + "#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4.0,\n1.m4s\n#EXTINF:4.0,\n2.m4s\n#EXT-X-ENDLIST\n", []Piece{{Name: "init.mp4"}, {Name: "1.m4s"}, {Name: "2.m4s"}}},
		"one file": {head + "#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"700@0\"\n#EXTINF:4.0,\n#EXT-X-BYTERANGE:1000@700\nall.mp4\n#EXTINF:4.0,\n#EXT-X-BYTERANGE:2000\nall.mp4\n#EXT-X-ENDLIST\n",
			[]Piece{{"all.mp4", 0, 700}, {"all.mp4", 700, 1000}, {"all.mp4", 1700, 2000}}},
	} {
		got, err := Parse([]byte(tt.body))
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	closed := func(lines string) string { return head + lines + "#EXT-X-ENDLIST\n" }
	for says, body := range map[string]string{
		"goes on":                 head + "#EXTINF:4.0,\na.ts\n",
		"no segment":              closed(""),
		"not a playlist":          "this is no playlist",
		"a multivariant playlist": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nlow/index.m3u8\n",
		"encrypted":               closed("#EXT-X-KEY:METHOD=AES-128,URI=\"key\"\n#EXTINF:4.0,\na.ts\n"),
		"EXT-X-GAP":               closed("#EXTINF:4.0,\na.ts\n#EXT-X-GAP\n#EXTINF:4.0,\nb.ts\n"),
		"a discontinuity":         closed("#EXTINF:4.0,\na.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:4.0,\nb.ts\n"),
		"another EXT-X-MAP":       closed("#EXT-X-MAP:URI=\"1.mp4\"\n#EXTINF:4.0,\na.m4s\n#EXT-X-MAP:URI=\"2.mp4\"\n#EXTINF:4.0,\nb.m4s\n"),
	} {
		if got, err := Parse([]byte(body)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v", says, got, err)
		}
	}
	for _, name := range []string{"/etc/passwd", "../a.ts", "sub/../../a.ts", "http://other/a.ts", "file:///etc/passwd", "//other/a.ts", "..", "%2e%2e/a.ts", "a\\..\\b.ts", "concat:a.ts|b.ts", "%00.ts"} {
		if got, err := Parse([]byte(closed("#EXTINF:4.0,\n" + name + "\n"))); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if _, err := Parse([]byte(head + "#EXTINF:4.0,\na.ts\n")); !errors.Is(err, ErrOpen) {
		t.Errorf("error is %v", err)
	}
	if _, err := Parse(make([]byte, MaxBytes+1)); err == nil {
		t.Error("it was not too long")
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a": "0123456789", "b": "xyz"}
	fetch := func(p Piece) (io.ReadCloser, error) {
		body, there := files[p.Name]
		if !there {
			return nil, errors.New("not there")
		}
		if p.Length > 0 {
			body = body[p.Offset:min(int(p.Offset+p.Length), len(body))]
		}
		return io.NopCloser(strings.NewReader(body)), nil
	}
	var out bytes.Buffer
	if n, err := Join(&out, []Piece{{"a", 2, 3}, {Name: "b"}}, fetch); err != nil || n != 6 || out.String() != "234xyz" {
		t.Errorf("joined %d bytes, %q, %v", n, out.String(), err)
	}
	if _, err := Join(io.Discard, []Piece{{"a", 8, 3}}, fetch); err == nil || !strings.Contains(err.Error(), "2 bytes came of 3") {
		t.Errorf("error is %v", err)
	}
	if _, err := Join(io.Discard, []Piece{{Name: "c"}}, fetch); err == nil || !strings.Contains(err.Error(), "segment c: not there") {
		t.Errorf("error is %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(head + "#EXTINF:4.0,\na.ts\n#EXT-X-ENDLIST\n"))
	f.Add([]byte(head + "#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"700@0\"\n#EXTINF:4.0,\n#EXT-X-BYTERANGE:1000@700\nall.mp4\n#EXT-X-ENDLIST\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := Parse(body)
		if err == nil && len(all) == 0 {
			t.Error("no pieces, and no error")
		}
		for _, p := range all {
			if strings.HasPrefix(p.Name, "/") || strings.HasPrefix(p.Name, "../") || p.Name == ".." || p.Offset < 0 || p.Length < 0 {
				t.Errorf("piece %+v", p)
			}
		}
	})
}
