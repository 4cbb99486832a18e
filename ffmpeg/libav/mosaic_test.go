package libav

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/judge"
)

// testPattern makes a second and a half of moving pattern with sound.
func testPattern(t testing.TB, name string, args ...string) string {
	t.Helper()
	return judge.Make(t, name, append([]string{
		"-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=1.5",
		"-f", "lavfi", "-i", "sine=frequency=440:duration=1.5",
		"-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-c:a", "aac"}, args...)...)
}

var box = image.Rect(100, 60, 200, 180)

// checkFaithful compares all but the covers: frames and their times, and every
// packet of every other stream.
func checkFaithful(t *testing.T, source, output string) {
	t.Helper()
	before, after := judge.Frames(t, source), judge.Frames(t, output)
	if got, want := judge.Times(after), judge.Times(before); !slices.Equal(got, want) {
		t.Errorf("frames are at\n%v, the source's at\n%v", got, want)
	}
	if !strings.Contains(judge.About(t, source), "Audio: ") {
		return
	}
	beforeSound, afterSound := judge.Packets(t, source, "0:a"), judge.Packets(t, output, "0:a")
	if !slices.Equal(judge.Hashes(beforeSound), judge.Hashes(afterSound)) {
		t.Errorf("%d sound packets differ from the source's %d", len(afterSound), len(beforeSound))
	}
	if !slices.Equal(judge.Times(beforeSound), judge.Times(afterSound)) {
		t.Error("the times of sound packets differ from the source's")
	}
}

func TestMosaicLeavesAllElse(t *testing.T) {
	t.Parallel()
	for _, ca := range []struct {
		name string
		file string
		args []string
	}{
		{"B-frames", "a.mp4", []string{"-preset", "medium", "-bf", "3"}},
		{"MOV", "a.mov", nil},
		{"Matroska", "a.mkv", nil},
		{"MPEG-TS", "a.ts", nil},
		{"4:2:2", "a.mp4", []string{"-pix_fmt", "yuv422p"}},
		{"4:4:4", "a.mp4", []string{"-pix_fmt", "yuv444p"}},
		{"gray", "a.mp4", []string{"-pix_fmt", "gray"}},
		{"10 bit", "a.mp4", []string{"-pix_fmt", "yuv420p10le"}},
		{"10 bit 4:2:2", "a.mp4", []string{"-pix_fmt", "yuv422p10le"}},
		{"full range", "a.mp4", []string{"-pix_fmt", "yuvj420p"}},
		{"pixels that are not square", "a.mp4", []string{"-vf", "scale=in_range=tv,setpts=PTS", "-aspect", "16:9"}},
		{"variable frame rate", "a.mp4", []string{"-vf", "setpts='N*N*7+N*400'", "-fps_mode", "passthrough", "-enc_time_base", "1/12800"}},
		{"late video", "a.mp4", []string{"-vf", "setpts=PTS+0.7/TB"}},
		{"late sound", "a.mp4", []string{"-af", "asetpts=PTS+0.7/TB"}},
		{"no sound", "a.mp4", []string{"-an"}},
		{"two sound tracks", "a.mp4", []string{"-map", "0:v", "-map", "1:a", "-map", "1:a", "-metadata:s:a:0", "language=fra", "-metadata:s:a:1", "language=jpn"}},
	} {
		t.Run(ca.name, func(t *testing.T) {
			t.Parallel()
			source := testPattern(t, ca.file, ca.args...)
			output, report := mosaic(t, source, ca.file, still{box})
			checkFaithful(t, source, output)
			before, _ := pictures(t, source)
			after, _ := pictures(t, output)
			if len(before) != len(after) || int64(len(after)) != report.Frames || report.Frames != report.FramesCovered {
				t.Fatalf("%d pictures of %d; %d frames reported, %d covered", len(after), len(before), report.Frames, report.FramesCovered)
			}
			for i := 0; i < len(before); i += 9 {
				checkCovered(t, before[i], after[i], []image.Rectangle{box})
			}
			if got, want := streamLine(t, output), streamLine(t, source); got != want {
				t.Errorf("the video is\n%s, the source's\n%s", got, want)
			}
		})
	}
}

