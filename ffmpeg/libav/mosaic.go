// Package libav is the child's inside: it demuxes, decodes, covers, encodes and
// muxes with libav, and is the only package that imports go-astiav or "C".
package libav

import (
	"context"
	"errors"
	"image"
	"time"

	"github.com/asticode/go-astiav"
	"golang.org/x/sync/errgroup"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/cover"
)

// How many objects wait between two stages. Frames are what takes memory: 3 MB
// each at 1080p.
const (
	packetsAhead = 32
	framesAhead  = 2
)

// progressEvery is how often the caller of Mosaic or Look hears of it.
const progressEvery = 250 * time.Millisecond

// Covers says what to cover at a time from the video's first frame, in a
// picture of the given size as displayed. Rectangles may reach beyond the picture.
type Covers interface {
	At(t time.Duration, width, height int) []image.Rectangle
}

// Mosaic writes spec.Output: spec.Input with the covers drawn on its video and
// every packet of its other streams copied. Progress may be nil.
//
// The error is an *ffmpeg.Error where the file is at fault. Output may be left
// half-written then.
func Mosaic(ctx context.Context, spec ffmpeg.Spec, covers Covers, progress func(ffmpeg.Progress)) (ffmpeg.Report, error) {
	in, err := openInput(spec.Input)
	if err != nil {
		return ffmpeg.Report{}, err
	}
	defer in.Close()
	dec, err := openDecoder(in, spec.Video.Threads)
	if err != nil {
		return ffmpeg.Report{}, err
	}
	defer dec.Close()
	full := in.video.CodecParameters().ColorRange() == astiav.ColorRangeJpeg
	layout, err := layoutOf(planarOf(in.video.CodecParameters().PixelFormat()), full)
	if err != nil {
		return ffmpeg.Report{}, err
	}
	painter, err := cover.New(cover.Style(spec.Style), spec.Blocks)
	if err != nil {
		return ffmpeg.Report{}, err
	}
	out, err := openOutput(spec.Output, choose(in, spec, true))
	if err != nil {
		return ffmpeg.Report{}, err
	}
	defer out.Close()
	out.dropStreams, out.convertSubtitles = spec.DropStreams, spec.ConvertSubtitles
	enc, err := openEncoder(in, spec.Input, spec.Video, out.globalHeader())
	if err != nil {
		return ffmpeg.Report{}, err
	}
	defer enc.Close()
	if spec.Format == "mpegts" { // which has no place of its own for that
		enc.message = orientationMessage(in.pose.turn, enc.cc.CodecID(), nil)
	}
	if err := out.addStreams(in, enc); err != nil {
		return ffmpeg.Report{}, err
	}
	if err := out.writeHeader(); err != nil {
		return ffmpeg.Report{}, err
	}

	p := &pipeline{
		in: in, dec: dec, enc: enc, out: out,
		artist:   artist{painter: painter, layout: layout, covers: covers, pose: in.pose, clock: clock{usual: in.frameDuration()}},
		progress: newTicker(progress, in.duration()),
	}
	codec, pixels := enc.cc.CodecID().Name(), enc.format.pixels.Name()
	if err := p.run(ctx); err != nil {
		return ffmpeg.Report{}, err
	}
	if p.artist.dynamicHDR {
		out.drop(in.video, "its HDR10+ metadata, which is of the source's own pictures")
	}
	source := in.media()
	// They make room for the index, which is about to be written and read.
	enc.Close()
	dec.Close()
	in.Close()
	if err := out.finish(); err != nil {
		return ffmpeg.Report{}, err
	}
	output := source
	output.Format, output.Codec, output.Pixels, output.Streams = out.format, codec, pixels, out.fc.NbStreams()
	output.Duration = p.artist.end.Seconds()
	return ffmpeg.Report{
		Source: source, Output: output,
		Frames: p.frames, FramesCovered: p.artist.covered, DecodeErrors: dec.errors(),
		Dropped: out.dropped, Repaired: append(dec.repaired(), out.repaired...),
	}, nil
}

// A pipeline is the five stages of one mosaic, each a goroutine, with a queue
// between each two:
//
//	demux → packets → decode → frames → cover → covered → encode → coded → mux
//	      └──────────────────────── copies ──────────────────────────────┘
//
// Each libav context is used by one stage only.
type pipeline struct {
	in  *input   // demux
	dec *decoder // decode
	enc *encoder // encode
	out *output  // mux

	artist   artist  // cover
	frames   int64   // cover
	progress *ticker // encode
}

type (
	packetQueue = queue[*astiav.Packet]
	frameQueue  = queue[*astiav.Frame]
)

func newPacketQueue(size int) (*packetQueue, bool) {
	return newQueue(size, func() (*astiav.Packet, bool) { p := astiav.AllocPacket(); return p, p != nil }, (*astiav.Packet).Free)
}

func newFrameQueue(size int) (*frameQueue, bool) {
	return newQueue(size, func() (*astiav.Frame, bool) { f := astiav.AllocFrame(); return f, f != nil }, (*astiav.Frame).Free)
}

