package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/smithy-go"
	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/failpoint"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/routes"
	"github.com/mosaicd/mosaicd/jobs/transcode"
)

// MediaConvert is what a Handler calls. *mediaconvert.Client is one; it finds
// the regional endpoint by itself.
type MediaConvert interface {
	Canceler
	CreateJob(context.Context, *mediaconvert.CreateJobInput, ...func(*mediaconvert.Options)) (*mediaconvert.CreateJobOutput, error)
	GetJob(context.Context, *mediaconvert.GetJobInput, ...func(*mediaconvert.Options)) (*mediaconvert.GetJobOutput, error)
	GetJobTemplate(context.Context, *mediaconvert.GetJobTemplateInput, ...func(*mediaconvert.Options)) (*mediaconvert.GetJobTemplateOutput, error)
	ListJobs(context.Context, *mediaconvert.ListJobsInput, ...func(*mediaconvert.Options)) (*mediaconvert.ListJobsOutput, error)
	SearchJobs(context.Context, *mediaconvert.SearchJobsInput, ...func(*mediaconvert.Options)) (*mediaconvert.SearchJobsOutput, error)
}

// Keys of the user metadata that a job carries out and its events bring back.
const (
	metaJob         = "mosaicd-job"
	metaStep        = "mosaicd-step" // from 1
	metaPart        = "mosaicd-part" // index of the CloudJob
	metaAttempt     = "mosaicd-attempt"
	metaProgress    = "mosaicd-progress" // publish, where the route wants that
	metaApplication = "application"
	metaInput       = "input"
	metaSettings    = "settings"
)

// transcode sends to MediaConvert what isn't there yet, and fills in the result
// when all of it has ended. Until then the job waits, and the claim is nobody's.
func (h *Handler) transcode(ctx context.Context, log *zap.Logger, l *lease, n int, r *Result) (waiting bool, err error) {
	state := l.claim.Steps[n]
	parts := slices.Clone(state.Cloud)
	unsent := func(c CloudJob) bool { return c.JobID == "" && !c.ended() }
	if state.Cloud == nil || slices.ContainsFunc(parts, unsent) {
		parts, state.Probe, err = h.dispatch(ctx, log, l, n)
	}
	keep := func(c *Claim) { c.Steps[n].Cloud, c.Steps[n].Probe = parts, state.Probe }
	if err != nil {
		if parts != nil {
			err = errors.Join(err, l.change(ctx, keep))
		}
		return false, err
	}
	if (StepState{Cloud: parts}).open() {
		return true, l.change(ctx, func(c *Claim) {
			keep(c)
			c.State, c.Owner, c.LeaseEnds = StateWaiting, "", time.Time{}
		})
	}
	if err := l.change(ctx, keep); err != nil {
		return false, err
	}
	r.StartedAt = l.claim.CreatedAt
	if n > 0 {
		r.StartedAt = l.claim.Steps[n-1].Result.FinishedAt
	}
	r.Probe = state.Probe
	r.collect(parts)
	if r.Status == StatusSucceeded || r.Status == StatusCancelled {
		if err := h.judgeHoldings(ctx, l.claim, n, parts); err != nil {
			return false, err
		}
	}
	if r.Status == StatusSucceeded {
		return false, h.judgeCloudRead(ctx, l, n)
	}
	return false, nil
}

// judgeCloudInput refuses to give MediaConvert an input that is not the current object
// of its key: MediaConvert takes no version, and would read another one.
func (h *Handler) judgeCloudInput(ctx context.Context, l *lease, n int) error {
	o, err := h.fix(ctx, l, n)
	if err != nil || !o.identity().immutable() {
		return err
	}
	return h.judgeCurrent(ctx, l, n)
}

// judgeCloudRead refuses what MediaConvert made of an input that was overwritten until
// it was done. One that was deleted since was read whole before.
func (h *Handler) judgeCloudRead(ctx context.Context, l *lease, n int) error {
	if l.claim.Steps[n].Input == nil {
		return nil // dispatched by a worker of an older release
	}
	err := h.judgeCurrent(ctx, l, n)
	if codeOf(err) == CodeSourceGone {
		return nil
	}
	return err
}

