package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestRoutesPlace: the routes must not lie where an uploader could replace them. The
// daemon, the doctor and the check say so alike.
func TestRoutesPlace(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	if _, err := c.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("config")}); err != nil {
		t.Fatal(err)
	}
	put := func(bucket, key, match string) string {
		body := "version: 1\nroutes:\n  - {name: all, match: {" + match + "}, steps: [mosaic]}\n"
		if _, err := c.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
		return "s3://" + bucket + "/" + key
	}
	var environ []string // in which nobody says which buckets uploads go to
	for _, v := range c.environ {
		if !strings.HasPrefix(v, "MOSAICD_SOURCE_BUCKETS=") {
			environ = append(environ, v)
		}
	}
	for name, ca := range map[string]struct {
		routes  string
		sources string
		refused bool
	}{
		"among the uploads": {put("uploads", "routes.yaml", "bucket: uploads"), "", true},
		"by a pattern":      {put("uploads", "cfg/routes.yaml", "bucket: 'up*'"), "", true},
		"any bucket":        {put("config", "any.yaml", "suffix: .mp4"), "", true},
		"elsewhere":         {put("config", "routes.yaml", "bucket: uploads"), "", false},
		"uploads are known": {put("config", "any.yaml", "suffix: .mp4"), "uploads", false},
		"all are sources":   {put("config", "any.yaml", "suffix: .mp4"), "*", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := append(slices.Clone(environ), "MOSAICD_ROUTES="+ca.routes, "MOSAICD_SOURCE_BUCKETS="+ca.sources, "MOSAICD_PRESET=ultrafast")
			const why = "lies in a bucket that uploads go to"
			code, out, stderr := call(t, environ, "check", "s3://uploads/a.mp4")
			if ca.refused != (code == exitUsage) || ca.refused != strings.Contains(stderr, why) {
				t.Errorf("check: exit code %d\n%s%s", code, out, stderr)
			}
			_, lines, _ := checkupOf(t, environ)
			if said := lines["settings"]; ca.refused != strings.HasPrefix(said, verdictBad) || ca.refused != strings.Contains(said, why) {
				t.Errorf("the doctor says %q", said)
			}
			if !ca.refused {
				return // the daemon would run for ever
			}
			code, _, stderr = call(t, environ, "run")
			if code != exitUsage || !strings.Contains(stderr, why) || !strings.Contains(stderr, "MOSAICD_ROUTES") {
				t.Errorf("run: exit code %d\n%s", code, stderr)
			}
		})
	}
}

// TestCheckOfMessages: what the daemon would refuse is said beforehand.
func TestCheckOfMessages(t *testing.T) {
	t.Parallel()
	message := write(t, "message.json", `{"version":1,"kind":"mosaic","source":"s3://secret/a.mp4","destination":"s3://results/a.mp4"}`)
	code, out, stderr := call(t, nil, "check", message)
	if code != exitDone || !strings.Contains(out, "it is refused: source: messages may not read bucket secret: --source-buckets") {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
	code, out, stderr = call(t, nil, "check", message, "s3://other/a.mp4", "--source-buckets", "secret", "--output-bucket", "results")
	if want := message + ": mosaic of s3://secret/a.mp4, as the message says\ns3://other/a.mp4: nothing: bucket other is not one of --source-buckets\n"; code != exitDone || out != want {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
}
