package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mosaicd/mosaicd/internal/sample"
	"github.com/mosaicd/mosaicd/jobs"
)

// tmpfs mounts a file system of so many bytes; who may not leaves the test out.
func tmpfs(t *testing.T, bytes int64) string {
	t.Helper()
	folder := t.TempDir()
	err := unix.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%d,mode=1777", bytes))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		t.Skip("only root may mount a file system here")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(folder, unix.MNT_DETACH) })
	return folder
}

// address is one that nobody listens on.
func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func ask(url string) (status int, body string) {
	r, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	said, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(said)
}

// TestUnfitDaemonTakesNothing: a scratch folder that is read-only, full or gone costs no
// message a receive, or one, and /readyz says why. When it is well again, everything is worked.
func TestUnfitDaemonTakesNothing(t *testing.T) {
	t.Parallel()
	type trouble struct {
		make        func(t *testing.T) (folder string)
		spoil, mend func(folder string) error
		later       bool // it comes when the daemon runs already
		says        string
	}
	for name, ca := range map[string]trouble{
		"read-only": {
			make:  func(t *testing.T) string { return tmpfs(t, 200<<20) },
			spoil: func(f string) error { return unix.Mount("", f, "", unix.MS_REMOUNT|unix.MS_RDONLY, "") },
			mend:  func(f string) error { return unix.Mount("", f, "", unix.MS_REMOUNT, "") },
			says:  "read-only file system",
		},
		"full": {
			make: func(t *testing.T) string { return tmpfs(t, 96<<20) },
			spoil: func(f string) error {
				return os.WriteFile(filepath.Join(f, "else"), make([]byte, 40<<20), 0o600)
			},
			mend: func(f string) error { return os.Remove(filepath.Join(f, "else")) },
			says: "at least 67108864 are needed",
		},
		"gone": {
			make:  func(t *testing.T) string { return filepath.Join(t.TempDir(), "scratch") },
			spoil: os.RemoveAll,
			mend:  func(f string) error { return os.Mkdir(f, 0o700) },
			later: true,
			says:  "no such file or directory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, folder, at := newCloud(t), ca.make(t), address(t)
			spoil := func() {
				if err := ca.spoil(folder); err != nil {
					t.Fatal(err)
				}
			}
			if !ca.later {
				spoil()
			}
			d := c.daemon("--preset", "ultrafast", "--no-verify", "--scratch", folder, "--http-addr", at, "--emf")
			until(t, "the daemon", func() bool { return len(d.lines(t, "daemon_started")) > 0 })
			if ca.later {
				spoil()
			}
			for i := range 3 {
				c.put(fmt.Sprintf("%d.mp4", i), video(t, shortScene))
			}
			until(t, "the daemon to say no", func() bool {
				status, _ := ask("http://" + at + "/readyz")
				return status == http.StatusServiceUnavailable
			})
			if _, body := ask("http://" + at + "/readyz"); !strings.Contains(body, ca.says) || !strings.Contains(body, folder) {
				t.Errorf("/readyz says %s", body)
			}
			if status, body := ask("http://" + at + "/healthz"); status != http.StatusOK {
				t.Errorf("/healthz says %d, %s", status, body)
			}
			if _, body := ask("http://" + at + "/metrics"); !strings.Contains(body, "mosaicd_unfit 1") {
				t.Error("the metric doesn't say so")
			}
			if n := c.waiting(c.queue); n != 3 {
				t.Errorf("%d messages in the queue", n)
			}
			if log, err := os.ReadFile(d.log); err != nil || !bytes.Contains(log, []byte(`"Unfit":1`)) {
				t.Error("CloudWatch is not told")
			}
			if err := ca.mend(folder); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if r := c.result(); r.Status != jobs.StatusSucceeded {
					t.Errorf("result is %+v, %+v", r, r.Error)
				}
			}
			until(t, "the messages to be done", func() bool { return len(d.lines(t, "message_done")) == 3 })
			receives := 0.0
			for _, line := range d.lines(t, "message_done") {
				n, _ := line["receive_count"].(float64)
				receives += n
			}
			if receives > 5 || !ca.later && receives != 3 {
				t.Errorf("3 messages were received %v times", receives)
			}
			t.Logf("3 messages were received %v times", receives)
			if status, _ := ask("http://" + at + "/readyz"); status != http.StatusOK {
				t.Errorf("/readyz says %d", status)
			}
			if len(d.lines(t, "machine_recovered")) == 0 {
				t.Error("the log does not say that it is well again")
			}
		})
	}
}

// TestSourceForWhichThereIsNoRoom: the machine is well, the source is too large for it. That
// ends.
func TestSourceForWhichThereIsNoRoom(t *testing.T) {
	t.Parallel()
	c, folder, at := newCloud(t), tmpfs(t, 100<<20), address(t)
	d := c.daemon("--scratch", folder, "--http-addr", at, "--max-attempts", "2")
	c.put("large.mp4", write(t, "large.mp4", strings.Repeat("x", 20<<20)))
	r := c.result()
	if r.Status != jobs.StatusFailed || r.Error.Code != "disk_full" || !strings.Contains(r.Error.Message, "(in 2 attempts)") {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
	if status, body := ask("http://" + at + "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz says %d, %s", status, body)
	}
	stop(t, d)
}

// TestWorkThatIsTooLarge is refused before it begins.
func TestWorkThatIsTooLarge(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.environ = append(c.environ, "GOMAXPROCS=1") // the estimate is by cores
	d := c.daemon("--preset", "placebo", "--max-work", "30s")
	c.put("a.mp4", video(t, sample.Scene{Size: image.Pt(960, 540), Rate: 25, Length: 8 * time.Second}))
	r := c.result()
	if r.Status != jobs.StatusFailed || r.Error.Code != jobs.CodeWorkTooLarge || !strings.Contains(r.Error.Message, "about 200 frames of 960x540 pixels") {
		t.Errorf("result is %+v, %+v", r, r.Error)
	}
	t.Log(r.Error.Message)
	stop(t, d)
}
