package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// checkupOf runs the doctor and returns what it says, by check.
func checkupOf(t *testing.T, environ []string, args ...string) (code int, lines map[string]string, out string) {
	t.Helper()
	code, out, stderr := call(t, environ, append([]string{"doctor"}, args...)...)
	lines = map[string]string{}
	name := ""
	for line := range strings.Lines(out) {
		if advice, ok := strings.CutPrefix(strings.TrimSpace(line), "→ "); ok {
			lines[name] += " → " + advice
			continue
		}
		if len(line) < 25 {
			t.Fatalf("line %q\n%s%s", line, out, stderr)
		}
		name = strings.TrimSpace(line[6:23])
		lines[name] = strings.TrimSpace(line[:6]) + " " + strings.TrimSpace(line[25:])
	}
	return code, lines, out + stderr
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	routes := filepath.Join(t.TempDir(), "routes.yaml")
	if err := os.WriteFile(routes, []byte("version: 1\nroutes:\n  - {name: all, match: {bucket: uploads}, steps: [mosaic, transcode]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := append(c.environ, "MOSAICD_ROUTES="+routes, "MOSAICD_MEDIACONVERT_ROLE="+demoRole, "MOSAICD_DETECTOR=rekognition", "MOSAICD_PRESET=ultrafast")
	if code, out, stderr := call(t, c.environ, "faces", "add", "team", "anna", portrait(t, 0)); code != exitDone {
		t.Fatalf("%s%s", out, stderr)
	}

	code, lines, out := checkupOf(t, environ, "--collection", "team")
	for name, says := range map[string]string{
		"settings":          "ok 1 routes; detector rekognition; 1 jobs at once",
		"credentials":       "ok arn:aws:iam::000000000000:user/local in us-east-1",
		"queue":             "ok mosaicd: 0 waiting, 0 in work, dead letters go to mosaicd-dead",
		"dead letters":      "ok mosaicd-dead: 0 messages",
		"topic":             "ok " + c.topic + ": 1 subscriptions",
		"output bucket":     "ok results: written, read and deleted",
		"upload buckets":    "ok uploads, results",
		"MediaConvert":      "ok answers",
		"MediaConvert role": "ok " + demoRole + " trusts mediaconvert.amazonaws.com",
		"Rekognition role":  "ok " + demoSearchRole + " trusts rekognition.amazonaws.com",
		"collection":        "ok team: 1 faces",
	} {
		if lines[name] != says {
			t.Errorf("%s: %q, want %q", name, lines[name], says)
		}
	}
	if !strings.HasPrefix(lines["libav"], "ok FFmpeg 7.") || !strings.HasSuffix(lines["libav"], " 3 faces") {
		t.Errorf("libav: %q", lines["libav"])
	}
	if code != exitDone {
		t.Errorf("exit code %d\n%s", code, out)
	}
	left, err := c.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(demoResults)})
	if err != nil || len(left.Contents) > 0 {
		t.Errorf("it left %d objects, %v", len(left.Contents), err)
	}
}

