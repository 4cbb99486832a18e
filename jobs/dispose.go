package jobs

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

// maxCopyBytes is the largest object that one request copies.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html
const maxCopyBytes = 5 << 30

// dispose does with the source what the route says. All results are published
// then. It touches only the object that was worked, and only while the job is this
// worker's.
func (h *Handler) dispose(ctx context.Context, log *zap.Logger, l *lease) error {
	c, after := l.claim, l.claim.Job.After
	if c.outcome() != StateSucceeded || !disposes(after) {
		return nil
	}
	kept := func(reason string) error {
		log.Warn(eventSourceKept, zap.String("wanted", after.String()), zap.String("reason", reason))
		return nil
	}
	worked := c.input(0)
	source, err := h.store.head(ctx, worked)
	if f := asFinal(err); f != nil {
		return kept(f.Error())
	} else if err != nil {
		return err
	}
	if worked.ETag == "" && !worked.immutable() && c.overwritten(source) { // of an older release
		return kept("it was uploaded after the job began")
	}
	if !worked.immutable() && !worked.Modified.IsZero() && !source.modified.Equal(worked.Modified) {
		return kept("it was uploaded again, with the same content")
	}
	if err := l.renew(ctx); err != nil { // nothing may be touched by a worker that lost the job
		return err
	}
	ctx, cancel := context.WithDeadline(ctx, l.ends())
	defer cancel()
	switch {
	case after.Tag != nil:
		err = h.store.tag(ctx, source, after.Tag)
	case after.Move != "":
		to := location(after.Move)
		route, routeErr := h.cfg.Routes.Match(routes.Object{Location: to, Bytes: source.bytes, ContentType: func() (string, error) { return source.contentType, nil }})
		switch {
		case routeErr != nil:
			return routeErr
		case h.cfg.judgeDestination(to) != nil:
			return kept(h.cfg.judgeDestination(to).Error())
		case to == (event.Location{Bucket: source.Bucket, Key: source.Key}):
			return kept("it would be moved to where it is")
		case to.Bucket == source.Bucket && route != nil && len(route.Steps) > 0 && !h.cfg.ours(to):
			return kept("route " + route.Name + " would start a job for it at " + to.String())
		case source.bytes > maxCopyBytes:
			return kept("it is larger than 5 GiB, which S3 copies only in parts")
		}
		if err = h.store.copy(ctx, source, to); err == nil {
			err = h.store.delete(ctx, source.identity())
		}
	case after.Delete:
		err = h.store.delete(ctx, source.identity())
	}
	if f := asFinal(err); f != nil {
		return kept(f.Error())
	} else if err != nil {
		return err
	}
	log.Info(eventSourceDisposed, zap.String("how", after.String()))
	return nil
}

func disposes(a routes.After) bool { return a.Tag != nil || a.Move != "" || a.Delete }

// tag adds tags to those that an object has.
func (s *store) tag(ctx context.Context, o object, add map[string]string) error {
	at := &s3.GetObjectTaggingInput{Bucket: &o.Bucket, Key: &o.Key, VersionId: version(o.Location)}
	had, err := s.s3.GetObjectTagging(ctx, at)
	if err != nil {
		return fmt.Errorf("read the tags of %s: %w", o, err)
	}
	var tags []types.Tag
	for _, t := range had.TagSet {
		if _, ok := add[aws.ToString(t.Key)]; !ok {
			tags = append(tags, t)
		}
	}
	for key, value := range add {
		tags = append(tags, types.Tag{Key: &key, Value: &value})
	}
	_, err = s.s3.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{
		Bucket: &o.Bucket, Key: &o.Key, VersionId: version(o.Location), Tagging: &types.Tagging{TagSet: tags},
	})
	if err != nil {
		return fmt.Errorf("tag %s: %w", o, err)
	}
	return nil
}

// copy copies an object to where nothing is yet, nothing else, or a version of
// another object that its bucket keeps. What else is there stays: a *Failure says so.
func (s *store) copy(ctx context.Context, o object, to event.Location) error {
	// As S3 decodes it a plus may be a space, so that neither is left as it is.
	from := o.Bucket + "/" + strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(o.Key))
	if o.VersionID != "" {
		from += "?versionId=" + url.QueryEscape(o.VersionID)
	}
	in := &s3.CopyObjectInput{
		Bucket: &to.Bucket, Key: &to.Key, CopySource: &from, CopySourceIfMatch: &o.etag, IfNoneMatch: aws.String("*"),
	}
	existing, err := s.existing(ctx, to)
	switch {
	case err != nil:
		return err
	case existing == nil:
	case sameETag(existing.etag, o.etag) && existing.bytes == o.bytes:
		return nil // copied by an attempt that ended too early to delete the source
	case existing.identity().immutable():
		in.IfNoneMatch, in.IfMatch = nil, &existing.etag // what is there stays as an earlier version
	default:
		return failf(CodeDestinationTaken, "%s is there already, and is not this object", to)
	}
	_, err = s.s3.CopyObject(ctx, in)
	if httpStatus(err) == http.StatusPreconditionFailed {
		return failf(CodeSourceChanged, "copy %s to %s: either was overwritten just now: %w", o, to, err)
	} else if err != nil {
		return fmt.Errorf("copy %s to %s: %w", o, to, err)
	}
	return nil
}

// delete deletes one object: that version for good where it has one, otherwise the
// current object as long as it is that one. A *Failure says that it is another one.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
func (s *store) delete(ctx context.Context, o Identity) error {
	in := &s3.DeleteObjectInput{Bucket: &o.Bucket, Key: &o.Key}
	if o.immutable() {
		in.VersionId = &o.VersionID
	} else {
		in.IfMatch = condition(o.ETag)
	}
	_, err := s.s3.DeleteObject(ctx, in)
	if httpStatus(err) == http.StatusPreconditionFailed {
		return failf(CodeSourceChanged, "delete %s: %w", o, err)
	} else if err != nil {
		return fmt.Errorf("delete %s: %w", o, err)
	}
	return nil
}

func version(at event.Location) *string {
	if at.VersionID == "" {
		return nil
	}
	return &at.VersionID
}
