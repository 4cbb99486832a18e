package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mosaicd/mosaicd/jobs"
)

// TestAbortsCleanUp: whichever signal ends a command, it leaves no half-written file and
// says so in its exit code. A progress bar stays where it was.
func TestAbortsCleanUp(t *testing.T) {
	t.Parallel()
	source := video(t, longScene)
	for name, sig := range map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM, "SIGHUP": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, scratch := t.TempDir(), t.TempDir()
			args := append([]string{"mosaic", "--progress", "bar", source, filepath.Join(folder, "out.mp4")}, slowly...)
			cmd := mosaicd([]string{"TMPDIR=" + scratch}, args...)
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var shown bytes.Buffer
			for lines := io.TeeReader(stderr, &shown); !strings.Contains(shown.String(), "covering"); {
				if _, err := lines.Read(make([]byte, 256)); err != nil {
					t.Fatalf("%v: %s", err, shown.String())
				}
			}
			before := shown.Len()
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(&shown, stderr)
			_ = cmd.Wait()
			after := shown.String()[before:]
			if code := cmd.ProcessState.ExitCode(); code != exitSignal+int(sig) || !strings.Contains(after, "interrupted by "+name) || strings.Contains(after, "100%") {
				t.Errorf("exit code %d\n%s", code, after)
			}
			for _, dir := range []string{folder, scratch} {
				if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
					t.Errorf("left in %s: %v, %v", dir, left, err)
				}
			}
		})
	}
}

// TestBrokenPipeCleansUp: nobody reads standard error or output any more (| head).
func TestBrokenPipeCleansUp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		append([]string{"mosaic", "--progress", "json", video(t, longScene), "out.mp4"}, slowly...),
		{"remux", "--progress", "json", video(t, longScene), "out.mkv"},
		{"faces", "detect", "--progress", "json", video(t, longScene)},
	} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd := mosaicd(nil, args...)
			cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), write, write
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			write.Close()
			if _, err := bufio.NewReader(read).ReadString('\n'); err != nil {
				t.Error(err)
			}
			read.Close()
			_ = cmd.Wait()
			done := args[0] == "remux" // which may be before it writes again
			if code := cmd.ProcessState.ExitCode(); code != exitSignal+int(syscall.SIGPIPE) && !(done && code == exitDone) {
				t.Errorf("exit code %d", code)
			}
			left, err := os.ReadDir(cmd.Dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range left {
				if !done || entry.Name() != "out.mkv" {
					t.Errorf("left: %s", entry.Name())
				}
			}
		})
	}
}

// TestSecondSignalReleases: a daemon that is told twice gives its message back before it
// ends, however long it may drain, and another worker has it at once.
func TestSecondSignalReleases(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			d := c.daemon(append([]string{"--drain", "10m", "--visibility", "10m"}, slowly...)...)
			c.put("a.mp4", video(t, longScene))
			d.engine(t)
			for _, event := range []string{"worker_draining", "daemon_stopped"} {
				if err := d.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				until(t, event, func() bool { return len(d.lines(t, event)) == 1 })
			}
			<-d.done
			if code := d.ProcessState.ExitCode(); code != exitSignal+int(sig) {
				t.Errorf("exit code %d", code)
			}
			if len(d.lines(t, "worker_hurried")) != 1 || len(d.lines(t, "message_released")) != 1 {
				t.Error("the log does not say that the message was released")
			}
			out, err := c.sqs.GetQueueAttributes(context.Background(), &sqs.GetQueueAttributesInput{
				QueueUrl: &c.queue, AttributeNames: []sqstypes.QueueAttributeName{"All"},
			})
			if err != nil {
				t.Fatal(err)
			}
			seen, _ := strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"])
			hidden, _ := strconv.Atoi(out.Attributes["ApproximateNumberOfMessagesNotVisible"])
			if seen != 1 || hidden != 0 {
				t.Errorf("%d messages can be seen, %d are hidden", seen, hidden)
			}
			began := time.Now()
			next := c.daemon("--preset", "ultrafast")
			if r := c.result(); r.Status != jobs.StatusSucceeded || time.Since(began) > 5*time.Minute {
				t.Errorf("result is %+v, after %s", r, time.Since(began))
			}
			stop(t, next)
		})
	}
}
