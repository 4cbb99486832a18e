package jobs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSweep: what a killed worker left goes, what runs stays.
func TestSweep(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	running, err := newFolder(scratch, "running")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"job-killed-1/source", "job-killed-2/output.mp4", "of-somebody-else/file"} {
		path := filepath.Join(scratch, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("left"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := sweep(scratch); n != 2 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	if err := os.WriteFile(filepath.Join(running.path, "source"), nil, 0o600); err != nil {
		t.Errorf("the running job lost its folder: %v", err)
	}
	if err := running.remove(); err != nil {
		t.Error(err)
	}
	left, _ := os.ReadDir(scratch)
	if len(left) != 1 || left[0].Name() != "of-somebody-else" {
		t.Errorf("left are %v", left)
	}
	if n, err := sweep(filepath.Join(scratch, "missing")); n != 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
}

func TestNewFolderNowhere(t *testing.T) {
	t.Parallel()
	if _, err := newFolder(filepath.Join(t.TempDir(), "missing"), "x"); err == nil {
		t.Error("a folder was made nowhere")
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := admit(folder, 1<<20); err != nil {
		t.Error(err)
	}
	if err := admit(folder, 1<<55); err == nil || !strings.Contains(err.Error(), "no room in "+folder) {
		t.Errorf("error is %v", err)
	}
}
