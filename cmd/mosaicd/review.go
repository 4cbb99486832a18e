package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/event"
)

// reviewFlags are those of the commands that decide about a job in review.
type reviewFlags struct {
	Job      string `arg:"" name:"JOB" help:"Id of a job in review or of one of its results, or s3://bucket/key of a source: its newest job in review."`
	QueueURL string `name:"queue-url" placeholder:"URL" help:"SQS queue of the daemon. Required." env:"MOSAICD_QUEUE_URL"`
	waitFlags
}

type approveCommand struct {
	reviewFlags
	Reason string `help:"Why, for the result and the record." placeholder:"TEXT"`
}

// Help is what --help says beyond the flags.
func (approveCommand) Help() string {
	return `Examples:

    mosaicd jobs --state review
    mosaicd approve fde3c882ec9929fc026df4df2cad7755
    mosaicd approve s3://my-uploads/folder/a.mp4 --reason "a poster, nobody's face" --wait

The output is taken as it is: the result says succeeded, and the steps that follow are done. ` + reviewHelp
}

type rejectCommand struct {
	reviewFlags
	Reason     string `help:"Why: the error's message in the result. Required." placeholder:"TEXT"`
	KeepOutput bool   `name:"keep-output" help:"Leave the output where it is."`
}

// Help is what --help says beyond the flags.
func (rejectCommand) Help() string {
	return `Examples:

    mosaicd reject fde3c882ec9929fc026df4df2cad7755 --reason "a face at 0:12"
    mosaicd reject s3://my-uploads/folder/a.mp4 --reason "the wrong video" --keep-output

The job fails: the result says failed with the code "rejected" and the reason, no step follows, and the output that was held back is deleted. The source is not touched. ` + reviewHelp
}

type rerenderCommand struct {
	reviewFlags
	Regions string `help:"JSON with what to cover in addition and what not to cover, as the page of 'mosaicd mosaic --report' saves it: see docs/faces.md. Replaces the regions of the attempt before; without it they stay." placeholder:"FILE"`
	Reason  string `help:"Why, for the result and the record." placeholder:"TEXT"`
}

// Help is what --help says beyond the flags.
func (rerenderCommand) Help() string {
	return `Examples:

    aws s3 cp s3://my-uploads/folder/a.mp4 a.mp4
    mosaicd mosaic --verify --report report.html a.mp4 covered.mp4
    mosaicd rerender s3://my-uploads/folder/a.mp4 --regions regions.json --wait

The mosaic is made once more from the same source, and its output replaces the one that was held back. Draw what is to be covered on the page report.html, strike out what is not, and save regions.json there. When faces are still found afterwards the job is in review again. ` + reviewHelp
}

const reviewHelp = `The command puts a message on the queue, for a worker to do it (docs/messages.md). Said twice, it counts once; of two that contradict each other the first one counts. Exit status: 0 when the message was sent, or with --wait when the job has succeeded; with --wait 3 when the job is in review again; 2 when the command line is wrong; 1 otherwise, also when the job is not in review.`

func (c *approveCommand) Run(ctx context.Context, std streams) error {
	return c.decide(ctx, std, event.Request{Kind: event.KindApprove, Reason: c.Reason})
}

func (c *rejectCommand) Run(ctx context.Context, std streams) error {
	if c.Reason == "" {
		return usagef("--reason is missing: it becomes the error's message in the result")
	}
	r := event.Request{Kind: event.KindReject, Reason: c.Reason, KeepOutput: c.KeepOutput}
	err := c.decide(ctx, std, r)
	var rejected endedError
	if errors.As(err, &rejected) && rejected.code == jobs.CodeRejected {
		return nil // as it was asked for
	}
	return err
}

func (c *rerenderCommand) Run(ctx context.Context, std streams) (err error) {
	r := event.Request{Kind: event.KindRerender, Reason: c.Reason}
	if c.Regions != "" {
		if _, r.Regions, err = readRegions(c.Regions); err != nil {
			return err
		}
	}
	return c.decide(ctx, std, r)
}

// decide sends the message after a look at the job's record: what can't be decided is
// said at once, and not by a dead letter.
func (f *reviewFlags) decide(ctx context.Context, std streams, r event.Request) error {
	if err := checkQueue("--queue-url", f.QueueURL, ""); err != nil {
		return err
	}
	records, _, err := f.open(ctx)
	if err != nil {
		return err
	}
	id, err := resolve(ctx, records, f.Job, std, func(s jobs.State) bool { return s == jobs.StateReview })
	if err != nil {
		return err
	}
	claim, err := records.Read(ctx, id)
	if err != nil {
		return err
	}
	r.Version, r.Job, r.Token = event.RequestVersion, claim.Job.ID, newToken()
	if err := r.Validate(); err != nil {
		return usageError{err}
	}
	if err := claim.JudgeDecision(r); errors.Is(err, jobs.ErrDecided) {
		_, err := terminal.Fprintf(std.err, "nothing to do: %v\n", err)
		return err
	} else if err != nil {
		return err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the message: %w", err)
	}
	f.decision = r.Token
	return f.sendAndWait(ctx, std, f.QueueURL, body, []string{r.Job})
}
