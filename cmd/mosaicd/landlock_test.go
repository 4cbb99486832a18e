package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// withoutLandlock, as the first argument, makes the test binary a mosaicd on a kernel that has
// no Landlock: an outer seccomp filter answers for it that there is no such call, as
// kernels before 5.13 do, and some container runtimes.
const withoutLandlock = "without-landlock"

func leaveLandlockOut() error {
	runtime.LockOSThread()
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	answer := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	filter := []unix.SockFilter{
		load(0), // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_LANDLOCK_CREATE_RULESET, Jf: 1},
		answer(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)),
		answer(unix.SECCOMP_RET_ALLOW),
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return err
	}
	return syscall.Exec(os.Args[0], append(os.Args[:1:1], os.Args[2:]...), os.Environ())
}

// TestWithoutLandlock: require does not start and says why; auto works; the self-test says
// what is open, which is files and nothing else.
func TestWithoutLandlock(t *testing.T) {
	t.Parallel()
	environ := []string{
		"MOSAICD_QUEUE_URL=http://127.0.0.1:1/0/q", "MOSAICD_TOPIC_ARN=arn:aws:sns:us-east-1:000000000000:t", "MOSAICD_OUTPUT_BUCKET=results",
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "MOSAICD_HTTP_ADDR=", "MOSAICD_SCRATCH=" + t.TempDir(),
	}
	code, out, stderr := call(t, environ, withoutLandlock, "engine", "--selftest")
	if code != exitFailed || !strings.HasSuffix(strings.TrimSpace(out), "partial") || !strings.Contains(stderr, "Linux 5.13 or newer") {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "OPEN") && !strings.Contains(line, "file") && !strings.Contains(line, "/etc/passwd") && !strings.Contains(line, "oom_score_adj") && !strings.Contains(line, "list the folder") && !strings.Contains(line, "write its input") {
			t.Errorf("also without Landlock it must not: %s", line)
		}
	}
	code, _, stderr = call(t, append(environ, "MOSAICD_SANDBOX=require"), withoutLandlock, "run")
	if code != exitUsage || !strings.Contains(stderr, "read /etc/passwd") || !strings.Contains(stderr, "MOSAICD_SANDBOX") || !strings.Contains(stderr, "set auto") {
		t.Errorf("run with require: exit code %d\n%s", code, stderr)
	}
	output := filepath.Join(t.TempDir(), "out.mp4")
	if code, _, stderr := call(t, nil, withoutLandlock, "mosaic", "--preset", "ultrafast", video(t, shortScene), output); code != exitDone || size(output) == 0 {
		t.Errorf("mosaic: exit code %d\n%s", code, stderr)
	}
	for sandbox, verdict := range map[string]string{"auto": "warn", "require": "FAIL"} {
		_, out, _ := call(t, append(environ, "MOSAICD_SANDBOX="+sandbox, "AWS_MAX_ATTEMPTS=1"), withoutLandlock, "doctor")
		if !strings.Contains(out, fmt.Sprintf("%-4s  %-17s  partial: ", verdict, "sandbox")) {
			t.Errorf("doctor with %s says\n%s", sandbox, out)
		}
	}
}
