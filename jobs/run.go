package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/internal/failpoint"
)

// start brings a job as far as it goes now: to its end, or to where it waits for
// MediaConvert. It does nothing for a job that another message is working.
func (h *Handler) start(ctx context.Context, log *zap.Logger, job Job, message string) error {
	log = log.With(zap.String(keyJob, job.ID), zap.String(keySource, uri(job.Source)))
	l, claim, err := h.take(ctx, job, message)
	if err != nil {
		return h.interrupted(log.With(zap.String(keyKind, job.kind())), err)
	}
	failpoint.Hit("claimed")
	if l == nil {
		log.Info(eventJobRepeated, zap.String(keyKind, job.kind()), zap.String("state", string(claim.State)))
		return nil
	}
	return h.proceed(ctx, log, l)
}

// proceed works the steps of a claimed job from where it stands.
func (h *Handler) proceed(ctx context.Context, log *zap.Logger, l *lease) error {
	kept, stop := l.keep(ctx)
	defer stop()
	err := h.steps(ctx, kept, log, l)
	if err == nil {
		return nil
	}
	stop()
	return h.interrupted(log.With(zap.String(keyKind, l.claim.Job.kind())), errors.Join(err, l.release(ctx)))
}

// steps does one step after the other. The context kept ends with the lease, and
// when somebody cancels the job.
func (h *Handler) steps(ctx, kept context.Context, log *zap.Logger, l *lease) error {
	for n := l.claim.current(); n < len(l.claim.Steps); n = l.claim.current() {
		waiting, err := h.advance(ctx, kept, log.With(zap.String(keyKind, l.claim.Steps[n].Kind)), l, n)
		if waiting || err != nil {
			return err
		}
	}
	return h.finish(ctx, log.With(zap.String(keyKind, l.claim.Job.kind())), l)
}

// advance does one step, unless that was done before, and has its result
// published. It reports whether the job has to wait for MediaConvert now.
func (h *Handler) advance(ctx, kept context.Context, log *zap.Logger, l *lease, n int) (waiting bool, err error) {
	r := l.claim.Steps[n].Result
	if r == nil {
		work := kept
		if l.claim.Steps[n].Kind == KindTranscode {
			work = ctx // a request that is cut off may have made a job that nobody knows
		}
		if r, err = h.step(work, log, l, n); err != nil || r == nil {
			return r == nil, err
		}
		failpoint.Hit("stepped")
		if err := l.change(ctx, func(c *Claim) { c.Steps[n].Result = r }); err != nil {
			return false, err
		}
		failpoint.Hit("noted")
	}
	if r.Status != StatusIgnored || l.claim.Job.PublishIgnored || r.Error.Code == CodeSuperseded {
		if err := h.publish(ctx, l, *r); err != nil {
			return false, err
		}
		failpoint.Hit("published")
		log.Info(eventResultPublished, zap.String("status", string(r.Status)))
	}
	if n == len(l.claim.Steps)-1 && !disposes(l.claim.Job.After) || r.Status != StatusSucceeded {
		return false, l.change(ctx, func(c *Claim) { // the end, in one write
			c.Steps[n].Published = true
			c.State, c.Owner, c.LeaseEnds = c.outcome(), "", time.Time{}
		})
	}
	return false, l.change(ctx, func(c *Claim) { c.Steps[n].Published = true })
}

