package libav

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/ffmpeg/mp4box"
	"github.com/mosaicd/mosaicd/internal/judge"
)

// typedKeys is a box of QuickTime's keys of which each value has a type of its own.
func typedKeys(values map[string]string, types map[string]uint32) mp4box.Box {
	names := sortedKeys(values)
	count := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(len(names)))
	keys, items := [][]byte{count}, [][]byte{}
	for i, name := range names {
		keys = append(keys, mp4box.New("mdta", []byte(name)))
		head := append(binary.BigEndian.AppendUint32(nil, types[name]), 0, 0, 0, 0)
		items = append(items, mp4box.New(string(binary.BigEndian.AppendUint32(nil, uint32(i+1))), mp4box.New("data", head, []byte(values[name]))))
	}
	handler := append(append(make([]byte, 8), "mdta"...), make([]byte, 13)...)
	return mp4box.New("meta", mp4box.New("hdlr", handler), mp4box.New("keys", keys...), mp4box.New("ilst", items...))
}

// withBoxes is a video of ours in which a file and its first track say all that phones
// and cameras do.
func withBoxes(t *testing.T, name string, movie mp4box.Notes, video mp4box.Track) string {
	t.Helper()
	tracks := []mp4box.Track{video}
	key := map[string]string{".mp4": "synopsis", ".mov": "xmp"}[filepath.Ext(name)]
	path := testPattern(t, name, "-metadata", key+"="+mp4box.Filler(mp4box.Room(movie, tracks)))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := mp4box.Write(f, info.Size(), movie, tracks); err != nil {
		t.Fatal(err)
	}
	return path
}

