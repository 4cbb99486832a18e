package event_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// TestDecodeSidecar reads every sidecar in testdata/sidecar, as TestDecode does.
func TestDecodeSidecar(t *testing.T) {
	t.Parallel()
	golden(t, filepath.Join("testdata", "sidecar"), 40, renderSidecar)
}

func renderSidecar(t *testing.T, body []byte) string {
	t.Helper()
	s, err := event.DecodeSidecar(body)
	if err != nil {
		return fmt.Sprintf("%T: %v\n", leaf(t, err), err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(s); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestDecodeSidecarRefusesHostileBodies(t *testing.T) {
	t.Parallel()
	sidecar := func(field string) []byte { return []byte(`{"srcVideo":"a.mp4",` + field + `}`) }
	for name, body := range map[string][]byte{
		"empty":              nil,
		"zeros":              make([]byte, 1000),
		"one byte too large": append(sidecar(`"a":1`), bytes.Repeat([]byte(" "), event.MaxSidecar-20)...),
		"1 MiB":              bytes.Repeat([]byte("["), 1<<20),
		"deep extra":         sidecar(`"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)),
		"deep clips":         sidecar(`"clips":` + strings.Repeat("[", 30_000)),
		"invalid UTF-8":      sidecar("\"\xff\":1"),
		"long key":           []byte(`{"srcVideo":"` + strings.Repeat("😀", 10_000) + `"}`),
		"control characters": sidecar(`"style":"\u0000\u001b[31m\u202e"`),
		"many clips":         sidecar(`"clips":[` + strings.Repeat(`{},`, 10_000) + `1]`),
	} {
		s, err := event.DecodeSidecar(body)
		if err == nil || !reflect.DeepEqual(s, event.Sidecar{}) {
			t.Errorf("%s: %+v, %v", name, s, err)
			continue
		}
		checkError(t, nil, err)
	}
}

func TestDecodeSidecarLargest(t *testing.T) {
	t.Parallel()
	body := []byte(`{"srcVideo":"a.mp4"}`)
	body = append(body, bytes.Repeat([]byte(" "), event.MaxSidecar-len(body))...)
	if s, err := event.DecodeSidecar(body); err != nil || s.SrcVideo != "a.mp4" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestIsSidecar(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"clip.json":          true,
		"a/b/clip.json":      true,
		"/clip.json":         true,
		"clip.json/":         false,
		"clip.json/a.mp4":    false,
		"a-clip.json":        false,
		"Clip.json":          false,
		"clip.json.bak":      false,
		`a\clip.json`:        false,
		"":                   false,
		"folder/clip.jsonl":  false,
		"folder/clip.json\n": false,
	} {
		if got := event.IsSidecar(key); got != want {
			t.Errorf("%q: got %t", key, got)
		}
	}
}

func FuzzDecodeSidecar(f *testing.F) {
	paths, err := filepath.Glob("testdata/sidecar/*.json")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no sidecars: %v", err)
	}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := event.DecodeSidecar(body)
		if err != nil {
			checkError(t, nil, err)
			if !reflect.DeepEqual(s, event.Sidecar{}) {
				t.Errorf("%+v beside an error", s)
			}
			return
		}
		if s.SrcVideo == "" || strings.HasPrefix(s.SrcVideo, "../") {
			t.Errorf("srcVideo %q", s.SrcVideo)
		}
		again := form(t, s)
		if len(again) > event.MaxSidecar { // escapes may make it longer than it was
			return
		}
		for key, value := range s.Extra { // as form writes it
			if s.Extra[key], err = json.Marshal(value); err != nil {
				t.Fatal(err)
			}
		}
		got, err := event.DecodeSidecar(again)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("%s\ngot  %+v, %v\nwant %+v", again, got, err, s)
		}
	})
}

// form writes a sidecar anew.
func form(t *testing.T, s event.Sidecar) []byte {
	t.Helper()
	fields := map[string]any{"srcVideo": s.SrcVideo}
	for key, value := range s.Extra {
		fields[key] = value
	}
	set := func(name string, value any) {
		if _, extra := s.Extra[name]; extra {
			t.Errorf("%s is in Extra too", name)
		}
		if !reflect.ValueOf(value).IsZero() {
			fields[name] = value
		}
	}
	set("steps", s.Steps)
	set("template", s.Template)
	set("destination", s.Destination)
	set("style", s.Options.Style)
	set("blocks", s.Options.Blocks)
	set("margin", s.Options.Margin)
	set("codec", s.Options.Codec)
	set("preset", s.Options.Preset)
	set("crf", s.Options.CRF)
	if s.Settings.Bucket != "" {
		set("settings", s.Settings.String())
	}
	var clips []map[string]string
	for _, c := range s.Clips {
		clip := map[string]string{"start": c.Start, "end": c.End}
		if c.SrcVideo != "" {
			clip["srcVideo"] = c.SrcVideo
		}
		clips = append(clips, clip)
	}
	set("clips", clips)
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatalf("encode %+v: %v", s, err)
	}
	return body
}
