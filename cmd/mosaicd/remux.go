package main

import (
	"context"
	"errors"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
)

type remuxCommand struct {
	Source string `arg:"" name:"SRC" help:"Video to read, or the media playlist (.m3u8) of an HLS recording, or the folder where it is."`
	Output string `arg:"" name:"DST" help:"Video to write; its extension says the container: .mp4, .m4v, .mov, .mkv or .ts."`
	copyFlags
	overwriteFlag
	Progress string `help:"Progress on standard error: auto is a bar in a terminal and nothing elsewhere; json is a line of JSON every now and then." enum:"auto,bar,json,none" default:"auto"`
}

// Help is what --help says beyond the flags.
func (remuxCommand) Help() string {
	return `Examples:

    mosaicd remux recording.ts recording.mp4
    mosaicd remux live/index.m3u8 recording.mp4

Every packet is copied; nothing is decoded, so nothing is covered either. Of a recording, only files beside its playlist, or below, are read, and it must have ended (EXT-X-ENDLIST).`
}

func (c *remuxCommand) Run(ctx context.Context, std streams) (err error) {
	engine, err := ffmpeg.Self("engine")
	if err != nil {
		return err
	}
	files, err := convert(c.Source, c.Output, c.Overwrite, nil, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.close()) }()
	progress := newProgress(c.Progress, std.err)
	started := time.Now()
	cover := jobs.Cover{Source: files.source, Output: files.output.Path, Settings: jobs.Settings{DropStreams: c.DropStreams, Subtitles: c.Subtitles}}
	done, err := cover.Remux(ctx, engine, progress.step)
	progress.done(err)
	if err != nil {
		return err
	}
	if err := files.keep(); err != nil {
		return err
	}
	for _, d := range done.Dropped {
		terminal.Fprintln(std.err, "mosaicd: left out:", d)
	}
	for _, r := range done.Repaired {
		terminal.Fprintln(std.err, "mosaicd: repaired:", r.What)
	}
	if c.Progress != "none" && c.Progress != "json" {
		terminal.Fprintf(std.out, "%s: %d frames, %.1f s\n", c.Output, done.Frames, time.Since(started).Seconds())
	}
	return nil
}
