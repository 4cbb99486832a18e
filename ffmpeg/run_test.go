package ffmpeg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// children are what the test binary can be instead of a test: a child of Run.
var children = map[string]func(c *Conversation, s Spec){
	"report": func(c *Conversation, s Spec) {
		for i := range int64(3) {
			c.Progress(Progress{Frames: i + 1, Position: float64(i), Duration: 3})
		}
		end(c, Report{Frames: 3, Source: Media{Format: s.Input}}, nil)
	},
	"fail": func(c *Conversation, _ Spec) {
		end(c, Report{}, fmt.Errorf("work: %w", Errorf(CodeNotVideo, "no video")))
	},
	"disk":   func(c *Conversation, _ Spec) { end(c, Report{}, errors.New("no space left on device")) },
	"silent": func(*Conversation, Spec) {},
	"exit":   func(*Conversation, Spec) { fmt.Fprintln(os.Stderr, "first\nlast words"); os.Exit(3) },
	"fault":  func(*Conversation, Spec) { var p *int; *p = 1 },
	"panic":  func(*Conversation, Spec) { panic("no good") },
	"kill":   func(*Conversation, Spec) { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} },
	"abort":  func(*Conversation, Spec) { _ = syscall.Kill(os.Getpid(), syscall.SIGSEGV); time.Sleep(time.Minute) },
	"babble": func(*Conversation, Spec) { fmt.Println("I am no JSON"); time.Sleep(time.Minute) },
	"for ever": func(c *Conversation, _ Spec) {
		for {
			c.Progress(Progress{Frames: 1})
			time.Sleep(time.Millisecond)
		}
	},
	"big": func(c *Conversation, _ Spec) {
		end(c, Report{Detections: json.RawMessage(`"` + strings.Repeat("x", 20<<20) + `"`)}, nil)
	},
	// It ends well, but what it started keeps its standard output open.
	"leave": func(c *Conversation, _ Spec) {
		left := exec.Command("/bin/sleep", "600")
		left.Stdout = os.Stdout
		if err := left.Start(); err != nil {
			panic(err)
		}
		end(c, Report{Frames: int64(left.Process.Pid)}, nil)
	},
	"hang": func(*Conversation, Spec) { time.Sleep(time.Minute) },
	// It says nothing for a while, but works.
	"write": func(c *Conversation, s Spec) {
		f, err := os.Create(s.Output)
		for range 10 {
			if err != nil {
				panic(err)
			}
			time.Sleep(500 * time.Millisecond)
			_, err = f.WriteString("x")
		}
		end(c, Report{Frames: 10}, f.Close())
	},
	"eat": func(*Conversation, Spec) {
		for all := []byte{}; ; time.Sleep(time.Millisecond) {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20)...)
			runtime.KeepAlive(all)
		}
	},
	// As the Go runtime says it; to have it say so takes another limit on each machine.
	"starve": func(*Conversation, Spec) {
		fmt.Fprintln(os.Stderr, "fatal error: runtime: cannot allocate memory")
		os.Exit(2)
	},
	"spin": func(*Conversation, Spec) {
		if err := unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: 1, Max: 1}); err != nil {
			panic(err)
		}
		for n := 0; n < 2; n = -n {
		}
	},
	"loud": func(*Conversation, Spec) {
		fmt.Fprintln(os.Stderr, strings.Repeat("noise ", 100_000)+"the end")
		os.Exit(1)
	},
	// What a file might have it say that took it over.
	"flood":   func(*Conversation, Spec) { say(bytes.Repeat([]byte("x"), 1<<16)) },
	"numbers": func(*Conversation, Spec) { fmt.Print(`{"report":`); say(bytes.Repeat([]byte("["), 1<<16)) },
	"chatter": func(*Conversation, Spec) { say(bytes.Repeat([]byte(`{"progress":{}}`+"\n"), 1<<12)) },
	"verbose": func(*Conversation, Spec) {
		fmt.Println(`{"progress":{"x":"` + strings.Repeat("x", 1<<16) + `"}}`)
		select {}
	},
	"reports":  func(*Conversation, Spec) { say([]byte(`{"report":{}}` + "\n")) },
	"negative": func(c *Conversation, _ Spec) { end(c, Report{Source: Media{Width: -1}}, nil); select {} },
	"huge":     func(c *Conversation, _ Spec) { end(c, Report{Output: Media{Height: 1 << 20}}, nil); select {} },
	"lament": func(c *Conversation, _ Spec) {
		end(c, Report{}, &Error{Code: "No Code\n", Message: strings.Repeat("ü", 1<<20)})
	},
	"names": func(c *Conversation, _ Spec) {
		long := strings.Repeat("x", 1<<16)
		end(c, Report{Dropped: slices.Repeat([]string{long}, 500), Source: Media{Format: long, Codec: long, Pixels: long}}, nil)
	},
	"environment": func(c *Conversation, _ Spec) { end(c, Report{Dropped: os.Environ()}, nil) },
	// A parent of its own, which tells the process id of its child and waits.
	"parent": func(c *Conversation, s Spec) {
		e := NewEngine(os.Args[0], "for ever")
		e.Started = func(pid int) { _ = os.WriteFile(s.Output, []byte(strconv.Itoa(pid)), 0o600) }
		_, _ = e.Run(context.Background(), Spec{}, nil)
	},
}

