// Package judge asks another program, the ffmpeg command line of the same build,
// what a file holds, and has it make files for tests.
package judge

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Path is where the ffmpeg command line of the same build is.
var Path = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("pkg-config", "--variable=prefix", "libavformat").Output()
	return filepath.Join(strings.TrimSpace(string(out)), "bin", "ffmpeg"), err
})

// FFmpeg runs ffmpeg and returns what it printed on each stream. A failure ends
// the test.
func FFmpeg(t testing.TB, args ...string) (stdout, stderr string) {
	t.Helper()
	path, err := Path()
	if err != nil {
		t.Fatalf("find libav (see make env): %v", err)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(path, append([]string{"-hide_banner", "-nostdin", "-y"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), errs.String()
}

// Make has ffmpeg write a file in the test's own folder and returns its path.
func Make(t testing.TB, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	FFmpeg(t, append(args, path)...)
	return path
}

// A Line is one packet or frame. Times are in units of the stream's time base;
// Side is the sizes and hashes of its side data.
type Line struct{ Stream, DTS, PTS, Duration, Size, Hash, Side string }

// Packets returns the packets of the streams that the specifier names, such as
// 0:a, as they are in the file.
func Packets(t testing.TB, path, specifier string) []Line {
	t.Helper()
	out, _ := FFmpeg(t, "-loglevel", "error", "-copyts", "-i", path, "-map", specifier, "-c", "copy", "-f", "framemd5", "-")
	return lines(t, out)
}

// Frames returns the frames of the video, decoded, none dropped or doubled, with
// the hashes of their pictures.
func Frames(t testing.TB, path string) []Line {
	t.Helper()
	out, _ := FFmpeg(t, "-loglevel", "error", "-copyts", "-noautorotate", "-i", path, "-map", "0:v:0",
		"-fps_mode", "passthrough", "-enc_time_base", "demux", "-f", "framemd5", "-")
	return lines(t, out)
}

// About returns what ffmpeg says of a file's streams, chapters and metadata.
func About(t testing.TB, path string) string {
	t.Helper()
	_, errs := FFmpeg(t, "-i", path, "-map", "0", "-c", "copy", "-t", "0", "-f", "null", "-")
	about, _, _ := strings.Cut(errs, "Stream mapping:")
	return about
}

func lines(t testing.TB, out string) []Line {
	t.Helper()
	var all []Line
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.SplitN(line, ",", 7)
		if len(f) < 6 {
			t.Fatalf("framemd5 printed %q", line)
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		f = append(f, "")
		all = append(all, Line{f[0], f[1], f[2], f[3], f[4], f[5], f[6]})
	}
	return all
}

// Hashes returns the hash of each line.
func Hashes(all []Line) []string {
	return column(all, func(l Line) string { return l.Hash })
}

// Times returns the presentation time of each line.
func Times(all []Line) []string {
	return column(all, func(l Line) string { return l.PTS })
}

func column(all []Line, of func(Line) string) []string {
	var values []string
	for _, l := range all {
		values = append(values, of(l))
	}
	return values
}
