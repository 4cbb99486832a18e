package worker

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"
)

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	got := Config{QueueURL: testQueueURL}.withDefaults()
	want := Config{
		QueueURL:    testQueueURL,
		Concurrency: 1,
		Visibility:  120 * time.Second,
		Heartbeat:   30 * time.Second,
		Drain:       90 * time.Second,
		MaxTime:     11*time.Hour + 30*time.Minute,
		BackoffBase: 5 * time.Second,
		BackoffCap:  15 * time.Minute,
	}
	if got != want {
		t.Errorf("defaults are %+v, want %+v", got, want)
	}
	if err := got.validate(); err != nil {
		t.Errorf("defaults are refused: %v", err)
	}
	if got := (Config{BackoffCap: time.Second}).withDefaults().BackoffBase; got != time.Second {
		t.Errorf("BackoffBase with a BackoffCap of 1s = %s, want 1s", got)
	}
}

func TestConfigValidation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		set  func(*Config)
		want string // in the error; "" if it is fine
	}{
		{"least", func(c *Config) {
			*c = Config{QueueURL: "http://127.0.0.1:4100/q", Concurrency: 1, Visibility: 30 * time.Second, Heartbeat: time.Second,
				Drain: 1, MaxTime: time.Minute, BackoffBase: 1, BackoffCap: 1}
		}, ""},
		{"most", func(c *Config) {
			*c = Config{QueueURL: testQueueURL, DeadLetterURL: testDeadURL, Concurrency: 64, Visibility: 12 * time.Hour, Heartbeat: 4 * time.Hour,
				Drain: 12 * time.Hour, MaxTime: 11*time.Hour + 45*time.Minute, BackoffBase: 12 * time.Hour, BackoffCap: 12 * time.Hour}
		}, ""},
		{"no queue", func(c *Config) { c.QueueURL = "" }, `QueueURL: must be an http or https URL (got "")`},
		{"a queue's name", func(c *Config) { c.QueueURL = "videos" }, `QueueURL: must be an http or https URL (got "videos")`},
		{"dead-letter ARN", func(c *Config) { c.DeadLetterURL = "arn:aws:sqs:::d" }, `DeadLetterURL: must be an http or https URL (got "arn:aws:sqs:::d")`},
		{"dead-letter queue is queue", func(c *Config) { c.DeadLetterURL = testQueueURL }, `DeadLetterURL: must not be QueueURL (got "` + testQueueURL + `")`},
		{"queue is FIFO", func(c *Config) { c.QueueURL += ".fifo" }, "QueueURL: must be a standard queue"},
		{"queue is FIFO, with a slash", func(c *Config) { c.QueueURL += ".fifo/" }, "QueueURL: must be a standard queue"},
		{"dead-letter queue is FIFO", func(c *Config) { c.DeadLetterURL = testDeadURL + ".fifo" }, "DeadLetterURL: must be a standard queue"},
		{"negative slots", func(c *Config) { c.Concurrency = -1 }, "Concurrency: must be 1 to 64 (got -1)"},
		{"too many slots", func(c *Config) { c.Concurrency = 65 }, "Concurrency: must be 1 to 64 (got 65)"},
		{"short visibility", func(c *Config) { c.Visibility = 29 * time.Second }, "Visibility: must be 30s to 12h (got 29s)"},
		{"long visibility", func(c *Config) { c.Visibility = 12*time.Hour + time.Second }, "Visibility: must be 30s to 12h (got 12h0m1s)"},
		{"broken visibility", func(c *Config) { c.Visibility = 30500 * time.Millisecond }, "Visibility: must be whole seconds (got 30.5s)"},
		{"fast heartbeat", func(c *Config) { c.Heartbeat = time.Millisecond }, "Heartbeat: must be 1s to a third of Visibility (got 1ms)"},
		{"slow heartbeat", func(c *Config) { c.Heartbeat = 41 * time.Second }, "Heartbeat: must be 1s to a third of Visibility (got 41s)"},
		{"negative drain", func(c *Config) { c.Drain = -time.Second }, "Drain: must be more than 0 and at most 12h (got -1s)"},
		{"long drain", func(c *Config) { c.Drain = 13 * time.Hour }, "Drain: must be more than 0 and at most 12h (got 13h0m0s)"},
		{"short time", func(c *Config) { c.MaxTime = time.Second }, "MaxTime: must be 1m to 11h45m (got 1s)"},
		{"long time", func(c *Config) { c.MaxTime = 12 * time.Hour }, "MaxTime: must be 1m to 11h45m (got 12h0m0s)"},
		{"base over cap", func(c *Config) { c.BackoffBase = time.Hour }, "BackoffBase: must be more than 0 and at most BackoffCap (got 1h0m0s)"},
		{"negative cap", func(c *Config) { c.BackoffCap = -1 }, "BackoffCap: must be more than 0 and at most 12h (got -1ns)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := Config{QueueURL: testQueueURL}
			tt.set(&cfg)
			_, err := New(newFakeQueue(), nothing, zap.NewNop(), cfg)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("New: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("New's error is %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestConfigErrorNamesEveryField(t *testing.T) {
	t.Parallel()
	_, err := New(newFakeQueue(), nothing, zap.NewNop(), Config{Concurrency: 100, Drain: -1})
	for _, field := range []string{"QueueURL", "Concurrency", "Drain"} {
		if err == nil || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("error does not name %s: %v", field, err)
		}
	}
}

func TestNewWantsItsParts(t *testing.T) {
	t.Parallel()
	cfg := Config{QueueURL: testQueueURL}
	if _, err := New(nil, nothing, zap.NewNop(), cfg); err == nil {
		t.Error("no queue: no error")
	}
	if _, err := New(newFakeQueue(), nil, zap.NewNop(), cfg); err == nil {
		t.Error("no handler: no error")
	}
	if _, err := New(newFakeQueue(), nothing, nil, cfg); err == nil {
		t.Error("no log: no error")
	}
}

var nothing = handlerFunc(func(context.Context, types.Message) error { return nil })
