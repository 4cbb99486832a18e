package sandbox

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain is a parent that hides, and its child, where a test starts the test binary
// as that. Arguments of the child are how it is shut in, and its Bait.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		var err error
		switch os.Args[1] {
		case "parent":
			err = beParent(os.Args[2:])
		case "child":
			err = beChild(os.Args[2], Bait{Input: os.Args[3], Outside: os.Args[4], Content: []byte(secret), Listener: os.Args[5], Parent: os.Getppid()})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const secret = "not for the child"

// beParent has a secret in its environment and in a descriptor that it leaves open.
func beParent(args []string) error {
	if err := Hide(); err != nil {
		return err
	}
	left, err := os.Open(args[2])
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0], append([]string{"child"}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = []string{}, os.Stdout, os.Stderr, []*os.File{left}
	return cmd.Run()
}

func beChild(how string, b Bait) error {
	test, err := NewTest(b)
	if err != nil {
		return err
	}
	switch how {
	case "whole":
		err = firstError(CloseInherited, func() error { return Limit(Limits{}) }, func() error { return Enter(Access{Read: []string{b.Input}}) })
	case "without Landlock":
		err = firstError(CloseInherited, func() error { return Limit(Limits{}) }, dropCapabilities, restrictCalls)
	case "not at all":
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(test.Run())
}

func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// attempts runs a parent and its child as a user and returns what was open to that.
func attempts(t *testing.T, how string, user uint32) (all []Probe, open []string) {
	t.Helper()
	folder, err := os.MkdirTemp("", "sandbox-test-*") // not t.TempDir, which no other user may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	for name, body := range map[string][]byte{"test": binary, "input": []byte("input"), "beside/outside": []byte(secret)} {
		if err := firstError(
			func() error { return os.MkdirAll(filepath.Dir(in(name)), 0o700) },
			func() error { return os.WriteFile(in(name), body, 0o700) },
		); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	cmd := exec.Command(in("test"), "parent", how, in("input"), in("beside/outside"), listener.Addr().String())
	if user != uint32(os.Getuid()) {
		for _, name := range []string{".", "test", "input", "beside", "beside/outside"} {
			if err := os.Chown(in(name), int(user), int(user)); err != nil {
				t.Fatal(err)
			}
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	}
	cmd.Env = []string{"SECRET=" + secret}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &all)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, p := range all {
		if !p.Denied {
			open = append(open, p.Name)
		}
	}
	return all, open
}

// users are this one and, where that is root, an ordinary one.
func users() []uint32 {
	own := uint32(os.Getuid())
	if own != 0 {
		return []uint32{own}
	}
	return []uint32{0, 65534}
}

// TestEverythingIsDenied: in the whole sandbox, to root and to a user.
func TestEverythingIsDenied(t *testing.T) {
	t.Parallel()
	for _, user := range users() {
		all, open := attempts(t, "whole", user)
		if len(all) < 25 || len(open) > 0 {
			t.Errorf("user %d: %d attempts, open are %v", user, len(all), open)
		}
	}
}

// TestParentIsSafeWithoutLandlock: a kernel without leaves files open, and nothing of
// the parent.
func TestParentIsSafeWithoutLandlock(t *testing.T) {
	t.Parallel()
	files := []string{ // and what is in /proc as files of everybody, or of root
		"read /etc/passwd", "read a file beside its own", "list the folder of its file", "write its input", "write a file beside its own",
	}
	for _, user := range users() {
		_, open := attempts(t, "without Landlock", user)
		want := files
		if user == 0 {
			want = append(slices.Clone(files), "have the kernel kill the parent first (oom_score_adj)", "read its own memory as a file")
		}
		for _, name := range open {
			if !slices.Contains(want, name) {
				t.Errorf("user %d: it can %s", user, name)
			}
		}
		if !slices.Contains(open, "read a file beside its own") {
			t.Error("Landlock was there")
		}
	}
}

// TestAttemptsAreReal: most of them work for a process in no sandbox. Those that don't
// are root's only, or not to be had on this kernel.
func TestAttemptsAreReal(t *testing.T) {
	t.Parallel()
	for _, user := range users() {
		all, open := attempts(t, "not at all", user)
		t.Logf("user %d: %d of %d attempts work outside of a sandbox", user, len(open), len(all))
		least := 55
		if user == 0 {
			least = 90
		}
		if len(open) < least {
			t.Errorf("user %d: only %d of %d attempts work outside of a sandbox: %v", user, len(open), len(all), open)
		}
		for _, name := range []string{
			"set the parent's limits (prlimit64)", "choose the parent's cores (sched_setaffinity)", "set the parent's priority (setpriority)",
			"have the parent signalled by a file (F_SETOWN)", "signal the parent", "use a descriptor that its parent had open", "connect by TCP",
		} {
			if !slices.Contains(open, name) {
				t.Errorf("user %d can't %s outside of a sandbox", user, name)
			}
		}
	}
}

func TestHideKeepsUsersOut(t *testing.T) {
	t.Parallel()
	for _, user := range users() {
		_, open := attempts(t, "not at all", user)
		if got := slices.Contains(open, "read the parent's environment"); got != (user == 0 && unix.Geteuid() == 0) {
			t.Errorf("user %d: the parent's environment is open: %t", user, got)
		}
	}
}
