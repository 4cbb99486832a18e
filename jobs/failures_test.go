package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sys/unix"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// video is an event of a new video.
func (b *bench) video() string { return b.upload(uploads, "a.mp4", "video") }

func (b *bench) handleIn(ctx context.Context, body string) error {
	return b.h.Handle(ctx, message(body, 1))
}

// TestEveryFailureCounts: whatever it is that fails, the job ends after so many attempts and its
// result says why.
func TestEveryFailureCounts(t *testing.T) {
	t.Parallel()
	type failing struct {
		err      error // of the engine
		code     string
		attempts int
	}
	for name, ca := range map[string]failing{
		"disk full":           {ffmpeg.Errorf(ffmpeg.CodeDiskFull, "no space left on device"), "disk_full", 3},
		"disk full, ours":     {fmt.Errorf("write: %w", unix.ENOSPC), "disk_full", 3},
		"quota":               {fmt.Errorf("write: %w", unix.EDQUOT), "disk_full", 3},
		"no room":             {&noRoomError{scratch: "/x", free: 1, source: 2, need: 3}, "disk_full", 3},
		"stalled":             {&ffmpeg.CrashError{Reason: ffmpeg.ReasonStalled}, "engine_stalled", 2},
		"crashed":             {&ffmpeg.CrashError{Signal: "SIGSEGV"}, "engine_crashed", 2},
		"out of memory":       {&ffmpeg.CrashError{Reason: ffmpeg.ReasonMemory}, "engine_out_of_memory", 2},
		"no memory, it says":  {ffmpeg.Errorf(ffmpeg.CodeMemory, "no memory"), "engine_out_of_memory", 2},
		"CPU time":            {&ffmpeg.CrashError{Reason: ffmpeg.ReasonCPUTime}, "engine_cpu_time", 2},
		"killed":              {&ffmpeg.CrashError{Reason: ffmpeg.ReasonKilled}, "engine_killed", 3},
		"the engine":          {ffmpeg.Errorf(ffmpeg.CodeEngine, "no such preset"), "engine_failed", 3},
		"something else":      {errors.New("who knows"), "attempts_failed", 3},
		"an answer of S3":     {answered(http.StatusInternalServerError, "InternalError"), "attempts_failed", 3},
		"a redirection of S3": {answered(http.StatusMovedPermanently, "PermanentRedirect"), "attempts_failed", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.engine.do = func(context.Context, ffmpeg.Spec) (ffmpeg.Report, error) { return ffmpeg.Report{}, ca.err }
			event := b.video()
			for attempt := range ca.attempts - 1 {
				if err := b.handle(event, attempt+1); !errors.Is(err, ca.err) {
					t.Fatalf("attempt %d: %v", attempt+1, err)
				}
				if all := b.published(); len(all) != 0 {
					t.Fatalf("published %+v", all)
				}
			}
			b.mustHandle(event)
			r := b.one()
			b.wantCode(r, StatusFailed, ca.code)
			if want := fmt.Sprintf("(in %d attempts)", ca.attempts); !strings.Contains(r.Error.Message, want) {
				t.Errorf("message %q doesn't say %q", r.Error.Message, want)
			}
			if s := b.claim(r.Job).Steps[0]; s.Failures != ca.attempts || s.LastFailure == nil || s.LastFailure.Code != ca.code {
				t.Errorf("the record says %+v", s)
			}
			b.mustHandle(event) // and that was it
			if all := b.published(); len(all) != 0 {
				t.Errorf("published again: %+v", all)
			}
			b.checkClean()
		})
	}
}

// answered is an error as the SDK gives it.
func answered(status int, code string) error {
	return &smithy.OperationError{ServiceID: "S3", OperationName: "GetObject", Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "no"},
	}}
}