// judgeCurrent refuses an input of the nth step that isn't the current object of its
// key.
func (h *Handler) judgeCurrent(ctx context.Context, l *lease, n int) error {
	in := l.claim.input(n)
	want := in
	want.VersionID = ""
	_, err := h.store.head(ctx, want) // another version of the same content will do
	if code := codeOf(err); n > 0 && (code == CodeSourceChanged || code == CodeSourceGone) {
		return h.overtaken(ctx, l.claim, in.Location, err)
	}
	if codeOf(err) == CodeSourceChanged {
		return failf(CodeSourceChanged, "%s was overwritten, and MediaConvert reads only the current version: %w", in, err)
	}
	return err
}

// collect fills in what came of MediaConvert's jobs.
func (r *Result) collect(parts []CloudJob) {
	for _, p := range parts {
		r.Outputs = append(r.Outputs, p.Outputs...)
		r.Cloud = append(r.Cloud, CloudResult{
			Settings: p.Settings, JobID: p.JobID, Attempts: p.Attempt, Status: p.Status, Warnings: p.Warnings, Error: p.Error,
		})
	}
	for _, p := range parts {
		switch {
		case p.Error != nil: // a failure says more than a cancellation
			r.end(StatusFailed, &Failure{Code: p.Error.Code, Err: fmt.Errorf("job file %s: %s", p.Settings, p.Error.Message)})
			return
		case p.Status == cloudCanceled:
			r.end(StatusCancelled, &Failure{Code: CodeCancelled, Err: fmt.Errorf("job file %s: cancelled in MediaConvert", p.Settings)})
		}
	}
}

// dispatch creates the jobs that MediaConvert doesn't have yet. With an error it
// returns those that it created before; nil when there are none.
func (h *Handler) dispatch(ctx context.Context, log *zap.Logger, l *lease, n int) ([]CloudJob, *ffmpeg.Media, error) {
	job, state := l.claim.Job, l.claim.Steps[n]
	step := job.Steps[n]
	if err := h.judgeCloudInput(ctx, l, n); err != nil {
		return state.Cloud, state.Probe, err
	}
	input := l.claim.input(n).Location
	probe := state.Probe
	if probe == nil && step.Transcode.Ladder != nil && !step.Transcode.Own {
		var err error
		if probe, err = h.probe(ctx, l, n); err != nil {
			return state.Cloud, nil, err
		}
	}
	docs, err := h.documents.of(ctx, job, step.Transcode, probe)
	if err != nil {
		return state.Cloud, probe, err
	}
	for _, d := range docs {
		if err := h.cfg.judgeJobFile(job, step, d); err != nil {
			return state.Cloud, probe, err
		}
	}
	parts := slices.Clone(state.Cloud)
	if parts == nil {
		for _, d := range docs {
			parts = append(parts, CloudJob{Settings: d.Name, Attempt: 1})
		}
	}
	// All requests are made before the first is sent: a bad one stops them all.
	requests, folders := make([]*mediaconvert.CreateJobInput, len(parts)), make([]event.Location, len(parts))
	for i := range parts {
		if parts[i].JobID != "" || parts[i].ended() {
			continue
		}
		d := slices.IndexFunc(docs, func(d jobFile) bool { return d.Name == parts[i].Settings })
		if d < 0 {
			parts[i].Error = newResultError(CodeInvalidSettings, "the job file is gone since the first attempt")
			continue
		}
		folder, err := h.folder(job, step, docs[d].Document, len(docs) > 1)
		if err != nil {
			return state.Cloud, probe, err
		}
		if requests[i], err = h.request(job, step, docs[d].Document, input, folder, parts[i], n, i); err != nil {
			return state.Cloud, probe, err
		}
		parts[i].Planned = transcode.Plan(requests[i].Settings)
		if err := h.cfg.judgePlan(parts[i].Planned, folder); err != nil {
			return state.Cloud, probe, err
		}
		folders[i] = folder
	}
	for i, in := range requests {
		if in == nil {
			continue
		}
		if parts[i].Holding, err = h.hold(ctx, log, l.claim, n, folders[i]); err != nil {
			return state.Cloud, probe, err
		}
	}
	if err := h.claims.wait(ctx, job.ID); err != nil {
		return state.Cloud, probe, err
	}
	for i, in := range requests {
		if in == nil {
			continue
		}
		if err := h.create(ctx, log, l, in, &parts[i]); err != nil {
			return parts, probe, err
		}
	}
	return parts, probe, nil
}

