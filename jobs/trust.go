package jobs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

// mayRead reports whether a message may name a bucket to be read. Without
// SourceBuckets these are the buckets that the routes name and the output bucket: a
// route that names no bucket opens none, or whoever may send to the queue could copy
// every bucket that the worker's role can read.
func (c Config) mayRead(bucket string) bool {
	if c.SourceBuckets != nil {
		return among(c.SourceBuckets, bucket)
	}
	return bucket == c.OutputBucket || among(c.Routes.Named(), bucket) || among(c.Routes.Destinations(), bucket)
}

// mayWrite reports whether a message may name a bucket to be written to.
func (c Config) mayWrite(bucket string) bool {
	if c.OutputBuckets != nil {
		return among(c.OutputBuckets, bucket)
	}
	return bucket == c.OutputBucket || among(c.Routes.Destinations(), bucket)
}

// TakesUploads reports whether objects that are uploaded to a bucket may start jobs:
// whoever may upload there must not be able to write what only the operator decides.
func (c Config) TakesUploads(bucket string) bool {
	table := c.Routes
	if table == nil {
		table = routes.Default()
	}
	return table.Takes(bucket) && (c.SourceBuckets == nil || among(c.SourceBuckets, bucket))
}

// strange says why uploads to a bucket start no job, whatever the routes say; empty:
// they may.
func (c Config) strange(bucket string) string {
	if c.SourceBuckets == nil || among(c.SourceBuckets, bucket) {
		return ""
	}
	return "bucket " + bucket + " is not one of --source-buckets"
}

func among(patterns []string, bucket string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return routes.Like(p, bucket) })
}

// judgeRequest refuses a message that names a bucket which the operator doesn't allow.
func (c Config) judgeRequest(r event.Request) error {
	read := func(field string, at event.Location) error {
		switch {
		case at.Bucket == "":
			return nil
		case at.Bucket == c.OutputBucket && strings.HasPrefix(at.Key, c.StatePrefix):
			return failf(CodeNotAllowed, "%s: the records of jobs, under %s, are not for messages",
				field, c.StatePrefix)
		case c.mayRead(at.Bucket):
			return nil
		}
		return failf(CodeNotAllowed, "%s: messages may not read bucket %s: --source-buckets names those that they may",
			field, at.Bucket)
	}
	if err := read("source", r.Source); err != nil {
		return err
	}
	for _, list := range []struct {
		field string
		at    []event.Location
	}{{"detections", r.Detections}, {"images", r.Images}} {
		for i, at := range list.at {
			if err := read(fmt.Sprintf("%s[%d]", list.field, i), at); err != nil {
				return err
			}
		}
	}
	if err := read("settings", r.Settings); err != nil {
		return err
	}
	for i, clip := range r.Clips {
		if err := read(fmt.Sprintf("clips[%d].source", i), clip.Source); err != nil {
			return err
		}
	}
	if to := r.Destination; to.Bucket != "" {
		if !c.mayWrite(to.Bucket) {
			return failf(CodeNotAllowed,
				"destination: messages may not write to bucket %s: --output-buckets names those that they may", to.Bucket)
		}
		return c.judgeDestination(to)
	}
	return nil
}

// JudgeRequest says why a worker of this configuration would refuse an operator's
// message; nil: it would work it.
func (c Config) JudgeRequest(r event.Request) error { return c.withDefaults().judgeRequest(r) }

// judgeDestination refuses what no job may write, whoever asks for it: the records of
// jobs, the job files among the uploads, and what a client could take for a place
// above its folder. At is an object or, with a slash at its end, a folder.
func (c Config) judgeDestination(at event.Location) error {
	switch {
	case len(at.Key) > event.MaxKey:
		return failf(CodeInvalidRoute, "destination of %d bytes: a key has at most %d: "+
			"the source's key is too long for that prefix", len(at.Key), event.MaxKey)
	case climbs(at.Key):
		return failf(CodeNotAllowed, "destination %q: must not have \"..\" between slashes", at)
	case at.Bucket == c.OutputBucket && strings.HasPrefix(at.Key, c.StatePrefix):
		return failf(CodeNotAllowed, "destination %q: the records of jobs are under %s", at, c.StatePrefix)
	case (at.Key == jobsFolder || folderOf(at.Key) == jobsFolder && strings.HasSuffix(at.Key, ".json")) &&
		c.TakesUploads(at.Bucket):
		return failf(CodeNotAllowed, "destination %q: the job files of the uploads are under %s", at, jobsFolder)
	}
	return nil
}

// climbs reports whether a key has two dots between slashes. To S3 they are only two
// dots; to others that handle such paths they leave the folder.
func climbs(key string) bool { return slices.Contains(strings.Split(key, "/"), "..") }

// validateBuckets judges the lists of buckets.
func (c Config) validateBuckets() error {
	for _, list := range []struct {
		field string
		names []string
	}{{"source buckets", c.SourceBuckets}, {"output buckets", c.OutputBuckets}} {
		for _, name := range list.names {
			if !bucketPattern.MatchString(name) {
				return fmt.Errorf("%s: must be names of buckets, in which * stands for any characters (got %q)",
					list.field, name)
			}
		}
	}
	return nil
}

var bucketPattern = regexp.MustCompile(`^[A-Za-z0-9._*-]{1,255}$`)

// apart is the title of a source, or another one where the folder of that name holds
// records or outputs of other steps: an upload of .mosaicd.mp4 must not be streamed
// into them.
func (c Config) apart(title string) string {
	for _, prefix := range []string{c.StatePrefix, c.OutputPrefix, c.RemuxPrefix} {
		if prefix != "" && strings.HasPrefix(c.TranscodePrefix+title+"/", prefix) && !strings.HasPrefix(c.TranscodePrefix, prefix) {
			return title + "_"
		}
	}
	return title
}
