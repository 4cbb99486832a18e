// Command chaos kills, stops and freezes workers, and holds what they did against
// what is promised: it starts real daemons against an AWS on loopback, records every
// call of theirs that changed something, and checks the record. See
// docs/reliability.md.
//
//	make chaos
//	go run ./bench/chaos -kills 1000 -points 3 -stops 200 -freezes 100
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg/libav"
)

type options struct {
	binary, failing       string
	kills, stops, freezes int
	scale                 int
	overwrites, keys      int
	points, uploads, soak int
	outage                time.Duration
	seed                  uint64
	random                *rand.Rand
}

// points are the names of the fail points, in the order in which a job comes past
// them.
var points = []string{"received", "claimed", "downloaded", "encoded", "uploaded", "stepped", "noted", "published", "created", "handled", "deleted"}

func main() {
	var o options
	flag.StringVar(&o.binary, "mosaicd", "bin/mosaicd", "the daemon")
	flag.StringVar(&o.failing, "failing", "bin/mosaicd-failpoint", "the same, built with the tag failpoint")
	flag.IntVar(&o.kills, "kills", 100, "how often a worker is killed (SIGKILL) at a random moment")
	flag.IntVar(&o.points, "points", 1, "how often a worker is killed at each fail point")
	flag.IntVar(&o.stops, "stops", 10, "how often a worker is stopped (SIGTERM) at a random moment")
	flag.IntVar(&o.freezes, "freezes", 4, "how many workers are frozen (SIGSTOP) for longer than their lease")
	flag.IntVar(&o.uploads, "uploads", 40, "how many videos are uploaded for the kills")
	flag.IntVar(&o.overwrites, "overwrites", 10, "how often a worker is killed (SIGKILL) while the same keys are uploaded again and again")
	flag.IntVar(&o.keys, "keys", 50, "how many keys are uploaded again and again, at most 64")
	flag.IntVar(&o.soak, "soak", 50, "how many jobs one worker is given to see whether it grows")
	flag.IntVar(&o.scale, "scale", 0, "how many jobs are given to one, two, three and four workers, to see whether they do more together")
	flag.DurationVar(&o.outage, "outage", 5*time.Second, "how long AWS is out of reach, in each of several ways; 0: not at all")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "of the random moments")
	flag.Parse()
	libav.Quiet()
	o.random = rand.New(rand.NewPCG(o.seed, 0))
	fmt.Printf("seed %d\n", o.seed)
	for _, run := range []struct {
		name string
		do   func(context.Context, options) (string, error)
		n    int
	}{{"kills", kills, o.kills}, {"fail points", failPoints, o.points}, {"stops", stops, o.stops}, {"freezes", freezes, o.freezes}, {"overwrites", overwrites, o.overwrites}, {"outages", outages, int(o.outage)}, {"soak", soak, o.soak}, {"scale", scale, o.scale}} {
		if run.n == 0 {
			continue
		}
		started := time.Now()
		said, err := run.do(context.Background(), o)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s, seed %d: %v\n", run.name, o.seed, err)
			os.Exit(1)
		}
		fmt.Printf("%-12s %s (%.0f s)\n", run.name, said, time.Since(started).Seconds())
	}
}

// both has the faces covered and then renditions made, by MediaConvert.
const both = "{version: 1, routes: [{name: all, match: {suffix: .mp4}, steps: [mosaic, transcode]}]}"

// A place is what a world is made for.
type place struct {
	binary  string
	workers int
	routes  string
	steps   int           // results of each upload
	delay   time.Duration // of each call

	// For worlds of another kind: what Rekognition finds, when all has ended, and what
	// is checked then.
	faces   func(context.Context, []byte) ([]byte, error)
	settled func() bool
	check   func(context.Context) error
}

// within makes a world with so many workers, has something done in it, and checks
// when all has come to rest and the workers were stopped.
func within(ctx context.Context, binary string, workers int, do func(context.Context, *world, []*node) error) (counts, error) {
	return at(ctx, place{binary: binary, workers: workers, routes: both, steps: 2}, do)
}

func at(ctx context.Context, p place, do func(context.Context, *world, []*node) error) (counts, error) {
	path, err := filepath.Abs(p.binary)
	if err != nil {
		return counts{}, err
	}
	w, err := newWorld(ctx, path, p.routes, p.faces)
	if err != nil {
		return counts{}, err
	}
	defer w.close()
	w.record.delay, w.settled = p.delay, p.settled
	ctx, cancel := context.WithCancel(ctx)
	var collecting sync.WaitGroup
	collecting.Go(func() {
		if err := w.collect(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "collect:", err)
		}
	})
	var nodes []*node
	for id := range p.workers {
		n, err := w.node(id)
		if err != nil {
			cancel()
			return counts{}, err
		}
		nodes = append(nodes, n)
	}
	c, err := counts{}, do(ctx, w, nodes)
	if err == nil {
		err = w.settle(ctx, 10*time.Minute)
	}
	for _, n := range nodes {
		if n.cmd != nil && n.cmd.ProcessState == nil {
			if _, stopErr := n.stop(); stopErr != nil {
				err = errors.Join(err, fmt.Errorf("worker %d: %w", n.id, stopErr))
			}
		}
	}
	cancel()
	collecting.Wait()
	switch {
	case err != nil:
	case p.check != nil:
		err = p.check(context.Background())
	default:
		c, err = w.check(context.Background(), p.steps)
	}
	if err != nil {
		err = fmt.Errorf("%w\nlogs are in %s", err, w.keep())
	}
	return c, err
}

