package ffmpeg

import (
	"fmt"
	"strings"
)

// A Code is the stable name of a reason why a file could not be worked.
type Code string

const (
	// CodeNotVideo: libav does not know the file's format, or it is empty.
	CodeNotVideo Code = "not_a_video"
	// CodeNoVideoStream: the file is media, but there is no video in it.
	CodeNoVideoStream Code = "no_video_stream"
	// CodeUnsupported: sound media of a kind that can't be covered faithfully.
	CodeUnsupported Code = "unsupported_media"
	// CodeInvalid: the media is broken.
	CodeInvalid Code = "invalid_media"
	// CodeMemory: there was not enough memory for the file.
	CodeMemory Code = "engine_out_of_memory"
	// CodeDiskFull: there is no room for the output here and now.
	CodeDiskFull Code = "disk_full"
	// CodeEngine: the engine itself failed: a setting is wrong.
	CodeEngine Code = "engine_failed"
)

// An Error is the child's own word on why it could not do its work.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Errorf(format, args...).Error()}
}

func (e *Error) Error() string { return e.Message }

// InFile reports whether the file is at fault, so that trying again is no use.
func (e *Error) InFile() bool {
	return e.Code != CodeEngine && e.Code != CodeMemory && e.Code != CodeDiskFull
}

// A Reason is the stable name of how a child ended that could not say it.
type Reason string

const (
	ReasonCrashed Reason = "crashed"       // a fault in libav, most likely
	ReasonStalled Reason = "stalled"       // nothing happened for Engine.Stall
	ReasonMemory  Reason = "out_of_memory" // more than it may have
	ReasonCPUTime Reason = "cpu_time"      // the same
	ReasonKilled  Reason = "killed"        // by somebody else: by the kernel, where the machine's memory ran out
	// ReasonOutput: it said what no engine says, or more than one may. It was killed, and
	// nothing that it said is believed.
	ReasonOutput Reason = "invalid_output"
)

// A CrashError says that the child ended without a word of its own.
type CrashError struct {
	Reason   Reason
	Signal   string // SIGSEGV, SIGKILL, …; empty when it was no signal
	ExitCode int    // -1 after a signal
	Stderr   string // the last of what it said, at most 16 KiB
	Err      error  // what more is known; may be nil
}

func (e *CrashError) Unwrap() error { return e.Err }

func (e *CrashError) Error() string {
	how := fmt.Sprintf("exit code %d", e.ExitCode)
	if e.Signal != "" {
		how = e.Signal
	}
	if e.Reason != "" && e.Reason != ReasonCrashed {
		how = fmt.Sprintf("%s, %s", e.Reason, how)
	}
	if e.Err != nil {
		return fmt.Sprintf("engine stopped (%s): %v", how, e.Err)
	}
	if last := e.lastWord(); last != "" {
		return fmt.Sprintf("engine crashed (%s): %s", how, last)
	}
	return fmt.Sprintf("engine crashed (%s)", how)
}

// lastWord picks the line that tells most: what the Go runtime calls fatal, or
// else the last one.
func (e *CrashError) lastWord() string {
	last := ""
	for line := range strings.Lines(e.Stderr) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "fatal error:") || strings.HasPrefix(line, "panic:") {
			return line
		}
		if line != "" {
			last = line
		}
	}
	return last
}
