package libav

import (
	"fmt"
	"image"
	"time"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/cover"
)

// An artist sets the time of each frame and draws what is to be covered then.
// One goroutine uses it.
type artist struct {
	painter *cover.Painter
	layout  layout
	covers  Covers
	pose    pose
	clock   clock
	covered int64 // frames drawn on
	// dynamicHDR: a frame had metadata that the output has not.
	dynamicHDR bool
	end        time.Duration // of the last frame, from the start of the first
}

func (a *artist) touch(f *astiav.Frame, base astiav.Rational) error {
	at, err := a.clock.at(f, base)
	if err != nil {
		return err
	}
	if err := tame(f, a.layout); err != nil {
		return fmt.Errorf("frame at %s: %w", at, err)
	}
	if err := a.pose.look(f); err != nil {
		return err
	}
	a.dynamicHDR = a.dynamicHDR || hasDynamicHDR(f)
	if frameDuration(f) <= 0 {
		// A last frame without a duration would end where it begins, and players would
		// pass over it.
		setFrameDuration(f, a.clock.usual)
	}
	a.end = at + toDuration(frameDuration(f), base)
	width, height := a.pose.turn.display(f.Width(), f.Height())
	rects := a.covers.At(at, width, height)
	if a.pose.turn != upright {
		for i, r := range rects {
			rects[i] = a.pose.turn.toCoded(r, f.Width(), f.Height())
		}
	}
	shown := image.Rect(0, 0, f.Width(), f.Height())
	visible := rects[:0]
	for _, r := range rects {
		if r.Overlaps(shown) {
			visible = append(visible, r)
		}
	}
	if len(visible) == 0 {
		return nil
	}
	if err := drawCovers(a.painter, f, a.layout, visible); err != nil {
		return fmt.Errorf("cover the frame at %s: %w", at, err)
	}
	a.covered++
	return nil
}

// A clock counts time from the first frame that it sees.
type clock struct {
	// usual is how long a frame is shown that doesn't say so, in the stream's time base.
	usual       int64
	first, last int64
	running     bool
	frames      int64
}

// at settles the frame's presentation time and returns it from the first one
// on. Times have to grow: players and encoders order frames by them.
func (c *clock) at(f *astiav.Frame, base astiav.Rational) (time.Duration, error) {
	pts, ok := timestamp(f)
	if !ok { // as of the last B-frames in AVI, which has times of packets alone
		pts = c.last + c.usual
	}
	if !c.running {
		c.first, c.running = pts, true
	} else if pts <= c.last {
		return 0, ffmpeg.Errorf(ffmpeg.CodeInvalid, "a video frame at %s comes after one at %s: its timestamps do not rise", toDuration(pts, base), toDuration(c.last, base))
	}
	c.last = pts
	f.SetPts(pts)
	at := toDuration(pts-c.first, base)
	if c.frames++; c.frames > maxFrames || at > maxLength {
		return 0, ffmpeg.Errorf(ffmpeg.CodeUnsupported, "the video has a frame %d at %s: at most %d frames and %s are supported", c.frames, at, int64(maxFrames), maxLength)
	}
	return at, nil
}

// A ticker tells of progress, not too often.
type ticker struct {
	tell     func(ffmpeg.Progress)
	progress ffmpeg.Progress
	start    time.Duration
	told     time.Time
	untold   bool
}

func newTicker(tell func(ffmpeg.Progress), duration time.Duration) *ticker {
	if tell == nil {
		tell = func(ffmpeg.Progress) {}
	}
	return &ticker{tell: tell, progress: ffmpeg.Progress{Duration: duration.Seconds()}}
}

// frame counts one more; at is on the stream's own time line.
func (t *ticker) frame(at time.Duration) {
	if t.progress.Frames == 0 {
		t.start = at
	}
	t.progress.Frames++
	t.progress.Position = (at - t.start).Seconds()
	t.untold = true
	if now := time.Now(); now.Sub(t.told) >= progressEvery {
		t.told = now
		t.end()
	}
}

// end tells of the last frames.
func (t *ticker) end() {
	if t.untold {
		t.untold = false
		t.tell(t.progress)
	}
}
