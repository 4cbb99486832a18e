package transcode_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/transcode"
)

func FuzzParse(f *testing.F) {
	f.Add(transcode.BuiltIn().Raw)
	f.Add([]byte(hls))
	f.Add([]byte(twoInputs))
	f.Add([]byte(`{"Job":{"Id":"1","Settings":` + hls + `}}`))
	paths, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "jobs", "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := transcode.Parse("a.json", body)
		if err != nil {
			settings, ok := errors.AsType[*transcode.SettingsError](err)
			if !ok || len(settings.Problems) == 0 || len(settings.Problems) > 10 || d != nil {
				t.Fatalf("%v, %#v", d, err)
			}
			if text := err.Error(); strings.ContainsAny(text, "\n\r\x00") || !utf8.ValidString(text) {
				t.Errorf("not one line of text: %q", text)
			}
			return
		}
		r := toResults
		r.Clips = []event.Clip{{End: "00:00:01:00"}, {Source: event.Location{Bucket: "b", Key: "k"}}}
		for _, r := range []transcode.Rewrite{toResults, r} {
			in, err := d.Job(r)
			if err != nil {
				continue
			}
			for _, g := range transcode.Plan(in.Settings) {
				if !strings.HasPrefix(g.Base, r.Destination) {
					t.Errorf("outputs at %q", g.Base)
				}
			}
			if len(transcode.Outputs(nil, transcode.Plan(in.Settings))) > 0 && len(in.Settings.OutputGroups) == 0 {
				t.Error("outputs of no group")
			}
		}
	})
}

func BenchmarkJob(b *testing.B) {
	body := transcode.BuiltIn().Raw
	b.ReportAllocs()
	for b.Loop() {
		d, err := transcode.Parse("hls.json", body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.Job(toResults); err != nil {
			b.Fatal(err)
		}
	}
}
