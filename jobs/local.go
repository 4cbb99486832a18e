package jobs

import (
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/failpoint"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

// An idleError says why there is nothing to do for an object.
type idleError string

func (e idleError) Error() string { return string(e) }

// maxPageBytes is the largest page of detections that is read. Rekognition gives
// at most 1,000 faces a page.
const maxPageBytes = 64 << 20

// local does a step on this machine, and fills in its result.
func (h *Handler) local(ctx context.Context, log *zap.Logger, l *lease, n int, r *Result) (err error) {
	c, tell := l.claim, newReporter(log)
	tell.save = func(p Progress) { p.Step = n + 1; l.report(&p) }
	step := c.Job.Steps[n]
	if err := CheckDestination(step.Destination); err != nil {
		return err
	}
	extension := strings.ToLower(path.Ext(step.Destination.Key))
	mediaType := mediaTypes[extension]
	if at := step.Destination; at.Bucket == c.Job.Source.Bucket && at.Key == c.Job.Source.Key {
		return failf(CodeInvalidRequest, "destination %s is the source, which is never overwritten", at)
	}
	if err := h.cfg.judgeDestination(step.Destination); err != nil {
		return err
	}
	source, err := h.source(ctx, l, n)
	if err != nil {
		return err
	}
	if at := step.Destination; at.Bucket == source.Bucket && at.Key == source.Key {
		return failf(CodeInvalidRequest, "destination %s is what the step before wrote, which this one reads", at)
	}
	// Before anything is spent on it; upload judges again.
	if err := h.judgeDestination(ctx, c, n, step.Destination); err != nil {
		return err
	}
	cover := Cover{Settings: step.Settings, Otherwise: step.otherwise(), Detector: h.cfg.Detector, Verify: h.cfg.Verify || step.Review}
	cover.Afford = func(m ffmpeg.Media) error { return h.afford(m, step.Settings) }
	if cover.Regions, err = regions(step); err != nil {
		return err
	}
	if c.Steps[n].Fallback != "" {
		cover.Detector = DetectorBuiltin
	}
	if c.Steps[n].Search != nil {
		cover.Detections, err = h.searched(ctx, c.Steps[n])
	} else {
		cover.Detections, err = h.detections(ctx, step.Detections, source.Location)
	}
	if err != nil {
		return err
	}

	h.working.Add(1)
	defer h.working.Add(-1)
	folder, err := newFolder(h.cfg.Scratch, c.Job.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.remove()) }()
	// Names of our own: a key never becomes a path.
	cover.Source = filepath.Join(folder.path, "source")
	cover.Output = filepath.Join(folder.path, "output"+extension)

	stats := &Stats{}
	started := time.Now()
	tell.phase(PhaseDownload)
	if stats.SourceBytes, err = h.fetch(ctx, c.Job, source, cover.Source); err != nil {
		return err
	}
	failpoint.Hit("downloaded")
	stats.DownloadSeconds = seconds(time.Since(started))

	var done Covered
	working, worked := h.limited(ctx)
	defer worked()
	if step.Kind == KindRemux {
		done, err = cover.Remux(working, h.engine, tell.step)
	} else {
		done, err = cover.Run(working, h.engine, tell.step)
	}
	if err != nil {
		return h.overWork(working, err)
	}
	if step.Kind == KindMosaic {
		pixels := float64(done.Frames) * float64(done.Output.Width) * float64(done.Output.Height)
		h.pace.observe(outputCodec(step.Settings, done.Source), step.Settings.Preset, pixels, done.Detecting+done.Working+done.Verifying)
	}
	stats.Frames, stats.FramesCovered, stats.Faces = done.Frames, done.FramesCovered, done.Faces
	stats.DecodeErrors, stats.DroppedStreams, stats.Repaired = done.DecodeErrors, done.Dropped, done.Repaired
	stats.DetectSeconds, stats.EncodeSeconds = seconds(done.Detecting), seconds(done.Working)
	if len(done.Dropped)+len(done.Repaired) > 0 {
		var repaired []string
		for _, r := range done.Repaired {
			repaired = append(repaired, r.What)
		}
		log.Info(eventJobAltered, zap.Strings("left_out", done.Dropped), zap.Strings("repaired", repaired))
	}

	if cover.Verify && step.Kind == KindMosaic {
		stats.Residual = newResidual(done)
		log.Info(eventJobVerified, zap.Int("residual_faces", stats.Residual.Faces), zap.Float64s("at_seconds", stats.Residual.AtSeconds))
	}
	failpoint.Hit("encoded")
	if to := step.became(done.Output.Format); to != step.Destination {
		step.Destination, mediaType = to, mediaTypes[path.Ext(to.Key)]
		if to.Bucket == source.Bucket && to.Key == source.Key {
			return failf(CodeInvalidRequest, "destination %s, as %s has no place for all that the source has, is what this step reads", to, path.Ext(c.Job.Steps[n].Destination.Key))
		}
		if err := h.judgeDestination(ctx, c, n, to); err != nil {
			return err
		}
	}
	var sheet *Output
	if step.Settings.Sheet && step.Kind == KindMosaic {
		if sheet, err = h.sheet(working, log, cover, done, folder.path, c, n, step.Destination); err != nil {
			return h.overWork(working, err)
		}
	}
	started = time.Now()
	tell.phase(PhaseUpload)
	written, err := h.store.upload(ctx, cover.Output, step.Destination, h.writing(c, n, mediaType))
	if err != nil {
		return err
	}
	failpoint.Hit("uploaded")
	stats.UploadSeconds = seconds(time.Since(started))
	r.Stats = stats
	if step.Review && stats.Residual.Faces > 0 {
		r.Status = StatusReview
		r.Error = &ResultError{Code: CodeResidualFaces, Message: fmt.Sprintf("%d faces are still found in the output, first at %.2f s", stats.Residual.Faces, stats.Residual.AtSeconds[0])}
	}
	r.Outputs = []Output{{
		URI:             step.Destination.String(),
		Kind:            "file",
		VersionID:       written.VersionID,
		ETag:            strings.Trim(written.ETag, `"`),
		MediaType:       mediaType,
		Bytes:           written.Bytes,
		DurationSeconds: seconds(time.Duration(done.Output.Duration * float64(time.Second))),
		Width:           done.Output.Width,
		Height:          done.Output.Height,
	}}
	if sheet != nil {
		r.Outputs = append(r.Outputs, *sheet)
	}
	return nil
}

