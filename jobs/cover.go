// Package jobs says what is to be done with what arrives on the queue, does it,
// and publishes what came of it.
package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

// An Engine does one piece of work on local files. *ffmpeg.Engine does it in a
// child process.
type Engine interface {
	Run(context.Context, ffmpeg.Spec, func(ffmpeg.Progress)) (ffmpeg.Report, error)
}

// A Cover is one local file to be covered.
type Cover struct {
	Source   string // path
	Output   string // path; its extension says the container: see ffmpeg.Formats
	Settings Settings
	// Otherwise are the containers for the output, values of ffmpeg.Formats, where the one
	// of its extension has no place for something that the source has: the report says
	// which it became.
	Otherwise []string
	// Detections say where the faces are. Where they are nil, Detector is asked:
	// DetectorBuiltin or DetectorNone.
	Detections *faces.Detections
	Detector   Detector
	// Verify has the built-in detector look at the output, too.
	Verify bool
	// Regions are what a person says of the covers.
	Regions faces.Regions
	// Afford may refuse the source by what it says about itself, before anything is spent on
	// it; nil: nobody does.
	Afford func(ffmpeg.Media) error
}

// Covered is what came of a Cover.
type Covered struct {
	ffmpeg.Report
	Faces     int // tracks
	Seen      []faces.Detection
	Tracks    faces.Tracks  // of the faces that are covered, without Regions
	Detecting time.Duration // wall time of the detector's pass
	Working   time.Duration // wall time of the pass that covers and encodes
	// Residual are the faces that are still found in the output, if somebody
	// looked.
	Residual []faces.Detection
	// Begins is when a player shows the output's first frame, if somebody looked.
	Begins    time.Duration
	Verifying time.Duration // wall time of that look
}

// A Phase is a part of the work that has a progress of its own.
type Phase string

const (
	PhaseDetect Phase = "detect"
	PhaseEncode Phase = "encode"
	PhaseVerify Phase = "verify"
	PhaseRemux  Phase = "remux"
	PhaseReport Phase = "report"
	// Of a job, around the phases of the engine: without frames.
	PhaseDownload Phase = "download"
	PhaseUpload   Phase = "upload"
)

// Run finds the faces and writes the output. Progress may be nil. Errors of the
// engine come wrapped as it gave them: see ffmpeg.Engine's Run.
func (c Cover) Run(ctx context.Context, engine Engine, progress func(Phase, ffmpeg.Progress)) (Covered, error) {
	if progress == nil {
		progress = func(Phase, ffmpeg.Progress) {}
	}
	extension := strings.ToLower(filepath.Ext(c.Output))
	format, ok := ffmpeg.Formats[extension]
	if !ok {
		return Covered{}, fmt.Errorf("output %s: the extension says the container and must be one of .mp4, .m4v, .mov, .mkv, .ts", c.Output)
	}
	var done Covered
	if err := c.judge(ctx, engine); err != nil {
		return Covered{}, err
	}
	detections, err := c.detect(ctx, engine, &done, progress)
	if err != nil {
		return Covered{}, err
	}
	done.Seen = detections.Faces
	if done.Tracks, err = detections.Track(ctx, c.Settings.covers()); err != nil {
		return Covered{}, fmt.Errorf("follow the faces: %w", err)
	}
	done.Faces = len(done.Tracks)
	covered, err := c.Regions.ApplyContext(ctx, done.Tracks)
	if err != nil {
		return Covered{}, fmt.Errorf("apply the regions: %w", err)
	}
	encoded, err := covered.MarshalJSON() // json.Marshal would copy what may be large
	if err != nil {
		return Covered{}, fmt.Errorf("encode tracks: %w", err)
	}
	started := time.Now()
	done.Report, err = engine.Run(ctx, ffmpeg.Spec{
		Op:               ffmpeg.OpMosaic,
		Input:            c.Source,
		Output:           c.Output,
		Format:           format,
		Otherwise:        c.Otherwise,
		DropStreams:      c.Settings.DropStreams,
		ConvertSubtitles: c.Settings.Subtitles == SubtitlesConvert,
		Tracks:           encoded,
		Style:            c.Settings.Style,
		Blocks:           c.Settings.Blocks,
		Video:            ffmpeg.Video{Codec: c.Settings.Codec, Preset: c.Settings.Preset, CRF: c.Settings.CRF, Threads: c.Settings.Threads},
	}, func(p ffmpeg.Progress) { progress(PhaseEncode, p) })
	if err != nil {
		return Covered{}, fmt.Errorf("cover %s: %w", filepath.Base(c.Source), err)
	}
	done.Working = time.Since(started)
	// A file may last longer than it says.
	if c.Detections != nil {
		counted := time.Duration(done.Output.Duration * float64(time.Second))
		if err := detections.Reach(counted); err != nil {
			return Covered{}, &Failure{Code: CodeInvalidDetections, Err: err}
		}
	}
	if c.Verify {
		if err := c.verify(ctx, engine, detections, &done, progress); err != nil {
			return Covered{}, err
		}
	}
	return done, nil
}

