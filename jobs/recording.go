package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/hls"
)

// fetch copies a source to a new file, for which there must be room. The playlist of
// a recording stands for all of it: its segments are joined. It returns how many
// bytes were read.
func (h *Handler) fetch(ctx context.Context, o object, to string) (int64, error) {
	if !hls.IsPlaylist(o.Key) {
		if err := admit(h.cfg.Scratch, o.bytes); err != nil {
			return 0, err
		}
		return o.bytes, h.store.download(ctx, o, to)
	}
	body, err := h.store.read(ctx, o.Location, hls.MaxBytes)
	if err != nil {
		return 0, err
	}
	pieces, err := hls.Parse(body)
	switch {
	case errors.Is(err, hls.ErrOpen):
		return 0, idleError(err.Error())
	case err != nil:
		return 0, failf(CodeInvalidRequest, "%s: %w", o, err)
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, fmt.Errorf("join %s: %w", o, err)
	}
	var total int64
	_, err = hls.Join(f, pieces, func(p hls.Piece) (io.ReadCloser, error) {
		at := event.Location{Bucket: o.Bucket, Key: o.Key[:strings.LastIndexByte(o.Key, '/')+1] + p.Name} // a key is no path: // is not /
		segment, size, err := h.store.open(ctx, at, p.Offset, p.Length)
		if err != nil {
			return nil, err
		}
		total += size
		if total > h.cfg.MaxSourceBytes {
			err = failf(CodeSourceTooLarge, "the recording has more than %d bytes, which is the limit", h.cfg.MaxSourceBytes)
		} else {
			err = admit(h.cfg.Scratch, total)
		}
		if err != nil {
			return nil, errors.Join(err, segment.Close())
		}
		return segment, nil
	})
	if err = errors.Join(err, f.Close()); err != nil {
		return total, fmt.Errorf("join %s: %w", o, err)
	}
	return total, nil
}

// open starts to read a part of an object; all of it when length is 0. It returns how
// many bytes will come.
func (s *store) open(ctx context.Context, at event.Location, offset, length int64) (io.ReadCloser, int64, error) {
	in := &s3.GetObjectInput{Bucket: &at.Bucket, Key: &at.Key}
	if length > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	}
	out, err := s.s3.GetObject(ctx, in)
	if err != nil {
		return nil, 0, sourceError(err, "read %s: %w", at, err)
	}
	return out.Body, aws.ToInt64(out.ContentLength), nil
}
