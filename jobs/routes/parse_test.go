package routes

import (
	"reflect"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/jobs/event"
)

const full = `version: 1
routes:
  - name: recordings
    match:
      bucket: my-uploads
      prefix: [live/, rec/]
      suffix: [.ts, ".mp4"]
      minBytes: 1000
      maxBytes: 50GB
      contentType: video/*
    sidecar: wait
    steps:
      - remux
      - mosaic: {style: blur, blocks: 6, margin: 0.2, preset: slow, crf: 18, fallback: builtin, residual: review, cover: strangers, similarity: 92.5, collection: staff, sheet: true, destination: "s3://covered/{dir}/{name}.mp4"}
      - transcode:
          ladder: {2160: uhd, 720: ./sd.json}
          destination: s3://{bucket}-encoded/{dir}/{name}/
          queue: express
          role: arn:aws:iam::123456789012:role/x
          priority: -10
          acceleration: PREFERRED
          statusInterval: SECONDS_20
    ignored: publish
    progress: publish
    after:
      tag: {state: done, n: "1"}
  - name: rest
    steps: []
`

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := Parse("routes.yaml", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	want := &Routes{[]Route{
		{
			Name: "recordings",
			Match: Match{
				Buckets: []string{"my-uploads"}, Prefixes: []string{"live/", "rec/"}, Suffixes: []string{".ts", ".mp4"},
				MinBytes: 1000, MaxBytes: 50e9, ContentTypes: []string{"video/*"},
			},
			Sidecar: Sidecar{On: true, Wait: true},
			Steps: []Step{
				{Kind: Remux},
				{Kind: Mosaic, Destination: "s3://covered/{dir}/{name}.mp4", Options: event.Options{
					Style: "blur", Blocks: new(6), Margin: new(0.2), Preset: "slow", CRF: new(18),
					Cover: "strangers", Similarity: new(92.5), Collection: "staff", Sheet: true,
				}, Fallback: true, Review: true},
				{Kind: Transcode, Destination: "s3://{bucket}-encoded/{dir}/{name}/", Transcode: TranscodeOptions{
					Ladder: Ladder{2160: "uhd", 720: "./sd.json"}, Queue: "express", Role: "arn:aws:iam::123456789012:role/x",
					Priority: new(-10), Acceleration: "PREFERRED", StatusInterval: "SECONDS_20",
				}},
			},
			PublishIgnored: true, PublishProgress: true, After: After{Tag: map[string]string{"state": "done", "n": "1"}},
		},
		{Name: "rest"},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	const says = "mosaic destination=s3://covered/{dir}/{name}.mp4 style=blur blocks=6 margin=0.2 cover=strangers similarity=92.5 collection=staff preset=slow crf=18 sheet=true fallback=builtin residual=review"
	if s := got.Routes[0].Steps[1].String(); s != says {
		t.Errorf("the step says %q", s)
	}
	if s := got.Routes[0].After.String(); s != "tag n=1 state=done" {
		t.Errorf("after says %q", s)
	}
}

// step is a file with one step, and head with a route that has more fields.
func step(s string) string {
	return "version: 1\nroutes:\n  - name: a\n    steps:\n      - " + s + "\n"
}
func route(s string) string { return "version: 1\nroutes:\n  - name: a\n    " + s + "\n" }

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"":                           "r.yaml: must hold one YAML document",
		"version: 1":                 "r.yaml:1:8: routes: missing",
		"routes: []":                 "r.yaml:1:7: version: missing",
		"version: 1\nroutes: []":     "routes: missing, or none of them",
		"version: 2\nroutes: []":     "r.yaml:1:10: version: must be 1 to 1 (got 2)",
		"version: 1\nroute: []":      "r.yaml:2:1: unknown field route, known are version, routes",
		"[1, 2]":                     "r.yaml:1:1: must be a mapping",
		"a: [":                       "r.yaml:1:4: not YAML",
		"version: 1\n\tx: 1":         "not YAML",
		"version: 1\n---\nroutes: 1": "one YAML document (got 2)",
		"version: 1\nversion: 1":     "r.yaml:2:1: ",

		route("steps: mosaic"):                         "r.yaml:4:12: routes[0].steps: must be a list (got mosaic)",
		route("colour: red"):                           "r.yaml:4:5: routes[0]: unknown field colour, known are name, match, sidecar, steps, ignored, progress, after",
		route("sidecar: true"):                         "r.yaml:4:14: routes[0].sidecar: must be a text",
		route("sidecar: no-wait"):                      "routes[0].sidecar: must be one of wait (got no-wait)",
		route("ignored: log"):                          "routes[0].ignored: must be one of publish",
		route("match: {suffix: []}"):                   "routes[0].match.suffix: must not be empty",
		route("match: {suffix: 4}"):                    "routes[0].match.suffix: must be a text (got 4)",
		route("match: {minBytes: many}"):               "routes[0].match.minBytes: must be a size such as 1000, 500MB or 2GiB (got many)",
		route("match: {minBytes: -1}"):                 "routes[0].match.minBytes: must be a size",
		route("match: {minBytes: 2MB, maxBytes: 1MB}"): "routes[0].match: maxBytes: must not be less",
		route("after: {tag: {a: b}, delete: true}"):    "routes[0].after: tag, move and delete exclude each other",
		route("after: {tag: {}}"):                      "routes[0].after.tag: must be 1 to 10 tags (got 0)",
		route("after: {tag: {'aws:x': b}}"):            "without the prefix aws:",
		route("after: {delete: 1}"):                    "routes[0].after.delete: must be true or false (got 1)",
		route("after: {move: 's3://b/{bucke}'}"):       "routes[0].after.move: unknown token {bucke}",

		step("blur"):                                       "r.yaml:5:9: routes[0].steps[0]: unknown step blur, known are remux, mosaic, transcode",
		step("blur: {}"):                                   "unknown field blur, known are remux, mosaic, transcode",
		step("{}"):                                         "routes[0].steps[0]: must be one of remux, mosaic, transcode",
		step("{mosaic: {}, transcode: {}}"):                "a step is one of",
		step("mosaic: {blocks: 65}"):                       "r.yaml:5:26: routes[0].steps[0].mosaic.blocks: must be 2 to 64 (got 65)",
		step("mosaic: {blocks: 9}"):                        "mosaic: blocks: must be 2 to 8, as a face can be made out again from finer cells; allowWeak: true takes them (got 9)",
		step("mosaic: {blocks: 6.5}"):                      "routes[0].steps[0].mosaic.blocks: must be a whole number (got 6.5)",
		step("mosaic: {blocks: '6'}"):                      "must be a whole number",
		step("mosaic: {margin: .nan}"):                     "routes[0].steps[0].mosaic.margin: must be",
		step("mosaic: {margin: 3}"):                        "margin: must be 0 to 2 (got 3)",
		step("mosaic: {style: smear}"):                     "style: must be one of mosaic, blur, fill (got smear)",
		step("mosaic: {preset: fastest}"):                  "preset: must be one of ultrafast",
		step("mosaic: {crf: 52}"):                          "crf: must be 0 to 51",
		step("mosaic: {fallback: none}"):                   "fallback: must be one of builtin (got none)",
		step("mosaic: {settings: a.json}"):                 "unknown field settings",
		step("mosaic: {destination: s3://b/x/}"):           "destination: must be an object",
		step("mosaic: {destination: s3://b/x.webm}"):       "destination: its extension says the container",
		step("remux: {destination: https://b/x.mp4}"):      "destination: location: must be s3://bucket/key",
		step("transcode: {destination: s3://b/x}"):         "destination: must be a folder and end with a slash",
		step("transcode: {destination: 's3://b/{x/'}"):     "unknown token {x/",
		step("transcode: {settings: s3://b/x.yaml}"):       "settings: must be an s3:// URI or a path that ends with .json",
		step("transcode: {settings: x.json, template: y}"): "settings, template and ladder exclude each other",
		step("transcode: {ladder: {}}"):                    "ladder: must have 1 to 32 heights (got 0)",
		step("transcode: {ladder: {hd: x}}"):               "ladder: must be a height in pixels, 1 to 8192 (got hd)",
		step("transcode: {ladder: {720: 4}}"):              "ladder.720: must be a text (got 4)",
		step("transcode: {priority: 51}"):                  "priority: must be -50 to 50",
		step("transcode: {acceleration: ON}"):              "acceleration: must be one of",
		step("transcode: {statusInterval: SECONDS_1}"):     "statusInterval: must be one of SECONDS_10",

		step("transcode\n      - mosaic"): "r.yaml:6:9: routes[0].steps[1]: mosaic after transcode: what is streamed would not be covered",
		step("mosaic\n      - mosaic"):    "routes[0].steps[1]: mosaic comes twice",
		step("mosaic\n      - remux"):     "routes[0].steps[1]: mosaic must come after remux",

		"version: 1\nroutes:\n  - steps: []":                                  "r.yaml:3:10: routes[0]: name: missing",
		"version: 1\nroutes:\n  - name: A b":                                  "routes[0].name: must have 1 to 64 lower-case letters",
		"version: 1\nroutes:\n  - name: a\n  - name: b":                       "routes[1]: route b is never reached: a before it takes everything",
		"version: 1\nroutes:\n  - {name: a, match: {prefix: x}}\n  - name: a": "two routes of the name a",
		strings.Repeat("#", MaxBytes+1):                                       "larger than 1048576 bytes",
	} {
		_, err := Parse("r.yaml", []byte(body))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "r.yaml:") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\nerror is %v\nwant %s", body, err, want)
		}
	}
}

