package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

// A Decision is what a person said of a step whose output waited for a review.
type Decision struct {
	// ID is the token of the message, or the id of the SQS message: the same decision
	// counts once, however often it is delivered.
	ID     string    `json:"id"`
	Kind   string    `json:"kind"` // event.KindApprove, …
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	// Held are the outputs of a rejected step that are to be deleted. It is in the
	// claim only.
	Held []Output `json:"held,omitempty"`
}

// reviewed is the index of the step whose output waits for a review; -1: none.
func (c *Claim) reviewed() int {
	for i, s := range c.Steps {
		if s.Result != nil && s.Result.Status == StatusReview {
			return i
		}
	}
	return -1
}

// decision finds what was decided, by its id: nil where it is not in the claim.
func (c *Claim) decision(id string) *Decision {
	for i := range c.Steps {
		for j := range c.Steps[i].Decisions {
			if c.Steps[i].Decisions[j].ID == id {
				return &c.Steps[i].Decisions[j]
			}
		}
	}
	return nil
}

// Decided reports whether a decision of that id was taken in.
func (c *Claim) Decided(id string) bool { return c.decision(id) != nil }

// lastDecision is the last one; nil: there is none.
func (c *Claim) lastDecision() *Decision {
	var last *Decision
	for i := range c.Steps {
		if n := len(c.Steps[i].Decisions); n > 0 {
			last = &c.Steps[i].Decisions[n-1]
		}
	}
	return last
}

// ErrDecided says that the same was decided before, so that nothing is left to do.
var ErrDecided = errors.New("that was decided already")

// JudgeDecision returns an error where a message can't decide about a job as it is:
// ErrDecided where the job was approved or rejected already, and the message says the
// same.
func (c *Claim) JudgeDecision(r event.Request) error {
	if c.State != StateReview || c.reviewed() < 0 {
		if last := c.lastDecision(); last != nil && last.Kind == r.Kind && r.Kind != event.KindRerender {
			return fmt.Errorf("%w: job %s is %s since %s", ErrDecided, c.Job.ID, c.State, last.At.Format(time.RFC3339))
		}
		said := ""
		if last := c.lastDecision(); last != nil {
			said = fmt.Sprintf("; the last decision was %s, at %s", last.Kind, last.At.Format(time.RFC3339))
		}
		return fmt.Errorf("%s: job %s is %s, and only a job in review can be decided on%s",
			r.Kind, c.Job.ID, c.State, said)
	}
	if r.Kind != event.KindRerender {
		return nil
	}
	if kind := c.Steps[c.reviewed()].Kind; kind != KindMosaic {
		return fmt.Errorf("rerender: step %d of job %s is a %s, and only a mosaic is rendered here",
			c.reviewed()+1, c.Job.ID, kind)
	}
	if r.Regions != nil {
		if _, err := faces.ParseRegions(r.Regions); err != nil {
			return fmt.Errorf("rerender: %w", err)
		}
	}
	return nil
}

// decide does what a person said of a job that waits for a review. The decision is
// noted in the claim in the same write that takes the job out of the review, so that
// of two that contradict each other one counts, and the other one is refused.
func (h *Handler) decide(ctx context.Context, log *zap.Logger, r event.Request, message string) error {
	log = log.With(zap.String(keyJob, r.Job), zap.String(keyKind, r.Kind))
	claim, err := h.claims.read(ctx, r.Job)
	if err != nil {
		return h.interrupted(log, err)
	}
	if claim == nil {
		return &Rejection{fmt.Errorf("%s: there is no job %s: no record of it is in %s",
			r.Kind, r.Job, h.claims.location(r.Job))}
	}
	log = log.With(zap.String(keySource, uri(claim.Job.Source)))
	id := cmp.Or(r.Token, message)
	if noted := claim.decision(id); noted != nil {
		return h.resume(ctx, log, claim, *noted, message)
	}
	if err := claim.JudgeDecision(r); errors.Is(err, ErrDecided) {
		log.Info(eventJobRepeated, zap.String("state", string(claim.State)))
		return nil
	} else if err != nil {
		return &Rejection{err}
	}
	n := claim.reviewed()
	if r.Kind == event.KindApprove {
		if err := h.judgeHeld(ctx, claim, n); asFinal(err) != nil {
			return &Rejection{fmt.Errorf("approve: the output of job %s is not the one that was held back any more: "+
				"rerender or reject it: %w", r.Job, err)}
		} else if err != nil {
			return h.interrupted(log, err)
		}
	}
	d := Decision{ID: id, Kind: r.Kind, Reason: r.Reason, At: time.Now().UTC()}
	if r.Kind == event.KindReject && !r.KeepOutput {
		d.Held = claim.Steps[n].Result.Outputs
	}
	l, err := h.takeOver(ctx, claim, message, func(c *Claim) { c.settle(n, d, r) })
	if err != nil {
		return h.interrupted(log, err)
	}
	log.Info(eventJobDecided, zap.String("decision", d.Kind), zap.String("reason", d.Reason))
	return h.settled(ctx, log, l, d)
}

