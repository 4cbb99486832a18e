package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stderrTail is how much of what the child said last is kept.
const stderrTail = 16 << 10

// childEnvironment has nothing of ours, no credentials and no proxy. It has C's allocator
// give back what is freed: libav's threads would have an arena each, full of holes that
// packets leave, which took a tenth to a fifth more memory and grew with the length of
// the video. From a MiB on, pictures and indexes are mapped one by one.
// https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html
var childEnvironment = []string{"MALLOC_ARENA_MAX=1", "MALLOC_MMAP_THRESHOLD_=1048576"}

// An Engine starts a child for each piece of work. It may be used by several
// goroutines at once.
type Engine struct {
	path string
	args []string
	// Sandbox is that of each child.
	Sandbox Sandbox
	// Stall is how long a child may do nothing that shows: no progress, and no byte
	// written. Then it is killed. 0: for ever.
	Stall time.Duration
	// MemoryBytes is how much memory a child may have before it is killed. 0: any.
	// Sandbox.MemoryBytes, which the kernel holds it to, is of address space: much of
	// that is never used.
	MemoryBytes int64
	// Started is told the process id of each child; nil: nobody wants to know.
	Started func(pid int)
}

// NewEngine returns an Engine whose children run path with args.
func NewEngine(path string, args ...string) *Engine {
	return &Engine{path: path, args: args}
}

// Self returns an Engine whose children are this binary, with args.
func Self(args ...string) (*Engine, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the engine's binary: %w", err)
	}
	return NewEngine(path, args...), nil
}

// Run starts a child, gives it the spec and waits for its end. Progress is
// called from one goroutine and may be nil.
//
// The error is an *Error where the child could say what is wrong, a *CrashError
// where it could not, and ctx's cause when that ended: the child is killed then.
// It is also killed when this process dies.
func (e *Engine) Run(ctx context.Context, spec Spec, progress func(Progress)) (Report, error) {
	spec.Sandbox = e.Sandbox
	work, err := spec.reader()
	if err != nil {
		return Report{}, fmt.Errorf("encode the engine's work: %w", err)
	}

	// The kernel sends Pdeathsig when the thread that started the child ends,
	// so this goroutine keeps its thread for as long as the child lives.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	running, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(running, e.path, e.args...)
	cmd.Env = childEnvironment
	cmd.Stdin = work
	stderr := &tail{limit: stderrTail}
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	// Not StdoutPipe: reading that to its end would wait for whatever the child
	// left behind with the pipe in its hands, which WaitDelay does not.
	stdout, toStdout := io.Pipe()
	cmd.Stdout = toStdout
	if err := cmd.Start(); err != nil {
		return Report{}, fmt.Errorf("start the engine: %w", err)
	}
	if e.Started != nil {
		e.Started(cmd.Process.Pid)
	}

	var last message
	var readErr error
	heard := make(chan struct{})
	w := &watch{pid: cmd.Process.Pid, output: spec.Output, stall: e.Stall, memory: e.MemoryBytes, kill: stop}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		w.run(running)
	}()
	go func() {
		defer close(heard)
		if last, readErr = listen(stdout, w.told(progress)); readErr != nil {
			stop() // nothing more that it says is worth waiting for
			_, _ = io.Copy(io.Discard, stdout)
		}
	}()
	waitErr := cmd.Wait()
	toStdout.Close()
	<-heard
	stop()
	<-watched
	if errors.Is(waitErr, exec.ErrWaitDelay) {
		waitErr = nil // the child ended well; only what it left behind did not
	}
	switch {
	case ctx.Err() != nil && (last.Report == nil || waitErr != nil):
		return Report{}, fmt.Errorf("engine stopped: %w", context.Cause(ctx))
	case readErr != nil && !errors.Is(readErr, io.ErrUnexpectedEOF): // that is a crash in the middle of a line
		died := e.crash(cmd.ProcessState, stderr.String())
		died.Reason, died.Err = ReasonOutput, readErr
		return Report{}, died
	case w.reason != "":
		died := e.crash(cmd.ProcessState, stderr.String())
		died.Reason = w.reason
		return Report{}, died
	case last.Error != nil:
		return Report{}, last.Error
	case waitErr != nil || readErr != nil || last.Report == nil:
		return Report{}, e.crash(cmd.ProcessState, stderr.String())
	}
	return *last.Report, nil
}

// A fault inside C code reaches us as the Go runtime's report of it and exit
// code 2, not as the signal itself.
var (
	faultLine  = regexp.MustCompile(`(?m)^(?:\[signal )?(SIG[A-Z]+): `)
	memoryLine = regexp.MustCompile(`(?im)(out of memory|cannot allocate memory)`)
)

func (e *Engine) crash(state *os.ProcessState, stderr string) *CrashError {
	died := &CrashError{Reason: ReasonCrashed, ExitCode: state.ExitCode(), Stderr: stderr}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		died.Signal = unix.SignalName(ws.Signal())
	} else if m := faultLine.FindStringSubmatch(stderr); m != nil {
		died.Signal = m[1]
	}
	switch {
	case memoryLine.MatchString(stderr):
		died.Reason = ReasonMemory
	case died.Signal == "SIGKILL" && e.spent(state):
		died.Reason = ReasonCPUTime
	case died.Signal == "SIGKILL":
		died.Reason = ReasonKilled
	}
	return died
}

// spent reports whether a child has used up its CPU time. The kernel's two ways of
// counting that differ.
func (e *Engine) spent(state *os.ProcessState) bool {
	limit := time.Duration(e.Sandbox.CPUSeconds) * time.Second
	return limit > 0 && state.UserTime()+state.SystemTime() >= limit-limit/4
}

// A tail keeps the last bytes written to it.
type tail struct {
	limit int
	buf   []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - t.limit; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.buf) }
