package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/ffmpeg/sandbox"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

// engineCommand is the child that package ffmpeg starts: the only place where
// libav meets a file.
type engineCommand struct {
	Selftest bool     `help:"Try what the sandbox must deny, and say what it does."`
	Probe    []string `hidden:"" sep:"none" help:"What the selftest's child is given."`
}

func (c *engineCommand) Run(ctx context.Context, std streams) error {
	if c.Selftest {
		if err := sandbox.Hide(); err != nil { // as the daemon does
			return err
		}
		return printSelftest(ctx, std)
	}
	if err := sandbox.CloseInherited(); err != nil {
		return err
	}
	if len(c.Probe) == 3 {
		return probe(std, c.Probe[0], c.Probe[1], c.Probe[2])
	}
	return c.work(ctx, std)
}

func (*engineCommand) work(ctx context.Context, std streams) error {
	debug.SetTraceback("single") // that goroutine's trace is enough
	libav.Quiet()
	c := ffmpeg.NewConversation(std.in, std.out)
	spec, err := c.Spec()
	if err != nil {
		return err
	}
	if err := confine(spec); err != nil {
		return c.End(ffmpeg.Report{}, err)
	}
	report, err := work(ctx, spec, c.Progress)
	switch {
	case libav.OutOfMemory(err):
		err = ffmpeg.Errorf(ffmpeg.CodeMemory, "%w", err)
	case libav.DiskFull(err):
		err = ffmpeg.Errorf(ffmpeg.CodeDiskFull, "%w", err)
	}
	return c.End(report, err)
}

// confine shuts this process in with the files of its work.
func confine(spec ffmpeg.Spec) error {
	s := spec.Sandbox
	err := sandbox.Limit(sandbox.Limits{Memory: s.MemoryBytes, CPUSeconds: s.CPUSeconds, FileBytes: s.FileBytes})
	if err != nil || s.Off {
		return err
	}
	access := sandbox.Access{Read: []string{spec.Input}}
	if spec.Output != "" {
		// It has to be there to be named. A folder is.
		f, err := os.OpenFile(spec.Output, os.O_WRONLY|os.O_CREATE, 0o600)
		if err == nil {
			err = f.Close()
		} else if errors.Is(err, unix.EISDIR) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("make the output: %w", err)
		}
		access.Write = []string{spec.Output}
	}
	return sandbox.Enter(access)
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
		spec.Tracks = nil // which may be large
		return libav.Mosaic(ctx, spec, tracks.Covers(), progress)
	case ffmpeg.OpPictures:
		return pictures(ctx, spec, progress)
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
		Every:   time.Duration(spec.Every) * time.Millisecond,
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
	if most := ffmpeg.MaxMessageBytes - 64<<10; err == nil && len(report.Detections) > most {
		err = ffmpeg.Errorf(ffmpeg.CodeUnsupported, "%d faces in the video: more than the engine can report (%d MB)",
			len(seen.Faces), most/1e6)
	}
	return report, err
}

// pictures writes what somebody wants to look at.
func pictures(ctx context.Context, spec ffmpeg.Spec, progress func(ffmpeg.Progress)) (ffmpeg.Report, error) {
	look := libav.Look{
		Every:   time.Duration(spec.Every) * time.Millisecond,
		MaxSide: spec.MaxSide,
		Threads: spec.Video.Threads,
	}
	for _, at := range spec.At {
		look.At = append(look.At, time.Duration(at)*time.Millisecond)
	}
	var written []ffmpeg.Picture
	report, err := libav.Watch(ctx, spec.Input, look, func(at time.Duration, picture image.Image) error {
		name := fmt.Sprintf("%06d.jpg", len(written))
		written = append(written, ffmpeg.Picture{At: at.Milliseconds(), Name: name})
		return writeJPEG(filepath.Join(spec.Output, name), picture)
	}, progress)
	report.Pictures = written
	return report, err
}

func writeJPEG(path string, picture image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write a picture: %w", err)
	}
	err = jpeg.Encode(f, picture, &jpeg.Options{Quality: 85})
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write a picture: %w", err)
	}
	return nil
}
