package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// Claims are the records of all jobs, in a bucket: claims/<job id>.json, and for
// each job that MediaConvert has an empty object waiting/<job id>, by which those
// that are overdue are found without reading them all.
type Claims struct {
	s3     S3
	bucket string
	prefix string
	// indexFailed is told that the index could not be written; nil: nobody is.
	indexFailed func(job string, err error)
}

// NewClaims returns the records below a prefix, which ends with a slash or is
// empty.
func NewClaims(s3 S3, bucket, prefix string) *Claims {
	return &Claims{s3: s3, bucket: bucket, prefix: prefix}
}

var (
	errClaimed = errors.New("the job is claimed already")
	errChanged = errors.New("the claim was changed by another worker")
	// ErrNoSuchJob says that nothing is known of a job.
	ErrNoSuchJob = errors.New("no such job")
)

// jobID is what id makes; a result's id has the number of its step after it.
var jobID = regexp.MustCompile(`^[0-9a-f]{32}`)

func (c *Claims) location(id string) event.Location {
	return event.Location{Bucket: c.bucket, Key: c.prefix + "claims/" + id + ".json"}
}

func (c *Claims) waiting(id string) event.Location {
	return event.Location{Bucket: c.bucket, Key: c.prefix + waitingFolder + id}
}

const waitingFolder = "waiting/"

// Read returns the claim of a job, by the job's id or by that of one of its
// results, or ErrNoSuchJob.
func (c *Claims) Read(ctx context.Context, id string) (*Claim, error) {
	job := jobID.FindString(id)
	if job == "" {
		return nil, fmt.Errorf("%w: an id has 32 hexadecimal digits (got %q)", ErrNoSuchJob, id)
	}
	claim, err := c.read(ctx, job)
	if err == nil && claim == nil {
		err = fmt.Errorf("%w: there is no %s", ErrNoSuchJob, c.location(job))
	}
	return claim, err
}

// read returns nil where there is none.
func (c *Claims) read(ctx context.Context, id string) (*Claim, error) {
	at := c.location(id)
	out, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &at.Bucket, Key: &at.Key})
	if httpStatus(err) == http.StatusNotFound {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read claim %s: %w", at, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		return nil, fmt.Errorf("read claim %s: %w", at, err)
	}
	claim, unknown, err := decodeClaim(body)
	if err != nil {
		return nil, fmt.Errorf("read claim %s: %w", at, err)
	}
	claim.etag = aws.ToString(out.ETag)
	if claim.Version != claimVersion {
		return nil, &newerError{fmt.Errorf("read claim %s: version %d, this release knows %d", at, claim.Version, claimVersion)}
	}
	if unknown != nil {
		claim.newer = &newerError{fmt.Errorf("write claim %s: %w", at, unknown)}
	}
	claim.place = claim.State.place()
	return claim, nil
}

// A newerError says that a newer release wrote a claim, which this one can't write
// without losing some of it. It is left alone, for a worker of that release.
type newerError struct{ error }

func (e *newerError) Error() string {
	return e.error.Error() + ": a newer release of mosaicd wrote it, and has to go on with it"
}

func (e *newerError) Unwrap() error { return e.error }

// RetryAfter is how package worker learns to leave the message to others for a while:
// during a deployment the newer workers have it before it was received too often.
func (e *newerError) RetryAfter() time.Duration { return 5 * time.Minute }

// create writes the first form of a claim, or returns errClaimed.
func (c *Claims) create(ctx context.Context, claim *Claim) error {
	err := c.put(ctx, claim, errClaimed, func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") })
	if err == nil {
		claim.place = claim.State.place()
		c.complain(ctx, claim.Job.ID, c.enterNew(ctx, claim))
	}
	return err
}

// save writes a claim unless another worker did since it was read: errChanged.
func (c *Claims) save(ctx context.Context, claim *Claim) error {
	if claim.newer != nil {
		return claim.newer
	}
	from, to := claim.place, claim.State.place()
	if from != to {
		if err := c.enter(ctx, claim.entry(to), claim.Job.ID); err != nil {
			c.complain(ctx, claim.Job.ID, err)
			to = from // the old entry stays: by it the sweep finds the job
		}
	}
	err := c.put(ctx, claim, errChanged, func(in *s3.PutObjectInput) { in.IfMatch = &claim.etag })
	if err == nil && from != to {
		claim.place = to
		c.complain(ctx, claim.Job.ID, c.leave(ctx, claim.entry(from)))
	}
	return err
}

func (c *Claims) put(ctx context.Context, claim *Claim, refused error, condition func(*s3.PutObjectInput)) error {
	at := c.location(claim.Job.ID)
	claim.UpdatedAt = time.Now().UTC()
	body, err := json.Marshal(claim)
	if err != nil {
		return fmt.Errorf("write claim %s: %w", at, err)
	}
	in := &s3.PutObjectInput{
		Bucket: &at.Bucket, Key: &at.Key, Body: bytes.NewReader(body),
		ContentType: aws.String("application/json"), Metadata: map[string]string{jobMetadata: claim.Job.ID},
	}
	condition(in)
	out, err := c.s3.PutObject(ctx, in)
	// 409, two writers at once, is one of those that another try mends.
	if httpStatus(err) == http.StatusPreconditionFailed {
		return refused
	} else if err != nil {
		return fmt.Errorf("write claim %s: %w", at, err)
	}
	claim.etag = aws.ToString(out.ETag)
	return nil
}

// wait marks a job as one that MediaConvert has, from now on.
func (c *Claims) wait(ctx context.Context, id string) error {
	at := c.waiting(id)
	_, err := c.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &at.Bucket, Key: &at.Key, Body: bytes.NewReader(nil), Metadata: map[string]string{jobMetadata: id},
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", at, err)
	}
	return nil
}

// waited removes the mark.
func (c *Claims) waited(ctx context.Context, id string) error {
	at := c.waiting(id)
	if _, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &at.Bucket, Key: &at.Key}); err != nil {
		return fmt.Errorf("delete %s: %w", at, err)
	}
	return nil
}

// overdue calls f for each job that was marked before a time.
func (c *Claims) overdue(ctx context.Context, before time.Time, f func(id string) error) error {
	at := c.waiting("")
	pages := s3.NewListObjectsV2Paginator(c.s3, &s3.ListObjectsV2Input{Bucket: &at.Bucket, Prefix: &at.Key})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list %s: %w", at, err)
		}
		for _, o := range page.Contents {
			id := aws.ToString(o.Key)[len(at.Key):]
			if jobID.FindString(id) != id || !aws.ToTime(o.LastModified).Before(before) {
				continue
			}
			if err := f(id); err != nil {
				return err
			}
		}
	}
	return nil
}
