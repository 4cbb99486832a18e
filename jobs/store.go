package jobs

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"time"

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
	s3        S3
	transfer  *transfermanager.Client
	checksums bool // sent with what is uploaded: not where the SDK is configured to do so only where required
}

func newStore(client S3) *store {
	checksums := true
	if c, ok := client.(interface{ Options() s3.Options }); ok {
		checksums = c.Options().RequestChecksumCalculation != aws.RequestChecksumCalculationWhenRequired
	}
	return &store{s3: client, checksums: checksums, transfer: transfermanager.New(client, func(o *transfermanager.Options) {
		o.GetObjectType = tmtypes.GetObjectRanges // of any object, however it was uploaded
	})}
}

// An object is what HEAD says of one.
type object struct {
	event.Location // with the version where the bucket keeps versions
	etag           string
	bytes          int64
	modified       time.Time
	contentType    string
	job            string  // the id of the job that wrote it; empty for what others wrote
	origin         *origin // what mosaicd made it of; nil for what others wrote
}

func (o object) identity() Identity {
	return Identity{Location: o.Location, ETag: o.etag, Bytes: o.bytes, Modified: o.modified}
}

// head looks an object up. It must have the version and the ETag of want where want
// has one.
func (s *store) head(ctx context.Context, want Identity) (object, error) {
	at := want.Location
	in := &s3.HeadObjectInput{Bucket: &at.Bucket, Key: &at.Key, VersionId: version(at), IfMatch: condition(want.ETag)}
	out, err := s.s3.HeadObject(ctx, in)
	if err != nil {
		return object{}, sourceError(err, "look up %s: %w", at, err)
	}
	at.VersionID = cmp.Or(aws.ToString(out.VersionId), at.VersionID)
	o := object{
		Location: at, etag: aws.ToString(out.ETag), bytes: aws.ToInt64(out.ContentLength),
		modified: aws.ToTime(out.LastModified), contentType: aws.ToString(out.ContentType), origin: originOf(out.Metadata),
	}
	if o.origin != nil {
		o.job = o.origin.job
	}
	return o, nil
}

// condition is an ETag as If-Match has it; nil where any will do.
func condition(etag string) *string {
	if etag == "" {
		return nil
	}
	return aws.String(quoted(etag))
}

// download copies what head found to a new file, and verifies it.
func (s *store) download(ctx context.Context, o object, path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("download %s: %w", o, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	in := &transfermanager.DownloadObjectInput{
		Bucket: &o.Bucket, Key: &o.Key, VersionID: version(o.Location), WriterAt: f, IfMatch: condition(o.etag),
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
	// Its parts were fetched as ranges, of which the SDK verifies nothing.
	return s.verify(ctx, o, f)
}

// read returns a small object whole. It must have the version and the ETag of want
// where want has one.
func (s *store) read(ctx context.Context, want Identity, limit int64) ([]byte, error) {
	body, _, err := s.readTagged(ctx, want, limit)
	return body, err
}

// readTagged is read that returns the ETag, too.
func (s *store) readTagged(ctx context.Context, want Identity, limit int64) (body []byte, etag string, err error) {
	etag, err = s.stream(ctx, want, limit, func(r io.Reader) (err error) {
		body, err = io.ReadAll(r)
		return err
	})
	return body, etag, err
}

// stream has use read an object of at most limit bytes, as read does, and returns its ETag.
// Where the object is larger, or broke off, the error says that and not what use made of it.
func (s *store) stream(ctx context.Context, want Identity, limit int64, use func(io.Reader) error) (etag string, err error) {
	at := want.Location
	out, err := s.s3.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &at.Bucket, Key: &at.Key, VersionId: version(at), IfMatch: condition(want.ETag),
	})
	if err != nil {
		return "", sourceError(err, "read %s: %w", at, err)
	}
	defer out.Body.Close()
	body := &limitedReader{r: out.Body, left: limit}
	err = use(body)
	switch {
	case errors.Is(body.err, errTooLong):
		return "", failf(CodeInvalidRequest, "read %s: larger than %d bytes", at, limit)
	case body.err != nil:
		return "", fmt.Errorf("read %s: %w", at, body.err)
	case errors.As(err, new(*Failure)):
		return "", err
	case err != nil:
		return "", fmt.Errorf("read %s: %w", at, err)
	}
	return aws.ToString(out.ETag), nil
}

