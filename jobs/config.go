package jobs

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

// Config says how a Handler does its jobs.
type Config struct {
	// OutputBucket and OutputPrefix say where the output of an upload goes: to
	// the prefix followed by the source's key. Uploads there start no job.
	// Required, unless the buckets that notify are others: OutputPrefix.
	OutputBucket string
	OutputPrefix string
	// SourceBuckets are the buckets that messages and uploads may name, * for any
	// characters. Nil: messages those that the routes name and OutputBucket, uploads
	// those that the routes are for.
	SourceBuckets []string
	// OutputBuckets are the buckets that messages may have written to. Nil:
	// OutputBucket and those of the routes' destinations.
	OutputBuckets []string
	// TranscodePrefix goes before <source>/<job file>/ in OutputBucket to make the
	// folder of a transcode whose destination nobody chose. Uploads there start
	// no job, unless it is empty.
	TranscodePrefix string
	// RemuxPrefix is OutputPrefix for remuxes. Defaults to "remux/".
	RemuxPrefix string
	// StatePrefix is where in OutputBucket the records of jobs are kept. Defaults
	// to ".mosaicd/".
	StatePrefix string
	TopicARN    string // results are published there. Required.
	Scratch     string // an existing folder for the files of running jobs. Required.
	Detector    Detector
	Settings    Settings // of jobs that don't bring their own
	// Verify has the built-in detector look for faces in every output of a mosaic.
	Verify bool
	// Routes say what is to be done with an upload. Defaults to routes.Default().
	Routes *routes.Routes
	Cloud  CloudConfig
	// Rekognition is required with DetectorRekognition.
	Rekognition RekognitionConfig
	// MaxSourceBytes is the largest source that is downloaded. Defaults to 50 GB.
	MaxSourceBytes int64
	// MaxWork is how long the engine may work on one step, in one attempt. What would
	// take longer by its pixels and frames is refused before. Defaults to 8 hours.
	MaxWork time.Duration
	// MaxAttempts is how often a job is tried that fails for a reason that may pass, in
	// the engine, on the way to and from S3 or in MediaConvert. Defaults to 3.
	MaxAttempts int
	// Lease is how long a job is another worker's after that worker was last
	// heard of. Defaults to 2 minutes.
	Lease time.Duration
	// ReconcileAfter is how long MediaConvert may be silent about a job before it
	// is asked. Defaults to 10 minutes.
	ReconcileAfter time.Duration
}

// CloudConfig is what is asked of MediaConvert where neither the route nor the
// job file says otherwise.
type CloudConfig struct {
	Role           string // ARN that MediaConvert reads and writes S3 with
	Queue          string // name or ARN; empty: the account's default queue
	Priority       int    // -50 to 50
	Acceleration   string // DISABLED, ENABLED or PREFERRED. Defaults to DISABLED.
	StatusInterval string // SECONDS_10 to SECONDS_600. Defaults to SECONDS_60.
	// Application is the value of the jobs' user metadata application. Defaults
	// to "mosaicd".
	Application string
}

// Defaults of Config.
const (
	DefaultStatePrefix    = ".mosaicd/"
	DefaultRemuxPrefix    = "remux/"
	DefaultMaxSourceBytes = 50_000_000_000
	DefaultMaxAttempts    = 3
	DefaultMaxWork        = 8 * time.Hour
	DefaultLease          = 2 * time.Minute
	DefaultReconcileAfter = 10 * time.Minute
	DefaultApplication    = "mosaicd"
)

// maxMaxWork leaves half an hour of the time that a message can be worked for transfers.
const maxMaxWork = 11 * time.Hour

func (c Config) withDefaults() Config {
	defaults(&c.StatePrefix, DefaultStatePrefix)
	defaults(&c.RemuxPrefix, DefaultRemuxPrefix)
	defaults(&c.MaxSourceBytes, DefaultMaxSourceBytes)
	defaults(&c.MaxAttempts, DefaultMaxAttempts)
	defaults(&c.MaxWork, DefaultMaxWork)
	defaults(&c.Lease, DefaultLease)
	defaults(&c.ReconcileAfter, DefaultReconcileAfter)
	defaults(&c.Cloud.Acceleration, string(types.AccelerationModeDisabled))
	defaults(&c.Cloud.StatusInterval, string(types.StatusUpdateIntervalSeconds60))
	defaults(&c.Cloud.Application, DefaultApplication)
	if c.Routes == nil {
		c.Routes = routes.Default()
	}
	return c
}

func defaults[T comparable](to *T, value T) {
	if *to == *new(T) {
		*to = value
	}
}

