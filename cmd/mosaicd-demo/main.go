// Command mosaicd-demo shows the whole way of a video on this machine alone: it starts
// SQS, SNS, S3, MediaConvert and Rekognition on loopback and a mosaicd beside them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/mosaicd/mosaicd/internal/terminal"
)

// Exit codes, as mosaicd has them.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const about = `Shows the whole way of a video, from upload to result, on this machine alone, with no account and no configuration.

    mosaicd-demo                    a video that the demo makes: three moving faces, with sound
    mosaicd-demo my.mp4             a video of yours
    mosaicd-demo --serve            the same, and then keep running, for you to upload and to send messages
    mosaicd-demo --services         the services alone, for a "mosaicd run" of yours

Starts SQS, SNS, S3, MediaConvert and Rekognition on loopback and "mosaicd run" beside them, uploads the video, and waits for both results: the faces covered, and then the renditions for streaming. MediaConvert transcodes nothing here; its files are placeholders. Ends with the paths of the covered video, of pictures before and after, and of a page to check it with.`

// streams are the process's own.
type streams struct{ out, err io.Writer }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal kills
	os.Exit(run(ctx, os.Args[1:], streams{out: os.Stdout, err: os.Stderr}))
}

// A usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func run(ctx context.Context, args []string, std streams) int {
	helped := false
	parser, err := kong.New(&command{},
		kong.Name("mosaicd-demo"), kong.Description(about),
		kong.Writers(std.out, std.err), kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(std),
	)
	if err == nil {
		var parsed *kong.Context
		parsed, err = parser.Parse(args)
		switch {
		case helped:
			return exitDone
		case err != nil:
			err = usageError{err}
		default:
			err = parsed.Run()
		}
	}
	if err == nil {
		return exitDone
	}
	terminal.Fprintf(std.err, "mosaicd-demo: %s\n", terminal.EscapeError(err))
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}
