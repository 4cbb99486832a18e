package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

// engineCommand is the child that package ffmpeg starts: the only place where
// libav meets a file.
type engineCommand struct{}

func (engineCommand) Run(ctx context.Context, std streams) error {
	libav.Quiet()
	c := ffmpeg.NewConversation(std.in, std.out)
	spec, err := c.Spec()
	if err != nil {
		return err
	}
	report, err := work(ctx, spec, c.Progress)
	return c.End(report, err)
}

func work(ctx context.Context, spec ffmpeg.Spec, progress func(ffmpeg.Progress)) (ffmpeg.Report, error) {
	switch spec.Op {
	case ffmpeg.OpProbe:
		media, err := libav.Probe(spec.Input)
		return ffmpeg.Report{Source: media}, err
	case ffmpeg.OpDetect:
		return detect(ctx, spec, progress)
	case ffmpeg.OpMosaic:
		var tracks faces.Tracks
		if err := json.Unmarshal(spec.Tracks, &tracks); err != nil {
			return ffmpeg.Report{}, fmt.Errorf("read tracks: %w", err)
		}
		return libav.Mosaic(ctx, spec, tracks, progress)
	case ffmpeg.OpRemux:
		return libav.Remux(ctx, spec, progress)
	}
	return ffmpeg.Report{}, fmt.Errorf("unknown work %q", spec.Op)
}

func detect(ctx context.Context, spec ffmpeg.Spec, progress func(ffmpeg.Progress)) (ffmpeg.Report, error) {
	detector, err := faces.NewDetector()
	if err != nil {
		return ffmpeg.Report{}, err
	}
	var seen faces.Detections
	look := libav.Look{
		Every:   time.Duration(spec.DetectEvery) * time.Millisecond,
		MaxSide: faces.DetectorSide,
		Gray:    true,
		Threads: spec.Video.Threads,
	}
	report, err := libav.Watch(ctx, spec.Input, look, func(at time.Duration, picture image.Image) error {
		seen.Add(at, detector.Find(picture.(*image.Gray)))
		return nil
	}, progress)
	if err != nil {
		return ffmpeg.Report{}, err
	}
	report.Detections, err = json.Marshal(seen)
	return report, err
}
