// Command hostile gives files that are strange, broken or made to do harm to the
// engine, and says what became of them: each must end, in time, and with a reason
// that has a name. See docs/reliability.md.
//
//	make fuzz-media
//	go run ./bench/hostile -mutated 1000 -seed 7
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/corpus"
	"github.com/mosaicd/mosaicd/internal/judge"
)

// deadline is that of one file: the engine's own is 30 s without progress.
const deadline = 2 * time.Minute

func main() {
	binary := flag.String("mosaicd", "bin/mosaicd", "the daemon, of which the engine is a part")
	mutated := flag.Int("mutated", 1000, "how many mutated files are given to it besides the corpus")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the mutations")
	workers := flag.Int("workers", runtime.NumCPU(), "files at once")
	verbose := flag.Bool("v", false, "say of each file what became of it")
	flag.Parse()
	fmt.Printf("seed %d\n", *seed)
	if err := run(*binary, *mutated, *seed, *workers, *verbose); err != nil {
		fmt.Fprintf(os.Stderr, "seed %d: %v\n", *seed, err)
		os.Exit(1)
	}
}

func run(binary string, mutated int, seed uint64, workers int, verbose bool) error {
	folder, err := os.MkdirTemp("", "mosaicd-hostile-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	program, err := judge.Path()
	if err != nil {
		return fmt.Errorf("find libav (see make env): %w", err)
	}
	files, err := corpus.Make(folder, program)
	if err != nil {
		return err
	}
	path, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	engine := ffmpeg.NewEngine(path, "engine")
	engine.Stall, engine.MemoryBytes = 30*time.Second, 2<<30
	engine.Sandbox = ffmpeg.Sandbox{MemoryBytes: 12 << 30, CPUSeconds: 600, FileBytes: 1 << 30}

	corpusOutcomes, wrong := outcomes{}, []error(nil)
	for _, f := range files {
		got := work(engine, f.Path)
		corpusOutcomes.add(got)
		if verbose {
			fmt.Printf("%-24s %-20s %v\n", f.Name, got.name, got.err)
		}
		if got.bad != nil || f.Want != "" && got.name != f.Want {
			wrong = append(wrong, fmt.Errorf("%s: %s, want %s: %w", f.Name, got.name, f.Want, got.err))
		}
	}
	fmt.Printf("corpus of %d files: %s\n", len(files), corpusOutcomes)

	if seen, err := trace(engine, path, folder, files); errors.Is(err, exec.ErrNotFound) {
		fmt.Println("not traced:", err)
	} else if err != nil {
		wrong = append(wrong, err)
	} else {
		fmt.Printf("traced: %d opens and network calls from inside the sandbox over the corpus, %d refused, the others of the file itself, its output and random numbers\n", seen.calls, seen.refused)
	}

	var seeds [][]byte
	for _, f := range files {
		if body, err := os.ReadFile(f.Path); err == nil && f.Want == corpus.Done && len(body) < 1<<20 {
			seeds = append(seeds, body)
		}
	}
	all, started := outcomes{}, time.Now()
	var mu sync.Mutex
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for n := w; n < mutated; n += workers {
				chance := rand.New(rand.NewPCG(seed, uint64(n)))
				name := filepath.Join(folder, fmt.Sprintf("mutated-%d", n))
				if err := os.WriteFile(name, corpus.Mutated(seeds[chance.IntN(len(seeds))], chance), 0o600); err != nil {
					mu.Lock()
					wrong = append(wrong, err)
					mu.Unlock()
					return
				}
				got := work(engine, name)
				mu.Lock()
				all.add(got)
				if verbose && got.err != nil {
					fmt.Printf("mutation %d: %s: %v\n", n, got.name, got.err)
				}
				if got.bad != nil || got.crashed {
					kept := filepath.Join(os.TempDir(), fmt.Sprintf("mosaicd-hostile-%d-%d", seed, n))
					_ = os.Rename(name, kept)
					fmt.Printf("mutation %d, kept as %s: %s: %v\n", n, kept, got.name, got.err)
				}
				if got.bad != nil {
					wrong = append(wrong, fmt.Errorf("mutation %d: %w", n, got.bad))
				}
				mu.Unlock()
				os.Remove(name)
			}
		})
	}
	group.Wait()
	if mutated > 0 {
		fmt.Printf("%d mutated files in %.0f s: %s\n", mutated, time.Since(started).Seconds(), all)
	}
	return errors.Join(wrong...)
}

// An outcome is what became of one file.
type outcome struct {
	name    string // done, or the code or reason
	err     error
	crashed bool  // the engine, which is what it is there for
	bad     error // what must not be
}

type outcomes map[string]int

func (o outcomes) add(got outcome) { o[got.name]++ }

func (o outcomes) String() string {
	var all []string
	for _, name := range slices.SortedFunc(maps.Keys(o), func(a, b string) int { return o[b] - o[a] }) {
		all = append(all, fmt.Sprintf("%d %s", o[name], name))
	}
	return strings.Join(all, ", ")
}

// work has the faces in a file covered, as a job does.
func work(engine *ffmpeg.Engine, path string) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	output := path + ".out.mp4"
	defer os.Remove(output)
	const box = `[[[0,0.2,0.2,0.4,0.4],[100000000,0.2,0.2,0.4,0.4]]]`
	_, err := engine.Run(ctx, ffmpeg.Spec{
		Op: ffmpeg.OpMosaic, Input: path, Output: output, Format: "matroska", Tracks: []byte(box), Style: "mosaic", Blocks: 8,
		Video: ffmpeg.Video{Preset: "ultrafast", CRF: 30, Threads: 1},
	}, nil)
	o := outcome{name: corpus.Done, err: err}
	var said *ffmpeg.Error
	var died *ffmpeg.CrashError
	switch {
	case err == nil:
		if info, statErr := os.Stat(output); statErr != nil || info.Size() == 0 {
			o.bad = errors.New("it is said to be done, and there is no output")
		}
	case errors.As(err, &said):
		o.name = string(said.Code)
		if said.Code == "" {
			o.bad = fmt.Errorf("an error without a code: %w", err)
		}
	case errors.As(err, &died):
		o.name, o.crashed = "engine_"+string(died.Reason), true
	default:
		o.name, o.bad = "other", err
	}
	if ctx.Err() != nil {
		o.bad = fmt.Errorf("it took longer than %s: %w", deadline, err)
	}
	return o
}
