package jobs

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestWeaker(t *testing.T) {
	t.Parallel()
	all := DefaultSettings()
	all.Collection = "staff"
	strangers, listed, filled := all, all, all
	strangers.Cover, listed.Cover, filled.Style = "strangers", "listed", "fill"
	for name, ca := range map[string]struct {
		than   Settings
		change func(*Settings)
		want   string
	}{
		"the same":                  {all, func(*Settings) {}, ""},
		"style fill":                {all, func(s *Settings) { s.Style = "fill" }, ""},
		"style blur":                {all, func(s *Settings) { s.Style = "blur" }, ""},
		"fill to mosaic":            {filled, func(s *Settings) { s.Style = "mosaic" }, "style"},
		"fill to blur":              {filled, func(s *Settings) { s.Style = "blur" }, "style"},
		"more blocks":               {all, func(s *Settings) { s.Blocks = 9 }, "blocks"},
		"fewer blocks":              {all, func(s *Settings) { s.Blocks = 2 }, ""},
		"weak blocks":               {all, func(s *Settings) { s.Blocks, s.AllowWeak = 64, true }, "blocks allowWeak"},
		"fill's blocks":             {filled, func(s *Settings) { s.Style, s.Blocks = "mosaic", 9 }, "style blocks"},
		"larger margin":             {all, func(s *Settings) { s.Margin = 2 }, ""},
		"smaller margin":            {all, func(s *Settings) { s.Margin = 0 }, "margin"},
		"all to strangers":          {all, func(s *Settings) { s.Cover = "strangers" }, "cover"},
		"all to listed":             {all, func(s *Settings) { s.Cover = "listed" }, "cover"},
		"strangers to listed":       {strangers, func(s *Settings) { s.Cover = "listed" }, "cover"},
		"listed to strangers":       {listed, func(s *Settings) { s.Cover = "strangers" }, "cover"},
		"strangers to all":          {strangers, func(s *Settings) { s.Cover = "all" }, ""},
		"listed to all":             {listed, func(s *Settings) { s.Cover = "all" }, ""},
		"all by its name":           {all, func(s *Settings) { s.Cover = "all" }, ""},
		"more alike to strangers":   {strangers, func(s *Settings) { s.Similarity = 99 }, ""},
		"less alike to strangers":   {strangers, func(s *Settings) { s.Similarity = 1 }, "similarity"},
		"the default's similarity":  {strangers, func(s *Settings) { s.Similarity = 80 }, ""},
		"more alike to listed":      {listed, func(s *Settings) { s.Similarity = 99 }, "similarity"},
		"less alike to listed":      {listed, func(s *Settings) { s.Similarity = 1 }, ""},
		"similarity of all":         {all, func(s *Settings) { s.Similarity = 1 }, ""},
		"another collection":        {strangers, func(s *Settings) { s.Collection = "everybody" }, "collection"},
		"no cover of a collection":  {all, func(s *Settings) { s.Collection = "everybody" }, "collection"},
		"codec, preset, crf, sheet": {all, func(s *Settings) { s.Codec, s.Preset, s.CRF, s.Sheet = "hevc", "ultrafast", 51, true }, ""},
	} {
		s := ca.than
		ca.change(&s)
		if got := strings.Join(weaker(ca.than, s), " "); got != ca.want {
			t.Errorf("%s: weaker by %q, want %q", name, got, ca.want)
		}
	}
}

