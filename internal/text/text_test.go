package text

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf16"
)

// encode writes s as UTF-16.
func encode(s string, big bool) []byte {
	var body []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			body = append(body, byte(u>>8), byte(u))
		} else {
			body = append(body, byte(u), byte(u>>8))
		}
	}
	return body
}

func TestUTF8(t *testing.T) {
	t.Parallel()
	const said = `{"key": "Größe 🎬"}`
	for name, body := range map[string][]byte{
		"UTF-8":                []byte(said),
		"UTF-8 with a mark":    []byte("\ufeff" + said),
		"UTF-16LE with a mark": encode("\ufeff"+said, false),
		"UTF-16BE with a mark": encode("\ufeff"+said, true),
		"UTF-16LE":             encode(said, false),
		"UTF-16BE":             encode(said, true),
	} {
		if got, err := UTF8(body); err != nil || string(got) != said {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, body := range [][]byte{nil, {'{'}, {0}, []byte("{}"), {0, 0}, {0xe9, 0xe8}} {
		if got, err := UTF8(body); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%q became %q, %v", body, got, err)
		}
	}
	for name, body := range map[string][]byte{
		"UTF-32": {0xff, 0xfe, 0, 0, '{', 0, 0, 0},
		"cut":    encode("\ufeff"+said, false)[:21],
	} {
		if got, err := UTF8(body); err == nil || !strings.Contains(err.Error(), "save it as UTF-8") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