// resume goes on with what was decided before: by a message that comes again, because
// its worker could not finish.
func (h *Handler) resume(ctx context.Context, log *zap.Logger, claim *Claim, d Decision, message string) error {
	if claim.State != StateRunning || claim.busy(time.Now()) && claim.MessageID != message {
		if claim.State.Ended() {
			h.dropHeld(ctx, log, d) // its worker may have died before
		}
		log.Info(eventJobRepeated, zap.String("state", string(claim.State)))
		return nil
	}
	l, err := h.takeOver(ctx, claim, message, nil)
	if err != nil {
		return h.interrupted(log, err)
	}
	return h.settled(ctx, log, l, d)
}

func (h *Handler) settled(ctx context.Context, log *zap.Logger, l *lease, d Decision) error {
	h.dropHeld(ctx, log, d)
	return h.proceed(ctx, h.log.With(zap.String(keyMessage, l.claim.MessageID), zap.String(keyJob, l.claim.Job.ID),
		zap.String(keySource, uri(l.claim.Job.Source))), l)
}

// settle is what a decision changes in the claim.
func (c *Claim) settle(n int, d Decision, r event.Request) {
	step := &c.Steps[n]
	step.Decisions = append(step.Decisions, d)
	step.Published = false
	if d.Kind == event.KindRerender {
		// As before the first attempt, but with what is known of the input.
		*step = StepState{
			Kind: step.Kind, Input: step.Input, Probe: step.Probe, Search: step.Search, Fallback: step.Fallback,
			Decisions: step.Decisions,
		}
		if r.Regions != nil {
			c.Job.Steps[n].Regions = r.Regions
		}
		return
	}
	shown := d
	shown.Held = nil
	result := *step.Result
	result.ID, result.Decision, result.FinishedAt = c.resultID(n), &shown, d.At
	result.Status, result.Error = StatusSucceeded, nil
	if d.Kind == event.KindReject {
		result.Status, result.Error = StatusFailed, &ResultError{Code: CodeRejected, Message: d.Reason}
		if d.Held != nil {
			result.Outputs = []Output{}
		}
	}
	step.Result = &result
}

// resultID is the id of the next result of the nth step: one of its own after each
// decision, as subscribers drop an id that they have seen.
func (c *Claim) resultID(n int) string {
	id := c.Job.resultID(n)
	if decided := len(c.Steps[n].Decisions); decided > 0 {
		id += fmt.Sprintf("-%d", decided+1)
	}
	return id
}

// renders is how often the nth step was rendered anew.
func (c *Claim) renders(n int) int {
	renders := 0
	for _, d := range c.Steps[n].Decisions {
		if d.Kind == event.KindRerender {
			renders++
		}
	}
	return renders
}

// judgeHeld returns a *Failure where the output of the nth step is not there any more
// as it was written.
func (h *Handler) judgeHeld(ctx context.Context, c *Claim, n int) error {
	for _, o := range c.Steps[n].Result.Outputs {
		if _, err := h.store.head(ctx, written(o)); err != nil {
			return err
		}
	}
	return nil
}

// written is the object that an output was when it was written.
func written(o Output) Identity {
	at := location(o.URI)
	at.VersionID = o.VersionID
	return Identity{Location: at, ETag: o.ETag}
}

// dropHeld deletes what a person rejected. Where that isn't allowed, or another object
// is there by now, it stays, and the log says so.
func (h *Handler) dropHeld(ctx context.Context, log *zap.Logger, d Decision) {
	for _, o := range d.Held {
		held := written(o)
		err := h.judgeOwn(ctx, held)
		if err == nil {
			err = h.store.delete(ctx, held)
		}
		switch {
		case err == nil:
			log.Info(eventOutputDeleted, zap.String("output", o.URI))
		case codeOf(err) == CodeSourceGone: // deleted before
		default:
			log.Warn(eventOutputKept, zap.String("output", o.URI), zap.Error(err))
		}
	}
}

// judgeOwn returns an error unless an object is one that mosaicd wrote.
func (h *Handler) judgeOwn(ctx context.Context, at Identity) error {
	o, err := h.store.head(ctx, at)
	if err == nil && o.origin == nil {
		return fmt.Errorf("%s: mosaicd did not write it", at)
	}
	return err
}
