package deploy_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestReleaseRefuses: what has no proper version is not released, and nothing is built for it.
func TestReleaseRefuses(t *testing.T) {
	t.Parallel()
	for version, says := range map[string]string{
		"1.2.0":        "a version looks like v1.2.0",
		"v1.2":         "a version looks like v1.2.0",
		"v1.2.0/../..": "a version looks like v1.2.0",
	} {
		cmd := exec.Command("./release.sh")
		cmd.Env = append(os.Environ(), "VERSION="+version, "IMAGE=no")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), says) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: %v\n%s", version, err, out)
		}
	}
}

// TestGoVersion: an old Go is refused in one line that says where to get another.
func TestGoVersion(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	run := func() string {
		t.Helper()
		cmd := exec.Command("bash", "./go-version.sh")
		cmd.Env = []string{"PATH=" + folder + ":/usr/bin:/bin"}
		out, err := cmd.CombinedOutput()
		if err == nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "https://go.dev/dl/") {
			t.Errorf("%v\n%s", err, out)
		}
		return string(out)
	}
	old := "#!/bin/sh\necho go1.19.8\n"
	if err := os.WriteFile(folder+"/go", []byte(old), 0o700); err != nil {
		t.Fatal(err)
	}
	if out := run(); !strings.Contains(out, "go1.19.8") {
		t.Errorf("it does not say what is there: %s", out)
	}
	local := "#!/bin/sh\necho 'go: go.mod requires go >= 1.26.0 (running go 1.24.1; GOTOOLCHAIN=local)' >&2\nexit 1\n"
	if err := os.WriteFile(folder+"/go", []byte(local), 0o700); err != nil {
		t.Fatal(err)
	}
	if out := run(); !strings.Contains(out, "GOTOOLCHAIN=local") {
		t.Errorf("it does not say what keeps go from fetching another: %s", out)
	}
}
