package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// A ledger holds one small object for each job that ended, so that the same
// event twice is one job. An entry is written once, when the result is known and
// before it is published, and once more when it is.
type ledger struct {
	s3     S3
	bucket string
	prefix string
}

// An entry is a job that ended.
type entry struct {
	Result    Result `json:"result"`
	Published bool   `json:"published"`
	etag      string
}

// errEarlier says that another worker wrote the entry first.
var errEarlier = errors.New("the job has ended already")

func (l *ledger) location(id string) event.Location {
	return event.Location{Bucket: l.bucket, Key: l.prefix + id + ".json"}
}

// find returns nil where the job has not ended yet.
func (l *ledger) find(ctx context.Context, id string) (*entry, error) {
	at := l.location(id)
	out, err := l.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &at.Bucket, Key: &at.Key})
	if httpStatus(err) == http.StatusNotFound {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read ledger %s: %w", at, err)
	}
	defer out.Body.Close()
	e := &entry{etag: aws.ToString(out.ETag)}
	if err := json.NewDecoder(out.Body).Decode(e); err != nil {
		return nil, fmt.Errorf("read ledger %s: %w", at, err)
	}
	return e, nil
}

// end writes the job's entry. It returns errEarlier where there is one.
func (l *ledger) end(ctx context.Context, r Result) (*entry, error) {
	e := &entry{Result: r}
	return e, l.put(ctx, e, func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") })
}

// published notes that the result went out.
func (l *ledger) published(ctx context.Context, e *entry) error {
	e.Published = true
	return l.put(ctx, e, func(in *s3.PutObjectInput) { in.IfMatch = &e.etag })
}

func (l *ledger) put(ctx context.Context, e *entry, condition func(*s3.PutObjectInput)) error {
	at := l.location(e.Result.ID)
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write ledger %s: %w", at, err)
	}
	in := &s3.PutObjectInput{
		Bucket: &at.Bucket, Key: &at.Key, Body: bytes.NewReader(body),
		ContentType: aws.String("application/json"), Metadata: map[string]string{jobMetadata: e.Result.ID},
	}
	condition(in)
	out, err := l.s3.PutObject(ctx, in)
	switch httpStatus(err) {
	case http.StatusPreconditionFailed:
		return errEarlier
	}
	if err != nil { // 409, two writers at once, is one of those that another try mends
		return fmt.Errorf("write ledger %s: %w", at, err)
	}
	e.etag = aws.ToString(out.ETag)
	return nil
}