// streamLine is what ffmpeg says of the look of the video: pixel format, range,
// colour, size, aspect ratio, frame rate. The profile and bit rate are the
// encoder's own.
func streamLine(t *testing.T, path string) string {
	t.Helper()
	for line := range strings.Lines(judge.About(t, path)) {
		if _, video, ok := strings.Cut(line, "Video: h264"); ok {
			var kept []string
			for _, field := range strings.Split(strings.TrimSpace(video), ", ")[1:] {
				if !strings.HasSuffix(field, "kb/s") && !strings.HasSuffix(field, " fps") { // the latter is a guess
					kept = append(kept, field)
				}
			}
			return strings.Join(kept, ", ")
		}
	}
	t.Fatalf("no H.264 video in %s", path)
	return ""
}

func TestMosaicOfRealFootage(t *testing.T) {
	t.Parallel()
	source := hamilton(t)
	boxes := still{image.Rect(200, 80, 300, 220)}
	output, report := mosaic(t, source, "out.mp4", boxes)
	checkFaithful(t, source, output)
	if report.Frames != 275 || report.FramesCovered != 275 {
		t.Errorf("%d frames, %d covered, want all of 275", report.Frames, report.FramesCovered)
	}
	if got, want := report.Output.Duration, report.Source.Duration; fmt.Sprintf("%.3f", got) != fmt.Sprintf("%.3f", want) {
		t.Errorf("the output lasts %.3f s, the source %.3f s", got, want)
	}
}

