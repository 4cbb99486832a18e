package jobs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// Config says how a Handler does its jobs.
type Config struct {
	// OutputBucket and OutputPrefix say where the output of an upload goes: to
	// the prefix followed by the source's key. Uploads there start no job.
	// Required, unless the buckets that notify are others: OutputPrefix.
	OutputBucket string
	OutputPrefix string
	// LedgerPrefix is where in OutputBucket the ends of jobs are kept. Defaults
	// to ".mosaicd/jobs/".
	LedgerPrefix string
	TopicARN     string // results are published there. Required.
	Scratch      string // an existing folder for the files of running jobs. Required.
	Detector     Detector
	Settings     Settings // of jobs that don't bring their own
	// MaxSourceBytes is the largest source that is taken. Defaults to 50 GB.
	MaxSourceBytes int64
	// MaxAttempts is how often a job is tried whose engine fails or crashes.
	// Defaults to 3.
	MaxAttempts int
}

// Defaults of Config.
const (
	DefaultLedgerPrefix   = ".mosaicd/jobs/"
	DefaultMaxSourceBytes = 50_000_000_000
	DefaultMaxAttempts    = 3
)

func (c Config) withDefaults() Config {
	if c.LedgerPrefix == "" {
		c.LedgerPrefix = DefaultLedgerPrefix
	}
	if c.MaxSourceBytes == 0 {
		c.MaxSourceBytes = DefaultMaxSourceBytes
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = DefaultMaxAttempts
	}
	return c
}

// Validate returns an error that names the first field that is wrong.
func (c Config) Validate() error {
	switch {
	case c.OutputBucket == "":
		return errors.New("output bucket: missing")
	case c.TopicARN == "":
		return errors.New("topic ARN: missing")
	case c.Scratch == "":
		return errors.New("scratch: missing")
	case c.Detector == DetectorRekognition:
		return errors.New("detector: rekognition is not in this version yet: use builtin")
	case c.Detector != DetectorBuiltin:
		return fmt.Errorf("detector: must be builtin (got %q)", c.Detector)
	case c.MaxSourceBytes < 0:
		return fmt.Errorf("max source bytes: must not be negative (got %d)", c.MaxSourceBytes)
	case c.MaxAttempts < 0:
		return fmt.Errorf("max attempts: must not be negative (got %d)", c.MaxAttempts)
	}
	return c.Settings.Validate()
}

// ours reports whether an object lies where only we write.
func (c Config) ours(at event.Location) bool {
	if at.Bucket != c.OutputBucket {
		return false
	}
	return strings.HasPrefix(at.Key, c.LedgerPrefix) ||
		c.OutputPrefix != "" && strings.HasPrefix(at.Key, c.OutputPrefix)
}
