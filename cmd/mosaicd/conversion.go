package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/output"
	"github.com/mosaicd/mosaicd/jobs/hls"
)

// A conversion makes one local file of another, or of a recording. Until it is kept
// nothing has the output's name.
type conversion struct {
	source string // to read: of a recording, all of it in one file
	output *output.File
	joined bool // source is ours to remove
}

// An overwriteFlag is that of every command that writes files.
type overwriteFlag struct {
	Overwrite bool `help:"Replace files that are there already; without it they are refused. What is read is never replaced."`
}

// convert judges the names, SRC and DST on the command line and those of further files, before any work is
// done.
func convert(source, dst string, overwrite bool, inputs, outputs []output.Name) (*conversion, error) {
	if err := checkLocal("SRC", source); err != nil {
		return nil, err
	}
	if err := checkLocal("DST", dst); err != nil {
		return nil, err
	}
	playlist, err := playlistOf(source)
	if err != nil {
		return nil, err
	}
	var pieces []hls.Piece
	if playlist != "" {
		source = playlist
		if pieces, err = readPlaylist(playlist); err != nil {
			return nil, err
		}
	}
	if err := checkNames(source, dst); err != nil {
		return nil, err
	}
	inputs = append([]output.Name{{What: "SRC", Path: source}}, inputs...)
	if playlist != "" {
		for _, p := range pieces {
			inputs = append(inputs, output.Name{What: "a segment of SRC", Path: filepath.Join(filepath.Dir(playlist), filepath.FromSlash(p.Name))})
		}
	}
	to := output.Name{What: "DST", Path: dst}
	if err := checkOutputs(inputs, append([]output.Name{to}, outputs...), overwrite); err != nil {
		return nil, err
	}
	c := &conversion{source: source}
	if playlist != "" {
		if c.source, err = join(playlist, pieces, filepath.Dir(dst)); err != nil {
			return nil, err
		}
		c.joined = true
	}
	if c.output, err = output.Create(to, overwrite); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// checkLocal refuses an address where a path is wanted.
func checkLocal(argument, path string) error {
	if _, _, address := strings.Cut(path, "://"); !address {
		return nil
	}
	return usagef("%s %s: only local files are read and written here: download it first, "+
		"or give objects in S3 to a daemon: mosaicd send mosaic s3://… s3://…", argument, path)
}

// checkOutputs is output.Check, whose refusals are mistakes on the command line.
func checkOutputs(inputs, outputs []output.Name, overwrite bool) error {
	err := output.Check(inputs, outputs, overwrite)
	if errors.As(err, new(*output.Refusal)) {
		return usageError{err}
	}
	return err
}

// keep gives the output its name.
func (c *conversion) keep() error { return c.output.Keep() }

// close removes what is not kept.
func (c *conversion) close() error {
	var err error
	if c.joined {
		err = os.Remove(c.source)
	}
	if c.output != nil {
		err = errors.Join(err, c.output.Discard())
	}
	return err
}

func checkNames(source, dst string) error {
	if _, ok := ffmpeg.Formats[strings.ToLower(filepath.Ext(dst))]; !ok {
		return usagef("DST %s: its extension says the container and must be .mp4, .m4v, .mov, .mkv or .ts", dst)
	}
	from, err := os.Stat(source)
	if err != nil {
		return fmt.Errorf("SRC: %w", err)
	}
	if from.IsDir() {
		return usagef("SRC %s is a folder", source)
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

// readPlaylist returns the pieces of a recording.
func readPlaylist(playlist string) ([]hls.Piece, error) {
	body, err := os.ReadFile(playlist)
	if err != nil {
		return nil, fmt.Errorf("SRC: %w", err)
	}
	pieces, err := hls.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("SRC %s: %w", playlist, err)
	}
	return pieces, nil
}

// join makes a file in a folder with all of a recording.
func join(playlist string, pieces []hls.Piece, folder string) (string, error) {
	// Not even by a symbolic link does a name lead out of it.
	beside, err := os.OpenRoot(filepath.Dir(playlist))
	if err != nil {
		return "", fmt.Errorf("SRC: %w", err)
	}
	defer beside.Close()
	to, err := os.CreateTemp(folder, ".recording.*.part")
	if err != nil {
		return "", fmt.Errorf("DST: %w", err)
	}
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
		return "", errors.Join(fmt.Errorf("SRC %s: %w", playlist, err), os.Remove(to.Name()))
	}
	return to.Name(), nil
}
