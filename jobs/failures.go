package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"golang.org/x/sys/unix"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// A MachineError says that this machine could not do its work, whatever the job: its
// disk is full or fails. Another machine may.
type MachineError struct{ Err error }

func (e *MachineError) Error() string { return "this machine: " + e.Err.Error() }
func (e *MachineError) Unwrap() error { return e.Err }

// MachineFault is how package worker recognises a MachineError; it returns the reason.
func (e *MachineError) MachineFault() string { return e.Err.Error() }

// A blame is who or what is to blame for a failure.
type blame int

const (
	blameJob     blame = iota // counts: after Config.MaxAttempts the job has failed
	blameMachine              // this machine: it should take no more
	blameCrowded              // other jobs of this worker, which need the room just now
	blameService              // AWS refuses everybody, or is out of reach
)

// machineAttempts is how many machines' failures there may be for each of Config.MaxAttempts:
// what fails on that many is not their fault alone.
const machineAttempts = 3

// judge decides whether a job has failed for good, and counts failures in the claim.
// Being given back by a worker that stops is none, and neither is what AWS refuses
// everybody (denied access, too many requests, no answer): such a message comes again until
// the queue has had enough of it, and goes to the dead-letter queue, from which it can be
// sent again.
func (h *Handler) judge(ctx context.Context, l *lease, n int, err error) (*Failure, error) {
	if f := asFailure(err, 0, 1); f != nil {
		return f, err
	}
	state := l.claim.Steps[n]
	by := h.blame(err)
	switch by {
	case blameService:
		return nil, err
	case blameMachine, blameCrowded:
		state.MachineFailures++
	case blameJob:
		state.Failures++
	}
	var failure *Failure
	if by == blameJob {
		failure = asFailure(err, state.Failures, h.cfg.MaxAttempts)
	} else if state.MachineFailures >= machineAttempts*h.cfg.MaxAttempts {
		failure = &Failure{Code: CodeScratchFailed, Err: fmt.Errorf("%w (in %d attempts)", err, state.MachineFailures)}
		if isDiskFull(err) {
			failure.Code = string(ffmpeg.CodeDiskFull)
		}
	}
	if saved := h.noteFailure(ctx, l, n, state, err); saved != nil {
		return nil, errors.Join(err, saved)
	}
	if failure == nil && by == blameMachine {
		err = &MachineError{Err: err}
	}
	return failure, err
}

func (h *Handler) noteFailure(ctx context.Context, l *lease, n int, counted StepState, err error) error {
	last := asFailure(err, h.cfg.MaxAttempts, h.cfg.MaxAttempts)
	return l.change(ctx, func(c *Claim) {
		s := &c.Steps[n]
		s.Failures, s.MachineFailures, s.LastFailure = counted.Failures, counted.MachineFailures, newResultError(last.Code, last.Error())
	})
}

// timedOut reports whether a job's context ended because the message was worked for as
// long as it can be.
func timedOut(ctx context.Context) bool {
	why := context.Cause(ctx)
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](why)
	return ok && timeout.Timeout() && !errors.Is(why, errLost)
}

// timeOut counts an attempt that took too long. The next one ends the job, if there are to
// be no more: this one has no time to publish anything.
func (h *Handler) timeOut(ctx context.Context, l *lease, n int, err error) error {
	err = errors.Join(err, context.Cause(ctx))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseGrace)
	defer cancel()
	state := l.claim.Steps[n]
	state.Failures++
	return errors.Join(err, h.noteFailure(ctx, l, n, state, failf(CodeTimedOut, "%w (in %d attempts)", err, state.Failures)))
}

func (h *Handler) blame(err error) blame {
	started, _ := errors.AsType[*fs.PathError](err)
	switch {
	case isDiskFull(err) && CheckScratch(h.cfg.Scratch) != nil:
		return blameMachine
	case isDiskFull(err) && h.working.Load() > 0:
		return blameCrowded
	case isDiskFull(err):
		return blameJob // it fits nowhere like here
	case errors.As(err, new(*ffmpeg.Error)) || errors.As(err, new(*ffmpeg.CrashError)):
		return blameJob
	case inFolder(err, h.cfg.Scratch) || started != nil && started.Op == "fork/exec":
		return blameMachine
	case ofService(err):
		return blameService
	}
	return blameJob
}

// isDiskFull reports whether there was no room for a file: before, while or after it was
// written by us, or by the engine.
func isDiskFull(err error) bool {
	said, ok := errors.AsType[*ffmpeg.Error](err)
	return ok && said.Code == ffmpeg.CodeDiskFull || errors.As(err, new(*noRoomError)) ||
		errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// inFolder reports whether the system refused something below a folder.
func inFolder(err error, folder string) bool {
	within := func(path string) bool {
		rel, err := filepath.Rel(folder, path)
		return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok && within(e.Path) {
		return true
	}
	e, ok := errors.AsType[*os.LinkError](err)
	return ok && within(e.New)
}

// ofService reports whether AWS would have refused, or not answered, anything like it.
func ofService(err error) bool {
	switch status := httpStatus(err); status {
	case 0: // there was no answer, or it broke off
		return errors.As(err, new(*smithy.OperationError)) || isNetwork(err)
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return true
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	_, throttled := retry.DefaultThrottleErrorCodes[api.ErrorCode()]
	return throttled || slices.Contains([]string{"LimitExceededException", "ExpiredToken", "AccessDeniedException"}, api.ErrorCode())
}

// isNetwork reports whether a connection failed.
func isNetwork(err error) bool {
	return errors.As(err, new(*net.OpError)) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)
}
