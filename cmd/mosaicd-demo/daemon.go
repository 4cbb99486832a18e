package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// findMosaicd returns the path of the program: the one that was named, the one beside
// this one, or the one on the PATH.
func findMosaicd(named string) (string, error) {
	if named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", usagef("--mosaicd: %w", err)
		}
		return path, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find mosaicd: %w", err)
	}
	beside := filepath.Join(filepath.Dir(self), "mosaicd")
	if path, err := exec.LookPath(beside); err == nil {
		return path, nil
	}
	path, err := exec.LookPath("mosaicd")
	if err != nil {
		return "", usagef("mosaicd is neither at %s nor on the PATH: build it (make build), or name it with --mosaicd", beside)
	}
	return path, nil
}

// A logLine is what the demo reads of a line of the daemon's log.
type logLine struct {
	Level   string  `json:"level"`
	Event   string  `json:"event"`
	Error   string  `json:"error"`
	Phase   string  `json:"phase"`
	Percent float64 `json:"percent"`
	Speed   float64 `json:"frames_per_second"`
}

// A daemon is a "mosaicd run" that dies with this process.
type daemon struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process is gone
	err   error         // then: why, where it was not well
}

// startDaemon starts "mosaicd run" with an environment and arguments. It copies the log
// to a writer and shows each line of it.
func startDaemon(path string, environ []string, log io.Writer, show func(logLine), args ...string) (*daemon, error) {
	d := &daemon{cmd: exec.Command(path, append([]string{"run"}, args...)...), ended: make(chan struct{})}
	d.cmd.Env = environ
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	stderr, toStderr := io.Pipe()
	d.cmd.Stderr = toStderr
	d.cmd.WaitDelay = 5 * time.Second
	started := make(chan error)
	go func() {
		defer close(d.ended)
		// The kernel sends Pdeathsig when the thread that started the child ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := d.cmd.Start()
		started <- err
		if err == nil {
			d.err = d.cmd.Wait()
		}
		toStderr.Close()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s run: %w", path, err)
	}
	go func() {
		lines := bufio.NewReader(io.TeeReader(stderr, log))
		for {
			body, err := lines.ReadBytes('\n')
			var line logLine
			if json.Unmarshal(body, &line) == nil {
				show(line)
			}
			if err != nil {
				return
			}
		}
	}()
	return d, nil
}

// errEnded is the cause of a context whose daemon ended early.
var errEnded = errors.New("mosaicd run ended before the video was done")

// watch returns a context that ends with the daemon.
func (d *daemon) watch(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-d.ended:
			cancel(errEnded)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// stop asks the daemon to end, closes what it polls, and waits.
func (d *daemon) stop(services func() error) error {
	asked := d.cmd.Process.Signal(syscall.SIGTERM)
	if errors.Is(asked, os.ErrProcessDone) {
		asked = nil
	}
	// A worker waits for its last poll of the queue, up to 20 s, as a message may come of
	// it. Here everything ends with us: the poll is cut off.
	closed := services()
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.ended
	}
	return errors.Join(asked, closed)
}
