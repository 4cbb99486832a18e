package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// A holding is the record of what MediaConvert's outputs of one base name in a folder
// were made of. MediaConvert replaces what is there without a condition, and writes no
// metadata of ours: this stands for it.
type holding struct {
	Folder    string    `json:"folder"` // s3:// URI
	Base      string    `json:"base"`   // with which the names of all outputs begin: the input's, without its extension
	Job       string    `json:"job"`
	Step      int       `json:"step"` // from 1
	Source    string    `json:"source"`
	VersionID string    `json:"sourceVersionId,omitempty"`
	ETag      string    `json:"sourceEtag,omitempty"`
	Sequencer string    `json:"sourceSequencer,omitempty"`
	Modified  time.Time `json:"sourceModified,omitzero"`

	etag string // of the record itself
}

func newHolding(folder, input event.Location, o origin) holding {
	name := path.Base(input.Key)
	return holding{
		Folder: folder.String(), Base: strings.TrimSuffix(name, path.Ext(name)), Job: o.job, Step: o.step,
		Source: o.source, VersionID: o.version, ETag: o.etag, Sequencer: o.sequencer, Modified: o.modified,
	}
}

func (d holding) origin() origin {
	return origin{
		job: d.Job, step: d.Step, source: d.Source,
		version: d.VersionID, etag: d.ETag, sequencer: d.Sequencer, modified: d.Modified,
	}
}

// id is the name of the record.
func (d holding) id() string { return id("folder", d.Folder, d.Base) }

func (h *Handler) holdingAt(id string) event.Location {
	return event.Location{Bucket: h.cfg.OutputBucket, Key: h.cfg.StatePrefix + "folders/" + id + ".json"}
}

// holding reads a record; nil where there is none.
func (h *Handler) holding(ctx context.Context, id string) (*holding, error) {
	at := h.holdingAt(id)
	out, err := h.store.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &at.Bucket, Key: &at.Key})
	if httpStatus(err) == http.StatusNotFound {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read %s: %w", at, err)
	}
	defer out.Body.Close()
	d := &holding{etag: aws.ToString(out.ETag)}
	if err := json.NewDecoder(out.Body).Decode(d); err != nil {
		return nil, fmt.Errorf("read %s: %w", at, err)
	}
	return d, nil
}

// hold makes sure that what the nth step has MediaConvert write replaces neither the
// outputs of another source nor those of a newer upload: a *Failure says that it
// would. An older upload's jobs that MediaConvert still has are cancelled first, as
// they would write later. It returns the id of the record.
func (h *Handler) hold(ctx context.Context, log *zap.Logger, c *Claim, n int, folder event.Location) (string, error) {
	mine := newHolding(folder, c.input(n).Location, c.origin(n))
	const tries = 4 // of others that take the folder at the same time
	for try := 1; ; try++ {
		existing, err := h.holding(ctx, mine.id())
		if err != nil {
			return "", err
		}
		if existing != nil {
			if existing.Job == mine.Job {
				return mine.id(), nil
			}
			if err := h.judgeHolding(ctx, c, mine, *existing); err != nil {
				return "", err
			}
			if err := h.cancelOlder(ctx, log, mine, *existing); err != nil {
				return "", err
			}
		}
		err = h.writeHolding(ctx, mine, existing)
		if err == nil {
			return mine.id(), nil
		}
		status := httpStatus(err)
		if status != http.StatusPreconditionFailed && status != http.StatusConflict || try == tries {
			return "", err
		}
	}
}

func (h *Handler) writeHolding(ctx context.Context, d holding, over *holding) error {
	at := h.holdingAt(d.id())
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("write %s: %w", at, err)
	}
	in := &s3.PutObjectInput{
		Bucket: &at.Bucket, Key: &at.Key, Body: bytes.NewReader(body),
		ContentType: aws.String("application/json"), Metadata: map[string]string{jobMetadata: d.Job},
	}
	in.IfNoneMatch = aws.String("*")
	if over != nil {
		in.IfNoneMatch, in.IfMatch = nil, &over.etag
	}
	if _, err := h.store.s3.PutObject(ctx, in); err != nil {
		return fmt.Errorf("write %s: %w", at, err)
	}
	return nil
}

func (h *Handler) judgeHolding(ctx context.Context, c *Claim, mine, theirs holding) error {
	what := theirs.Folder + theirs.Base
	if theirs.Source != mine.Source {
		return failf(CodeDestinationTaken, "%s… was made of another source, s3://%s: "+
			"choose a folder that no other source of that name has, "+
			"such as one with {bucket} and {dir} in the route; or delete the record %s, if its outputs may be replaced",
			what, theirs.Source, h.holdingAt(mine.id()))
	}
	return h.judgeOrder(ctx, c, mine.origin(), theirs.origin(), what+"…")
}

// cancelOlder cancels the jobs of an older upload that MediaConvert has, and waits
// until it has ended them. The error is a busyError where that takes longer.
func (h *Handler) cancelOlder(ctx context.Context, log *zap.Logger, mine, theirs holding) error {
	if mine.origin().order(theirs.origin(), nil) == 0 {
		return nil // the same upload, asked for again
	}
	claim, err := h.claims.read(ctx, theirs.Job)
	if err != nil || claim == nil || theirs.Step > len(claim.Steps) {
		return err
	}
	if claim.busy(time.Now()) {
		return busyError{leaseGrace} // it may be sending more
	}
	for _, part := range claim.Steps[theirs.Step-1].Cloud {
		if part.JobID == "" || part.ended() {
			continue
		}
		_, err := h.cloud.CancelJob(ctx, &mediaconvert.CancelJobInput{Id: &part.JobID})
		if err == nil {
			log.Info(eventCloudCancelled, zap.String(keyCloudJob, part.JobID), zap.String("older_job_id", theirs.Job))
		} else if !errors.As(err, new(*types.ConflictException)) && !errors.As(err, new(*types.NotFoundException)) {
			return fmt.Errorf("cancel MediaConvert job %s of an older upload: %w", part.JobID, err)
		}
		if err := h.awaitEnd(ctx, part.JobID); err != nil {
			return err
		}
	}
	return nil
}

// cancelPatience is how long MediaConvert may take to cancel a job before its message
// goes back to the queue.
const cancelPatience = 30 * time.Second

func (h *Handler) awaitEnd(ctx context.Context, cloudJob string) error {
	for deadline := time.Now().Add(cancelPatience); ; {
		out, err := h.cloud.GetJob(ctx, &mediaconvert.GetJobInput{Id: &cloudJob})
		if errors.As(err, new(*types.NotFoundException)) {
			return nil
		} else if err != nil {
			return fmt.Errorf("look for the end of MediaConvert job %s: %w", cloudJob, err)
		}
		switch out.Job.Status {
		case types.JobStatusComplete, types.JobStatusError, types.JobStatusCanceled:
			return nil
		}
		if time.Now().After(deadline) {
			return busyError{cancelPatience}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// judgeHoldings says whether a newer upload has taken the folders of the nth step since
// they were held: then what MediaConvert wrote there isn't, or doesn't stay, this
// job's.
func (h *Handler) judgeHoldings(ctx context.Context, c *Claim, n int, parts []CloudJob) error {
	for _, p := range parts {
		if p.Holding == "" {
			continue // sent by a worker of an older release
		}
		d, err := h.holding(ctx, p.Holding)
		if err != nil {
			return err
		}
		if d == nil || d.Job == c.Job.ID {
			continue
		}
		if err := h.judgeOrder(ctx, c, c.origin(n), d.origin(), d.Folder+d.Base+"…"); err != nil {
			return err
		}
	}
	return nil
}
