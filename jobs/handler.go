package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/event"
)

// A Handler does what messages ask for. It may be used by several goroutines at
// once.
type Handler struct {
	store     *store
	ledger    *ledger
	publisher *publisher
	engine    Engine
	log       *zap.Logger
	cfg       Config
}

// NewHandler returns a Handler, or an error that names what is wrong in cfg. It
// removes from cfg.Scratch what workers left there that were killed.
func NewHandler(s3 S3, sns SNS, engine Engine, log *zap.Logger, cfg Config) (*Handler, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if n, err := sweep(cfg.Scratch); n > 0 || err != nil {
		log.Info(eventScratchSwept, zap.Int("folders", n), zap.Error(err))
	}
	return &Handler{
		store:     newStore(s3),
		ledger:    &ledger{s3: s3, bucket: cfg.OutputBucket, prefix: cfg.LedgerPrefix},
		publisher: &publisher{sns: sns, topic: cfg.TopicARN},
		engine:    engine,
		log:       log,
		cfg:       cfg,
	}, nil
}

// Handle works every event of one message. It returns nil when each has ended,
// well or not, and its result is published; a *Rejection when the message can't
// be understood; any other error when it should come again: what ended before
// the error is not done a second time then.
func (h *Handler) Handle(ctx context.Context, m types.Message) error {
	events, err := event.Decode([]byte(aws.ToString(m.Body)))
	if err != nil {
		return &Rejection{Err: err}
	}
	log := h.log.With(zap.String(keyMessage, aws.ToString(m.MessageId)))
	for _, e := range events {
		switch e := e.(type) {
		case event.ObjectCreated:
			err = h.upload(ctx, log, e, attempt(m))
		case event.Request:
			err = h.end(ctx, log, fromRequest(e, aws.ToString(m.MessageId), h.cfg), attempt(m))
		case event.TestNotification:
			log.Info(eventObjectIgnored, zap.String("bucket", e.Bucket), zap.String("reason", "S3 says that its notifications work"))
		case event.Ignored:
			log.Info(eventObjectIgnored, zap.String(keySource, event.Location{Bucket: e.Bucket, Key: e.Key}.String()), zap.String("reason", e.Reason))
		default:
			err = &Rejection{Err: fmt.Errorf("no handler for %T", e)}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// attempt is how often the message was received: 1 the first time. Being given
// back by a worker that stops counts too.
func attempt(m types.Message) int {
	n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil {
		return 1
	}
	return n
}

// upload decides whether an object that was created is a job.
func (h *Handler) upload(ctx context.Context, log *zap.Logger, e event.ObjectCreated, attempt int) error {
	job := fromUpload(e, h.cfg)
	reason := ""
	switch {
	case h.cfg.ours(job.Source):
		reason = "it lies where mosaicd writes"
	case strings.HasSuffix(e.Key, "/") && e.Size == 0:
		reason = "it is a folder"
	default:
		return h.end(ctx, log, job, attempt)
	}
	log.Info(eventObjectIgnored, zap.String(keySource, job.Source.String()), zap.String("reason", reason))
	return nil
}

// end brings one job to its end: works it, unless that was done before, and has
// the result published.
func (h *Handler) end(ctx context.Context, log *zap.Logger, job Job, attempt int) error {
	log = log.With(zap.String(keyJob, job.ID), zap.String(keyKind, job.Kind), zap.String(keySource, job.Source.String()))
	e, err := h.ledger.find(ctx, job.ID)
	if err != nil {
		return h.interrupted(log, err)
	}
	if e != nil {
		log.Info(eventJobRepeated, zap.Bool("published", e.Published))
	} else {
		r, err := h.work(ctx, log, job, attempt)
		if err != nil {
			return h.interrupted(log, err)
		}
		if r == nil {
			return nil
		}
		if e, err = h.ledger.end(ctx, *r); errors.Is(err, errEarlier) {
			e, err = h.ledger.find(ctx, job.ID) // what was first counts
		}
		if err != nil {
			return h.interrupted(log, err)
		}
	}
	if e == nil || e.Published {
		return nil
	}
	if err := h.publisher.publish(ctx, e.Result); err != nil {
		return h.interrupted(log, err)
	}
	log.Info(eventResultPublished, zap.String("status", string(e.Result.Status)))
	if err := h.ledger.published(ctx, e); err != nil {
		log.Warn(eventLedgerFailed, zap.Error(err))
	}
	return nil
}

// interrupted notes why a job has to be tried again.
func (h *Handler) interrupted(log *zap.Logger, err error) error {
	var crash *ffmpeg.CrashError
	if errors.As(err, &crash) {
		log.Error(eventEngineCrashed, zap.String("signal", crash.Signal), zap.Int("exit_code", crash.ExitCode), zap.String("stderr", crash.Stderr))
	}
	log.Warn(eventJobInterrupted, zap.Error(err))
	return err
}

// work does the job. It returns a result, succeeded or failed; nil when there is
// nothing to do; or an error when another try may help.
func (h *Handler) work(ctx context.Context, log *zap.Logger, job Job, attempt int) (*Result, error) {
	log.Info(eventJobStarted, zap.String("destination", job.Destination.String()), zap.Int("attempt", attempt))
	r := &Result{
		Version: ResultVersion, ID: job.ID, Kind: job.Kind, Status: StatusSucceeded,
		Source: job.Source.String(), SourceVersionID: job.Source.VersionID,
		Outputs: []Output{}, StartedAt: time.Now().UTC(),
	}
	err := h.mosaic(ctx, log, job, r)
	var idle idleError
	if errors.As(err, &idle) {
		log.Info(eventObjectIgnored, zap.String("reason", idle.Error()))
		return nil, nil
	}
	r.FinishedAt = time.Now().UTC()
	took := zap.Float64("seconds", r.FinishedAt.Sub(r.StartedAt).Seconds())
	if err == nil {
		log.Info(eventJobSucceeded, took, zap.Any("stats", r.Stats), zap.String("output", r.Outputs[0].URI))
		return r, nil
	}
	if ctx.Err() != nil {
		return nil, err // whatever it looks like, it is our own stopping
	}
	f := asFailure(err, attempt, h.cfg.MaxAttempts)
	if f == nil {
		return nil, err
	}
	r.fail(f)
	log.Warn(eventJobFailed, took, zap.String("code", f.Code), zap.Error(f))
	return r, nil
}
