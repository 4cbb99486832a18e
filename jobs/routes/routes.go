// Package routes says what is to be done with an object: which steps, and with
// which options. Pure: the caller reads the file.
package routes

import (
	"slices"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// Kinds of steps.
const (
	Mosaic    = "mosaic"
	Transcode = "transcode"
	Remux     = "remux"
)

// Routes are tried in their order: the first that matches counts.
type Routes struct{ Routes []Route }

// A Route is one rule.
type Route struct {
	Name    string
	Match   Match
	Steps   []Step // none: the object is ignored
	Sidecar Sidecar
	// PublishIgnored asks for a result also for objects that start no job.
	PublishIgnored bool
	// PublishProgress asks for results of status progressing on the way.
	PublishProgress bool
	After           After
}

// A Sidecar says what a clip.json may decide about a video of a route. The zero value:
// nothing, and it starts no job.
type Sidecar struct {
	On   bool // a clip.json may start a job
	Wait bool // a video starts only by a clip.json that names it
	// Allow are the fields that it may set; of those that say how faces are covered, to
	// nothing weaker than the route has.
	Allow []string
	// Weaken are the fields that it may set to anything: see Weakenings.
	Weaken []string
	// Destination is a folder, an s3:// URI with tokens, in which the destination that a
	// clip.json names must lie; empty: the folder of what the route writes for the video.
	Destination string
}

// Weakenings are the fields of a clip.json that can take covers away.
var Weakenings = []string{"steps", "regions", "style", "blocks", "allowWeak", "margin", "cover", "similarity", "collection"}

// May reports whether a field may be set.
func (s Sidecar) May(field string) bool { return slices.Contains(s.Allow, field) || s.MayWeaken(field) }

// MayWeaken reports whether a field may take covers away.
func (s Sidecar) MayWeaken(field string) bool { return slices.Contains(s.Weaken, field) }

// TakesSidecars reports whether a clip.json of a bucket may start a job.
func (r *Routes) TakesSidecars(bucket string) bool {
	return slices.ContainsFunc(r.Routes, func(r Route) bool { return r.Sidecar.On && r.Match.Bucket(bucket) })
}

// Match selects objects. Each condition that is set must hold; of a list, one.
type Match struct {
	Buckets      []string // names; * stands for any characters
	Prefixes     []string // of the key
	Suffixes     []string // of the key, in any case
	MinBytes     int64
	MaxBytes     int64    // 0: no limit
	ContentTypes []string // video/mp4; * stands for any characters
}

// A Step is one thing to do.
type Step struct {
	Kind        string // Mosaic, Transcode or Remux
	Destination string // s3:// URI with tokens, see Expand; empty: the default
	Options     event.Options
	// Fallback has the built-in detector look for faces in a video that
	// Rekognition doesn't take.
	Fallback bool
	// Review holds the output of a Mosaic back in which faces are still found.
	Review    bool
	Transcode TranscodeOptions
}

// TranscodeOptions are of a Transcode step. What is empty is the daemon's own
// setting.
type TranscodeOptions struct {
	Settings       string // s3:// URI or path of a MediaConvert job file
	Template       string // name or ARN of a MediaConvert job template
	Ladder         Ladder // a template or job file by the height of the source
	Queue          string // name or ARN
	Role           string // ARN
	Priority       *int   // -50 to 50
	Acceleration   string // DISABLED, ENABLED or PREFERRED
	StatusInterval string // SECONDS_10 to SECONDS_600
	JobFiles       JobFiles
}

// JobFiles say where a Transcode step finds the job files for all videos, and what those
// may decide that lie where uploads go to.
type JobFiles struct {
	From  string   // s3:// URI of a folder; empty: jobs/ of the source's bucket
	None  bool     // nowhere
	Allow []string // see transcode.Powers
}

// A Ladder gives, by height in pixels, the name of a job template, or the s3://
// URI or path of a job file: that ends with .json.
type Ladder map[int]string

// After is what becomes of the source when every step succeeded and the last
// result is published. At most one is set.
type After struct {
	Tag    map[string]string
	Move   string // s3:// URI with tokens
	Delete bool
}

// An Object is what routes look at. ContentType is called when a route asks.
type Object struct {
	event.Location
	Bytes       int64
	ContentType func() (string, error)
}
