package jobs

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// TestUploadKeepsWhatTheJobWrote: a result is not overwritten by a second attempt
// of its job, and it is by another job.
func TestUploadKeepsWhatTheJobWrote(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"one request": 10, "parts": 20 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			to := event.Location{Bucket: results, Key: "x.mp4"}
			write := func(job, content string) int64 {
				t.Helper()
				path := filepath.Join(t.TempDir(), "x")
				if err := os.WriteFile(path, bytes.Repeat([]byte(content), size), 0o600); err != nil {
					t.Fatal(err)
				}
				written, err := b.h.store.upload(context.Background(), path, to, writing{origin: origin{job: job, step: 1}, mediaType: "video/mp4"})
				if err != nil {
					t.Fatal(err)
				}
				return written.Bytes
			}
			holds := func(content byte, job string) {
				t.Helper()
				body, metadata := b.get(results, "x.mp4")
				if body[0] != content || metadata[jobMetadata] != job {
					t.Errorf("it holds %q of job %s", body[0], metadata[jobMetadata])
				}
			}
			write("1", "a")
			if n := write("1", "bb"); n != int64(size) {
				t.Errorf("it is said to have %d bytes", n)
			}
			holds('a', "1")
			write("2", "c")
			holds('c', "2")
			// Two at once: one of them is there whole, and neither fails.
			var both sync.WaitGroup
			for _, job := range []string{"3", "4"} {
				both.Go(func() { write(job, job) })
			}
			both.Wait()
			if body, metadata := b.get(results, "x.mp4"); metadata[jobMetadata] != body[:1] {
				t.Errorf("it holds %q of job %s", body[0], metadata[jobMetadata])
			}
		})
	}
}
