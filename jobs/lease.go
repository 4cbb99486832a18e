package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A busyError says that another worker has the job.
type busyError struct{ wait time.Duration }

func (e busyError) Error() string {
	return fmt.Sprintf("another worker has the job; its lease ends in %s", e.wait.Round(time.Second))
}

// RetryAfter is how package worker learns when the lease will have ended.
func (e busyError) RetryAfter() time.Duration { return e.wait }

var (
	errLost = errors.New("another worker took the job over")
	// errCancelled is the cause of a context whose job somebody cancelled.
	errCancelled = errors.New("the job was cancelled")
)

// leaseGrace is how much the clocks of two workers may differ.
const leaseGrace = 5 * time.Second

// A lease is a claim that this worker has. Only change changes the claim.
type lease struct {
	claims *Claims
	length time.Duration
	fresh  bool // nobody had the claim before

	mu    sync.Mutex
	claim *Claim
	owner string
	over  bool // the claim is nobody's again

	// progress is what the claim is to have with its next renewal. It has no part in mu,
	// which is held during writes: whoever reports does not wait for S3.
	progress atomic.Pointer[Progress]
}

// take claims a job for a message. Where it returns no lease the claim is there
// to look at: the job has ended, waits for MediaConvert, or another message's
// worker is at it. A busyError says that this very message is being worked.
func (h *Handler) take(ctx context.Context, job Job, messageID string) (*lease, *Claim, error) {
	owner := h.owner + "/" + rand.Text()
	claim := newClaim(job, owner, messageID)
	claim.LeaseEnds = time.Now().Add(h.cfg.Lease).UTC()
	err := h.claims.create(ctx, claim)
	if err == nil {
		return h.newLease(claim, true), nil, nil
	} else if !errors.Is(err, errClaimed) {
		return nil, nil, err
	}
	stored, err := h.claims.read(ctx, job.ID)
	if err != nil {
		return nil, nil, err
	}
	if stored == nil {
		return nil, nil, fmt.Errorf("read claim %s: it was there a moment ago", h.claims.location(job.ID))
	}
	if job.conflicts(stored.Job) {
		return nil, nil, &Rejection{fmt.Errorf("token: %s is the id of another job, a %s of %q: each request needs a token of its own",
			job.ID, stored.Job.kind(), uri(stored.Job.Source))}
	}
	switch {
	case stored.Owner == owner: // S3 did what it was asked, and its answer was lost
		return h.newLease(stored, true), nil, nil
	case stored.State != StateRunning:
		return nil, stored, nil
	case stored.busy(time.Now()) && stored.MessageID != messageID:
		return nil, stored, nil // that worker's own message is still there if it dies
	}
	l, err := h.takeOver(ctx, stored, messageID, nil)
	return l, nil, err
}

// takeOver makes a claim that was read this worker's, with a change in the same
// write. The error is a busyError where somebody else has it.
func (h *Handler) takeOver(ctx context.Context, stored *Claim, messageID string, change func(*Claim)) (*lease, error) {
	if now := time.Now(); stored.busy(now) {
		return nil, busyError{stored.LeaseEnds.Sub(now) + leaseGrace}
	}
	died := stored.State == StateRunning
	stored.State = StateRunning
	stored.Owner = h.owner + "/" + rand.Text()
	stored.MessageID = messageID
	stored.LeaseEnds = time.Now().Add(h.cfg.Lease).UTC()
	if change != nil {
		change(stored)
	}
	err := h.claims.save(ctx, stored)
	if errors.Is(err, errChanged) {
		return nil, busyError{leaseGrace}
	} else if err != nil {
		return nil, err
	}
	if died { // maybe before it wrote the index
		h.claims.complain(ctx, stored.Job.ID, h.claims.enterNew(ctx, stored))
	}
	return h.newLease(stored, false), nil
}

