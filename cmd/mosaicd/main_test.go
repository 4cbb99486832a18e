package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/internal/likeness"
	"github.com/mosaicd/mosaicd/jobs"
)

// What the tests' AWS has.
const (
	demoUploads    = awslocal.UploadsBucket
	demoResults    = awslocal.ResultsBucket
	demoRole       = awslocal.Role
	demoSearchRole = awslocal.SearchRole
)

// TestMain is mosaicd where the test binary is called as that: by a test, or by the
// mosaicd that a test runs, for its engine. "go test" calls it with flags of its own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == withoutLandlock {
		panic(leaveLandlockOut()) // it becomes another program
	}
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		main()
	}
	libav.Quiet()
	var err error
	if videos.folder, err = os.MkdirTemp("", "mosaicd-test-*"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(videos.folder); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// mosaicd prepares the program with its arguments and an environment of its own.
func mosaicd(environ []string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append([]string{"HOME=" + os.TempDir(), "PATH=" + os.Getenv("PATH")}, environ...)
	return cmd
}

// nobody is an ordinary user.
const nobody = 65534

// asNobody prepares the program as another user, in a folder of its own. It skips the
// test where this one may not become another.
func asNobody(t *testing.T, environ []string, args ...string) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	folder, err := os.MkdirTemp("", "mosaicd-nobody-*") // no other user may enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	binary, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = errors.Join(os.Chown(folder, nobody, nobody), os.WriteFile(filepath.Join(folder, "mosaicd"), binary, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(folder, "mosaicd"), args...)
	cmd.Dir = folder
	cmd.Env = append([]string{"HOME=" + folder, "TMPDIR=" + folder, "PATH=" + os.Getenv("PATH")}, environ...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd
}

// call runs mosaicd to its end.
func call(t testing.TB, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := mosaicd(environ, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// until waits for a condition, and long before it gives up: the machine may be
// slow, and the race detector makes it slower.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(4 * time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A cloud is an AWS of the test's own, with what the daemon needs in it.
type cloud struct {
	t       *testing.T
	server  *awslocal.Server // nil: another's
	cfg     aws.Config
	s3      *s3.Client
	cloud   *mediaconvert.Client
	sqs     *sqs.Client
	queue   string
	dead    string
	inbox   string
	topic   string
	environ []string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	ctx := context.Background()
	engine := ffmpeg.NewEngine(os.Args[0], "engine")
	known, err := likeness.Open(engine, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := awslocal.Start(ctx, awslocal.Config{Faces: likeness.Finder(engine, t.TempDir()), People: known})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	stack, err := server.Provision(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cfg := server.AWSConfig()
	return &cloud{
		t: t, server: server, cfg: cfg, s3: s3.NewFromConfig(cfg), cloud: mediaconvert.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg),
		queue: stack.QueueURL, dead: stack.DeadLetterURL, inbox: stack.InboxURL, topic: stack.TopicARN,
		environ: append(append(server.Environ(), stack.Environ()...), "MOSAICD_MEDIACONVERT_ROLE=",
			"MOSAICD_SCRATCH="+t.TempDir(), "MOSAICD_HTTP_ADDR=", "MOSAICD_VISIBILITY=30s", "MOSAICD_DRAIN=1s"),
	}
}

func (c *cloud) put(key, path string) {
	c.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	if _, err := c.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(demoUploads), Key: &key, Body: f}); err != nil {
		c.t.Fatal(err)
	}
}

// take waits for a message and deletes it.
func (c *cloud) take(queue string) sqstypes.Message {
	c.t.Helper()
	var m sqstypes.Message
	until(c.t, "a message on "+queue, func() bool {
		out, err := c.sqs.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{
			QueueUrl: &queue, WaitTimeSeconds: 1, MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			c.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return false
		}
		m = out.Messages[0]
		return true
	})
	if _, err := c.sqs.DeleteMessage(context.Background(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
		c.t.Fatal(err)
	}
	return m
}

func (c *cloud) result() jobs.Result {
	c.t.Helper()
	var r jobs.Result
	if err := json.Unmarshal([]byte(aws.ToString(c.take(c.inbox).Body)), &r); err != nil {
		c.t.Fatal(err)
	}
	return r
}

// waiting is how many messages the queue holds, whether they can be seen or not.
func (c *cloud) waiting(queue string) int {
	c.t.Helper()
	out, err := c.sqs.GetQueueAttributes(context.Background(), &sqs.GetQueueAttributesInput{
		QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{"All"},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	n := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		v, err := strconv.Atoi(out.Attributes[name])
		if err != nil {
			c.t.Fatal(err)
		}
		n += v
	}
	return n
}

// get downloads an object to a file.
func (c *cloud) get(uri string) string {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), filepath.Base(uri))
	bucket, key, _ := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	out, err := c.s3.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		c.t.Fatal(err)
	}
	defer out.Body.Close()
	f, err := os.Create(path)
	if err == nil {
		_, err = io.Copy(f, out.Body)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return path
}

// A running daemon is a process of its own.
type runningDaemon struct {
	*exec.Cmd
	log  string // path
	done chan error
}

func (c *cloud) daemon(args ...string) *runningDaemon {
	c.t.Helper()
	d := &runningDaemon{Cmd: mosaicd(c.environ, append([]string{"run"}, args...)...), log: filepath.Join(c.t.TempDir(), "log"), done: make(chan error, 1)}
	f, err := os.Create(d.log)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	d.Stderr = f
	if err := d.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() { d.done <- d.Wait() }()
	c.t.Cleanup(func() { _ = d.Process.Kill(); checkLog(c.t, d.log) })
	return d
}

// lines returns the log's lines of one event.
func (d *runningDaemon) lines(t testing.TB, event string) []map[string]any {
	t.Helper()
	body, err := os.ReadFile(d.log)
	if err != nil {
		t.Fatal(err)
	}
	var found []map[string]any
	for line := range strings.Lines(string(body)) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["event"] == event {
			found = append(found, fields)
		}
	}
	return found
}

// engine waits for the daemon's child that encodes, and returns its process id.
func (d *runningDaemon) engine(t testing.TB) int {
	t.Helper()
	pid := 0
	until(t, "an engine that encodes", func() bool {
		children, _ := filepath.Glob("/proc/" + strconv.Itoa(d.Process.Pid) + "/task/*/children")
		for _, name := range children {
			body, _ := os.ReadFile(name)
			for _, field := range strings.Fields(string(body)) {
				pid, _ = strconv.Atoi(field)
			}
		}
		return pid != 0 && len(d.outputs()) > 0
	})
	return pid
}

// outputs are the files in the scratch folder that engines write. (Who has them open is
// for root only to see: engines hide.)
func (d *runningDaemon) outputs() []string {
	scratch := ""
	for _, v := range d.Env {
		if value, ok := strings.CutPrefix(v, "MOSAICD_SCRATCH="); ok {
			scratch = value
		}
	}
	names, _ := filepath.Glob(filepath.Join(scratch, "*", "output.*"))
	return names
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// write makes a file and returns its path.
func write(t *testing.T, name, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// hamilton is nine seconds of real footage, where it is.
func hamilton(t *testing.T) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "media", "hamilton.mp4")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no real footage here: %v", err)
	}
	return path
}

// skipWithRace leaves out a test that only encodes where the tests are to be short: with
// the race detector (make race).
func skipWithRace(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long with the race detector, which sees nothing new in it")
	}
}
