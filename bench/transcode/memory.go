package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// memoryByLength prints how much memory it takes at most for videos of several
// lengths: what must not grow with them. One run each will do, as it differs little
// from run to run.
func memoryByLength(o options, lengths string) error {
	all, err := parseLengths(lengths)
	if err != nil {
		return err
	}
	o.seconds = 10 // what the long ones repeat: to make them costs next to nothing
	w, err := prepare(o)
	if err != nil {
		return err
	}
	defer w.remove()
	fmt.Printf("peak memory of mosaicd mosaic --detections, %s, grain %g, three covers on every frame, x264 crf %d; one run each\n", w.size, w.grain, w.crf)
	fmt.Printf("%-10s %10s %12s %12s\n", "preset", "length", "memory", "to the first")
	var first float64
	for _, seconds := range all {
		u, err := w.runOfLength(seconds)
		if err != nil {
			return err
		}
		if first == 0 {
			first = float64(u.memory)
		}
		fmt.Printf("%-10s %8g s %9.1f MB %12.3f\n", w.preset, seconds, float64(u.memory)/1e6, float64(u.memory)/first)
	}
	return nil
}

func parseLengths(lengths string) ([]float64, error) {
	var all []float64
	for field := range strings.SplitSeq(lengths, ",") {
		seconds, err := strconv.ParseFloat(field, 64)
		if err != nil || seconds <= 0 {
			return nil, fmt.Errorf("-lengths %q: must be seconds, like 10,600", lengths)
		}
		all = append(all, seconds)
	}
	return all, nil
}

// runOfLength repeats the source for that long, and covers it. The detections go on
// where it starts again: covers that miss the faces cost the same.
func (w *workspace) runOfLength(seconds float64) (usage, error) {
	long := *w
	long.source, long.detections = filepath.Join(w.folder, "long.mp4"), filepath.Join(w.folder, "long.json")
	if out, err := exec.Command(w.ffmpeg, "-nostdin", "-loglevel", "error", "-y", "-stream_loop", "-1", "-i", w.source,
		"-t", strconv.FormatFloat(seconds, 'f', -1, 64), "-map", "0", "-c", "copy", long.source).CombinedOutput(); err != nil {
		return usage{}, fmt.Errorf("make a source of %g s: %w\n%s", seconds, err, out)
	}
	long.scene.Length = time.Duration(seconds * float64(time.Second))
	if err := os.WriteFile(long.detections, long.scene.Detections(500*time.Millisecond), 0o600); err != nil {
		return usage{}, err
	}
	return measure(long.mosaicdRun().command)
}