// say writes for ever.
func say(what []byte) {
	for {
		if _, err := os.Stdout.Write(what); err != nil {
			panic(err)
		}
	}
}

func end(c *Conversation, r Report, err error) {
	if err := c.End(r, err); err != nil {
		panic(err)
	}
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if child, ok := children[os.Args[1]]; ok {
			c := NewConversation(os.Stdin, os.Stdout)
			s, err := c.Spec()
			if err != nil {
				panic(err)
			}
			child(c, s)
			os.Exit(0)
		}
	}
	goleak.VerifyTestMain(m)
}

func run(child string) (Report, error) {
	return NewEngine(os.Args[0], child).Run(context.Background(), Spec{Op: OpProbe, Input: "in"}, nil)
}

func TestRun(t *testing.T) {
	t.Parallel()
	var heard []Progress
	r, err := NewEngine(os.Args[0], "report").Run(context.Background(), Spec{Op: OpProbe, Input: "in"}, func(p Progress) { heard = append(heard, p) })
	if err != nil || r.Frames != 3 || r.Source.Format != "in" {
		t.Errorf("%+v, %v", r, err)
	}
	if want := []Progress{{1, 0, 3}, {2, 1, 3}, {3, 2, 3}}; !reflect.DeepEqual(heard, want) {
		t.Errorf("progress was %v", heard)
	}
}

func TestRunTellsErrorsApart(t *testing.T) {
	t.Parallel()
	var said *Error
	if _, err := run("fail"); !errors.As(err, &said) || said.Code != CodeNotVideo || said.Message != "work: no video" || !said.InFile() {
		t.Errorf("error is %#v", err)
	}
	if _, err := run("disk"); !errors.As(err, &said) || said.Code != CodeEngine || said.InFile() {
		t.Errorf("error is %#v", err)
	}
	for child, want := range map[string]struct{ signal, says string }{
		"silent": {"", "engine crashed (exit code 0)"},
		"exit":   {"", "engine crashed (exit code 3): last words"},
		"fault":  {"SIGSEGV", "engine crashed (SIGSEGV): panic: runtime error: invalid memory address"},
		"panic":  {"", "engine crashed (exit code 2): panic: no good"},
		"kill":   {"SIGKILL", "engine crashed (killed, SIGKILL)"},
		"abort":  {"SIGSEGV", "engine crashed (SIGSEGV)"},
	} {
		t.Run(child, func(t *testing.T) {
			t.Parallel()
			_, err := run(child)
			var crash *CrashError
			if !errors.As(err, &crash) || crash.Signal != want.signal || !strings.HasPrefix(err.Error(), want.says) {
				t.Errorf("error is %v (%+v), want %q", err, crash, want.says)
			}
		})
	}
}

// TestRunBounds: whatever a child does, it ends, and why is known.
func TestRunBounds(t *testing.T) {
	t.Parallel()
	for child, want := range map[string]Reason{
		"hang": ReasonStalled, "for ever": "", "write": "", "eat": ReasonMemory, "starve": ReasonMemory, "spin": ReasonCPUTime,
	} {
		t.Run(child, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			e := NewEngine(os.Args[0], child)
			e.Stall, e.MemoryBytes, e.Sandbox.CPUSeconds = 3*time.Second, 256<<20, 1
			if want == ReasonCPUTime {
				e.Stall = time.Minute // the machine may have other things to do
			}
			heard := 0
			_, err := e.Run(ctx, Spec{Output: filepath.Join(t.TempDir(), "out")}, func(Progress) {
				if heard++; heard == 5000 { // five seconds of progress
					cancel()
				}
			})
			crash, crashed := errors.AsType[*CrashError](err)
			switch {
			case want != "" && (!crashed || crash.Reason != want):
				t.Errorf("error is %v, want %s", err, want)
			case want == "" && crashed:
				t.Errorf("was stopped: %v", err)
			}
		})
	}
}

