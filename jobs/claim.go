package jobs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/transcode"
)

// A Claim is the durable record of one job: what is to be done, who does it at
// the moment, and what came of it. It is one object in S3, which every worker
// changes by compare and swap.
type Claim struct {
	Version   int       `json:"version"`
	Job       Job       `json:"job"`
	State     State     `json:"state"`
	Owner     string    `json:"owner,omitempty"`     // the worker that has it
	LeaseEnds time.Time `json:"leaseEnds,omitzero"`  // then another worker may take it
	MessageID string    `json:"messageId,omitempty"` // that the owner works
	// CancelRequested asks the owner to stop.
	CancelRequested bool        `json:"cancelRequested,omitempty"`
	Steps           []StepState `json:"steps"`
	CreatedAt       time.Time   `json:"createdAt"`
	UpdatedAt       time.Time   `json:"updatedAt"`

	// Progress is how far the worker is that has the job; nil where it has not said.
	Progress *Progress `json:"progress,omitempty"`

	etag  string
	place string // in the index, as it was read or written last
	newer error  // set where a newer release wrote it: see decodeClaim
}

// decodeClaim reads a claim as it is stored. Unknown says what this release would lose
// or do wrong: a field that it doesn't have, or a kind of step that it can't do.
func decodeClaim(body []byte) (claim *Claim, unknown, err error) {
	claim = &Claim{}
	strict := json.NewDecoder(bytes.NewReader(body))
	strict.DisallowUnknownFields()
	if unknown = strict.Decode(claim); unknown != nil {
		claim = &Claim{} // as much of it as is known
		return claim, unknown, json.Unmarshal(body, claim)
	}
	for i, s := range claim.Steps {
		if !slices.Contains(kinds, s.Kind) && claim.Job.Refused == nil {
			return claim, fmt.Errorf("step %d: unknown kind %q", i+1, s.Kind), nil
		}
	}
	return claim, nil, nil
}

// A Progress says how far a step is that is done on a worker's own machine.
type Progress struct {
	Step     int       `json:"step"` // from 1
	Phase    Phase     `json:"phase"`
	Frames   int64     `json:"frames,omitempty"`
	Position float64   `json:"positionSeconds,omitempty"` // in the video
	Percent  *float64  `json:"percent,omitempty"`         // of the phase; nil where the length isn't known
	At       time.Time `json:"at"`
}

// claimVersion is the version of Claim's JSON form. Fields may be added within a
// version: a release that doesn't know one leaves the claim alone.
const claimVersion = 1

// A State says how far a job is.
type State string

const (
	StateRunning   State = "running"   // a worker has it, or died with it
	StateWaiting   State = "waiting"   // for MediaConvert
	StateSucceeded State = "succeeded" // and every result is published
	StateFailed    State = "failed"    // the same
	StateCancelled State = "cancelled" // the same
	StateReview    State = "review"    // the same: a person has to look
	StateIgnored   State = "ignored"   // there was nothing to do
)

// States are all that a job can be in.
var States = []State{StateRunning, StateWaiting, StateReview, StateFailed, StateCancelled, StateIgnored, StateSucceeded}

// Ended reports whether nothing more will happen.
func (s State) Ended() bool { return s != StateRunning && s != StateWaiting }

// A StepState is how far one step is.
type StepState struct {
	Kind string `json:"kind"`
	// Input is the object that the step reads, fixed when it is first looked up; nil:
	// it wasn't yet.
	Input    *Identity `json:"input,omitempty"`
	Failures int       `json:"failures,omitempty"` // that count: see Handler.judge
	// LastFailure is the last of them.
	LastFailure *ResultError `json:"lastFailure,omitempty"`
	// MachineFailures are those for which the machines were to blame that had the job.
	MachineFailures int           `json:"machineFailures,omitempty"`
	Probe           *ffmpeg.Media `json:"probe,omitempty"`
	Search          *FaceSearch   `json:"search,omitempty"`
	// Fallback is why the built-in detector looks instead of Rekognition.
	Fallback  string     `json:"fallback,omitempty"`
	Cloud     []CloudJob `json:"cloud,omitempty"`
	Result    *Result    `json:"result,omitempty"`
	Published bool       `json:"published,omitempty"`
	// Decisions are what people said of the outputs that waited for a review, the first
	// one first.
	Decisions []Decision `json:"decisions,omitempty"`
}

// A CloudJob is what one job file asks of MediaConvert.
type CloudJob struct {
	Settings string `json:"settings"` // name of the job file
	// Holding is the id of the record of what its outputs are made of.
	Holding string `json:"holding,omitempty"`
	// JobID is MediaConvert's, of the last attempt; empty until there is one.
	JobID   string   `json:"jobId,omitempty"`
	Attempt int      `json:"attempt"` // 1 is the first
	Earlier []string `json:"earlier,omitempty"`
	// Status is MediaConvert's: SUBMITTED, then COMPLETE, ERROR or CANCELED.
	Status        string             `json:"status,omitempty"`
	Unaccelerated bool               `json:"unaccelerated,omitempty"` // acceleration was refused
	Planned       []transcode.Group  `json:"planned,omitempty"`
	Outputs       []transcode.Output `json:"outputs,omitempty"`
	Warnings      []CloudWarning     `json:"warnings,omitempty"`
	Error         *ResultError       `json:"error,omitempty"`
}

// A CloudWarning is one that MediaConvert gave.
type CloudWarning struct {
	Code  int `json:"code"`
	Count int `json:"count,omitempty"`
}

// ended reports whether MediaConvert has said its last word.
func (c CloudJob) ended() bool {
	return c.Error != nil || c.Status == cloudComplete || c.Status == cloudCanceled
}

// Statuses of MediaConvert.
const (
	cloudSubmitted = "SUBMITTED"
	cloudComplete  = "COMPLETE"
	cloudError     = "ERROR"
	cloudCanceled  = "CANCELED"
)

func newClaim(job Job, owner, messageID string) *Claim {
	c := &Claim{
		Version: claimVersion, Job: job, State: StateRunning, Owner: owner, MessageID: messageID,
		Steps: make([]StepState, len(job.Steps)), CreatedAt: time.Now().UTC(),
	}
	for i, s := range job.Steps {
		c.Steps[i].Kind = s.Kind
	}
	if job.seen != nil && len(c.Steps) > 0 {
		c.Steps[0].Input = job.seen
	}
	return c
}

// current is the index of the step that is to be done; len(c.Steps) when none is.
func (c *Claim) current() int {
	for i, s := range c.Steps {
		if !s.Published {
			return i
		}
		if s.Result.Status != StatusSucceeded {
			return len(c.Steps)
		}
	}
	return len(c.Steps)
}

// outcome is the state of a claim whose steps are done.
func (c *Claim) outcome() State {
	for _, s := range c.Steps {
		if s.Result != nil && s.Result.Status != StatusSucceeded {
			return State(s.Result.Status)
		}
	}
	return StateSucceeded
}

// busy reports whether another worker has the claim.
func (c *Claim) busy(now time.Time) bool {
	return c.State == StateRunning && now.Before(c.LeaseEnds)
}
