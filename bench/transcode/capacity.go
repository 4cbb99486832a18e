package main

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mosaicd/mosaicd/internal/sample"
)

// sizes of video, and how many seconds of each: enough that starting is no part of
// it, and no more.
var sizes = []struct {
	size    image.Point
	seconds float64
}{{image.Pt(1280, 720), 8}, {image.Pt(1920, 1080), 6}, {image.Pt(3840, 2160), 3}}

// capacity prints how many frames a second of one core is enough for: of all that
// the daemon does to a video by default (the built-in detector, covers, encoder, the
// second look), and of covers and encoder alone, as with Rekognition's detections.
func capacity(o options, presets string) error {
	folder, err := os.MkdirTemp("", "mosaicd-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	fmt.Printf("three faces on every frame at 25 frames/s, grain %g, x264 crf %d; median of %d runs\n", o.grain, o.crf, o.runs)
	fmt.Printf("%-10s %-10s | %10s %12s %8s | %10s %12s %8s\n", "", "", "all: fps", "fps a core", "MB", "encode: fps", "fps a core", "MB")
	for _, s := range sizes {
		name := fmt.Sprintf("%dx%d", s.size.X, s.size.Y)
		source, detections, output := filepath.Join(folder, name+".mp4"), filepath.Join(folder, name+".json"), filepath.Join(folder, "out.mp4")
		scene := sample.Scene{Size: s.size, Rate: 25, Length: time.Duration(s.seconds * float64(time.Second)), Grain: o.grain}
		if err := scene.Write(source); err != nil {
			return err
		}
		if err := os.WriteFile(detections, scene.Detections(500*time.Millisecond), 0o600); err != nil {
			return err
		}
		frames := 25 * s.seconds
		for _, preset := range strings.Split(presets, ",") {
			common := []string{"--preset", preset, "--crf", strconv.Itoa(o.crf), "--progress", "none", source, output}
			var cells []string
			for _, args := range [][]string{{"--verify"}, {"--detections", detections}} {
				var all []usage
				for range o.runs {
					u, err := measure(append(append([]string{o.mosaicd, "mosaic"}, args...), common...))
					if err != nil {
						return err
					}
					all = append(all, u)
				}
				cells = append(cells, fmt.Sprintf("%10.1f %12.1f %8.0f",
					frames/median(all, func(u usage) float64 { return u.wall.Seconds() }),
					frames/median(all, func(u usage) float64 { return u.cpu.Seconds() }),
					median(all, func(u usage) float64 { return float64(u.memory) / 1e6 })))
			}
			fmt.Printf("%-10s %-10s | %s\n", name, preset, strings.Join(cells, " | "))
		}
	}
	return nil
}
