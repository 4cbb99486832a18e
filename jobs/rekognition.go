package jobs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rekognition"
	"github.com/aws/aws-sdk-go-v2/service/rekognition/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/collection"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/faces"
	"github.com/mosaicd/mosaicd/jobs/hls"
)

// Rekognition is what a Handler calls. *rekognition.Client is one.
type Rekognition interface {
	StartFaceDetection(context.Context, *rekognition.StartFaceDetectionInput, ...func(*rekognition.Options)) (*rekognition.StartFaceDetectionOutput, error)
	GetFaceDetection(context.Context, *rekognition.GetFaceDetectionInput, ...func(*rekognition.Options)) (*rekognition.GetFaceDetectionOutput, error)
	StartFaceSearch(context.Context, *rekognition.StartFaceSearchInput, ...func(*rekognition.Options)) (*rekognition.StartFaceSearchOutput, error)
	GetFaceSearch(context.Context, *rekognition.GetFaceSearchInput, ...func(*rekognition.Options)) (*rekognition.GetFaceSearchOutput, error)
	collection.Client
}

// RekognitionConfig is how Rekognition says that it is done.
type RekognitionConfig struct {
	// TopicARN is the SNS topic that it publishes to. The queue subscribes to it.
	TopicARN string
	// Role is the ARN of the role with which it does so.
	Role string
}

// A FaceSearch is what Rekognition does for one step.
type FaceSearch struct {
	JobID string `json:"jobId"`
	// Collection is the one whose faces are searched for; empty: faces are looked
	// for, whosever they are.
	Collection string `json:"collection,omitempty"`
	// Copy is what Rekognition was given where it doesn't take the source itself. It
	// is deleted when the result is there.
	Copy   event.Location `json:"copy,omitzero"`
	Status string         `json:"status,omitempty"` // SUCCEEDED, FAILED or ERROR; empty: not yet
	// Pages is how many pages the result has, once they were fetched; 0: not yet. Each is
	// an object below Folder.
	Pages  int            `json:"pages,omitempty"`
	Folder event.Location `json:"folder,omitzero"`
	// Detections is the object in which older workers keep all pages: a list.
	Detections event.Location `json:"detections,omitzero"`
}

// page is the object that holds the ith page, from 0, as Rekognition gave it.
func (s FaceSearch) page(i int) event.Location {
	return event.Location{Bucket: s.Folder.Bucket, Key: fmt.Sprintf("%s%05d.json", s.Folder.Key, i+1)}
}

// What Rekognition takes.
// https://docs.aws.amazon.com/rekognition/latest/dg/limits.html
const (
	maxSearchedBytes    = 10 << 30
	maxSearchedDuration = 6 * time.Hour
)

const searchSucceeded = "SUCCEEDED"

// searches reports whether faces are looked for by Rekognition in a step.
func (h *Handler) searches(s Step) bool {
	return s.Kind == KindMosaic && h.cfg.Detector == DetectorRekognition && len(s.Detections) == 0
}

// search has Rekognition look for the faces of the nth step. It reports whether
// the job has to wait for that now; else the claim knows where the result is.
func (h *Handler) search(ctx context.Context, log *zap.Logger, l *lease, n int) (waiting bool, err error) {
	state := l.claim.Steps[n]
	switch {
	case state.Fallback != "":
		return false, nil
	case state.Search == nil:
		return h.startSearch(ctx, log, l, n)
	case state.Search.Status == "":
		return true, l.leave(ctx, StateWaiting)
	case state.Search.Status != searchSucceeded:
		h.dropCopy(ctx, log, state.Search)
		return false, failf(CodeSearchFailed, "Rekognition job %s ended as %s", state.Search.JobID, state.Search.Status)
	case state.Search.Pages > 0 || state.Search.Detections.Bucket != "":
		return false, nil
	}
	search := *state.Search
	search.Folder = event.Location{Bucket: h.cfg.OutputBucket, Key: fmt.Sprintf("%sdetections/%s/", h.cfg.StatePrefix, l.claim.Job.resultID(n))}
	if search.Pages, err = h.keepPages(ctx, l.claim.Job.ID, search); err != nil {
		return false, err
	}
	log.Info(eventSearchFetched, zap.Int("pages", search.Pages), zap.String("detections", search.Folder.String()))
	h.dropCopy(ctx, log, state.Search)
	return false, l.change(ctx, func(c *Claim) { c.Steps[n].Search = &search })
}

