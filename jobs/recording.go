package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/hls"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

const reasonRewritten = "the playlist was written again since: the event of that decides"

// growing says why a playlist starts nothing: its recording goes on, or it was written again since the event. It is empty
// where the playlist starts its job, and for any other object.
func (h *Handler) growing(ctx context.Context, e event.ObjectCreated) (string, error) {
	if !hls.IsPlaylist(e.Key) {
		return "", nil
	}
	body, etag, err := h.store.readTagged(ctx, Identity{Location: e.Location()}, hls.MaxBytes)
	switch {
	case errors.As(err, new(*Failure)):
		return "", nil // the job reports it
	case err != nil:
		return "", err
	case hls.Growing(body):
		return hls.ErrOpen.Error(), nil
	case e.ETag != "" && !sameETag(e.ETag, etag):
		return reasonRewritten, nil
	}
	return "", nil
}

// rewritten reports whether the playlist that an upload's job is of was written again since its event.
func (h *Handler) rewritten(ctx context.Context, job Job) bool {
	if job.Asked || !hls.IsPlaylist(job.Source.Key) {
		return false
	}
	now, err := h.store.head(ctx, Identity{Location: event.Location{Bucket: job.Source.Bucket, Key: job.Source.Key}})
	return err == nil && !sameETag(now.etag, job.ETag)
}

// fetch copies a source to a new file, for which there must be room. The playlist of
// a recording stands for all of it: its segments are joined. It returns how many
// bytes were read.
func (h *Handler) fetch(ctx context.Context, job Job, o object, to string) (int64, error) {
	if !hls.IsPlaylist(o.Key) {
		if err := admit(h.cfg.Scratch, o.bytes); err != nil {
			return 0, err
		}
		return o.bytes, h.store.download(ctx, o, to)
	}
	body, err := h.store.read(ctx, o.identity(), hls.MaxBytes)
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
	segments := map[string]Identity{} // a segment may come in several pieces, which must be of one object
	_, err = hls.Join(f, pieces, func(p hls.Piece) (io.ReadCloser, error) {
		at := event.Location{Bucket: o.Bucket, Key: o.Key[:strings.LastIndexByte(o.Key, '/')+1] + p.Name} // a key is no path: // is not /
		want, known := segments[p.Name]
		if !known {
			want.Location = at
			if err := h.judgeSegment(ctx, job, at); err != nil {
				return nil, err
			}
		}
		segment, found, size, err := h.store.open(ctx, want, p.Offset, p.Length)
		if err != nil {
			return nil, err
		}
		segments[p.Name] = found
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
	// Another recording that is written to the same place meanwhile has a playlist of
	// its own, and segments of the same names.
	current := o.identity()
	current.VersionID = ""
	if _, err := h.store.head(ctx, current); err != nil {
		return total, fmt.Errorf("join %s: %w", o, err)
	}
	return total, nil
}

// judgeSegment refuses a segment that by itself would be covered, in a recording that
// is not: with a playlist an uploader could have others' videos published as they are.
func (h *Handler) judgeSegment(ctx context.Context, job Job, at event.Location) error {
	if job.Route == "" || slices.ContainsFunc(job.Steps, func(s Step) bool { return s.Kind == KindMosaic }) {
		return nil // an operator's message, or covered
	}
	r, err := h.lookUpRoute(ctx, at)
	if err != nil {
		return err
	}
	if r != nil && slices.ContainsFunc(r.Steps, func(s routes.Step) bool { return s.Kind == KindMosaic }) {
		return failf(CodeNotAllowed, "segment %q: route %s covers it, and route %s would publish it as it is",
			at, r.Name, job.Route)
	}
	return nil
}

// open starts to read a part of an object; all of it when length is 0. It returns
// which object that is, and how many bytes will come.
func (s *store) open(ctx context.Context, want Identity, offset, length int64) (io.ReadCloser, Identity, int64, error) {
	in := &s3.GetObjectInput{
		Bucket: &want.Bucket, Key: &want.Key, VersionId: version(want.Location), IfMatch: condition(want.ETag),
	}
	if length > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	}
	out, err := s.s3.GetObject(ctx, in)
	if err != nil {
		return nil, want, 0, sourceError(err, "read %s: %w", want, err)
	}
	want.ETag, want.VersionID = aws.ToString(out.ETag), cmp.Or(aws.ToString(out.VersionId), want.VersionID)
	return out.Body, want, aws.ToInt64(out.ContentLength), nil
}
