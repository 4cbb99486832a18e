package jobs

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// Codes of a failed result that are not the engine's own (those are
// ffmpeg.Code values). They are stable: subscribers filter by them.
const (
	CodeSourceGone        = "source_gone"             // the object, its version or its bucket isn't there
	CodeSourceChanged     = "source_changed"          // the object was overwritten after the event
	CodeSourceArchived    = "source_archived"         // the object must be restored from Glacier first
	CodeDamaged           = "transfer_damaged"        // what is downloaded never matches the checksum that S3 has
	CodeSourceTooLarge    = "source_too_large"        // larger than the worker's limit
	CodeInvalidRequest    = "invalid_request"         // an operator's message asks for what can't be
	CodeInvalidDetections = "invalid_detections"      // the pages of detections are incomplete or make no sense
	CodeEngine            = "engine_"                 // and the ffmpeg.Reason for which the engine died on this file, twice: engine_crashed
	CodeInvalidSidecar    = "invalid_sidecar"         // a clip.json can't be read
	CodeInvalidRoute      = "invalid_route"           // what a route makes of this object's key can't be
	CodeInvalidSettings   = "invalid_settings"        // a MediaConvert job file or template can't be used
	CodeRefused           = "mediaconvert_refused"    // MediaConvert did not take the job
	CodeMediaConvert      = "mediaconvert_"           // and the code with which MediaConvert gave up
	CodeSearchFailed      = "rekognition_failed"      // Rekognition did not look for faces to the end
	CodeNotSearchable     = "rekognition_unsupported" // Rekognition doesn't take such videos
	CodeCollection        = "collection"              // Rekognition doesn't do that to a collection, or not with this picture
	CodeResidualFaces     = "residual_faces"          // of a result for review: faces are still found in it
	CodeRejected          = "rejected"                // a person looked at its output, and refused it
	CodeCancelled         = "cancelled"               // somebody did
	CodeNotAllowed        = "not_allowed"             // who asks for it may not: see SECURITY.md
	CodeIgnored           = "ignored"                 // there was nothing to do
	CodeDestinationTaken  = "destination_taken"       // something made of another source is there, or something that mosaicd did not write
	CodeWorkTooLarge      = "work_too_large"          // covering it would take, or took, longer than Config.MaxWork
	CodeTimedOut          = "timed_out"               // it took longer than a message can be kept, in each attempt
	CodeScratchFailed     = "scratch_failed"          // the folder for the files of jobs failed on several machines
	CodeAttemptsFailed    = "attempts_failed"         // another error in each attempt
	CodeSuperseded        = "superseded"              // of an ignored result: a newer upload of the same source was worked already
)

// A Failure ends a job for good: it is published as a failed result and not
// tried again.
type Failure struct {
	Code string
	Err  error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// asFinal is the *Failure in err, nil where there is none.
func asFinal(err error) *Failure {
	f, _ := errors.AsType[*Failure](err)
	return f
}

func failf(code, format string, args ...any) error {
	return &Failure{Code: code, Err: fmt.Errorf(format, args...)}
}

// A Rejection says that a message can't be understood, so that no job and no
// result come of it: it belongs in the dead-letter queue.
type Rejection struct{ Err error }

func (r *Rejection) Error() string { return "message rejected: " + r.Err.Error() }
func (r *Rejection) Unwrap() error { return r.Err }

// Reject is how package worker recognises a Rejection; it returns the reason.
func (r *Rejection) Reject() string { return r.Err.Error() }

// asFailure decides which errors are final: those that say so, those of the
// engine that are the file's fault, and all that have come too often. It returns nil
// where another try may help.
func asFailure(err error, failures, limit int) *Failure {
	if f := asFinal(err); f != nil {
		return f
	}
	code := CodeAttemptsFailed
	var (
		said *ffmpeg.Error
		died *ffmpeg.CrashError
	)
	switch {
	case errors.As(err, &said):
		if code = string(said.Code); said.InFile() {
			return &Failure{Code: code, Err: err}
		}
		if said.Code == ffmpeg.CodeMemory {
			limit = poisonous(ffmpeg.ReasonMemory, limit)
		}
	case errors.As(err, &died):
		code, limit = CodeEngine+string(cmp.Or(died.Reason, ffmpeg.ReasonCrashed)), poisonous(died.Reason, limit)
	case errors.As(err, new(*damagedError)):
		code = CodeDamaged
	case isDiskFull(err):
		code = string(ffmpeg.CodeDiskFull)
	}
	if failures < limit {
		return nil
	}
	return &Failure{Code: code, Err: fmt.Errorf("%w (in %d attempts)", err, failures)}
}

// poisonous is after how many failures a file is taken for the cause: two, unless
// it may be the machine's fault.
func poisonous(r ffmpeg.Reason, limit int) int {
	if r == ffmpeg.ReasonKilled {
		return limit
	}
	return min(limit, 2)
}
