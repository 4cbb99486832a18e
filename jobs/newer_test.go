package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestClaimOfNewerRelease: what this release doesn't know stays byte for byte as it is,
// and the message comes again, for a worker that knows it.
func TestClaimOfNewerRelease(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(claim map[string]any){
		"a field":           func(c map[string]any) { c["budget"] = 1 },
		"a field of a job":  func(c map[string]any) { c["job"].(map[string]any)["tenant"] = "a" },
		"a field of a step": func(c map[string]any) { firstOf(c, "steps")["parts"] = []int{1, 2} },
		"a kind": func(c map[string]any) {
			firstOf(c, "steps")["kind"] = "package"
			firstOf(c["job"].(map[string]any), "steps")["kind"] = "package"
		},
		"a version": func(c map[string]any) { c["version"] = claimVersion + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			ctx := context.Background()
			message := b.upload(uploads, "a.mp4", "video")
			b.mustHandle(message)
			job := b.one().Job
			at := b.h.claims.location(job)
			read := func() string { body, _ := b.get(at.Bucket, at.Key); return body }
			var claim map[string]any
			if err := json.Unmarshal([]byte(read()), &claim); err != nil {
				t.Fatal(err)
			}
			claim["state"], claim["owner"], claim["leaseEnds"] = StateRunning, "newer", time.Now().Add(-time.Hour)
			firstOf(claim, "steps")["published"] = false
			delete(firstOf(claim, "steps"), "result")
			change(claim)
			body, err := json.Marshal(claim)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &at.Bucket, Key: &at.Key, Body: strings.NewReader(string(body))}); err != nil {
				t.Fatal(err)
			}

			for attempt := range 3 {
				err := b.handle(message, attempt+2)
				var newer *newerError
				if !errors.As(err, &newer) || newer.RetryAfter() < time.Minute {
					t.Errorf("the message is done with, or comes at once: %v", err)
				}
			}
			if _, err := b.h.claims.Cancel(ctx, job, b.cloud); !errors.As(err, new(*newerError)) {
				t.Errorf("cancel: %v", err)
			}
			if got := read(); got != string(body) {
				t.Errorf("the claim is\n%s\nit was\n%s", got, body)
			}
			if n := len(b.published()); n != 0 {
				t.Errorf("%d results", n)
			}
		})
	}
}

// firstOf is the first element of a list in a JSON object.
func firstOf(object map[string]any, list string) map[string]any {
	return object[list].([]any)[0].(map[string]any)
}

// TestLeaseMeetsNewerRelease: a worker whose claim was changed by a newer release, such as
// by its command line, gives the job up instead of writing over that.
func TestLeaseMeetsNewerRelease(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := context.Background()
	l := b.lease()
	at := b.h.claims.location(l.claim.Job.ID)
	stored, _ := b.get(at.Bucket, at.Key)
	changed := strings.Replace(stored, `{"version"`, `{"hold":true,"version"`, 1)
	changed = strings.Replace(changed, `"updatedAt":"2`, `"updatedAt":"3`, 1)
	if _, err := b.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &at.Bucket, Key: &at.Key, Body: strings.NewReader(changed)}); err != nil {
		t.Fatal(err)
	}
	if err := l.renew(ctx); !errors.Is(err, errLost) {
		t.Errorf("error is %v", err)
	}
	if err := l.release(ctx); err != nil {
		t.Error(err)
	}
	if got, _ := b.get(at.Bucket, at.Key); got != changed {
		t.Errorf("the claim is\n%s\nit was\n%s", got, changed)
	}
}
