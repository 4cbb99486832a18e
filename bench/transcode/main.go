// Command transcode measures what the mosaic costs: it runs "mosaicd mosaic" with
// three faces on every frame, and the plain ffmpeg command line without any
// cover, on the same file with the same x264 settings, in turn, and prints the
// medians and their ratios.
//
// With -peer a third one runs: what is usually written with OpenCV (peer.py), which
// encodes twice and makes the sound MP3. Then what came out is compared with the
// source, too. It needs the Debian packages python3-opencv and ffmpeg.
//
//	make bench
//	go run ./bench/transcode -size 1280x720 -preset veryfast -runs 3
//	go run ./bench/transcode -peer -runs 3
//	go run ./bench/transcode -memory -lengths 10,600
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
	mosaicd, ffmpeg    string
	python, peerFFmpeg string
	size               string
	seconds            float64
	preset             string
	crf                int
	style              string
	grain              float64
	runs               int
}

func main() {
	var o options
	flag.StringVar(&o.mosaicd, "mosaicd", "bin/mosaicd", "program to measure")
	flag.StringVar(&o.ffmpeg, "ffmpeg", "", "ffmpeg to compare with; the one of mosaicd's own libav by default")
	flag.StringVar(&o.python, "python", "/usr/bin/python3", "for -peer: Python with OpenCV")
	flag.StringVar(&o.peerFFmpeg, "peer-ffmpeg", "/usr/bin/ffmpeg", "for -peer: ffmpeg with libmp3lame and libx264")
	flag.StringVar(&o.size, "size", "1920x1080", "of the picture, in pixels")
	flag.Float64Var(&o.seconds, "seconds", 10, "length of the video")
	flag.StringVar(&o.preset, "preset", "medium", "of x264")
	flag.IntVar(&o.crf, "crf", 20, "of x264")
	flag.StringVar(&o.style, "style", "mosaic", "of the covers")
	flag.Float64Var(&o.grain, "grain", 3, "standard deviation of the noise in the source, in 8-bit steps, as a camera makes it")
	flag.IntVar(&o.runs, "runs", 5, "of each program, after one that does not count")
	peer := flag.Bool("peer", false, "compare with what is usually written with OpenCV as well, and what comes out with the source")
	memory := flag.Bool("memory", false, "print the peak memory for videos of several lengths, one run each, instead of comparing")
	lengths := flag.String("lengths", "10,600", "for -memory: lengths in seconds, separated by commas")
	presets := flag.String("capacity", "", "x264 presets, separated by commas: print how many frames a core does in a second, at three sizes, instead of comparing")
	flag.Parse()
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "not root: mosaicd hides from other processes of its user, so that its memory will be given as 0")
	}
	libav.Quiet()
	do := compare
	switch {
	case *presets != "":
		do = func(o options) error { return capacity(o, *presets) }
	case *memory:
		do = func(o options) error { return memoryByLength(o, *lengths) }
	case *peer:
		do = compareWithPeer
	}
	if err := do(o); err != nil {
		fmt.Fprintln(os.Stderr, "transcode:", err)
		os.Exit(1)
	}
}

