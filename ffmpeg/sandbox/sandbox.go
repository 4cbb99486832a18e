// Package sandbox shuts a process in before it meets a hostile file: it can read
// one file, write another, and nothing else. What the kernel does not offer is
// left out; Test says what holds. It can't be left again.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
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
	// Last, as it takes files like the one above from this user.
	return Hide()
}

// Hide keeps other processes of this user from this one's memory and environment:
// they may not trace it, nor read its files in /proc. No core is dumped. A new
// program that it becomes has to ask again.
//
// https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html
func Hide() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("hide from other processes: %w", err)
	}
	return nil
}

// CloseInherited closes what whoever started this process had open and left open for
// it, but for the standard streams: what survives an exec has no FD_CLOEXEC, and all
// that Go opens for itself has it. It must run before anything else opens files.
func CloseInherited() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("list what it has open: %w", err)
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= 2 {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue // the list's own, which is closed by now, or the Go runtime's
		}
		if err := unix.Close(fd); err != nil {
			return fmt.Errorf("close what it inherited: %w", err)
		}
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
	if err := dropCapabilities(); err != nil {
		return fmt.Errorf("enter the sandbox: %w", err)
	}
	if err := restrictFiles(a); err != nil {
		return fmt.Errorf("enter the sandbox: %w", err)
	}
	if err := restrictCalls(); err != nil {
		return fmt.Errorf("enter the sandbox: %w", err)
	}
	return nil
}

// keptCapabilities are those that root needs to open files of other users, which
// Landlock chooses.
const keptCapabilities = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH

// dropCapabilities takes from root what makes it more than a user: with less than its
// parent has, it may not look into that. The capabilities are of each thread.
//
// https://man7.org/linux/man-pages/man7/capabilities.7.html
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var now [2]unix.CapUserData
	if err := unix.Capget(&header, &now[0]); err != nil {
		return fmt.Errorf("read its capabilities: %w", err)
	}
	if now == [2]unix.CapUserData{} {
		return nil
	}
	kept := now[0].Permitted & keptCapabilities
	less := [2]unix.CapUserData{{Effective: now[0].Effective & kept, Permitted: kept}}
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&less[0])), 0)
	if errno != 0 {
		return fmt.Errorf("drop its capabilities: %w", errno)
	}
	return nil
}

// randomDevice is where libavutil takes random numbers from, such as the ids in a Matroska
// file. Without it, it makes them by watching a clock for a third of a second.
const randomDevice = "/dev/urandom"

// restrictFiles is Landlock's part.
func restrictFiles(a Access) error {
	rules := []landlock.Rule{landlock.ROFiles(a.Read...), landlock.ROFiles(randomDevice).IgnoreIfMissing()}
	for _, path := range a.Write {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.IsDir() {
			rules = append(rules, landlock.RWDirs(path))
		} else {
			rules = append(rules, landlock.RWFiles(path))
		}
	}
	// Without a rule for the network it is denied as well.
	if err := landlock.V11.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}

// restrictCalls is seccomp's part.
func restrictCalls() error {
	// For all threads, where Landlock has not done it.
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("seccomp: set no_new_privs: %w", errno)
	}
	if err := loadFilter(filter(rules(uint32(os.Getpid())))); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}
