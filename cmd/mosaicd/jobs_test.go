package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/event"
)

// A counter passes requests on to an AWS on loopback, and counts those to S3.
type counter struct {
	*httptest.Server
	mu            sync.Mutex
	lists, others int
	writes        int
}

func newCounter(t *testing.T, endpoint string) *counter {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		switch {
		case r.Method != http.MethodGet:
			c.writes++
		case r.URL.Query().Has("list-type"):
			c.lists++
		default:
			c.others++
		}
		c.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

// take returns what was counted, and starts anew.
func (c *counter) take() (lists, reads, writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lists, reads, writes = c.lists, c.others, c.writes
	c.lists, c.others, c.writes = 0, 0, 0
	return lists, reads, writes
}

// A seededS3 knows the records that a test made, and stores what is written without
// a request.
type seededS3 struct {
	jobs.S3
	server  *awslocal.Server
	records map[string][]byte
}

func (s seededS3) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(s.records[*in.Key])), ETag: aws.String(`"x"`)}, nil
}

func (s seededS3) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	return &s3.PutObjectOutput{ETag: aws.String(`"x"`)}, s.server.Seed(*in.Bucket, *in.Key, nil)
}

// TestJobsOfManyJobs: with 100,000 finished jobs in the bucket, a listing asks S3 for
// one page of each state, and reads what it shows.
func TestJobsOfManyJobs(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	const finished = 100_000
	ctx := context.Background()
	server, err := awslocal.Start(ctx, awslocal.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	client := s3.NewFromConfig(server.AWSConfig())
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("results")}); err != nil {
		t.Fatal(err)
	}
	records := map[string][]byte{}
	started := time.Now().UTC().Add(-24 * time.Hour)
	id := func(i int) string {
		sum := sha256.Sum256(fmt.Append(nil, i))
		return hex.EncodeToString(sum[:16])
	}
	for i := range finished {
		c := jobs.Claim{
			Version: 1, State: jobs.StateSucceeded, CreatedAt: started.Add(time.Duration(i) * 500 * time.Millisecond),
			Job:   jobs.Job{ID: id(i), Route: "videos", Source: event.Location{Bucket: "uploads", Key: fmt.Sprintf("day-%d/%d.mp4", i/50_000, i)}},
			Steps: []jobs.StepState{{Kind: "mosaic", Published: true, Result: &jobs.Result{Version: 1, Status: jobs.StatusSucceeded}}},
		}
		switch {
		case i%1000 == 0:
			c.State, c.Steps[0].Result.Status, c.Steps[0].Result.Error = jobs.StateFailed, jobs.StatusFailed, &jobs.ResultError{Code: "not_a_video"}
		case i == 77_777:
			c.State, c.Steps[0].Result.Status = jobs.StateReview, jobs.StatusReview
		case i == finished-1:
			c.State, c.Job.Source.Key, c.Steps[0] = jobs.StateRunning, "day-1/\x1b[31mred\nrow.mp4", jobs.StepState{Kind: "mosaic"}
		}
		body, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		key := ".mosaicd/claims/" + id(i) + ".json"
		records[key] = body
		if err := server.Seed("results", key, body); err != nil {
			t.Fatal(err)
		}
	}
	// The index is what --reindex writes.
	seeded := jobs.NewClaims(seededS3{client, server, records}, "results", ".mosaicd/")
	if n, err := seeded.Reindex(ctx, nil); err != nil || n != finished {
		t.Fatalf("%d records, %v", n, err)
	}
	counted := newCounter(t, server.URL())
	environ := append(server.Environ(), "AWS_ENDPOINT_URL="+counted.URL, "MOSAICD_OUTPUT_BUCKET=results")
	list := func(args ...string) (rows []string, stderr string) {
		t.Helper()
		code, out, stderr := call(t, environ, append([]string{"jobs"}, args...)...)
		if code != exitDone {
			t.Fatalf("%v: exit code %d\n%s", args, code, stderr)
		}
		return strings.Split(strings.TrimSuffix(out, "\n"), "\n"), stderr
	}
	for _, ca := range []struct {
		args         []string
		rows         int
		first        string // what is in the first row
		lists, reads int    // at most
	}{
		{nil, 50, `running`, 6, 50},
		{[]string{"--limit", "200"}, 200, `s3://uploads/day-1/\x1b[31mred\nrow.mp4`, 6, 200},
		{[]string{"--state", "review"}, 1, "s3://uploads/day-1/77777.mp4", 1, 1},
		{[]string{"--state", "failed"}, 50, "failed (not_a_video)", 1, 50},
		{[]string{"--state", "failed", "--limit", "0"}, 100, "s3://uploads/day-1/99000.mp4", 1, 100},
		{[]string{"--state", "succeeded", "--older", "23h", "--limit", "3"}, 3, "videos", 1, 3},
		{[]string{"--state", "succeeded", "--newer", "1m"}, 0, "", 1, 0},
		{[]string{"--state", "failed", "--source", "s3://uploads/day-0/"}, 50, "s3://uploads/day-0/49000.mp4", 1, 50},
		// A prefix that only old jobs have: the index says it without a read, a thousand jobs a page.
		{[]string{"--state", "succeeded", "--source", "s3://uploads/day-0/", "--limit", "10"}, 10, "s3://uploads/day-0/49999.mp4", 52, 10},
		{[]string{"--route", "other"}, 0, "", 100 + 6, 0},
	} {
		counted.take()
		begun := time.Now()
		rows, _ := list(ca.args...)
		lists, reads, writes := counted.take()
		t.Logf("mosaicd jobs %s: %d lists, %d reads, %s", strings.Join(ca.args, " "), lists, reads, time.Since(begun).Round(time.Millisecond))
		if len(rows)-1 != ca.rows || ca.rows > 0 && !strings.Contains(rows[1], ca.first) {
			t.Errorf("%v: %d rows, the first one is %q", ca.args, len(rows)-1, rows[min(1, len(rows)-1)])
		}
		if lists > ca.lists || reads > ca.reads || writes > 0 {
			t.Errorf("%v: %d lists and %d reads, want at most %d and %d", ca.args, lists, reads, ca.lists, ca.reads)
		}
	}
	rows, _ := list("--output", "json", "--state", "running")
	var row jobRow
	if err := json.Unmarshal([]byte(rows[0]), &row); err != nil || row.Job != id(finished-1) || row.Source != "s3://uploads/day-1/\x1b[31mred\nrow.mp4" || row.Kind != "mosaic" {
		t.Errorf("%v, %+v", err, row)
	}
	// By its source: one list, one read, and one for the record that is printed.
	counted.take()
	code, out, stderr := call(t, environ, "status", "s3://uploads/day-1/77777.mp4")
	if lists, reads, _ := counted.take(); code != exitDone || !strings.Contains(out, id(77_777)) || lists != 1 || reads > 2 {
		t.Errorf("exit code %d, %d lists, %d reads\n%s%s", code, lists, reads, out, stderr)
	}
}

// TestJobsRefuses what can't be asked for.
func TestJobsRefuses(t *testing.T) {
	t.Parallel()
	environ := []string{"AWS_REGION=us-east-1", "MOSAICD_OUTPUT_BUCKET=results"}
	for says, args := range map[string][]string{
		"--state: must be one of running, waiting, review": {"--state", "done"},
		"--source: must begin with s3://":                  {"--source", "uploads/"},
		"--limit: must not be negative":                    {"--limit=-1"},
		"no job is both":                                   {"--newer", "1h", "--older", "2h"},
		"--every: must be at least 1s":                     {"--watch", "--every", "0s"},
	} {
		if code, _, stderr := call(t, environ, append([]string{"jobs"}, args...)...); code != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
	if code, _, stderr := call(t, environ[:1], "jobs"); code != exitUsage || !strings.Contains(stderr, "MOSAICD_OUTPUT_BUCKET") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
