package jobs

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/collection"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/transcode"
)

// ResultVersion is the version of Result's JSON form. Fields may be added within
// a version.
const ResultVersion = 1

// A Status is how a step ended.
type Status string

const (
	StatusSucceeded   Status = "succeeded"
	StatusFailed      Status = "failed"
	StatusCancelled   Status = "cancelled"
	StatusIgnored     Status = "ignored"     // where the route asks for that
	StatusReview      Status = "review"      // a person has to look at it first: where the route asks for that
	StatusProgressing Status = "progressing" // not an end: where the route asks for that
)

// A Result is what is published of one step of a job. It may be published more
// than once, always with the same ID and content.
type Result struct {
	Version         int          `json:"version"`
	ID              string       `json:"id"`
	Job             string       `json:"job"`
	Kind            string       `json:"kind"`
	Status          Status       `json:"status"`
	Step            int          `json:"step"`  // from 1
	Steps           int          `json:"steps"` // of the job
	Route           string       `json:"route,omitempty"`
	Source          string       `json:"source,omitempty"` // s3:// URI; of most messages about a collection there is none
	SourceVersionID string       `json:"sourceVersionId,omitempty"`
	SourceETag      string       `json:"sourceEtag,omitempty"` // without quotes; with the version it says which upload was worked
	Outputs         []Output     `json:"outputs"`
	OmittedOutputs  int          `json:"omittedOutputs,omitempty"` // that SNS has no room for
	Full            string       `json:"full,omitempty"`           // s3:// URI of the claim, which holds them all
	Error           *ResultError `json:"error,omitempty"`
	StartedAt       time.Time    `json:"startedAt"`
	FinishedAt      time.Time    `json:"finishedAt"`
	// Decision is a person's, about an output that waited for a review.
	Decision *Decision     `json:"decision,omitempty"`
	Percent  *int          `json:"percent,omitempty"` // of a progressing one
	Stats    *Stats        `json:"stats,omitempty"`
	Probe    *ffmpeg.Media `json:"probe,omitempty"` // what the source is, where that was looked at
	Cloud    []CloudResult `json:"cloud,omitempty"` // MediaConvert's jobs
	// Faces are those that were added to a collection, are in it, or were removed.
	Faces        []collection.Face `json:"faces,omitempty"`
	OmittedFaces int               `json:"omittedFaces,omitempty"` // that SNS has no room for
	// OmittedFields are the other fields that SNS has no room for: cloud, extra, stats, probe.
	OmittedFields []string `json:"omittedFields,omitempty"`
	// Extra is what the clip.json said beyond what mosaicd reads.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
}

// An Output is one thing that a job wrote and that is opened by itself.
type Output = transcode.Output

// A CloudResult is what came of one job file.
type CloudResult struct {
	Settings string         `json:"settings"` // name of the job file
	JobID    string         `json:"jobId,omitempty"`
	Attempts int            `json:"attempts"`
	Status   string         `json:"status,omitempty"` // MediaConvert's
	Warnings []CloudWarning `json:"warnings,omitempty"`
	Error    *ResultError   `json:"error,omitempty"`
}

// newResult is the result of the nth step, from 0, as long as it goes well.
func newResult(j Job, n int, kind string, at time.Time) Result {
	return Result{
		Version: ResultVersion, ID: j.resultID(n), Job: j.ID, Kind: kind, Status: StatusSucceeded,
		Step: n + 1, Steps: len(j.Steps), Route: j.Route,
		Source: uri(j.Source), SourceVersionID: j.Source.VersionID,
		Outputs: []Output{}, StartedAt: at.UTC(), Extra: j.Extra,
	}
}

// identify says which object the job works, where that is known.
func (r *Result) identify(c *Claim) {
	if len(c.Steps) == 0 {
		return
	}
	in := c.input(0)
	r.SourceVersionID, r.SourceETag = in.VersionID, strings.Trim(in.ETag, `"`)
}

// uri is empty where there is no object.
func uri(at event.Location) string {
	if at.Bucket == "" {
		return ""
	}
	return at.String()
}

// A ResultError says why a job failed.
type ResultError struct {
	Code    string `json:"code"`
	Message string `json:"message"` // at most maxErrorBytes
}

// maxErrorBytes is the length of the longest error text that is kept: some hold what
// an uploader wrote, and a result has to fit in a message.
const maxErrorBytes = 4 << 10

func newResultError(code, message string) *ResultError {
	return &ResultError{Code: cut(code, 256), Message: cut(message, maxErrorBytes)}
}

// cut shortens a text to at most limit bytes of valid UTF-8, and says how much is
// missing.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const most = len(" … (9999999999 bytes more)") // fewer digits than any text has
	end := max(limit-most, 0)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf("%s … (%d bytes more)", text[:end], len(text)-end)
}

// Stats say what a job did and took.
type Stats struct {
	Frames         int64    `json:"frames"`
	FramesCovered  int64    `json:"framesCovered"`
	Faces          int      `json:"faces"` // tracks
	DecodeErrors   int64    `json:"decodeErrors"`
	DroppedStreams []string `json:"droppedStreams,omitempty"`
	// Repaired are the streams of which single timestamps were.
	Repaired        []ffmpeg.Repair `json:"repaired,omitempty"`
	SourceBytes     int64           `json:"sourceBytes"`
	DownloadSeconds float64         `json:"downloadSeconds"`
	DetectSeconds   float64         `json:"detectSeconds"`
	EncodeSeconds   float64         `json:"encodeSeconds"`
	UploadSeconds   float64         `json:"uploadSeconds"`
	// Residual is what the detector still finds in the output; nil where nobody
	// looked.
	Residual *Residual `json:"residual,omitempty"`
}

// Residual are the faces that are still found in an output.
type Residual struct {
	Faces         int       `json:"faces"`     // detections, of all looks
	AtSeconds     []float64 `json:"atSeconds"` // when, from the first frame, at most 100 of them
	VerifySeconds float64   `json:"verifySeconds"`
	// Sightings say when, as a player shows it, and where, at most 20 of them.
	Sightings []Sighting `json:"sightings,omitempty"`
}

// How many times, and how many sightings, a result gives.
const (
	maxResidualTimes = 100
	maxSightings     = 20
)

func newResidual(done Covered) *Residual {
	found := done.Residual
	r := &Residual{Faces: len(found), AtSeconds: []float64{}, VerifySeconds: seconds(done.Verifying)}
	r.Sightings = Sightings(found, done.Begins)
	r.Sightings = r.Sightings[:min(len(r.Sightings), maxSightings)]
	for _, f := range found {
		if n := len(r.AtSeconds); n < maxResidualTimes && (n == 0 || r.AtSeconds[n-1] != seconds(f.At)) {
			r.AtSeconds = append(r.AtSeconds, seconds(f.At))
		}
	}
	return r
}

// first is the URI of the first output, if there is one.
func (r Result) first() string {
	if len(r.Outputs) == 0 {
		return ""
	}
	return r.Outputs[0].URI
}

// end makes it the result of something that didn't succeed.
func (r *Result) end(s Status, f *Failure) {
	r.Status = s
	r.Error = newResultError(f.Code, f.Error())
	r.Stats = nil
}

// mediaTypes by the extension of the output.
var mediaTypes = map[string]string{
	".mp4": "video/mp4",
	".m4v": "video/mp4",
	".mov": "video/quicktime",
	".mkv": "video/x-matroska",
	".ts":  "video/mp2t",
}

// seconds is a duration as results give it: to the millisecond.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