// startSearch starts a job of Rekognition. Its token makes it one job, however
// often it is asked for within a week.
func (h *Handler) startSearch(ctx context.Context, log *zap.Logger, l *lease, n int) (waiting bool, err error) {
	search := &FaceSearch{Collection: l.claim.Job.Steps[n].Settings.Collection}
	probe, err := h.searchable(ctx, log, l, n, search)
	if f, ok := errors.AsType[*Failure](err); ok && f.Code == CodeNotSearchable && l.claim.Job.Steps[n].Fallback {
		log.Info(eventSearchFallback, zap.String("reason", f.Error()))
		return false, l.change(ctx, func(c *Claim) { c.Steps[n].Fallback = f.Error() })
	} else if err != nil {
		return false, err
	}
	if err := h.claims.wait(ctx, l.claim.Job.ID); err != nil {
		return false, err
	}
	input := l.claim.input(n).Location // the version that was fixed, where there are versions
	if search.Copy.Bucket != "" {
		input = search.Copy
	}
	err = h.askRekognition(ctx, l.claim.Job.resultID(n), input, l.claim.Job.Steps[n].Settings, search)
	switch {
	case errors.As(err, new(*types.VideoTooLargeException)):
		return false, failf(CodeSourceTooLarge, "Rekognition takes 10 GB and 6 hours: %w", err)
	case errors.As(err, new(*types.InvalidS3ObjectException)):
		return false, failf(CodeSearchFailed, "Rekognition can't read %s: %w", input, err)
	case errors.As(err, new(*types.ResourceNotFoundException)):
		return false, failf(CodeSearchFailed, "there is no collection %s: add a face to it first: %w", search.Collection, err)
	case err != nil: // too many jobs at once, denied, out of reach: it may pass
		return false, fmt.Errorf("have Rekognition look for faces in %s: %w", input, err)
	}
	log.Info(eventSearchStarted, zap.String(keySearch, search.JobID), zap.String("collection", search.Collection))
	return true, l.change(ctx, func(c *Claim) {
		c.Steps[n].Probe, c.Steps[n].Search = probe, search
		c.State, c.Owner, c.LeaseEnds = StateWaiting, "", time.Time{}
	})
}

// askRekognition starts the job that search is about.
func (h *Handler) askRekognition(ctx context.Context, tag string, input event.Location, s Settings, search *FaceSearch) error {
	video := &types.Video{S3Object: &types.S3Object{Bucket: &input.Bucket, Name: &input.Key, Version: version(input)}}
	channel := &types.NotificationChannel{SNSTopicArn: &h.cfg.Rekognition.TopicARN, RoleArn: &h.cfg.Rekognition.Role}
	if search.Collection == "" {
		out, err := h.rekognition.StartFaceDetection(ctx, &rekognition.StartFaceDetectionInput{
			Video: video, ClientRequestToken: &tag, JobTag: &tag, NotificationChannel: channel,
		})
		if err == nil {
			search.JobID = aws.ToString(out.JobId)
		}
		return err
	}
	threshold := cmp.Or(s.Similarity, faces.DefaultSimilarity)
	out, err := h.rekognition.StartFaceSearch(ctx, &rekognition.StartFaceSearchInput{
		Video: video, JobTag: &tag, NotificationChannel: channel,
		CollectionId: &search.Collection, FaceMatchThreshold: aws.Float32(float32(threshold)),
		// A token goes with what was asked for: settings may change between two tries.
		ClientRequestToken: aws.String(id(tag, search.Collection, fmt.Sprint(threshold), input.String())),
	})
	if err == nil {
		search.JobID = aws.ToString(out.JobId)
	}
	return err
}

// searchable refuses what Rekognition would, and says what to do about it. H.264
// in another container is copied into one that Rekognition reads.
func (h *Handler) searchable(ctx context.Context, log *zap.Logger, l *lease, n int, search *FaceSearch) (*ffmpeg.Media, error) {
	c := l.claim
	o, err := h.source(ctx, l, n)
	if err != nil {
		return nil, err
	}
	if hls.IsPlaylist(o.Key) {
		return nil, failf(CodeNotSearchable, "Rekognition reads no recordings: put remux before the mosaic in the route, or let the mosaic have fallback: builtin")
	}
	if o.bytes > maxSearchedBytes {
		return nil, failf(CodeSourceTooLarge, "%s has %d bytes, Rekognition takes %d", o, o.bytes, int64(maxSearchedBytes))
	}
	media, err := h.probe(ctx, l, n)
	if err != nil {
		return nil, err
	}
	switch {
	case media.Codec != "h264":
		return nil, failf(CodeNotSearchable, "Rekognition reads H.264, this is %s: transcode it first, or let the mosaic have fallback: builtin", media.Codec)
	case time.Duration(media.Duration*float64(time.Second)) > maxSearchedDuration:
		return nil, failf(CodeSourceTooLarge, "%s lasts %.0f s, Rekognition takes %.0f", o, media.Duration, maxSearchedDuration.Seconds())
	case strings.HasPrefix(media.Format, "mov,"):
		return media, nil
	}
	search.Copy = event.Location{Bucket: h.cfg.OutputBucket, Key: fmt.Sprintf("%scopies/%s.mp4", h.cfg.StatePrefix, c.Job.resultID(n))}
	log.Info(eventSearchCopied, zap.String("format", media.Format), zap.String("copy", search.Copy.String()))
	copied, err := h.copyToMP4(ctx, log, o, search.Copy, c.origin(n))
	search.Copy = copied.Location
	return media, err
}