// verify looks for faces in the output. Those of people who are not to be covered
// don't count.
func (c Cover) verify(ctx context.Context, engine Engine, seen faces.Detections, done *Covered, progress func(Phase, ffmpeg.Progress)) error {
	started := time.Now()
	report, err := engine.Run(ctx, ffmpeg.Spec{
		Op: ffmpeg.OpDetect, Input: c.Output, Every: faces.DetectorEvery.Milliseconds(), Video: ffmpeg.Video{Threads: c.Settings.Threads},
	}, func(p ffmpeg.Progress) { progress(PhaseVerify, p) })
	if err != nil {
		return fmt.Errorf("look for faces in the output: %w", err)
	}
	found, err := faces.ParseBuiltin(report.Detections)
	if err != nil {
		return err
	}
	if done.Residual, err = seen.Unspared(ctx, found.Faces, c.Settings.covers()); err != nil {
		return fmt.Errorf("look for faces in the output: %w", err)
	}
	done.Begins = time.Duration(report.Source.Start * float64(time.Second))
	done.Verifying = time.Since(started)
	return nil
}

// detect runs the detector as a pass of its own, before anything is encoded: a
// cover begins one interval before the face was first seen, which a single pass
// would learn only when those frames are already written.
func (c Cover) detect(ctx context.Context, engine Engine, done *Covered, progress func(Phase, ffmpeg.Progress)) (faces.Detections, error) {
	if c.Detections != nil {
		return *c.Detections, nil
	}
	switch c.Detector {
	case DetectorNone:
		return faces.Detections{}, nil
	case DetectorBuiltin:
	default:
		return faces.Detections{}, fmt.Errorf("detector %q can't look at a local file: builtin and none can", c.Detector)
	}
	started := time.Now()
	report, err := engine.Run(ctx, ffmpeg.Spec{
		Op:    ffmpeg.OpDetect,
		Input: c.Source,
		Every: faces.DetectorEvery.Milliseconds(),
		Video: ffmpeg.Video{Threads: c.Settings.Threads},
	}, func(p ffmpeg.Progress) { progress(PhaseDetect, p) })
	if err != nil {
		return faces.Detections{}, fmt.Errorf("look for faces in %s: %w", filepath.Base(c.Source), err)
	}
	done.Detecting = time.Since(started)
	found, err := faces.ParseBuiltin(report.Detections)
	if err != nil {
		return faces.Detections{}, err
	}
	found.Every = faces.DetectorEvery
	found.Video.Duration = time.Duration(report.Source.Duration * float64(time.Second))
	return found, nil
}

// judge refuses a source that is more than Afford allows, and Detections that can't be of it.
func (c Cover) judge(ctx context.Context, engine Engine) error {
	if c.Afford == nil && c.Detections == nil {
		return nil
	}
	probe, err := engine.Run(ctx, ffmpeg.Spec{Op: ffmpeg.OpProbe, Input: c.Source}, nil)
	if err != nil {
		return fmt.Errorf("read what %s says about itself: %w", filepath.Base(c.Source), err)
	}
	m := probe.Source
	if c.Afford != nil {
		if err := c.Afford(m); err != nil {
			return err
		}
	}
	if c.Detections == nil {
		return nil
	}
	video := faces.Video{
		Duration: time.Duration(m.Duration * float64(time.Second)),
		Whole:    time.Duration(m.FileDuration * float64(time.Second)),
		Width:    m.Width, Height: m.Height,
	}
	if !m.VariableRate {
		video.FrameRate = m.FrameRate
	}
	if err := c.Detections.Fits(video); err != nil {
		return &Failure{Code: CodeInvalidDetections, Err: err}
	}
	return nil
}

// Remux writes the output with nothing covered and nothing encoded again. Errors of the
// engine come wrapped as it gave them.
func (c Cover) Remux(ctx context.Context, engine Engine, progress func(Phase, ffmpeg.Progress)) (Covered, error) {
	started := time.Now()
	report, err := engine.Run(ctx, ffmpeg.Spec{
		Op: ffmpeg.OpRemux, Input: c.Source, Output: c.Output, Format: ffmpeg.Formats[strings.ToLower(filepath.Ext(c.Output))],
		Otherwise: c.Otherwise, DropStreams: c.Settings.DropStreams, ConvertSubtitles: c.Settings.Subtitles == SubtitlesConvert,
	}, func(p ffmpeg.Progress) {
		if progress != nil {
			progress(PhaseRemux, p)
		}
	})
	if err != nil {
		return Covered{}, fmt.Errorf("remux %s: %w", filepath.Base(c.Source), err)
	}
	return Covered{Report: report, Working: time.Since(started)}, nil
}

// Detect looks for faces in a local file with the built-in detector. It returns
// one page of JSON as GetFaceDetection has it. Progress may be nil.
// https://docs.aws.amazon.com/rekognition/latest/APIReference/API_GetFaceDetection.html
func Detect(ctx context.Context, engine Engine, path string, threads int, progress func(ffmpeg.Progress)) ([]byte, error) {
	report, err := engine.Run(ctx, ffmpeg.Spec{
		Op: ffmpeg.OpDetect, Input: path, Every: faces.DetectorEvery.Milliseconds(), Video: ffmpeg.Video{Threads: threads},
	}, progress)
	if err != nil {
		return nil, fmt.Errorf("look for faces in %s: %w", filepath.Base(path), err)
	}
	page := map[string]json.RawMessage{}
	if err := json.Unmarshal(report.Detections, &page); err != nil {
		return nil, fmt.Errorf("read what the detector found: %w", err)
	}
	m := report.Source
	page["VideoMetadata"], err = json.Marshal(struct {
		Codec, Format           string
		DurationMillis          int64
		FrameRate               float64
		FrameHeight, FrameWidth int
	}{m.Codec, m.Format, int64(m.Duration * 1000), m.FrameRate, m.Height, m.Width})
	if err != nil {
		return nil, fmt.Errorf("write what the detector found: %w", err)
	}
	return json.Marshal(page)
}