// TestNobodysFailure: what AWS does to everybody doesn't end a job, and neither does a worker
// that stops.
func TestNobodysFailure(t *testing.T) {
	t.Parallel()
	stopping := errors.New("worker is stopping")
	for name, failed := range map[string]error{
		"denied":         answered(http.StatusForbidden, "AccessDenied"),
		"slow down":      answered(http.StatusServiceUnavailable, "SlowDown"),
		"throttled":      answered(http.StatusBadRequest, "ThrottlingException"),
		"too many":       answered(http.StatusBadRequest, "LimitExceededException"),
		"no credentials": &smithy.OperationError{ServiceID: "S3", Err: errors.New("failed to refresh cached credentials")},
		"out of reach":   fmt.Errorf("read: %w", &net.OpError{Op: "read", Err: unix.ECONNRESET}),
		"cut off":        fmt.Errorf("download: %w", io.ErrUnexpectedEOF),
		"stopping":       stopping,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			event := b.video()
			for range 3 * DefaultMaxAttempts {
				ctx, cancel := context.WithCancelCause(t.Context())
				b.engine.do = func(context.Context, ffmpeg.Spec) (ffmpeg.Report, error) {
					if errors.Is(failed, stopping) {
						cancel(stopping)
					}
					return ffmpeg.Report{}, failed
				}
				err := b.handleIn(ctx, event)
				cancel(nil)
				if err == nil {
					t.Fatal("the job ended")
				}
			}
			b.engine.do = nil
			b.mustHandle(event)
			r := b.one()
			if s := b.claim(r.Job).Steps[0]; r.Status != StatusSucceeded || s.Failures != 0 || s.MachineFailures != 0 {
				t.Errorf("result is %+v, the record says %+v", r, s)
			}
		})
	}
}

// tooLong is what package worker ends a context with.
type tooLong struct{}

func (tooLong) Error() string { return "message took too long" }
func (tooLong) Timeout() bool { return true }

// TestTimeOutsCount: the attempt that took too long can't publish anything, the next does.
func TestTimeOutsCount(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	event := b.video()
	for range DefaultMaxAttempts {
		ctx, cancel := context.WithCancelCause(t.Context())
		b.engine.do = func(ctx context.Context, _ ffmpeg.Spec) (ffmpeg.Report, error) {
			cancel(tooLong{})
			<-ctx.Done()
			return ffmpeg.Report{}, context.Cause(ctx)
		}
		err := b.handleIn(ctx, event)
		cancel(nil)
		if !errors.Is(err, tooLong{}) {
			t.Fatalf("error is %v", err)
		}
	}
	runs := b.engine.runs()
	b.mustHandle(event)
	r := b.one()
	b.wantCode(r, StatusFailed, CodeTimedOut)
	if !strings.Contains(r.Error.Message, "message took too long") || !strings.Contains(r.Error.Message, "(in 3 attempts)") || b.engine.runs() != runs {
		t.Errorf("%q after %d runs", r.Error.Message, b.engine.runs())
	}
}

// TestMachineFailures: a scratch folder that is gone is the machine's fault, and not the job's.
func TestMachineFailures(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	event := b.video()
	if err := b.h.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(b.scratch); err != nil {
		t.Fatal(err)
	}
	if err := b.h.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), b.scratch) {
		t.Errorf("it says that it is ready: %v", err)
	}
	for range machineAttempts*DefaultMaxAttempts - 1 {
		err := b.handle(event, 1)
		if fault, ok := errors.AsType[*MachineError](err); !ok || !strings.Contains(fault.MachineFault(), b.scratch) {
			t.Fatalf("error is %v", err)
		}
	}
	if err := os.Mkdir(b.scratch, 0o700); err != nil {
		t.Fatal(err)
	}
	b.mustHandle(event)
	if r := b.one(); r.Status != StatusSucceeded || b.claim(r.Job).Steps[0].Failures != 0 {
		t.Errorf("result is %+v", r)
	}

	// On every machine it ends as well.
	other := b.upload(uploads, "b.mp4", "video")
	if err := os.RemoveAll(b.scratch); err != nil {
		t.Fatal(err)
	}
	for range machineAttempts*DefaultMaxAttempts - 1 {
		if err := b.handle(other, 1); err == nil {
			t.Fatal("the job ended")
		}
	}
	b.mustHandle(other)
	b.wantCode(b.one(), StatusFailed, CodeScratchFailed)
}

// TestDiskFullOfOthers: room that other jobs of this worker need is nobody's fault at first.
func TestDiskFullOfOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.h.working.Add(1)
	b.engine.do = func(context.Context, ffmpeg.Spec) (ffmpeg.Report, error) {
		return ffmpeg.Report{}, ffmpeg.Errorf(ffmpeg.CodeDiskFull, "no space left on device")
	}
	event := b.video()
	for range machineAttempts*DefaultMaxAttempts - 1 {
		if err := b.handle(event, 1); err == nil || errors.As(err, new(*MachineError)) {
			t.Fatalf("error is %v", err)
		}
	}
	b.mustHandle(event)
	b.wantCode(b.one(), StatusFailed, "disk_full")
}

// A brokenS3 answers every GET of one object with 500.
type brokenS3 struct {
	S3
	key   string
	calls atomic.Int32
}