// publish publishes a result as long as the job is ours: a worker that was stopped
// for longer than its lease finds out before, and one that is stopped on the way does
// not try again.
func (h *Handler) publish(ctx context.Context, l *lease, r Result) error {
	if time.Until(l.ends()) < l.length/2 {
		if err := l.renew(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithDeadline(ctx, l.ends())
	defer cancel()
	return h.publisher.publish(ctx, r)
}

// finish ends a job whose results are published.
func (h *Handler) finish(ctx context.Context, log *zap.Logger, l *lease) error {
	if l.claim.waited() {
		if err := h.claims.waited(ctx, l.claim.Job.ID); err != nil {
			log.Warn(eventClaimFailed, zap.Error(err)) // the reconciler looks at it once more
		}
	}
	if l.claim.State.Ended() {
		return nil
	}
	if err := h.dispose(ctx, log, l); err != nil {
		return err
	}
	return l.leave(ctx, l.claim.outcome())
}

// step does one step. It returns a result, whichever it is; nil when the job
// waits for MediaConvert; or an error when another try may help.
func (h *Handler) step(ctx context.Context, log *zap.Logger, l *lease, n int) (*Result, error) {
	job, state := l.claim.Job, l.claim.Steps[n]
	if state.Cloud == nil && state.Search == nil {
		to := zap.Skip()
		if at := job.Steps[n].Destination; at.Bucket != "" {
			to = zap.String("destination", at.String())
		}
		log.Info(eventJobStarted, zap.String("route", job.Route), zap.Int("step", n+1), zap.Int("steps", len(job.Steps)), to, zap.Int("failures", state.Failures))
	}
	r := newResult(job, n, state.Kind, time.Now())
	r.ID = l.claim.resultID(n)
	var err error
	switch {
	case l.cancelRequested() && !state.open():
		err = errCancelled
	case job.Refused != nil:
		err = &Failure{Code: job.Refused.Code, Err: errors.New(job.Refused.Message)}
	case state.LastFailure != nil && state.Failures >= h.cfg.MaxAttempts: // a worker could not say so any more
		err = &Failure{Code: state.LastFailure.Code, Err: errors.New(state.LastFailure.Message)}
	case state.Kind == KindTranscode:
		var waiting bool
		if waiting, err = h.transcode(ctx, log, l, n, &r); waiting && err == nil {
			return nil, nil
		}
	case state.Kind == KindFacesAdd || state.Kind == KindFacesList || state.Kind == KindFacesRemove:
		err = h.people(ctx, job.Steps[n], &r)
	case state.Kind != KindMosaic && state.Kind != KindRemux:
		err = fmt.Errorf("step %d: unknown kind %q", n+1, state.Kind) // save refuses such a claim
	default:
		var waiting bool
		if err = h.judgeCover(job.Steps[n]); err == nil && h.searches(job.Steps[n]) {
			waiting, err = h.search(ctx, log, l, n)
		}
		if waiting && err == nil {
			return nil, nil
		}
		if err == nil {
			err = h.local(ctx, log, l, n, &r)
			l.report(nil)
		}
	}
	r.FinishedAt = time.Now().UTC()
	r.identify(l.claim)
	took := zap.Float64("seconds", r.FinishedAt.Sub(r.StartedAt).Seconds())
	switch {
	case err == nil && r.Status == StatusReview:
		log.Warn(eventJobReview, took, zap.String("output", r.first()), zap.String("error", r.Error.Message))
		return &r, nil
	case err == nil && r.Status == StatusSucceeded:
		stats := zap.Skip()
		if r.Stats != nil {
			stats = zap.Any("stats", r.Stats)
		}
		fields := []zap.Field{took, stats, zap.Int("outputs", len(r.Outputs)), zap.String("output", r.first())}
		if len(r.Outputs) > 0 {
			first := r.Outputs[0]
			fields = append(fields, zap.Float64("video_seconds", first.DurationSeconds), zap.Int("width", first.Width), zap.Int("height", first.Height))
		}
		log.Info(eventJobSucceeded, fields...)
		return &r, nil
	case errors.Is(err, errCancelled) || errors.Is(context.Cause(ctx), errCancelled):
		r.end(StatusCancelled, &Failure{Code: CodeCancelled, Err: errCancelled})
		log.Warn(eventJobCancelled, took)
		return &r, nil
	case timedOut(ctx):
		return nil, h.timeOut(ctx, l, n, err)
	case ctx.Err() != nil:
		return nil, errors.Join(err, context.Cause(ctx)) // whatever it looks like, it is our own stopping
	}
	var idle idleError
	if codeOf(err) == CodeSourceChanged && n == 0 && h.rewritten(ctx, job) {
		err = idleError(reasonRewritten)
	}
	if errors.As(err, &idle) && job.Asked {
		err = &Failure{Code: CodeInvalidRequest, Err: err}
	} else if errors.As(err, &idle) {
		log.Info(eventObjectIgnored, zap.String("reason", idle.Error()))
		r.end(StatusIgnored, &Failure{Code: CodeIgnored, Err: idle})
		return &r, nil
	}
	if err != nil {
		r.Outputs = []Output{} // what MediaConvert wrote may be of another object
	}
	if codeOf(err) == CodeSuperseded {
		log.Info(eventJobSuperseded, took, zap.String("reason", err.Error()))
		r.end(StatusIgnored, asFinal(err))
		return &r, nil
	}
	if err != nil {
		f, err := h.judge(ctx, l, n, err)
		if f == nil {
			return nil, err
		}
		r.end(StatusFailed, f)
	}
	log.Warn(eventJobFailed, took, zap.String("code", r.Error.Code), zap.String("error", r.Error.Message))
	return &r, nil
}

// waited reports whether MediaConvert or Rekognition had the job.
func (c *Claim) waited() bool {
	for _, s := range c.Steps {
		if s.Cloud != nil || s.Search != nil {
			return true
		}
	}
	return false
}

// open reports whether MediaConvert has a job that it has not ended.
func (s StepState) open() bool {
	for _, c := range s.Cloud {
		if c.JobID != "" && !c.ended() {
			return true
		}
	}
	return false
}
