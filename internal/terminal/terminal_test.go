package terminal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mosaicd/mosaicd/internal/terminal"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                            "",
		"folder/a b.mp4":              "folder/a b.mp4",
		"Ünïcode/日本語/🎬.mp4":           "Ünïcode/日本語/🎬.mp4",
		`back\slash "quoted" %s`:      `back\slash "quoted" %s`,
		"a\nb\r\nc\td\ve\f":           `a\nb\r\nc\td\ve\f`,
		"\x1b[2J\x1b]0;title\a\x7f\b": `\x1b[2J\x1b]0;title\a\x7f\b`,
		"\u009b31m\u0085":             `\u009b31m\u0085`,
		"\x9b2J\xff\xc3(":             `\x9b2J\xff\xc3(`,
		"\u202egpm.exe\u2066\u2069":   `\u202egpm.exe\u2066\u2069`,
		"\u061c\u200e\u200f":          `\u061c\u200e\u200f`,
		"a\u200b\u200d\ufeff\u2060b":  `a\u200b\u200d\ufeff\u2060b`,
		"line\u2028paragraph\u2029":   `line\u2028paragraph\u2029`,
		"\u00a0\u3000\u202f":          `\u00a0\u3000\u202f`,
		"\u3164\u115f\u034f\ufe0f":    `\u3164\u115f\u034f\ufe0f`,
		"tag\U000e0041":               `tag\U000e0041`,
		"a  b   ":                     `a \x20b \x20\x20`,
		"\ufffd":                      "\ufffd",
	} {
		if got := terminal.Escape(in); got != want {
			t.Errorf("Escape(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestFprintfEscapesWhatIsText(t *testing.T) {
	t.Parallel()
	type state string
	var b bytes.Buffer
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	_, _ = terminal.Fprintf(&b, "%s  %v %-4s|%3d %.1f %t %s %s %v\n", "a\nb", errors.New("\x1b"), state("\t"), 7, 1.5, true,
		at, []string{"\u202e"}, nil)
	want := `a\nb  \x1b \t  |  7 1.5 true 2026-11-25 12:00:00 +0000 UTC [\u202e] <nil>` + "\n"
	if b.String() != want {
		t.Errorf("got  %s\nwant %s", b.String(), want)
	}
	b.Reset()
	_, _ = terminal.Fprintln(&b, "left out:", "\r", 3)
	if want := `left out: \r 3` + "\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestEscapeError(t *testing.T) {
	t.Parallel()
	first, second := errors.New("open a\nb"), errors.New("remove \x1b")
	for _, test := range []struct {
		err  error
		want string
	}{
		{first, `open a\nb`},
		{errors.Join(first, nil, second), `open a\nb; remove \x1b`},
		{errors.Join(errors.Join(first, second), second), `open a\nb; remove \x1b; remove \x1b`},
		{fmt.Errorf("both: %w, %w", first, second), `both: open a\nb, remove \x1b`},
	} {
		if got := terminal.EscapeError(test.err); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

// TestJSONStaysTheSame: a reader finds in it what was written, and a terminal only
// characters that can be seen.
func TestJSONStaysTheSame(t *testing.T) {
	t.Parallel()
	hostile := "a\n\x1b[2J\x7f\u009b\u202e\u2066\u200b\ufeff\U000e0041 日本語 🎬  é"
	var b bytes.Buffer
	e := json.NewEncoder(terminal.JSON(&b))
	e.SetIndent("", "\t")
	if err := e.Encode(map[string]string{"key": hostile}); err != nil {
		t.Fatal(err)
	}
	var back map[string]string
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back["key"] != hostile {
		t.Errorf("got %q, %v", back["key"], err)
	}
	if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && r != '\t' && terminal.Escape(string(r)) != string(r) }); i >= 0 {
		t.Errorf("a terminal would obey %q", b.String()[i:])
	}
	b.Reset()
	if n, err := terminal.JSON(&b).Write([]byte("\"\x9b\"")); n != 3 || err != nil || b.String() != `"\ufffd"` {
		t.Errorf("got %d, %v, %q", n, err, b.String())
	}
}
