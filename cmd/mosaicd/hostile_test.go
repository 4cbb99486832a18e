package main

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/mosaicd/mosaicd/internal/corpus"
	"github.com/mosaicd/mosaicd/internal/judge"
	"github.com/mosaicd/mosaicd/jobs"
)

// TestDaemonSurvivesTheCorpus: one daemon works every strange and hostile file; each
// ends with a result that says why, and the daemon is the same one afterwards.
func TestDaemonSurvivesTheCorpus(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("some hundred engines take minutes with the race detector, and race no more than one")
	}
	program, err := judge.Path()
	if err != nil {
		t.Fatal(err)
	}
	files, err := corpus.Make(t.TempDir(), program)
	if err != nil {
		t.Fatal(err)
	}
	c := newCloud(t)
	d := c.daemon("--preset", "ultrafast", "--no-verify", "--concurrency", "2", "--engine-memory", "2147483648",
		"--routes", "{version: 1, routes: [{name: all, steps: [{mosaic: {destination: 's3://results/{key}.mkv'}}]}]}")
	codes := map[string]string{}
	n := 0
	for _, f := range files {
		if info, err := os.Stat(f.Path); err != nil || info.Size() == 0 {
			continue // an empty object asks for nothing
		}
		c.put(f.Name, f.Path)
		n++
	}
	for range n {
		r := c.result()
		name := strings.TrimPrefix(r.Source, "s3://uploads/")
		codes[name] = corpus.Done
		if r.Error != nil {
			codes[name] = r.Error.Code
		}
		if r.Status != jobs.StatusSucceeded && (r.Status != jobs.StatusFailed || r.Error.Message == "") {
			t.Errorf("%s: result is %+v", name, r)
		}
	}
	for _, f := range files {
		if got, ok := codes[f.Name]; ok && f.Want != "" && got != f.Want {
			t.Errorf("%s: %s, want %s", f.Name, got, f.Want)
		}
	}
	if len(codes) != n {
		t.Errorf("%d results of %d files", len(codes), n)
	}
	if err := d.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the daemon is gone: %v", err)
	}
	until(t, "an empty queue", func() bool { return c.waiting(c.queue) == 0 })
	if dead := c.waiting(c.dead); dead != 0 {
		t.Errorf("%d dead letters", dead)
	}
	if slices.Contains([]string{codes["control.mp4"], codes["transport.ts"]}, "") {
		t.Error("the plain files have no result")
	}
	stop(t, d)
}

// TestSecretsStayInside: neither the log, nor a result, nor a record has them.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	const secret = "Zk9tVvB3nQ-never-to-be-seen"
	c.environ = append(c.environ, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_SESSION_TOKEN="+secret+"-token")
	d := c.daemon("--preset", "ultrafast", "--log-level", "debug", "--emf")
	c.put("a.mp4", video(t, shortScene))
	c.put("b.mp4", write(t, "b.mp4", "no video"))
	for range 2 {
		message := c.take(c.inbox)
		if strings.Contains(aws.ToString(message.Body), secret) {
			t.Errorf("a result has it: %s", aws.ToString(message.Body))
		}
	}
	stop(t, d)
	log, err := os.ReadFile(d.log)
	if err != nil || strings.Contains(string(log), secret) || !strings.Contains(string(log), `"_aws"`) {
		t.Errorf("the log, %v:\n%s", err, log)
	}
}
