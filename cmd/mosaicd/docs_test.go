package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/faces"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

func document(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

var jsonBlock = regexp.MustCompile("(?s)```json\n(.*?)```")

// TestDocumentedMessages: the examples are understood.
func TestDocumentedMessages(t *testing.T) {
	t.Parallel()
	blocks := jsonBlock.FindAllStringSubmatch(document(t, "docs/messages.md"), -1)
	if len(blocks) < 3 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		if strings.Contains(b[1], "srcVideo") {
			if _, err := event.DecodeSidecar([]byte(b[1])); err != nil {
				t.Errorf("%v in\n%s", err, b[1])
			}
			continue
		}
		if events, err := event.Decode([]byte(b[1])); err != nil || len(events) != 1 {
			t.Errorf("%v in\n%s", err, b[1])
		}
	}
}

// TestDocumentedResults: the examples have the fields of Result and no others.
func TestDocumentedResults(t *testing.T) {
	t.Parallel()
	blocks := jsonBlock.FindAllStringSubmatch(document(t, "docs/results.md"), -1)
	if len(blocks) != 5 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		var r jobs.Result
		d := json.NewDecoder(strings.NewReader(b[1]))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			t.Errorf("%v in\n%s", err, b[1])
			continue
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(b[1])); err != nil {
			t.Fatal(err)
		}
		if compact.String() != string(again) {
			t.Errorf("the example is\n%s, a result of its values\n%s", compact.String(), again)
		}
	}
}

// TestDocumentedRoutes: "mosaicd check" takes the examples, and what the page says
// is built in is.
func TestDocumentedRoutes(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(document(t, "docs/routes.md"), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		if code, out, stderr := call(t, nil, "check", "--routes", b[1]); code != exitDone || !strings.Contains(out, "valid") {
			t.Errorf("exit code %d\n%s\n%s", code, out, stderr)
		}
	}
	builtIn, err := routes.Parse("docs/routes.md", []byte(blocks[0][1]))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(builtIn, routes.Default()) {
		t.Errorf("the page says\n%+v\nbuilt in is\n%+v", builtIn, routes.Default())
	}
	code, out, _ := call(t, nil, "check", "--routes", blocks[1][1], "s3://my-recordings/live/a.ts", "s3://my-uploads/clips/b.mp4", "s3://my-uploads/c.mov", "s3://other/notes.txt")
	want := `s3://my-recordings/live/a.ts: route recordings
  1. remux to s3://{output bucket}/remux/live/a.ts.mp4
  2. mosaic to s3://{output bucket}/mosaic/live/a.ts.mp4
  3. transcode to s3://my-streams/live/a/
s3://my-uploads/clips/b.mp4: nothing: route clips waits for a clip.json that names it
s3://my-uploads/c.mov: route uploads
  1. mosaic to s3://my-results/covered/c.mov
  2. transcode to s3://{output bucket}/c/{job file}/
s3://other/notes.txt: nothing: route everything-else has no steps
`
	if code != exitDone || out != want {
		t.Errorf("exit code %d\n%s\nwant\n%s", code, out, want)
	}
}