// TestSidecarMay: what a clip.json sets, and how its route must be for that.
func TestSidecarMay(t *testing.T) {
	t.Parallel()
	const (
		mosaic    = "mosaic: {margin: 0.2, cover: all}"
		transcode = "{transcode: {destination: 's3://results/streams/{dir}/{name}/'}}"
	)
	for name, ca := range map[string]struct {
		steps   string
		sidecar string // of the route; empty: the default
		body    string // without srcVideo
		says    string // empty: it is done
	}{
		"not at all":           {mosaic, "", ``, "no route takes a clip.json there"},
		"nothing":              {mosaic, "{}", ``, ""},
		"wait":                 {mosaic, "wait", ``, ""},
		"fields of its own":    {mosaic, "{}", `,"customer":4711`, ""},
		"style":                {mosaic, "{}", `,"style":"fill"`, "style: route videos does not let a clip.json set it"},
		"style allowed":        {mosaic, "{allow: [style]}", `,"style":"fill"`, ""},
		"another allowed":      {mosaic, "{allow: [style]}", `,"blocks":4`, "blocks: route videos"},
		"sheet":                {mosaic, "{}", `,"sheet":true`, "sheet: route videos"},
		"preset allowed":       {mosaic, "{allow: [preset]}", `,"preset":"slow"`, ""},
		"margin":               {mosaic, "{allow: [margin]}", `,"margin":0.1`, "margin: less would be covered"},
		"margin weakened":      {mosaic, "{weaken: [margin]}", `,"margin":0.1`, ""},
		"weak blocks":          {mosaic, "{allow: [blocks, allowWeak]}", `,"blocks":64,"allowWeak":true`, "blocks: less would be covered"},
		"blocks weakened":      {mosaic, "{allow: [allowWeak], weaken: [blocks]}", `,"blocks":64,"allowWeak":true`, "allowWeak: less would be covered"},
		"both weakened":        {mosaic, "{weaken: [blocks, allowWeak]}", `,"blocks":64,"allowWeak":true`, ""},
		"cover":                {mosaic, "{allow: [cover, collection]}", `,"cover":"listed","collection":"x"`, "cover: less would be covered"},
		"regions":              {mosaic, "{}", `,"regions":{"add":[{"left":0,"top":0,"width":1,"height":1}]}`, "regions: route videos"},
		"regions added":        {mosaic, "{allow: [regions]}", `,"regions":{"add":[{"left":0,"top":0,"width":1,"height":1}]}`, ""},
		"regions only":         {mosaic, "{allow: [regions]}", `,"regions":{"only":[{"start":5}]}`, "regions: less would be covered"},
		"regions except":       {mosaic, "{allow: [regions]}", `,"regions":{"except":[{"left":0,"top":0,"width":1,"height":1}]}`, "regions: less would be covered"},
		"regions weakened":     {mosaic, "{weaken: [regions]}", `,"regions":{"only":[{"start":5}]}`, ""},
		"remux for mosaic":     {mosaic, "{allow: [steps]}", `,"steps":["remux"]`, "steps: mosaic is missing"},
		"transcode for mosaic": {mosaic, "{allow: [steps]}", `,"steps":["transcode"]`, "steps: mosaic is missing"},
		"more steps":           {mosaic, "{allow: [steps]}", `,"steps":["remux","mosaic"]`, ""},
		"fewer steps":          {mosaic, "{weaken: [steps]}", `,"steps":["remux"]`, ""},
		"beside the output":    {mosaic, "{allow: [destination]}", `,"destination":"s3://results/mosaic/d/x.mp4"`, ""},
		"not allowed to":       {mosaic, "{allow: [style]}", `,"destination":"s3://results/mosaic/d/x.mp4"`, "destination: route videos"},
		"another's output":     {mosaic, "{allow: [destination]}", `,"destination":"s3://results/mosaic/e/a.mp4"`, "outside s3://results/mosaic/d/"},
		"deeper":               {mosaic, "{allow: [destination]}", `,"destination":"s3://results/mosaic/d/e/a.mp4"`, "outside s3://results/mosaic/d/"},
		"another bucket":       {mosaic, "{allow: [destination]}", `,"destination":"s3://uploads/d/x.mp4"`, "outside s3://results/mosaic/d/"},
		"a folder":             {mosaic, "{allow: [destination]}", `,"destination":"s3://results/mosaic/d/"`, ""},
		"records":              {mosaic, "{destination: 's3://results/'}", `,"destination":"s3://results/.mosaicd/claims/x.mp4"`, "the records of jobs"},
		"dots":                 {mosaic, "{destination: 's3://results/x/'}", `,"destination":"s3://results/x/../mosaic/a.mp4"`, `must not have ".."`},
		"a region":             {mosaic, "{destination: 's3://results/by/{dir}/'}", `,"destination":"s3://results/by/d/e/x.mp4"`, ""},
		"outside the region":   {mosaic, "{destination: 's3://results/by/{dir}/'}", `,"destination":"s3://results/by/e/x.mp4"`, "outside s3://results/by/d/"},
		"folder of streams":    {transcode, "{allow: [destination]}", `,"destination":"s3://results/streams/d/a/x/"`, ""},
		"others' streams":      {transcode, "{allow: [destination]}", `,"destination":"s3://results/streams/d/b/"`, "outside s3://results/streams/d/a/"},
		"a longer name":        {transcode, "{allow: [destination]}", `,"destination":"s3://results/streams/d/ab/"`, "outside s3://results/streams/d/a/"},
		"default streams":      {"transcode", "{allow: [destination]}", `,"destination":"s3://results/mosaic/"`, "outside s3://results/a/"},
		"template":             {transcode, "{}", `,"template":"x"`, "template: route videos"},
		"settings":             {transcode, "{allow: [settings]}", `,"settings":"s3://uploads/e/x.json"`, "settings: \"s3://uploads/e/x.json\" is no other object in the folder"},
		"settings elsewhere":   {transcode, "{allow: [settings]}", `,"settings":"s3://secret/d/x.json"`, "is no other object in the folder"},
		"clips":                {transcode, "{}", `,"clips":[{"start":"00:00:01:00"}]`, "clips: route videos"},
		"clips of its own":     {transcode, "{allow: [clips]}", `,"clips":[{},{"srcVideo":"b.mp4"}]`, ""},
		"clips of others":      {transcode, "{allow: [clips]}", `,"clips":[{},{"srcVideo":"/e/b.mp4"}]`, "clips[1].srcVideo: \"/e/b.mp4\" is no other object"},
		"clips of other buckets": {transcode, "{allow: [clips]}", `,"clips":[{},{"srcVideo":"s3://secret/d/b.mp4"}]`,
			"clips[1].srcVideo: \"s3://secret/d/b.mp4\" is no other object"},
		"clips of other routes": {transcode, "{allow: [clips]}", `,"clips":[{},{"srcVideo":"b.mov"}]`, "would be joined to a video of route videos"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			route := "{name: videos, match: {suffix: .mp4}, steps: [" + ca.steps + "]}"
			if ca.sidecar != "" {
				route = strings.Replace(route, "steps:", "sidecar: "+ca.sidecar+", steps:", 1)
			}
			b := newBench(t, routed("  - "+route+"\n  - {name: films, match: {suffix: .mov}, steps: [mosaic]}\n"))
			for _, key := range []string{"d/a.mp4", "d/b.mp4", "d/b.mov", "e/b.mp4"} {
				b.put(key, "video", nil)
			}
			before := b.keys(results, "")
			if err := b.clip("d/clip.json", `{"srcVideo":"a.mp4"`+ca.body+`}`); err != nil {
				t.Fatal(err)
			}
			if ca.says == "" {
				n := 1 + strings.Count(ca.body, `"remux","mosaic"`)
				if r := b.results(n)[n-1]; r.Status != StatusSucceeded {
					t.Fatalf("result is %+v, %+v", r, r.Error)
				}
				return
			}
			said := ""
			if all := b.published(); len(all) == 1 && all[0].Status == StatusFailed && all[0].Error.Code == CodeNotAllowed {
				said = all[0].Error.Message
			} else if ignored := b.logs.FilterMessage(eventObjectIgnored).All(); len(all) == 0 && len(ignored) == 1 {
				said = ignored[0].ContextMap()["reason"].(string)
			}
			if !strings.Contains(said, ca.says) {
				t.Errorf("said %q, want %q", said, ca.says)
			}
			outputs := slices.DeleteFunc(b.keys(results, ""), func(key string) bool { return strings.HasPrefix(key, DefaultStatePrefix) })
			if !slices.Equal(outputs, before) || len(b.engine.specs) > 0 || len(b.cloudJobs()) > 0 {
				t.Errorf("it was done in spite of that: %v", outputs)
			}
		})
	}
}