func TestDoctorOfBrokenThings(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the doctor has the engine work a dozen times")
	}
	c := newCloud(t)
	c.server.AddRole("stranger", "ec2.amazonaws.com")
	for name, tt := range map[string]struct {
		environ []string
		check   string
		says    []string
	}{
		"no such queue":   {[]string{"MOSAICD_QUEUE_URL=" + c.server.URL() + "/000000000000/nowhere"}, "queue", []string{"FAIL", "/nowhere: ", "NonExistentQueue", "→ create it, or correct MOSAICD_QUEUE_URL"}},
		"queue by name":   {[]string{"MOSAICD_QUEUE_URL=mosaicd"}, "queue", []string{"FAIL", "must be the queue's URL", "→ correct MOSAICD_QUEUE_URL"}},
		"bucket as a URI": {[]string{"MOSAICD_OUTPUT_BUCKET=s3://results"}, "output bucket", []string{"FAIL", "without s3://", "→ correct MOSAICD_OUTPUT_BUCKET"}},
		"concurrency":     {[]string{"MOSAICD_CONCURRENCY=65"}, "settings", []string{"FAIL --concurrency: must be 1 to 64 (got 65)", "→ correct that flag"}},
		"visibility":      {[]string{"MOSAICD_VISIBILITY=1s"}, "settings", []string{"FAIL --", "→ correct that flag"}},
		"stall":           {[]string{"MOSAICD_STALL=1ms"}, "settings", []string{"FAIL --stall: must be at least 1s", "→ correct that flag"}},
		"no redrive":      {[]string{"MOSAICD_QUEUE_URL=" + c.inbox}, "queue", []string{"warn", "→ it has no redrive policy"}},
		"FIFO":            {[]string{"MOSAICD_QUEUE_URL=" + c.queue + ".fifo"}, "queue", []string{"FAIL", "name a standard queue", "→ correct MOSAICD_QUEUE_URL"}},
		"short retention": {[]string{"MOSAICD_DEAD_LETTER_URL=" + c.inbox}, "dead letters", []string{"warn", "→ it keeps messages no longer than the queue"}},
		"no such topic":   {[]string{"MOSAICD_TOPIC_ARN=" + c.topic + "2"}, "topic", []string{"FAIL", "NotFound", "→ create it, or correct MOSAICD_TOPIC_ARN"}},
		"no such bucket":  {[]string{"MOSAICD_OUTPUT_BUCKET=nowhere"}, "output bucket", []string{"FAIL nowhere: there is no such bucket", "→ create it in us-east-1"}},
		"routes":          {[]string{"MOSAICD_ROUTES=version: 1\nroutes:\n  - {name: a, steps: [mosiac]}\n"}, "settings", []string{"FAIL", "mosiac", "→ mend MOSAICD_ROUTES"}},
		"no role at all":  {[]string{"MOSAICD_ROUTES=version: 1\nroutes:\n  - {name: a, match: {prefix: a/}, steps: [transcode]}\n"}, "settings", []string{"FAIL route a transcodes", "→ set MOSAICD_MEDIACONVERT_ROLE"}},
		"priority":        {[]string{"MOSAICD_MEDIACONVERT_PRIORITY=99"}, "settings", []string{"FAIL --mediaconvert-priority: must be -50 to 50 (got 99)", "→ correct that flag"}},
		"no such role":    {[]string{"MOSAICD_MEDIACONVERT_ROLE=arn:aws:iam::000000000000:role/nobody"}, "MediaConvert role", []string{"FAIL", "NoSuchEntity", "→ create it"}},
		"another's role":  {[]string{"MOSAICD_MEDIACONVERT_ROLE=arn:aws:iam::000000000000:role/stranger"}, "MediaConvert role", []string{"FAIL", "does not trust mediaconvert.amazonaws.com"}},
		"no role":         {[]string{"MOSAICD_MEDIACONVERT_ROLE=mediaconvert"}, "MediaConvert role", []string{"FAIL", "is not the ARN of a role"}},
		"no collection":   {[]string{"MOSAICD_COLLECTION=nobody"}, "collection", []string{"FAIL nobody: ", "→ mosaicd faces add nobody"}},
		"no scratch":      {[]string{"MOSAICD_SCRATCH=/proc/nowhere"}, "scratch", []string{"FAIL", "→ set MOSAICD_SCRATCH"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, lines, out := checkupOf(t, append(c.environ, append(tt.environ, "MOSAICD_PRESET=ultrafast")...))
			for _, s := range tt.says {
				if !strings.Contains(lines[tt.check], s) {
					t.Errorf("%s says %q, without %q", tt.check, lines[tt.check], s)
				}
			}
			if failed := strings.HasPrefix(tt.says[0], verdictBad); failed != (code == exitFailed) {
				t.Errorf("exit code %d\n%s", code, out)
			}
		})
	}
}

// TestDoctorOneCauseOneLine: what follows from missing credentials, or from one wrong
// name, is not told once more for each service.
func TestDoctorOneCauseOneLine(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	c := newCloud(t)
	for name, environ := range map[string][]string{
		"no credentials":    {"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_CONFIG_FILE=/dev/null"},
		"a queue's name":    {"MOSAICD_QUEUE_URL=mosaicd"},
		"a bucket's URI":    {"MOSAICD_OUTPUT_BUCKET=s3://results"},
		"a topic's name":    {"MOSAICD_TOPIC_ARN=results"},
		"too many at once":  {"MOSAICD_CONCURRENCY=65"},
		"dead letters name": {"MOSAICD_DEAD_LETTER_URL=dead"},
	} {
		code, _, out := checkupOf(t, append(append(c.environ, environ...), "MOSAICD_PRESET=ultrafast"))
		if n := strings.Count(out, "\n"+verdictBad+" ") + strings.Count(out[:4], verdictBad); code != exitFailed || n != 1 {
			t.Errorf("%s: exit code %d, %d failures\n%s", name, code, n, out)
		}
		if skipped := strings.Contains(out, "\nskip  all else in AWS"); skipped != (name == "no credentials") {
			t.Errorf("%s:\n%s", name, out)
		}
	}
}

func TestHealthCommand(t *testing.T) {
	t.Parallel()
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(`{"in_flight":0}`))
	}))
	t.Cleanup(sick.Close)
	_, port, err := net.SplitHostPort(sick.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--http-addr", "127.0.0.1:" + port}, exitDone, `{"in_flight":0}`},
		{[]string{"--http-addr", ":" + port}, exitDone, `{"in_flight":0}`},
		{[]string{"--http-addr", "0.0.0.0:" + port, "--ready"}, exitFailed, "the daemon says 503"},
		{[]string{"--http-addr", "127.0.0.1:1"}, exitFailed, "the daemon does not answer"},
		{[]string{"--http-addr", "here"}, exitUsage, "--http-addr"},
	} {
		code, out, stderr := call(t, nil, append([]string{"health"}, tt.args...)...)
		if code != tt.code || !strings.Contains(out+stderr, tt.says) {
			t.Errorf("%v: exit code %d\n%s%s", tt.args, code, out, stderr)
		}
	}
}

// TestEndpointByName: an emulator in another container has a name, and buckets have
// none below it.
func TestEndpointByName(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the doctor has the engine work twice")
	}
	c := newCloud(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(c.server.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		environ := append(c.environ, variable+"=http://localhost:"+port, "MOSAICD_QUEUE_URL=http://aws:4566/000000000000/mosaicd", "MOSAICD_PRESET=ultrafast")
		code, lines, out := checkupOf(t, environ)
		if code != exitDone || lines["output bucket"] != "ok results: written, read and deleted" {
			t.Errorf("%s: exit code %d\n%s", variable, code, out)
		}
	}
}