func TestDocumentedRegions(t *testing.T) {
	t.Parallel()
	blocks := jsonBlock.FindAllStringSubmatch(document(t, "docs/faces.md"), -1)
	if len(blocks) != 1 {
		t.Fatalf("%d examples", len(blocks))
	}
	if r, err := faces.ParseRegions([]byte(blocks[0][1])); err != nil || len(r.Add) != 2 || len(r.Only) != 2 || len(r.Except) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestDocumentedSettings: the table of settings is that of the help.
func TestDocumentedSettings(t *testing.T) {
	t.Parallel()
	_, help, _ := call(t, nil, "run", "--help")
	help = strings.ReplaceAll(strings.Join(strings.Fields(help), " "), "--[no-]", "--")
	rows := regexp.MustCompile("(?m)^\\| `--([a-z0-9-]+)` \\| `([A-Z0-9_]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(document(t, "docs/configuration.md"), -1)
	documented := map[string]bool{}
	for _, row := range rows {
		flag, variable, value := row[1], row[2], strings.Trim(row[3], " `")
		documented[variable] = true
		at := strings.Index(help, "--"+flag+"=")
		if at < 0 {
			at = strings.Index(help, "--"+flag+" ") // it has no value
		}
		if at < 0 {
			t.Errorf("--%s is not a flag", flag)
			continue
		}
		about := help[at:]
		if end := strings.Index(about, "($MOSAICD_"); end < 0 || !strings.HasPrefix(about[end+2:], variable+")") {
			t.Errorf("--%s: the variable is not %s", flag, variable)
		}
		if given, _, _ := strings.Cut(strings.TrimPrefix(about, "--"+flag+"="), " "); value != "required" && value != "none" && flag != "scratch" && strings.Trim(given, `"`) != value {
			t.Errorf("--%s: the default is %s, not %s", flag, given, value)
		}
	}
	for _, m := range regexp.MustCompile(`\$(MOSAICD_[A-Z0-9_]+)`).FindAllStringSubmatch(help, -1) {
		if !documented[m[1]] {
			t.Errorf("%s is not documented", m[1])
		}
	}
}

// TestImports holds the table of docs/architecture.md against the code.
func TestImports(t *testing.T) {
	t.Parallel()
	const module = "github.com/mosaicd/mosaicd/"
	allowed := map[string][]string{}
	quoted := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(document(t, "docs/architecture.md")) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		name := strings.Trim(cells[1], " `")
		allowed[name] = []string{}
		if strings.TrimSpace(cells[3]) == "all" {
			allowed[name] = []string{"*"}
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[3], -1) {
			allowed[name] = append(allowed[name], m[1])
		}
	}
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name := strings.TrimPrefix(fields[0], module)
		if strings.HasPrefix(name, "bench/") {
			continue
		}
		may, known := allowed[name]
		if !known {
			t.Errorf("package %s is not in the table", name)
			continue
		}
		for _, path := range fields[1:] {
			imported, ours := strings.CutPrefix(path, module)
			if ours && !slices.Contains(may, imported) && !slices.Contains(may, "*") {
				t.Errorf("%s imports %s", name, imported)
			}
			if (path == "C" || strings.Contains(path, "go-astiav")) && name != "ffmpeg/libav" {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// TestLinks: every relative link of the documents leads somewhere, to a heading, too.
func TestLinks(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	var names []string
	for _, pattern := range []string{filepath.Join("docs", "*.md"), filepath.Join("docs", "*", "*.md")} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	for _, name := range []string{"README.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md"} {
		names = append(names, filepath.Join(root, name))
	}
	anchors := func(path string) map[string]bool {
		body, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		all := map[string]bool{"": true}
		for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(body), -1) {
			anchor := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
			all[strings.ReplaceAll(anchor, " ", "-")] = true
		}
		return all
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(string(body), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			path := filepath.Join(filepath.Dir(name), file)
			if file == "" {
				path = name
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %s leads nowhere", name, m[1])
			} else if strings.HasSuffix(path, ".md") && !anchors(path)[anchor] {
				t.Errorf("%s: %s has no such heading", name, m[1])
			}
		}
	}
	// Each alarm says where to read on.
	template, err := os.ReadFile(filepath.Join(root, "deploy", "cloudformation.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	runbook := anchors(filepath.Join(root, "docs", "runbook.md"))
	alarms := regexp.MustCompile(`(?m)^  (\w+Alarm):\n    Type: AWS::CloudWatch::Alarm`).FindAllStringSubmatch(string(template), -1)
	if len(alarms) < 4 {
		t.Errorf("alarms are %v", alarms)
	}
	for _, m := range alarms {
		if !runbook[strings.ToLower(m[1])] {
			t.Errorf("docs/runbook.md does not say what %s means", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`docs/runbook\.md#(\S+)`).FindAllStringSubmatch(string(template), -1) {
		if !runbook[m[1]] {
			t.Errorf("the template points at #%s of docs/runbook.md, which isn't there", m[1])
		}
	}
}
