package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

type checkCommand struct {
	What []string `arg:"" optional:"" name:"WHAT" help:"Object, as s3://bucket/key, or file that holds an event; - is standard input."`

	Routes          string `help:"YAML file with routes, its s3:// URI, or the YAML itself. Without it the built-in ones." placeholder:"FILE" env:"MOSAICD_ROUTES"`
	Bytes           int64  `help:"Size of the object." default:"1000000" placeholder:"N"`
	ContentType     string `name:"content-type" help:"Content type of the object. Defaults to that of its extension." placeholder:"TYPE"`
	OutputBucket    string `name:"output-bucket" placeholder:"BUCKET" help:"Bucket for results, as the daemon has it. Without it, places in it are shown as s3://{output bucket}/…" env:"MOSAICD_OUTPUT_BUCKET"`
	OutputPrefix    string `name:"output-prefix" help:"As the daemon has it." default:"mosaic/" env:"MOSAICD_OUTPUT_PREFIX"`
	TranscodePrefix string `name:"transcode-prefix" help:"As the daemon has it." placeholder:"PREFIX/" env:"MOSAICD_TRANSCODE_PREFIX"`

	allowFlags
}

// Help is what --help says beyond the flags.
func (checkCommand) Help() string {
	return `Examples:

    mosaicd check --routes routes.yaml
    mosaicd check --routes routes.yaml s3://uploads/a.mp4 event.json
    aws sqs receive-message … | jq -r '.Messages[0].Body' | mosaicd check -

Reads no object and sends nothing; only routes at an s3:// URI are fetched. Ends with 2 when the routes or an event can't be read.`
}

func (c *checkCommand) Run(ctx context.Context, std streams) error {
	var cfg aws.Config
	if strings.HasPrefix(c.Routes, "s3://") {
		var err error
		if cfg, err = awsConfig(ctx); err != nil {
			return err
		}
	}
	table, err := loadRoutes(ctx, cfg, c.Routes)
	if err != nil {
		return err
	}
	jobsConfig := jobs.Config{
		OutputBucket: cmp.Or(c.OutputBucket, "{output bucket}"), OutputPrefix: c.OutputPrefix, TranscodePrefix: c.TranscodePrefix,
		Settings: jobs.DefaultSettings(), Routes: table,
	}
	c.allowFlags.set(&jobsConfig)
	if err := judgeRoutesPlace(c.Routes, jobsConfig); err != nil {
		return err
	}
	if len(c.What) == 0 {
		terminal.Fprintf(std.out, "the routes are valid:\n")
		for _, r := range table.Routes {
			terminal.Fprintf(std.out, "  %s: %s\n", r.Name, steps(r))
			if r.Sidecar.On {
				terminal.Fprintf(std.out, "    a clip.json %s\n", r.Sidecar)
			}
		}
		return nil
	}
	for _, what := range c.What {
		events, err := c.events(std.in, what)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := c.explain(std, what, e, jobsConfig); err != nil {
				return err
			}
		}
	}
	return nil
}

func steps(r routes.Route) string {
	var all []string
	for _, s := range r.Steps {
		all = append(all, s.String())
	}
	if all == nil {
		return "ignored"
	}
	return strings.Join(all, ", then ")
}

// events are those of a file, or the one that S3 would send for an object.
func (c *checkCommand) events(in io.Reader, what string) ([]event.Event, error) {
	if strings.HasPrefix(what, "s3://") {
		at, err := event.ParseLocation(what)
		if err != nil {
			return nil, usageError{err}
		}
		return []event.Event{event.ObjectCreated{Bucket: at.Bucket, Key: at.Key, Size: c.Bytes}}, nil
	}
	body, err := readMessage(in, what)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("%s: neither an s3:// URI nor a file", what)
	} else if err != nil {
		return nil, err
	}
	events, err := event.Decode(body)
	if err != nil {
		return nil, usagef("%s: the daemon would not understand it: %w", what, err)
	}
	return events, nil
}

func (c *checkCommand) explain(std streams, what string, e event.Event, cfg jobs.Config) error {
	say := func(format string, args ...any) { terminal.Fprintf(std.out, format+"\n", args...) }
	switch e := e.(type) {
	case event.ObjectCreated:
		contentType := c.ContentType
		if contentType == "" {
			contentType = mime.TypeByExtension(path.Ext(e.Key))
		}
		job, reason, err := jobs.Preview(e, contentType, cfg)
		if err != nil {
			return usageError{err}
		}
		if job == nil {
			say("%s: nothing: %s", e.Location(), reason)
			return nil
		}
		say("%s: route %s", e.Location(), job.Route)
		for i, s := range job.Steps {
			say("  %d. %s to %s", i+1, s.Kind, s.Destination)
		}
	case event.Unreadable:
		say("%s: %s: the message goes to the dead-letter queue when the other records were worked", what, e.Reason)
	case event.Request:
		what += ": " + e.Kind
		if e.Source.Bucket == "" {
			what += ", collection " + e.Options.Collection + ", as the message says"
		} else {
			what += " of " + e.Source.String() + ", as the message says"
		}
		switch err := cfg.JudgeRequest(e); {
		case err == nil:
			say("%s", what)
		case c.OutputBucket == "": // which a message may name
			say("%s; with no more than these settings it is refused: %v", what, err)
		default:
			say("%s: refused: %v", what, err)
		}
	case event.MediaConvertChanged:
		say("%s: MediaConvert says %s of its job %s: the job that started it goes on", what, e.Status, e.JobID)
	case event.FaceSearchEnded:
		say("%s: Rekognition reports %s for its search %s: the job that started it goes on", what, e.Status, e.JobID)
	case event.TestNotification:
		say("%s: nothing: S3 tests the notifications of bucket %s", what, e.Bucket)
	case event.Ignored:
		if e.Bucket == "" { // not about an object
			say("%s: nothing: %s: %s", what, e.Name, e.Reason)
			break
		}
		say("%s: nothing: %s", event.Location{Bucket: e.Bucket, Key: e.Key}, e.Reason)
	default:
		return fmt.Errorf("%s: check cannot explain this event (%T): please report it", what, e)
	}
	return nil
}
