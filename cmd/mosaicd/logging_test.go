package main

import (
	"bytes"
	"context"
	"log"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"
	"go.uber.org/zap/zapcore"

	"github.com/mosaicd/mosaicd/internal/terminal"
)

// TestLibrariesLogJSON: what others write is lines of our log, whatever is in it.
func TestLibrariesLogJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	to := newLogger(zapcore.AddSync(terminal.JSON(&out)), "debug")
	for _, m := range []string{"request failed: \x1b[31m\nsecond line", "{not: json}", ""} {
		sdkLogger{to}.Logf(logging.Debug, "%s", m)
		sdkLogger{to}.Logf(logging.Warn, "%s", m)
		log.New(libraryLog{to}, "", 0).Print(m)
	}
	if n := strings.Count(out.String(), "\n"); n != 9 {
		t.Errorf("%d lines", n)
	}
	for line := range strings.Lines(out.String()) {
		if err := judgeLine(line); err != nil {
			t.Errorf("%v: %s", err, line)
		}
	}
}

// TestPanicIsAnError, and the rest of the daemon drains.
func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	drained := false
	err := caught(func() { drained = true }, func() error { panic("a fault") })
	if err == nil || !drained || !strings.Contains(err.Error(), "a fault") || !strings.Contains(err.Error(), "logging_test.go") {
		t.Errorf("drained %t, %v", drained, err)
	}
}

// TestSDKLogsJSON: a call that is tried again says so at level debug, and nothing at level info.
func TestSDKLogsJSON(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]bool{"debug": true, "info": false} {
		var out bytes.Buffer
		to := newLogger(zapcore.AddSync(terminal.JSON(&out)), level)
		cfg := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String("http://127.0.0.1:1"), Credentials: aws.AnonymousCredentials{}}
		var o config.LoadOptions
		if err := logSDK(to)(&o); err != nil {
			t.Fatal(err)
		}
		cfg.Logger = o.Logger
		if o.ClientLogMode != nil {
			cfg.ClientLogMode = *o.ClientLogMode
		}
		client := sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
		if _, err := client.ListQueues(context.Background(), &sqs.ListQueuesInput{}); err == nil {
			t.Fatal("there is a queue")
		}
		if strings.Contains(out.String(), `"event":"aws_sdk"`) != want {
			t.Errorf("%s: %s", level, out.String())
		}
		for line := range strings.Lines(out.String()) {
			if err := judgeLine(line); err != nil {
				t.Errorf("%v: %s", err, line)
			}
		}
	}
}
