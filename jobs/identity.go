package jobs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// An Identity is one exact object: what a key held when it was first looked up.
type Identity struct {
	event.Location           // with the version where its bucket keeps versions
	ETag           string    `json:"etag,omitempty"` // quoted or not; empty: any
	Bytes          int64     `json:"bytes,omitempty"`
	Modified       time.Time `json:"modified,omitzero"` // as S3 says, to the second
}

// nullVersion is the version of objects that were written while their bucket kept
// none. Such an object can be replaced, as one without a version can.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html
const nullVersion = "null"

// immutable reports whether the version alone names one content for good.
func (i Identity) immutable() bool { return i.VersionID != "" && i.VersionID != nullVersion }

func sameETag(a, b string) bool { return strings.Trim(a, `"`) == strings.Trim(b, `"`) }

// input is what the nth step reads: what was fixed in the claim, or what will be.
func (c *Claim) input(n int) Identity {
	switch {
	case c.Steps[n].Input != nil:
		return *c.Steps[n].Input
	case n == 0:
		return Identity{Location: c.Job.Source, ETag: c.Job.ETag}
	}
	made := c.Steps[n-1].Result.Outputs[0]
	at := location(made.URI)
	at.VersionID = made.VersionID
	return Identity{Location: at, ETag: made.ETag}
}

// fix looks up the input of the nth step, and fixes it in the claim if that was not
// done before. An input that is no longer what was fixed is a *Failure with
// CodeSourceChanged, or with CodeSuperseded where a newer upload's output replaced the
// output of the step before.
func (h *Handler) fix(ctx context.Context, l *lease, n int) (object, error) {
	c := l.claim
	o, err := h.store.head(ctx, c.input(n))
	if err != nil {
		if code := codeOf(err); n > 0 && (code == CodeSourceChanged || code == CodeSourceGone) {
			return o, h.overtaken(ctx, c, c.input(n).Location, err)
		}
		return o, err
	}
	if c.Steps[n].Input != nil {
		return o, nil
	}
	if err := c.judgeUnfixed(n, o); err != nil {
		return o, err
	}
	fixed := o.identity()
	return o, l.change(ctx, func(c *Claim) { c.Steps[n].Input = &fixed })
}

// source is fix for an input that is downloaded: it refuses what isn't to be.
func (h *Handler) source(ctx context.Context, l *lease, n int) (object, error) {
	o, err := h.fix(ctx, l, n)
	if err != nil {
		return o, err
	}
	upload := n == 0 && !l.claim.Job.Asked
	switch {
	case o.job != "" && upload:
		return o, idleError("mosaicd wrote it")
	case o.bytes == 0 && upload:
		return o, idleError("it is empty")
	case o.bytes > h.cfg.MaxSourceBytes:
		return o, failf(CodeSourceTooLarge, "source has %d bytes, the limit is %d", o.bytes, h.cfg.MaxSourceBytes)
	}
	return o, nil
}

// judgeUnfixed refuses the input of a step that a worker of an older release began,
// which fixed nothing in the claim, if it may not be what that worker saw.
func (c *Claim) judgeUnfixed(n int, o object) error {
	switch in := c.input(n); {
	case in.ETag != "" || in.immutable():
		return nil // head compared it
	case n > 0 && o.job != c.Job.ID:
		return failf(CodeSourceChanged, "%s is not what step %d of this job wrote: another job replaced it", o, n)
	case n == 0 && (c.Steps[0].Search != nil || c.Steps[0].Cloud != nil) && c.overwritten(o):
		return failf(CodeSourceChanged,
			"%s was overwritten at %s, after Rekognition or MediaConvert was given it", o, o.modified)
	}
	return nil
}

// overwritten reports whether an object is later than the job that is about its key.
func (c *Claim) overwritten(o object) bool { return o.modified.After(c.CreatedAt.Add(leaseGrace)) }

