package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// exitSignal is added to the number of the signal by which a command was ended.
const exitSignal = 128

// lastTime is how long a command may go on after a second signal. The daemon needs it
// for the long poll that it has sent, of which messages may come, and to give them back.
const lastTime = 45 * time.Second

// An interruption is the cause of the end of a context by a signal.
type interruption struct{ signal syscall.Signal }

func (i interruption) Error() string { return "interrupted by " + unix.SignalName(i.signal) }

// A secondSignal is closed when somebody will not wait for what the first one began.
type secondSignal <-chan struct{}

// signals are those that this process has had.
type signals struct {
	again  secondSignal
	second atomic.Int32 // its number
}

// watchSignals returns a context that ends with the first SIGINT, SIGTERM or SIGHUP, and
// streams that end it, as by SIGPIPE, when nobody reads them any more. Commands then remove
// what they have half written. The second signal is for them to see; the third, or lastTime, ends the
// process.
//
// SIGPIPE itself is ignored: a broken connection of some client would bring it, too.
func watchSignals(std streams) (context.Context, *signals, streams) {
	ctx, cancel := context.WithCancelCause(context.Background())
	again := make(chan struct{})
	s := &signals{again: again}
	came := make(chan os.Signal, 3)
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(sig) { // as nohup has it, and shells for what runs in the background
			signal.Notify(came, sig)
		}
	}
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		next := func() syscall.Signal { return (<-came).(syscall.Signal) } // it is no other's on Unix
		cancel(interruption{next()})
		second := next()
		s.second.Store(int32(second))
		close(again)
		time.AfterFunc(lastTime, func() { os.Exit(exitSignal + int(second)) })
		os.Exit(exitSignal + int(next()))
	}()
	broken := func() { cancel(interruption{syscall.SIGPIPE}) }
	for _, stream := range []*io.Writer{&std.out, &std.err} {
		if f, ok := (*stream).(*os.File); ok {
			*stream = &pipe{f, broken}
		}
	}
	return ctx, s, std
}

// A pipe is a stream of this process, and says when nobody reads it any more.
type pipe struct {
	*os.File
	broken func()
}

func (p *pipe) Write(b []byte) (int, error) {
	n, err := p.File.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		p.broken()
	}
	return n, err
}

// code returns the exit code of a command that would end with another one if no signal had come.
func (s *signals) code(ctx context.Context, code int) int {
	if second := s.second.Load(); second != 0 {
		return exitSignal + int(second)
	}
	by, ok := errors.AsType[interruption](context.Cause(ctx))
	if ok && (code != exitDone || by.signal == syscall.SIGPIPE) {
		return exitSignal + int(by.signal)
	}
	return code
}