func boxesOf(t *testing.T, path string) mp4box.Metadata {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := mp4box.Read(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMetadataOfPhones: what phones and cameras write is in the output byte for byte,
// with the types of the values; but for pictures, of which is told.
func TestMetadataOfPhones(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 4)
	movie := mp4box.Notes{
		Keys: typedKeys(map[string]string{
			"com.apple.quicktime.make": "Acme", "com.apple.quicktime.model": "Phone 9",
			"com.apple.quicktime.creationdate":     "2026-05-09T12:41:46+0100",
			"com.apple.quicktime.location.ISO6709": "+51.5334-000.1255+026.756/",
			"com.android.version":                  "14",
			"com.android.capture.fps":              string(binary.BigEndian.AppendUint32(nil, math.Float32bits(239.5))),
			"com.apple.quicktime.live-photo.auto":  "\x01",
			"com.acme.preview":                     "\xff\xd8\xff\xe0 a face",
		}, map[string]uint32{
			"com.apple.quicktime.make": 1, "com.apple.quicktime.model": 1, "com.apple.quicktime.creationdate": 1,
			"com.apple.quicktime.location.ISO6709": 1, "com.android.version": 1, "com.android.capture.fps": 23,
			"com.apple.quicktime.live-photo.auto": 22, "com.acme.preview": 13,
		}),
		User: []mp4box.Box{
			mp4box.New("\xa9xyz", []byte("\x00\x12\x15\xc7+37.4219-122.0840/")), mp4box.New("\xa9mak", []byte("\x00\x04\x15\xc7Acme")),
			mp4box.New("smta", zeros, []byte("\x00\x00\x00\x00mdlnSM-S911B")), mp4box.New("CNTH", zeros, []byte("CNDA\xff\xd8\xff\xe0 a face")),
		},
	}
	video := mp4box.Track{
		Notes: mp4box.Notes{User: []mp4box.Box{mp4box.New("name", []byte("Main camera"))}, Keys: typedKeys(
			map[string]string{"com.apple.quicktime.camera.lens_model": "26 mm"}, map[string]uint32{"com.apple.quicktime.camera.lens_model": 1})},
		Boxes: []mp4box.Box{mp4box.New("uuid", []byte("\xff\xcc\x82\x63\xf8\x55\x4a\x93\x88\x14\x58\x7a\x02\x52\x1f\xdd<rdf:SphericalVideo/>"))},
		Entry: []mp4box.Box{
			mp4box.New("st3d", zeros, []byte{2}),
			mp4box.New("sv3d", mp4box.New("svhd", zeros, []byte("camera\x00")),
				mp4box.New("proj", mp4box.New("prhd", make([]byte, 16)), mp4box.New("equi", make([]byte, 20)))),
		},
	}
	for _, name := range []string{"a.mp4", "a.mov"} {
		source := withBoxes(t, name, movie, video)
		before := boxesOf(t, source)
		if len(before.Lost) != 2 || len(before.Movie.Keys) < 300 || len(before.Movie.User) != 3 {
			t.Fatalf("of the source is lost: %q; kept: %v", before.Lost, before.Movie)
		}
		for _, to := range []string{"out.mp4", "out.mov"} {
			output, report := mosaic(t, source, to, still{box})
			copied := filepath.Join(t.TempDir(), to)
			again, err := Remux(context.Background(), specOf(source, copied), nil)
			if err != nil {
				t.Fatal(err)
			}
			for path, dropped := range map[string][]string{output: report.Dropped, copied: again.Dropped} {
				after := boxesOf(t, path)
				if !reflect.DeepEqual(after.Movie.Keys, before.Movie.Keys) {
					t.Errorf("%s to %s: keys are %q, not %q", name, to, after.Movie.Keys, before.Movie.Keys)
				}
				for _, b := range before.Movie.User {
					if !slices.ContainsFunc(after.Movie.User, func(other mp4box.Box) bool { return string(b) == string(other) }) {
						t.Errorf("%s to %s: %q is lost", name, to, b)
					}
				}
				if !reflect.DeepEqual(after.Tracks[1], before.Tracks[1]) {
					t.Errorf("%s to %s: the track says %v, not %v", name, to, after.Tracks[1], before.Tracks[1])
				}
				if len(dropped) != 2 || !strings.Contains(dropped[0], "CNTH") || !strings.Contains(dropped[1], "preview") {
					t.Errorf("%s to %s: left out: %q", name, to, dropped)
				}
			}
			checkFaithful(t, source, output)
		}
		// Matroska has names and texts.
		output, _ := mosaic(t, source, "out.mkv", still{box})
		if about := judge.About(t, output); !strings.Contains(about, "CREATIONDATE: 2026-05-09T12:41:46+0100") || !strings.Contains(about, "side by side") {
			t.Errorf("%s to Matroska: %s", name, about)
		}
		// And back.
		back, _ := mosaic(t, output, "back.mov", still{box})
		if about := judge.About(t, back); !strings.Contains(about, "com.apple.quicktime.location.ISO6709: +51.5334-000.1255+026.756/") || !strings.Contains(about, "side by side") {
			t.Errorf("%s to Matroska and back to MOV: %s", name, about)
		}
	}
}

// TestMetadataWithoutAPlace: tags that a container has no place for are told of, and none
// of those that it has.
func TestMetadataWithoutAPlace(t *testing.T) {
	t.Parallel()
	source := testPattern(t, "a.mkv", "-metadata", "title=A", "-metadata", "MOOD=calm", "-metadata", "make=Acme",
		"-metadata", "location=+51.5334-000.1255+026.756/", "-metadata:s:v:0", "LENS=26 mm", "-metadata:s:a:0", "language=fra")
	for to, want := range map[string][]string{
		"out.mkv": nil,
		"out.mp4": {"stream 0 (video, h264): its tags LENS, which mp4 has no place for"},
		"out.mov": {"stream 0 (video, h264): its tags LENS, which mov has no place for"},
		"out.ts": {"the file: its tags LOCATION, MAKE, MOOD, title, which mpegts has no place for",
			"stream 0 (video, h264): its tags LENS, which mpegts has no place for"},
	} {
		output, report := mosaic(t, source, to, still{box})
		if !slices.Equal(report.Dropped, want) {
			t.Errorf("%s: left out: %q, not %q", to, report.Dropped, want)
		}
		about := judge.About(t, output)
		for _, value := range []string{"calm", "Acme", "+51.5334-000.1255+026.756/"} {
			if to != "out.ts" && !strings.Contains(about, value) {
				t.Errorf("%s without %s: %s", to, value, about)
			}
		}
	}
}
