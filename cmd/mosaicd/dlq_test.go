package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mosaicd/mosaicd/jobs"
)

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	send := func(queue, body string, attributes map[string]sqstypes.MessageAttributeValue) string {
		t.Helper()
		out, err := c.sqs.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body, MessageAttributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(out.MessageId)
	}
	if code, out, stderr := call(t, c.environ, "dlq", "list"); code != exitDone || out != "" {
		t.Errorf("of none: exit code %d\n%s%s", code, out, stderr)
	}
	// One that the daemon rejects, and more than one page of others.
	d := c.daemon("--preset", "ultrafast")
	send(c.queue, `{"version":1,"kind":"mosiac"}`, map[string]sqstypes.MessageAttributeValue{"mine": {DataType: aws.String("String"), StringValue: aws.String("kept")}})
	until(t, "a dead letter", func() bool { return c.waiting(c.dead) == 1 })
	stop(t, d)
	var last string
	for range 14 {
		last = send(c.dead, `{"version":1,"kind":"mosaic","source":"s3://uploads/a.mp4","destination":"s3://results/replayed.mp4","preset":"ultrafast"}`, nil)
	}
	_, out, stderr := call(t, c.environ, "dlq", "list")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	waits := 0
	for _, line := range lines[1:] {
		if words := strings.Join(strings.Fields(line), " "); strings.Contains(words, "mosaic a.mp4 it was tried too often") {
			waits++
		}
	}
	if len(lines) != 15 || waits != 14 || !strings.Contains(lines[0], `not understood  unknown message kind "mosiac": this worker knows`) {
		t.Errorf("%d lines:\n%s%s", len(lines), out, stderr)
	}
	rejected, _, _ := strings.Cut(out, " ")

	_, out, _ = call(t, c.environ, "dlq", "show", rejected)
	var shown struct {
		MessageID  string
		Reason     string
		Attributes map[string]string
		Body       struct{ Kind string }
	}
	if err := json.Unmarshal([]byte(out), &shown); err != nil || shown.MessageID != rejected || shown.Body.Kind != "mosiac" || shown.Attributes["mine"] != "kept" || !strings.Contains(shown.Reason, "mosiac") {
		t.Errorf("shown is %s, %v", out, err)
	}
	if code, _, stderr := call(t, c.environ, "dlq", "show", "nothing"); code != exitFailed || !strings.Contains(stderr, "no dead letter nothing can be seen") {
		t.Errorf("exit code %d, %s", code, stderr)
	}

	for args, says := range map[string]string{
		"replay":                             "name the messages to replay, or give --all",
		"replay --all " + rejected:           "name the messages to replay, or give --all",
		"replay --all --queue-url " + c.dead: "--queue-url is the queue of the dead letters",
	} {
		if code, _, stderr := call(t, c.environ, append([]string{"dlq"}, strings.Fields(args)...)...); code != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("%s: exit code %d, %s", args, code, stderr)
		}
	}
	// One is replayed, and does its work; the attributes of the rejected one are its own.
	c.put("a.mp4", video(t, shortScene))
	c.take(c.queue) // the upload's event is not what is tried here
	if code, out, stderr := call(t, c.environ, "dlq", "replay", last); code != exitDone || strings.TrimSpace(out) != last {
		t.Fatalf("exit code %d\n%s%s", code, out, stderr)
	}
	d = c.daemon("--preset", "ultrafast")
	if r := c.result(); r.Status != jobs.StatusSucceeded || r.Outputs[0].URI != "s3://results/replayed.mp4" {
		t.Errorf("result is %+v", r)
	}
	stop(t, d)
	if code, _, stderr := call(t, c.environ, "dlq", "replay", rejected); code != exitDone {
		t.Fatal(stderr)
	}
	m := c.take(c.queue)
	if len(m.MessageAttributes) != 1 || aws.ToString(m.MessageAttributes["mine"].StringValue) != "kept" {
		t.Errorf("replayed with %v", m.MessageAttributes)
	}
	if code, out, stderr := call(t, c.environ, "dlq", "replay", "--all"); code != exitDone || strings.Count(out, "\n") != 13 || c.waiting(c.dead) != 0 || c.waiting(c.queue) != 13 {
		t.Errorf("exit code %d, %d left\n%s%s", code, c.waiting(c.dead), out, stderr)
	}
}
