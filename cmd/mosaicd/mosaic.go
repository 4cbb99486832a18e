package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/output"
	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/internal/text"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

type mosaicCommand struct {
	Source string `arg:"" name:"SRC" help:"Video to read: MP4, MOV, Matroska, WebM, MPEG-TS, MPEG-PS, MXF, AVI, FLV, ASF (WMV), Ogg or DV; or the media playlist (.m3u8) of an HLS recording, or the folder where it is."`
	Output string `arg:"" name:"DST" help:"Video to write; its extension says the container: .mp4, .m4v, .mov, .mkv or .ts."`

	Detections []string `name:"detections" placeholder:"FILE" sep:"none" help:"Where the faces are: JSON as 'aws rekognition get-face-detection' or 'get-face-search' prints it. Repeat the flag for more pages. Without it, --detector looks for them."`
	Detector   string   `help:"Who looks for faces: builtin, or none to cover nothing. Defaults to builtin where no detections are given." placeholder:"builtin|none"`
	coverFlags
	Regions string `placeholder:"FILE" help:"JSON with rectangles to cover besides, and with the spans of time in which detected faces are covered: see docs/faces.md."`
	Report  string `placeholder:"FILE" help:"Write a page (HTML) that shows what was covered when, with pictures before and after: faces are seen in it uncovered."`
	Sheet   string `placeholder:"FILE" help:"Write a picture (PNG) of moments of the output, with what was covered outlined."`
	Verify  bool   `help:"Look for faces in the output, too, and say how many are still found, when and where." env:"MOSAICD_VERIFY"`
	overwriteFlag
	Progress string `help:"Progress on standard error: auto is a bar in a terminal and nothing elsewhere; json is a line of JSON every now and then." enum:"auto,bar,json,none" default:"auto"`
}

// Help is what --help says beyond the flags.
func (mosaicCommand) Help() string {
	return `Examples:

    mosaicd mosaic in.mp4 out.mp4
    mosaicd mosaic --detections faces.json --style blur in.mp4 blurred.mp4
    mosaicd mosaic --verify --report report.html in.mp4 out.mp4 --overwrite

Sound, subtitles, times and metadata are copied; only the covers change the picture. Objects in S3 are for the daemon: see "mosaicd send mosaic".`
}

func (c *mosaicCommand) Run(ctx context.Context, std streams) (err error) {
	settings, err := c.settings()
	if err != nil {
		return err
	}
	switch {
	case len(c.Detections) > 0 && c.Detector != "":
		return usagef("--detections and --detector both say where the faces come from: give one of them")
	case c.Detector != "" && c.Detector != string(jobs.DetectorBuiltin) && c.Detector != string(jobs.DetectorNone):
		return usagef("--detector: must be builtin or none (got %q)", c.Detector)
	case len(c.Detections) == 0 && c.Cover != faces.CoverAll:
		return usagef("--cover %s: the built-in detector cannot identify people: give --detections with the result of a face search ('aws rekognition get-face-search')", c.Cover)
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
	inputs, outputs := c.names()
	files, err := convert(c.Source, c.Output, c.Overwrite, inputs, outputs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.close()) }()

	progress := newProgress(c.Progress, std.err)
	cover := jobs.Cover{Source: files.source, Output: files.output.Path, Settings: settings, Detections: detections, Detector: jobs.Detector(c.Detector), Verify: c.Verify, Regions: regions}
	if cover.Detector == "" {
		cover.Detector = jobs.DetectorBuiltin
	}
	started := time.Now()
	done, err := cover.Run(ctx, engine, progress.step)
	progress.done(err)
	if f, ok := errors.AsType[*jobs.Failure](err); ok {
		return fmt.Errorf("%s: %w", f.Code, err)
	}
	if err != nil {
		return err
	}
	if err := files.keep(); err != nil {
		return err
	}
	if err := c.show(ctx, engine, cover, done, progress); err != nil {
		return err
	}
	for _, d := range done.Dropped {
		terminal.Fprintln(std.err, "mosaicd: left out:", d)
	}
	for _, r := range done.Repaired {
		terminal.Fprintln(std.err, "mosaicd: repaired:", r.What)
	}
	if c.Progress != "none" && c.Progress != "json" {
		terminal.Fprintf(std.out, "%s: %d frames, %d of them covered, %d faces, %.1f s\n",
			c.Output, done.Frames, done.FramesCovered, done.Faces, time.Since(started).Seconds())
		if c.Verify {
			terminal.Fprintf(std.out, "%s: %d faces still found in %.1f s\n", c.Output, len(done.Residual), done.Verifying.Seconds())
			seen := jobs.Sightings(done.Residual, done.Begins)
			for _, s := range seen[:min(len(seen), maxShownSightings)] {
				terminal.Fprintf(std.out, "%s: still found %s\n", c.Output, s)
			}
			if n := len(seen) - maxShownSightings; n > 0 {
				terminal.Fprintf(std.out, "%s: and %d times more: --report shows them all\n", c.Output, n)
			}
		}
	}
	return nil
}

// maxShownSightings is how many faces that are still found are told of, a line each.
const maxShownSightings = 20

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
	progress.done(err)
	if err != nil {
		return err
	}
	shown.Version = version
	if c.Report != "" {
		if err := output.Write(output.Name{What: "--report", Path: c.Report}, c.Overwrite, shown.WriteHTML); err != nil {
			return err
		}
	}
	if c.Sheet == "" {
		return nil
	}
	drawn, err := shown.Sheet(jobs.SheetWidth)
	if err != nil {
		return fmt.Errorf("--sheet: %w", err)
	}
	return output.Write(output.Name{What: "--sheet", Path: c.Sheet}, c.Overwrite, func(w io.Writer) error { return png.Encode(w, drawn) })
}

// names are the files beside SRC and DST that the command reads and writes.
func (c *mosaicCommand) names() (inputs, outputs []output.Name) {
	for _, name := range c.Detections {
		inputs = append(inputs, output.Name{What: "--detections", Path: name})
	}
	if c.Regions != "" {
		inputs = append(inputs, output.Name{What: "--regions", Path: c.Regions})
	}
	if c.Report != "" {
		outputs = append(outputs, output.Name{What: "--report", Path: c.Report})
	}
	if c.Sheet != "" {
		outputs = append(outputs, output.Name{What: "--sheet", Path: c.Sheet})
	}
	return inputs, outputs
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
	if body, err = text.UTF8(body); err != nil {
		return faces.Regions{}, nil, usagef("--regions: %s: %w", name, err)
	}
	r, err := faces.ParseRegions(body)
	if err != nil {
		return r, nil, usagef("--regions: %s: %w", name, err)
	}
	return r, bytes.TrimSpace(body), nil
}

// detections reads the files that are named; nil where none is.
func (c *mosaicCommand) detections() (*faces.Detections, error) {
	if len(c.Detections) == 0 {
		return nil, nil
	}
	r := faces.Reader{Pages: len(c.Detections)}
	for _, name := range c.Detections {
		page, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("--detections: %w", err)
		}
		if err := errors.Join(r.Read(page), page.Close()); err != nil {
			return nil, fmt.Errorf("--detections: %s: %s: %w", jobs.CodeInvalidDetections, name, err)
		}
	}
	d, err := r.Detections()
	if err != nil {
		return nil, fmt.Errorf("--detections: %s: %w", jobs.CodeInvalidDetections, err)
	}
	return &d, nil
}
