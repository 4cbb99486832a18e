package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/sheet"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/faces"
	"github.com/mosaicd/mosaicd/jobs/report"
)

const (
	shownPictures = 4
	pictureWidth  = 640 // pixels
)

// report writes pictures of a video before and after, and the page that "mosaicd mosaic
// --report" would have written, and returns their paths. It looks for the faces once
// more: the daemon keeps no pictures of faces.
func (d *demo) report(ctx context.Context, source, output string, covered jobs.Result) (pictures, page string, err error) {
	folder, err := os.MkdirTemp(d.Dir, "report-*")
	if err != nil {
		return "", "", fmt.Errorf("draw the report: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	cover := jobs.Cover{Source: source, Output: output, Settings: jobs.DefaultSettings(), Detector: jobs.DetectorBuiltin}
	found, err := jobs.Detect(ctx, d.engine, source, 0, nil)
	if err != nil {
		return "", "", err
	}
	seen, err := faces.ParseBuiltin(found)
	if err != nil {
		return "", "", err
	}
	first := covered.Outputs[0]
	seen.Every = faces.DetectorEvery
	tracks, err := seen.Track(ctx, faces.Options{Margin: cover.Settings.Margin})
	if err != nil {
		return "", "", err
	}
	done := jobs.Covered{
		Report: ffmpeg.Report{
			Output: ffmpeg.Media{Duration: first.DurationSeconds, Width: first.Width, Height: first.Height},
			Frames: covered.Stats.Frames, FramesCovered: covered.Stats.FramesCovered,
		},
		Seen: seen.Faces, Tracks: tracks,
	}
	shown, err := cover.Report(ctx, d.engine, done, folder, true, nil)
	if err != nil {
		return "", "", err
	}
	pictures, page = filepath.Join(d.Dir, "frames.png"), filepath.Join(d.Dir, "report.html")
	drawn, err := drawMoments(shown.Moments)
	if err != nil {
		return "", "", err
	}
	if err := writeFile(pictures, func(w io.Writer) error { return png.Encode(w, drawn) }); err != nil {
		return "", "", err
	}
	return pictures, page, writeFile(page, shown.WriteHTML)
}

// drawMoments puts a few moments of both videos beside each other.
func drawMoments(all []report.Moment) (image.Image, error) {
	columns := [2][]image.Image{}
	for i := range min(shownPictures, len(all)) {
		m := all[i*len(all)/min(shownPictures, len(all))]
		for column, body := range [][]byte{m.Before, m.After} {
			picture, err := jpeg.Decode(bytes.NewReader(body))
			if err != nil {
				return nil, fmt.Errorf("draw the pictures: %w", err)
			}
			columns[column] = append(columns[column], picture)
		}
	}
	return sheet.Draw(columns[0], columns[1], pictureWidth), nil
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