// TestSidecarSource: of which objects a clip.json may speak. Nothing is asked about the
// others, not even whether they are there.
func TestSidecarSource(t *testing.T) {
	t.Parallel()
	for _, ca := range []struct {
		at, name string
		want     string // empty: refused
	}{
		{"d/clip.json", "a.mp4", "s3://uploads/d/a.mp4"},
		{"d/clip.json", "d/a.mp4", "s3://uploads/d/a.mp4"},
		{"d/clip.json", "/d/a.mp4", "s3://uploads/d/a.mp4"},
		{"d/clip.json", "s3://uploads/d/a.mp4", "s3://uploads/d/a.mp4"},
		{"clip.json", "a.mp4", "s3://uploads/a.mp4"},
		{"d//clip.json", "a.mp4", "s3://uploads/d//a.mp4"},
		{"d/clip.json", "/a.mp4", ""},
		{"d/clip.json", "e/a.mp4", ""},
		{"d/clip.json", "/e/a.mp4", ""},
		{"d/clip.json", "d/e/a.mp4", ""},
		{"d/clip.json", "s3://uploads/e/a.mp4", ""},
		{"d/clip.json", "s3://secret/d/a.mp4", ""},
		{"d/clip.json", "s3://uploads/d/../e/a.mp4", ""},
		{"d/clip.json", "s3://uploads/D/a.mp4", ""},
		{"d/clip.json", "s3://uploads//d/a.mp4", ""},
		{"d/clip.json", "d/", ""},
		{"d/clip.json", "clip.json", ""},
		{"clip.json", "d/a.mp4", ""},
		{"clip.json", "s3://results/a.mp4", ""},
		{"d/clip.json", "d\u2215a.mp4", "s3://uploads/d/d\u2215a.mp4"}, // only looks like a slash
		{"d/clip.json", "e%2Fa.mp4", "s3://uploads/d/e%2Fa.mp4"},       // is not decoded
	} {
		got, err := own("srcVideo", uploads, ca.at, ca.name)
		if ca.want == "" && codeOf(err) != CodeNotAllowed || ca.want != "" && (err != nil || got.String() != ca.want) {
			t.Errorf("%s of %s: %v, %v", ca.name, ca.at, got, err)
		}
	}
}

