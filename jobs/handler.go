package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

// Clients are the services that a Handler calls.
type Clients struct {
	S3           S3
	SNS          SNS
	MediaConvert MediaConvert
	Rekognition  Rekognition
}

// A Handler does what messages ask for. It may be used by several goroutines at
// once.
type Handler struct {
	store       *store
	claims      *Claims
	publisher   *publisher
	cloud       MediaConvert
	rekognition Rekognition
	documents   *documents
	engine      Engine
	log         *zap.Logger
	cfg         Config
	owner       string // of the claims that this process has
	pace        *pace
	working     atomic.Int32 // steps that use the scratch folder
}

// NewHandler returns a Handler, or an error that names what is wrong in cfg. It
// removes from cfg.Scratch what workers left there that were killed.
func NewHandler(clients Clients, engine Engine, log *zap.Logger, cfg Config) (*Handler, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if n, err := sweep(cfg.Scratch); n > 0 || err != nil {
		log.Info(eventScratchSwept, zap.Int("folders", n), zap.Error(err))
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	store := newStore(clients.S3)
	claims := NewClaims(clients.S3, cfg.OutputBucket, cfg.StatePrefix)
	claims.indexFailed = func(job string, err error) { log.Warn(eventIndexFailed, zap.String(keyJob, job), zap.Error(err)) }
	return &Handler{
		store:       store,
		claims:      claims,
		publisher:   &publisher{sns: clients.SNS, topic: cfg.TopicARN, full: claims.location},
		cloud:       clients.MediaConvert,
		rekognition: clients.Rekognition,
		documents:   newDocuments(store, clients.MediaConvert),
		engine:      engine,
		log:         log,
		cfg:         cfg,
		pace:        newPace(runtime.GOMAXPROCS(0)),
		owner:       fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:8]),
	}, nil
}

// Ready returns an error where this machine can't work any job now: see CheckScratch.
func (h *Handler) Ready(context.Context) error { return CheckScratch(h.cfg.Scratch) }

// Handle works every event of one message. It returns nil when each has ended,
// well or not, or waits for MediaConvert, and its result is published; a
// *Rejection when the message, or one of its records, can't be understood, after the others were worked; any other
// error when it should come again: what ended before the error is not done a second time then.
func (h *Handler) Handle(ctx context.Context, m types.Message) error {
	events, err := event.Decode([]byte(aws.ToString(m.Body)))
	if err != nil {
		return &Rejection{Err: err}
	}
	message := aws.ToString(m.MessageId)
	log := h.log.With(zap.String(keyMessage, message))
	var unreadable []string
	for _, e := range events {
		switch e := e.(type) {
		case event.ObjectCreated:
			err = h.upload(ctx, log, e, message)
		case event.Request:
			if e.Decides() {
				err = h.decide(ctx, log, e, message)
				break
			}
			job := fromRequest(e, message, h.cfg)
			err = h.start(ctx, log, job.refusedFor(e.Kind, h.cfg.judgeRequest(e)), message)
		case event.MediaConvertChanged:
			err = h.cloudChanged(ctx, log, e, message)
		case event.FaceSearchEnded:
			err = h.searchEnded(ctx, log, e, message)
		case event.TestNotification:
			log.Info(eventObjectIgnored, zap.String("bucket", e.Bucket), zap.String("reason", "S3 says that its notifications work"))
		case event.Ignored:
			if e.Bucket == "" { // not about an object
				log.Info(eventEventIgnored, zap.String("name", e.Name), zap.String("reason", e.Reason))
				continue
			}
			ignored(log, event.Location{Bucket: e.Bucket, Key: e.Key}, e.Reason)
		case event.Unreadable:
			unreadable = append(unreadable, e.Reason)
		default:
			err = &Rejection{Err: fmt.Errorf("no handler for %T", e)}
		}
		if err != nil {
			return err
		}
	}
	if unreadable != nil {
		const shown = 3
		return &Rejection{Err: fmt.Errorf("%d of %d records can't be read, the others were worked: %s",
			len(unreadable), len(events), strings.Join(unreadable[:min(shown, len(unreadable))], "; "))}
	}
	return nil
}

func ignored(log *zap.Logger, source event.Location, reason string) {
	log.Info(eventObjectIgnored, zap.String(keySource, source.String()), zap.String("reason", reason))
}