// TestMosaicUntouchedFrames: where there is nothing to cover the encoder alone
// makes the difference. With no loss at all the pictures are the same.
func TestMosaicUntouchedFrames(t *testing.T) {
	t.Parallel()
	source := testPattern(t, "a.mp4")
	output := filepath.Join(t.TempDir(), "out.mp4")
	spec := specOf(source, output)
	spec.Video.CRF = 0 // lossless
	report, err := Mosaic(context.Background(), spec, still{image.Rect(-90, -90, 0, 0), image.Rect(400, 0, 500, 50)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.FramesCovered != 0 {
		t.Errorf("%d frames covered by boxes outside the picture", report.FramesCovered)
	}
	if got, want := judge.Hashes(judge.Frames(t, output)), judge.Hashes(judge.Frames(t, source)); !slices.Equal(got, want) {
		t.Error("pictures differ from the source's")
	}
}

// TestMosaicOnlyTheBoxes: with no loss, not one sample outside the box changes.
func TestMosaicOnlyTheBoxes(t *testing.T) {
	t.Parallel()
	source := testPattern(t, "a.mp4")
	output := filepath.Join(t.TempDir(), "out.mp4")
	spec := specOf(source, output)
	spec.Video.CRF = 0
	if _, err := Mosaic(context.Background(), spec, still{box}, nil); err != nil {
		t.Fatal(err)
	}
	before, _ := pictures(t, source)
	after, _ := pictures(t, output)
	for i := range before {
		// Two pixels around, for scaling chroma up to RGB.
		v := psnr(before[i], after[i], func(p image.Point) bool { return !p.In(box.Inset(-2)) })
		if v < 100 {
			t.Fatalf("frame %d changed outside the box: %.1f dB", i, v)
		}
	}
}

// moving covers one rectangle for a while.
type moving struct {
	from, to time.Duration
	rect     image.Rectangle
}

func (m moving) At(t time.Duration, _, _ int) []image.Rectangle {
	if t < m.from || t > m.to {
		return nil
	}
	return []image.Rectangle{m.rect}
}

func TestMosaicTimesCountFromTheFirstFrame(t *testing.T) {
	t.Parallel()
	source := testPattern(t, "a.mp4", "-vf", "setpts=PTS+0.7/TB", "-bf", "2")
	output, report := mosaic(t, source, "out.mp4", moving{400 * time.Millisecond, 800 * time.Millisecond, box})
	if report.FramesCovered != 11 { // 0.40, 0.44 … 0.80 s
		t.Errorf("%d frames covered, want 11", report.FramesCovered)
	}
	before, _ := pictures(t, source)
	after, at := pictures(t, output)
	for i := range before {
		v := psnr(before[i], after[i], func(p image.Point) bool { return p.In(box) })
		if covered, want := v < 24, at[i] >= 400*time.Millisecond && at[i] <= 800*time.Millisecond; covered != want {
			t.Errorf("frame at %s: covered is %v, want %v (%.1f dB)", at[i], covered, want, v)
		}
	}
}

// TestMosaicTurned: boxes are placed where the viewer sees the face.
func TestMosaicTurned(t *testing.T) {
	t.Parallel()
	flat := testPattern(t, "flat.mp4")
	for _, ca := range []struct {
		name     string
		args     []string
		rotation int
	}{
		{"90", []string{"-display_rotation", "-90"}, 90},
		{"180", []string{"-display_rotation", "180"}, 180},
		{"270", []string{"-display_rotation", "90"}, 270},
		{"flip", []string{"-display_hflip"}, 0},
		{"90 and flip", []string{"-display_rotation", "-90", "-display_hflip"}, -1},
	} {
		t.Run(ca.name, func(t *testing.T) {
			t.Parallel()
			source := judge.Make(t, "turned.mp4", append(ca.args, "-i", flat, "-c", "copy")...)
			shown := image.Rect(20, 30, 120, 90) // near the upper left corner as shown
			output, report := mosaic(t, source, "out.mp4", still{shown})
			if ca.rotation >= 0 && report.Source.Rotation != ca.rotation {
				t.Errorf("rotation is %d, want %d", report.Source.Rotation, ca.rotation)
			}
			checkFaithful(t, source, output)
			before, _ := pictures(t, source)
			after, _ := pictures(t, output)
			if size := before[0].Rect.Size(); size != image.Pt(report.Output.Width, report.Output.Height) {
				t.Errorf("shown as %v, reported as %d×%d", size, report.Output.Width, report.Output.Height)
			}
			checkCovered(t, before[0], after[0], []image.Rectangle{shown})
			if got, want := matrixOf(t, output), matrixOf(t, source); got != want || want == "" {
				t.Errorf("display matrix says %q, the source's %q", got, want)
			}
		})
	}
	t.Run("45 degrees is refused", func(t *testing.T) {
		t.Parallel()
		source := judge.Make(t, "turned.mp4", "-display_rotation", "45", "-i", flat, "-c", "copy")
		_, err := Mosaic(context.Background(), specOf(source, filepath.Join(t.TempDir(), "out.mp4")), still{}, nil)
		if codeOf(err) != ffmpeg.CodeUnsupported {
			t.Errorf("error is %v", err)
		}
	})
}

func matrixOf(t *testing.T, path string) string {
	for line := range strings.Lines(judge.About(t, path)) {
		if _, matrix, ok := strings.Cut(line, "displaymatrix:"); ok {
			return strings.TrimSpace(matrix)
		}
	}
	return ""
}

func TestMosaicKeepsWhatTheFileSaysOfItself(t *testing.T) {
	t.Parallel()
	source := testPattern(t, "a.mp4", "-metadata", "title=A title", "-metadata", "comment=Café", "-metadata:s:a:0", "language=fra",
		"-metadata:s:v:0", "language=jpn", "-disposition:a:0", "default+dub",
		"-bsf:v", "h264_metadata=colour_primaries=9:transfer_characteristics=16:matrix_coefficients=9")
	output, _ := mosaic(t, source, "out.mp4", still{box})
	about := judge.About(t, output)
	for _, want := range []string{": A title", ": Café", "(fra): Audio", "(jpn): Video", "(default) (dub)", "bt2020nc/bt2020/smpte2084"} {
		if !strings.Contains(about, want) {
			t.Errorf("%q is not in\n%s", want, about)
		}
	}
}

func TestMosaicKeepsTimecode(t *testing.T) {
	t.Parallel()
	source := testPattern(t, "a.mov", "-timecode", "01:02:03:04")
	for _, name := range []string{"out.mov", "out.mp4"} {
		output, report := mosaic(t, source, name, still{box})
		if about := judge.About(t, output); !strings.Contains(about, "timecode        : 01:02:03:04") || len(report.Dropped) != 0 {
			t.Errorf("%s: left out %v\n%s", name, report.Dropped, about)
		}
	}
}

func TestMosaicLeavesStillPicturesOut(t *testing.T) {
	t.Parallel()
	source := testPattern(t, "a.mp4", "-map", "0:v", "-map", "1:a", "-map", "0:v", "-c:v:1", "mjpeg", "-pix_fmt:v:1", "yuvj420p",
		"-frames:v:1", "1", "-disposition:v:1", "attached_pic")
	output, report := mosaic(t, source, "out.mp4", still{box})
	checkFaithful(t, source, output)
	if len(report.Dropped) != 1 || !strings.Contains(report.Dropped[0], "stream 2 (video, mjpeg): a still picture") {
		t.Errorf("left out %q", report.Dropped)
	}
	if about := judge.About(t, output); strings.Contains(about, "mjpeg") {
		t.Error(about)
	}
}

func TestMosaicRefuses(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, body string) string {
		path := filepath.Join(t.TempDir(), "a.mp4")
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, ca := range []struct {
		name string
		make func(*testing.T) string
		code ffmpeg.Code
		says string
	}{
		{"text", func(t *testing.T) string { return write(t, strings.Repeat("not a video at all\n", 99)) }, ffmpeg.CodeNotVideo, "not a video"},
		{"nothing", func(t *testing.T) string { return write(t, "") }, ffmpeg.CodeNotVideo, "not a video"},
		{"a playlist", func(t *testing.T) string {
			return write(t, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
		}, ffmpeg.CodeNotVideo, "not a video"},
		{"sound alone", func(t *testing.T) string {
			return judge.Make(t, "a.mp4", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac")
		}, ffmpeg.CodeNoVideoStream, "no video stream among its 1 streams"},
		{"sound with cover art", func(t *testing.T) string {
			return judge.Make(t, "a.mp4", "-f", "lavfi", "-i", "sine=duration=1", "-f", "lavfi", "-i", "color=size=64x64:duration=0.04",
				"-c:a", "aac", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-frames:v", "1", "-disposition:v", "attached_pic")
		}, ffmpeg.CodeNoVideoStream, "no video stream"},
		{"two videos", func(t *testing.T) string {
			return testPattern(t, "a.mp4", "-map", "0:v", "-map", "0:v", "-map", "1:a")
		}, ffmpeg.CodeUnsupported, "2 video streams (0, 1)"},
		{"cut before its index", func(t *testing.T) string {
			whole, err := os.ReadFile(testPattern(t, "a.mp4"))
			if err != nil {
				t.Fatal(err)
			}
			return write(t, string(whole[:len(whole)/2]))
		}, ffmpeg.CodeInvalid, "the file is cut off: it has "},
		{"damaged", func(t *testing.T) string {
			path := testPattern(t, "a.mp4", "-movflags", "+faststart")
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			start := strings.Index(string(whole), "mdat") + 4
			for i := start; i < len(whole); i++ {
				whole[i] = 0xff
			}
			return write(t, string(whole))
		}, ffmpeg.CodeInvalid, ""},
		{"RGB", func(t *testing.T) string {
			return judge.Make(t, "a.mkv", "-f", "lavfi", "-i", "testsrc2=duration=0.2", "-c:v", "png", "-pix_fmt", "rgb24")
		}, ffmpeg.CodeUnsupported, "rgb24"},
	} {
		t.Run(ca.name, func(t *testing.T) {
			t.Parallel()
			_, err := Mosaic(context.Background(), specOf(ca.make(t), filepath.Join(t.TempDir(), "out.mp4")), still{box}, nil)
			if codeOf(err) != ca.code || !strings.Contains(err.Error(), ca.says) {
				t.Errorf("error is %v (%s), want %s with %q", err, codeOf(err), ca.code, ca.says)
			}
		})
	}
}

func TestMosaicContainerThatCannotHoldAStream(t *testing.T) {
	t.Parallel()
	source := testPattern(t, "a.mkv", "-c:a", "pcm_s16le")
	_, err := Mosaic(context.Background(), specOf(source, filepath.Join(t.TempDir(), "out.ts")), still{box}, nil)
	if codeOf(err) != ffmpeg.CodeUnsupported || !strings.Contains(err.Error(), "stream 1 (audio, pcm_s16le) can't be copied into mpegts") {
		t.Errorf("error is %v", err)
	}
	output, _ := mosaic(t, source, "out.mkv", still{box})
	checkFaithful(t, source, output)
}

func TestMosaicUnknownOption(t *testing.T) {
	t.Parallel()
	spec := specOf(testPattern(t, "a.mp4"), filepath.Join(t.TempDir(), "out.mp4"))
	spec.Video.Preset = "fastest"
	if _, err := Mosaic(context.Background(), spec, still{box}, nil); err == nil || codeOf(err) != "" {
		t.Errorf("error is %v, want one that does not blame the file", err)
	}
}

func TestMosaicNowhereToWrite(t *testing.T) {
	t.Parallel()
	spec := specOf(testPattern(t, "a.mp4"), filepath.Join(t.TempDir(), "missing", "out.mp4"))
	if _, err := Mosaic(context.Background(), spec, still{box}, nil); err == nil || codeOf(err) != "" || !strings.Contains(err.Error(), "open output") {
		t.Errorf("error is %v", err)
	}
}

func TestMosaicFullDisk(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	spec := specOf(testPattern(t, "a.ts"), "/dev/full")
	spec.Format = "mpegts"
	_, err := Mosaic(context.Background(), spec, still{box}, nil)
	if err == nil || codeOf(err) != "" || !DiskFull(err) || !strings.Contains(err.Error(), "No space left") {
		t.Errorf("error is %v", err)
	}
}

func TestMosaicStops(t *testing.T) {
	t.Parallel()
	source := testPattern(t, "a.mp4")
	ctx, cancel := context.WithCancelCause(context.Background())
	because := errors.New("enough")
	_, err := Mosaic(ctx, specOf(source, filepath.Join(t.TempDir(), "out.mp4")), still{box}, func(ffmpeg.Progress) { cancel(because) })
	if !errors.Is(err, because) {
		t.Errorf("error is %v", err)
	}
}

// BenchmarkMosaic is the whole pipeline on a small picture with the fastest
// encoder, where what we add would show most. Allocations are for each frame.
func BenchmarkMosaic(b *testing.B) {
	source := judge.Make(b, "a.mp4", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=20",
		"-c:v", "libx264", "-preset", "ultrafast")
	for name, covers := range map[string]Covers{"nothing": still{}, "three": still{image.Rect(10, 10, 120, 140), image.Rect(200, 50, 320, 190), image.Rect(400, 100, 520, 240)}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			frames := int64(0)
			for b.Loop() {
				_, report := mosaic(b, source, "out.mp4", covers)
				frames += report.Frames
			}
			b.ReportMetric(float64(frames)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}
