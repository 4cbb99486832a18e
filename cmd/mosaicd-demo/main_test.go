package main

import (
	"bufio"
	"bytes"
	"context"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/internal/sample"
)

// TestMain builds the mosaicd that the demo shows, as "make build" does.
func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "mosaicd-demo-test-*")
	if err != nil {
		panic(err)
	}
	mosaicd = filepath.Join(folder, "mosaicd")
	build := exec.Command("go", "build", "-o", mosaicd, "../mosaicd")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(folder); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// mosaicd is the path of the program.
var mosaicd string

func skipWithRace(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long with the race detector, which sees nothing new in it")
	}
}

func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), append([]string{"--mosaicd", mosaicd}, args...), streams{out: &out, err: &errs})
	return code, out.String(), errs.String()
}

// checkPictures holds that what a person is to look at is there.
func checkPictures(t *testing.T, folder, out string) {
	t.Helper()
	for _, name := range []string{"result.mp4", "frames.png", "report.html", "mosaicd.log"} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.Size() == 0 {
			t.Errorf("%s is missing or empty: %v", name, err)
		}
		if !strings.Contains(out, filepath.Join(folder, name)) {
			t.Errorf("the path of %s is not printed:\n%s", name, out)
		}
	}
	f, err := os.Open(filepath.Join(folder, "frames.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if sheet, err := png.Decode(f); err != nil || sheet.Bounds().Dx() < 1000 {
		t.Errorf("contact sheet: %v", err)
	}
	page, err := os.ReadFile(filepath.Join(folder, "report.html"))
	if err != nil || bytes.Count(page, []byte("data:image/jpeg")) < 2 {
		t.Errorf("the page has no pictures: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(folder, "scratch", "*")); err != nil || len(left) > 0 {
		t.Errorf("left in scratch: %v, %v", left, err)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	folder := filepath.Join(t.TempDir(), "demo")
	code, out, stderr := call(t, "--dir", folder)
	if code != exitDone {
		t.Fatalf("exit code %d\n%s\n%s", code, out, stderr)
	}
	for _, want := range []string{"queue http://127.0.0.1:", "topic arn:aws:sns:", "s3://uploads/", `"status": "succeeded"`, `"faces": 3`,
		"result 1 of 2, the mosaic", "result 2 of 2, the transcode", "s3://results/source/hls/source_high.m3u8", "placeholders", "step 2/2 transcode: succeeded, published"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	checkPictures(t, folder, out)
}

// TestOwnVideo: an operator's own file goes the same way, under its own name, and stays
// as it is.
func TestOwnVideo(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	video := filepath.Join(t.TempDir(), "two friends #1 (été).mov")
	if err := sample.Default.Write(video); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(video)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "demo")
	code, out, stderr := call(t, "--dir", folder, video)
	if code != exitDone || !strings.Contains(out, "s3://uploads/demo/two friends #1 (été).mov") {
		t.Fatalf("exit code %d\n%s\n%s", code, out, stderr)
	}
	if after, err := os.ReadFile(video); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the source was changed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "result.mov")); err != nil {
		t.Error(err)
	}
}

// TestNotAVideo: what the daemon refuses ends the demo, with the reason.
func TestNotAVideo(t *testing.T) {
	t.Parallel()
	video := filepath.Join(t.TempDir(), "a.mp4")
	if err := os.WriteFile(video, []byte("no video at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := call(t, "--dir", t.TempDir(), video)
	if code != exitFailed || !strings.Contains(stderr, "mosaicd-demo: the mosaic failed: ") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit code %d\n%s\n%s", code, out, stderr)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	others, earlier := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(others, "source.mp4"), filepath.Join(earlier, "mosaicd.log"), filepath.Join(earlier, "result.mp4")} {
		if err := os.WriteFile(path, []byte("a person's own"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, ca := range []struct {
		args []string
		says string
	}{
		{[]string{"/nowhere.mp4"}, "VIDEO"},
		{[]string{t.TempDir()}, "not a regular file"},
		{[]string{"--dir", others}, "which no demo made"},
		{[]string{"--dir", earlier, filepath.Join(earlier, "result.mp4")}, "is VIDEO: an input, like the source, is never overwritten"},
		{[]string{"--mosaicd", "/nowhere/mosaicd"}, "--mosaicd"},
		{[]string{"--dir", "/dev/null/x"}, "--dir"},
		{[]string{"--addr", "256.0.0.1:80", "--dir", t.TempDir()}, "--addr"},
		{[]string{"--services", "main.go"}, "--services"},
		{[]string{"--colour"}, "--colour"},
	} {
		code, _, stderr := call(t, ca.args...)
		if code != exitUsage || !strings.Contains(stderr, ca.says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: exit code %d\n%s", ca.args, code, stderr)
		}
	}
	code, out, _ := call(t, "--help")
	if code != exitDone || !strings.Contains(out, "\n    mosaicd-demo my.mp4") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// TestDaemonEnds: a mosaicd that ends at once ends the demo, which says where to look.
func TestDaemonEnds(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	folder := t.TempDir()
	// It works as the engine, for the demo's own needs, and not as a daemon.
	broken := filepath.Join(folder, "mosaicd")
	script := "#!/bin/sh\n[ \"$1\" = run ] && exit 3\nexec " + mosaicd + " \"$@\"\n"
	if err := os.WriteFile(broken, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := run(context.Background(), []string{"--mosaicd", broken, "--dir", filepath.Join(folder, "demo")}, streams{out: &out, err: &errs})
	if code != exitFailed || !strings.Contains(errs.String(), "ended before") || !strings.Contains(errs.String(), "mosaicd.log") {
		t.Errorf("exit code %d\n%s\n%s", code, &out, &errs)
	}
}

// TestServices: they print what a mosaicd needs to find them, and end when they are asked to.
func TestServices(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out, w := io.Pipe()
	var errs bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"--mosaicd", mosaicd, "--services", "--dir", t.TempDir()}, streams{out: w, err: &errs})
		w.Close()
	}()
	said := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said += lines.Text() + "\n"
		if strings.Contains(said, "mosaicd run") {
			cancel()
		}
	}
	if code := <-ended; code != exitDone {
		t.Errorf("exit code %d\n%s\n%s", code, said, &errs)
	}
	for _, want := range []string{"AWS_ENDPOINT_URL=http://127.0.0.1:", "MOSAICD_QUEUE_URL=", "MOSAICD_OUTPUT_BUCKET=results", "MOSAICD_MEDIACONVERT_ROLE=arn:"} {
		if !strings.Contains(said, "export "+want) {
			t.Errorf("%s is not in\n%s", want, said)
		}
	}
}