func TestRunDoesNotWaitForNonsense(t *testing.T) {
	t.Parallel()
	started := time.Now()
	if _, err := run("babble"); err == nil {
		t.Error("nonsense was taken for a report")
	}
	if took := time.Since(started); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestRunBoundsWhatIsSaid: a child can't make its parent keep, or print, whatever it
// likes.
func TestRunBoundsWhatIsSaid(t *testing.T) {
	t.Parallel()
	for _, child := range []string{"flood", "numbers", "chatter", "verbose", "reports", "negative", "huge", "babble"} {
		t.Run(child, func(t *testing.T) {
			t.Parallel()
			_, err := run(child)
			crash, ok := errors.AsType[*CrashError](err)
			if !ok || crash.Reason != ReasonOutput || len(err.Error()) > 200 {
				t.Errorf("error is %.300v", err)
			}
		})
	}
	_, err := run("lament")
	said, ok := errors.AsType[*Error](err)
	if !ok || said.Code != CodeEngine || len(said.Message) > maxTextBytes || !strings.HasPrefix(said.Message, "üüü") || !strings.HasSuffix(said.Message, "ü…") {
		t.Errorf("error is %.100v", err)
	}
	r, err := run("names")
	if err != nil || len(r.Dropped) != maxDropped || len(r.Dropped[0]) > maxTextBytes ||
		max(len(r.Source.Format), len(r.Source.Codec), len(r.Source.Pixels)) > maxTextBytes {
		t.Errorf("%d streams, %v", len(r.Dropped), err)
	}
}

// TestListenKeepsLittle: however much is said, no more than one message is kept, and
// that of a bounded size.
func TestListenKeepsLittle(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]io.Reader{
		"a line": &endless{[]byte("x")}, "lines": &endless{[]byte(`{"progress":{"frames":1}}` + "\n")},
	} {
		counted := &counter{from: from}
		if _, err := listen(counted, func(Progress) {}); !errors.Is(err, errTooMuch) || counted.n > maxSpokenBytes+1<<20 {
			t.Errorf("%s: %v after %d bytes", name, err, counted.n)
		}
	}
}

// endless says the same again and again.
type endless struct{ what []byte }

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n+len(e.what) <= len(p) {
		n += copy(p[n:], e.what)
	}
	return n, nil
}

type counter struct {
	from io.Reader
	n    int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += n
	return n, err
}

func TestRunStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(context.Background())
	because := errors.New("enough")
	pid := 0
	e := NewEngine(os.Args[0], "for ever")
	e.Started = func(p int) { pid = p }
	_, err := e.Run(ctx, Spec{}, func(Progress) { cancel(because) })
	if !errors.Is(err, because) {
		t.Errorf("error is %v", err)
	}
	if syscall.Kill(pid, 0) == nil {
		t.Error("the child is still there")
	}
}

func TestRunBigReport(t *testing.T) {
	t.Parallel()
	r, err := run("big")
	if err != nil || len(r.Detections) != 20<<20+2 {
		t.Errorf("%d bytes, %v", len(r.Detections), err)
	}
}

func TestRunKeepsTheLastWords(t *testing.T) {
	t.Parallel()
	_, err := run("loud")
	var crash *CrashError
	if !errors.As(err, &crash) || len(crash.Stderr) > stderrTail || !strings.HasSuffix(crash.Stderr, "the end\n") {
		t.Errorf("error is %v", err)
	}
}

func TestRunKeepsSecrets(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	r, err := run("environment")
	if err != nil || !slices.Equal(r.Dropped, childEnvironment) {
		t.Errorf("the child's environment is %v, %v", r.Dropped, err)
	}
}

func TestRunWithoutABinary(t *testing.T) {
	t.Parallel()
	_, err := NewEngine(filepath.Join(t.TempDir(), "missing")).Run(context.Background(), Spec{}, nil)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "start the engine") {
		t.Errorf("error is %v", err)
	}
}

// TestChildDiesWithItsParent: nobody is left who could stop it.
func TestChildDiesWithItsParent(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	parent := exec.Command(os.Args[0], "parent")
	parent.Stdin = strings.NewReader(fmt.Sprintf(`{"op":"probe","input":"","output":%q,"video":{"crf":0}}`, file))
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	child := 0
	until(t, "the child to start", func() bool {
		body, _ := os.ReadFile(file)
		child, _ = strconv.Atoi(string(body))
		return child != 0
	})
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	until(t, "the child to die", func() bool { return syscall.Kill(child, 0) != nil })
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestRunDoesNotWaitForWhatTheChildLeft(t *testing.T) {
	t.Parallel()
	r, err := run("leave")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(int(r.Frames), syscall.SIGKILL); err != nil {
		t.Errorf("what the child started had ended before: %v", err)
	}
}
