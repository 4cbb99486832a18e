package libav

import (
	"context"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// TestMosaicGivesMemoryBack: whatever way a run ends, libav's memory is freed.
// Not parallel: it looks at the whole process.
func TestMosaicGivesMemoryBack(t *testing.T) {
	source := testPattern(t, "a.mp4")
	output := filepath.Join(t.TempDir(), "out.mp4")
	broken := filepath.Join(t.TempDir(), "broken.mp4")
	if err := os.WriteFile(broken, []byte(strings.Repeat("x", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	work := func(times int) int {
		for range times {
			if _, err := Mosaic(context.Background(), specOf(source, output), still{box}, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := Mosaic(context.Background(), specOf(broken, output), still{box}, nil); err == nil {
				t.Fatal("a broken file went through")
			}
			if _, err := Mosaic(stopped, specOf(source, output), still{box}, nil); err == nil {
				t.Fatal("a stopped run went through")
			}
		}
		debug.FreeOSMemory()
		return residentKB(t)
	}
	// One run holds about 10 MB of frames and contexts; the allocator settles
	// within the first hundred.
	before := work(100)
	if after := work(100); after-before > 8<<10 {
		t.Errorf("300 runs more and the process grew from %d to %d kB", before, after)
	}
}

func residentKB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("no /proc here: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kb
		}
	}
	t.Skip("no VmRSS in /proc/self/status")
	return 0
}
