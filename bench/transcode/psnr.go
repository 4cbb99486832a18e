package main

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"os/exec"
	"time"
)

// A likeness says how much of the pictures came through where nothing was to be
// covered.
type likeness struct {
	sourceFrames, frames int
	psnr                 float64 // of luma, from the mean error of all frames, in dB
}

// outsideCovers compares an output with the source where no cover may reach: outside
// the faces and half a face around each.
func (w *workspace) outsideCovers(output string) (likeness, error) {
	before, err := decode(w.ffmpeg, w.source, w.scene.Size)
	if err != nil {
		return likeness{}, err
	}
	defer before.stop()
	after, err := decode(w.ffmpeg, output, w.scene.Size)
	if err != nil {
		return likeness{}, err
	}
	defer after.stop()
	var l likeness
	var sum, count float64
	covered := image.NewAlpha(image.Rectangle{Max: w.scene.Size})
	for {
		a, err := before.next()
		if err != nil {
			return l, err
		}
		b, err := after.next()
		if err != nil {
			return l, err
		}
		if a != nil {
			l.sourceFrames++
		}
		if b != nil {
			l.frames++
		}
		switch {
		case a == nil && b == nil:
			l.psnr = 10 * math.Log10(255*255*count/sum)
			return l, nil
		case a != nil && b != nil:
			at := time.Duration(l.frames-1) * time.Second / time.Duration(w.scene.Rate)
			mark(covered, w.scene.Faces(at))
			frameSum, frameCount := squaredErrors(a, b, covered.Pix)
			sum, count = sum+float64(frameSum), count+float64(frameCount)
		}
	}
}

// mark leaves the mask set in the faces, each grown by half its size on every side,
// and nowhere else.
func mark(mask *image.Alpha, faces []image.Rectangle) {
	clear(mask.Pix)
	for _, f := range faces {
		half := f.Size().Div(2)
		grown := image.Rectangle{f.Min.Sub(half), f.Max.Add(half)}.Intersect(mask.Rect)
		for y := grown.Min.Y; y < grown.Max.Y; y++ {
			row := mask.Pix[mask.PixOffset(grown.Min.X, y):][:grown.Dx()]
			for x := range row {
				row[x] = 255
			}
		}
	}
}

// squaredErrors adds up over the pixels that the mask leaves, and counts them.
func squaredErrors(a, b, mask []uint8) (sum, count int) {
	for i, covered := range mask {
		if covered == 0 {
			d := int(a[i]) - int(b[i])
			sum += d * d
			count++
		}
	}
	return sum, count
}

// A decoder gives the luma of each picture of a video.
type decoder struct {
	cmd     *exec.Cmd
	out     *bufio.Reader
	picture []byte
	luma    int // bytes of it, at the start of the picture
	ended   bool
}

func decode(ffmpeg, video string, size image.Point) (*decoder, error) {
	cmd := exec.Command(ffmpeg, "-nostdin", "-loglevel", "error", "-i", video, "-map", "0:v:0", "-fps_mode", "passthrough",
		"-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("decode %s: %w", video, err)
	}
	luma := size.X * size.Y
	return &decoder{cmd: cmd, out: bufio.NewReaderSize(pipe, 1<<20), picture: make([]byte, luma*3/2), luma: luma}, nil
}

// next is nil at the end. It is good until the next call.
func (d *decoder) next() ([]byte, error) {
	if d.ended {
		return nil, nil
	}
	_, err := io.ReadFull(d.out, d.picture)
	if errors.Is(err, io.EOF) {
		d.ended = true
		if err := d.cmd.Wait(); err != nil { // the end may be of the program, not of the video
			return nil, fmt.Errorf("decode to the end: %w", err)
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("decode a picture: %w", err)
	}
	return d.picture[:d.luma], nil
}

// stop ends a decoder that was left before its end.
func (d *decoder) stop() {
	if !d.ended {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
	}
}
