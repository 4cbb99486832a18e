package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/schollz/progressbar/v3"

	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/event"
)

// recordFlags say where the daemon keeps the records of jobs.
type recordFlags struct {
	OutputBucket string `name:"output-bucket" placeholder:"BUCKET" help:"The daemon's bucket for results. Required." env:"MOSAICD_OUTPUT_BUCKET"`
	StatePrefix  string `name:"state-prefix" help:"The daemon's." default:".mosaicd/" env:"MOSAICD_STATE_PREFIX"`
}

func (f recordFlags) open(ctx context.Context) (*jobs.Claims, *mediaconvert.Client, error) {
	if f.OutputBucket == "" {
		return nil, nil, usagef("--output-bucket is missing: the daemon's S3 bucket for results")
	}
	cfg, err := awsConfig(ctx)
	if err != nil {
		return nil, nil, err
	}
	return jobs.NewClaims(newS3(cfg), f.OutputBucket, f.StatePrefix), mediaconvert.NewFromConfig(cfg), nil
}

type statusCommand struct {
	Job string `arg:"" name:"JOB" help:"Id of a job or of one of its results, or s3://bucket/key of a source: its newest job."`
	recordFlags
	Watch bool          `help:"Stay until the job has ended, and show how far it is."`
	Every time.Duration `help:"How often --watch looks." default:"2s"`
	JSON  bool          `name:"json" help:"Print the record as the daemon keeps it."`
}

// Help is what --help says beyond the flags.
func (statusCommand) Help() string {
	return `Examples:

    mosaicd status fde3c882ec9929fc026df4df2cad7755
    mosaicd status fde3c882ec9929fc026df4df2cad7755 --watch
    mosaicd status s3://my-uploads/folder/a.mp4

Reads the job's record in the output bucket, and asks MediaConvert how far its jobs are. What a worker does itself is at most ten seconds old. "mosaicd send" prints the id of a job; it is also in results ("job"), in the log ("job_id") and in the user metadata of MediaConvert's jobs ("mosaicd-job"), and "mosaicd jobs" lists them. With --watch the exit status is 0 when the job succeeded, 3 when a person must look at its output (status "review"), and 1 otherwise.`
}

func (c *statusCommand) Run(ctx context.Context, std streams) error {
	records, cloud, err := c.open(ctx)
	if err != nil {
		return err
	}
	w := newWatcher(records, cloud, std)
	defer w.bar.leave()
	id, err := resolve(ctx, records, c.Job, std, func(jobs.State) bool { return true })
	if err != nil {
		return err
	}
	if c.Watch {
		claim, err := w.wait(ctx, id, c.Every, nil)
		if err != nil && ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
		return w.finish(ctx, claim, c.JSON)
	}
	claim, err := records.Read(ctx, id)
	if err != nil {
		return err
	}
	return w.record(ctx, claim, c.JSON)
}

// A watcher prints records of jobs.
type watcher struct {
	records  *jobs.Claims
	cloud    *mediaconvert.Client
	out, err io.Writer
	bar      *progress
	last     string // the line that was printed last
}

func newWatcher(records *jobs.Claims, cloud *mediaconvert.Client, std streams) *watcher {
	return &watcher{records: records, cloud: cloud, out: std.out, err: std.err, bar: newProgress("auto", std.err)}
}

func (w *watcher) print(ctx context.Context, c *jobs.Claim) error {
	say := func(format string, args ...any) { terminal.Fprintf(w.out, format+"\n", args...) }
	say("job      %s", c.Job.ID)
	if c.Job.Source.Bucket != "" {
		say("source   %s", c.Job.Source)
	}
	if c.Job.Route != "" {
		say("route    %s", c.Job.Route)
	}
	state := string(c.State)
	if c.State == jobs.StateRunning && c.Owner != "" {
		state += fmt.Sprintf(", by %s, whose lease ends at %s", c.Owner, c.LeaseEnds.Format(time.RFC3339))
	}
	if c.CancelRequested && !c.State.Ended() {
		state += ", to be cancelled"
	}
	say("state    %s", state)
	say("since    %s (last change %s)", c.CreatedAt.Format(time.RFC3339), c.UpdatedAt.Format(time.RFC3339))
	for i, s := range c.Steps {
		say("step %d/%d %s%s", i+1, len(c.Steps), s.Kind, outcome(s))
		if p := c.Progress; p != nil && p.Step == i+1 {
			say("  %s, %s ago", progressOf(*p), time.Since(p.At).Round(time.Second))
		}
		for _, part := range s.Cloud {
			line, err := w.part(ctx, part)
			if err != nil {
				return err
			}
			say("  %s", line)
		}
		for _, d := range s.Decisions {
			say("  %s at %s %s", d.Kind, d.At.Format(time.RFC3339), d.Reason)
		}
		if s.Result == nil {
			continue
		}
		for _, o := range s.Result.Outputs {
			if o.Kind != "thumbnail" {
				say("  %-9s %s", o.Kind, o.URI)
			}
		}
		if e := s.Result.Error; e != nil {
			say("  %s: %s", e.Code, e.Message)
		}
	}
	return nil
}

func outcome(s jobs.StepState) string {
	switch {
	case s.Result == nil && s.Failures > 0:
		return fmt.Sprintf(": failed %d times, tried again", s.Failures)
	case s.Result == nil:
		return ""
	case s.Published:
		return ": " + string(s.Result.Status) + ", published"
	}
	return ": " + string(s.Result.Status) + ", not published yet"
}

