package libav

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"time"

	"github.com/asticode/go-astiav"
	"golang.org/x/sync/errgroup"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// A Look says which pictures of a video somebody wants to see.
type Look struct {
	Every time.Duration // between two pictures; 0: every frame
	// At are, instead of Every, the times of the pictures, rising.
	At      []time.Duration
	MaxSide int  // the longer side is shrunk to this many pixels; 0: as it is
	Gray    bool // *image.Gray, else *image.RGBA
	Threads int  // of the decoder; 0: one for each core
}

// Watch decodes the video of a file and shows the pictures that look asks for,
// the way up that a viewer sees them, with the time from the first frame. Without
// times the first and the last frame are always shown; else each time is that of
// the first frame from then on, and one after the last frame is that of the last.
// show owns the picture.
func Watch(ctx context.Context, path string, look Look, show func(at time.Duration, picture image.Image) error, progress func(ffmpeg.Progress)) (ffmpeg.Report, error) {
	in, err := openInput(path)
	if err != nil {
		return ffmpeg.Report{}, err
	}
	defer in.Close()
	dec, err := openDecoder(in, look.Threads)
	if err != nil {
		return ffmpeg.Report{}, err
	}
	defer dec.Close()
	packets, ok := newPacketQueue(packetsAhead)
	if !ok {
		return ffmpeg.Report{}, errors.New("allocate queues: out of memory")
	}
	defer packets.Close()
	frames, ok := newFrameQueue(framesAhead + 1) // and the one that is held back
	if !ok {
		return ffmpeg.Report{}, errors.New("allocate queues: out of memory")
	}
	defer frames.Close()
	v := &viewer{look: look, pose: in.pose, show: show, clock: clock{usual: in.frameDuration()}, progress: newTicker(progress, in.duration())}
	defer v.Close()

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return demuxVideo(ctx, in, packets) })
	g.Go(func() error { return decode(ctx, dec, packets, frames) })
	g.Go(func() error { return v.watch(ctx, frames, dec.timeBase) })
	if err := g.Wait(); err != nil {
		return ffmpeg.Report{}, err
	}
	v.progress.end()
	if err := dec.verdict(v.progress.progress.Frames); err != nil {
		return ffmpeg.Report{}, err
	}
	in.pose = v.pose
	source := in.media()
	source.Start = max(toDuration(v.clock.first, dec.timeBase)-in.origin(), 0).Seconds()
	return ffmpeg.Report{
		Source: source, Frames: v.progress.progress.Frames, DecodeErrors: dec.errors(),
	}, nil
}

// Probe returns what the file says of itself.
func Probe(path string) (ffmpeg.Media, error) {
	in, err := openInput(path)
	if err != nil {
		return ffmpeg.Media{}, err
	}
	defer in.Close()
	if err := in.look(path); err != nil {
		return ffmpeg.Media{}, err
	}
	return in.media(), nil
}

func demuxVideo(ctx context.Context, in *input, packets *packetQueue) error {
	for {
		pkt, err := packets.take(ctx)
		if err != nil {
			return err
		}
		if err := in.read(pkt); errors.Is(err, astiav.ErrEof) {
			packets.finish()
			return nil
		} else if err != nil {
			return err
		}
		if pkt.StreamIndex() == in.video.Index() {
			packets.put(pkt)
		} else {
			pkt.Unref()
			packets.giveBack(pkt)
		}
	}
}

// A viewer owns what it takes to turn frames into pictures. One goroutine uses it.
type viewer struct {
	look     Look
	pose     pose
	show     func(time.Duration, image.Image) error
	progress *ticker
	clock    clock

	scaler *astiav.SoftwareScaleContext
	scaled *astiav.Frame
	from   pictureFormat // what scaler was made for
}