// copyToMP4 puts an object into another container, nothing encoded again.
func (h *Handler) copyToMP4(ctx context.Context, log *zap.Logger, o object, to event.Location, of origin) (_ Identity, err error) {
	if err := admit(h.cfg.Scratch, o.bytes); err != nil {
		return Identity{}, err
	}
	h.working.Add(1)
	defer h.working.Add(-1)
	folder, err := newFolder(h.cfg.Scratch, of.job)
	if err != nil {
		return Identity{}, err
	}
	defer func() { err = errors.Join(err, folder.remove()) }()
	source, output := filepath.Join(folder.path, "source"), filepath.Join(folder.path, "output.mp4")
	if err := h.store.download(ctx, o, source); err != nil {
		return Identity{}, err
	}
	copied := Cover{Source: source, Output: output, Settings: Settings{DropStreams: true}} // it only looks
	working, worked := h.limited(ctx)
	defer worked()
	_, err = copied.Remux(working, h.engine, newReporter(log).step)
	err = h.overWork(working, err)
	if said, ok := errors.AsType[*ffmpeg.Error](err); ok && said.InFile() {
		return Identity{}, failf(CodeNotSearchable, "Rekognition reads MP4 and MOV, and %s can't be put into one: %w", o, err)
	} else if err != nil {
		return Identity{}, err
	}
	return h.store.upload(ctx, output, to, writing{origin: of, mediaType: mediaTypes[".mp4"]})
}

// dropCopy deletes what was made for Rekognition only. What is left of it when that
// fails costs storage, and the job goes on.
func (h *Handler) dropCopy(ctx context.Context, log *zap.Logger, search *FaceSearch) {
	if search.Copy.Bucket == "" {
		return
	}
	if err := h.store.delete(ctx, Identity{Location: search.Copy}); err != nil {
		log.Warn(eventCopyKept, zap.String("copy", search.Copy.String()), zap.Error(err))
	}
}

// maxSearchPages is more than a video that Rekognition takes can have: 6 hours,
// two samples a second, 100 faces each, 1,000 faces a page.
const maxSearchPages = 5000

// keepPages fetches a result and keeps each page as an object, so that no more than one
// page is in memory. It returns how many there are.
func (h *Handler) keepPages(ctx context.Context, job string, search FaceSearch) (int, error) {
	var token *string
	seen := map[string]bool{}
	for n := 0; ; n++ {
		page, err := h.searchPage(ctx, search, token, nil)
		switch {
		case errors.As(err, new(*types.ResourceNotFoundException)):
			return 0, failf(CodeSearchFailed, "the result of Rekognition job %s is gone: it is kept for a week", search.JobID)
		case err != nil:
			return 0, fmt.Errorf("fetch page %d of Rekognition job %s: %w", n+1, search.JobID, err)
		case page.JobStatus != types.VideoJobStatusSucceeded:
			return 0, failf(CodeSearchFailed, "Rekognition job %s is %s: %s", search.JobID, page.JobStatus, aws.ToString(page.StatusMessage))
		}
		if err := h.store.write(ctx, search.page(n), job, page); err != nil {
			return 0, err
		}
		next := aws.ToString(page.NextToken)
		switch {
		case next == "":
			return n + 1, nil
		case seen[next] || n+1 == maxSearchPages:
			return 0, failf(CodeInvalidDetections, "page %d of Rekognition job %s comes again: the result can't be read whole", n+1, search.JobID)
		}
		seen[next], token = true, page.NextToken
	}
}

// A searchedPage is one of a result, in the form that faces.Parse reads. It has
// either Faces or Persons.
type searchedPage struct {
	JobStatus     types.VideoJobStatus
	StatusMessage *string              `json:",omitempty"`
	VideoMetadata *types.VideoMetadata `json:",omitempty"`
	NextToken     *string              `json:",omitempty"`

	Faces   *[]types.FaceDetection `json:",omitempty"`
	Persons *[]types.PersonMatch   `json:",omitempty"`
}

