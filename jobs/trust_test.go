package jobs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

// table parses routes that are written as one list.
func table(t *testing.T, yaml string) *routes.Routes {
	t.Helper()
	r, err := routes.Parse("test", []byte("version: 1\nroutes:\n"+yaml))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestMessagesNameAllowedBuckets: by default the buckets of the routes and the output
// bucket; never one that only the role may read.
func TestMessagesNameAllowedBuckets(t *testing.T) {
	t.Parallel()
	const named = "  - {name: a, match: {bucket: [uploads, 'team-*']}, steps: [mosaic: {destination: 's3://covered/{key}'}, transcode: {settings: s3://config/hls.json}]}\n" +
		"  - {name: b, match: {bucket: private}, steps: []}\n"
	message := func(fields string) string {
		return `{"version":1,"kind":"mosaic","source":"s3://uploads/a.mp4","destination":"s3://results/x.mp4"` + fields + `}`
	}
	cut := func(fields string) string {
		return `{"version":1,"kind":"transcode","source":"s3://uploads/a.mp4"` + fields + `}`
	}
	for name, ca := range map[string]struct {
		routes  string
		change  func(*Config)
		message string
		says    string // empty: allowed
	}{
		"a route's bucket":     {named, nil, message(``), ""},
		"by its pattern":       {named, nil, strings.ReplaceAll(message(``), "uploads", "team-7"), ""},
		"the output bucket":    {named, nil, strings.ReplaceAll(message(``), "uploads/a", "results/mosaic/a"), ""},
		"a route's output":     {named, nil, strings.ReplaceAll(message(``), "results", "covered"), ""},
		"another":              {named, nil, strings.ReplaceAll(message(``), "uploads", "secret"), "source: messages may not read bucket secret"},
		"of an idle route":     {named, nil, strings.ReplaceAll(message(``), "uploads", "private"), "source: messages may not read bucket private"},
		"without routes":       {"", nil, message(``), "source: messages may not read bucket uploads"},
		"any pattern":          {"  - {name: a, match: {bucket: '*'}, steps: [mosaic]}\n", nil, message(``), "source: messages may not read bucket uploads"},
		"written elsewhere":    {named, nil, strings.ReplaceAll(message(``), "results", "uploads"), "messages may not write to bucket uploads"},
		"detections":           {named, nil, message(`,"detections":["s3://uploads/1.json","s3://secret/2.json"]`), "detections[1]: messages may not read bucket secret"},
		"settings":             {named, nil, cut(`,"settings":"s3://config/hls.json"`), ""},
		"secret settings":      {named, nil, cut(`,"settings":"s3://secret/hls.json"`), "settings: messages may not read bucket secret"},
		"clips":                {named, nil, cut(`,"clips":[{"start":"00:00:01:00"},{"source":"s3://secret/b.mp4"}]`), "clips[1].source: messages may not read bucket secret"},
		"folder":               {named, nil, cut(`,"destination":"s3://secret/x/"`), "messages may not write to bucket secret"},
		"images":               {named, nil, `{"version":1,"kind":"faces-add","collection":"c","externalId":"a","images":["s3://secret/a.jpg"]}`, "images[0]: messages may not read bucket secret"},
		"the usual Lambda's":   {named, nil, `{"BucketFrom":"secret","BucketTo":"results","Filename":"a.mp4"}`, "source: messages may not read bucket secret"},
		"and its way out":      {named, nil, `{"BucketFrom":"uploads","BucketTo":"secret","Filename":"a.mp4"}`, "messages may not write to bucket secret"},
		"records read":         {named, nil, strings.ReplaceAll(message(``), "uploads/a", "results/.mosaicd/a"), "source: the records of jobs"},
		"records written":      {named, nil, strings.ReplaceAll(message(``), "results/x", "results/.mosaicd/claims/x"), "the records of jobs are under .mosaicd/"},
		"records' folder":      {named, nil, cut(`,"destination":"s3://results/.mosaicd/claims/"`), "the records of jobs are under .mosaicd/"},
		"climbing":             {named, nil, strings.ReplaceAll(message(``), "results/x", "results/a/../x"), `must not have ".."`},
		"job files":            {named, func(c *Config) { c.OutputBuckets = []string{"uploads"} }, cut(`,"destination":"s3://uploads/jobs/"`), "the job files of the uploads are under jobs/"},
		"opened":               {"", func(c *Config) { c.SourceBuckets = []string{"*"} }, strings.ReplaceAll(message(``), "uploads", "secret"), ""},
		"opened for writing":   {named, func(c *Config) { c.OutputBuckets = []string{"res*", "other"} }, strings.ReplaceAll(message(``), "results", "other"), ""},
		"the list counts":      {named, func(c *Config) { c.SourceBuckets = []string{"team-1"} }, message(``), "source: messages may not read bucket uploads"},
		"also for the output":  {named, func(c *Config) { c.OutputBuckets = []string{"other"} }, message(``), "messages may not write to bucket results"},
		"upper case is not it": {named, nil, strings.ReplaceAll(message(``), "s3://results/x", "s3://covered-2/x"), "messages may not write to bucket covered-2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Config{OutputBucket: results}
			if ca.routes != "" {
				c.Routes = table(t, ca.routes)
			}
			if ca.change != nil {
				ca.change(&c)
			}
			events, err := event.Decode([]byte(ca.message))
			if err != nil {
				t.Fatal(err)
			}
			err = c.JudgeRequest(events[0].(event.Request))
			if ca.says == "" && err != nil || ca.says != "" && (err == nil || !strings.Contains(err.Error(), ca.says)) {
				t.Errorf("says %v, want %q", err, ca.says)
			}
		})
	}
}

