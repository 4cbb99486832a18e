package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestHelpKeepsLines: an example is a line of its own, and each command that people
// type has one.
func TestHelpKeepsLines(t *testing.T) {
	t.Parallel()
	for command, examples := range map[string][]string{
		"":             {"mosaicd mosaic in.mp4 out.mp4", "mosaicd run", "mosaicd help COMMAND"},
		"mosaic":       {"mosaicd mosaic in.mp4 out.mp4", "mosaicd mosaic --verify --report report.html in.mp4 out.mp4"},
		"remux":        {"mosaicd remux recording.ts recording.mp4", "mosaicd remux live/index.m3u8 recording.mp4"},
		"send":         {"mosaicd send mosaic s3://in/a.mp4 s3://out/a.mp4 --style blur", "mosaicd send --file message.json"},
		"faces":        {"mosaicd faces list staff", "mosaicd faces remove staff anna"},
		"faces detect": {"mosaicd faces detect in.mp4 > detections.json"},
		"check":        {"mosaicd check --routes routes.yaml"},
		"dlq":          {"mosaicd dlq list", "mosaicd dlq replay --all"},
		"status":       {"mosaicd status fde3c882ec9929fc026df4df2cad7755 --watch"},
		"cancel":       {"mosaicd cancel fde3c882ec9929fc026df4df2cad7755"},
		"doctor":       {"mosaicd doctor"},
		"completion":   {"source <(mosaicd completion bash)"},
		"man":          {"man mosaicd"},
	} {
		code, out, stderr := call(t, nil, append([]string{"help"}, strings.Fields(command)...)...)
		if code != exitDone {
			t.Errorf("help %s: exit code %d\n%s", command, code, stderr)
		}
		for _, example := range examples {
			found := false
			for line := range strings.Lines(out) {
				found = found || strings.HasPrefix(strings.TrimSpace(line), example)
			}
			if !found {
				t.Errorf("help %s: no line is %q\n%s", command, example, out)
			}
		}
	}
}

func TestVersionFlag(t *testing.T) {
	t.Parallel()
	_, want, _ := call(t, nil, "version")
	code, out, _ := call(t, nil, "--version")
	if code != exitDone || out != want {
		t.Errorf("exit code %d\n%s\nwant\n%s", code, out, want)
	}
	if !strings.Contains(out, "\nlicense GNU General Public License, version 3") || strings.Contains(out, "\nlicense GPL version 2") {
		t.Errorf("the license is not README's:\n%s", out)
	}
}

// TestCompletion: what the shells load is what they take, and it offers commands and
// flags.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		code, out, stderr := call(t, nil, "completion", shell)
		if code != exitDone || !strings.Contains(out, "complete") {
			t.Errorf("%s: exit code %d\n%s%s", shell, code, out, stderr)
		}
		if path, err := exec.LookPath(shell); err == nil {
			check := exec.Command(path, "-n")
			check.Stdin = strings.NewReader(out)
			if said, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s does not take it: %v\n%s", shell, err, said)
			}
		}
	}
	if code, _, stderr := call(t, nil, "completion", "tcsh"); code != exitUsage || !strings.Contains(stderr, "bash") {
		t.Errorf("tcsh: exit code %d, %s", code, stderr)
	}
	for line, want := range map[string]string{
		"mosaicd sta":              "status\n",
		"mosaicd send ":            "transcode\n",
		"mosaicd mosaic --sty":     "--style\n",
		"mosaicd run --queue-":     "--queue-url\n",
		"mosaicd faces de":         "detect\n",
		"mosaicd mosaic --style b": "blur\n",
	} {
		_, out, _ := call(t, []string{"COMP_LINE=" + line}, "")
		if !strings.Contains(out, want) {
			t.Errorf("%q offers %q, want %q", line, out, want)
		}
	}
}

