package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/corpus"
)

// looked is what the engine did outside while it worked a file.
type looked struct{ calls, refused int }

var (
	opened  = regexp.MustCompile(`open(?:at|at2)?\((?:AT_FDCWD, )?"([^"]*)"[^)]*\)?\s+= (-?\d+)`)
	network = regexp.MustCompile(`\b(socket|connect|bind|sendto|sendmsg|accept4?|listen)\(.*= (-?\d+)`)
	entered = "seccomp(SECCOMP_SET_MODE_FILTER"
)

// trace has the kernel say what the engine opens and whom it speaks to, from when it
// is shut in. It complains about all that is not the job's own.
func trace(engine *ffmpeg.Engine, binary, folder string, files []corpus.File) (looked, error) {
	var sum looked
	strace, err := exec.LookPath("strace")
	if err != nil {
		return sum, fmt.Errorf("no strace here: %w", err)
	}
	for i, f := range files {
		log := filepath.Join(folder, fmt.Sprintf("trace-%d", i))
		traced := ffmpeg.NewEngine(strace, "-f", "-qq", "-e", "trace=%network,open,openat,openat2,seccomp", "-o", log, binary, "engine")
		traced.Sandbox, traced.Stall = engine.Sandbox, time.Minute
		// It takes memory of its own kind from each.
		got := work(traced, f.Path)
		if got.bad != nil {
			return sum, fmt.Errorf("%s: %w", f.Name, got.bad)
		}
		if err := judgeTrace(log, f.Path, &sum); err != nil {
			return sum, fmt.Errorf("%s: %w", f.Name, err)
		}
		os.Remove(log)
	}
	return sum, nil
}

func judgeTrace(log, own string, sum *looked) error {
	f, err := os.Open(log)
	if err != nil {
		return err
	}
	defer f.Close()
	inside := false
	begun := map[string]string{} // by thread, what is not answered yet
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		thread, rest, _ := strings.Cut(line, " ")
		if before, cut := strings.CutSuffix(rest, " <unfinished ...>"); cut {
			begun[thread] = before
			continue
		}
		if _, after, resumed := strings.Cut(rest, "resumed>"); resumed {
			line = thread + " " + begun[thread] + after
		}
		if strings.Contains(line, entered) {
			inside = true
			continue
		}
		if !inside {
			continue
		}
		if m := network.FindStringSubmatch(line); m != nil {
			sum.calls++
			if m[2] != "-1" {
				return fmt.Errorf("it spoke to somebody: %s", line)
			}
			sum.refused++
		}
		if m := opened.FindStringSubmatch(line); m != nil {
			sum.calls++
			switch {
			case m[2] == "-1":
				sum.refused++
			case m[1] == "/dev/urandom": // the sandbox lets muxers number their tracks
			case m[1] != own && m[1] != own+".out.mp4":
				return fmt.Errorf("it opened %s", line)
			}
		}
	}
	if !inside {
		return fmt.Errorf("it was never shut in")
	}
	return lines.Err()
}
