package jobs

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// reconciler is the message id of what no message caused.
const reconciler = "reconciler"

// Reconcile asks MediaConvert, until ctx ends, for the jobs of which it has been
// silent for too long: an event that was lost doesn't lose a job. Every worker
// does so; one that asked is enough for all.
func (h *Handler) Reconcile(ctx context.Context) {
	for {
		// Workers that started together don't ask together.
		pause := h.cfg.ReconcileAfter/2 + rand.N(h.cfg.ReconcileAfter/4+1)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if err := h.reconcile(ctx, time.Now().Add(-h.cfg.ReconcileAfter)); err != nil && ctx.Err() == nil {
			h.log.Warn(eventReconcileFailed, zap.Error(err))
		}
		if err := h.claims.sweepIndex(ctx, time.Now()); err != nil && ctx.Err() == nil {
			h.log.Warn(eventReconcileFailed, zap.Error(err))
		}
	}
}

// reconcile asks once, for the jobs that were last heard of before a time.
func (h *Handler) reconcile(ctx context.Context, before time.Time) error {
	if err := h.Ready(ctx); err != nil {
		return err // other workers ask
	}
	return h.claims.overdue(ctx, before, func(id string) error {
		log := h.log.With(zap.String(keyMessage, reconciler), zap.String(keyJob, id), zap.String(keyKind, KindTranscode))
		err := h.ask(ctx, log, id)
		if ctx.Err() != nil {
			return err
		}
		if err != nil && !errors.As(err, new(busyError)) {
			log.Warn(eventReconcileFailed, zap.Error(err)) // and on with the next one
		}
		return nil
	})
}

// ask asks for the jobs of one claim.
func (h *Handler) ask(ctx context.Context, log *zap.Logger, id string) error {
	claim, err := h.claims.read(ctx, id)
	if err != nil {
		return err
	}
	if claim == nil || claim.State.Ended() {
		return h.claims.waited(ctx, id)
	}
	if err := h.claims.wait(ctx, id); err != nil { // the others needn't ask now
		return err
	}
	asked := false
	for _, s := range claim.Steps {
		if s.Search != nil && s.Search.Status == "" && s.Result == nil {
			asked = true
			if err := h.askForSearch(ctx, log, claim, s.Search); err != nil {
				return err
			}
		}
		for _, part := range s.Cloud {
			if part.JobID == "" || part.ended() {
				continue
			}
			asked = true
			if err := h.askFor(ctx, log, part); err != nil {
				return err
			}
		}
	}
	if asked || claim.State != StateRunning || claim.busy(time.Now()) {
		return nil
	}
	// Its worker died, and so may have the message.
	l, err := h.takeOver(ctx, claim, reconciler, nil)
	if err != nil {
		return err
	}
	return h.proceed(ctx, log.With(zap.String(keySource, claim.Job.Source.String())), l)
}

func (h *Handler) askFor(ctx context.Context, log *zap.Logger, part CloudJob) error {
	out, err := h.cloud.GetJob(ctx, &mediaconvert.GetJobInput{Id: &part.JobID})
	if err != nil {
		return err
	}
	log.Info(eventCloudAsked, zap.String(keyCloudJob, part.JobID), zap.String("cloud_status", string(out.Job.Status)))
	switch out.Job.Status {
	case types.JobStatusComplete, types.JobStatusError, types.JobStatusCanceled:
		return h.cloudChanged(ctx, h.log.With(zap.String(keyMessage, reconciler)), changed(out.Job, part), reconciler)
	}
	return nil
}

// changed is the event that should have come. GetJob names no files; what they
// are called follows from the settings.
func changed(j *types.Job, part CloudJob) event.MediaConvertChanged {
	e := event.MediaConvertChanged{
		JobID: aws.ToString(j.Id), Status: string(j.Status), Time: time.Now(), Queue: aws.ToString(j.Queue), UserMetadata: j.UserMetadata,
		ErrorCode: int(aws.ToInt32(j.ErrorCode)), ErrorMessage: aws.ToString(j.ErrorMessage),
	}
	for i, g := range j.OutputGroupDetails {
		var group event.OutputGroup
		if i < len(part.Planned) {
			group.Type = part.Planned[i].Type
		}
		for _, o := range g.OutputDetails {
			d := event.OutputDetail{Duration: time.Duration(aws.ToInt32(o.DurationInMs)) * time.Millisecond}
			if o.VideoDetails != nil {
				d.Width, d.Height = int(aws.ToInt32(o.VideoDetails.WidthInPx)), int(aws.ToInt32(o.VideoDetails.HeightInPx))
			}
			group.Outputs = append(group.Outputs, d)
		}
		e.Groups = append(e.Groups, group)
	}
	return e
}
