package jobs

import (
	"context"
	"errors"

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
	at, err := own("srcVideo", e.Bucket, e.Key, s.SrcVideo)
	if err != nil {
		return unread, err
	}
	if h.cfg.ours(at) {
		return unread, failf(CodeNotAllowed, "srcVideo: %q lies where mosaicd writes", at)
	}
	source, err := h.store.head(ctx, Identity{Location: at})
	if err != nil {
		return unread, err
	}
	route, err := h.route(ctx, at, source.etag, source.bytes)
	if err != nil {
		return unread, err
	}
	if route == nil {
		return unread, failf(CodeNotAllowed, "srcVideo: no route is for %q", at)
	}
	job, err := fromSidecar(e, s, at, route, h.cfg)
	seen := source.identity()
	job.seen = &seen
	if err != nil {
		return job, err
	}
	return job, h.judgeJoined(ctx, job, route)
}

// judgeJoined refuses clips of videos that another route is for than for the source:
// with that their faces might have to be covered, or not be streamed at all.
func (h *Handler) judgeJoined(ctx context.Context, job Job, route *routes.Route) error {
	judged := map[event.Location]bool{job.Source: true}
	for _, s := range job.Steps {
		for i, clip := range s.Transcode.Clips {
			at := clip.Source
			if at.Bucket == "" || judged[at] {
				continue
			}
			judged[at] = true
			r, err := h.lookUpRoute(ctx, at)
			if err != nil {
				return err
			}
			if r == nil || r.Name != route.Name {
				return failf(CodeNotAllowed, "clips[%d].srcVideo: %q would be joined to a video of route %s, "+
					"which is not its own", i, at, route.Name)
			}
		}
	}
	return nil
}
