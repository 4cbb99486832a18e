package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// excerptSizes are how much of the beginning and of the end of an object is read
// to learn what it is. Containers say so at one end or the other; the index of a
// long recording is large.
var excerptSizes = []int64{2 << 20, 64 << 20}

// probe says what the input of the nth step is, without reading all of it.
func (h *Handler) probe(ctx context.Context, l *lease, n int) (_ *ffmpeg.Media, err error) {
	o, err := h.fix(ctx, l, n)
	if err != nil {
		return nil, err
	}
	folder, err := newFolder(h.cfg.Scratch, l.claim.Job.ID)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, folder.remove()) }()
	var media *ffmpeg.Media
	for _, size := range excerptSizes {
		path := filepath.Join(folder.path, fmt.Sprintf("excerpt-%d", size))
		if err := h.store.excerpt(ctx, o, path, size); err != nil {
			return nil, err
		}
		var r ffmpeg.Report
		if r, err = h.engine.Run(ctx, ffmpeg.Spec{Op: ffmpeg.OpProbe, Input: path}, nil); err == nil {
			media = &r.Source
			break
		}
		if 2*size >= o.bytes { // it was all of it
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("probe %s: %w", o, err)
	}
	return media, nil
}

// excerpt writes a file of the object's size that holds its first and last bytes,
// and a hole between them.
func (s *store) excerpt(ctx context.Context, o object, path string, size int64) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("read a part of %s: %w", o, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if 2*size >= o.bytes {
		return s.part(ctx, o, f, 0, o.bytes)
	}
	if err := f.Truncate(o.bytes); err != nil {
		return fmt.Errorf("read a part of %s: %w", o, err)
	}
	return errors.Join(s.part(ctx, o, f, 0, size), s.part(ctx, o, f, o.bytes-size, size))
}

// part copies a range of an object to the same place of a file.
func (s *store) part(ctx context.Context, o object, f *os.File, from, size int64) error {
	if size == 0 {
		return nil
	}
	in := &s3.GetObjectInput{
		Bucket: &o.Bucket, Key: &o.Key, VersionId: version(o.Location), IfMatch: condition(o.etag),
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", from, from+size-1)),
	}
	out, err := s.s3.GetObject(ctx, in)
	if err != nil {
		return sourceError(err, "read a part of %s: %w", o, err)
	}
	defer out.Body.Close()
	n, err := io.Copy(io.NewOffsetWriter(f, from), io.LimitReader(out.Body, size))
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("read a part of %s: %w", o, err)
	}
	return nil
}
