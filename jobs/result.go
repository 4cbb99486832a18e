package jobs

import "time"

// ResultVersion is the version of Result's JSON form. Fields may be added within
// a version.
const ResultVersion = 1

// A Status is how a job ended.
type Status string

const (
	StatusSucceeded Status = "succeeded"
	StatusFailed    Status = "failed"
)

// A Result is what is published of a job. A job may be published more than once,
// always with the same ID and content.
type Result struct {
	Version         int          `json:"version"`
	ID              string       `json:"id"`
	Kind            string       `json:"kind"`
	Status          Status       `json:"status"`
	Source          string       `json:"source"` // s3:// URI
	SourceVersionID string       `json:"sourceVersionId,omitempty"`
	Outputs         []Output     `json:"outputs"`
	Error           *ResultError `json:"error,omitempty"`
	StartedAt       time.Time    `json:"startedAt"`
	FinishedAt      time.Time    `json:"finishedAt"`
	Stats           *Stats       `json:"stats,omitempty"`
}

// An Output is one object that a job wrote.
type Output struct {
	URI             string  `json:"uri"`
	MediaType       string  `json:"mediaType"`
	Bytes           int64   `json:"bytes"`
	DurationSeconds float64 `json:"durationSeconds"`
	Width           int     `json:"width"`  // as displayed
	Height          int     `json:"height"` // as displayed
}

// A ResultError says why a job failed.
type ResultError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Stats say what a job did and took.
type Stats struct {
	Frames          int64    `json:"frames"`
	FramesCovered   int64    `json:"framesCovered"`
	Faces           int      `json:"faces"` // tracks
	DecodeErrors    int64    `json:"decodeErrors"`
	DroppedStreams  []string `json:"droppedStreams,omitempty"`
	SourceBytes     int64    `json:"sourceBytes"`
	DownloadSeconds float64  `json:"downloadSeconds"`
	DetectSeconds   float64  `json:"detectSeconds"`
	EncodeSeconds   float64  `json:"encodeSeconds"`
	UploadSeconds   float64  `json:"uploadSeconds"`
}

func (r *Result) fail(f *Failure) {
	r.Status = StatusFailed
	r.Outputs = []Output{}
	r.Error = &ResultError{Code: f.Code, Message: f.Error()}
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
