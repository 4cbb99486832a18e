package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/transcode"
)

// A cloudRef says which of our jobs one of MediaConvert's is.
type cloudRef struct {
	job                 string
	step, part, attempt int // step and part from 0
}

func refOf(meta map[string]string) (cloudRef, bool) {
	r := cloudRef{job: meta[metaJob]}
	var errs [3]error
	r.step, errs[0] = strconv.Atoi(meta[metaStep])
	r.part, errs[1] = strconv.Atoi(meta[metaPart])
	r.attempt, errs[2] = strconv.Atoi(meta[metaAttempt])
	r.step--
	ok := jobID.FindString(r.job) == r.job && r.job != "" && errors.Join(errs[:]...) == nil && r.step >= 0 && r.part >= 0
	return r, ok
}

// cloudChanged does what follows from what MediaConvert says of a job. What it
// says twice, late, or of jobs of others does nothing.
func (h *Handler) cloudChanged(ctx context.Context, log *zap.Logger, e event.MediaConvertChanged, message string) error {
	log = log.With(zap.String(keyCloudJob, e.JobID), zap.String("cloud_status", e.Status))
	ref, ok := refOf(e.UserMetadata)
	if !ok {
		log.Info(eventCloudIgnored, zap.String("reason", "mosaicd did not start it"))
		return nil
	}
	log = log.With(zap.String(keyJob, ref.job), zap.String(keyKind, KindTranscode), zap.String("input", e.UserMetadata[metaInput]))
	switch e.Status {
	case cloudComplete, cloudError, cloudCanceled:
		return h.cloudEnded(ctx, log, e, ref, message)
	case "STATUS_UPDATE":
		return h.cloudProgress(ctx, log, e, ref)
	case "NEW_WARNING":
		for _, w := range e.Warnings {
			log.Warn(eventCloudWarning, zap.Int("code", w.Code), zap.String("warning", w.Message))
		}
	default:
		log.Info(eventCloudProgress)
	}
	return nil
}

// cloudProgress logs how far a job is, and publishes it where the route wants
// that.
func (h *Handler) cloudProgress(ctx context.Context, log *zap.Logger, e event.MediaConvertChanged, ref cloudRef) error {
	percent := zap.Skip()
	if e.Percent != nil {
		percent = zap.Int("percent", *e.Percent)
	}
	log.Info(eventCloudProgress, zap.String("phase", e.Phase), percent)
	if e.UserMetadata[metaProgress] == "" || e.Percent == nil {
		return nil
	}
	claim, err := h.claims.read(ctx, ref.job)
	if err != nil {
		return err
	}
	if claim == nil || claim.State != StateWaiting || ref.step >= len(claim.Steps) {
		return nil
	}
	r := newResult(claim.Job, ref.step, KindTranscode, claim.CreatedAt)
	r.ID += fmt.Sprintf("-%d%%", *e.Percent)
	r.Status, r.Percent, r.FinishedAt = StatusProgressing, e.Percent, e.Time
	return h.publisher.publish(ctx, r)
}

