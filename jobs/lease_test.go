package jobs

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/event"
)

func (b *bench) lease() *lease {
	b.t.Helper()
	job := Job{ID: id(b.t.Name()), Source: event.Location{Bucket: uploads, Key: "a.mp4"}, Steps: []Step{{Kind: KindMosaic}}}
	l, _, err := b.h.take(context.Background(), job, "message-1")
	if err != nil || l == nil {
		b.t.Fatalf("%v, %v", l, err)
	}
	return l
}

// TestLeaseIsLost: whoever took over is not overwritten.
func TestLeaseIsLost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := context.Background()
	l := b.lease()
	stored := b.claim(l.claim.Job.ID)
	if _, err := b.h.takeOver(ctx, stored, "message-2", nil); !errors.As(err, new(busyError)) {
		t.Errorf("taken over while it was held: %v", err)
	}
	stored.LeaseEnds = time.Now().Add(-time.Second)
	other, err := b.h.takeOver(ctx, stored, "message-2", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.change(ctx, func(c *Claim) { c.State = StateFailed }); !errors.Is(err, errLost) {
		t.Errorf("error is %v", err)
	}
	if err := l.release(ctx); err != nil {
		t.Errorf("release: %v", err)
	}
	if err := other.leave(ctx, StateSucceeded); err != nil {
		t.Errorf("the other one: %v", err)
	}
	// Also when the other one is done with it.
	if err := l.change(ctx, func(c *Claim) { c.State = StateFailed }); !errors.Is(err, errLost) {
		t.Errorf("error is %v", err)
	}
	if c := b.claim(l.claim.Job.ID); c.State != StateSucceeded || c.MessageID != "message-2" {
		t.Errorf("the claim is %+v", c)
	}
}

// TestLeaseAnswerLost: a write whose answer didn't come is not somebody else's.
func TestLeaseAnswerLost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := context.Background()
	for _, s := range []State{StateRunning, StateWaiting, StateSucceeded} {
		l := b.lease()
		before := l.claim.etag
		if err := l.change(ctx, func(c *Claim) {
			if c.State = s; s != StateRunning {
				c.Owner = ""
			}
		}); err != nil {
			t.Fatal(err)
		}
		l.claim.etag = before // as if it had been repeated by the SDK
		if err := l.merge(ctx); err != nil {
			t.Errorf("%s: %v", s, err)
		}
		stored := b.claim(l.claim.Job.ID)
		stored.State, stored.Owner, stored.LeaseEnds = StateRunning, "", time.Time{}
		if err := b.h.claims.save(ctx, stored); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCancelWhileRunning: the worker learns of it when it renews its lease.
func TestCancelWhileRunning(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Lease = time.Second })
	body := created(record("a.mp4", b.put("a.mp4", "video", nil), 5))
	job := id("upload", uploads, "a.mp4", "", b.put("a.mp4", "video", nil), "0A")
	b.engine.do = func(ctx context.Context, s ffmpeg.Spec) (ffmpeg.Report, error) {
		if _, err := b.h.claims.Cancel(context.Background(), job, b.cloud); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		return ffmpeg.Report{}, ctx.Err()
	}
	if err := b.handle(body, 1); err != nil {
		t.Fatal(err)
	}
	if r := b.one(); r.Status != StatusCancelled || r.Error.Code != CodeCancelled || b.claim(job).State != StateCancelled {
		t.Errorf("result is %+v", r)
	}
	b.checkClean()
}

// TestLeaseIsKept: a job may take longer than its lease.
func TestLeaseIsKept(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Lease = time.Second })
	etag := b.put("a.mp4", "video", nil)
	job := id("upload", uploads, "a.mp4", "", etag, "0A")
	b.engine.do = func(ctx context.Context, s ffmpeg.Spec) (ffmpeg.Report, error) {
		if s.Op == ffmpeg.OpDetect {
			return ffmpeg.Report{Detections: []byte(`{"Faces":[]}`)}, nil
		}
		for first := b.claim(job).LeaseEnds; !b.claim(job).LeaseEnds.After(first.Add(time.Second)); {
			select {
			case <-ctx.Done():
				return ffmpeg.Report{}, ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
		return ffmpeg.Report{Frames: 1}, os.WriteFile(s.Output, []byte("covered"), 0o600)
	}
	if err := b.handle(created(record("a.mp4", etag, 5)), 1); err != nil {
		t.Fatal(err)
	}
	b.one()
}

// TestReleased: what a worker gives back can be taken at once.
func TestReleased(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithCancel(context.Background())
	b.engine.do = func(context.Context, ffmpeg.Spec) (ffmpeg.Report, error) {
		cancel()
		return ffmpeg.Report{}, errors.New("stopped")
	}
	body := created(record("a.mp4", b.put("a.mp4", "video", nil), 5))
	if err := b.h.Handle(ctx, message(body, 1)); err == nil {
		t.Fatal("it went well")
	}
	b.engine.do = nil
	if err := b.handle(body, 2); err != nil {
		t.Fatal(err)
	}
	if r := b.one(); r.Status != StatusSucceeded {
		t.Errorf("result is %+v", r)
	}
}