// overtaken tells why the output of a step isn't there any more for the next one:
// CodeSuperseded where it was replaced by that of a newer upload, otherwise the
// failure itself.
func (h *Handler) overtaken(ctx context.Context, c *Claim, at event.Location, failure error) error {
	at.VersionID = ""
	o, err := h.store.existing(ctx, at)
	if err != nil || o == nil {
		return failure
	}
	if _, err := h.judgeExisting(ctx, c, 0, *o); codeOf(err) == CodeSuperseded {
		return err
	}
	return failure
}

// codeOf is the code of a Failure; empty where err is none.
func codeOf(err error) string {
	if f := asFinal(err); f != nil {
		return f.Code
	}
	return ""
}

// An origin says what an output was made of. It is written into the user metadata of
// each output, and decides what may replace it.
type origin struct {
	job  string // id
	step int    // from 1; 0: written by an older release, which noted the job only
	// render is how often the step was rendered anew after a review, when it wrote this.
	render int

	source    string // sourceName of its bucket and key; empty: not known
	version   string // empty where the bucket keeps none
	etag      string // without quotes
	sequencer string // of the upload's event; empty where another event caused the job
	modified  time.Time
}

// Names of the user metadata of outputs.
const (
	jobMetadata       = "mosaicd-job" // also by which mosaicd knows what it wrote itself
	stepMetadata      = "mosaicd-step"
	renderMetadata    = "mosaicd-render"
	sourceMetadata    = "mosaicd-source"
	versionMetadata   = "mosaicd-source-version"
	etagMetadata      = "mosaicd-source-etag"
	sequencerMetadata = "mosaicd-source-sequencer"
	modifiedMetadata  = "mosaicd-source-modified"
)

// origin is that of the output of the nth step.
func (c *Claim) origin(n int) origin {
	o := origin{
		job: c.Job.ID, step: n + 1, render: c.renders(n),
		source: sourceName(c.Job.Source), sequencer: c.Job.Sequencer,
	}
	in := c.input(0)
	o.version, o.etag, o.modified = in.VersionID, strings.Trim(in.ETag, `"`), in.Modified
	return o
}

// What is longer is replaced by its hash: S3 takes 2 KiB of user metadata.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
const (
	maxNameMetadata   = 1200
	maxOpaqueMetadata = 128
)

// metadata is o as user metadata: header values of printable ASCII.
func (o origin) metadata() map[string]string {
	all := map[string]string{jobMetadata: o.job, stepMetadata: strconv.Itoa(o.step), sourceMetadata: o.source}
	for name, value := range map[string]string{
		versionMetadata: o.version, etagMetadata: o.etag, sequencerMetadata: o.sequencer,
	} {
		if value != "" {
			all[name] = shortened(value, maxOpaqueMetadata)
		}
	}
	if o.render > 0 {
		all[renderMetadata] = strconv.Itoa(o.render)
	}
	if !o.modified.IsZero() {
		all[modifiedMetadata] = o.modified.UTC().Format(time.RFC3339)
	}
	return all
}

// originOf reads user metadata; nil where mosaicd didn't write the object.
func originOf(metadata map[string]string) *origin {
	o := &origin{
		job: metadata[jobMetadata], source: metadata[sourceMetadata], version: metadata[versionMetadata],
		etag: metadata[etagMetadata], sequencer: metadata[sequencerMetadata],
	}
	if o.job == "" {
		return nil
	}
	o.step, _ = strconv.Atoi(metadata[stepMetadata])                     // 0 where there is none
	o.render, _ = strconv.Atoi(metadata[renderMetadata])                 // the same
	o.modified, _ = time.Parse(time.RFC3339, metadata[modifiedMetadata]) // the same
	return o
}

// sourceName is bucket/key as metadata has it: escaped as in a URL, or the hash of
// that where it is too long.
func sourceName(at event.Location) string {
	escaped := strings.ReplaceAll(url.QueryEscape(at.Key), "%2F", "/")
	return shortened(at.Bucket+"/"+escaped, maxNameMetadata)
}

