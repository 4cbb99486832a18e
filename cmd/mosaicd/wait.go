package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
)

// waitFlags are those of commands that put a message on the queue.
type waitFlags struct {
	Wait    bool          `help:"Stay until the job has ended, and show how far it is. Needs --output-bucket."`
	Timeout time.Duration `help:"Give up waiting after that time; 0 waits forever. The job goes on." default:"0" placeholder:"DURATION"`
	Output  string        `help:"What is printed: text, or json (one object: the job's id and the SQS message's, or with --wait the job's record)." enum:"text,json" default:"text"`
	recordFlags

	decision string // that the job must have taken in before its end counts
}

// sendAndWait sends a message, prints the ids of its jobs, and waits for them where
// that was asked for.
func (f *waitFlags) sendAndWait(ctx context.Context, std streams, queue string, body []byte, ids []string) error {
	var watcher *watcher
	if f.Wait { // before the message is sent: it can't be called back
		records, cloud, err := f.open(ctx)
		if err != nil {
			return err
		}
		watcher = newWatcher(records, cloud, std)
		defer watcher.bar.leave()
	}
	cfg, err := awsConfig(ctx)
	if err != nil {
		return err
	}
	sent, err := sqs.NewFromConfig(cfg).SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &queue, MessageBody: aws.String(string(body)),
	})
	if err != nil {
		return fmt.Errorf("send to %s: %w", queue, err)
	}
	if err := f.printIDs(std, aws.ToString(sent.MessageId), ids); err != nil || !f.Wait {
		return err
	}
	if f.Timeout > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeoutCause(ctx, f.Timeout, errTimeout)
		defer cancel()
	}
	for _, id := range ids {
		claim, err := watcher.wait(ctx, id, waitEvery, func(c *jobs.Claim) bool {
			return f.decision == "" || c.Decided(f.decision)
		})
		if err == nil {
			err = watcher.finish(ctx, claim, f.Output == "json")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *waitFlags) printIDs(std streams, message string, ids []string) error {
	if f.Output == "json" {
		if f.Wait {
			return nil // the record has the id
		}
		return json.NewEncoder(terminal.JSON(std.out)).Encode(struct {
			Jobs      []string `json:"jobs"`
			MessageID string   `json:"messageId"`
		}{ids, message})
	}
	if len(ids) == 0 {
		_, err := terminal.Fprintf(std.err, "sent as SQS message %s, which starts no job\n", message)
		return err
	}
	for _, id := range ids {
		if _, err := terminal.Fprintln(std.out, id); err != nil {
			return err
		}
	}
	return nil
}

const (
	// waitEvery is how often the record of a job is read.
	waitEvery = 2 * time.Second
	// unclaimed is how long a message may lie on the queue before a person is told
	// where to look.
	unclaimed = time.Minute
)

var errTimeout = errors.New("gave up waiting: --timeout is over; the job goes on, see \"mosaicd status\"")

// wait shows how far a job is until it has ended. Where taken is set there is a message
// on the queue: until a worker has read it, the job has no record, or one of which taken
// says that it is as it was.
func (w *watcher) wait(
	ctx context.Context, id string, every time.Duration, taken func(*jobs.Claim) bool,
) (*jobs.Claim, error) {
	hint := time.Now().Add(unclaimed)
	for {
		claim, err := w.records.Read(ctx, id)
		if err == nil && taken != nil && !taken(claim) {
			err = jobs.ErrNoSuchJob
		}
		switch {
		case err == nil && claim.State.Ended():
			return claim, nil
		case err == nil:
			err = w.show(ctx, claim)
		case taken != nil && errors.Is(err, jobs.ErrNoSuchJob):
			err = w.line(id+" waits on the queue", 0)
			if time.Now().After(hint) {
				hint = time.Now().Add(time.Hour)
				terminal.Fprintf(w.err, "no worker has taken the message for %s: see \"mosaicd doctor\", "+
					"and \"mosaicd dlq list\" for a message that was refused\n", unclaimed)
			}
		}
		if err != nil && ctx.Err() == nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(every):
		}
	}
}

// finish prints the record of a job that has ended. The error says how, unless it
// succeeded.
func (w *watcher) finish(ctx context.Context, c *jobs.Claim, asJSON bool) error {
	if c.State == jobs.StateSucceeded {
		w.bar.end()
	}
	w.bar.leave()
	if err := w.record(ctx, c, asJSON); err != nil {
		return err
	}
	return outcomeError(c)
}

// outcomeError returns an error unless a job succeeded.
func outcomeError(c *jobs.Claim) error {
	switch c.State {
	case jobs.StateSucceeded:
		return nil
	case jobs.StateReview:
		return reviewError{fmt.Errorf("job %s waits for a review: look at its output, "+
			"then mosaicd approve, reject or rerender %s", c.Job.ID, c.Job.ID)}
	}
	code := ""
	for _, s := range c.Steps {
		if s.Result != nil && s.Result.Error != nil {
			code = s.Result.Error.Code
		}
	}
	return endedError{fmt.Errorf("job %s %s", c.Job.ID, c.State), code}
}

// An endedError says that a job did not succeed.
type endedError struct {
	error
	code string // of the result's error
}

func (e endedError) Unwrap() error { return e.error }

// A reviewError says that a person must look at the output of a job.
type reviewError struct{ error }

func (e reviewError) Unwrap() error { return e.error }

// record prints the record of a job.
func (w *watcher) record(ctx context.Context, c *jobs.Claim, asJSON bool) error {
	if !asJSON {
		return w.print(ctx, c)
	}
	return printJSON(w.out, c)
}

func printJSON(to io.Writer, v any) error {
	e := json.NewEncoder(terminal.JSON(to))
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printLine prints a value as JSON on one line.
func printLine(to io.Writer, v any) error {
	e := json.NewEncoder(terminal.JSON(to))
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
