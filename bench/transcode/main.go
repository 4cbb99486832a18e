// Command transcode measures what the mosaic costs: it runs "mosaicd mosaic" with
// three faces on every frame, and the plain ffmpeg command line without any
// cover, on the same file with the same x264 settings, in turn, and prints the
// medians and their ratios.
//
//	make bench
//	go run ./bench/transcode -size 1280x720 -preset veryfast -runs 3
//	go run ./bench/transcode -capacity ultrafast,veryfast,medium -runs 3
package main

import (
	"cmp"
	"flag"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/sample"
)

type options struct {
	mosaicd, ffmpeg string
	size            string
	seconds         float64
	preset          string
	crf             int
	style           string
	grain           float64
	runs            int
}

func main() {
	var o options
	flag.StringVar(&o.mosaicd, "mosaicd", "bin/mosaicd", "program to measure")
	flag.StringVar(&o.ffmpeg, "ffmpeg", "", "ffmpeg to compare with; the one of mosaicd's own libav by default")
	flag.StringVar(&o.size, "size", "1920x1080", "of the picture, in pixels")
	flag.Float64Var(&o.seconds, "seconds", 10, "length of the video")
	flag.StringVar(&o.preset, "preset", "medium", "of x264")
	flag.IntVar(&o.crf, "crf", 20, "of x264")
	flag.StringVar(&o.style, "style", "mosaic", "of the covers")
	flag.Float64Var(&o.grain, "grain", 3, "standard deviation of the noise in the source, in 8-bit steps, as a camera makes it")
	flag.IntVar(&o.runs, "runs", 5, "of each program, after one that does not count")
	presets := flag.String("capacity", "", "x264 presets, separated by commas: print how many frames a core does in a second, at three sizes, instead of comparing")
	flag.Parse()
	libav.Quiet()
	do := func() error { return compare(o) }
	if *presets != "" {
		do = func() error { return capacity(o, *presets) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "transcode:", err)
		os.Exit(1)
	}
}

func compare(o options) error {
	folder, err := os.MkdirTemp("", "mosaicd-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if o.ffmpeg == "" {
		out, err := exec.Command("pkg-config", "--variable=prefix", "libavformat").Output()
		if err != nil {
			return fmt.Errorf("find libav (see make env): %w", err)
		}
		o.ffmpeg = filepath.Join(strings.TrimSpace(string(out)), "bin", "ffmpeg")
	}
	source, detections, output := filepath.Join(folder, "in.mp4"), filepath.Join(folder, "faces.json"), filepath.Join(folder, "out.mp4")
	if err := makeSource(o, source, detections); err != nil {
		return err
	}
	crf := strconv.Itoa(o.crf)
	ours := []string{o.mosaicd, "mosaic", "--detections", detections, "--style", o.style, "--preset", o.preset, "--crf", crf, "--progress", "none", source, output}
	theirs := []string{o.ffmpeg, "-nostdin", "-loglevel", "error", "-y", "-i", source, "-map", "0", "-c", "copy",
		"-c:v", "libx264", "-preset", o.preset, "-crf", crf, "-movflags", "+faststart", output}
	fmt.Printf("%s, %g s, grain %g, three faces on every frame, x264 %s crf %d, %s; median of %d runs in turn\n",
		o.size, o.seconds, o.grain, o.preset, o.crf, o.style, o.runs)

	var a, b []usage
	for i := range o.runs + 1 {
		ourUsage, err := measure(ours)
		if err != nil {
			return err
		}
		theirUsage, err := measure(theirs)
		if err != nil {
			return err
		}
		if i > 0 { // the first one warms the caches
			a, b = append(a, ourUsage), append(b, theirUsage)
		}
	}
	fmt.Printf("%-14s %12s %12s %8s\n", "", "mosaicd", "ffmpeg", "ratio")
	for _, row := range []struct {
		name string
		unit string
		of   func(usage) float64
	}{
		{"wall", "s", func(u usage) float64 { return u.wall.Seconds() }},
		{"CPU", "s", func(u usage) float64 { return u.cpu.Seconds() }},
		{"peak memory", "MB", func(u usage) float64 { return float64(u.memory) / 1e6 }},
	} {
		x, y := median(a, row.of), median(b, row.of)
		fmt.Printf("%-14s %9.2f %-2s %9.2f %-2s %8.3f\n", row.name, x, row.unit, y, row.unit, medianRatio(a, b, row.of))
	}
	return nil
}

func makeSource(o options, video, detections string) error {
	scene := sample.Scene{Rate: 25, Length: time.Duration(o.seconds * float64(time.Second)), Grain: o.grain}
	if _, err := fmt.Sscanf(o.size, "%dx%d", &scene.Size.X, &scene.Size.Y); err != nil || scene.Size == (image.Point{}) {
		return fmt.Errorf("-size %q: must be like 1920x1080", o.size)
	}
	if err := scene.Write(video); err != nil {
		return err
	}
	return os.WriteFile(detections, scene.Detections(500*time.Millisecond), 0o600)
}

// A usage is what one run took, children included.
type usage struct {
	wall, cpu time.Duration
	memory    int64 // bytes: the peaks of all its processes, added up
}

func measure(command []string) (usage, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	peaks := map[int]int64{}
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
				watch(cmd.Process.Pid, peaks)
			}
		}
	}()
	err := cmd.Wait()
	u := usage{wall: time.Since(started)}
	close(done)
	<-watched
	if err != nil {
		return u, fmt.Errorf("%s: %w", strings.Join(command, " "), err)
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	for _, peak := range peaks {
		u.memory += peak
	}
	return u, nil
}

// watch notes the peak memory of a process and of its descendants.
func watch(pid int, peaks map[int]int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return // it has ended
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64); err == nil {
				peaks[pid] = kb << 10
			}
		}
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range tasks {
		children, _ := os.ReadFile(name)
		for _, field := range strings.Fields(string(children)) {
			if child, err := strconv.Atoi(field); err == nil {
				watch(child, peaks)
			}
		}
	}
}

func median(all []usage, of func(usage) float64) float64 {
	var values []float64
	for _, u := range all {
		values = append(values, of(u))
	}
	return middle(values)
}

// medianRatio compares run by run: a machine that slows down slows both.
func medianRatio(a, b []usage, of func(usage) float64) float64 {
	var ratios []float64
	for i := range a {
		ratios = append(ratios, of(a[i])/of(b[i]))
	}
	return middle(ratios)
}

func middle(values []float64) float64 {
	slices.SortFunc(values, cmp.Compare[float64])
	return values[len(values)/2]
}