// cloudEnded notes in the claim what came of a job, and goes on with it.
func (h *Handler) cloudEnded(ctx context.Context, log *zap.Logger, e event.MediaConvertChanged, ref cloudRef, message string) error {
	claim, err := h.claims.read(ctx, ref.job)
	if err != nil {
		return h.interrupted(log, err)
	}
	if claim == nil || ref.step >= len(claim.Steps) {
		log.Info(eventCloudIgnored, zap.String("reason", "no such job here: another deployment's, or its record is gone"))
		return nil
	}
	if claim.State.Ended() {
		log.Info(eventCloudIgnored, zap.String("reason", "the job has ended: "+string(claim.State)))
		return nil
	}
	if claim.busy(time.Now()) || ref.part >= len(claim.Steps[ref.step].Cloud) {
		return h.interrupted(log, soon(claim)) // whoever dispatches it hasn't noted that yet
	}
	part := &claim.Steps[ref.step].Cloud[ref.part]
	note := func(*Claim) {}
	if reason := stale(part, e, ref); reason != "" {
		log.Info(eventCloudIgnored, zap.String("reason", reason))
		if claim.State == StateWaiting {
			return nil
		}
		// A worker noted it and could not go on: go on where it stopped.
	} else {
		if at, ok := h.cfg.outside(e.Groups, part.Planned); ok {
			return &Rejection{fmt.Errorf("event of MediaConvert: %q is outside the folders that job %s writes to", at, ref.job)}
		}
		outcome, err := h.outcome(ctx, log, *part, e)
		if err != nil {
			return h.interrupted(log, err)
		}
		note = func(c *Claim) { c.Steps[ref.step].Cloud[ref.part] = outcome }
	}
	l, err := h.takeOver(ctx, claim, message, note)
	if err != nil {
		return h.interrupted(log, err)
	}
	return h.proceed(ctx, h.log.With(zap.String(keyMessage, message), zap.String(keyJob, ref.job), zap.String(keySource, claim.Job.Source.String())), l)
}

// soon is how long to wait for whoever has the claim: a dispatch takes a moment,
// and one that died is worked again when its lease has ended.
func soon(c *Claim) error {
	now := time.Now()
	if now.Sub(c.UpdatedAt) < 2*leaseGrace {
		return busyError{time.Second}
	}
	return busyError{max(leaseGrace, c.LeaseEnds.Sub(now)+leaseGrace)}
}

// stale says why an event changes nothing any more.
func stale(part *CloudJob, e event.MediaConvertChanged, ref cloudRef) string {
	switch {
	case part.ended():
		return "it was noted before"
	case ref.attempt < part.Attempt:
		return "it is of an earlier attempt"
	case part.JobID != "" && part.JobID != e.JobID:
		return "the job is " + part.JobID
	}
	return ""
}

// outcome is the state of a CloudJob after MediaConvert's last word, which for
// what may pass is another attempt.
func (h *Handler) outcome(ctx context.Context, log *zap.Logger, part CloudJob, e event.MediaConvertChanged) (CloudJob, error) {
	part.JobID, part.Status = e.JobID, e.Status
	for _, w := range e.Warnings {
		part.Warnings = append(part.Warnings, CloudWarning{Code: w.Code, Count: w.Count})
	}
	fields := []zap.Field{zap.String("settings", part.Settings), zap.Int("attempt", part.Attempt)}
	switch e.Status {
	case cloudComplete:
		outputs, err := h.measure(ctx, transcode.Outputs(e.Groups, part.Planned))
		if err != nil {
			return part, err
		}
		part.Outputs = outputs
	case cloudError:
		fields = append(fields, zap.Int("code", e.ErrorCode), zap.String("error", e.ErrorMessage))
		again := transcode.Transient(e.ErrorCode) && part.Attempt < h.cfg.MaxAttempts
		unaccelerated := transcode.NeedsNoAcceleration(e.ErrorCode) && !part.Unaccelerated
		if again || unaccelerated {
			part.Unaccelerated = part.Unaccelerated || unaccelerated
			part.Earlier, part.JobID, part.Status, part.Warnings = append(part.Earlier, part.JobID), "", "", nil
			part.Attempt++
			break
		}
		part.Error = newResultError(CodeMediaConvert+strconv.Itoa(e.ErrorCode), e.ErrorMessage)
	}
	log.Info(eventCloudEnded, fields...)
	return part, nil
}

// measure fills in the sizes of what was written, and what MediaConvert didn't
// name. Where the bucket may not be listed both are left out.
func (h *Handler) measure(ctx context.Context, outputs []transcode.Output) ([]transcode.Output, error) {
	objects := map[string]int64{}
	for _, prefix := range transcode.Prefixes(outputs) {
		if err := h.store.list(ctx, location(prefix), objects); err != nil {
			return nil, err
		}
	}
	return transcode.Measure(outputs, objects), nil
}