func (s *brokenS3) GetObject(ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	if *in.Key == s.key {
		s.calls.Add(1)
		return nil, answered(http.StatusInternalServerError, "InternalError")
	}
	return s.S3.GetObject(ctx, in, o...)
}

// TestBrokenObject: S3 fails for one object, whose job ends.
func TestBrokenObject(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	broken := &brokenS3{S3: b.s3, key: "a.mp4"}
	b.h.store = newStore(broken)
	event := b.video()
	for range DefaultMaxAttempts - 1 {
		if err := b.handle(event, 1); err == nil {
			t.Fatal("the job ended")
		}
	}
	b.mustHandle(event)
	b.wantCode(b.one(), StatusFailed, CodeAttemptsFailed)
	if broken.calls.Load() == 0 {
		t.Error("it was not asked for")
	}
}

func TestMaxWorkRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.engine.probe = ffmpeg.Media{Format: "mov,mp4", Codec: "h264", Duration: 86400, Width: 3840, Height: 2160, FrameRate: 60}
	b.mustHandle(b.video())
	r := b.one()
	b.wantCode(r, StatusFailed, CodeWorkTooLarge)
	for _, want := range []string{"would take this worker about", "more than 8h0m0s (--max-work)", "5184000 frames of 3840x2160 pixels"} {
		if !strings.Contains(r.Error.Message, want) {
			t.Errorf("%q doesn't say %q", r.Error.Message, want)
		}
	}
	if n := len(b.engine.specs); n != 1 {
		t.Errorf("the engine was asked %d times", n)
	}
	b.checkClean()
}

// TestMaxWorkEnds: the file said less than there is in it.
func TestMaxWorkEnds(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"mosaic", "remux"} {
		b := newBench(t, func(c *Config) { c.MaxWork = time.Second }, routed("  - {name: all, steps: ["+kind+"]}\n"))
		b.engine.probe = ffmpeg.Media{Format: "mov,mp4", Codec: "h264", Duration: 1, Width: 320, Height: 240, FrameRate: 10}
		b.engine.do = func(ctx context.Context, _ ffmpeg.Spec) (ffmpeg.Report, error) {
			<-ctx.Done()
			return ffmpeg.Report{}, fmt.Errorf("engine stopped: %w", context.Cause(ctx))
		}
		b.mustHandle(b.video())
		r := b.one()
		b.wantCode(r, StatusFailed, CodeWorkTooLarge)
		if !strings.Contains(r.Error.Message, "it was ended after 1s (--max-work)") {
			t.Errorf("%s: %q", kind, r.Error.Message)
		}
		b.checkClean()
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	p := newPace(4)
	const frame = 1920 * 1080
	if got := p.speed("h264", "medium") / frame / 4; got < 5.5 || got > 6.5 { // docs/cost.md: 6.1
		t.Errorf("%.1f frames a second of one core", got)
	}
	start := p.speed("hevc", "slow")
	if start >= p.speed("h264", "slow") || p.speed("h264", "nonsense") != p.speed("h264", "medium") {
		t.Error("speeds make no sense")
	}
	p.observe("hevc", "slow", 1e12, leastSeen-1)
	if p.speed("hevc", "slow") != start {
		t.Error("a video that took no time counts")
	}
	for range 50 {
		p.observe("hevc", "slow", 2*start*60, time.Minute)
	}
	if got := p.speed("hevc", "slow") / start; got < 1.99 || got > 2 {
		t.Errorf("after fifty videos twice as fast: %.2f times", got)
	}
	for range 50 {
		p.observe("hevc", "slow", 1, time.Hour)
	}
	if got := start / p.speed("hevc", "slow"); got != farOff {
		t.Errorf("slower by %.1f", got)
	}
	if got := work(ffmpeg.Media{Width: 35e3, Height: 1e3}, 1e12, 1); got != 24000*time.Hour {
		t.Errorf("%s", got)
	}
	if got := framesOf(ffmpeg.Media{Duration: 2}); got != 120 {
		t.Errorf("%v frames of an unknown rate", got)
	}
	for want, s := range map[string]Settings{"h264": {Codec: "auto"}, "hevc": {Codec: "hevc"}} {
		if got := outputCodec(s, ffmpeg.Media{Codec: "vp9"}); got != want {
			t.Errorf("%+v: %s", s, got)
		}
	}
	if outputCodec(Settings{}, ffmpeg.Media{Codec: "hevc"}) != "hevc" {
		t.Error("HEVC becomes something else")
	}
}
