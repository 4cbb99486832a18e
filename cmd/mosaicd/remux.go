package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/hls"
)

type remuxCommand struct {
	Source   string `arg:"" name:"SRC" help:"Video to read, or the media playlist (.m3u8) of an HLS recording, or the folder where it is."`
	Output   string `arg:"" name:"DST" help:"Video to write; its extension says the container: .mp4, .m4v, .mov, .mkv or .ts."`
	Progress string `help:"Progress on standard error: auto is a bar in a terminal and nothing elsewhere; json is a line of JSON every now and then." enum:"auto,bar,json,none" default:"auto"`
}

// Help is what --help says beyond the flags.
func (remuxCommand) Help() string {
	return `mosaicd remux recording.ts recording.mp4
mosaicd remux live/index.m3u8 recording.mp4

Every packet is copied; nothing is decoded, so nothing is covered either. Of a recording, only files beside its playlist, or below, are read, and it must have ended (EXT-X-ENDLIST).`
}

func (c *remuxCommand) Run(ctx context.Context, std streams) (err error) {
	// The names are judged as those of a mosaic, whose output goes the same way.
	playlist, err := playlistOf(c.Source)
	if err != nil {
		return err
	}
	names := mosaicCommand{Source: c.Source, Output: c.Output}
	if playlist != "" {
		names.Source = playlist
	}
	if err := names.check(); err != nil {
		return err
	}
	engine, err := ffmpeg.Self("engine")
	if err != nil {
		return err
	}
	source, remove, err := joined(c.Source, playlist, filepath.Dir(c.Output))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	temporary, err := temporaryName(c.Output)
	if err != nil {
		return err
	}
	defer os.Remove(temporary) // gone already when all went well
	progress := newProgress(c.Progress, std.err)
	started := time.Now()
	done, err := jobs.Remux(ctx, engine, source, temporary, progress.step)
	progress.end()
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, c.Output); err != nil {
		return fmt.Errorf("give the output its name: %w", err)
	}
	for _, d := range done.Dropped {
		fmt.Fprintln(std.err, "mosaicd: left out:", d)
	}
	if c.Progress != "none" && c.Progress != "json" {
		fmt.Fprintf(std.out, "%s: %d frames, %.1f s\n", c.Output, done.Frames, time.Since(started).Seconds())
	}
	return nil
}

// playlistOf returns the path of the playlist that a source is or holds; empty where
// it is a video.
func playlistOf(source string) (string, error) {
	if hls.IsPlaylist(source) {
		return source, nil
	}
	info, err := os.Stat(source)
	if err != nil || !info.IsDir() {
		return "", nil // what is wrong with it is said later
	}
	found, err := filepath.Glob(filepath.Join(source, "*.m3u8"))
	switch {
	case err != nil:
		return "", usagef("SRC %s: %w", source, err)
	case len(found) == 0:
		return "", usagef("SRC %s is a folder without a playlist (.m3u8)", source)
	case len(found) > 1:
		return "", usagef("SRC %s holds %d playlists: name one of them", source, len(found))
	}
	return found[0], nil
}

// joined returns a file with all of a recording, in a folder; a source that is a
// video is that file itself.
func joined(source, playlist, folder string) (path string, remove func() error, err error) {
	if playlist == "" {
		return source, func() error { return nil }, nil
	}
	body, err := os.ReadFile(playlist)
	if err != nil {
		return "", nil, fmt.Errorf("SRC: %w", err)
	}
	pieces, err := hls.Parse(body)
	if err != nil {
		return "", nil, fmt.Errorf("SRC %s: %w", playlist, err)
	}
	// Not even by a symbolic link does a name lead out of it.
	beside, err := os.OpenRoot(filepath.Dir(playlist))
	if err != nil {
		return "", nil, fmt.Errorf("SRC: %w", err)
	}
	defer beside.Close()
	to, err := os.CreateTemp(folder, ".recording.*.part")
	if err != nil {
		return "", nil, fmt.Errorf("DST: %w", err)
	}
	remove = func() error { return os.Remove(to.Name()) }
	_, err = hls.Join(to, pieces, func(p hls.Piece) (io.ReadCloser, error) {
		f, err := beside.Open(filepath.FromSlash(p.Name))
		if err != nil {
			return nil, err
		}
		if p.Length == 0 {
			return f, nil
		}
		return struct {
			io.Reader
			io.Closer
		}{io.NewSectionReader(f, p.Offset, p.Length), f}, nil
	})
	if err = errors.Join(err, to.Close()); err != nil {
		return "", nil, errors.Join(fmt.Errorf("SRC %s: %w", playlist, err), remove())
	}
	return to.Name(), remove, nil
}
