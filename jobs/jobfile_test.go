package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/routes"
	"github.com/mosaicd/mosaicd/jobs/transcode"
)

// file is a whole job document of one group of files, with more fields of its own and of
// its first input, and the group's destination and modifier.
func file(more, input, destination, modifier string) string {
	return `{` + more + `"Settings":{"Inputs":[{"AudioSelectors":{"Audio Selector 1":{"DefaultSelection":"DEFAULT"}}` + input + `}],
		"OutputGroups":[{"OutputGroupSettings":{"Type":"FILE_GROUP_SETTINGS","FileGroupSettings":{"Destination":"` + destination + `"}},
		"Outputs":[{"NameModifier":"` + modifier + `","ContainerSettings":{"Container":"MP4"}}]}]}}`
}

// TestJobFilesAmongUploads: what an uploader may write into one, and what the route lets
// it decide.
func TestJobFilesAmongUploads(t *testing.T) {
	t.Parallel()
	const plain = "s3://placeholder/x/"
	role := `"Role":"arn:aws:iam::000000000000:role/admin",`
	printed := `"Role":"arn:aws:iam::000000000000:role/mediaconvert","Queue":"arn:aws:mediaconvert:us-east-1:000000000000:queues/Default",
		"Priority":0,"AccelerationSettings":{"Mode":"DISABLED"},"StatusUpdateInterval":"SECONDS_60","BillingTagsSource":"JOB","UserMetadata":{"a":"b"},`
	for name, ca := range map[string]struct {
		options string // of the route's transcode
		file    string
		says    string // empty: it is done
	}{
		"renditions":                {"", file("", "", plain, "_a"), ""},
		"as printed":                {"", file(printed, "", plain, "_a"), ""},
		"role":                      {"", file(role, "", plain, "_a"), "Role: a job file among the uploads may not set it"},
		"role, the route's is used": {"role: 'arn:aws:iam::000000000000:role/mediaconvert'", file(role, "", plain, "_a"), ""},
		"role allowed":              {"jobFiles: {allow: [role]}", file(strings.ReplaceAll(role, "admin", "other"), "", plain, "_a"), ""},
		"another allowed":           {"jobFiles: {allow: [queue, tags]}", file(role, "", plain, "_a"), "Role: a job file"},
		"queue":                     {"", file(`"Queue":"express",`, "", plain, "_a"), "Queue: a job file"},
		"hops":                      {"", file(`"HopDestinations":[{"Queue":"express","WaitMinutes":1}],`, "", plain, "_a"), "HopDestinations[0]: a job file"},
		"priority":                  {"", file(`"Priority":50,`, "", plain, "_a"), "Priority: a job file"},
		"acceleration":              {"", file(`"AccelerationSettings":{"Mode":"ENABLED"},`, "", plain, "_a"), "AccelerationSettings: a job file"},
		"tags":                      {"", file(`"Tags":{"cost":"theirs"},`, "", plain, "_a"), "Tags.cost: a job file"},
		"template":                  {"", file(`"JobTemplate":"theirs",`, "", plain, "_a"), "JobTemplate: a job file"},
		"further inputs":            {"", file("", `},{"FileInput":"s3://secret/b.mp4"`, plain, "_a"), "Settings.Inputs[1]: a job file"},
		"of the uploads":            {"", file("", `},{"FileInput":"s3://uploads/b.mp4"`, plain, "_a"), "Settings.Inputs[1]: a job file"},
		"captions":                  {"", file("", `,"CaptionSelectors":{"c":{"SourceSettings":{"SourceType":"SRT","FileSourceSettings":{"SourceFile":"s3://secret/a.srt"}}}}`, plain, "_a"), "SourceFile: a job file"},
		"dots":                      {"", file("", "", "s3://placeholder/../../mosaic/", "_a"), `must not have ".."`},
		"dots of a modifier":        {"", file("", "", plain, "/../../../mosaic/a"), `must not have ".."`},
		"its own bucket":            {"", file("", "", "s3://secret/x/", "_a"), ""}, // is replaced
		"the records":               {"destination: 's3://results/'", file("", "", "s3://placeholder/.mosaicd/claims/", "_a"), "the records of jobs"},
		"the records, in two":       {"destination: 's3://results/'", file("", "", "s3://placeholder/.mosai", "cd/claims/x"), "is outside its folder"},
		"the records, by the name":  {"destination: 's3://results/'", file("", "", "s3://placeholder/.mosaicd/$fn$", ""), "the records of jobs"},
		"elsewhere by none":         {"jobFiles: none", file(role, "", plain, "_a"), ""}, // is not read
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, routed("  - {name: all, match: {bucket: uploads}, steps: [transcode: {"+ca.options+"}]}\n"))
			b.server.AddRole("other", "mediaconvert.amazonaws.com")
			b.put("jobs/x.json", ca.file, nil)
			if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
				t.Fatal(err)
			}
			r := b.results(1)[0]
			if ca.says == "" {
				if r.Status != StatusSucceeded || !strings.HasPrefix(r.first(), "s3://results/a/") {
					t.Errorf("result is %+v, %+v", r, r.Error)
				}
				return
			}
			if r.Status != StatusFailed || r.Error.Code != CodeNotAllowed || !strings.Contains(r.Error.Message, ca.says) || len(b.cloudJobs()) > 0 {
				t.Errorf("result is %+v, %+v; %d jobs", r, r.Error, len(b.cloudJobs()))
			}
		})
	}
}