// A limitedReader reads at most so many bytes and keeps the error that is not the end.
type limitedReader struct {
	r    io.Reader
	left int64
	err  error
}

var errTooLong = errors.New("too long")

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, l.err
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		err = errTooLong
	}
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	return n, err
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

// A writing is how a file becomes an object.
type writing struct {
	origin    origin
	mediaType string
	// judge says whether what is there already is kept, in place of the file, or, with
	// an error, that it may not be replaced. Nil keeps what the same job wrote and
	// replaces everything else.
	judge func(context.Context, object) (keep bool, err error)
}

// upload writes a file as an object that says what it was made of, and returns what
// is there then. What the same job wrote before, in an attempt that ended too early
// to be noted, stays: it is as good, and a reader may have it open. What else is
// there is replaced if w.judge allows it, unless it changes meanwhile: then it is
// judged again.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func (s *store) upload(ctx context.Context, path string, to event.Location, w writing) (Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return Identity{}, fmt.Errorf("upload %s: %w", to, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Identity{}, fmt.Errorf("upload %s: %w", to, err)
	}
	in := &transfermanager.UploadObjectInput{
		Bucket: &to.Bucket, Key: &to.Key, ContentType: &w.mediaType, Metadata: w.origin.metadata(),
	}
	sum := crc32.NewIEEE()
	if err := hashRange(ctx, sum, f, 0, info.Size()); err != nil {
		return Identity{}, fmt.Errorf("upload %s: %w", to, err)
	}
	checksum := base64.StdEncoding.EncodeToString(sum.Sum(nil))
	if s.checksums { // S3 refuses what doesn't match it, also when it puts parts together
		in.ChecksumAlgorithm, in.ChecksumType = tmtypes.ChecksumAlgorithmCrc32, tmtypes.ChecksumTypeFullObject
		in.ChecksumCRC32 = &checksum
	}
	if w.judge == nil {
		w.judge = func(_ context.Context, o object) (bool, error) { return o.job == w.origin.job, nil }
	}
	const tries = 4 // of others that write there at the same time
	for try := 1; ; try++ {
		existing, err := s.existing(ctx, to)
		if err != nil {
			return Identity{}, fmt.Errorf("upload %s: %w", to, err)
		}
		in.IfNoneMatch, in.IfMatch = aws.String("*"), nil
		if existing != nil {
			keep, err := w.judge(ctx, *existing)
			if err != nil {
				return Identity{}, err
			}
			if keep {
				return existing.identity(), nil
			}
			in.IfNoneMatch, in.IfMatch = nil, &existing.etag
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return Identity{}, fmt.Errorf("upload %s: %w", to, err)
		}
		in.Body = f
		out, err := s.transfer.UploadObject(ctx, in)
		if err == nil {
			if got := aws.ToString(out.ChecksumCRC32); got != "" && got != checksum && !ofParts.MatchString(got) {
				return Identity{}, &damagedError{at: to, algorithm: "CRC32", got: got, want: checksum}
			}
			written := Identity{Location: to, ETag: aws.ToString(out.ETag), Bytes: info.Size()}
			written.VersionID = aws.ToString(out.VersionID)
			return written, nil
		}
		status := httpStatus(err)
		changed := status == http.StatusPreconditionFailed || status == http.StatusConflict ||
			status == http.StatusNotFound && existing != nil
		if !changed || try == tries {
			return Identity{}, fmt.Errorf("upload %s: %w", to, err)
		}
	}
}

// existing looks an object up, nil where there is none. Where the bucket may not
// be listed, S3 denies what isn't there.
func (s *store) existing(ctx context.Context, at event.Location) (*object, error) {
	o, err := s.head(ctx, Identity{Location: at})
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
