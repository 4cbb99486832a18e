package main

import (
	"strings"
	"testing"
)

// TestSelftest: what the sandbox promises holds on this machine. It fails where
// the kernel has no Landlock or no seccomp.
func TestSelftest(t *testing.T) {
	t.Parallel()
	code, out, stderr := call(t, nil, "engine", "--selftest")
	if code != exitDone || strings.Contains(out, "OPEN") || !strings.Contains(out, "sandbox  ") || !strings.HasSuffix(strings.TrimSpace(out), "full") {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
	if n := strings.Count(out, "denied"); n < 12 {
		t.Errorf("only %d attempts were denied:\n%s", n, out)
	}
}