func TestDefault(t *testing.T) {
	t.Parallel()
	r := Default()
	for key, want := range map[string]string{"a.MP4": "videos", "b/c.webm": "videos", "notes.txt": "", "noextension": "video-types"} {
		got, err := r.Match(Object{Location: event.Location{Bucket: "b", Key: key}, Bytes: 1, ContentType: func() (string, error) {
			if key == "noextension" {
				return "video/mp4", nil
			}
			return "text/plain", nil
		}})
		if err != nil || got == nil != (want == "") || got != nil && got.Name != want {
			t.Errorf("%s: %+v, %v", key, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add(builtIn)
	for _, s := range []string{"a: &x [*x]", "<<: {a: 1}", "? [a]\n: b", "version: !!int 1", "version: 1\nroutes:\n- &a {name: a}\n- *a", "a: |\n  b", "\x00", "%YAML 1.2\n---\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Parse("f", body)
		if err != nil {
			if r != nil || strings.Contains(err.Error(), "\n") || err.Error() == "" {
				t.Errorf("%+v, %q", r, err)
			}
			return
		}
		o := Object{Location: event.Location{Bucket: "b", Key: "k.mp4"}, Bytes: 1, ContentType: func() (string, error) { return "video/mp4", nil }}
		if _, err := r.Match(o); err != nil {
			t.Error(err)
		}
		for _, route := range r.Routes {
			for _, s := range route.Steps {
				if s.String() == "" {
					t.Error("a step without words")
				}
			}
		}
	})
}