// kills kills one of two workers again and again, while there is work.
func kills(ctx context.Context, o options) (string, error) {
	done := 0
	c, err := within(ctx, o.binary, 2, func(ctx context.Context, w *world, nodes []*node) error {
		for _, n := range nodes {
			if err := n.start(); err != nil {
				return err
			}
		}
		uploaded := 0
		for done < o.kills {
			// There is always something to do.
			for uploaded < o.uploads && uploaded-w.ended() < 8 || uploaded-w.ended() == 0 {
				if err := w.upload(ctx, fmt.Sprintf("kill-%d", uploaded)); err != nil {
					return err
				}
				uploaded++
			}
			time.Sleep(time.Duration(o.random.IntN(900)) * time.Millisecond)
			n := nodes[o.random.IntN(len(nodes))]
			n.kill()
			done++
			if err := n.start(); err != nil {
				return err
			}
		}
		return nil
	})
	return fmt.Sprintf("%d: %d uploads, %d results, %d of them published again, %d cloud jobs", done, c.uploads, c.results, c.again, c.cloudJobs), err
}

// failPoints kills a worker at each named place.
func failPoints(ctx context.Context, o options) (string, error) {
	died := 0
	c, err := within(ctx, o.failing, 2, func(ctx context.Context, w *world, nodes []*node) error {
		failing, well := nodes[0], nodes[1]
		for round := range o.points {
			for _, point := range points {
				if err := w.upload(ctx, fmt.Sprintf("%s-%d", point, round)); err != nil {
					return err
				}
				failing.failAt = point
				if err := failing.start(); err != nil {
					return err
				}
				select {
				case <-failing.done:
				case <-time.After(3 * time.Minute):
					return fmt.Errorf("no job came past fail point %s", point)
				}
				if ws, ok := failing.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGKILL {
					return fmt.Errorf("at fail point %s the worker ended with %s", point, failing.cmd.ProcessState)
				}
				died++
			}
		}
		failing.failAt = ""
		return errors.Join(failing.start(), well.start())
	})
	return fmt.Sprintf("%d deaths at %d points: %d uploads, %d results, %d of them published again, %d cloud jobs", died, len(points), c.uploads, c.results, c.again, c.cloudJobs), err
}

// stops asks a worker to stop, while there is work: nothing stays hidden, and nothing
// is left behind.
func stops(ctx context.Context, o options) (string, error) {
	var longest time.Duration
	c, err := within(ctx, o.binary, 1, func(ctx context.Context, w *world, nodes []*node) error {
		n, uploaded := nodes[0], 0
		for trial := range o.stops {
			for uploaded-w.ended() < 3 {
				if err := w.upload(ctx, fmt.Sprintf("stop-%d", uploaded)); err != nil {
					return err
				}
				uploaded++
			}
			if err := n.start(); err != nil {
				return err
			}
			time.Sleep(time.Duration(o.random.IntN(1500)) * time.Millisecond)
			took, err := n.stop()
			if err != nil {
				return fmt.Errorf("stop %d: %w", trial, err)
			}
			longest = max(longest, took)
			for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				_, hidden, err := w.messages(ctx, w.queue)
				if err != nil {
					return err
				}
				if hidden == 0 {
					break
				}
				if time.Now().After(deadline) {
					return fmt.Errorf("stop %d: 5 s later %d messages are hidden", trial, hidden)
				}
			}
			if err := w.clean(ctx); err != nil {
				return fmt.Errorf("stop %d: %w", trial, err)
			}
		}
		return n.start()
	})
	return fmt.Sprintf("%d, the longest took %.1f s: %d uploads, %d results, %d of them published again", o.stops, longest.Seconds(), c.uploads, c.results, c.again), err
}

// freezes has workers sleep for longer than their lease in the middle of a job, and
// others finish it.
func freezes(ctx context.Context, o options) (string, error) {
	const herd = 10
	late := 0
	total := counts{}
	for left := o.freezes; left > 0; left -= herd {
		size := min(left, herd)
		c, err := within(ctx, o.binary, size+1, func(ctx context.Context, w *world, nodes []*node) error {
			frozen, well := nodes[:size], nodes[size]
			for i := range size {
				if err := w.upload(ctx, fmt.Sprintf("freeze-%d-%d", left, i)); err != nil {
					return err
				}
			}
			var all sync.WaitGroup
			for _, n := range frozen {
				if err := n.start(); err != nil {
					return err
				}
			}
			moments := make([]time.Duration, size)
			for i := range moments {
				moments[i] = 150*time.Millisecond + time.Duration(o.random.IntN(2500))*time.Millisecond
			}
			for i, n := range frozen {
				all.Go(func() {
					time.Sleep(moments[i])
					_ = n.cmd.Process.Signal(syscall.SIGSTOP)
				})
			}
			all.Wait()
			time.Sleep(visibility + 3*time.Second)
			if err := well.start(); err != nil {
				return err
			}
			if err := w.settle(ctx, 10*time.Minute); err != nil {
				return err
			}
			thawed := time.Now()
			for _, n := range frozen {
				_ = n.cmd.Process.Signal(syscall.SIGCONT)
			}
			time.Sleep(5 * time.Second)
			for _, call := range w.record.all() {
				if call.worker != well.id && call.asked.After(thawed) && (call.what == "publish" || call.what == "put" || call.what == "create") {
					late++
					return fmt.Errorf("a worker that had lost its lease did %s", call)
				}
			}
			return nil
		})
		if err != nil {
			return "", err
		}
		total.uploads += c.uploads
		total.results += c.results
		total.again += c.again
	}
	return fmt.Sprintf("%d: %d uploads, %d results, %d of them published again, %d calls by a worker that had lost its lease", o.freezes, total.uploads, total.results, total.again, late), nil
}
