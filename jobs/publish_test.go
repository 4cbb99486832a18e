package jobs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/collection"
)

// TestResultFits: SNS takes every result, whatever is in it. The SNS on loopback
// refuses what is longer than SNS allows.
func TestResultFits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	long := strings.Repeat("<\x01ä\u2028", 100_000)
	several := func(n int) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprint(i, strings.Repeat("é<", 500))
		}
		return all
	}
	for name, fill := range map[string]func(*Result){
		"outputs": func(r *Result) { r.Outputs = make([]Output, 20_000) },
		"outputs with long keys": func(r *Result) {
			for _, key := range several(1000) {
				r.Outputs = append(r.Outputs, Output{URI: "s3://b/" + key})
			}
		},
		"faces":           func(r *Result) { r.Faces = make([]collection.Face, 20_000) },
		"an error":        func(r *Result) { r.end(StatusFailed, &Failure{Code: CodeEngine + "x", Err: fmt.Errorf("%s", long)}) },
		"an error's code": func(r *Result) { r.Error = &ResultError{Code: long, Message: long} },
		"dropped streams": func(r *Result) { r.Stats = &Stats{DroppedStreams: several(1000)} },
		"one dropped stream": func(r *Result) {
			r.Stats = &Stats{DroppedStreams: []string{long}, Residual: &Residual{AtSeconds: make([]float64, 100_000)}}
		},
		"jobs of MediaConvert": func(r *Result) {
			for _, name := range several(1000) {
				r.Cloud = append(r.Cloud, CloudResult{Settings: name, Error: newResultError("1", long)})
			}
		},
		"warnings": func(r *Result) { r.Cloud = []CloudResult{{Warnings: make([]CloudWarning, 50_000)}} },
		"extra": func(r *Result) {
			r.Extra = map[string]json.RawMessage{"a": json.RawMessage(`"` + strings.Repeat("<", 300_000) + `"`)}
		},
		"probe": func(r *Result) { r.Probe = &ffmpeg.Media{Format: long} },
		"route": func(r *Result) { r.Route, r.Source, r.SourceVersionID = long, long, long },
	} {
		t.Run(name, func(t *testing.T) {
			r := newResult(Job{ID: id(name), Steps: []Step{{}}}, 0, KindMosaic, time.Now())
			fill(&r)
			if err := b.h.publisher.publish(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			got := b.one()
			if got.ID != r.ID || got.Status != r.Status {
				t.Errorf("published %+v", got)
			}
			if name != "an error" && (got.Full == "" || !strings.HasSuffix(got.Full, r.Job+".json")) && len(r.Outputs) > 0 {
				t.Errorf("full is %q", got.Full)
			}
			if r.Error != nil && got.Error.Message == "" {
				t.Error("the reason is gone")
			}
		})
	}
}

// TestExtraFits: a sidecar of the largest size whose every character takes six in
// escaped JSON.
func TestExtraFits(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(steps))
	b.put("d/a.mp4", "video", nil)
	extra := strings.Repeat("<&>", 21_000)
	if err := b.clip("d/clip.json", fmt.Sprintf(`{"srcVideo":"a.mp4","steps":["mosaic"],"note":%q}`, extra)); err != nil {
		t.Fatal(err)
	}
	r := b.one()
	if r.Status != StatusSucceeded || string(r.Extra["note"]) != fmt.Sprintf("%q", extra) || r.OmittedFields != nil {
		t.Errorf("result is %s, %+v, %d bytes of extra", r.Status, r.Error, len(r.Extra["note"]))
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	if got := cut("short", 5); got != "short" {
		t.Error(got)
	}
	for _, unit := range []string{"a", "é", "€", "😀", "\xff"} {
		text := strings.Repeat(unit, 1000)
		got := cut(text, 100)
		kept, rest, ok := strings.Cut(got, " … ")
		if len(got) > 100 || !ok || !strings.HasPrefix(text, kept) || rest != fmt.Sprintf("(%d bytes more)", len(text)-len(kept)) {
			t.Errorf("%q became %q", unit, got)
		}
		if unit != "\xff" && !utf8.ValidString(got) {
			t.Errorf("%q was cut in the middle of a character: %q", unit, got)
		}
	}
}