// TestSidecarAmongOutputs: what lies where mosaicd writes is not for a clip.json.
func TestSidecarAmongOutputs(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, sidecar: {}, steps: [mosaic]}\n"), func(c *Config) { c.OutputBucket, c.OutputPrefix = uploads, "covered-" })
	b.put("covered-a.mp4", "video", nil)
	if err := b.clip("clip.json", `{"srcVideo":"covered-a.mp4"}`); err != nil {
		t.Fatal(err)
	}
	if r := b.one(); r.Status != StatusFailed || r.Error.Code != CodeNotAllowed {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
	if _, err := b.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(uploads), Key: aws.String("covered-covered-a.mp4")}); err == nil {
		t.Error("it was worked")
	}
}

// TestPlaylistOfOthers: a playlist of a route without a mosaic publishes nothing that
// another route covers.
func TestPlaylistOfOthers(t *testing.T) {
	t.Parallel()
	const playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n"
	for segment, code := range map[string]string{"victim/a.mp4": CodeNotAllowed, "own.ts": ""} {
		t.Run(segment, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, routed("  - {name: recordings, match: {suffix: .m3u8}, steps: [remux]}\n  - {name: videos, match: {suffix: .mp4}, steps: [mosaic]}\n"))
			b.put("victim/a.mp4", "video", nil)
			b.put("own.ts", "video", nil)
			body := strings.Replace(playlist, "%s", segment, 1)
			if err := b.handle(created(record("x.m3u8", b.put("x.m3u8", body, nil), len(body))), 1); err != nil {
				t.Fatal(err)
			}
			r := b.one()
			if code == "" && r.Status != StatusSucceeded || code != "" && (r.Status != StatusFailed || r.Error.Code != code) {
				t.Errorf("result is %+v, %+v", r, r.Error)
			}
		})
	}
}