func (h *Handler) searchPage(ctx context.Context, search FaceSearch, token *string, most *int32) (searchedPage, error) {
	if search.Collection != "" {
		out, err := h.rekognition.GetFaceSearch(ctx, &rekognition.GetFaceSearchInput{JobId: &search.JobID, NextToken: token, MaxResults: most})
		if err != nil {
			return searchedPage{}, err
		}
		return searchedPage{JobStatus: out.JobStatus, StatusMessage: out.StatusMessage, VideoMetadata: out.VideoMetadata, NextToken: out.NextToken, Persons: &out.Persons}, nil
	}
	out, err := h.rekognition.GetFaceDetection(ctx, &rekognition.GetFaceDetectionInput{JobId: &search.JobID, NextToken: token, MaxResults: most})
	if err != nil {
		return searchedPage{}, err
	}
	return searchedPage{JobStatus: out.JobStatus, StatusMessage: out.StatusMessage, VideoMetadata: out.VideoMetadata, NextToken: out.NextToken, Faces: &out.Faces}, nil
}

// searched is what Rekognition found in the nth step.
func (h *Handler) searched(ctx context.Context, s StepState) (*faces.Detections, error) {
	d, err := h.kept(ctx, *s.Search)
	if err == nil && d.Video.Duration == 0 {
		err = failf(CodeInvalidDetections, "Rekognition doesn't say how much of the video it looked at")
	}
	return d, err
}

// kept reads the pages that were kept of a result.
func (h *Handler) kept(ctx context.Context, search FaceSearch) (*faces.Detections, error) {
	if search.Pages > 0 {
		return h.pages(ctx, search.Pages, search.page)
	}
	body, err := h.store.read(ctx, Identity{Location: search.Detections}, maxPageBytes)
	if err != nil {
		return nil, err
	}
	var pages []json.RawMessage
	if err := json.Unmarshal(body, &pages); err != nil {
		return nil, fmt.Errorf("read %s: %w", search.Detections, err)
	}
	raw := make([][]byte, len(pages))
	for i, p := range pages {
		raw[i] = p
	}
	d, err := faces.Parse(raw...)
	if err != nil {
		return nil, &Failure{Code: CodeInvalidDetections, Err: err}
	}
	return &d, nil
}

// searchEnded notes in the claim that Rekognition is done, and goes on with it.
func (h *Handler) searchEnded(ctx context.Context, log *zap.Logger, e event.FaceSearchEnded, message string) error {
	log = log.With(zap.String(keySearch, e.JobID), zap.String("search_status", e.Status))
	job := jobID.FindString(e.JobTag)
	if job == "" {
		log.Info(eventSearchIgnored, zap.String("reason", "mosaicd did not start it"))
		return nil
	}
	log = log.With(zap.String(keyJob, job))
	claim, err := h.claims.read(ctx, job)
	if err != nil {
		return h.interrupted(log, err)
	}
	if claim == nil || claim.State.Ended() {
		log.Info(eventSearchIgnored, zap.String("reason", "no such job here, or it has ended"))
		return nil
	}
	n := claim.current()
	if claim.busy(time.Now()) || n < len(claim.Steps) && claim.Steps[n].Search == nil && claim.State == StateRunning {
		return h.interrupted(log, soon(claim)) // whoever starts it hasn't noted that yet
	}
	if n == len(claim.Steps) || claim.Steps[n].Search == nil || claim.Steps[n].Search.JobID != e.JobID {
		log.Info(eventSearchIgnored, zap.String("reason", "it was noted before, or is of another step"))
		return nil
	}
	// It may have been noted by a worker that could not go on.
	l, err := h.takeOver(ctx, claim, message, func(c *Claim) { c.Steps[n].Search.Status = e.Status })
	if err != nil {
		return h.interrupted(log, err)
	}
	log.Info(eventSearchEnded)
	return h.proceed(ctx, h.log.With(zap.String(keyMessage, message), zap.String(keyJob, job), zap.String(keySource, claim.Job.Source.String())), l)
}

// askForSearch asks for a search whose end nobody was told of.
func (h *Handler) askForSearch(ctx context.Context, log *zap.Logger, c *Claim, search *FaceSearch) error {
	out, err := h.searchPage(ctx, *search, nil, aws.Int32(1))
	if err != nil {
		return err
	}
	log.Info(eventCloudAsked, zap.String(keySearch, search.JobID), zap.String("search_status", string(out.JobStatus)))
	if out.JobStatus == types.VideoJobStatusInProgress {
		return nil
	}
	return h.searchEnded(ctx, h.log.With(zap.String(keyMessage, reconciler)), event.FaceSearchEnded{
		JobID: search.JobID, Status: string(out.JobStatus), JobTag: c.Job.ID,
	}, reconciler)
}

// write stores a JSON value as an object.
func (s *store) write(ctx context.Context, at event.Location, job string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", at, err)
	}
	_, err = s.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &at.Bucket, Key: &at.Key, Body: bytes.NewReader(body),
		ContentType: aws.String("application/json"), Metadata: map[string]string{jobMetadata: job},
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", at, err)
	}
	return nil
}