// folder is where the output groups of a job file go: by the convention of watch
// folders <source>/<job file>/, or where somebody said.
func (h *Handler) folder(job Job, step Step, d *transcode.Document, several bool) (event.Location, error) {
	to := step.Destination
	switch {
	case to.Bucket == "":
		to = event.Location{Bucket: h.cfg.OutputBucket, Key: h.cfg.TranscodePrefix + h.cfg.apart(step.title(job)) + "/" + d.Name + "/"}
	case several:
		to.Key += d.Name + "/"
	}
	if err := h.cfg.judgeDestination(to); err != nil {
		return to, err
	}
	if to.Bucket != job.Source.Bucket && !among(h.cfg.Routes.Named(), to.Bucket) || h.cfg.ours(to) {
		return to, nil
	}
	// What MediaConvert writes would come back as uploads, for ever.
	for _, extension := range []string{".mp4", ".ts", ".mov", ".webm", ".m3u8", ".cmfv"} {
		at := event.Location{Bucket: to.Bucket, Key: to.Key + "output" + extension}
		r, err := h.cfg.Routes.Match(routes.Object{Location: at, Bytes: 1 << 20, ContentType: func() (string, error) { return "video/mp4", nil }})
		if err != nil {
			return to, err
		}
		if r != nil && len(r.Steps) > 0 && !r.Sidecar.Wait {
			return to, failf(CodeInvalidRoute, "destination %s: route %s would start a job for each file written there: choose another bucket, or put a route without steps for that prefix before it", to, r.Name)
		}
	}
	return to, nil
}

// title is the folder for a source; parts of it don't go where all of it goes.
func (s Step) title(j Job) string {
	title := j.title()
	if s.Transcode.Clips == nil {
		return title
	}
	parts := []string{"clips"}
	for _, c := range s.Transcode.Clips {
		parts = append(parts, c.Source.String(), c.Start, c.End)
	}
	return title + "_clip-" + id(parts...)[:8]
}

// request is a CreateJob request: the job file, and what the route and then the
// daemon's settings say where it says nothing. A route's own options come first.
func (h *Handler) request(job Job, step Step, d *transcode.Document, input, folder event.Location, part CloudJob, n, i int) (*mediaconvert.CreateJobInput, error) {
	clips := slices.Clone(step.Transcode.Clips)
	for i := range clips {
		if clips[i].Source == job.Source {
			clips[i].Source = event.Location{} // whatever the steps before made of it
		}
	}
	in, err := d.Job(transcode.Rewrite{Input: input.String(), Clips: clips, Destination: folder.String()})
	if err != nil {
		return nil, &Failure{Code: CodeInvalidSettings, Err: err}
	}
	o, cfg := step.Transcode, h.cfg.Cloud
	in.Role = choose(o.Role, in.Role, cfg.Role)
	if in.Role == nil {
		return nil, failf(CodeInvalidSettings, "job file %s: no role for MediaConvert: set --mediaconvert-role, or give it in the route or the job file", d.Name)
	}
	in.Queue = choose(o.Queue, in.Queue, cfg.Queue)
	if in.Priority == nil {
		in.Priority = aws.Int32(int32(cfg.Priority))
	}
	if o.Priority != nil {
		in.Priority = aws.Int32(int32(*o.Priority))
	}
	in.StatusUpdateInterval = cmp.Or(types.StatusUpdateInterval(o.StatusInterval), in.StatusUpdateInterval, types.StatusUpdateInterval(cfg.StatusInterval))
	if in.AccelerationSettings == nil || o.Acceleration != "" {
		in.AccelerationSettings = &types.AccelerationSettings{Mode: types.AccelerationMode(cmp.Or(o.Acceleration, cfg.Acceleration))}
	}
	if part.Unaccelerated {
		in.AccelerationSettings.Mode = types.AccelerationModeDisabled
	}
	meta := map[string]string{
		metaJob: job.ID, metaStep: strconv.Itoa(n + 1), metaPart: strconv.Itoa(i), metaAttempt: strconv.Itoa(part.Attempt),
		metaApplication: cfg.Application, metaInput: input.String(), metaSettings: d.Name,
	}
	if job.PublishProgress {
		meta[metaProgress] = "publish"
	}
	in.UserMetadata = transcode.UserMetadata(in.UserMetadata, meta)
	in.ClientRequestToken = aws.String(id(job.ID, meta[metaStep], meta[metaPart], meta[metaAttempt]))
	return in, nil
}

