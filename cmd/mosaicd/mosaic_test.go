package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mosaicd/mosaicd/internal/judge"
)

func TestMosaicCommand(t *testing.T) {
	t.Parallel()
	source := video(t, shortScene)
	folder := t.TempDir()
	detections := filepath.Join(folder, "faces.json")
	if err := os.WriteFile(detections, shortScene.Detections(500*time.Millisecond), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ca := range []struct {
		name string
		args []string
		says string
	}{
		{"built-in detector", nil, "25 frames, 25 of them covered, 3 faces"},
		{"detections", []string{"--detections", detections}, "25 frames, 25 of them covered, 3 faces"},
		{"nothing covered", []string{"--detector", "none"}, "25 frames, 0 of them covered, 0 faces"},
		{"blur", []string{"--detections", detections, "--style", "blur", "--margin", "0.5"}, "25 of them covered"},
		{"fill", []string{"--detections", detections, "--style", "fill", "--threads", "1", "--crf", "30"}, "25 of them covered"},
	} {
		t.Run(ca.name, func(t *testing.T) {
			t.Parallel()
			output := filepath.Join(t.TempDir(), "out.mp4")
			code, stdout, stderr := call(t, nil, append([]string{"mosaic", source, output, "--preset", "ultrafast"}, ca.args...)...)
			if code != exitDone || !strings.Contains(stdout, ca.says) || stderr != "" {
				t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
			}
			if got, want := judge.Packets(t, output, "0:a"), judge.Packets(t, source, "0:a"); !slices.Equal(judge.Hashes(got), judge.Hashes(want)) {
				t.Error("sound packets differ from the source's")
			}
			if got, want := judge.Times(judge.Frames(t, output)), judge.Times(judge.Frames(t, source)); !slices.Equal(got, want) {
				t.Errorf("frames at %v, the source's at %v", got, want)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(output), ".*")); len(left) != 0 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

// TestMosaicCommandRefusesDetections of another video, with what does not fit; what fits with a few pixels outside, or
// saved as UTF-16, is taken. The video has one second of 25 frames.
func TestMosaicCommandRefusesDetections(t *testing.T) {
	t.Parallel()
	source := video(t, shortScene)
	const box = `{"Left": -0.05, "Top": 0.9, "Width": 0.1, "Height": 0.2}`
	face := func(at int) string {
		return fmt.Sprintf(`"Faces": [{"Timestamp": %d, "Face": {"BoundingBox": %s}}]`, at, box)
	}
	size := fmt.Sprintf(`"FrameWidth": %d, "FrameHeight": %d`, shortScene.Size.X, shortScene.Size.Y)
	utf16 := "\xff\xfe"
	for _, r := range `{"VideoMetadata": {"DurationMillis": 1000, "FrameRate": 25.0, ` + size + `}, ` + face(0) + `}` {
		utf16 += string(r) + "\x00"
	}
	for name, ca := range map[string]struct{ page, says string }{
		"it fits":        {utf16, ""},
		"half as long":   {`{"VideoMetadata": {"DurationMillis": 500}, ` + face(0) + `}`, "they are of 0.50 s, the video has 1.00 s"},
		"past the end":   {`{` + face(5000) + `}`, "up to 5.00 s, are after the video's end"},
		"another size":   {`{"VideoMetadata": {"FrameWidth": 1920, "FrameHeight": 1080}, ` + face(0) + `}`, "pictures of 1920x1080 pixels"},
		"another rate":   {`{"VideoMetadata": {"FrameRate": 50}, ` + face(0) + `}`, "they are of 50.000 frames/s, the video has 25.000"},
		"wholly outside": {`{"Faces": [{"Timestamp": 0, "Face": {"BoundingBox": {"Left": 1.1, "Top": 0, "Width": 0.1, "Height": 0.1}}}]}`, "wholly outside"},
		"no Left":        {`{"Faces": [{"Timestamp": 0, "Face": {"BoundingBox": {"Width": 0.1, "Height": 0.1}}}]}`, "without Left"},
		"persons":        {`{"Persons": [{"Timestamp": 0, "Person": {"Index": 0, "BoundingBox": ` + box + `}}]}`, "get-person-tracking"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			detections, output := filepath.Join(folder, "faces.json"), filepath.Join(folder, "out.mp4")
			if err := os.WriteFile(detections, []byte(ca.page), 0o600); err != nil {
				t.Fatal(err)
			}
			code, _, stderr := call(t, nil, "mosaic", source, output, "--preset", "ultrafast", "--detections", detections)
			if ca.says == "" {
				if code != exitDone {
					t.Errorf("exit code %d, %s", code, stderr)
				}
				return
			}
			if code != exitFailed || !strings.Contains(stderr, "invalid_detections") || !strings.Contains(stderr, ca.says) {
				t.Errorf("exit code %d, %s", code, stderr)
			}
			if _, err := os.Stat(output); !os.IsNotExist(err) {
				t.Error("there is an output")
			}
		})
	}
}

// TestMosaicCommandRefuses: nothing is left behind, the source and what was
// there before stay as they were, and standard error has one line.
func TestMosaicCommandRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	write := func(name, body string) string {
		if err := os.WriteFile(at(name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	source := video(t, shortScene)
	text := write("text.mp4", "no video")
	linked := at("link.mp4")
	if err := os.Symlink(source, linked); err != nil {
		t.Fatal(err)
	}
	old := write("old.mp4", "what was there before")
	regions := write("regions.json", `{"add": []}`)
	for _, ca := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no arguments", []string{"mosaic"}, exitUsage, `"<SRC> <DST>"`},
		{"unknown flag", []string{"mosaic", source, at("x.mp4"), "--blok", "3"}, exitUsage, "--blok"},
		{"unknown style", []string{"mosaic", source, at("x.mp4"), "--style", "smear"}, exitUsage, "--style must be one of"},
		{"wrong variable", []string{"mosaic", source, at("x.mp4")}, exitUsage, "MOSAICD_CRF"},
		{"blocks out of range", []string{"mosaic", source, at("x.mp4"), "--blocks", "1"}, exitUsage, "--blocks: must be 2 to 64 (got 1)"},
		{"margin out of range", []string{"mosaic", source, at("x.mp4"), "--margin", "9"}, exitUsage, "--margin: must be 0 to 2 (got 9)"},
		{"unknown preset", []string{"mosaic", source, at("x.mp4"), "--preset", "fastest"}, exitUsage, "--preset: must be one of ultrafast"},
		{"unknown container", []string{"mosaic", source, at("x.webm")}, exitUsage, ".mp4, .m4v, .mov, .mkv or .ts"},
		{"the source itself", []string{"mosaic", source, source}, exitUsage, "never overwritten"},
		{"the source by another name", []string{"mosaic", source, linked}, exitUsage, "never overwritten"},
		{"a folder", []string{"mosaic", folder, at("x.mp4")}, exitUsage, "is a folder"},
		{"both detections and detector", []string{"mosaic", source, at("x.mp4"), "--detector", "builtin", "--detections", text}, exitUsage, "--detections and --detector"},
		{"no source", []string{"mosaic", at("missing.mp4"), at("x.mp4")}, exitFailed, "SRC: stat"},
		{"no folder for the output", []string{"mosaic", source, at("missing/x.mp4")}, exitFailed, "DST: "},
		{"no video", []string{"mosaic", text, at("x.mp4")}, exitFailed, "not a video"},
		{"detections that are none", []string{"mosaic", source, at("x.mp4"), "--detections", text}, exitFailed, "--detections: "},
		{"an old file", []string{"mosaic", source, old}, exitUsage, "is there already: --overwrite replaces it"},
		{"no video over an old file", []string{"mosaic", text, old, "--overwrite"}, exitFailed, "not a video"},
		{"a report over the source", []string{"mosaic", source, at("x.mp4"), "--report", source, "--overwrite"}, exitUsage, "--report " + source + " is SRC"},
		{"a report over the result", []string{"mosaic", source, at("x.mp4"), "--report", at("./x.mp4")}, exitUsage, "are the same file"},
		{"a sheet over the source", []string{"mosaic", source, at("x.mp4"), "--sheet", linked, "--overwrite"}, exitUsage, "is SRC"},
		{"a sheet over the report", []string{"mosaic", source, at("x.mp4"), "--report", at("page"), "--sheet", at("page")}, exitUsage, "are the same file"},
		{"a report over an old file", []string{"mosaic", source, at("x.mp4"), "--report", old}, exitUsage, "is there already"},
		{"a report over the regions", []string{"mosaic", source, at("x.mp4"), "--regions", regions, "--report", regions, "--overwrite"}, exitUsage, "is --regions"},
		{"a report without a folder", []string{"mosaic", source, at("x.mp4"), "--report", at("missing/page.html")}, exitFailed, "--report: its folder"},
		{"remux over the source", []string{"remux", source, linked, "--overwrite"}, exitUsage, "is SRC"},
		{"remux over an old file", []string{"remux", source, old}, exitUsage, "is there already"},
	} {
		t.Run(ca.name, func(t *testing.T) {
			var environ []string
			if ca.name == "wrong variable" {
				environ = []string{"MOSAICD_CRF=good"}
			}
			code, stdout, stderr := call(t, environ, ca.args...)
			if code != ca.code || !strings.Contains(stderr, ca.says) || strings.Count(stderr, "\n") != 1 || stdout != "" {
				t.Errorf("exit code %d, want %d with %q\n%s%s", code, ca.code, ca.says, stdout, stderr)
			}
		})
	}
	var names []string
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"link.mp4", "old.mp4", "regions.json", "text.mp4"}; !slices.Equal(names, want) {
		t.Errorf("the folder holds %v, want %v", names, want)
	}
	if body, _ := os.ReadFile(old); string(body) != "what was there before" {
		t.Error("the old output was touched")
	}
}

func TestMosaicCommandProgress(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	source := video(t, longScene)
	output := filepath.Join(t.TempDir(), "out.mp4")
	code, stdout, stderr := call(t, nil, "mosaic", source, output, "--preset", "ultrafast", "--progress", "json")
	if code != exitDone || stdout != "" {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	steps, frames := map[string]bool{}, 0
	for line := range strings.Lines(stderr) {
		var p struct {
			Step            string
			Frames          int
			DurationSeconds float64
		}
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if !steps[p.Step] {
			frames = 0
		}
		if p.Frames <= frames || p.DurationSeconds != 8 {
			t.Errorf("progress is %+v after %d frames", p, frames)
		}
		steps[p.Step], frames = true, p.Frames
	}
	if !steps["detect"] || !steps["encode"] {
		t.Errorf("steps: %v", steps)
	}
}

// TestMosaicCommandStops: an interrupt leaves nothing behind.
func TestMosaicCommandStops(t *testing.T) {
	t.Parallel()
	output := filepath.Join(t.TempDir(), "out.mp4")
	cmd := mosaicd(nil, append([]string{"mosaic", video(t, longScene), output, "--detector", "none"}, slowly...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(output)
	until(t, "the output to grow", func() bool {
		parts, _ := filepath.Glob(filepath.Join(folder, ".out.*.part.mp4"))
		return len(parts) == 1 && size(parts[0]) > 0
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitSignal+int(syscall.SIGINT) {
		t.Errorf("exit code %d", code)
	}
	if left, _ := os.ReadDir(folder); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// TestCodec: HEVC stays HEVC, by the name that Apple's players take, and what somebody
// chooses goes before.
func TestCodec(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	hevc := judge.Make(t, "hevc.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error")
	avc := judge.Make(t, "avc.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1", "-c:v", "libx264", "-preset", "ultrafast")
	interlaced := judge.Make(t, "interlaced.mp4", "-i", avc, "-c:v", "libx264", "-flags", "+ildct+ilme")
	fields := judge.Make(t, "fields.mp4", "-i", avc, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:interlace=tff")
	small := judge.Make(t, "small.mp4", "-f", "lavfi", "-i", "testsrc2=s=8x8:r=25:d=1", "-c:v", "libx264")
	for _, ca := range []struct {
		source, codec string
		code          int
		says          string // of the output's video; or the error
	}{
		{hevc, "auto", exitDone, "Video: hevc (Main) (hvc1"},
		{hevc, "h264", exitDone, "Video: h264"},
		{avc, "auto", exitDone, "Video: h264"},
		{avc, "hevc", exitDone, "Video: hevc (Main) (hvc1"},
		{interlaced, "hevc", exitFailed, "interlaced, which libx265 does not write"},
		{fields, "auto", exitFailed, "interlaced, which libx265 does not write"},
		{small, "hevc", exitFailed, "too small for libx265"},
		{avc, "vp9", exitUsage, "--codec must be one of"},
	} {
		output := filepath.Join(t.TempDir(), "out.mp4")
		code, out, stderr := call(t, nil, "mosaic", "--preset", "ultrafast", "--detector", "none", "--codec", ca.codec, ca.source, output)
		if code != ca.code {
			t.Errorf("%s to %s: exit code %d: %s%s", filepath.Base(ca.source), ca.codec, code, out, stderr)
			continue
		}
		if code == exitDone {
			stderr = judge.About(t, output)
			if got, want := judge.Times(judge.Frames(t, output)), judge.Times(judge.Frames(t, ca.source)); !slices.Equal(got, want) {
				t.Errorf("%s to %s: frames at %v, want %v", filepath.Base(ca.source), ca.codec, got, want)
			}
		}
		if !strings.Contains(stderr, ca.says) {
			t.Errorf("%s to %s: without %q:\n%s", filepath.Base(ca.source), ca.codec, ca.says, stderr)
		}
	}
}

// TestInterlacedStays: two fields stay two fields, and the first stays the first.
func TestInterlacedStays(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	for order, says := range map[string]string{"tff": "top first", "bff": "bottom first"} {
		source := judge.Make(t, order+".mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1", "-c:v", "libx264", "-flags", "+ildct+ilme", "-x264-params", order+"=1")
		output := filepath.Join(t.TempDir(), "out.mp4")
		if code, out, stderr := call(t, nil, "mosaic", "--preset", "ultrafast", source, output); code != exitDone {
			t.Fatalf("%s: %s%s", order, out, stderr)
		}
		for _, path := range []string{source, output} {
			if about := judge.About(t, path); !strings.Contains(about, says) {
				t.Errorf("%s: %s is %s", order, filepath.Base(path), about)
			}
		}
	}
}

// TestHDR10Stays: what the source's own pictures say of the mastering display and of
// the brightest light is said again, where its container says nothing.
func TestHDR10Stays(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	source := judge.Make(t, "hdr10.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1", "-pix_fmt", "yuv420p10le", "-c:v", "libx264", "-x264-params",
		"colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:mastering-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):cll=1000,400")
	if about := judge.About(t, source); strings.Contains(about, "Mastering Display") {
		t.Fatalf("the container says it already: %s", about)
	}
	output := filepath.Join(t.TempDir(), "out.mp4")
	if code, out, stderr := call(t, nil, "mosaic", "--preset", "ultrafast", source, output); code != exitDone {
		t.Fatalf("%s%s", out, stderr)
	}
	about := judge.About(t, output)
	for _, says := range []string{"yuv420p10le(tv, bt2020nc/bt2020/smpte2084", "r(0.6800,0.3200) g(0.2650,0.6900) b(0.1500 0.0600) wp(0.3127, 0.3290) min_luminance=0.000100, max_luminance=1000.000000", "MaxCLL=1000, MaxFALL=400"} {
		if !strings.Contains(about, says) {
			t.Errorf("without %s:\n%s", says, about)
		}
	}
}

// TestMosaicCommandJudgesDetectionCases: files that were believed once, and what is to be said about each.
func TestMosaicCommandJudgesDetectionCases(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "..", "..", "shared", "cases", "detections")
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("the cases are not there: %v", err)
	}
	for name, says := range map[string]string{
		"partial_box.json":    "without Left",
		"persontracking.json": "not one face",
		"short_meta.json":     "they are of 2.00 s, the video has 4.00 s",
		"way_past_end.json":   "after the video's end",
		"wrong_size.json":     "pictures of 1920x1080 pixels",
		"utf16ps.json":        "", // it fits
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := call(t, nil, "mosaic", filepath.Join(folder, "v.mp4"), filepath.Join(t.TempDir(), "out.mp4"),
				"--preset", "ultrafast", "--detections", filepath.Join(folder, name))
			if says == "" && code != exitDone {
				t.Errorf("exit code %d, %s", code, stderr)
			}
			if says != "" && (code != exitFailed || !strings.Contains(stderr, "invalid_detections") || !strings.Contains(stderr, says)) {
				t.Errorf("exit code %d, %s", code, stderr)
			}
		})
	}
}
