// Package sandbox shuts a process in before it meets a hostile file: it can read
// one file, write another, and nothing else. What the kernel does not offer is
// left out; Test says what holds. It can't be left again.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// Limits are what a process may use up. 0 is no limit.
type Limits struct {
	Memory     uint64 // bytes of address space; more is used of it than of memory
	CPUSeconds uint64 // of all threads
	FileBytes  uint64 // of the largest file that it writes
}

const (
	// maxFiles is more than libav and the Go runtime have open together.
	maxFiles = 64
	// maxThreads is not of the process, but of its user: fewer would stop us for what
	// others do. That it starts no process is seccomp's part.
	maxThreads = 4096
)

// Limit applies l to this process, and makes it the one that the kernel kills
// first when memory runs out. No core is dumped: it would hold somebody's video.
func Limit(l Limits) error {
	for _, r := range []struct {
		name     string
		resource int
		limit    uint64
	}{
		{"core", unix.RLIMIT_CORE, 0},
		{"files", unix.RLIMIT_NOFILE, maxFiles},
		{"threads", unix.RLIMIT_NPROC, maxThreads},
		{"memory", unix.RLIMIT_AS, l.Memory},
		{"CPU time", unix.RLIMIT_CPU, l.CPUSeconds},
		{"file size", unix.RLIMIT_FSIZE, l.FileBytes},
	} {
		if r.limit == 0 && r.resource != unix.RLIMIT_CORE {
			continue
		}
		var now unix.Rlimit
		if err := unix.Getrlimit(r.resource, &now); err != nil {
			return fmt.Errorf("limit %s: %w", r.name, err)
		}
		limit := min(r.limit, now.Max)
		if err := unix.Setrlimit(r.resource, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fmt.Errorf("limit %s: %w", r.name, err)
		}
	}
	// x264 asks for huge pages, of which it uses a part: without them it takes less
	// memory and no more time.
	if err := unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("do without huge pages: %w", err)
	}
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("be the first to be killed for memory: %w", err)
	}
	return nil
}

// Access is what is left open.
type Access struct {
	Read  []string // files that exist
	Write []string // files that exist, or folders with all that is in them
}

// Enter shuts the process in, all its threads. Where the kernel lacks Landlock or
// seccomp that part is left out.
func Enter(a Access) error {
	rules := []landlock.Rule{landlock.ROFiles(a.Read...)}
	for _, path := range a.Write {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("enter the sandbox: %w", err)
		}
		if info.IsDir() {
			rules = append(rules, landlock.RWDirs(path))
		} else {
			rules = append(rules, landlock.RWFiles(path))
		}
	}
	// Without a rule for the network it is denied as well.
	if err := landlock.V9.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("enter the sandbox: landlock: %w", err)
	}
	if !seccomp.Supported() {
		return nil
	}
	policy, err := policy()
	if err != nil {
		return fmt.Errorf("enter the sandbox: seccomp: %w", err)
	}
	filter := seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: policy}
	if err := seccomp.LoadFilter(filter); err != nil {
		return fmt.Errorf("enter the sandbox: %w", err)
	}
	return nil
}

// calls are those that the Go runtime, libc and libav make while they work on
// files. Every other one fails with EPERM: sockets, exec, ptrace, mount, and what
// kernels will have that nobody has thought of.
var calls = []string{
	// memory
	"brk", "mmap", "mprotect", "munmap", "mremap", "madvise", "mincore",
	// threads
	"futex", "set_robust_list", "rseq", "gettid", "getpid", "exit", "exit_group", "restart_syscall", "membarrier",
	"sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler", "sched_setscheduler", "getcpu", "prctl", "arch_prctl", "sysinfo", "uname", "prlimit64", "getrlimit",
	// signals of its own
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
	// time
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "timer_create", "timer_settime", "timer_delete", "setitimer", "getrandom",
	// files, which Landlock chooses
	"open", "openat", "close", "read", "readv", "pread64", "write", "writev", "pwrite64", "lseek", "fstat", "stat", "lstat", "newfstatat", "statx", "fcntl", "ftruncate", "fsync", "getdents64", "readlinkat", "unlinkat", "unlink", "dup", "dup3", "access", "faccessat", "faccessat2",
	// Go's waiting for pipes
	"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "pipe2", "poll", "ppoll",
}

// policy allows calls, on this machine's architecture.
func policy() (seccomp.Policy, error) {
	info, err := arch.GetInfo("")
	if err != nil {
		return seccomp.Policy{}, err
	}
	known := slices.DeleteFunc(slices.Clone(calls), func(name string) bool {
		_, ok := info.SyscallNames[name]
		return !ok
	})
	// libc asks for clone3 first, whose flags a filter can't see, and takes clone
	// where there is none.
	missing := seccomp.Action(uint32(seccomp.ActionErrno)&^0xffff | uint32(unix.ENOSYS))
	own := uint64(os.Getpid())
	return seccomp.Policy{
		DefaultAction: seccomp.ActionErrno,
		Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionAllow, Names: known},
			{Action: seccomp.ActionAllow, NamesWithCondtions: []seccomp.NameWithConditions{
				{Name: "clone", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD}}},
				{Name: "tgkill", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: own}}},
			}},
			{Action: missing, Names: []string{"clone3"}},
		},
	}, nil
}
