package libav

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/judge"
)

// TestWhole cuts files that libav makes, and has it read them whole.
func TestWhole(t *testing.T) {
	t.Parallel()
	for demuxer, args := range map[string][]string{
		"mov":      {"a.mp4"},
		"matroska": {"a.mkv"},
	} {
		path := testPattern(t, args[0], args[1:]...)
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := whole(path, demuxer); err != nil {
			t.Errorf("%s: %v", args[0], err)
		}
		for _, cut := range []int{len(body) - 1, len(body) / 2, len(body) / 9} {
			if err := os.WriteFile(path, body[:cut], 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := openInput(path); codeOf(err) != ffmpeg.CodeInvalid || !strings.Contains(err.Error(), "the file is cut off: it has ") {
				t.Errorf("%s cut to %d of %d bytes: %v", args[0], cut, len(body), err)
			}
		}
	}
	// A recording that does not know yet how long it gets is whole whenever it ends.
	live := judge.Make(t, "live.mkv", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=1", "-c:v", "libx264", "-live", "1")
	body, err := os.ReadFile(live)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(live, body[:len(body)-50], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := whole(live, "matroska"); err != nil {
		t.Error(err)
	}
}

func TestWholeByHand(t *testing.T) {
	t.Parallel()
	box := func(size, kind string) string { return size + kind }
	for name, c := range map[string]struct {
		demuxer string
		body    string
		cut     bool
	}{
		"box to the end":          {"mov", box("\x00\x00\x00\x08", "ftyp") + box("\x00\x00\x00\x00", "mdat") + "data", false},
		"long box":                {"mov", box("\x00\x00\x00\x01", "mdat") + "\x00\x00\x00\x00\x00\x00\x00\x14" + "data", false},
		"long box, cut":           {"mov", box("\x00\x00\x00\x01", "mdat") + "\x00\x00\x00\x00\x00\x00\x00\x15" + "data", true},
		"long box without length": {"mov", box("\x00\x00\x00\x01", "mdat") + "\x00\x00", true},
		"box too short":           {"mov", box("\x00\x00\x00\x07", "mdat"), false},
		"box beyond all":          {"mov", box("\x00\x00\x00\x01", "mdat") + "\x7f\xff\xff\xff\xff\xff\xff\xff", true},
		"something behind":        {"mov", box("\x00\x00\x00\x08", "ftyp") + "\xff\xff\xff\xffjunk", false},
		"segment":                 {"matroska", "\x1a\x45\xdf\xa3\x81x\x18\x53\x80\x67\x83abc", false},
		"segment, cut":            {"matroska", "\x1a\x45\xdf\xa3\x81x\x18\x53\x80\x67\x83ab", true},
		"segment, long length":    {"matroska", "\x1a\x45\xdf\xa3\x81x\x18\x53\x80\x67\x01\x00\x00\x00\x00\x00\x00\x03ab", true},
		"segment of any length":   {"matroska", "\x1a\x45\xdf\xa3\x81x\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xffab", false},
		"no segment":              {"matroska", "\x1a\x45\xdf\xa3\x83x", false},
		"no length":               {"matroska", "\x1a\x45\xdf\xa3\x00", false},
		"chunk":                   {"avi", "RIFF\x04\x00\x00\x00AVI ", false},
		"chunk, cut":              {"avi", "RIFF\x05\x00\x00\x00AVI ", true},
		"chunk of no length":      {"avi", "RIFF\x00\x00\x00\x00AVI ", false},
		"chunk of any length":     {"avi", "RIFF\xff\xff\xff\xffAVI ", false},
		"no end that is said":     {"mpegts", "G", false},
	} {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, []byte(c.body), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := whole(path, c.demuxer); (codeOf(err) == ffmpeg.CodeInvalid) != c.cut {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAudit has a byte of sound change behind the muxer's back.
func TestAudit(t *testing.T) {
	t.Parallel()
	in, err := openInput(testPattern(t, "a.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := openOutput(filepath.Join(t.TempDir(), "out.mp4"), "mp4")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := out.addStreams(in, nil); err != nil {
		t.Fatal(err)
	}
	if err := out.writeHeader(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := copyPackets(t.Context(), in, out, newTicker(nil, 0)); err != nil {
		t.Fatal(err)
	}
	if err := out.finish(); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(out.path)
	if err != nil {
		t.Fatal(err)
	}
	for i := bytes.Index(body, []byte("mdat")) + 4; i < len(body); i++ {
		body[i] ^= 1
	}
	if err := os.WriteFile(out.path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := out.audit(); codeOf(err) != ffmpeg.CodeUnsupported || !strings.Contains(err.Error(), "stream 1 (audio, aac) does not come out of mp4 as it went in") {
		t.Errorf("error is %v", err)
	}
}
