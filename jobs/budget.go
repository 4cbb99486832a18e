package jobs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// errOverWork is the cause of a context whose time for the engine is over.
var errOverWork = errors.New("the time for the engine is over")

// limited is the context of the engine's work on one step.
func (h *Handler) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, h.cfg.MaxWork, errOverWork)
}

// overWork is err, or a *Failure where it came of the limit on the engine's work. Another
// attempt would take as long.
func (h *Handler) overWork(ctx context.Context, err error) error {
	if err == nil || !errors.Is(context.Cause(ctx), errOverWork) {
		return err
	}
	return failf(CodeWorkTooLarge, "it was ended after %s (--max-work): %w", h.cfg.MaxWork, err)
}

// afford refuses to cover a video that would take longer than Config.MaxWork, by what the file
// says of itself. What lies there is ended when the time is over.
func (h *Handler) afford(media ffmpeg.Media, s Settings) error {
	frames := framesOf(media)
	speed := h.pace.speed(outputCodec(s, media), s.Preset)
	if need := work(media, frames, speed); need > h.cfg.MaxWork {
		return failf(CodeWorkTooLarge, "it would take this worker about %s, more than %s (--max-work): about %.0f frames of %dx%d pixels, "+
			"of which it does %.1f a second", need.Round(time.Second), h.cfg.MaxWork, frames, media.Width, media.Height,
			speed/max(1, float64(media.Width)*float64(media.Height)))
	}
	return nil
}

// unknownRate is the frame rate of a video that doesn't say: as high as is usual.
const unknownRate = 60

// framesOf is how many frames a video has by what it says of itself; 0: it doesn't.
func framesOf(m ffmpeg.Media) float64 {
	rate := m.FrameRate
	if rate <= 0 {
		rate = unknownRate
	}
	return m.Duration * rate
}

// work is how long covering takes.
func work(m ffmpeg.Media, frames, speed float64) time.Duration {
	const longest = 1000 * 24 * time.Hour // far from overflow
	seconds := frames * float64(m.Width) * float64(m.Height) / speed
	return time.Duration(min(seconds, longest.Seconds()) * float64(time.Second))
}

// outputCodec is the one of the output.
func outputCodec(s Settings, m ffmpeg.Media) string {
	switch {
	case s.Codec == ffmpeg.CodecH264 || s.Codec == ffmpeg.CodecHEVC:
		return s.Codec
	case m.Codec == ffmpeg.CodecHEVC:
		return ffmpeg.CodecHEVC
	}
	return ffmpeg.CodecH264
}

// startSpeeds are pixels a second of one core by ffmpeg.Presets, with all that a daemon does by
// default, of H.264. Those of ultrafast, veryfast, medium and slow are measured (docs/cost.md), the
// others lie between them or go on like them.
var startSpeeds = []float64{34e6, 28e6, 22e6, 18e6, 15e6, 12e6, 9e6, 5e6, 3e6, 1e6}

// hevcShare is how much slower HEVC is.
const hevcShare = 1.0 / 3

// A pace knows how fast this worker covers videos, in pixels a second by codec and preset: as
// startSpeeds say, and with each video that it has covered more as it was. It may be used by
// several goroutines at once.
type pace struct {
	cores float64
	mu    sync.Mutex
	seen  map[string]float64
}

func newPace(cores int) *pace { return &pace{cores: float64(cores), seen: map[string]float64{}} }

func (p *pace) start(codec, preset string) float64 {
	i := slices.Index(ffmpeg.Presets, preset)
	if i < 0 {
		i = slices.Index(ffmpeg.Presets, "medium")
	}
	speed := startSpeeds[i] * p.cores
	if codec == ffmpeg.CodecHEVC {
		speed *= hevcShare
	}
	return speed
}

func (p *pace) speed(codec, preset string) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := p.seen[codec+" "+preset]; v > 0 {
		return v
	}
	return p.start(codec, preset)
}

const (
	// newShare is the weight of the last video in the average.
	newShare = 0.2
	// leastSeen is the least time that says anything: below, the start of the engine counts most.
	leastSeen = 10 * time.Second
	// farOff is how much faster or slower than startSpeeds a worker is taken to be at most, so that
	// a few odd videos don't have everything refused, or taken.
	farOff = 8
)

// observe adds a video that was covered.
func (p *pace) observe(codec, preset string, pixels float64, took time.Duration) {
	if took < leastSeen || pixels <= 0 {
		return
	}
	before, start := p.speed(codec, preset), p.start(codec, preset)
	speed := before + newShare*(pixels/took.Seconds()-before)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[codec+" "+preset] = min(max(speed, start/farOff), start*farOff)
}