// CheckDestination returns a *Failure where the extension of a key names no container
// that is written.
func CheckDestination(at event.Location) error {
	if _, ok := mediaTypes[strings.ToLower(path.Ext(at.Key))]; !ok {
		return failf(CodeInvalidRequest,
			"destination %s: its extension says the container and must be .mp4, .m4v, .mov, .mkv or .ts", at)
	}
	return nil
}

// SheetWidth is that of one picture of a contact sheet, in pixels.
const SheetWidth = 320

// sheet writes a contact sheet beside the output, before that: who sees the output
// finds the sheet. It shows nothing of the source, as whoever may see the output may
// see it.
func (h *Handler) sheet(ctx context.Context, log *zap.Logger, cover Cover, done Covered, folder string, c *Claim, n int, beside event.Location) (*Output, error) {
	shown, err := cover.Report(ctx, h.engine, done, folder, false, newReporter(log).step)
	if err != nil {
		return nil, err
	}
	drawn, err := shown.Sheet(SheetWidth)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "sheet.png")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write a contact sheet: %w", err)
	}
	err = png.Encode(f, drawn)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("write a contact sheet: %w", err)
	}
	at := sheetOf(beside)
	written, err := h.store.upload(ctx, path, at, h.writing(c, n, "image/png"))
	if err != nil {
		return nil, err
	}
	return &Output{
		URI: at.String(), Kind: "sheet", MediaType: "image/png", VersionID: written.VersionID, ETag: strings.Trim(written.ETag, `"`),
		Bytes: written.Bytes, Width: drawn.Rect.Dx(), Height: drawn.Rect.Dy(),
	}, nil
}

// sheetOf is where the contact sheet of an output is.
func sheetOf(output event.Location) event.Location {
	return event.Location{Bucket: output.Bucket, Key: output.Key + ".sheet.png"}
}

// writing is how the nth step writes an output.
func (h *Handler) writing(c *Claim, n int, mediaType string) writing {
	return writing{origin: c.origin(n), mediaType: mediaType, judge: func(ctx context.Context, o object) (bool, error) {
		return h.judgeExisting(ctx, c, n, o)
	}}
}

// containers are what an output becomes that nobody chose a container for, by extension,
// where its first one does not hold all that the source has.
var containers = []string{".mkv", ".mov", ".mp4", ".ts"}

// otherwise are the containers that the step's output may have besides the one of its
// destination.
func (s Step) otherwise() (formats []string) {
	if s.Base == "" {
		return nil
	}
	for _, extension := range containers {
		if format := ffmpeg.Formats[extension]; format != ffmpeg.Formats[strings.ToLower(path.Ext(s.Destination.Key))] {
			formats = append(formats, format)
		}
	}
	return formats
}

// became is where the output goes, now that it is of a container.
func (s Step) became(format string) event.Location {
	if s.Base == "" || format == ffmpeg.Formats[strings.ToLower(path.Ext(s.Destination.Key))] {
		return s.Destination
	}
	for _, extension := range containers {
		if ffmpeg.Formats[extension] == format {
			return event.Location{Bucket: s.Destination.Bucket, Key: s.Base + extension}
		}
	}
	return s.Destination
}