// upload does what the routes say of an object that was created.
func (h *Handler) upload(ctx context.Context, log *zap.Logger, e event.ObjectCreated, message string) error {
	if h.cfg.ours(e.Location()) {
		return h.ignore(ctx, log, e, nil, reasonOurs, message)
	}
	if reason := h.cfg.strange(e.Bucket); reason != "" {
		return h.ignore(ctx, log, e, nil, reason, message)
	}
	if event.IsSidecar(e.Key) {
		if h.cfg.Routes.TakesSidecars(e.Bucket) {
			return h.sidecar(ctx, log, e, message)
		}
		route, err := h.route(ctx, e.Location(), e.ETag, e.Size)
		if err != nil {
			return err
		}
		return h.ignore(ctx, log, e, route, reasonNoSidecars, message)
	}
	if e.Size == event.UnknownSize {
		o, err := h.store.head(ctx, Identity{Location: e.Location(), ETag: e.ETag})
		switch {
		case err == nil:
			e.Size = o.bytes
		case !errors.As(err, new(*Failure)): // the job reports those
			return h.interrupted(log.With(zap.String(keySource, e.Location().String())), err)
		}
	}
	route, err := h.route(ctx, e.Location(), e.ETag, e.Size)
	if err != nil {
		return err
	}
	if reason := idleReason(e, route); reason != "" {
		return h.ignore(ctx, log, e, route, reason, message)
	}
	if reason, err := h.growing(ctx, e); err != nil {
		return h.interrupted(log.With(zap.String(keySource, e.Location().String())), err)
	} else if reason != "" {
		return h.ignore(ctx, log, e, nil, reason, message) // published, it would be so for each segment
	}
	job, err := fromUpload(e, route, h.cfg)
	return h.start(ctx, log, job.refusedFor("upload", err), message)
}

// route finds the route of an object, nil where none is for it.
func (h *Handler) route(ctx context.Context, at event.Location, etag string, bytes int64) (*routes.Route, error) {
	route, err := h.cfg.Routes.Match(routes.Object{
		Location: at, Bytes: bytes,
		ContentType: func() (string, error) {
			o, err := h.store.head(ctx, Identity{Location: at, ETag: etag})
			if errors.As(err, new(*Failure)) {
				return "", nil // gone or changed: of no type any more
			}
			return o.contentType, err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("find the route of %s: %w", at, err)
	}
	return route, nil
}

// lookUpRoute looks an object up and finds its route, nil where none is for it.
func (h *Handler) lookUpRoute(ctx context.Context, at event.Location) (*routes.Route, error) {
	o, err := h.store.head(ctx, Identity{Location: at})
	if err != nil {
		return nil, err
	}
	return h.route(ctx, at, o.etag, o.bytes)
}

// ignore says why nothing is done for an object, to the topic too where the route
// wants that. A job of that event that was accepted before, under other routes, goes on instead: else it would have its
// record, and be nobody's.
func (h *Handler) ignore(
	ctx context.Context, log *zap.Logger, e event.ObjectCreated, route *routes.Route, reason, message string,
) error {
	claim, err := h.claims.read(ctx, uploadID(e))
	if err == nil && claim == nil && event.IsSidecar(e.Key) {
		claim, err = h.claims.read(ctx, sidecarID(e))
	}
	switch {
	case httpStatus(err) == http.StatusForbidden: // S3 denies what isn't there where the bucket may not be listed
	case err != nil:
		return h.interrupted(log.With(zap.String(keySource, e.Location().String())), err)
	case claim != nil:
		return h.start(ctx, log, claim.Job, message)
	}
	ignored(log, e.Location(), reason)
	if route == nil || !route.PublishIgnored {
		return nil
	}
	job, err := fromUpload(e, &routes.Route{Name: route.Name}, h.cfg)
	if err != nil {
		return err
	}
	r := newResult(job, 0, "upload", e.Time) // at a time that is the same when the event comes again
	r.ID, r.Status, r.FinishedAt = job.resultID(-1), StatusIgnored, r.StartedAt
	r.Error = newResultError(CodeIgnored, reason)
	return h.publisher.publish(ctx, r)
}

// interrupted notes why a job has to be tried again.
func (h *Handler) interrupted(log *zap.Logger, err error) error {
	if busy, ok := errors.AsType[busyError](err); ok {
		log.Info(eventJobBusy, zap.Float64("retry_seconds", busy.wait.Seconds()))
		return err
	}
	var crash *ffmpeg.CrashError
	if errors.As(err, &crash) {
		log.Error(eventEngineCrashed, zap.String("reason", string(crash.Reason)), zap.String("signal", crash.Signal), zap.Int("exit_code", crash.ExitCode), zap.String("stderr", crash.Stderr))
	}
	if damaged, ok := errors.AsType[*damagedError](err); ok {
		log.Warn(eventTransferDamaged, zap.String("object", damaged.at.String()), zap.String("algorithm", damaged.algorithm))
	}
	log.Warn(eventJobInterrupted, zap.Error(err))
	return err
}
