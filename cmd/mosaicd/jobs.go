package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
)

type jobsCommand struct {
	recordFlags
	State  []string      `help:"Only jobs in that state: running, waiting (for MediaConvert or Rekognition), review, failed, cancelled, ignored or succeeded. Repeat the flag for more." placeholder:"STATE"`
	Route  string        `help:"Only jobs of that route." placeholder:"NAME"`
	Source string        `help:"Only jobs whose source begins so, as in s3://my-uploads/folder/." placeholder:"S3-URI"`
	Newer  time.Duration `help:"Only jobs that are younger than that, as in 24h." placeholder:"DURATION"`
	Older  time.Duration `help:"Only jobs that are older than that." placeholder:"DURATION"`
	Limit  int           `help:"How many are listed at most; 0 lists all." default:"50"`
	Output string        `help:"What is printed: text, or json (one object for each job and line)." enum:"text,json" default:"text"`
	Watch  bool          `help:"List them again and again, until interrupted."`
	Every  time.Duration `help:"How often --watch lists." default:"5s"`

	Reindex bool `help:"Write the index of all records anew instead of listing: finds the jobs of releases that wrote none."`
}

// Help is what --help says beyond the flags.
func (jobsCommand) Help() string {
	return `Examples:

    mosaicd jobs
    mosaicd jobs --state review
    mosaicd jobs --state failed --newer 24h --source s3://my-uploads/folder/
    mosaicd jobs --state succeeded --output json --limit 1000 | jq -r .job

Lists jobs, the newest first, by an index in the output bucket. Each page of a thousand jobs in a state costs one listing of S3, and each job that is shown one read. A source that was named more than once has several jobs.`
}

// A jobRow is what is said of one job: in JSON all of it.
type jobRow struct {
	Job       string         `json:"job"`
	State     jobs.State     `json:"state"`
	Kind      string         `json:"kind"` // of the step that it is at, or was at last
	Step      int            `json:"step"`
	Steps     int            `json:"steps"`
	Route     string         `json:"route,omitempty"`
	Source    string         `json:"source,omitempty"`
	Created   time.Time      `json:"createdAt"`
	Updated   time.Time      `json:"updatedAt"`
	Error     string         `json:"error,omitempty"` // its code
	Progress  *jobs.Progress `json:"progress,omitempty"`
	Cancelled bool           `json:"cancelRequested,omitempty"`
}

func newJobRow(c *jobs.Claim) jobRow {
	r := jobRow{
		Job: c.Job.ID, State: c.State, Steps: len(c.Steps), Route: c.Job.Route,
		Created: c.CreatedAt, Updated: c.UpdatedAt, Progress: c.Progress,
		Cancelled: c.CancelRequested && !c.State.Ended(),
	}
	if c.Job.Source.Bucket != "" {
		r.Source = c.Job.Source.String()
	}
	for i, s := range c.Steps {
		r.Step, r.Kind = i+1, s.Kind
		if s.Result != nil && s.Result.Error != nil {
			r.Error = s.Result.Error.Code
		}
		if !s.Published || s.Result.Status != jobs.StatusSucceeded {
			break
		}
	}
	return r
}

func (c *jobsCommand) Run(ctx context.Context, std streams) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	records, _, err := c.open(ctx)
	if err != nil {
		return err
	}
	if c.Reindex {
		return c.reindex(ctx, records, std)
	}
	for {
		now := time.Now()
		if c.Newer > 0 {
			query.Since = now.Add(-c.Newer)
		}
		if c.Older > 0 {
			query.Before = now.Add(-c.Older)
		}
		found, err := records.Find(ctx, query)
		if err == nil {
			err = c.print(std, found, now)
		}
		if err != nil && c.Watch && ctx.Err() != nil {
			return context.Cause(ctx)
		} else if err != nil || !c.Watch {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(c.Every):
		}
	}
}

func (c *jobsCommand) query() (jobs.Query, error) {
	q := jobs.Query{Route: c.Route, Source: c.Source, Limit: c.Limit}
	for _, names := range c.State {
		for name := range strings.SplitSeq(names, ",") {
			state, err := jobs.ParseState(name)
			if err != nil {
				return q, usagef("--state: %w", err)
			}
			q.States = append(q.States, state)
		}
	}
	switch {
	case c.Source != "" && !strings.HasPrefix(c.Source, "s3://"):
		return q, usagef("--source: must begin with s3:// (got %q)", c.Source)
	case c.Limit < 0:
		return q, usagef("--limit: must not be negative (got %d)", c.Limit)
	case c.Newer < 0 || c.Older < 0:
		return q, usagef("--newer and --older: must not be negative")
	case c.Newer > 0 && c.Older >= c.Newer:
		return q, usagef("--older: must be less than --newer (got %s and %s): no job is both", c.Older, c.Newer)
	case c.Watch && c.Every < time.Second:
		return q, usagef("--every: must be at least 1s (got %s)", c.Every)
	}
	return q, nil
}

// clearScreen puts the cursor at the top of an empty terminal.
const clearScreen = "\x1b[H\x1b[2J"

func (c *jobsCommand) print(std streams, found []*jobs.Claim, now time.Time) error {
	if c.Output == "json" {
		for _, claim := range found {
			if err := printLine(std.out, newJobRow(claim)); err != nil {
				return err
			}
		}
		return nil
	}
	if c.Watch && isTerminal(std.out) {
		if _, err := io.WriteString(std.out, clearScreen); err != nil {
			return err
		}
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	terminal.Fprintf(table, "JOB\tSTATE\tSTEP\tAGE\tROUTE\tSOURCE\n")
	for _, claim := range found {
		r := newJobRow(claim)
		terminal.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n",
			r.Job, r.state(), r.step(), age(now.Sub(r.Created)), r.Route, r.Source)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var err error
	switch {
	case len(found) == 0:
		_, err = terminal.Fprintln(std.err, "no such jobs. Jobs of releases without an index are missing here "+
			"until \"mosaicd jobs --reindex\" has been run once")
	case c.Limit > 0 && len(found) == c.Limit:
		_, err = terminal.Fprintf(std.err, "there may be more: these are the newest %d (--limit)\n", c.Limit)
	}
	return err
}

func (r jobRow) state() string {
	switch {
	case r.Error != "":
		return string(r.State) + " (" + r.Error + ")"
	case r.Cancelled:
		return string(r.State) + " (to be cancelled)"
	}
	return string(r.State)
}

func (r jobRow) step() string {
	step := fmt.Sprintf("%d/%d %s", r.Step, r.Steps, r.Kind)
	if r.Progress != nil && r.Progress.Percent != nil {
		step += fmt.Sprintf(" %s %.0f %%", r.Progress.Phase, *r.Progress.Percent)
	}
	return step
}

// age is how old something is, in its two largest units.
func age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

func (c *jobsCommand) reindex(ctx context.Context, records *jobs.Claims, std streams) error {
	n, err := records.Reindex(ctx, func(n int) { terminal.Fprintf(std.err, "%d records\n", n) })
	if err != nil {
		return fmt.Errorf("after %d records: %w", n, err)
	}
	_, err = terminal.Fprintf(std.out, "wrote the index of %d records\n", n)
	return err
}
