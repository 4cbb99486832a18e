package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/rekognition"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/mosaicd/mosaicd/internal/ecs"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/worker"
)

// How worker recognises what jobs says of a message.
var (
	_ worker.Rejection = (*jobs.Rejection)(nil)
	_ worker.Fault     = (*jobs.MachineError)(nil)
)

type daemonConfig struct {
	worker   worker.Config
	jobs     jobs.Config
	httpAddr string // empty: no health endpoints
	sandbox  sandboxLevel
	metrics  *metrics // served beside health
	instance bool     // of EC2, which says when it goes

	protection *ecs.Protection // from scale-in; nil: not on ECS
}

// A daemon is the parts joined: a worker, the handler of its messages, and the
// health endpoints.
type daemon struct {
	worker  *worker.Worker
	handler *jobs.Handler
	log     *zap.Logger
	cfg     daemonConfig
}

func newDaemon(cfg aws.Config, engine jobs.Engine, log *zap.Logger, c daemonConfig) (*daemon, error) {
	handler, err := jobs.NewHandler(jobs.Clients{
		S3: newS3(cfg), SNS: sns.NewFromConfig(cfg), MediaConvert: mediaconvert.NewFromConfig(cfg), Rekognition: rekognition.NewFromConfig(cfg),
	}, engine, log, c.jobs)
	if err != nil {
		return nil, err
	}
	if c.protection != nil {
		c.worker.Protection = c.protection
	}
	c.worker.Gate = handler
	w, err := worker.New(sqs.NewFromConfig(cfg), handler, log, c.worker)
	if err != nil {
		return nil, err
	}
	return &daemon{worker: w, handler: handler, log: log, cfg: c}, nil
}

// run works the queue until ctx ends and what is running is done or given back, at once
// where again is closed.
func (d *daemon) run(ctx context.Context, again secondSignal) error {
	d.log.Info("daemon_started",
		zap.String("queue_url", d.cfg.worker.QueueURL), zap.String("topic_arn", d.cfg.jobs.TopicARN),
		zap.String("output", "s3://"+d.cfg.jobs.OutputBucket+"/"+d.cfg.jobs.OutputPrefix),
		zap.Int("concurrency", d.worker.Status().Slots), zap.String("version", version))
	defer d.log.Info("daemon_stopped")
	if d.cfg.httpAddr == "" {
		return d.work(ctx, again)
	}
	listener, err := net.Listen("tcp", d.cfg.httpAddr)
	if err != nil {
		return usagef("--http-addr: %w", err)
	}
	server := &http.Server{Handler: d.http(), ReadHeaderTimeout: 5 * time.Second}
	var g errgroup.Group
	g.Go(func() error {
		// It answers while the worker drains: whoever finds us unhealthy kills us.
		defer server.Close()
		return d.work(ctx, again)
	})
	g.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve health: %w", err)
		}
		return nil
	})
	return g.Wait()
}

func (d *daemon) http() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", health(d.worker.Status, d.cfg.sandbox))
	if d.cfg.metrics != nil {
		d.cfg.metrics.observe(d.worker.Status)
		mux.Handle("GET /metrics", d.cfg.metrics.handler())
	}
	return mux
}

// work runs the worker and, as long as it takes messages, the reconciler. It drains
// when EC2 says that the instance goes.
func (d *daemon) work(ctx context.Context, again secondSignal) error {
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	g, worked := errgroup.WithContext(ctx)
	g.Go(func() error {
		return caught(drain, func() error { d.handler.Reconcile(worked); return nil })
	})
	over := make(chan struct{})
	g.Go(func() error {
		defer drain()
		defer close(over)
		return caught(drain, func() error { return d.worker.Run(ctx) })
	})
	g.Go(func() error {
		select {
		case <-again:
			d.worker.Hurry()
		case <-over:
		}
		return nil
	})
	if d.cfg.instance {
		g.Go(func() error {
			if ecs.NewInstance(ecs.MetadataURL).Wait(ctx) {
				d.log.Warn("instance_going", zap.String("reason", "EC2 takes this instance away: a Spot notice, or its Auto Scaling group's choice"))
				drain()
			}
			return nil
		})
	}
	if p := d.cfg.protection; p != nil {
		g.Go(func() error {
			p.Renew(ctx, func(err error) { d.log.Warn("protection_failed", zap.Bool("on", true), zap.Error(err)) })
			return nil
		})
	}
	return g.Wait()
}

// caught calls f, and makes an error of its panic: a line of the log, where the Go runtime would write text. The rest of
// the daemon drains then.
func caught(drain func(), f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v: %s", v, debug.Stack())
			drain()
		}
	}()
	return f()
}
