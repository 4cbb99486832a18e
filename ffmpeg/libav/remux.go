package libav

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// Remux writes spec.Output: every packet of spec.Input in another container, none
// of them decoded. Progress may be nil.
//
// The error is an *ffmpeg.Error where the file is at fault. Output may be left
// half-written then.
func Remux(ctx context.Context, spec ffmpeg.Spec, progress func(ffmpeg.Progress)) (ffmpeg.Report, error) {
	in, err := openInput(spec.Input)
	if err != nil {
		return ffmpeg.Report{}, err
	}
	defer in.Close()
	out, err := openOutput(spec.Output, choose(in, spec, false))
	if err != nil {
		return ffmpeg.Report{}, err
	}
	defer out.Close()
	out.dropStreams, out.convertSubtitles = spec.DropStreams, spec.ConvertSubtitles
	if err := out.addStreams(in, nil); err != nil {
		return ffmpeg.Report{}, err
	}
	if err := out.writeHeader(); err != nil {
		return ffmpeg.Report{}, err
	}
	frames, length, err := copyPackets(ctx, in, out, newTicker(progress, in.duration()))
	if err != nil {
		return ffmpeg.Report{}, err
	}
	if frames == 0 {
		return ffmpeg.Report{}, ffmpeg.Errorf(ffmpeg.CodeInvalid, "the video stream has no packets")
	}
	source := in.media()
	in.Close() // before another index is made
	if err := out.finish(); err != nil {
		return ffmpeg.Report{}, err
	}
	output := source
	output.Format, output.Streams, output.Duration = out.format, out.fc.NbStreams(), length.Seconds()
	return ffmpeg.Report{Source: source, Output: output, Frames: frames, Dropped: out.dropped, Repaired: out.repaired}, nil
}

// copyPackets copies everything, and returns how many packets the video has and
// how long they last.
func copyPackets(ctx context.Context, in *input, out *output, progress *ticker) (frames int64, length time.Duration, err error) {
	pkt := astiav.AllocPacket()
	if pkt == nil {
		return 0, 0, errors.New("allocate packet: out of memory")
	}
	defer pkt.Free()
	var first, end int64
	turn := message{}
	if out.format == "mpegts" && !in.pose.byPictures { // which has no place of its own for that
		p := in.video.CodecParameters()
		turn = orientationMessage(in.pose.turn, p.CodecID(), p.ExtraData())
	}
	for {
		if ctx.Err() != nil {
			return 0, 0, context.Cause(ctx)
		}
		if err := in.read(pkt); errors.Is(err, astiav.ErrEof) {
			progress.end()
			return frames, toDuration(end-first, in.video.TimeBase()), nil
		} else if err != nil {
			return 0, 0, err
		}
		if pkt.StreamIndex() == in.video.Index() {
			if pts := pkt.Pts(); pts != astiav.NoPtsValue {
				if frames == 0 || pts < first {
					first = pts
				}
				end = max(end, pts+max(pkt.Duration(), 0))
				progress.frame(toDuration(pts, in.video.TimeBase()))
			}
			frames++
			if err := turn.insert(pkt); err != nil {
				return 0, 0, fmt.Errorf("add a message to video stream %d: %w", in.video.Index(), err)
			}
		}
		if err := out.write(pkt); err != nil {
			return 0, 0, err
		}
	}
}