// TestManualPage: it names each command and flag that is not hidden, and man's own
// formatter has nothing to complain of.
func TestManualPage(t *testing.T) {
	t.Parallel()
	code, page, stderr := call(t, nil, "man")
	if code != exitDone {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.NewReplacer(`\-`, "-", `\&`, "", `\fB`, "", `\fP`, "").Replace(page)
	for _, command := range parser.Model.Leaves(true) {
		if !strings.Contains(plain, "mosaicd "+command.Path()) && !strings.Contains(plain, command.FullPath()) {
			t.Errorf("%s is not in it", command.FullPath())
		}
		for _, flag := range command.Flags {
			if !flag.Hidden && !strings.Contains(plain, "--"+flag.Name) && flag.Name != "help" {
				t.Errorf("%s --%s is not in it", command.Path(), flag.Name)
			}
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		return // macros and formatter are not on every machine
	}
	check := exec.Command(groff, "-Kutf8", "-man", "-Tutf8", "-ww", "-z")
	check.Stdin = strings.NewReader(page)
	if said, err := check.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("groff: %v\n%s", err, said)
	}
}

// TestDeskErrors: each says what is wrong and what to do, as people say it.
func TestDeskErrors(t *testing.T) {
	t.Parallel()
	queue := []string{"MOSAICD_QUEUE_URL=http://127.0.0.1:1/0/q", "AWS_REGION=us-east-1"}
	for _, ca := range []struct {
		name string
		args []string
		says []string
	}{
		{"object for a file", []string{"mosaic", "s3://in/a.mp4", "out.mp4"}, []string{"SRC", "only local files", "mosaicd send mosaic"}},
		{"object to write", []string{"remux", "in.ts", "s3://out/a.mp4"}, []string{"DST", "only local files"}},
		{"web address", []string{"mosaic", "https://example.com/a.mp4", "out.mp4"}, []string{"SRC", "only local files", "download"}},
		{"object for faces", []string{"faces", "detect", "s3://in/a.mp4"}, []string{"SRC", "only local files"}},
		{"strangers without a search", []string{"mosaic", "--cover", "strangers", "in.mp4", "out.mp4"}, []string{"--cover", "cannot identify people", "--detections"}},
		{"listed without a search", []string{"mosaic", "--cover", "listed", "in.mp4", "out.mp4"}, []string{"--cover", "cannot identify people"}},
		{"detector", []string{"mosaic", "--detector", "eyes", "in.mp4", "out.mp4"}, []string{"--detector", "builtin or none", `"eyes"`}},
		{"style", []string{"send", "mosaic", "s3://in/a.mp4", "s3://out/a.mp4", "--style", "blue"}, []string{"style: must be one of mosaic, blur, fill", `"blue"`}},
		{"codec", []string{"send", "mosaic", "s3://in/a.mp4", "s3://out/a.mp4", "--codec", "vp9"}, []string{"codec: must be one of auto, h264, hevc", `"vp9"`}},
		{"cover", []string{"send", "mosaic", "s3://in/a.mp4", "s3://out/a.mp4", "--cover", "me"}, []string{"cover: must be one of all, strangers, listed", `"me"`}},
		{"container", []string{"send", "mosaic", "s3://in/a.mp4", "s3://out/a.webm"}, []string{"s3://out/a.webm", "extension", ".mkv"}},
		{"container, not sent", []string{"send", "mosaic", "s3://in/a.mp4", "s3://out/a", "--dry-run"}, []string{"s3://out/a", "extension"}},
	} {
		code, _, stderr := call(t, queue, ca.args...)
		if code != exitUsage || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, `"",`) {
			t.Errorf("%s: exit code %d\n%s", ca.name, code, stderr)
		}
		for _, want := range ca.says {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: %q is not in %q", ca.name, want, stderr)
			}
		}
	}
}

// TestCheckExplains: in words, whatever the event is, and from standard input too.
func TestCheckExplains(t *testing.T) {
	t.Parallel()
	for _, ca := range []struct{ name, in, want string }{
		{"a search of Rekognition", `{"JobId":"abc","Status":"SUCCEEDED","API":"StartFaceSearch","JobTag":"` + strings.Repeat("0", 32) + `-1","Timestamp":1,"Video":{"S3ObjectName":"a.mp4","S3Bucket":"in"}}`, "Rekognition reports"},
		{"a test", `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-01T00:00:00.000Z","Bucket":"in","RequestId":"a","HostId":"b"}`, "S3 tests the notifications of bucket in"},
		{"a message", `{"version":1,"kind":"mosaic","source":"s3://in/a.mp4","destination":"s3://out/a.mp4"}`, "mosaic of s3://in/a.mp4"},
	} {
		cmd := mosaicd(nil, "check", "-")
		cmd.Stdin = strings.NewReader(ca.in)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), ca.want) || strings.Contains(string(out), "event.") {
			t.Errorf("%s: %v\n%s", ca.name, err, out)
		}
	}
	code, out, _ := call(t, nil, "check", "s3://in/a.mp4")
	if code != exitDone || !strings.Contains(out, "s3://{output bucket}/mosaic/a.mp4") {
		t.Errorf("without a bucket: exit code %d\n%s", code, out)
	}
	code, out, _ = call(t, nil, "check", "--output-bucket", "mine", "s3://in/a.mp4")
	if code != exitDone || !strings.Contains(out, "s3://mine/mosaic/a.mp4") {
		t.Errorf("with a bucket: exit code %d\n%s", code, out)
	}
}

// TestNoEmulator: what is deployed has no AWS of its own in it, nor what only the demo needs.
func TestNoEmulator(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"internal/awslocal", "internal/likeness", "Admiral-Piett/goaws", "johannesboyne/gofakes3"} {
		for dependency := range strings.Lines(string(out)) {
			if strings.Contains(dependency, name) {
				t.Errorf("mosaicd links %s", strings.TrimSpace(dependency))
			}
		}
	}
}