func (v *viewer) watch(ctx context.Context, frames *frameQueue, base astiav.Rational) error {
	due := v.look.next(-1)
	var unseen *astiav.Frame // the latest frame, as long as it was not shown
	for {
		frame, ok, err := frames.next(ctx)
		if err != nil {
			return err
		}
		if !ok {
			if unseen == nil || due == never {
				return nil
			}
			return v.present(unseen, toDuration(unseen.Pts()-v.clock.first, base))
		}
		at, err := v.clock.at(frame, base)
		if err != nil {
			return err
		}
		if err := v.pose.look(frame); err != nil {
			return err
		}
		v.progress.frame(at)
		if unseen != nil {
			unseen.Unref()
			frames.giveBack(unseen)
			unseen = nil
		}
		if at < due {
			unseen = frame
			continue
		}
		due = v.look.next(at)
		if err := v.present(frame, at); err != nil {
			return err
		}
		frame.Unref()
		frames.giveBack(frame)
	}
}

// never is a time that no frame has.
const never = time.Duration(math.MaxInt64)

// next is when a picture is due after the one of a time; of -1 the first.
func (l Look) next(at time.Duration) time.Duration {
	if l.At != nil {
		i, exact := slices.BinarySearch(l.At, at)
		if exact {
			i++
		}
		if i == len(l.At) {
			return never
		}
		return l.At[i]
	}
	if l.Every == 0 || at < 0 {
		return 0
	}
	// On a grid, so that a rate that does not divide it makes no drift. The first
	// frame's time is 0.
	return at - at%l.Every + l.Every
}

func (v *viewer) present(frame *astiav.Frame, at time.Duration) error {
	picture, err := v.picture(frame)
	if err != nil {
		return fmt.Errorf("look at the frame at %s: %w", at, err)
	}
	return v.show(at, picture)
}

func (v *viewer) picture(frame *astiav.Frame) (image.Image, error) {
	if err := v.prepare(formatOf(frame)); err != nil {
		return nil, err
	}
	if err := v.scaler.ScaleFrame(frame, v.scaled); err != nil {
		return nil, fmt.Errorf("scale: %w", err)
	}
	pix, err := v.scaled.Data().Bytes(1) // a copy, packed
	if err != nil {
		return nil, fmt.Errorf("copy picture: %w", err)
	}
	width, height := v.scaled.Width(), v.scaled.Height()
	shown := image.Rectangle{}
	shown.Max.X, shown.Max.Y = v.pose.turn.display(width, height)
	if v.look.Gray {
		return &image.Gray{Pix: v.pose.turn.show(pix, width, height, 1), Stride: shown.Dx(), Rect: shown}, nil
	}
	return &image.RGBA{Pix: v.pose.turn.show(pix, width, height, 4), Stride: 4 * shown.Dx(), Rect: shown}, nil
}

// prepare makes the scaler for pictures of that format, unless it has it.
func (v *viewer) prepare(from pictureFormat) (err error) {
	if v.scaler != nil && v.from == from {
		return nil
	}
	v.Close()
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	width, height := from.width, from.height
	if longer := max(width, height); v.look.MaxSide > 0 && longer > v.look.MaxSide {
		width = max(width*v.look.MaxSide/longer, 1)
		height = max(height*v.look.MaxSide/longer, 1)
	}
	format := astiav.PixelFormatRgba
	if v.look.Gray {
		format = astiav.PixelFormatGray8
	}
	if v.scaled = astiav.AllocFrame(); v.scaled == nil {
		return errors.New("out of memory")
	}
	v.scaled.SetWidth(width)
	v.scaled.SetHeight(height)
	v.scaled.SetPixelFormat(format)
	if err := v.scaled.AllocBuffer(0); err != nil {
		return fmt.Errorf("allocate picture: %w", err)
	}
	v.scaler, err = astiav.CreateSoftwareScaleContext(from.width, from.height, from.pixels, width, height, format,
		astiav.NewSoftwareScaleContextFlags(astiav.SoftwareScaleContextFlagArea))
	if err != nil {
		return fmt.Errorf("make scaler for %s: %w", from, err)
	}
	v.from = from
	return nil
}

// Close frees everything. Calling it again does nothing.
func (v *viewer) Close() {
	if v.scaler != nil {
		v.scaler.Free()
		v.scaler = nil
	}
	if v.scaled != nil {
		v.scaled.Free()
		v.scaled = nil
	}
}
