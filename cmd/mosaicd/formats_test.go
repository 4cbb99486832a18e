package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// debian runs Debian's ffmpeg, which shares no code with ours, and returns what it printed.
func debian(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ffmpeg", append([]string{"-v", "error", "-nostdin", "-y"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg %q: %v: %s", args, err, out)
	}
	return string(out)
}

// copied has mosaicd cover nothing in a file, and copy it, and looks at both outputs.
func copied(t *testing.T, source, output string, flags []string, check func(t *testing.T, output string)) {
	t.Helper()
	for _, command := range [][]string{{"remux"}, {"mosaic", "--detector", "none", "--preset", "ultrafast"}} {
		t.Run(command[0]+" "+output, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), output)
			args := append(append(append([]string{}, command...), flags...), "--progress", "none", source, to)
			if code, _, stderr := call(t, nil, args...); code != exitDone || stderr != "" {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			check(t, to)
		})
	}
}

// TestSamplesOfSoundStay: sound that has to change its form for a container is the same
// when it is heard.
func TestSamplesOfSoundStay(t *testing.T) {
	t.Parallel()
	needFFmpeg(t)
	for _, c := range []struct{ file, codecs, outputs string }{
		{"a.vob", "-c:v mpeg2video -c:a pcm_dvd", "a.mkv a.mov a.mp4"},
		{"a.m2ts", "-c:v libx264 -bf 0 -c:a pcm_bluray", "a.mkv a.mov"},
		{"a.ts", "-c:v mpeg2video -c:a s302m -strict -2", "a.mkv a.mov"},
		{"a.avi", "-c:v mjpeg -pix_fmt yuvj420p -c:a adpcm_ms", "a.mkv a.mov"},
		{"b.avi", "-c:v mjpeg -pix_fmt yuvj420p -c:a adpcm_ima_wav", "a.mkv a.mov"},
	} {
		t.Run(c.codecs, func(t *testing.T) {
			t.Parallel()
			source := filepath.Join(t.TempDir(), c.file)
			args := strings.Fields("-f lavfi -i testsrc2=size=160x120:rate=25:duration=0.5 -f lavfi -i sine=sample_rate=48000:duration=0.5 -ac 2 " + c.codecs)
			debian(t, append(args, source)...)
			heard := func(path string) string { return debian(t, "-i", path, "-map", "0:a", "-f", "md5", "-") }
			want := heard(source)
			for _, output := range strings.Fields(c.outputs) {
				copied(t, source, output, nil, func(t *testing.T, output string) {
					if got := heard(output); got != want {
						t.Errorf("another sound is heard: %s, not %s", got, want)
					}
				})
			}
		})
	}
}

// TestTextSubtitlesAreConverted where somebody asks for that, with their times.
func TestTextSubtitlesAreConverted(t *testing.T) {
	t.Parallel()
	needFFmpeg(t)
	srt := filepath.Join(t.TempDir(), "a.srt")
	const text = "1\n00:00:00,200 --> 00:00:00,900\nFirst\n\n2\n00:00:01,100 --> 00:00:01,800\nSecond, and café\n\n"
	if err := os.WriteFile(srt, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, codec, output, becomes string }{
		{"a.mkv", "srt", "a.mp4", "mov_text"},
		{"a.mkv", "ass", "a.mov", "mov_text"},
		{"a.mkv", "webvtt", "a.mp4", "mov_text"},
		{"a.mp4", "mov_text", "a.mkv", "webvtt"},
	} {
		t.Run(c.codec, func(t *testing.T) {
			t.Parallel()
			source := filepath.Join(t.TempDir(), c.file)
			debian(t, "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=2", "-i", srt, "-c:v", "libx264", "-c:s", c.codec, "-metadata:s:s:0", "language=spa", source)
			// To the hundredth: ASS has no more.
			read := func(path string) string { return debian(t, "-i", path, "-map", "0:s", "-f", "ass", "-") }
			dialogue := func(ass string) string { _, lines, _ := strings.Cut(ass, "Dialogue:"); return lines }
			want := dialogue(read(source))
			if code, _, stderr := call(t, nil, "remux", "--progress", "none", source, filepath.Join(t.TempDir(), c.output)); code != exitFailed || !strings.Contains(stderr, "--subtitles convert") {
				t.Errorf("unasked: exit code %d: %s", code, stderr)
			}
			copied(t, source, c.output, []string{"--subtitles", "convert"}, func(t *testing.T, output string) {
				if got := dialogue(read(output)); got != want || !strings.Contains(got, "café") {
					t.Errorf("it reads\n%s\nand not\n%s", got, want)
				}
				about, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "s", "-show_entries", "stream=codec_name:stream_tags=language", "-of", "csv=p=0", output).Output()
				if got := strings.TrimSpace(string(about)); err != nil || got != c.becomes+",spa" {
					t.Errorf("it is %s, want %s: %v", got, c.becomes, err)
				}
			})
		})
	}
}
