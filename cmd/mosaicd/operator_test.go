package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/goccy/go-yaml"

	"github.com/mosaicd/mosaicd/internal/awslocal"
)

// A grant is a statement of a policy.
type grant struct {
	actions   []string
	resources []*regexp.Regexp
}

// operatorGrants reads what the template grants to people, with the names of the
// tests' AWS.
func operatorGrants(t *testing.T) []grant {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "..", "deploy", "cloudformation.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// The decoder passes the template's tags (!Sub, !If) by: what they are for is done here.
	var template map[string]any
	if err := yaml.Unmarshal(body, &template); err != nil {
		t.Fatal(err)
	}
	node := any(template)
	for _, name := range []string{"Resources", "OperatorPolicy", "Properties", "PolicyDocument", "Statement"} {
		inner, ok := node.(map[string]any)
		if !ok {
			t.Fatalf("the template has no %s", name)
		}
		node = inner[name]
	}
	arn := func(service string) string {
		return "arn:aws:" + service + ":" + awslocal.Region + ":" + awslocal.AccountID + ":"
	}
	names := strings.NewReplacer("${AWS::Partition}", "aws", "${AWS::Region}", awslocal.Region, "${AWS::AccountId}", awslocal.AccountID,
		"${Bucket}", demoResults, "DeadLetterQueue.Arn", arn("sqs")+"mosaicd-dead", "Queue.Arn", arn("sqs")+"mosaicd")
	var all []grant
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case []any: // statements, or an !If with its condition's name
			for _, one := range v {
				collect(one)
			}
		case map[string]any:
			g := grant{actions: texts(v["Action"])}
			for _, r := range texts(v["Resource"]) {
				pattern := strings.ReplaceAll(regexp.QuoteMeta(names.Replace(r)), `\*`, ".*")
				g.resources = append(g.resources, regexp.MustCompile("^"+pattern+"$"))
			}
			all = append(all, g)
		}
	}
	collect(node)
	return all
}

// texts are the strings in a string, a list, or a list that has a map as well.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, texts(one)...)
		}
		return all
	}
	return nil
}

// A guard stands before an AWS on loopback, and lets through what a policy grants.
type guard struct {
	*httptest.Server
	mu      sync.Mutex
	granted map[string]bool // actions that were asked for, and granted
	denied  []string
}

func newGuard(t *testing.T, endpoint string, policy []grant) *guard {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	g := &guard{granted: map[string]bool{}}
	proxy := httputil.NewSingleHostReverseProxy(to)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		action, resource := requested(t, r)
		allowed := slices.ContainsFunc(policy, func(s grant) bool {
			return slices.Contains(s.actions, action) &&
				slices.ContainsFunc(s.resources, func(p *regexp.Regexp) bool { return p.MatchString(resource) })
		})
		g.mu.Lock()
		if allowed {
			g.granted[action] = true
		} else {
			g.denied = append(g.denied, action+" on "+resource)
		}
		g.mu.Unlock()
		if allowed {
			proxy.ServeHTTP(w, r)
			return
		}
		w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
		w.WriteHeader(http.StatusForbidden)
		if strings.HasPrefix(action, "s3:") {
			_ = xml.NewEncoder(w).Encode(struct {
				XMLName xml.Name `xml:"Error"`
				Code    string
			}{Code: "AccessDenied"})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": "AccessDeniedException", "message": action + " is not granted"})
	}))
	t.Cleanup(g.Close)
	return g
}

// requested says which action a request asks for, as IAM calls it, and on what.
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
func requested(t *testing.T, r *http.Request) (action, resource string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	arn := func(service, rest string) string {
		return "arn:aws:" + service + ":" + awslocal.Region + ":" + awslocal.AccountID + ":" + rest
	}
	var named struct{ QueueURL, CollectionID string } // encoding/json ignores case
	service, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if service != "" {
		_ = json.Unmarshal(body, &named) // each request has one of them, or none
	}
	switch {
	case service == "AmazonSQS":
		return "sqs:" + strings.TrimSuffix(operation, "Batch"), arn("sqs", path.Base(named.QueueURL))
	case service == "RekognitionService":
		return "rekognition:" + operation, arn("rekognition", "collection/"+named.CollectionID)
	case strings.HasPrefix(r.URL.Path, "/2017-08-29/jobs/"):
		action := map[string]string{http.MethodGet: "GetJob", http.MethodDelete: "CancelJob"}[r.Method]
		return "mediaconvert:" + action, arn("mediaconvert", "jobs/"+path.Base(r.URL.Path))
	case r.URL.Query().Has("list-type"):
		return "s3:ListBucket", "arn:aws:s3:::" + strings.Trim(r.URL.Path, "/")
	}
	action = map[string]string{
		http.MethodGet: "GetObject", http.MethodHead: "GetObject", http.MethodPut: "PutObject", http.MethodDelete: "DeleteObject",
	}[r.Method]
	return "s3:" + action, "arn:aws:s3:::" + strings.TrimPrefix(r.URL.Path, "/")
}