func (h *Handler) newLease(c *Claim, fresh bool) *lease {
	return &lease{claims: h.claims, length: h.cfg.Lease, fresh: fresh, claim: c, owner: c.Owner}
}

// keep renews the lease until stop is called. The context that it returns ends
// when the lease is lost, and when somebody cancels the job.
func (l *lease) keep(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		every := min(l.length/4, saveProgressEvery)
		tick := time.NewTicker(every)
		defer tick.Stop()
		renewed := time.Now()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if time.Since(renewed)+every <= l.length/4 && !l.progresses() {
				continue
			}
			err := l.renew(ctx)
			if err == nil {
				renewed = time.Now()
			}
			if errors.Is(err, errLost) || err != nil && time.Now().After(l.ends().Add(-l.length/4)) {
				cancel(fmt.Errorf("%w: %w", errLost, err))
			}
			if l.cancelRequested() {
				cancel(errCancelled)
			}
		}
	})
	return ctx, sync.OnceFunc(func() { close(done); wg.Wait(); cancel(nil) })
}

func (l *lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.length/4)
	defer cancel()
	return l.change(ctx, func(*Claim) {})
}

// saveProgressEvery is how often a claim is written while its worker says how far it
// is: often enough that nobody sees what is older than ten seconds.
const saveProgressEvery = 8 * time.Second

// report notes how far the work is. The next write of the claim has it.
func (l *lease) report(p *Progress) { l.progress.Store(p) }

// progresses reports whether there is something to write that the claim doesn't have.
func (l *lease) progresses() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.progress.Load() != l.claim.Progress
}

func (l *lease) ends() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claim.LeaseEnds
}

func (l *lease) cancelRequested() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claim.CancelRequested
}

// change changes the claim and writes it, which renews the lease too. It returns
// errLost where the claim isn't ours any more.
func (l *lease) change(ctx context.Context, f func(*Claim)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return errLost
	}
	f(l.claim)
	l.claim.Progress = nil
	ends := l.claim.LeaseEnds
	if l.claim.Owner == l.owner {
		l.claim.LeaseEnds = time.Now().Add(l.length).UTC()
		l.claim.Progress = l.progress.Load()
	}
	err := l.claims.save(ctx, l.claim)
	for range 3 { // somebody asks to cancel, or the answer to a write of our own was lost
		if !errors.Is(err, errChanged) {
			break
		}
		err = l.merge(ctx)
	}
	switch {
	case errors.Is(err, errLost):
		l.over = true
	case err != nil:
		l.claim.LeaseEnds = ends // as far as we know
	case l.claim.Owner != l.owner:
		l.over = true
	}
	return err
}

// merge writes the claim over a newer form of it, as long as that is ours.
func (l *lease) merge(ctx context.Context) error {
	stored, err := l.claims.read(ctx, l.claim.Job.ID)
	if err != nil {
		return err
	}
	switch {
	case stored == nil:
		return errLost
	case stored.UpdatedAt.Equal(l.claim.UpdatedAt): // it is what we wrote
		l.claim.etag = stored.etag
		return nil
	case stored.Owner != l.owner:
		return errLost
	case stored.newer != nil: // what was added would be lost
		return fmt.Errorf("%w: %w", errLost, stored.newer)
	}
	l.claim.etag = stored.etag
	l.claim.CancelRequested = l.claim.CancelRequested || stored.CancelRequested
	return l.claims.save(ctx, l.claim)
}

// leave makes the claim nobody's, in a given state.
func (l *lease) leave(ctx context.Context, s State) error {
	return l.change(ctx, func(c *Claim) {
		c.State, c.Owner, c.LeaseEnds = s, "", time.Time{}
	})
}

// release lets another worker take over at once, if the lease is still ours. It
// does so even when this worker is being stopped.
func (l *lease) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseGrace)
	defer cancel()
	if err := l.leave(ctx, StateRunning); err != nil && !errors.Is(err, errLost) {
		return fmt.Errorf("release the claim: %w", err)
	}
	return nil
}