// judgeDestination refuses a step whose output may not be written.
func (h *Handler) judgeDestination(ctx context.Context, c *Claim, n int, to event.Location) error {
	step := c.Job.Steps[n]
	at := []event.Location{to}
	if step.Settings.Sheet && step.Kind == KindMosaic {
		at = append(at, sheetOf(to))
	}
	for _, at := range at {
		existing, err := h.store.existing(ctx, at)
		if err != nil {
			return err
		}
		if existing == nil {
			continue
		}
		if _, err := h.judgeExisting(ctx, c, n, *existing); err != nil {
			return err
		}
	}
	return nil
}

// judgeCover refuses what can't be covered as it was asked for, before anything is
// spent on it.
func (h *Handler) judgeCover(s Step) error {
	if _, err := regions(s); err != nil {
		return err
	}
	switch {
	case s.Settings.all() || len(s.Detections) > 0:
		return nil
	case h.cfg.Detector != DetectorRekognition:
		return failf(CodeInvalidRequest, "cover: the built-in detector knows nobody, so that %s needs detections of a face search, or a worker with --detector rekognition", s.Settings.Cover)
	case s.Settings.Collection == "":
		return failf(CodeInvalidRequest, "cover: %s goes by a collection of faces, and there is none: name one, or give detections of a face search", s.Settings.Cover)
	}
	return nil
}

// regions are what a person said of the covers of a step.
func regions(s Step) (faces.Regions, error) {
	if s.Regions == nil {
		return faces.Regions{}, nil
	}
	r, err := faces.ParseRegions(s.Regions)
	if err != nil {
		return r, &Failure{Code: CodeInvalidRequest, Err: err}
	}
	return r, nil
}

// detections reads the pages that a request names for a video; nil where it names none.
func (h *Handler) detections(ctx context.Context, at []event.Location, of event.Location) (*faces.Detections, error) {
	if len(at) == 0 {
		return nil, nil
	}
	d, err := h.pages(ctx, len(at), func(i int) event.Location { return at[i] })
	if err != nil {
		return nil, err
	}
	if o := d.Source; o.Name != "" && (o.Bucket != of.Bucket || o.Name != of.Key || o.Version != "" && of.VersionID != "" && o.Version != of.VersionID) {
		return nil, failf(CodeInvalidDetections, "the detections are of s3://%s/%s, not of %s: "+
			"if that is a copy of it, take the field Video out of their pages", o.Bucket, o.Name, of)
	}
	return d, nil
}

// pages reads the pages of one result of detections, one after the other.
func (h *Handler) pages(ctx context.Context, n int, at func(i int) event.Location) (*faces.Detections, error) {
	r := faces.Reader{Pages: n}
	for i := range n {
		_, err := h.store.stream(ctx, Identity{Location: at(i)}, maxPageBytes, func(body io.Reader) error {
			if err := r.Read(body); err != nil {
				return &Failure{Code: CodeInvalidDetections, Err: err}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	d, err := r.Detections()
	if err != nil {
		return nil, &Failure{Code: CodeInvalidDetections, Err: err}
	}
	return &d, nil
}

// progressEvery is how often a long job says how far it is.
const progressEvery = 5 * time.Second

// A reporter logs a job's progress.
type reporter struct {
	log     *zap.Logger
	save    func(Progress) // to the claim; nil: it isn't
	logged  time.Time
	frames  int64 // when it was logged
	current Phase
}

func newReporter(log *zap.Logger) *reporter { return &reporter{log: log, logged: time.Now()} }

// phase notes the beginning of what has no frames to count.
func (r *reporter) phase(p Phase) { r.save(Progress{Phase: p, At: time.Now().UTC()}) }

func (r *reporter) step(s Phase, p ffmpeg.Progress) {
	if r.save != nil {
		now := Progress{Phase: s, Frames: p.Frames, Position: p.Position, At: time.Now().UTC()}
		if p.Duration > 0 {
			now.Percent = new(min(100, 100*p.Position/p.Duration))
		}
		r.save(now)
	}
	since := time.Since(r.logged)
	if since < progressEvery {
		return
	}
	if s != r.current {
		r.current, r.frames = s, 0
	}
	fields := []zap.Field{
		zap.String("phase", string(s)), zap.Int64("frames", p.Frames),
		zap.Float64("position_seconds", p.Position),
		zap.Float64("frames_per_second", float64(p.Frames-r.frames)/since.Seconds()),
	}
	if p.Duration > 0 {
		fields = append(fields, zap.Float64("percent", min(100, 100*p.Position/p.Duration)))
	}
	r.log.Info(eventJobProgress, fields...)
	r.logged, r.frames = time.Now(), p.Frames
}
