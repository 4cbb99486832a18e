package jobs

import (
	"context"
	"errors"
	"strings"

	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

// sidecar starts the job that a clip.json asks for.
func (h *Handler) sidecar(ctx context.Context, log *zap.Logger, e event.ObjectCreated, message string) error {
	job, err := h.readSidecar(ctx, e)
	var f *Failure
	if err != nil && !errors.As(err, &f) {
		return h.interrupted(log.With(zap.String(keySource, e.Location().String())), err)
	}
	return h.start(ctx, log, job.refusedFor("sidecar", err), message)
}

// readSidecar returns the job that a clip.json asks for; with a *Failure as much
// of it as is known.
func (h *Handler) readSidecar(ctx context.Context, e event.ObjectCreated) (Job, error) {
	unread := Job{ID: sidecarID(e), Source: e.Location(), Asked: true}
	body, err := h.store.read(ctx, Identity{Location: e.Location(), ETag: e.ETag}, event.MaxSidecar)
	if err != nil {
		return unread, err
	}
	s, err := event.DecodeSidecar(body)
	if err != nil {
		return unread, &Failure{Code: CodeInvalidSidecar, Err: err}
	}
	source, err := h.named(ctx, e, s.SrcVideo)
	if err != nil {
		return unread, err
	}
	route, err := h.route(ctx, source.Location, source.etag, source.bytes)
	if err != nil {
		return unread, err
	}
	if route == nil {
		route = &routes.Route{Name: "none"}
	}
	at := source.Location
	at.VersionID = "" // what is asked for is the key; which object that is follows
	job, err := fromSidecar(e, s, at, route, h.cfg)
	seen := source.identity()
	job.seen = &seen
	return job, err
}

// named finds the video that a sidecar names: beside the sidecar or, as other
// watch folders have it, from the bucket's root.
func (h *Handler) named(ctx context.Context, e event.ObjectCreated, name string) (object, error) {
	at := beside(e.Bucket, e.Key, name)
	o, err := h.store.head(ctx, Identity{Location: at})
	var f *Failure
	if errors.As(err, &f) && f.Code == CodeSourceGone && !strings.Contains(name, "://") && at.Key != name {
		if root, rootErr := h.store.head(ctx, Identity{Location: event.Location{Bucket: e.Bucket, Key: name}}); rootErr == nil {
			return root, nil
		}
	}
	return o, err
}