var roleARN = regexp.MustCompile(`^arn:[a-z-]+:iam::[0-9]{12}:role/.+$`)

// Validate returns an error that names the first field that is wrong.
func (c Config) Validate() error {
	switch {
	case c.OutputBucket == "":
		return errors.New("output bucket: missing")
	case c.TopicARN == "":
		return errors.New("topic ARN: missing")
	case strings.HasSuffix(c.TopicARN, ".fifo"):
		return fmt.Errorf("topic ARN: must be of a standard topic: a FIFO topic takes no message without a group (got %q)", c.TopicARN)
	case strings.HasSuffix(c.Rekognition.TopicARN, ".fifo"):
		return fmt.Errorf("rekognition topic ARN: must be of a standard topic: Rekognition publishes to no other (got %q)", c.Rekognition.TopicARN)
	case c.Scratch == "":
		return errors.New("scratch: missing")
	case c.Detector != DetectorBuiltin && c.Detector != DetectorRekognition:
		return fmt.Errorf("detector: must be builtin or rekognition (got %q)", c.Detector)
	case c.Detector == DetectorRekognition && c.Rekognition.TopicARN == "":
		return errors.New("rekognition topic ARN: missing: the SNS topic by which Rekognition says that it is done")
	case c.Detector == DetectorRekognition && !roleARN.MatchString(c.Rekognition.Role):
		return fmt.Errorf("rekognition role: must be the ARN of an IAM role (got %q)", c.Rekognition.Role)
	case c.Detector == DetectorBuiltin && !c.Settings.all():
		return fmt.Errorf("cover: the built-in detector knows nobody, only all can be covered; %s needs detector rekognition and a collection", c.Settings.Cover)
	case c.Detector == DetectorRekognition && !c.Settings.all() && c.Settings.Collection == "":
		return fmt.Errorf("collection: missing: cover %s goes by the faces in one", c.Settings.Cover)
	case c.MaxSourceBytes < 0:
		return fmt.Errorf("max source bytes: must not be negative (got %d)", c.MaxSourceBytes)
	case c.MaxAttempts < 0:
		return fmt.Errorf("max attempts: must not be negative (got %d)", c.MaxAttempts)
	case c.MaxWork < time.Second || c.MaxWork > maxMaxWork:
		return fmt.Errorf("max work: must be 1s to %s (got %s)", maxMaxWork, c.MaxWork)
	case c.Lease < time.Second:
		return fmt.Errorf("lease: must be at least 1s (got %s)", c.Lease)
	case c.ReconcileAfter < 0:
		return fmt.Errorf("reconcile after: must not be negative (got %s)", c.ReconcileAfter)
	}
	for _, p := range []struct{ field, value string }{
		{"state prefix", c.StatePrefix}, {"transcode prefix", c.TranscodePrefix}, {"remux prefix", c.RemuxPrefix},
	} {
		if p.value != "" && !strings.HasSuffix(p.value, "/") {
			return fmt.Errorf("%s: must end with a slash (got %q)", p.field, p.value)
		}
	}
	if err := c.validateBuckets(); err != nil {
		return err
	}
	if err := c.Cloud.validate(); err != nil {
		return err
	}
	return c.Settings.Validate()
}

func (c CloudConfig) validate() error {
	var (
		modes     = types.AccelerationMode("").Values()
		intervals = types.StatusUpdateInterval("").Values()
	)
	switch {
	case c.Role != "" && !roleARN.MatchString(c.Role):
		return fmt.Errorf("mediaconvert role: must be the ARN of an IAM role (got %q)", c.Role)
	case c.Priority < -50 || c.Priority > 50:
		return fmt.Errorf("mediaconvert priority: must be -50 to 50 (got %d)", c.Priority)
	case !slices.Contains(modes, types.AccelerationMode(c.Acceleration)):
		return fmt.Errorf("mediaconvert acceleration: must be one of %v (got %q)", modes, c.Acceleration)
	case !slices.Contains(intervals, types.StatusUpdateInterval(c.StatusInterval)):
		return fmt.Errorf("mediaconvert status interval: must be one of %v (got %q)", intervals, c.StatusInterval)
	}
	return nil
}

// ours reports whether an object lies where only we write.
func (c Config) ours(at event.Location) bool {
	if at.Bucket != c.OutputBucket {
		return false
	}
	for _, prefix := range []string{c.StatePrefix, c.OutputPrefix, c.TranscodePrefix, c.RemuxPrefix} {
		if prefix != "" && strings.HasPrefix(at.Key, prefix) {
			return true
		}
	}
	return false
}
