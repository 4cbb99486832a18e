package jobs

import (
	"os"
	"strings"
	"testing"

	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func tagging(key, value string) *s3types.Tagging {
	return &s3types.Tagging{TagSet: []s3types.Tag{{Key: &key, Value: &value}}}
}

const steps = "  - {name: videos, match: {suffix: .mp4}, sidecar: {wait: true, allow: [style, clips, blocks, template], weaken: [steps], destination: 's3://results/'}, " +
	"steps: [{mosaic: {blocks: 5}}, transcode]}\n"

// clip uploads a clip.json and handles its event.
func (b *bench) clip(key, body string) error {
	return b.handle(created(record(key, b.put(key, body, nil), len(body))), 1)
}

func TestSidecar(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(steps))
	if err := b.handle(created(record("d/a.mp4", b.put("d/a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	if n := len(b.logs.FilterMessage(eventObjectIgnored).All()); n != 1 || b.engine.runs() != 0 {
		t.Errorf("the video did not wait: %v", b.logs.All())
	}
	err := b.clip("d/clip.json", `{"srcVideo":"a.mp4","style":"fill","destination":"s3://results/x/","clips":[{"start":"00:00:01:00","end":"00:00:02:00"},{"start":"00:00:04:00"}],"title":"Spring","n":1}`)
	if err != nil {
		t.Fatal(err)
	}
	all := b.results(2)
	for _, r := range all {
		if r.Status != StatusSucceeded || r.Source != "s3://uploads/d/a.mp4" || string(r.Extra["title"]) != `"Spring"` || string(r.Extra["n"]) != "1" || r.Route != "videos" {
			t.Errorf("result is %+v, %+v, %s", r, r.Error, r.Extra)
		}
	}
	last := b.engine.specs[len(b.engine.specs)-1]
	if last.Style != "fill" || last.Blocks != 5 {
		t.Errorf("the engine was told %+v", last)
	}
	input := b.cloudJobs()[0].Settings.Inputs[0]
	if *input.FileInput != "s3://results/mosaic/d/a.mp4" || len(input.InputClippings) != 2 || input.InputClippings[1].EndTimecode != nil {
		t.Errorf("MediaConvert read %s, %+v", *input.FileInput, input.InputClippings)
	}
	if b.keys(results, "x/") == nil {
		t.Error("nothing at its destination")
	}
}

// TestSidecarSteps: its own, for a video that it names in one of three ways.
func TestSidecarSteps(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed(steps))
	b.put("d/a.mp4", "video", nil)
	for i, name := range []string{"a.mp4", "d/a.mp4", "/d/a.mp4", "s3://uploads/d/a.mp4"} {
		if err := b.clip("d/clip.json", strings.Repeat(" ", i)+`{"srcVideo":"`+name+`","steps":["mosaic"],"destination":"s3://results/y/"}`); err != nil {
			t.Fatal(err)
		}
		if r := b.one(); r.Status != StatusSucceeded || r.Source != "s3://uploads/d/a.mp4" || r.Outputs[0].URI != "s3://results/y/a.mp4" {
			t.Errorf("%s: %+v, %+v", name, r, r.Error)
		}
	}
}

func TestSidecarFails(t *testing.T) {
	t.Parallel()
	for name, ca := range map[string]struct{ body, code, says string }{
		"not JSON":          {`{"srcVideo":`, CodeInvalidSidecar, "JSON"},
		"wrong value":       {`{"srcVideo":"a.mp4","blocks":1}`, CodeInvalidSidecar, "blocks"},
		"no such video":     {`{"srcVideo":"b.mp4"}`, CodeSourceGone, "s3://uploads/b.mp4"},
		"no transcode":      {`{"srcVideo":"a.mp4","steps":["mosaic"],"template":"x"}`, CodeInvalidRequest, "transcode"},
		"uncovered joined":  {`{"srcVideo":"a.mp4","clips":[{},{"srcVideo":"b.mp4"}]}`, CodeInvalidRequest, "s3://uploads/b.mp4"},
		"uncovered first":   {`{"srcVideo":"a.mp4","steps":["transcode","mosaic"]}`, CodeInvalidRequest, "order"},
		"twice":             {`{"srcVideo":"a.mp4","steps":["mosaic","mosaic"]}`, CodeInvalidRequest, "once"},
		"not into a folder": {`{"srcVideo":"a.mp4","destination":"s3://results/x.mp4"}`, CodeInvalidRequest, "slash"},
		"no route":          {`{"srcVideo":"a.txt"}`, CodeNotAllowed, "no route is for"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, routed(steps))
			b.put("a.mp4", "video", nil)
			b.put("a.txt", "text", nil)
			for range 2 {
				if err := b.clip("clip.json", ca.body); err != nil {
					t.Fatal(err)
				}
			}
			if r := b.one(); r.Status != StatusFailed || r.Error.Code != ca.code || !strings.Contains(r.Error.Message, ca.says) {
				t.Errorf("result is %+v, %+v", r, r.Error)
			}
		})
	}
}

// TestRemuxFirst: the mosaic is made of the remuxed recording.
func TestRemuxFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, steps: [remux, mosaic]}\n"))
	if err := b.handle(created(record("live/a.ts", b.put("live/a.ts", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	var uris []string
	for _, r := range b.published() {
		uris = append(uris, r.Kind+" "+r.first())
	}
	if got := strings.Join(uris, ", "); got != "remux s3://results/remux/live/a.ts.mp4, mosaic s3://results/mosaic/live/a.ts.mp4" {
		t.Errorf("results are %s", got)
	}
}
