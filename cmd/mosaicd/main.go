// Command mosaicd covers faces in videos: as a daemon that works an SQS queue,
// and by hand on local files.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/ffmpeg/sandbox"
	"github.com/mosaicd/mosaicd/internal/terminal"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // the command line or a setting is wrong: restarting is no use
	exitReview = 3 // the job that was waited for has ended, and a person must look at its output
)

func main() {
	ctx, signals, std := watchSignals(streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	os.Exit(signals.code(ctx, run(ctx, os.Args[1:], std, signals.again)))
}

// streams are the process's own.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

type commands struct {
	Run      runCommand      `cmd:"" help:"Work the queue: the daemon."`
	Mosaic   mosaicCommand   `cmd:"" help:"Cover the faces in a local file."`
	Remux    remuxCommand    `cmd:"" help:"Put a local file, or an HLS recording, into another container, with nothing encoded again."`
	Faces    facesCommand    `cmd:"" help:"Look for faces in a file, and keep collections of people's faces."`
	Send     sendCommand     `cmd:"" help:"Put a message on the queue by hand."`
	Check    checkCommand    `cmd:"" help:"Say what would be done with an object or an event, and check the routes."`
	Status   statusCommand   `cmd:"" help:"Say how far a job is."`
	Jobs     jobsCommand     `cmd:"" help:"List jobs by state, route, age and source, the newest first."`
	Cancel   cancelCommand   `cmd:"" help:"Ask for the end of a job."`
	Approve  approveCommand  `cmd:"" help:"Take the output of a job in review as it is: the job goes on."`
	Reject   rejectCommand   `cmd:"" help:"Refuse the output of a job in review: the job fails, with your reason."`
	Rerender rerenderCommand `cmd:"" help:"Make the output of a job in review anew, with regions of yours."`
	DLQ      dlqCommand      `cmd:"" name:"dlq" help:"Look at dead letters, and send them back."`
	Doctor   doctorCommand   `cmd:"" help:"Check everything that the daemon needs, and say what to do."`
	Health   healthCommand   `cmd:"" help:"Ask a daemon on this machine whether it is well: for health checks."`
	Version  versionCommand  `cmd:"" help:"Print the version of mosaicd and of the libav in it."`

	Completion completionCommand `cmd:"" help:"Print what completes commands and flags in bash, zsh or fish."`
	Man        manCommand        `cmd:"" help:"Print the manual page, for man -l."`

	ShowVersion versionFlag `name:"version" help:"Print the version and exit."`

	Engine engineCommand `cmd:"" hidden:"" help:"Do one piece of work on a file: JSON on standard input says which."`
}

const about = `Covers faces in videos, leaves everything else as it was, and sends jobs to MediaConvert for the streaming renditions.

    mosaicd mosaic in.mp4 out.mp4  cover the faces in a file
    mosaicd run                    the daemon
    mosaicd help COMMAND           what a command takes, with examples`

// A usageError is a mistake of whoever called us.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

func run(ctx context.Context, args []string, std streams, again secondSignal) int {
	err := dispatch(ctx, args, std, again)
	if err == nil {
		return exitDone
	}
	if d, ok := errors.AsType[daemonError](err); ok {
		d.log.Error("daemon_failed", zap.Error(err))
	} else {
		// One line, whatever a file or a peer said.
		fmt.Fprintln(std.err, "mosaicd: "+terminal.EscapeError(err))
	}
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	if errors.As(err, new(reviewError)) {
		return exitReview
	}
	return exitFailed
}

func dispatch(ctx context.Context, args []string, std streams, again secondSignal) error {
	helped := false
	parser, err := kong.New(&commands{},
		kong.Name("mosaicd"), kong.Description(about),
		kong.Writers(std.out, std.err), kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(std, again),
	)
	if err != nil {
		return fmt.Errorf("command line: %w", err)
	}
	completeCommandLine(parser)
	switch {
	case helped: // the shell asked what could come next
		return nil
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help":
		args = append(slices.Clone(args[1:]), "--help")
	}
	command, err := parser.Parse(args)
	if helped {
		return nil
	}
	if err != nil {
		return usageError{nameVariable(parser, err)}
	}
	// Credentials are in this process's environment and memory, and its engine, which a
	// file may take over, is of the same user. An engine hides when it shuts itself in.
	if command.Selected() == nil || command.Selected().Name != "engine" {
		if err := sandbox.Hide(); err != nil {
			return err
		}
	}
	err = command.Run(parser)
	if errors.As(err, new(usageError)) {
		return usageError{nameVariable(parser, err)}
	}
	return err
}

var flagName = regexp.MustCompile(`--([a-z][a-z0-9-]*)`)

// nameVariable adds the environment variable to a complaint about a flag: in a
// container that is where the mistake is.
func nameVariable(parser *kong.Kong, err error) error {
	m := flagName.FindStringSubmatch(err.Error())
	if m == nil || strings.Contains(err.Error(), "the variable is") {
		return err
	}
	for _, command := range parser.Model.Children {
		for _, flag := range command.Flags {
			if flag.Name == m[1] && len(flag.Envs) > 0 {
				return fmt.Errorf("%w (the variable is %s)", err, flag.Envs[0])
			}
		}
	}
	return err
}
