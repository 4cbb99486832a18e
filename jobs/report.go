package jobs

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/report"
)

const (
	// shownMoments is how many moments of a video a person is shown: few enough to
	// look at each.
	shownMoments = 24
	// shownSide is the longer side of these pictures, in pixels: enough to see whether
	// a face can be made out.
	shownSide = 640
)

// Report gathers what a person looks at to see whether the output is right. It
// keeps pictures in folder, which must exist and be empty. Without before it has
// none of the source, and so no face that nobody covered. Progress may be nil.
func (c Cover) Report(ctx context.Context, engine Engine, done Covered, folder string, before bool, progress func(Phase, ffmpeg.Progress)) (report.Report, error) {
	r := report.Report{
		Source: filepath.Base(c.Source), Output: filepath.Base(c.Output), Made: time.Now().UTC(),
		Detector: c.seenBy(), Duration: time.Duration(done.Output.Duration * float64(time.Second)),
		Width: done.Output.Width, Height: done.Output.Height,
		Frames: done.Frames, FramesCovered: done.FramesCovered, Settings: c.Settings.shown(),
		Faces: done.Seen, Tracks: done.Tracks, Regions: c.Regions,
		Verified: c.Verify, Residual: done.Residual,
	}
	moments := report.Moments(r.Duration, r.Tracks, r.Residual, shownMoments)
	at := make([]int64, len(moments))
	for i, m := range moments {
		at[i] = m.Milliseconds()
	}
	after, err := c.pictures(ctx, engine, c.Output, filepath.Join(folder, "after"), at, progress)
	if err != nil {
		return r, err
	}
	for _, p := range after {
		r.Moments = append(r.Moments, report.Moment{At: p.at, After: p.jpeg})
	}
	if !before {
		return r, nil
	}
	// At the very frames that were shown.
	at = at[:0]
	for _, p := range after {
		at = append(at, p.at.Milliseconds())
	}
	source, err := c.pictures(ctx, engine, c.Source, filepath.Join(folder, "before"), at, progress)
	if err != nil {
		return r, err
	}
	if len(source) != len(after) {
		return r, fmt.Errorf("draw the report: %d pictures of the source, %d of the output", len(source), len(after))
	}
	for i, p := range source {
		r.Moments[i].Before = p.jpeg
	}
	return r, nil
}

type picture struct {
	at   time.Duration
	jpeg []byte
}

func (c Cover) pictures(ctx context.Context, engine Engine, of, folder string, at []int64, progress func(Phase, ffmpeg.Progress)) ([]picture, error) {
	if len(at) == 0 {
		return nil, nil
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, fmt.Errorf("draw the report: %w", err)
	}
	done, err := engine.Run(ctx, ffmpeg.Spec{
		Op: ffmpeg.OpPictures, Input: of, Output: folder, At: at, MaxSide: shownSide, Video: ffmpeg.Video{Threads: c.Settings.Threads},
	}, func(p ffmpeg.Progress) {
		if progress != nil {
			progress(PhaseReport, p)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("draw the report: %w", err)
	}
	if len(done.Pictures) > len(at) {
		return nil, fmt.Errorf("draw the report: %d pictures, where %d were asked for", len(done.Pictures), len(at))
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("draw the report: %w", err)
	}
	defer root.Close()
	all := make([]picture, len(done.Pictures))
	for i, p := range done.Pictures {
		all[i].at = time.Duration(p.At) * time.Millisecond
		if all[i].jpeg, err = readPicture(root, p.Name); err != nil {
			return nil, fmt.Errorf("draw the report: %w", err)
		}
	}
	return all, nil
}

// maxPictureBytes is more than a picture of shownSide has, of whatever it is.
const maxPictureBytes = 8 << 20

// readPicture reads what an engine wrote, which may have been taken over by its file:
// the name leads nowhere else, and the picture is as large as was asked for.
func readPicture(folder *os.Root, name string) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxPictureBytes+1))
	if err != nil {
		return nil, err
	}
	size, err := jpeg.DecodeConfig(bytes.NewReader(body))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read picture %s: %w", name, err)
	case len(body) > maxPictureBytes, max(size.Width, size.Height) > shownSide:
		return nil, fmt.Errorf("read picture %s: it is larger than was asked for", name)
	}
	return body, nil
}

// seenBy says who looked for faces.
func (c Cover) seenBy() string {
	if c.Detections != nil {
		return "given"
	}
	return string(c.Detector)
}

// shown are the settings as a report gives them.
func (s Settings) shown() []report.Setting {
	all := []report.Setting{
		{Name: "style", Value: s.Style},
		{Name: "blocks", Value: strconv.Itoa(s.Blocks)},
		{Name: "margin", Value: strconv.FormatFloat(s.Margin, 'g', -1, 64)},
		{Name: "cover", Value: cmp.Or(s.Cover, "all")},
	}
	if !s.all() {
		all = append(all, report.Setting{Name: "similarity", Value: fmt.Sprintf("%g %%", s.covers().Similarity)})
	}
	if s.Collection != "" {
		all = append(all, report.Setting{Name: "collection", Value: s.Collection})
	}
	return append(all, report.Setting{Name: "codec", Value: cmp.Or(s.Codec, ffmpeg.CodecAuto)}, report.Setting{Name: "preset", Value: s.Preset}, report.Setting{Name: "crf", Value: strconv.Itoa(s.CRF)})
}
