package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/hls"
)

// A conversion makes one local file of another, or of a recording. Until it is kept
// nothing has the output's name.
type conversion struct {
	source    string // to read: of a recording, all of it in one file
	temporary string // to write
	output    string
	joined    bool // source is ours to remove
}

// convert judges the names, SRC and DST on the command line, before any work is
// done.
func convert(source, output string) (*conversion, error) {
	if err := checkLocal("SRC", source); err != nil {
		return nil, err
	}
	if err := checkLocal("DST", output); err != nil {
		return nil, err
	}
	playlist, err := playlistOf(source)
	if err != nil {
		return nil, err
	}
	if playlist != "" {
		source = playlist
	}
	if err := checkNames(source, output); err != nil {
		return nil, err
	}
	c := &conversion{source: source, output: output}
	if playlist != "" {
		if c.source, err = join(playlist, filepath.Dir(output)); err != nil {
			return nil, err
		}
		c.joined = true
	}
	if c.temporary, err = temporaryName(output); err != nil {
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

// keep gives the output its name.
func (c *conversion) keep() error {
	if err := os.Rename(c.temporary, c.output); err != nil {
		return fmt.Errorf("give the output its name: %w", err)
	}
	return nil
}

// close removes what is not kept.
func (c *conversion) close() error {
	var err error
	if c.joined {
		err = os.Remove(c.source)
	}
	if c.temporary != "" {
		if gone := os.Remove(c.temporary); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

func checkNames(source, output string) error {
	if _, ok := ffmpeg.Formats[strings.ToLower(filepath.Ext(output))]; !ok {
		return usagef("DST %s: its extension says the container and must be .mp4, .m4v, .mov, .mkv or .ts", output)
	}
	from, err := os.Stat(source)
	if err != nil {
		return fmt.Errorf("SRC: %w", err)
	}
	if from.IsDir() {
		return usagef("SRC %s is a folder", source)
	}
	there, err := os.Stat(output)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("DST: %w", err)
	case os.SameFile(from, there):
		return usagef("DST %s is SRC: the source is never overwritten", output)
	case !there.Mode().IsRegular():
		return usagef("DST %s is not a regular file", output)
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

// join makes a file in a folder with all of a recording.
func join(playlist, folder string) (string, error) {
	body, err := os.ReadFile(playlist)
	if err != nil {
		return "", fmt.Errorf("SRC: %w", err)
	}
	pieces, err := hls.Parse(body)
	if err != nil {
		return "", fmt.Errorf("SRC %s: %w", playlist, err)
	}
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

// temporaryName makes an empty file beside the output: on the same file system,
// so that the last step is a rename, and with the extension that says the
// container.
func temporaryName(output string) (string, error) {
	extension := filepath.Ext(output)
	base := strings.TrimSuffix(filepath.Base(output), extension)
	f, err := os.CreateTemp(filepath.Dir(output), "."+base+".*.part"+extension)
	if err != nil {
		return "", fmt.Errorf("DST: %w", err)
	}
	// CreateTemp keeps it to us; the result is as open as any file that we make.
	if err := errors.Join(f.Chmod(0o666&^umask()), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("DST: %w", err)
	}
	return f.Name(), nil
}