func (p *pipeline) run(ctx context.Context) error {
	packets, ok1 := newPacketQueue(packetsAhead)
	copies, ok2 := newPacketQueue(packetsAhead)
	coded, ok3 := newPacketQueue(packetsAhead)
	frames, ok4 := newFrameQueue(framesAhead + 1) // and the one that is held back
	covered, ok5 := newFrameQueue(framesAhead)
	for _, q := range []*packetQueue{packets, copies, coded} {
		if q != nil {
			defer q.Close()
		}
	}
	for _, q := range []*frameQueue{frames, covered} {
		if q != nil {
			defer q.Close()
		}
	}
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return errors.New("allocate queues: out of memory")
	}

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.demux(ctx, packets, copies) })
	g.Go(func() error { return decode(ctx, p.dec, packets, frames) })
	g.Go(func() error { return p.cover(ctx, frames, covered) })
	g.Go(func() error { return p.encode(ctx, covered, coded) })
	g.Go(func() error { return p.mux(ctx, copies, coded) })
	if err := g.Wait(); err != nil {
		return err
	}
	p.progress.end()
	return p.dec.verdict(p.frames)
}

// demux sends packets of the video to be decoded and the others to be written.
func (p *pipeline) demux(ctx context.Context, packets, copies *packetQueue) error {
	for {
		// The packet's stream is known only once it is read, so it is read into
		// one of the decoder's and moved from there.
		pkt, err := packets.take(ctx)
		if err != nil {
			return err
		}
		if err := p.in.read(pkt); errors.Is(err, astiav.ErrEof) {
			packets.finish()
			copies.finish()
			return nil
		} else if err != nil {
			return err
		}
		if pkt.StreamIndex() == p.in.video.Index() {
			packets.put(pkt)
			continue
		}
		other, err := copies.take(ctx)
		if err != nil {
			return err
		}
		other.MoveRef(pkt)
		packets.giveBack(pkt)
		copies.put(other)
	}
}

// decode fills frames from packets until both are at their end.
func decode(ctx context.Context, dec *decoder, packets *packetQueue, frames *frameQueue) error {
	// The latest frame is held back until the next one is known: only then can be told
	// whether its time is odd.
	var held *astiav.Frame
	var heldAt int64
	// drain hands on what the decoder has ready; astiav.ErrEagain or ErrEof ends it.
	drain := func() error {
		for {
			frame, err := frames.take(ctx)
			if err != nil {
				return err
			}
			if err := dec.receive(frame); err != nil {
				frames.giveBack(frame)
				if errors.Is(err, astiav.ErrEof) && held != nil {
					dec.settle(held, heldAt, 0, true)
					frames.put(held)
				}
				return err
			}
			at := dec.time(frame)
			if held != nil {
				dec.settle(held, heldAt, at, false)
				frames.put(held)
			}
			held, heldAt = frame, at
		}
	}
	for {
		pkt, more, err := packets.next(ctx)
		if err != nil {
			return err
		}
		for taken := false; !taken; {
			if taken, err = dec.send(pkt); err != nil { // nil after the last packet: the flush
				return err
			}
			if err := drain(); errors.Is(err, astiav.ErrEof) {
				frames.finish()
				return nil
			} else if !errors.Is(err, astiav.ErrEagain) {
				return err
			}
		}
		if more {
			pkt.Unref()
			packets.giveBack(pkt)
		}
	}
}

// cover draws on the frames that have something to cover.
func (p *pipeline) cover(ctx context.Context, frames, covered *frameQueue) error {
	for {
		frame, ok, err := frames.next(ctx)
		if err != nil {
			return err
		}
		if !ok {
			covered.finish()
			return nil
		}
		if err := p.artist.touch(frame, p.dec.timeBase); err != nil {
			return err
		}
		p.frames++
		to, err := covered.take(ctx)
		if err != nil {
			return err
		}
		to.MoveRef(frame)
		frames.giveBack(frame)
		covered.put(to)
	}
}

func (p *pipeline) encode(ctx context.Context, covered *frameQueue, coded *packetQueue) error {
	drain := func() error {
		for {
			pkt, err := coded.take(ctx)
			if err != nil {
				return err
			}
			if err := p.enc.receive(pkt); err != nil {
				coded.giveBack(pkt)
				return err
			}
			pkt.SetStreamIndex(p.in.video.Index())
			coded.put(pkt)
		}
	}
	for {
		frame, more, err := covered.next(ctx)
		if err != nil {
			return err
		}
		if err := p.enc.send(frame); err != nil { // nil after the last frame: the flush
			return err
		}
		if more {
			p.progress.frame(toDuration(frame.Pts(), p.enc.timeBase))
			frame.Unref()
			covered.giveBack(frame)
		}
		if err := drain(); errors.Is(err, astiav.ErrEof) {
			coded.finish()
			return nil
		} else if !errors.Is(err, astiav.ErrEagain) {
			return err
		}
	}
}

// mux writes what comes from either side. It takes from both as they come, so
// that neither side can hold the other up.
func (p *pipeline) mux(ctx context.Context, copies, coded *packetQueue) error {
	open := []*packetQueue{copies, coded}
	from := [2]<-chan *astiav.Packet{copies.full, coded.full}
	for from[0] != nil || from[1] != nil {
		var pkt *astiav.Packet
		var ok bool
		side := 0
		select {
		case pkt, ok = <-from[0]:
		case pkt, ok = <-from[1]:
			side = 1
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if !ok {
			from[side] = nil
			continue
		}
		if err := p.out.write(pkt); err != nil {
			return err
		}
		open[side].giveBack(pkt)
	}
	return nil
}
