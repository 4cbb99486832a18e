package faces

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// A Video is what is known about one. What isn't known is zero.
type Video struct {
	Duration      time.Duration // of the pictures
	Whole         time.Duration // of the file, where its sound goes on longer than the pictures
	Width, Height int           // pixels
	FrameRate     float64       // per second; 0 too where it varies
}

func (v Video) String() string {
	return fmt.Sprintf("%.2f s, %dx%d, %.3f frames/s", v.Duration.Seconds(), v.Width, v.Height, v.FrameRate)
}

// Tolerances of Fits.
const (
	// sizeSlack covers what codecs pad a side to, which some programs count and others don't.
	sizeSlack = 15 // pixels
	rateSlack = 0.03
)

// durationSlack is how far two programs may be apart about the duration of one video: they count the last frame, and
// round headers, in their own way.
func durationSlack(d time.Duration) time.Duration {
	return min(max(d/10, 250*time.Millisecond), 2*time.Second)
}

// Fits returns an error that names everything in d that can't be of video v:
//
//   - a duration that is not that of v, within a tenth of it, at least 0.25 s and at most 2 s. Both the duration
//     of the pictures and that of the whole file are taken;
//   - a time later than the end of v, with the same tolerance;
//   - a frame size that is not that of v, within 15 pixels. It may be turned by 90°: detectors differ in whether they
//     turn the pictures of phones;
//   - a frame rate that differs by more than 3 %, where that of v is constant;
//   - a box smaller than a pixel of v.
//
// The codec and the container are not compared: Rekognition is often given a copy of the video that it can read.
func (d Detections) Fits(v Video) error {
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	slack := durationSlack(v.Duration)
	longest := max(v.Duration, v.Whole)
	if said := d.Video.Duration; said > 0 && v.Duration > 0 {
		if said < v.Duration-slack || said > longest+slack {
			add("they are of %.2f s, the video has %.2f s", said.Seconds(), v.Duration.Seconds())
		}
	}
	// The sound's end counts too: containers don't agree on when the last picture ends.
	if end := longest + slack; v.Duration > 0 {
		late, at := 0, time.Duration(0)
		for _, f := range d.Faces {
			if f.At > end {
				late, at = late+1, max(at, f.At)
			}
		}
		for _, times := range d.Present {
			for _, t := range times {
				if t > end {
					late, at = late+1, max(at, t)
				}
			}
		}
		if late > 0 {
			add("%d of their times, up to %.2f s, are after the video's end at %.2f s", late, at.Seconds(), v.Duration.Seconds())
		}
	}
	if said := d.Video; said.Width > 0 && said.Height > 0 && v.Width > 0 && v.Height > 0 {
		near := func(width, height int) bool {
			return abs(width-v.Width) <= sizeSlack && abs(height-v.Height) <= sizeSlack
		}
		if !near(said.Width, said.Height) && !near(said.Height, said.Width) {
			add("they are of pictures of %dx%d pixels, the video's have %dx%d", said.Width, said.Height, v.Width, v.Height)
		}
	}
	if said := d.Video.FrameRate; said > 0 && v.FrameRate > 0 && math.Abs(said/v.FrameRate-1) > rateSlack {
		add("they are of %.3f frames/s, the video has %.3f", said, v.FrameRate)
	}
	if v.Width > 0 && v.Height > 0 {
		for _, f := range d.Faces {
			if f.Box.Width*float64(v.Width) < 1 || f.Box.Height*float64(v.Height) < 1 {
				add("the bounding box %+v at %.2f s is smaller than a pixel of the video", f.Box, f.At.Seconds())
				break
			}
		}
	}
	if wrong == nil {
		return nil
	}
	return errors.New("the detections are not of this video: " + strings.Join(wrong, "; "))
}

// Reach returns an error where d is of less than a video in which that many seconds of pictures were counted.
func (d Detections) Reach(counted time.Duration) error {
	if said := d.Video.Duration; said > 0 && said < counted-durationSlack(counted) {
		return fmt.Errorf("the detections are not of this video: they are of %.2f s, and its pictures go on to %.2f s",
			said.Seconds(), counted.Seconds())
	}
	return nil
}

func abs(n int) int { return max(n, -n) }
