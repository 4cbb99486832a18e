package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/event"
)

// KindMosaic is the kind of a job that covers the faces in a video.
const KindMosaic = event.KindMosaic

// A Job is one thing to do. Its ID follows from what caused it, so that the same
// event, however often it is delivered, is the same job.
type Job struct {
	ID          string
	Kind        string
	Source      event.Location
	ETag        string // that the source must have; empty: any
	Destination event.Location
	Detections  []event.Location // pages of a Rekognition result
	Settings    Settings
	Asked       bool // by a person, who is owed a result whatever the source is
}

// fromUpload is the job of an object that was created.
func fromUpload(e event.ObjectCreated, c Config) Job {
	return Job{
		ID:          id(KindMosaic, e.Bucket, e.Key, e.VersionID, e.ETag, e.Sequencer),
		Kind:        KindMosaic,
		Source:      e.Location(),
		ETag:        e.ETag,
		Destination: event.Location{Bucket: c.OutputBucket, Key: c.OutputPrefix + outputName(e.Key)},
		Settings:    c.Settings,
	}
}

// fromRequest is the job of an operator's message. Sent twice, it is done twice:
// only a message that is delivered twice is one job.
func fromRequest(r event.Request, messageID string, c Config) Job {
	s := c.Settings
	if r.Options.Style != "" {
		s.Style = r.Options.Style
	}
	if r.Options.Preset != "" {
		s.Preset = r.Options.Preset
	}
	override(&s.Blocks, r.Options.Blocks)
	override(&s.Margin, r.Options.Margin)
	override(&s.CRF, r.Options.CRF)
	return Job{
		ID:          id(r.Kind, r.Source.String(), r.Source.VersionID, r.Destination.String(), messageID),
		Kind:        r.Kind,
		Source:      r.Source,
		Destination: r.Destination,
		Detections:  r.Detections,
		Settings:    s,
		Asked:       true,
	}
}

func override[T any](to *T, by *T) {
	if by != nil {
		*to = *by
	}
}

// id is 32 hexadecimal digits.
func id(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s,", len(p), p) // no two lists of parts look alike
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// outputName is the source's key where the output can be of the same container,
// and the key with .mp4 added where it can't: a.avi and a.mp4 stay apart.
func outputName(key string) string {
	if _, ok := ffmpeg.Formats[strings.ToLower(path.Ext(key))]; ok {
		return key
	}
	return key + ".mp4"
}
