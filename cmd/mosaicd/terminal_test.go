package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/event"
)

// hostileKey is what an uploader may call an object: it would clear the screen, set colours
// and a title, write backwards, and put a row of its own into a list.
const hostileKey = "a\x1b[2J\x1b]0;mine\a\u009b31m\u202egpm\u2066\u200b\x7f\r\nforged  succeeded\u2028.mp4"

// escapedKey is how a person sees it.
const escapedKey = `a\x1b[2J\x1b]0;mine\a\u009b31m\u202egpm\u2066\u200b\x7f\r\nforged \x20succeeded\u2028.mp4`

// checkTerminal complains about what a terminal would not merely show.
func checkTerminal(t *testing.T, what string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !utf8.ValidString(text) {
			t.Errorf("%s is not UTF-8: %q", what, text)
		}
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(strings.TrimSpace(line), "forged") {
				t.Errorf("%s has a forged row: %q", what, line)
			}
			for _, r := range line {
				if r != ' ' && terminal.Escape(string(r)) != string(r) {
					t.Errorf("%s writes %q to the terminal: %q", what, r, line)
				}
			}
		}
	}
}

// TestHostileTextOnTheTerminal: uploaders' text through every command that shows it.
func TestHostileTextOnTheTerminal(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.put(hostileKey, write(t, "broken.mp4", "no video"))
	request, err := json.Marshal(map[string]any{
		"version": 1, "kind": "mosaic", "source": "s3://uploads/" + hostileKey, "destination": "s3://results/" + hostileKey,
	})
	if err != nil {
		t.Fatal(err)
	}
	unknown := `{"version":1,"kind":"` + "\u009b2J\u202e\x7f" + `","raw":"` + "\x9b" + `"}`
	d := c.daemon("--preset", "ultrafast", "--log-level", "debug")
	r := c.result()
	if r.Status != jobs.StatusFailed || r.Source != "s3://uploads/"+hostileKey {
		t.Fatalf("result is %+v", r)
	}
	until(t, "the job's end in its record", func() bool {
		_, out, _ := call(t, c.environ, "status", r.Job)
		return strings.Contains(out, "failed, published")
	})
	stop(t, d)
	log, err := os.ReadFile(d.log)
	if err != nil {
		t.Fatal(err)
	}
	checkTerminal(t, "the daemon's log", string(log))
	for _, body := range []string{string(request), `{"version":1,"kind":"` + "\u009b2J\u202e\x7f" + `"}`} {
		if _, err := c.sqs.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &c.dead, MessageBody: aws.String(body)}); err != nil {
			t.Fatal(err)
		}
	}
	_, list, _ := call(t, c.environ, "dlq", "list")
	if n := strings.Count(list, "\n"); n != 2 {
		t.Errorf("%d rows for 2 messages:\n%s", n, list)
	}
	id, _, _ := strings.Cut(list, " ")

	strange := filepath.Join(t.TempDir(), "\x1b[2J\n\x9b\u202e.mp4")
	if err := os.WriteFile(strange, []byte("no video"), 0o600); err != nil {
		t.Fatal(err)
	}
	output := filepath.Join(t.TempDir(), "out.mp4")
	for _, test := range []struct {
		args  []string
		shows string // empty: it is not asked for
	}{
		{[]string{"dlq", "list"}, escapedKey},
		{[]string{"dlq", "list", "--json"}, ""},
		{[]string{"dlq", "show", id}, ""},
		{[]string{"dlq", "show", hostileKey}, escapedKey},
		{[]string{"dlq", "replay", hostileKey}, escapedKey},
		{[]string{"status", r.Job}, escapedKey},
		{[]string{"status", r.Job, "--json"}, ""},
		{[]string{"status", r.Job, "--watch"}, escapedKey},
		{[]string{"status", hostileKey}, ""},
		{[]string{"cancel", hostileKey}, ""},
		{[]string{"status", "s3://uploads/" + hostileKey}, escapedKey},
		{[]string{"jobs"}, escapedKey},
		{[]string{"jobs", "--output", "json"}, ""},
		{[]string{"jobs", hostileKey}, ""},
		{[]string{"approve", r.Job}, ""},
		{[]string{"approve", hostileKey}, ""},
		{[]string{"reject", hostileKey, "--reason", hostileKey}, ""},
		{[]string{"rerender", r.Job, "--regions", hostileKey}, ""},
		{[]string{"help", hostileKey}, ""},
		{[]string{"completion", hostileKey}, ""},
		{[]string{"check", "s3://uploads/" + hostileKey}, escapedKey},
		{[]string{"check", write(t, "event.json", string(request))}, escapedKey},
		{[]string{"check", write(t, "event.json", unknown)}, ""},
		{[]string{"check", hostileKey}, escapedKey},
		{[]string{"send", "mosaic", "--dry-run", "s3://uploads/" + hostileKey, "s3://results/b.mp4"}, ""},
		{[]string{"send", "mosaic", "s3://uploads/" + hostileKey, "s3://results/" + hostileKey + ".txt"}, ""},
		{[]string{"send", "--file", write(t, "message.json", unknown)}, ""},
		{[]string{"mosaic", strange, output}, ""},
		{[]string{"mosaic", hostileKey, output}, escapedKey},
		{[]string{"mosaic", "--detections", strange, strange, output}, ""},
		{[]string{"remux", strange, output}, ""},
		{[]string{"faces", "detect", hostileKey}, escapedKey},
		{[]string{"faces", "list", hostileKey}, ""},
		{[]string{"doctor", "--dead-letter-url", c.dead + hostileKey}, ""},
		{[]string{"health", "--http-addr", hostileKey}, ""},
		{[]string{hostileKey}, ""},
	} {
		_, out, stderr := call(t, c.environ, test.args...)
		checkTerminal(t, strings.Join(test.args[:min(2, len(test.args))], " "), out, stderr)
		if !strings.Contains(out+stderr, test.shows) {
			t.Errorf("%q does not show %s:\n%s%s", test.args, test.shows, out, stderr)
		}
	}
	// Where programs read, the text is what it was.
	_, out, _ := call(t, c.environ, "status", r.Job, "--json")
	var claim jobs.Claim
	if err := json.Unmarshal([]byte(out), &claim); err != nil || claim.Job.Source.Key != hostileKey {
		t.Errorf("the record has %q, %v", claim.Job.Source.Key, err)
	}
	_, out, _ = call(t, c.environ, "send", "mosaic", "--dry-run", "s3://uploads/"+hostileKey, "s3://results/b.mp4")
	var sent event.Request
	if err := json.Unmarshal([]byte(out), &sent); err != nil || sent.Source.Key != hostileKey {
		t.Errorf("the message has %q, %v", sent.Source.Key, err)
	}
}

// TestCommandsPrintThroughTerminal: what is not escaped in this package is JSON.
func TestCommandsPrintThroughTerminal(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(body)) {
			n++
			raw := strings.Contains(line, "fmt.Fprint") || strings.Contains(line, "fmt.Print") || strings.Contains(line, "json.NewEncoder(std.")
			if raw && !strings.Contains(line, "terminal.") {
				t.Errorf("%s:%d prints as it is what terminal.Fprintf or terminal.JSON escapes: %s", name, n, strings.TrimSpace(line))
			}
		}
	}
}