// ownFFmpeg is the program that mosaicd's libav was built with.
func ownFFmpeg() (string, error) {
	out, err := exec.Command("pkg-config", "--variable=prefix", "libavformat").Output()
	if err != nil {
		return "", fmt.Errorf("find libav (see make env): %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "bin", "ffmpeg"), nil
}

// A workspace is what all competitors work on.
type workspace struct {
	options
	scene                      sample.Scene
	folder, source, detections string
}

// prepare makes the source in a folder of its own, which is to be removed.
func prepare(o options) (*workspace, error) {
	scene, err := o.scene()
	if err != nil {
		return nil, err
	}
	if o.ffmpeg == "" {
		if o.ffmpeg, err = ownFFmpeg(); err != nil {
			return nil, err
		}
	}
	folder, err := os.MkdirTemp("", "mosaicd-bench-*")
	if err != nil {
		return nil, err
	}
	w := &workspace{o, scene, folder, filepath.Join(folder, "in.mp4"), filepath.Join(folder, "faces.json")}
	if err := w.write(); err != nil {
		w.remove()
		return nil, err
	}
	return w, nil
}

func (w *workspace) write() error {
	if err := w.scene.Write(w.source); err != nil {
		return err
	}
	return os.WriteFile(w.detections, w.scene.Detections(500*time.Millisecond), 0o600)
}

func (w *workspace) remove() { os.RemoveAll(w.folder) }

// scene is what the flags ask for.
func (o options) scene() (sample.Scene, error) {
	scene := sample.Scene{Rate: 25, Length: time.Duration(o.seconds * float64(time.Second)), Grain: o.grain}
	if _, err := fmt.Sscanf(o.size, "%dx%d", &scene.Size.X, &scene.Size.Y); err != nil || scene.Size == (image.Point{}) {
		return scene, fmt.Errorf("-size %q: must be like 1920x1080", o.size)
	}
	return scene, nil
}

// A competitor is one way to do the job.
type competitor struct {
	name    string
	command []string
	output  string // what the command writes
	runs    []usage
	made    result // of the last run, where it has been examined
}

func (w *workspace) mosaicdRun() *competitor {
	output := filepath.Join(w.folder, "mosaicd.mp4")
	return &competitor{name: "mosaicd", output: output, command: []string{w.mosaicd, "mosaic", "--detections", w.detections,
		"--style", w.style, "--preset", w.preset, "--crf", strconv.Itoa(w.crf), "--progress", "none", w.source, output}}
}

func (w *workspace) ffmpegRun() *competitor {
	output := filepath.Join(w.folder, "ffmpeg.mp4")
	return &competitor{name: "ffmpeg", output: output, command: []string{w.ffmpeg, "-nostdin", "-loglevel", "error", "-y",
		"-i", w.source, "-map", "0", "-c", "copy",
		"-c:v", "libx264", "-preset", w.preset, "-crf", strconv.Itoa(w.crf), "-movflags", "+faststart", output}}
}

// race runs all of them in turn.
func (w *workspace) race(all ...*competitor) error {
	fmt.Printf("%s, %g s, grain %g, three faces on every frame, x264 %s crf %d, %s; median of %d runs in turn\n",
		w.size, w.seconds, w.grain, w.preset, w.crf, w.style, w.runs)
	for i := range w.runs + 1 {
		for _, c := range all {
			u, err := measure(c.command)
			if err != nil {
				return err
			}
			if i > 0 { // the first one warms the caches
				c.runs = append(c.runs, u)
			}
		}
	}
	return nil
}

// figures are what is measured of each run.
var figures = []struct {
	name string
	unit string
	of   func(usage) float64
}{
	{"wall", "s", func(u usage) float64 { return u.wall.Seconds() }},
	{"CPU", "s", func(u usage) float64 { return u.cpu.Seconds() }},
	{"peak memory", "MB", func(u usage) float64 { return float64(u.memory) / 1e6 }},
}

func compare(o options) error {
	w, err := prepare(o)
	if err != nil {
		return err
	}
	defer w.remove()
	ours, theirs := w.mosaicdRun(), w.ffmpegRun()
	if err := w.race(ours, theirs); err != nil {
		return err
	}
	fmt.Printf("%-14s %12s %12s %8s\n", "", ours.name, theirs.name, "ratio")
	for _, f := range figures {
		fmt.Printf("%-14s %9.2f %-2s %9.2f %-2s %8.3f\n", f.name, median(ours.runs, f.of), f.unit, median(theirs.runs, f.of), f.unit,
			medianRatio(ours.runs, theirs.runs, f.of))
	}
	return nil
}

// A usage is what one run took, children included.
type usage struct {
	wall, cpu time.Duration
	memory    int64 // bytes: the most that its processes had together
}

func measure(command []string) (usage, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	var peak int64
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
				peak = max(peak, resident(cmd.Process.Pid))
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
	u.cpu, u.memory = cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), peak
	return u, nil
}

// resident is the memory of a process and of its descendants, in bytes; what two of
// them share, such as the program itself, counts once (PSS). Only root is told of
// mosaicd's, which hides.
func resident(pid int) int64 {
	var total int64
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0 // it has ended
	}
	for line := range strings.Lines(string(rollup)) {
		if value, ok := strings.CutPrefix(line, "Pss:"); ok {
			if kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64); err == nil {
				total += kb << 10
			}
		}
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range tasks {
		children, _ := os.ReadFile(name)
		for _, field := range strings.Fields(string(children)) {
			if child, err := strconv.Atoi(field); err == nil {
				total += resident(child)
			}
		}
	}
	return total
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
