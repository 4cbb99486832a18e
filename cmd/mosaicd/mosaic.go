package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

type mosaicCommand struct {
	Source string `arg:"" name:"SRC" help:"Video to read: MP4, MOV, Matroska, WebM, MPEG-TS, FLV or AVI; or the media playlist (.m3u8) of an HLS recording, or the folder where it is."`
	Output string `arg:"" name:"DST" help:"Video to write; its extension says the container: .mp4, .m4v, .mov, .mkv or .ts."`

	Detections []string `name:"detections" placeholder:"FILE" sep:"none" help:"Where the faces are: JSON as 'aws rekognition get-face-detection' or 'get-face-search' prints it. Repeat the flag for more pages. Without it, --detector looks for them."`
	Detector   string   `help:"Who looks for faces: builtin, or none to cover nothing. Defaults to builtin where no detections are given." enum:",builtin,none" default:"" placeholder:"builtin|none"`
	coverFlags
	Regions  string `placeholder:"FILE" help:"JSON with rectangles to cover besides, and with the spans of time in which detected faces are covered: see docs/faces.md."`
	Report   string `placeholder:"FILE" help:"Write a page (HTML) that shows what was covered when, with pictures before and after: faces are seen in it uncovered."`
	Sheet    string `placeholder:"FILE" help:"Write a picture (PNG) of moments of the output, with what was covered outlined."`
	Verify   bool   `help:"Look for faces in the output, too, and say how many are still found." env:"MOSAICD_VERIFY"`
	Progress string `help:"Progress on standard error: auto is a bar in a terminal and nothing elsewhere; json is a line of JSON every now and then." enum:"auto,bar,json,none" default:"auto"`
}

func (c *mosaicCommand) Run(ctx context.Context, std streams) (err error) {
	settings, err := c.settings()
	if err != nil {
		return err
	}
	playlist, err := playlistOf(c.Source)
	if err != nil {
		return err
	}
	if playlist != "" {
		c.Source = playlist
	}
	if err := c.check(); err != nil {
		return err
	}
	detections, err := c.detections()
	if err != nil {
		return err
	}
	regions, err := c.regions()
	if err != nil {
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
	cover := jobs.Cover{Source: source, Output: temporary, Settings: settings, Detections: detections, Detector: jobs.Detector(c.Detector), Verify: c.Verify, Regions: regions}
	if cover.Detector == "" {
		cover.Detector = jobs.DetectorBuiltin
	}
	started := time.Now()
	done, err := cover.Run(ctx, engine, progress.step)
	progress.end()
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, c.Output); err != nil {
		return fmt.Errorf("give the output its name: %w", err)
	}
	if err := c.show(ctx, engine, cover, done, progress); err != nil {
		return err
	}
	for _, d := range done.Dropped {
		fmt.Fprintln(std.err, "mosaicd: left out:", d)
	}
	if c.Progress != "none" && c.Progress != "json" {
		fmt.Fprintf(std.out, "%s: %d frames, %d of them covered, %d faces, %.1f s\n",
			c.Output, done.Frames, done.FramesCovered, done.Faces, time.Since(started).Seconds())
		if c.Verify {
			fmt.Fprintf(std.out, "%s: %d faces still found in %.1f s\n", c.Output, len(done.Residual), done.Verifying.Seconds())
		}
	}
	return nil
}

// show writes what a person looks at. The output is there already, whatever comes
// of it.
func (c *mosaicCommand) show(ctx context.Context, engine jobs.Engine, cover jobs.Cover, done jobs.Covered, progress *progress) (err error) {
	if c.Report == "" && c.Sheet == "" {
		return nil
	}
	folder, err := os.MkdirTemp("", "mosaicd-report-*")
	if err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	cover.Output = c.Output
	shown, err := cover.Report(ctx, engine, done, folder, c.Report != "", progress.step)
	progress.end()
	if err != nil {
		return err
	}
	shown.Version = version
	if c.Report != "" {
		if err := writeFile(c.Report, shown.WriteHTML); err != nil {
			return fmt.Errorf("--report: %w", err)
		}
	}
	if c.Sheet == "" {
		return nil
	}
	drawn, err := shown.Sheet(jobs.SheetWidth)
	if err == nil {
		err = writeFile(c.Sheet, func(w io.Writer) error { return png.Encode(w, drawn) })
	}
	if err != nil {
		return fmt.Errorf("--sheet: %w", err)
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func (c *mosaicCommand) regions() (faces.Regions, error) {
	if c.Regions == "" {
		return faces.Regions{}, nil
	}
	r, _, err := readRegions(c.Regions)
	return r, err
}

// readRegions reads a file, and judges it.
func readRegions(name string) (faces.Regions, []byte, error) {
	body, err := os.ReadFile(name)
	if err != nil {
		return faces.Regions{}, nil, usagef("--regions: %w", err)
	}
	r, err := faces.ParseRegions(body)
	if err != nil {
		return r, nil, usagef("--regions: %s: %w", name, err)
	}
	return r, bytes.TrimSpace(body), nil
}

// check finds what is wrong with the names before any work is done.
func (c *mosaicCommand) check() error {
	if len(c.Detections) > 0 && c.Detector != "" {
		return usagef("--detections and --detector both say where the faces come from: give one of them")
	}
	if _, ok := ffmpeg.Formats[strings.ToLower(filepath.Ext(c.Output))]; !ok {
		return usagef("DST %s: its extension says the container and must be .mp4, .m4v, .mov, .mkv or .ts", c.Output)
	}
	source, err := os.Stat(c.Source)
	if err != nil {
		return fmt.Errorf("SRC: %w", err)
	}
	if source.IsDir() {
		return usagef("SRC %s is a folder", c.Source)
	}
	output, err := os.Stat(c.Output)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("DST: %w", err)
	case os.SameFile(source, output):
		return usagef("DST %s is SRC: the source is never overwritten", c.Output)
	case !output.Mode().IsRegular():
		return usagef("DST %s is not a regular file", c.Output)
	}
	return nil
}

// detections reads the files that are named; nil where none is.
func (c *mosaicCommand) detections() (*faces.Detections, error) {
	if len(c.Detections) == 0 {
		return nil, nil
	}
	var pages [][]byte
	for _, name := range c.Detections {
		page, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("--detections: %w", err)
		}
		pages = append(pages, page)
	}
	d, err := faces.Parse(pages...)
	if err != nil {
		return nil, fmt.Errorf("--detections: %w", err)
	}
	return &d, nil
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