// TestJobFilesElsewhere: in a bucket that no uploads go to they decide all, and those
// among the uploads are not read.
func TestJobFilesElsewhere(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, match: {bucket: uploads}, steps: [transcode: {jobFiles: {from: 's3://config/video/'}}]}\n"))
	if _, err := b.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("config")}); err != nil {
		t.Fatal(err)
	}
	b.put("jobs/x.json", "no job file", nil)
	for i, key := range []string{"video/one.json", "video/two.json"} {
		body := file(fmt.Sprintf(`"Priority":%d,"Tags":{"a":"b"},`, i+7), "", "s3://placeholder/", "_a")
		if _, err := b.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("config"), Key: &key, Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	if r := b.results(1)[0]; r.Status != StatusSucceeded || len(r.Cloud) != 2 || r.Cloud[0].Settings != "one" || *b.cloudJobs()[0].Priority < 7 {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
}

// TestManyJobFiles: each would be a cloud job for each upload.
func TestManyJobFiles(t *testing.T) {
	t.Parallel()
	b := newBench(t, routed("  - {name: all, steps: [transcode]}\n"))
	for i := range maxJobFiles + 1 {
		b.put(fmt.Sprintf("jobs/%03d.json", i), file("", "", "s3://placeholder/", "_a"), nil)
	}
	if err := b.handle(created(record("a.mp4", b.put("a.mp4", "video", nil), 5)), 1); err != nil {
		t.Fatal(err)
	}
	if r := b.one(); r.Status != StatusFailed || r.Error.Code != CodeInvalidSettings || len(b.cloudJobs()) > 0 {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
}

// TestJobFilesOfMessages: one in the message names allowed buckets only; one among the
// uploads is an uploader's, whoever names it.
func TestJobFilesOfMessages(t *testing.T) {
	t.Parallel()
	for name, ca := range map[string]struct{ settings, says string }{
		"tags":           {file(`"Tags":{"a":"b"},"Priority":3,`, "", "s3://placeholder/", "_a"), ""},
		"allowed inputs": {file("", `},{"FileInput":"s3://uploads/b.mp4"`, "s3://placeholder/", "_a"), ""},
		"other inputs":   {file("", `},{"FileInput":"s3://secret/b.mp4"`, "s3://placeholder/", "_a"), `settings: Settings.Inputs[1].FileInput: messages may not read bucket "secret"`},
		"upper case":     {file("", `},{"FileInput":"S3://secret/b.mp4"`, "s3://placeholder/", "_a"), `messages may not read bucket "secret"`},
		"overlays":       {file("", `,"ImageInserter":{"InsertableImages":[{"ImageInserterInput":"s3://secret/a.png"}]}`, "s3://placeholder/", "_a"), `messages may not read bucket "secret"`},
		"watermark logs": {strings.Replace(file("", "", "s3://placeholder/", "_a"), `"OutputGroups"`, `"KantarWatermark":{"LogDestination":"s3://uploads/x/"},"OutputGroups"`, 1), `messages may not write to bucket "uploads"`},
		"an uploader's":  {`"s3://uploads/x.json"`, "Tags.a: a job file among the uploads"},
		"records":        {file("", "", "s3://placeholder/../.mosaicd/", "_a"), `must not have ".."`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.put("a.mp4", "video", nil)
			b.put("b.mp4", "video", nil)
			b.put("x.json", file(`"Tags":{"a":"b"},`, "", "s3://placeholder/", "_a"), nil)
			if err := b.handle(`{"version":1,"kind":"transcode","source":"s3://uploads/a.mp4","destination":"s3://results/x/","settings":`+ca.settings+`}`, 1); err != nil {
				t.Fatal(err)
			}
			r := b.results(1)[0]
			if ca.says == "" && r.Status == StatusSucceeded {
				return
			}
			if ca.says == "" || r.Status != StatusFailed || r.Error.Code != CodeNotAllowed || !strings.Contains(r.Error.Message, ca.says) {
				t.Errorf("result is %+v, %+v", r, r.Error)
			}
		})
	}
}

// TestPowersAreKnown: routes name what package transcode knows.
func TestPowersAreKnown(t *testing.T) {
	t.Parallel()
	yaml := "version: 1\nroutes:\n  - {name: a, steps: [transcode: {jobFiles: {allow: [" + strings.Join(transcode.Powers(), ", ") + "]}}]}\n"
	r, err := routes.Parse("test", []byte(yaml))
	if err != nil || len(r.Routes[0].Steps[0].Transcode.JobFiles.Allow) != len(transcode.Powers()) {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestPlanWithTokens: tokens in a destination of the operator's are no way out of it.
func TestPlanWithTokens(t *testing.T) {
	t.Parallel()
	c := Config{OutputBucket: results}.withDefaults()
	folder := event.Location{Bucket: "streams", Key: "$dt$/a/"}
	if err := c.judgePlan([]transcode.Group{{Base: "s3://streams/$dt$/a/x", Outputs: []transcode.PlannedOutput{{Modifier: "_b", Extension: ".mp4"}}}}, folder); err != nil {
		t.Error(err)
	}
	if err := c.judgePlan([]transcode.Group{{Base: "s3://other/$dt$/a/x"}}, folder); codeOf(err) != CodeNotAllowed {
		t.Error(err)
	}
	// A job file of the next uploads is no output.
	uploads := event.Location{Bucket: uploads}
	file := []transcode.Group{{Base: "s3://uploads/jobs/x", Outputs: []transcode.PlannedOutput{{Modifier: "_b", Extension: ".json"}}}}
	if err := c.judgePlan(file, uploads); codeOf(err) != CodeNotAllowed {
		t.Error(err)
	}
}
