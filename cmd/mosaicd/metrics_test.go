package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/worker"
)

// TestMetrics: what the log says is counted, also what its level leaves out.
func TestMetrics(t *testing.T) {
	t.Parallel()
	m := newMetrics()
	m.observe(func() worker.Status { return worker.Status{Slots: 4, InFlight: 2} })
	var lines, out bytes.Buffer
	log := newLogger(zapcore.AddSync(&out), "error", &meter{metrics: m, emf: &lines, namespace: "here"}).With(zap.String("kind", "mosaic"))
	log.Debug("message_received", zap.Duration("queued_for", 3*time.Second))
	log.Info("job_succeeded", zap.Float64("seconds", 20), zap.Any("stats", &jobs.Stats{
		Frames: 300, SourceBytes: 1000, EncodeSeconds: 10, Residual: &jobs.Residual{Faces: 2},
	}))
	log.Warn("job_failed", zap.Float64("seconds", 1), zap.String("code", "not_a_video"))
	log.Warn("heartbeat_failed")
	log.Warn("lease_lost")
	log.Warn("engine_crashed", zap.String("reason", "stalled"))
	log.Info("message_done")
	log.Info("something_else", zap.String("kind", "x"))
	if out.Len() != 0 {
		t.Errorf("the log is %s", out.String())
	}

	server := httptest.NewServer(m.handler())
	defer server.Close()
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`mosaicd_step_seconds_sum{kind="mosaic",status="succeeded"} 20`,
		`mosaicd_step_seconds_count{kind="mosaic",status="failed"} 1`,
		`mosaicd_failures_total{code="not_a_video",kind="mosaic"} 1`,
		`mosaicd_messages_total{outcome="done"} 1`,
		`mosaicd_engine_deaths_total{reason="stalled"} 1`,
		"mosaicd_queue_age_seconds_sum 3", "mosaicd_heartbeat_failures_total 1", "mosaicd_leases_lost_total 1",
		"mosaicd_frames_total 300", "mosaicd_source_bytes_total 1000", "mosaicd_frames_per_second_sum 30", "mosaicd_residual_faces_total 2",
		"mosaicd_slots 4", "mosaicd_in_flight 2", "mosaicd_draining 0",
	} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("%s is not in the metrics", want)
		}
	}

	var emf []map[string]any
	for line := range strings.Lines(lines.String()) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		emf = append(emf, one)
	}
	if len(emf) != 5 {
		t.Fatalf("%d lines: %s", len(emf), lines.String())
	}
	done := emf[1]
	if done["kind"] != "mosaic" || done["status"] != "succeeded" || done["Seconds"] != 20.0 || done["FramesPerSecond"] != 30.0 {
		t.Errorf("the line of a job that succeeded is %v", done)
	}
	if failed := emf[2]; failed["Failures"] != 1.0 || done["Failures"] != 0.0 {
		t.Errorf("failures are %v and %v", failed["Failures"], done["Failures"])
	}
	for _, one := range emf {
		aws := one["_aws"].(map[string]any)
		set := aws["CloudWatchMetrics"].([]any)[0].(map[string]any)
		if aws["Timestamp"].(float64) < 1e12 || set["Namespace"] != "here" {
			t.Errorf("%v", one)
		}
		for _, metric := range set["Metrics"].([]any) {
			if _, ok := one[metric.(map[string]any)["Name"].(string)].(float64); !ok {
				t.Errorf("metric %v has no value in %v", metric, one)
			}
		}
		sets := set["Dimensions"].([]any)
		if len(sets[0].([]any)) != 0 {
			t.Errorf("there is no sum of all: %v", one)
		}
		for _, dimensions := range sets {
			for _, dimension := range dimensions.([]any) {
				if _, ok := one[dimension.(string)].(string); !ok {
					t.Errorf("dimension %v has no value in %v", dimension, one)
				}
			}
		}
	}
}