// TestRefusedMessage: it is a result, and nothing is read or written.
func TestRefusedMessage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := b.handle(`{"version":1,"kind":"mosaic","source":"s3://secret/a.mp4","destination":"s3://results/x.mp4"}`, 1); err != nil {
		t.Fatal(err)
	}
	if r := b.one(); r.Status != StatusFailed || r.Error.Code != CodeNotAllowed || len(b.engine.specs) != 0 {
		t.Errorf("result is %+v, %+v; the engine ran %d times", r, r.Error, len(b.engine.specs))
	}
}

// TestUploadsOfOtherBuckets: an event that names a bucket outside the list starts
// nothing, whoever sent it.
func TestUploadsOfOtherBuckets(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.SourceBuckets = []string{"other-*"} })
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	all := b.logs.FilterMessage(eventObjectIgnored).All()
	if len(all) != 1 || all[0].ContextMap()["reason"] != "bucket uploads is not one of --source-buckets" || b.published() != nil {
		t.Errorf("the log says %v", all)
	}
}

// TestKeysReachNoRecords: no key of an upload makes a destination among the records
// of jobs, whatever a route does with it.
func TestKeysReachNoRecords(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef0123456789abcdef"
	for name, ca := range map[string]struct{ routes, key string }{
		"destination": {"  - {name: a, steps: [mosaic: {destination: 's3://results/{key}'}]}\n", ".mosaicd/claims/" + id + ".mp4"},
		"no prefix":   {"  - {name: a, steps: [mosaic: {destination: 's3://{bucket}s/../results/{key}'}]}\n", "a.mp4"},
		"dots":        {"  - {name: a, steps: [mosaic]}\n", "../.mosaicd/claims/x.mp4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, routed(ca.routes))
			if err := b.handle(created(record(strings.ReplaceAll(ca.key, "+", "%2B"), b.put(ca.key, "video", nil), 5)), 1); err != nil {
				t.Fatal(err)
			}
			if r := b.one(); r.Status != StatusFailed || r.Error.Code != CodeNotAllowed {
				t.Errorf("result is %+v, %+v", r, r.Error)
			}
			b.checkRecords()
		})
	}
	t.Run("moved", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, routed("  - {name: a, steps: [mosaic], after: {move: 's3://results/{key}'}}\n"))
		key := ".mosaicd/claims/" + id + ".json"
		if err := b.handle(created(record(key, b.put(key, "video", nil), 5)), 1); err != nil {
			t.Fatal(err)
		}
		if r := b.one(); r.Status != StatusSucceeded || len(b.logs.FilterMessage(eventSourceKept).All()) != 1 {
			t.Errorf("result is %+v, %+v; the log says %v", r, r.Error, b.logs.All())
		}
		b.checkRecords()
	})
	for title, folder := range map[string]string{".mosaicd": ".mosaicd_/hls/", "mosaic": "mosaic_/hls/", "remux": "remux_/hls/", "jobs": "jobs/hls/"} {
		t.Run("folder "+title, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, routed("  - {name: a, steps: [transcode]}\n"))
			if err := b.handle(created(record(title+".mp4", b.put(title+".mp4", "video", nil), 5)), 1); err != nil {
				t.Fatal(err)
			}
			if r := b.results(1)[0]; r.Status != StatusSucceeded || !strings.HasPrefix(r.first(), "s3://results/"+folder) {
				t.Errorf("result is %+v, %+v", r, r.Error)
			}
			b.checkRecords()
		})
	}
}

// checkRecords fails where something is among the records that none of them is.
func (b *bench) checkRecords() {
	b.t.Helper()
	for _, key := range b.keys(results, DefaultStatePrefix) {
		body, _ := b.get(results, key)
		if strings.Contains(key, "claims/") && json.Unmarshal([]byte(body), &Claim{}) == nil ||
			strings.Contains(key, "folders/") && json.Unmarshal([]byte(body), &holding{}) == nil || body == "" && (strings.Contains(key, "waiting/") || strings.Contains(key, "index/")) {
			continue
		}
		b.t.Errorf("%s holds %q", key, body)
	}
}
