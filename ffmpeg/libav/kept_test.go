package libav

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/judge"
)

// TestMosaicTurnedByItsPictures: an orientation that only the pictures give is found by
// the first of them, boxes are placed by it, and the output says the same: by its
// container, or in its pictures where the container has no place for it.
func TestMosaicTurnedByItsPictures(t *testing.T) {
	t.Parallel()
	turned := "h264_metadata=display_orientation=insert:rotate=90"
	source := testPattern(t, "a.mp4", "-bsf:v", turned)
	flipped := testPattern(t, "b.ts", "-bsf:v", turned+":flip=horizontal")
	shown := image.Rect(20, 30, 120, 90)
	for _, c := range []struct {
		source, output, codec string
	}{
		{source, "out.mp4", "h264"}, {source, "out.mkv", "h264"}, {source, "out.ts", "h264"}, {source, "out.ts", "hevc"},
		{flipped, "out.mov", "h264"}, {flipped, "out.ts", "hevc"},
	} {
		output := filepath.Join(t.TempDir(), c.output)
		spec := specOf(c.source, output)
		spec.Video.Codec = c.codec
		report, err := Mosaic(context.Background(), spec, still{shown}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if report.Source.Width != 240 || report.Source.Height != 320 {
			t.Errorf("shown as %d×%d, not 240×320", report.Source.Width, report.Source.Height)
		}
		media, err := Probe(output)
		if err != nil || media.Rotation != report.Source.Rotation || media.Width != 240 {
			t.Errorf("%s %s is turned by %d, the source by %d: %v", c.output, c.codec, media.Rotation, report.Source.Rotation, err)
		}
		before, _ := pictures(t, c.source)
		after, _ := pictures(t, output)
		checkCovered(t, before[0], after[0], []image.Rectangle{shown})
	}
}

// TestMosaicThatTurnsInTheMiddle: no container of ours has a place for two orientations.
func TestMosaicThatTurnsInTheMiddle(t *testing.T) {
	t.Parallel()
	one := testPattern(t, "1.ts", "-an", "-bsf:v", "h264_metadata=display_orientation=insert:rotate=90")
	two := testPattern(t, "2.ts", "-an", "-output_ts_offset", "1.5", "-bsf:v", "h264_metadata=display_orientation=insert:rotate=270")
	a, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(two)
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(t.TempDir(), "a.ts")
	if err := os.WriteFile(source, append(a, b...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Mosaic(context.Background(), specOf(source, filepath.Join(t.TempDir(), "out.ts")), still{box}, nil)
	if codeOf(err) != ffmpeg.CodeUnsupported || !strings.Contains(err.Error(), "turns in the middle") {
		t.Errorf("error is %v", err)
	}
}

// TestMosaicCropped: where the coded picture is cut at the left, no more of it is shown
// than players show.
func TestMosaicCropped(t *testing.T) {
	t.Parallel()
	for codec, args := range map[string][]string{
		"H.264": {"-bsf:v", "h264_metadata=crop_left=18:crop_right=6:crop_top=10"},
		"HEVC":  {"-c:v", "libx265", "-x265-params", "log-level=none", "-bsf:v", "hevc_metadata=crop_left=18:crop_right=6:crop_top=10"},
	} {
		source := testPattern(t, "a.mp4", args...)
		output, report := mosaic(t, source, "out.mp4", still{box})
		if report.Output.Width != 296 || report.Output.Height != 230 {
			t.Errorf("%s: %d×%d, not 296×230", codec, report.Output.Width, report.Output.Height)
		}
		checkFaithful(t, source, output)
		before, _ := pictures(t, source)
		after, _ := pictures(t, output)
		checkCovered(t, before[0], after[0], []image.Rectangle{box})
	}
}

// patched is a file with a change.
func patched(t *testing.T, path, name string, change func([]byte) []byte) string {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(to, change(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestMosaicOfACountTooHigh: cameras count a few bytes too many for the samples. What is
// missing must be none of them.
func TestMosaicOfACountTooHigh(t *testing.T) {
	t.Parallel()
	lengthen := func(by uint32, cut int) func([]byte) []byte {
		return func(body []byte) []byte {
			body = body[:len(body)-cut]
			at := bytes.LastIndex(body, []byte("mdat")) - 4
			binary.BigEndian.PutUint32(body[at:], binary.BigEndian.Uint32(body[at:])+by)
			return body
		}
	}
	first := testPattern(t, "a.mp4", "-movflags", "+faststart")
	fragments := patched(t, testPattern(t, "a.mp4", "-movflags", "+frag_keyframe+empty_moov"), "b.mp4", func(body []byte) []byte {
		return body[:bytes.LastIndex(body, []byte("mfra"))-4]
	})
	for name, c := range map[string]struct {
		source string
		by     uint32
		cut    int
		whole  bool
	}{
		"12 bytes":                 {first, 12, 0, true},
		"a lot":                    {first, 1 << 20, 0, true},
		"sample cut":               {first, 0, 5, false},
		"sample cut, and counted":  {first, 12, 1, false},
		"fragments":                {fragments, 9, 0, true},
		"fragments, a lot":         {fragments, 1 << 20, 0, false},
		"fragments, sample cut":    {fragments, 0, 5, false},
		"fragments, both of these": {fragments, 9, 1, false},
	} {
		source := patched(t, c.source, "c.mp4", lengthen(c.by, c.cut))
		report, err := Mosaic(context.Background(), specOf(source, filepath.Join(t.TempDir(), "out.mp4")), still{box}, nil)
		switch {
		case c.whole && (err != nil || report.Frames != 38):
			t.Errorf("%s: %d frames, %v", name, report.Frames, err)
		case !c.whole && (codeOf(err) != ffmpeg.CodeInvalid || !strings.Contains(err.Error(), "the file is cut off")):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// withoutSamples empties the tables of the last track of an MP4.
func withoutSamples(body []byte) []byte {
	track := bytes.LastIndex(body, []byte("trak"))
	for _, table := range []string{"stts", "stss", "ctts", "stsc", "stco", "stsz"} {
		if at := bytes.Index(body[track:], []byte(table)); at >= 0 {
			at += track + 8
			if table == "stsz" {
				at += 4
			}
			clear(body[at : at+4])
		}
	}
	return body
}

// TestMosaicOfEmptyTracks: what a file announces and does not have is left out, whatever
// it was announced as. Two videos with pictures are refused as before.
func TestMosaicOfEmptyTracks(t *testing.T) {
	t.Parallel()
	twoVideos := func(name string, args ...string) string {
		return judge.Make(t, name, append([]string{
			"-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=1.52", "-f", "lavfi", "-i", "sine=duration=1.5",
			"-f", "lavfi", "-i", "testsrc2=size=64x64:duration=1", "-map", "0:v", "-map", "1:a", "-map", "2:v",
			"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac",
		}, args...)...)
	}
	empty := patched(t, twoVideos("a.mp4"), "b.mp4", withoutSamples)
	unheard := patched(t, testPattern(t, "a.ts"), "b.ts", func(body []byte) []byte {
		var kept []byte
		for ; len(body) >= 188; body = body[188:] {
			if pid := binary.BigEndian.Uint16(body[1:]) & 0x1fff; pid != 0x101 { // the sound
				kept = append(kept, body[:188]...)
			}
		}
		return kept
	})
	for name, c := range map[string]struct{ source, left string }{
		"video, Matroska":  {judge.Make(t, "a.mkv", "-i", empty, "-map", "0", "-c", "copy"), "stream 2 (video, h264)"},
		"video, fragments": {judge.Make(t, "a.mp4", "-i", empty, "-map", "0", "-c", "copy", "-movflags", "+frag_keyframe+empty_moov"), "stream 2 (video, h264)"},
		"video, MP4":       {empty, "stream 2 (video, h264)"},
		"sound, TS":        {unheard, "stream 1 (audio, aac)"},
	} {
		for _, output := range []string{"out.mp4", "out.mkv"} {
			_, report := mosaic(t, c.source, output, still{box})
			if want := []string{c.left + ": the file announces it and has nothing of it"}; !slices.Equal(report.Dropped, want) || report.Frames != 38 {
				t.Errorf("%s to %s: %d frames, left out: %q", name, output, report.Frames, report.Dropped)
			}
		}
	}
	for _, name := range []string{"a.mkv", "a.mp4", "a.ts"} {
		_, err := Mosaic(context.Background(), specOf(twoVideos(name), filepath.Join(t.TempDir(), "out.mp4")), still{box}, nil)
		if codeOf(err) != ffmpeg.CodeUnsupported || !strings.Contains(err.Error(), "2 video streams (0, ") {
			t.Errorf("%s with two videos: %v", name, err)
		}
	}
}

// TestMosaicOfLateSound: libav gives up on sound that begins after its first megabytes;
// it is kept all the same.
func TestMosaicOfLateSound(t *testing.T) {
	t.Parallel()
	source := judge.Make(t, "a.ts", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=16",
		"-f", "lavfi", "-i", "sine=duration=1,asetpts=PTS+13/TB", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "3", "-c:a", "aac")
	output, report := mosaic(t, source, "out.mp4", still{box})
	if len(report.Dropped) > 0 {
		t.Errorf("left out: %q", report.Dropped)
	}
	if got, want := len(judge.Packets(t, output, "0:a")), len(judge.Packets(t, source, "0:a")); got != want || want == 0 {
		t.Errorf("%d packets of sound, not %d", got, want)
	}
}

// TestCasesOfTheField: files that were refused, or lost something without a word.
func TestCasesOfTheField(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "..", "..", "shared", "cases", "media")
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("no cases here: %v", err)
	}
	for name, c := range map[string]struct {
		width, height int
		dropped       string // of the first line
		about         string // what the output says of itself
	}{
		"iphone_keys.mov":                   {64, 64, "", "com.apple.quicktime.creationdate: 2026-05-09T12:41:46+0100"},
		"vr360_stereo.mp4":                  {320, 180, "", "spherical: equirectangular"},
		"orientation_sei.mp4":               {180, 320, "", "rotation of 90.00 degrees"},
		"iphone_apac.mov":                   {320, 180, "stream 2 (audio, apac): ", "Audio: aac"},
		"h264_crop_left.mp4":                {304, 192, "", "304x192"},
		"declared_audio_without_packets.ts": {320, 180, "stream 1 (audio, aac): the file announces it", "320x180"},
	} {
		output, report := mosaic(t, filepath.Join(folder, name), "out"+filepath.Ext(name), still{image.Rect(8, 8, 24, 24)})
		if report.Output.Width != c.width || report.Output.Height != c.height {
			t.Errorf("%s: shown as %d×%d", name, report.Output.Width, report.Output.Height)
		}
		if first := strings.Join(report.Dropped, "\n"); !strings.HasPrefix(first, c.dropped) || (c.dropped == "") != (first == "") {
			t.Errorf("%s: left out: %q", name, report.Dropped)
		}
		if about := judge.About(t, output); !strings.Contains(about, c.about) {
			t.Errorf("%s: the output says\n%s", name, about)
		}
	}
}