// choose is the first that is set.
func choose(route string, document *string, config string) *string {
	if s := cmp.Or(route, aws.ToString(document), config); s != "" {
		return &s
	}
	return nil
}

// create makes sure that MediaConvert has the job, once. The client's token does
// so for a minute only; where another worker may have been here before, the jobs
// that MediaConvert has are looked through.
// https://docs.aws.amazon.com/mediaconvert/latest/apireference/idempotency.html
func (h *Handler) create(ctx context.Context, log *zap.Logger, l *lease, in *mediaconvert.CreateJobInput, part *CloudJob) error {
	log = log.With(zap.String("settings", part.Settings), zap.Int("attempt", part.Attempt))
	if l.cancelRequested() {
		part.Status = cloudCanceled
		return nil
	}
	if !l.fresh {
		found, err := h.lookUp(ctx, in, l.claim.CreatedAt)
		if err != nil {
			return err
		}
		if found != "" {
			part.JobID, part.Status = found, cloudSubmitted
			log.Info(eventJobDispatched, zap.String(keyCloudJob, found), zap.Bool("found", true))
			return nil
		}
	}
	out, err := h.cloud.CreateJob(ctx, in)
	failpoint.Hit("created")
	var (
		bad     *types.BadRequestException
		none    *types.NotFoundException
		invalid smithy.InvalidParamsError
	)
	switch {
	case errors.As(err, &invalid):
		part.Error = newResultError(CodeInvalidSettings, invalid.Error())
	case errors.As(err, &bad) || errors.As(err, &none):
		part.Error = newResultError(CodeRefused, err.Error())
	case err != nil: // throttled, denied, out of reach, over a quota: it may pass
		return fmt.Errorf("create a MediaConvert job with %s: %w", part.Settings, err)
	default:
		part.JobID, part.Status = aws.ToString(out.Job.Id), cloudSubmitted
		log.Info(eventJobDispatched, zap.String(keyCloudJob, part.JobID))
	}
	return nil
}

// maxSearchedInput is the longest input that SearchJobs takes.
const maxSearchedInput = 300

// lookUp returns the id of the job that such a request made before, if there is
// one. It looks at jobs since the claim was made, and a little before, as clocks
// differ.
func (h *Handler) lookUp(ctx context.Context, in *mediaconvert.CreateJobInput, since time.Time) (string, error) {
	since = since.Add(-5 * time.Minute)
	var token *string
	for {
		jobs, next, err := h.jobsPage(ctx, aws.ToString(in.Settings.Inputs[0].FileInput), token)
		if err != nil {
			return "", fmt.Errorf("look for the job in MediaConvert: %w", err)
		}
		for _, j := range jobs {
			if aws.ToTime(j.CreatedAt).Before(since) {
				return "", nil
			}
			if sameRequest(j.UserMetadata, in.UserMetadata) {
				return aws.ToString(j.Id), nil
			}
		}
		if token = next; aws.ToString(token) == "" {
			return "", nil
		}
	}
}

func sameRequest(a, b map[string]string) bool {
	for _, key := range []string{metaJob, metaStep, metaPart, metaAttempt} {
		if a[key] != b[key] {
			return false
		}
	}
	return true
}

// jobsPage is a page of MediaConvert's jobs, the newest first.
func (h *Handler) jobsPage(ctx context.Context, input string, token *string) ([]types.Job, *string, error) {
	if len(input) > maxSearchedInput {
		out, err := h.cloud.ListJobs(ctx, &mediaconvert.ListJobsInput{Order: types.OrderDescending, MaxResults: aws.Int32(20), NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.Jobs, out.NextToken, nil
	}
	out, err := h.cloud.SearchJobs(ctx, &mediaconvert.SearchJobsInput{
		InputFile: &input, Order: types.OrderDescending, MaxResults: aws.Int32(20), NextToken: token,
	})
	if err != nil {
		return nil, nil, err
	}
	return out.Jobs, out.NextToken, nil
}
