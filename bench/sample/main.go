// Command sample writes the video that the benchmarks work on, and where its
// faces are: three on every frame.
//
//	go run ./bench/sample -size 1920x1080 -seconds 20 video.mp4 detections.json
package main

import (
	"flag"
	"fmt"
	"image"
	"os"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/sample"
)

func main() {
	size := flag.String("size", "1920x1080", "of the picture, in pixels")
	length := flag.Float64("seconds", 20, "length of the video")
	rate := flag.Int("rate", 25, "frames a second")
	flag.Parse()
	libav.Quiet()
	if err := write(*size, *length, *rate, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "sample:", err)
		os.Exit(1)
	}
}

func write(size string, length float64, rate int, names []string) error {
	var at image.Point
	if _, err := fmt.Sscanf(size, "%dx%d", &at.X, &at.Y); err != nil {
		return fmt.Errorf("-size %q: %w", size, err)
	}
	if len(names) != 2 {
		return fmt.Errorf("two names are wanted, of the video and of the detections (got %d)", len(names))
	}
	scene := sample.Scene{Size: at, Rate: rate, Length: time.Duration(length * float64(time.Second))}
	if err := scene.Write(names[0]); err != nil {
		return err
	}
	return os.WriteFile(names[1], scene.Detections(500*time.Millisecond), 0o644)
}
