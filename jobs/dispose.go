package jobs

import (
	"context"
	"errors"
	"fmt"
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
// then. A source that isn't the one that was worked any more is left alone.
func (h *Handler) dispose(ctx context.Context, log *zap.Logger, c *Claim) error {
	after := c.Job.After
	if c.outcome() != StateSucceeded || !disposes(after) {
		return nil
	}
	kept := func(reason string) error {
		log.Warn(eventSourceKept, zap.String("wanted", after.String()), zap.String("reason", reason))
		return nil
	}
	source, err := h.store.head(ctx, c.Job.Source, c.Job.ETag)
	var f *Failure
	if errors.As(err, &f) {
		return kept(f.Error())
	} else if err != nil {
		return err
	}
	switch {
	case after.Tag != nil:
		err = h.store.tag(ctx, source, after.Tag)
	case after.Move != "":
		to := location(after.Move)
		route, routeErr := h.cfg.Routes.Match(routes.Object{Location: to, Bytes: source.bytes, ContentType: func() (string, error) { return source.contentType, nil }})
		switch {
		case routeErr != nil:
			return routeErr
		case to == (event.Location{Bucket: source.Bucket, Key: source.Key}):
			return kept("it would be moved to where it is")
		case to.Bucket == source.Bucket && route != nil && len(route.Steps) > 0 && !h.cfg.ours(to):
			return kept("route " + route.Name + " would start a job for it at " + to.String())
		case source.bytes > maxCopyBytes:
			return kept("it is larger than 5 GiB, which S3 copies only in parts")
		}
		if err = h.store.copy(ctx, source, to); err == nil {
			err = h.store.delete(ctx, source)
		}
	case after.Delete:
		err = h.store.delete(ctx, source)
	}
	if err != nil {
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

func (s *store) copy(ctx context.Context, o object, to event.Location) error {
	// As S3 decodes it a plus may be a space, so that neither is left as it is.
	from := o.Bucket + "/" + strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(o.Key))
	if o.VersionID != "" {
		from += "?versionId=" + url.QueryEscape(o.VersionID)
	}
	_, err := s.s3.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &to.Bucket, Key: &to.Key, CopySource: &from, CopySourceIfMatch: &o.etag})
	if err != nil {
		return fmt.Errorf("copy %s to %s: %w", o, to, err)
	}
	return nil
}

func (s *store) delete(ctx context.Context, o object) error {
	if _, err := s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &o.Bucket, Key: &o.Key, VersionId: version(o.Location)}); err != nil {
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
