package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSelftest: what the sandbox promises holds on this machine, for root and for an
// ordinary user. It fails where the kernel has no Landlock or no seccomp.
func TestSelftest(t *testing.T) {
	t.Parallel()
	for _, user := range []int{os.Getuid(), nobody} {
		t.Run(fmt.Sprintf("user %d", user), func(t *testing.T) {
			t.Parallel()
			cmd := mosaicd(nil, "engine", "--selftest")
			if user != os.Getuid() {
				cmd = asNobody(t, nil, "engine", "--selftest")
			}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || strings.Contains(string(out), "OPEN") || !strings.HasSuffix(strings.TrimSpace(string(out)), "full") {
				t.Errorf("%v\n%s%s", err, out, stderr.String())
			}
			n := strings.Count("\n"+string(out), "\ndenied ")
			if n < 25 {
				t.Errorf("only %d attempts were denied:\n%s", n, out)
			}
			for page, says := range map[string]string{"SECURITY.md": "tries %d things", "docs/reliability.md": "tries %d things", "docs/troubleshooting.md": "full: %[1]d of %[1]d attempts"} {
				if want := fmt.Sprintf(says, n); !strings.Contains(document(t, page), want) {
					t.Errorf("%s does not say %q", page, want)
				}
			}
		})
	}
}

// TestMosaicdHides: no other process of its user, such as an engine that a file took over,
// may look into a process with credentials.
func TestMosaicdHides(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	cmd := asNobody(t, []string{"AWS_SECRET_ACCESS_KEY=secret"}, "health", "--http-addr", listener.Addr().String(), "--timeout", "1m")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	asked, err := listener.Accept() // it runs, and waits for our answer
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	for _, name := range []string{"environ", "mem", "maps"} {
		info, err := os.Stat(filepath.Join("/proc", fmt.Sprint(cmd.Process.Pid), name))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 {
			t.Errorf("%s belongs to user %d", name, owner)
		}
	}
}
