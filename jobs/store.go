package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// S3 is what a Handler calls. *s3.Client is one.
type S3 interface {
	transfermanager.S3APIClient
	CopyObject(context.Context, *s3.CopyObjectInput, ...func(*s3.Options)) (*s3.CopyObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	GetObjectTagging(context.Context, *s3.GetObjectTaggingInput, ...func(*s3.Options)) (*s3.GetObjectTaggingOutput, error)
	PutObjectTagging(context.Context, *s3.PutObjectTaggingInput, ...func(*s3.Options)) (*s3.PutObjectTaggingOutput, error)
}

// A store reads and writes whole objects.
type store struct {
	s3       S3
	transfer *transfermanager.Client
}

func newStore(client S3) *store {
	return &store{s3: client, transfer: transfermanager.New(client, func(o *transfermanager.Options) {
		o.GetObjectType = tmtypes.GetObjectRanges // of any object, however it was uploaded
	})}
}

// jobMetadata is the user metadata by which mosaicd knows what it wrote itself.
const jobMetadata = "mosaicd-job"

// An object is what HEAD says of one.
type object struct {
	event.Location
	etag        string
	bytes       int64
	contentType string
	job         string // the id of the job that wrote it; empty for what others wrote
}

// head looks an object up. ETag, if not empty, is the one that it must have.
func (s *store) head(ctx context.Context, at event.Location, etag string) (object, error) {
	in := &s3.HeadObjectInput{Bucket: &at.Bucket, Key: &at.Key}
	switch {
	case at.VersionID != "":
		in.VersionId = &at.VersionID
	case etag != "":
		in.IfMatch = aws.String(quoted(etag))
	}
	out, err := s.s3.HeadObject(ctx, in)
	if err != nil {
		return object{}, sourceError(err, "look up %s: %w", at, err)
	}
	return object{
		Location: at, etag: aws.ToString(out.ETag), bytes: aws.ToInt64(out.ContentLength),
		contentType: aws.ToString(out.ContentType), job: out.Metadata[jobMetadata],
	}, nil
}

// download copies what head found to a new file.
func (s *store) download(ctx context.Context, o object, path string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("download %s: %w", o, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	in := &transfermanager.DownloadObjectInput{Bucket: &o.Bucket, Key: &o.Key, WriterAt: f, IfMatch: &o.etag}
	if o.VersionID != "" {
		in.VersionID = &o.VersionID
	}
	if _, err := s.transfer.DownloadObject(ctx, in); err != nil {
		return sourceError(err, "download %s: %w", o, err)
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("download %s: %w", o, err)
	}
	if info.Size() != o.bytes {
		return fmt.Errorf("download %s: %d bytes came of %d", o, info.Size(), o.bytes)
	}
	return nil
}

// read returns a small object whole.
func (s *store) read(ctx context.Context, at event.Location, limit int64) ([]byte, error) {
	out, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &at.Bucket, Key: &at.Key})
	if err != nil {
		return nil, sourceError(err, "read %s: %w", at, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(io.LimitReader(out.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", at, err)
	}
	if int64(len(body)) > limit {
		return nil, failf(CodeInvalidRequest, "read %s: larger than %d bytes", at, limit)
	}
	return body, nil
}

// maxListed is how many objects below one prefix are looked at.
const maxListed = 50_000

// list adds the size of each object below a prefix, by its URI. Where listing
// isn't allowed nothing is added.
func (s *store) list(ctx context.Context, at event.Location, to map[string]int64) error {
	pages := s3.NewListObjectsV2Paginator(s.s3, &s3.ListObjectsV2Input{Bucket: &at.Bucket, Prefix: &at.Key})
	for n := 0; pages.HasMorePages() && n < maxListed; {
		page, err := pages.NextPage(ctx)
		switch httpStatus(err) {
		case http.StatusForbidden, http.StatusNotFound:
			return nil
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", at, err)
		}
		for _, o := range page.Contents {
			to[event.Location{Bucket: at.Bucket, Key: aws.ToString(o.Key)}.String()] = aws.ToInt64(o.Size)
		}
		n += len(page.Contents)
	}
	return nil
}

// upload writes a file as an object that says which job made it, and returns its
// size. What the same job wrote before, in an attempt that ended too early to be
// noted, stays: it is as good, and somebody may be reading it. Anything else there
// is replaced, unless it changes meanwhile.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func (s *store) upload(ctx context.Context, path string, to event.Location, job, mediaType string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("upload %s: %w", to, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("upload %s: %w", to, err)
	}
	in := &transfermanager.UploadObjectInput{
		Bucket: &to.Bucket, Key: &to.Key, ContentType: &mediaType, Metadata: map[string]string{jobMetadata: job},
	}
	const tries = 4 // of others that write there at the same time
	for try := 1; ; try++ {
		existing, err := s.existing(ctx, to)
		switch {
		case err != nil:
			return 0, fmt.Errorf("upload %s: %w", to, err)
		case existing == nil:
			in.IfNoneMatch, in.IfMatch = aws.String("*"), nil
		case existing.job == job:
			return existing.bytes, nil
		default:
			in.IfNoneMatch, in.IfMatch = nil, &existing.etag
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return 0, fmt.Errorf("upload %s: %w", to, err)
		}
		in.Body = f
		_, err = s.transfer.UploadObject(ctx, in)
		if err == nil {
			return info.Size(), nil
		}
		status := httpStatus(err)
		changed := status == http.StatusPreconditionFailed || status == http.StatusConflict || status == http.StatusNotFound && existing != nil
		if !changed || try == tries {
			return 0, fmt.Errorf("upload %s: %w", to, err)
		}
	}
}

// existing looks an object up, nil where there is none. Where the bucket may not
// be listed, S3 denies what isn't there.
func (s *store) existing(ctx context.Context, at event.Location) (*object, error) {
	o, err := s.head(ctx, at, "")
	if f, failed := errors.AsType[*Failure](err); failed && f.Code == CodeSourceGone || httpStatus(err) == http.StatusForbidden {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &o, nil
}

// sourceError tells what is final about an object from what may pass. Denied
// access may pass: somebody mends the policy. S3 also denies what isn't there
// when the role may not list the bucket.
func sourceError(err error, format string, args ...any) error {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "InvalidObjectState" {
		return failf(CodeSourceArchived, format, args...)
	}
	switch httpStatus(err) {
	case http.StatusNotFound, http.StatusMethodNotAllowed: // a delete marker asked for by version is 405
		return failf(CodeSourceGone, format, args...)
	case http.StatusPreconditionFailed:
		return failf(CodeSourceChanged, format, args...)
	}
	return fmt.Errorf(format, args...)
}

// httpStatus is 0 where no answer came.
func httpStatus(err error) int {
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// quoted is an ETag as HTTP writes it; events leave the quotes out.
func quoted(etag string) string {
	if len(etag) > 0 && etag[0] == '"' {
		return etag
	}
	return `"` + etag + `"`
}
