package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// peerScript is what is usually written with OpenCV.
const peerScript = "bench/transcode/peer.py"

// compareWithPeer runs OpenCV's way beside the other two, and looks at what the
// three made of the source: time alone would not tell what it was spent on.
func compareWithPeer(o options) error {
	if err := checkPeer(o); err != nil {
		return err
	}
	w, err := prepare(o)
	if err != nil {
		return err
	}
	defer w.remove()
	all := []*competitor{w.mosaicdRun(), w.ffmpegRun(), w.peerRun()}
	if err := w.race(all...); err != nil {
		return err
	}
	for _, c := range all {
		if c.made, err = w.examine(c.output); err != nil {
			return fmt.Errorf("look at what %s made: %w", c.name, err)
		}
	}
	printPeers(all)
	return nil
}

func (w *workspace) peerRun() *competitor {
	output := filepath.Join(w.folder, "opencv.mp4")
	return &competitor{name: "OpenCV", output: output, command: []string{w.python, peerScript,
		w.source, w.detections, output, w.peerFFmpeg, w.preset, strconv.Itoa(w.crf)}}
}

// checkPeer says what to install, before anything has been measured.
func checkPeer(o options) error {
	if out, err := exec.Command(o.python, "-c", "import cv2").CombinedOutput(); err != nil {
		return fmt.Errorf("%s has no OpenCV; install the Debian package python3-opencv: %w\n%s", o.python, err, out)
	}
	out, err := exec.Command(o.peerFFmpeg, "-hide_banner", "-encoders").Output()
	if err == nil && !strings.Contains(string(out), "libmp3lame") {
		err = errors.New("no libmp3lame in it")
	}
	if err != nil {
		return fmt.Errorf("%s can't make MP3; install the Debian package ffmpeg: %w", o.peerFFmpeg, err)
	}
	return nil
}

// A result is what became of the source.
type result struct {
	bytes int64
	likeness
	packets, samePackets int // of sound: in the source, and those of them that are as they were
}

func (w *workspace) examine(output string) (result, error) {
	info, err := os.Stat(output)
	if err != nil {
		return result{}, err
	}
	r := result{bytes: info.Size()}
	if r.likeness, err = w.outsideCovers(output); err != nil {
		return r, fmt.Errorf("compare the pictures: %w", err)
	}
	r.packets, r.samePackets, err = w.sameSound(output)
	if err != nil {
		return r, fmt.Errorf("compare the sound: %w", err)
	}
	return r, nil
}

// sameSound counts the audio packets of the source, and those that are the same,
// byte by byte, at the same place in the output.
func (w *workspace) sameSound(output string) (all, same int, err error) {
	before, err := soundHashes(w.ffmpeg, w.source)
	if err != nil {
		return 0, 0, err
	}
	after, err := soundHashes(w.ffmpeg, output)
	if err != nil {
		return 0, 0, err
	}
	for i := range min(len(before), len(after)) {
		if before[i] == after[i] {
			same++
		}
	}
	return len(before), same, nil
}

// soundHashes has a hash for each audio packet.
func soundHashes(ffmpeg, video string) ([]string, error) {
	out, err := exec.Command(ffmpeg, "-nostdin", "-loglevel", "error", "-i", video, "-map", "0:a", "-c", "copy", "-f", "framemd5", "-").Output()
	if err != nil {
		return nil, fmt.Errorf("hash the sound of %s: %w", video, err)
	}
	var hashes []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "#") {
			fields := strings.Split(strings.TrimSpace(line), ",")
			hashes = append(hashes, fields[len(fields)-1])
		}
	}
	return hashes, nil
}

// printPeers has a column for each, and one for each but the first that compares it
// with the first.
func printPeers(all []*competitor) {
	first := all[0]
	row := func(name string, value, compared func(*competitor) string) {
		fmt.Printf("%-20s", name)
		for _, c := range all {
			fmt.Printf(" %13s", value(c))
		}
		for _, c := range all[1:] {
			if compared != nil {
				fmt.Printf(" %15s", compared(c))
			}
		}
		fmt.Println()
	}
	row("", func(c *competitor) string { return c.name }, func(c *competitor) string { return c.name + "/" + first.name })
	for _, f := range figures {
		row(f.name, func(c *competitor) string { return fmt.Sprintf("%.2f %-2s", median(c.runs, f.of), f.unit) },
			func(c *competitor) string { return fmt.Sprintf("%.3f", medianRatio(c.runs, first.runs, f.of)) })
	}
	row("size", func(c *competitor) string { return fmt.Sprintf("%.2f MB", float64(c.made.bytes)/1e6) },
		func(c *competitor) string {
			return fmt.Sprintf("%.3f", float64(c.made.bytes)/float64(first.made.bytes))
		})
	row("PSNR outside covers", func(c *competitor) string { return fmt.Sprintf("%.2f dB", c.made.psnr) },
		func(c *competitor) string { return fmt.Sprintf("%+.2f dB", c.made.psnr-first.made.psnr) })
	row("frames", func(c *competitor) string { return fmt.Sprintf("%d of %d", c.made.frames, c.made.sourceFrames) }, nil)
	row("same sound packets", func(c *competitor) string { return fmt.Sprintf("%d of %d", c.made.samePackets, c.made.packets) }, nil)
}
