package ffmpeg

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// A watch looks after one child from outside: what has gone wrong in there can't be
// asked.
type watch struct {
	pid    int
	output string // what it writes: a file, or a folder of them; empty: nothing
	stall  time.Duration
	memory int64
	kill   func()

	heard  atomic.Int64 // messages
	reason Reason       // why it was killed; empty: it was not
}

// watchEvery is how often it looks. A child can take a few hundred megabytes more
// in that time.
const watchEvery = 200 * time.Millisecond

// told counts what the child says.
func (w *watch) told(progress func(Progress)) func(Progress) {
	return func(p Progress) {
		w.heard.Add(1)
		if progress != nil {
			progress(p)
		}
	}
}

// run watches until ctx ends.
func (w *watch) run(ctx context.Context) {
	if w.stall <= 0 && w.memory <= 0 {
		return
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	type state struct {
		heard   int64
		written outputState
	}
	var done state
	since := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			// What it writes counts as well: at the end the encoder empties itself, and an
			// MP4 is written once more, with nothing to tell.
			if n := (state{w.heard.Load(), w.written()}); n != done {
				done, since = n, now
			}
			switch {
			case w.stall > 0 && now.Sub(since) > w.stall:
				w.reason = ReasonStalled
			case w.memory > 0 && w.resident() > w.memory:
				w.reason = ReasonMemory
			default:
				continue
			}
			w.kill()
			return
		}
	}
}

// An outputState changes whenever a child writes. /proc/PID/io, which counts all that a
// process writes, is not to be read: a child hides from its parent as well.
type outputState struct {
	size     int64
	modified int64
}

func (w *watch) written() outputState {
	info, err := os.Stat(w.output)
	if err != nil {
		return outputState{}
	}
	return outputState{info.Size(), info.ModTime().UnixNano()}
}

// resident is how much memory it has, in bytes.
func (w *watch) resident() int64 {
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", w.pid))
	if err != nil {
		return 0
	}
	if fields := bytes.Fields(body); len(fields) > 1 {
		pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}
