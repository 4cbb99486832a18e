package sandbox

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A rule allows a system call. Each further rule for the same call allows it in
// another way.
type rule struct {
	call uint32
	when []condition // all of them; none: always
}

// A condition is one on an argument of a call. The kernel takes ints from the lower
// half of a register, and C may leave anything in the other half.
type condition struct {
	argument int // the first is 0
	test     conditionTest
	value    uint32
}

type conditionTest int

const (
	equal   conditionTest = iota // the lower half is value
	anyOf                        // the lower half has one of the bits of value
	noneOf                       // the lower half has none of them
	nothing                      // both halves are 0
)

// calls are those that the Go runtime, libc and libav make while they work on
// files, whatever their arguments. Every other one fails with EPERM: sockets, exec,
// ptrace, mount, and what kernels will have that nobody has thought of. The list is
// what strace shows of encoding, copying, detecting and drawing, with x264 and x265,
// and what libc does when memory is short or a library asks for it.
func calls() []uint32 {
	return append([]uint32{
		// memory
		unix.SYS_BRK, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MINCORE,
		// threads
		unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
		unix.SYS_RESTART_SYSCALL, unix.SYS_SCHED_YIELD, unix.SYS_GETCPU, unix.SYS_SYSINFO,
		// signals of its own
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		// time
		unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_NANOSLEEP, unix.SYS_GETTIMEOFDAY,
		unix.SYS_GETRANDOM,
		// files, which Landlock chooses
		unix.SYS_OPENAT, unix.SYS_CLOSE, unix.SYS_READ, unix.SYS_READV, unix.SYS_PREAD64, unix.SYS_WRITE, unix.SYS_WRITEV,
		unix.SYS_PWRITE64, unix.SYS_LSEEK, unix.SYS_FSTAT, unix.SYS_STATX, unix.SYS_FTRUNCATE, unix.SYS_FSYNC,
		// Go's waiting for pipes
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_EVENTFD2,
	}, archCalls...)
}

// threadFlags are the flags of clone with which libc and Go start a thread. Without
// CLONE_THREAD it would be a process.
const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM |
	unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID | unix.CLONE_CHILD_SETTID | unix.CLONE_DETACHED

// rules are calls, and those that are allowed only as far as they concern this
// process, whose id is own, and nothing that it shares with another.
func rules(own uint32) []rule {
	var all []rule
	for _, call := range calls() {
		all = append(all, rule{call: call})
	}
	return append(all,
		rule{unix.SYS_CLONE, []condition{{0, anyOf, unix.CLONE_THREAD}, {0, noneOf, ^uint32(threadFlags)}}},
		rule{unix.SYS_TGKILL, []condition{{0, equal, own}}},
		// To read its own limits; a child has no business setting any.
		rule{unix.SYS_PRLIMIT64, []condition{{0, equal, 0}, {2, nothing, 0}}},
		rule{unix.SYS_SCHED_GETAFFINITY, []condition{{0, equal, 0}}},
		rule{unix.SYS_FCNTL, []condition{{1, equal, unix.F_GETFD}}},
		rule{unix.SYS_FCNTL, []condition{{1, equal, unix.F_SETFD}}},
		rule{unix.SYS_FCNTL, []condition{{1, equal, unix.F_GETFL}}},
		rule{unix.SYS_FCNTL, []condition{{1, equal, unix.F_SETFL}, {2, noneOf, unix.O_ASYNC}}},
		rule{unix.SYS_PRCTL, []condition{{0, equal, unix.PR_SET_NAME}}},
		rule{unix.SYS_PRCTL, []condition{{0, equal, unix.PR_SET_VMA}}},
		// No memory becomes executable: what a file smuggles in can't be run as it is.
		rule{unix.SYS_MMAP, []condition{{2, noneOf, unix.PROT_EXEC}}},
		rule{unix.SYS_MPROTECT, []condition{{2, noneOf, unix.PROT_EXEC}}},
	)
}

// Offsets in what the kernel shows to a filter.
//
// https://docs.kernel.org/userspace-api/seccomp_filter.html (struct seccomp_data)
const (
	offsetCall      = 0
	offsetArch      = 4
	offsetArguments = 16
)

// What a filter answers.
const (
	allow  = uint32(unix.SECCOMP_RET_ALLOW)
	deny   = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.EPERM)
	absent = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.ENOSYS)
)

// x32Bit marks calls by the x32 numbers of amd64, which are others than those that
// rules have. On arm64 no call has a number as large.
const x32Bit = 0x40000000

// filter is rules as a program for the kernel. Each rule is a block of its own that
// starts with loading the call's number, so that none depends on what the one before
// compared.
func filter(rules []rule) []bpf.Instruction {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: deny},
		bpf.LoadAbsolute{Off: offsetCall, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32Bit, SkipTrue: 1},
		bpf.RetConstant{Val: absent},
		// libc asks for clone3 first, whose flags a filter can't see, and takes clone where
		// there is none.
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE3, SkipTrue: 1},
		bpf.RetConstant{Val: absent},
	}
	for _, r := range rules {
		var checks []bpf.Instruction
		for _, c := range r.when {
			checks = append(checks, c.check()...)
		}
		checks = append(checks, bpf.RetConstant{Val: allow})
		// Where a check fails, go on after the block.
		for i, check := range checks {
			if jump, ok := check.(bpf.JumpIf); ok {
				jump.SkipFalse = uint8(len(checks) - 1 - i)
				checks[i] = jump
			}
		}
		program = append(program,
			bpf.LoadAbsolute{Off: offsetCall, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: r.call, SkipFalse: uint8(len(checks))})
		program = append(program, checks...)
	}
	return append(program, bpf.RetConstant{Val: deny})
}

// check goes on with the next instruction where c holds. Where it does not, filter says
// how far its jumps skip.
func (c condition) check() []bpf.Instruction {
	lower := uint32(offsetArguments + 8*c.argument) // both architectures are little-endian
	load := bpf.LoadAbsolute{Off: lower, Size: 4}
	switch c.test {
	case equal:
		return []bpf.Instruction{load, bpf.JumpIf{Cond: bpf.JumpEqual, Val: c.value}}
	case anyOf:
		return []bpf.Instruction{load, bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: c.value}}
	case noneOf:
		return []bpf.Instruction{load, bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: c.value}}
	default: // nothing
		return []bpf.Instruction{
			load, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0},
			bpf.LoadAbsolute{Off: lower + 4, Size: 4}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0},
		}
	}
}

// loadFilter applies a filter to all threads of this process. It needs no_new_privs.
// Where the kernel has no seccomp, or a filter of somebody else's forbids it, nothing
// is done.
func loadFilter(instructions []bpf.Instruction) error {
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if errno != 0 {
		return nil
	}
	raw, err := bpf.Assemble(instructions)
	if err != nil {
		return fmt.Errorf("assemble the filter: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&program)))
	switch {
	case errno != 0:
		return fmt.Errorf("load the filter: %w", errno)
	case thread != 0:
		return errors.New("load the filter: a thread has another one already")
	}
	return nil
}