func shortened(s string, most int) string {
	if len(s) <= most {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + hex.EncodeToString(sum[:])
}

// order compares two uploads of one key: negative where a is the older one, 0 where
// they are the same, or nobody can tell. S3 numbers the events of a key; without
// numbers the current object of the key is the newest upload, and then the times of
// the objects count, which S3 gives to the second.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
func (a origin) order(b origin, current *object) int {
	if a.sequencer != "" && b.sequencer != "" && a.sequencer != b.sequencer {
		return compareSequencers(a.sequencer, b.sequencer)
	}
	if a.names(b.version, b.etag) {
		return 0
	}
	if current != nil {
		switch ofA, ofB := a.names(current.VersionID, current.etag), b.names(current.VersionID, current.etag); {
		case ofA && !ofB:
			return 1
		case ofB && !ofA:
			return -1
		}
	}
	if a.modified.IsZero() || b.modified.IsZero() {
		return 0
	}
	return a.modified.Compare(b.modified)
}

// names reports whether an origin is the object with that version and ETag.
func (a origin) names(version, etag string) bool {
	version = shortened(version, maxOpaqueMetadata)
	kept := func(v string) bool { return v != "" && v != nullVersion }
	if kept(a.version) || kept(version) {
		return shortened(a.version, maxOpaqueMetadata) == version
	}
	return sameETag(a.etag, etag)
}

// compareSequencers compares hexadecimal numbers of one key as S3 says: the shorter
// one has zeros added on its right.
func compareSequencers(a, b string) int {
	n := max(len(a), len(b))
	pad := func(s string) string { return strings.ToUpper(s) + strings.Repeat("0", n-len(s)) }
	return cmp.Compare(pad(a), pad(b))
}

// judgeExisting says what becomes of an object where the nth step of c writes. It
// is kept where the same step of the same job wrote it, and may be replaced without
// an error. The error is a *Failure where it may not: with CodeSuperseded where it
// was made of a newer upload of the same source, with CodeDestinationTaken where it
// was made of another source, or not by mosaicd.
func (h *Handler) judgeExisting(ctx context.Context, c *Claim, n int, existing object) (keep bool, err error) {
	mine, theirs := c.origin(n), existing.origin
	switch {
	case theirs != nil && theirs.job == mine.job && (theirs.step == mine.step || theirs.step == 0):
		return theirs.render >= mine.render, nil // what a review sent back is replaced
	case n < len(c.Job.Steps) && c.Job.Steps[n].Overwrite:
		return false, nil
	case theirs == nil:
		return false, failf(CodeDestinationTaken, "%s is there already, and mosaicd did not write it: "+
			"delete it, or choose another destination, or send a message with \"overwrite\": true", existing)
	case theirs.source == "": // an older release wrote it
		claim, err := h.claims.read(ctx, theirs.job)
		if err != nil {
			return false, err
		}
		if claim == nil { // it has been forgotten what it was made of
			return false, nil
		}
		job := claim.origin(0)
		theirs = &job
	}
	if theirs.source != mine.source {
		return false, failf(CodeDestinationTaken, "%s was made of another source, s3://%s: "+
			"choose a destination that no other source has, such as one with {bucket} and {key} in the route, "+
			"or delete it, or send a message with \"overwrite\": true", existing, theirs.source)
	}
	if theirs.job == mine.job {
		return false, nil // what an earlier step wrote
	}
	return false, h.judgeOrder(ctx, c, mine, *theirs, existing.Location.String())
}

// judgeOrder refuses to replace what was made of a newer upload of the same source.
func (h *Handler) judgeOrder(ctx context.Context, c *Claim, mine, theirs origin, what string) error {
	current, err := h.store.existing(ctx, event.Location{Bucket: c.Job.Source.Bucket, Key: c.Job.Source.Key})
	if err != nil {
		return err
	}
	if mine.order(theirs, current) >= 0 {
		return nil
	}
	return failf(CodeSuperseded, "%s was already made of a newer upload of %s: job %s", what, c.Job.Source, theirs.job)
}
