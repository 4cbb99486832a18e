package main

import (
	"context"
	"fmt"
	"os"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs"
)

type facesCommand struct {
	Detect facesDetectCommand `cmd:"" help:"Look for faces in a local file with the built-in detector."`
}

type facesDetectCommand struct {
	Source   string `arg:"" name:"SRC" help:"Video to read."`
	Threads  int    `help:"Threads of the decoder; 0 is one for each core." default:"0" env:"MOSAICD_THREADS"`
	Progress string `help:"Progress on standard error: auto is a bar in a terminal and nothing elsewhere." enum:"auto,bar,json,none" default:"auto"`
}

// Help is what --help says beyond the flags.
func (facesDetectCommand) Help() string {
	return `mosaicd faces detect in.mp4 > detections.json

Prints JSON as "aws rekognition get-face-detection" does: look at it, correct it, and give it to "mosaicd mosaic --detections".`
}

func (c *facesDetectCommand) Run(ctx context.Context, std streams) error {
	engine, err := ffmpeg.Self("engine")
	if err != nil {
		return err
	}
	progress := newProgress(c.Progress, std.err)
	page, err := jobs.Detect(ctx, engine, c.Source, c.Threads, func(p ffmpeg.Progress) { progress.step(jobs.PhaseDetect, p) })
	progress.end()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, string(page))
	return err
}

// finder is the detector behind the embedded Rekognition: the built-in one.
func finder(engine jobs.Engine, scratch string) func(context.Context, []byte) ([]byte, error) {
	return func(ctx context.Context, video []byte) (_ []byte, err error) {
		f, err := os.CreateTemp(scratch, "searched-*")
		if err != nil {
			return nil, err
		}
		defer os.Remove(f.Name())
		_, err = f.Write(video)
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, err
		}
		return jobs.Detect(ctx, engine, f.Name(), 0, nil)
	}
}