// TestOperatorPolicy: with what the template grants to people and nothing more, each
// command that they run works, and nothing is granted that none of them asks for.
func TestOperatorPolicy(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	policy := operatorGrants(t)
	c := newCloud(t)
	g := newGuard(t, c.server.URL(), policy)
	c.environ = append(c.environ, reviews, "MOSAICD_MEDIACONVERT_ROLE="+demoRole)
	operator := append(slices.Clone(c.environ), "AWS_ENDPOINT_URL="+g.URL)
	ran := map[string]bool{}
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, stderr := call(t, operator, args...)
		if code != want {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, stderr)
		}
		command := args[0]
		if slices.Contains([]string{"send", "faces", "dlq"}, command) {
			command += " " + args[1]
		}
		ran[command] = true
		return strings.TrimSpace(out)
	}

	d := c.daemon(weakly...)
	approved, rejected, again := c.inReview("a.mp4"), c.inReview("b.mp4"), c.inReview("c.mp4")
	run(exitDone, "jobs", "--state", "review")
	run(exitDone, "status", approved.Job)
	run(exitDone, "status", "s3://uploads/a.mp4")
	run(exitDone, "approve", approved.Job, "--wait")
	run(exitDone, "reject", rejected.Job, "--reason", "a face", "--wait")
	run(exitDone, "rerender", again.Job)
	run(exitDone, "jobs", "--reindex")

	c.server.HoldJobs(true)
	job := run(exitDone, "send", "transcode", "s3://uploads/a.mp4")
	until(t, "a job in MediaConvert", func() bool {
		return slices.ContainsFunc(d.lines(t, "job_dispatched"), func(l map[string]any) bool { return l["job_id"] == job })
	})
	run(exitDone, "status", job)
	run(exitDone, "cancel", job)
	c.server.HoldJobs(false)
	run(exitDone, "send", "mosaic", "s3://uploads/a.mp4", "s3://results/by-hand.mp4", "--preset", "ultrafast", "--wait")
	stop(t, d)

	body := `{"version":1,"kind":"mosaic","source":"s3://uploads/a.mp4","destination":"s3://results/replayed.mp4"}`
	for range 2 {
		sendTo(t, c, c.dead, body)
	}
	letter, _, _ := strings.Cut(run(exitDone, "dlq", "list"), " ")
	if lines := strings.Split(run(exitDone, "dlq", "list"), "\n"); len(lines) > 1 {
		letter, _, _ = strings.Cut(lines[len(lines)-1], " ")
	}
	run(exitDone, "dlq", "show", letter)
	run(exitDone, "dlq", "replay", "--all")

	run(exitDone, "faces", "add", "staff", "anna", portrait(t, 0))
	run(exitDone, "faces", "list", "staff")
	run(exitDone, "faces", "remove", "staff", "anna")

	if len(g.denied) > 0 {
		t.Errorf("the OperatorPolicy denies %q", g.denied)
	}
	for _, s := range policy {
		for _, action := range s.actions {
			if !g.granted[action] && !strings.HasPrefix(action, "kms:") { // AWS itself asks for these
				t.Errorf("the OperatorPolicy grants %s, which no command asks for", action)
			}
		}
	}

	// A new command has its place here, or it is not for people with this policy.
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	others := []string{"run", "doctor", "health", "mosaic", "remux", "faces detect", "check", "version", "completion", "man"}
	for _, leaf := range parser.Model.Leaves(true) {
		name := leaf.Path()
		if strings.HasPrefix(name, "send file") {
			continue // sends what the others send
		}
		if !ran[name] && !slices.Contains(others, name) {
			t.Errorf("mosaicd %s was not tried with the OperatorPolicy; tried were %q", name, slices.Sorted(maps.Keys(ran)))
		}
	}
	if c.waiting(c.queue) == 0 {
		t.Error("nothing was replayed")
	}
}

func sendTo(t *testing.T, c *cloud, queue, body string) {
	t.Helper()
	if _, err := c.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
}