var phaseNames = map[jobs.Phase]string{
	jobs.PhaseDownload: "downloading",
	jobs.PhaseDetect:   "looking for faces",
	jobs.PhaseEncode:   "covering, encoding",
	jobs.PhaseVerify:   "looking for faces in the output",
	jobs.PhaseReport:   "drawing what was covered",
	jobs.PhaseRemux:    "copying into another container",
	jobs.PhaseUpload:   "uploading",
}

// progressOf says how far a step is that a worker does itself.
func progressOf(p jobs.Progress) string {
	line := phaseNames[p.Phase]
	if p.Percent != nil {
		line += fmt.Sprintf(", %.0f %%", *p.Percent)
	}
	if p.Frames > 0 {
		line += fmt.Sprintf(", %d frames", p.Frames)
	}
	return line
}

// resolve returns the id of the job that a person named: by an id, or by its source,
// which names the newest of its jobs in a state that is meant, or else the newest.
func resolve(
	ctx context.Context, records *jobs.Claims, name string, std streams, meant func(jobs.State) bool,
) (string, error) {
	if !strings.HasPrefix(name, "s3://") {
		return name, nil
	}
	at, err := event.ParseLocation(name)
	if err != nil {
		return "", usagef("JOB: %w", err)
	}
	const some = 100
	found, err := records.OfSource(ctx, at, some)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("%w: none has the source %s. \"mosaicd check\" says what would be done with it; "+
			"\"mosaicd jobs --reindex\" finds the jobs of older releases", jobs.ErrNoSuchJob, at)
	}
	chosen := found[max(slices.IndexFunc(found, func(c *jobs.Claim) bool { return meant(c.State) }), 0)]
	if len(found) > 1 {
		terminal.Fprintf(std.err, "%s has %d jobs, this is %s: \"mosaicd jobs --source %s\" lists them\n",
			at, len(found), chosen.Job.ID, at)
	}
	return chosen.Job.ID, nil
}

// part is a line about one of MediaConvert's jobs.
func (w *watcher) part(ctx context.Context, p jobs.CloudJob) (string, error) {
	line := fmt.Sprintf("%s: MediaConvert job %s, attempt %d", p.Settings, p.JobID, p.Attempt)
	if p.JobID == "" || p.Status != "SUBMITTED" {
		return strings.TrimSpace(line + ", " + p.Status), nil
	}
	status, percent, err := w.ask(ctx, p.JobID)
	return fmt.Sprintf("%s, %s %d %%", line, status, percent), err
}

func (w *watcher) ask(ctx context.Context, id string) (status string, percent int, err error) {
	out, err := w.cloud.GetJob(ctx, &mediaconvert.GetJobInput{Id: &id})
	if err != nil {
		return "", 0, fmt.Errorf("ask MediaConvert for job %s: %w", id, err)
	}
	status = string(out.Job.Status)
	if out.Job.CurrentPhase != "" {
		status += " " + string(out.Job.CurrentPhase)
	}
	return status, int(aws.ToInt32(out.Job.JobPercentComplete)), nil
}

// show says how far a running job is: a bar in a terminal, else a line whenever
// something changed.
func (w *watcher) show(ctx context.Context, c *jobs.Claim) error {
	line, percent := terminal.Sprintf("%s %s", c.Job.ID, c.State), 0
	for i, s := range c.Steps {
		if s.Published {
			continue
		}
		line += terminal.Sprintf(", step %d/%d %s", i+1, len(c.Steps), s.Kind)
		if p := c.Progress; p != nil && p.Step == i+1 {
			line += ", " + phaseNames[p.Phase]
			if p.Percent != nil {
				percent = int(*p.Percent)
			}
		}
		for _, p := range s.Cloud {
			if p.JobID == "" || p.Status != "SUBMITTED" {
				continue
			}
			status, at, err := w.ask(ctx, p.JobID)
			if err != nil {
				return err
			}
			line += terminal.Sprintf(", %s %s", p.Settings, status)
			percent += at / len(s.Cloud)
		}
		break
	}
	return w.line(line, percent)
}

// line shows how far something is: a bar in a terminal, else a line whenever it
// changed.
func (w *watcher) line(what string, percent int) error {
	if w.bar.bar {
		w.bar.percent(what, percent)
		return nil
	}
	if what = terminal.Sprintf("%s, %d %%", what, percent); what != w.last {
		w.last = what
		terminal.Fprintln(w.err, what)
	}
	return nil
}

// percent shows a bar of its own for each description.
func (p *progress) percent(what string, n int) {
	if p.shown == nil {
		p.shown = progressbar.NewOptions(100, progressbar.OptionSetWriter(p.out), progressbar.OptionSetWidth(30), progressbar.OptionFullWidth())
	}
	p.shown.Describe(what)
	_ = p.shown.Set(n)
}

type cancelCommand struct {
	Job string `arg:"" name:"JOB" help:"Id of a job or of one of its results, or s3://bucket/key of a source: its newest job that has not ended."`
	recordFlags
}

// Help is what --help says beyond the flags.
func (cancelCommand) Help() string {
	return `Example:

    mosaicd cancel fde3c882ec9929fc026df4df2cad7755

The worker that has the job stops within half a minute, MediaConvert at once, and the result says cancelled. What was written already stays.`
}

func (c *cancelCommand) Run(ctx context.Context, std streams) error {
	records, cloud, err := c.open(ctx)
	if err != nil {
		return err
	}
	id, err := resolve(ctx, records, c.Job, std, func(s jobs.State) bool { return !s.Ended() })
	if err != nil {
		return err
	}
	claim, err := records.Cancel(ctx, id, cloud)
	if err != nil {
		return err
	}
	_, err = terminal.Fprintf(std.out, "asked for the end of job %s, which was %s\n", claim.Job.ID, claim.State)
	return err
}
