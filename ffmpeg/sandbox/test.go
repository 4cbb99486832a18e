package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Probe is one thing that a process in the sandbox must not be able to do.
type Probe struct {
	Name   string `json:"name"`
	Denied bool   `json:"denied"`
	Said   string `json:"said"` // how it was denied, or what was had
}

// Bait is what a process in the sandbox tries to get at. All of it can be reached by
// a process like it that is in no sandbox, and none of it is harmed when that works.
type Bait struct {
	Input    string // a file that it may read
	Outside  string // a file that it may not
	Content  []byte // of Outside, which the parent also left open in a descriptor of this process
	Listener string // a TCP address
	Parent   int    // a process of this user
}

// An attempt returns nil when it got what it must not have.
type attempt struct {
	name string
	try  func() error
}

// A Test is attempts at what must be denied.
type Test struct{ attempts []attempt }

// NewTest prepares attempts from outside the sandbox. Calls on the parent are such that
// nothing changes when they work: the null signal, and the limits, cores and
// priorities that this process has inherited from it.
func NewTest(b Bait) (*Test, error) {
	state, err := b.parentsState()
	if err != nil {
		return nil, fmt.Errorf("prepare the sandbox's test: %w", err)
	}
	return &Test{slices.Concat(
		b.files(), b.descriptors(), b.network(), b.processes(), b.signals(), state, b.parentsMemory(), kernel(), itself(),
	)}, nil
}

// Run makes the attempts.
func (t *Test) Run() []Probe {
	all := make([]Probe, len(t.attempts))
	for i, a := range t.attempts {
		all[i] = Probe{Name: a.name, Said: "done"}
		if err := a.try(); err != nil {
			all[i].Denied, all[i].Said = denied(err), err.Error()
		}
	}
	return all
}

// errNotThere says that what must not be had is not there at all.
var errNotThere = errors.New("there is none")

// denied tells that something was forbidden, or can't be done on this kernel, from that
// it only failed.
func denied(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSYS) || errors.Is(err, errNotThere)
}

func (b Bait) files() []attempt {
	beside := func(name string) string { return filepath.Join(filepath.Dir(b.Outside), name) }
	return []attempt{
		{"read /etc/passwd", open("/etc/passwd")},
		{"read a file beside its own", open(b.Outside)},
		{"list the folder of its file", func() error { _, err := os.ReadDir(filepath.Dir(b.Outside)); return err }},
		{"write its input", func() error { return discard(os.OpenFile(b.Input, os.O_WRONLY, 0)) }},
		{"write a file beside its own", func() error { return os.WriteFile(beside("written-by-the-engine"), nil, 0o600) }},
		{"truncate a file beside its own", func() error { return unix.Truncate(b.Outside, int64(len(b.Content))) }},
		{"make a folder", func() error { return unix.Mkdir(beside("folder"), 0o700) }},
		{"make a named pipe", func() error { return unix.Mkfifo(beside("pipe"), 0o600) }},
		{"make a symbolic link", func() error { return unix.Symlink(b.Outside, beside("symbolic-link")) }},
		{"make a hard link", func() error { return unix.Link(b.Outside, beside("link")) }},
		{"rename its input", func() error { return unix.Rename(b.Input, b.Input) }},
		{"change a file's mode", func() error { return unix.Chmod(b.Outside, 0o600) }},
		{"change a file's owner", func() error { return unix.Chown(b.Outside, -1, -1) }},
		{"change a file's times", func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, b.Outside, nil, 0) }},
		{"set an extended attribute", func() error { return unix.Setxattr(b.Outside, "user.engine", []byte("x"), 0) }},
		{"remove a file", func() error { return unix.Unlink(beside("written-by-the-engine")) }},
		{"read its own memory as a file", open("/proc/self/mem")},
		{"have a file in memory", func() error { return discardFD(unix.MemfdCreate("engine", 0)) }},
		{"watch a folder", func() error { return discardFD(unix.InotifyInit1(0)) }},
		{"watch a file system", func() error { return discardFD(unix.FanotifyInit(0, 0)) }},
	}
}

// descriptors are what it can do with those that it has, and whether it has others.
func (b Bait) descriptors() []attempt {
	onInput := func(do func(fd uintptr) error) func() error {
		return func() error {
			f, err := os.Open(b.Input)
			if err != nil {
				return err
			}
			defer f.Close()
			return do(f.Fd())
		}
	}
	control := func(command, argument int) func() error {
		return onInput(func(fd uintptr) error { _, err := unix.FcntlInt(fd, command, argument); return err })
	}
	return []attempt{
		{"use a descriptor that its parent had open", func() error {
			got := make([]byte, len(b.Content))
			for fd := 3; fd < 1024; fd++ {
				if n, err := unix.Pread(fd, got, 0); err == nil && bytes.Equal(got[:n], b.Content) {
					return nil
				}
			}
			return errNotThere
		}},
		{"have the parent signalled by a file (F_SETOWN)", control(unix.F_SETOWN, b.Parent)},
		{"have the parent signalled by a file (F_SETOWN_EX)", onInput(func(fd uintptr) error {
			owner := [2]int32{1 /* F_OWNER_PID */, int32(b.Parent)}
			return call(unix.SYS_FCNTL, fd, unix.F_SETOWN_EX, uintptr(unsafe.Pointer(&owner)))
		})},
		{"choose the signal of a file (F_SETSIG)", control(unix.F_SETSIG, 0)},
		{"be signalled by a file (O_ASYNC)", control(unix.F_SETFL, unix.O_ASYNC)},
		{"lease a file (F_SETLEASE)", control(unix.F_SETLEASE, unix.F_UNLCK)},
		{"be told of a folder's changes (F_NOTIFY)", control(unix.F_NOTIFY, 0)},
		{"lock a file", onInput(func(fd uintptr) error { return unix.Flock(int(fd), unix.LOCK_SH|unix.LOCK_NB) })},
		{"type into a terminal (TIOCSTI)", func() error { return call(unix.SYS_IOCTL, 0, unix.TIOCSTI, 0) }},
		{"have the parent signalled by a file (FIOSETOWN)", func() error {
			const fiosetown = 0x8901
			pid := int32(b.Parent)
			return call(unix.SYS_IOCTL, 1, fiosetown, uintptr(unsafe.Pointer(&pid)))
		}},
		{"move pages into a pipe (vmsplice)", func() error { return call(unix.SYS_VMSPLICE, 1, 0, 0, 0) }},
		{"move pages between files (splice)", func() error { return call(unix.SYS_SPLICE, 0, 0, 1, 0, 0, 0) }},
	}
}

func (b Bait) network() []attempt {
	dial := func(network string) func() error {
		return func() error {
			c, err := net.DialTimeout(network, b.Listener, time.Second)
			if err == nil {
				c.Close()
			}
			return err
		}
	}
	all := []attempt{{"connect by TCP", dial("tcp")}, {"send by UDP", dial("udp")}}
	for _, family := range []struct {
		name         string
		domain, kind int
	}{
		{"a unix socket", unix.AF_UNIX, unix.SOCK_STREAM},
		{"an IPv6 socket", unix.AF_INET6, unix.SOCK_STREAM},
		{"a raw IP socket", unix.AF_INET, unix.SOCK_RAW},
		{"a netlink socket", unix.AF_NETLINK, unix.SOCK_RAW},
		{"a packet socket", unix.AF_PACKET, unix.SOCK_RAW},
		{"a socket to the hypervisor (vsock)", unix.AF_VSOCK, unix.SOCK_STREAM},
		{"a socket of the kernel's ciphers (AF_ALG)", unix.AF_ALG, unix.SOCK_SEQPACKET},
	} {
		all = append(all, attempt{"make " + family.name, func() error { return discardFD(unix.Socket(family.domain, family.kind, 0)) }})
	}
	return append(all, attempt{"make a pair of sockets", func() error {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err == nil {
			unix.Close(pair[0])
			unix.Close(pair[1])
		}
		return err
	}})
}

func (b Bait) processes() []attempt {
	return []attempt{
		{"start a process", func() error {
			pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
			if err == nil {
				_, err = syscall.Wait4(pid, nil, 0, nil)
			}
			return err
		}},
		{"start a process (clone3)", func() error { return call(unix.SYS_CLONE3, 0, 0) }},
		{"become another program", func() error { return syscall.Exec("/nonexistent", []string{"x"}, nil) }},
		{"become another program (execveat)", func() error {
			name := []byte("/nonexistent\x00")
			return call(unix.SYS_EXECVEAT, 0, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
		}},
		{"have namespaces of its own", func() error { return unix.Unshare(unix.CLONE_NEWUSER) }},
		{"enter the parent's namespaces", func() error { return unix.Setns(-1, unix.CLONE_NEWNET) }},
		{"move the parent to another process group", func() error { return unix.Setpgid(b.Parent, 0) }},
	}
}

// signals to the parent are all the null signal, which only asks whether it might be sent.
func (b Bait) signals() []attempt {
	parent := uintptr(b.Parent)
	queue := func(number uintptr, to ...uintptr) error {
		var info [128]byte // siginfo_t, whose si_code is SI_QUEUE
		*(*int32)(unsafe.Pointer(&info[8])) = -1
		return call(number, append(to, 0, uintptr(unsafe.Pointer(&info)))...)
	}
	return []attempt{
		{"signal the parent", func() error { return unix.Kill(b.Parent, 0) }},
		{"signal the parent (tkill)", func() error { return call(unix.SYS_TKILL, parent, 0) }},
		{"signal the parent (tgkill)", func() error { return unix.Tgkill(b.Parent, b.Parent, 0) }},
		{"signal the parent (rt_sigqueueinfo)", func() error { return queue(unix.SYS_RT_SIGQUEUEINFO, parent) }},
		{"signal the parent (rt_tgsigqueueinfo)", func() error { return queue(unix.SYS_RT_TGSIGQUEUEINFO, parent, parent) }},
		{"signal all processes", func() error { return unix.Kill(-1, 0) }},
		{"have a handle of the parent (pidfd_open)", func() error { return discardFD(unix.PidfdOpen(b.Parent, 0)) }},
		{"signal by a handle (pidfd_send_signal)", func() error { return unix.PidfdSendSignal(0, 0, nil, 0) }},
		{"take a descriptor by a handle (pidfd_getfd)", func() error { return discardFD(unix.PidfdGetfd(0, 0, 0)) }},
	}
}

// parentsState is what the kernel lets a user's process change of another. The parent
// is given what this process inherited from it.
func (b Bait) parentsState() ([]attempt, error) {
	var limit unix.Rlimit
	var cores unix.CPUSet
	scheduler, err := unix.SchedGetAttr(0, 0)
	if err = errors.Join(err, unix.Getrlimit(unix.RLIMIT_CPU, &limit), unix.SchedGetaffinity(0, &cores)); err != nil {
		return nil, err
	}
	priority, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // 20 less the nice value, as the kernel gives it
	if err != nil {
		return nil, err
	}
	const process = 1 // IOPRIO_WHO_PROCESS
	disk, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, process, 0, 0)
	if errno != 0 {
		disk = 0 // a kernel without: it is that of all
	}
	parent := uintptr(b.Parent)
	return []attempt{
		{"set the parent's limits (prlimit64)", func() error { return unix.Prlimit(b.Parent, unix.RLIMIT_CPU, &limit, nil) }},
		{"read the parent's limits (prlimit64)", func() error {
			var now unix.Rlimit
			return unix.Prlimit(b.Parent, unix.RLIMIT_CPU, nil, &now)
		}},
		{"choose the parent's cores (sched_setaffinity)", func() error { return unix.SchedSetaffinity(b.Parent, &cores) }},
		{"set the parent's scheduler (sched_setscheduler)", func() error {
			now := int32(scheduler.Priority)
			return call(unix.SYS_SCHED_SETSCHEDULER, parent, uintptr(scheduler.Policy), uintptr(unsafe.Pointer(&now)))
		}},
		{"set the parent's scheduler (sched_setparam)", func() error {
			now := int32(scheduler.Priority)
			return call(unix.SYS_SCHED_SETPARAM, parent, uintptr(unsafe.Pointer(&now)))
		}},
		{"set the parent's scheduler (sched_setattr)", func() error { return unix.SchedSetAttr(b.Parent, scheduler, 0) }},
		{"set the parent's priority (setpriority)", func() error { return unix.Setpriority(unix.PRIO_PROCESS, b.Parent, 20-priority) }},
		{"set the parent's disk priority (ioprio_set)", func() error { return call(unix.SYS_IOPRIO_SET, process, parent, disk) }},
		{"move the parent's memory (migrate_pages)", func() error { return call(unix.SYS_MIGRATE_PAGES, parent, 0, 0, 0) }},
		{"move the parent's memory (move_pages)", func() error { return call(unix.SYS_MOVE_PAGES, parent, 0, 0, 0, 0, 0) }},
		{"have the kernel kill the parent first (oom_score_adj)", func() error {
			return discard(os.OpenFile(fmt.Sprintf("/proc/%d/oom_score_adj", b.Parent), os.O_WRONLY, 0))
		}},
	}, nil
}

func (b Bait) parentsMemory() []attempt {
	parent, in := uintptr(b.Parent), func(name string) string { return fmt.Sprintf("/proc/%d/%s", b.Parent, name) }
	vector := func(number uintptr) error {
		var have [8]byte
		local := unix.Iovec{Base: &have[0], Len: 8}
		remote := unix.RemoteIovec{Base: uintptr(unsafe.Pointer(&have[0])), Len: 8}
		return call(number, parent, uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	}
	return []attempt{
		{"read the parent's environment", open(in("environ"))},
		{"read the parent's memory", open(in("mem"))},
		{"read the parent's map of memory", open(in("maps"))},
		{"list the parent's descriptors", func() error { _, err := os.ReadDir(in("fd")); return err }},
		{"see where the parent's program is", func() error { _, err := os.Readlink(in("exe")); return err }},
		{"go through the parent's root folder", open(in("root/etc/passwd"))},
		// To seize stops nothing, and ends with this process.
		{"trace the parent", func() error { return call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, parent, 0, 0) }},
		{"read the parent's memory (process_vm_readv)", func() error { return vector(unix.SYS_PROCESS_VM_READV) }},
		{"write the parent's memory (process_vm_writev)", func() error {
			return call(unix.SYS_PROCESS_VM_WRITEV, parent, 0, 0, 0, 0, 0)
		}},
		{"compare with the parent (kcmp)", func() error {
			return call(unix.SYS_KCMP, parent, uintptr(os.Getpid()), 1 /* KCMP_VM */, 0, 0)
		}},
		{"find the parent's locks (get_robust_list)", func() error {
			var head, length uintptr
			return call(unix.SYS_GET_ROBUST_LIST, parent, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&length)))
		}},
		{"advise on the parent's memory (process_madvise)", func() error { return call(unix.SYS_PROCESS_MADVISE, 0, 0, 0, 0, 0) }},
		{"share a core with the parent (PR_SCHED_CORE)", func() error {
			return unix.Prctl(unix.PR_SCHED_CORE, unix.PR_SCHED_CORE_SHARE_FROM, parent, 0, 0)
		}},
	}
}

// kernel are ways into the kernel, and to the machine's own settings.
func kernel() []attempt {
	name := []byte("engine\x00")
	return []attempt{
		{"mount", func() error { return unix.Mount("none", "/nonexistent", "tmpfs", 0, "") }},
		{"unmount", func() error { return unix.Unmount("/nonexistent", 0) }},
		{"mount (fsopen)", func() error { return discardFD(unix.Fsopen("tmpfs", 0)) }},
		{"mount (open_tree)", func() error { return discardFD(unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE)) }},
		{"change its root folder", func() error { return unix.Chroot("/nonexistent") }},
		{"change its root folder (pivot_root)", func() error { return unix.PivotRoot("/nonexistent", "/nonexistent") }},
		{"open by a handle (open_by_handle_at)", func() error {
			return discardFD(unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(1, []byte("engine  ")), 0))
		}},
		{"load a program into the kernel (bpf)", func() error { return call(unix.SYS_BPF, 0, 0, 0) }},
		{"count its events (perf_event_open)", func() error {
			return discardFD(unix.PerfEventOpen(&unix.PerfEventAttr{Size: unix.PERF_ATTR_SIZE_VER0}, 0, -1, -1, 0))
		}},
		{"handle its page faults (userfaultfd)", func() error { return call(unix.SYS_USERFAULTFD, 0) }},
		{"queue calls (io_uring)", func() error { return call(unix.SYS_IO_URING_SETUP, 1, 0) }},
		{"queue calls (io_setup)", func() error { return call(unix.SYS_IO_SETUP, 0, 0) }},
		{"use the kernel's keys (keyctl)", func() error {
			_, err := unix.KeyctlInt(unix.KEYCTL_GET_KEYRING_ID, unix.KEY_SPEC_SESSION_KEYRING, 0, 0, 0)
			return err
		}},
		{"use the kernel's keys (add_key)", func() error { return call(unix.SYS_ADD_KEY, 0, 0, 0, 0, 0) }},
		{"use the kernel's keys (request_key)", func() error {
			return call(unix.SYS_REQUEST_KEY, uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&name[0])), 0, 0)
		}},
		{"load a module", func() error { return unix.FinitModule(0, "", 0) }},
		{"load another kernel", func() error { return call(unix.SYS_KEXEC_LOAD, 0, 1, 0, 0) }},
		{"restart the machine", func() error { return call(unix.SYS_REBOOT, 0, 0, 0, 0) }},
		{"read the kernel's log", func() error { _, err := unix.Klogctl(unix.SYSLOG_ACTION_SIZE_BUFFER, nil); return err }},
		{"set the clock", func() error { return call(unix.SYS_CLOCK_SETTIME, unix.CLOCK_MONOTONIC, 0) }},
		{"name the machine", func() error { return call(unix.SYS_SETHOSTNAME, uintptr(unsafe.Pointer(&name[0])), ^uintptr(0)) }},
		{"swap", func() error { return call(unix.SYS_SWAPON, uintptr(unsafe.Pointer(&name[0])), 0) }},
		{"share memory (shmget)", func() error {
			id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 1, unix.IPC_CREAT|0o600)
			if err == nil {
				_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
			}
			return err
		}},
		{"share a queue (msgget)", func() error { return call(unix.SYS_MSGGET, 0x6d6f7361, 0) }},
		{"share a semaphore (semget)", func() error { return call(unix.SYS_SEMGET, 0x6d6f7361, 1, 0) }},
		{"share a queue (mq_open)", func() error { return call(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0) }},
	}
}

// itself is what would make it another kind of process.
func itself() []attempt {
	return []attempt{
		{"live on without the parent (PR_SET_PDEATHSIG)", func() error { return unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0) }},
		{"be open to others (PR_SET_DUMPABLE)", func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }},
		{"be traced (PR_SET_PTRACER)", func() error { return unix.Prctl(unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0) }},
		{"set its own limits", func() error {
			var limit unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
				return err
			}
			return unix.Prlimit(0, unix.RLIMIT_NOFILE, &limit, nil)
		}},
		{"be another user", func() error { return call(unix.SYS_SETUID, uintptr(os.Getuid())) }},
		{"be in other groups", func() error { return call(unix.SYS_SETGROUPS, 0, 0) }},
		{"have capabilities", func() error {
			header, none := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
			return unix.Capset(&header, &none[0])
		}},
		{"be of another kind (personality)", func() error { return call(unix.SYS_PERSONALITY, 0xffffffff) }},
		{"change its filter (seccomp)", func() error { return call(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, 0) }},
		{"have memory to run code in (mmap)", func() error {
			memory, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err == nil {
				err = unix.Munmap(memory)
			}
			return err
		}},
		{"make memory run as code (mprotect)", func() error {
			memory, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err != nil {
				return err
			}
			return errors.Join(unix.Mprotect(memory, unix.PROT_READ|unix.PROT_EXEC), unix.Munmap(memory))
		}},
	}
}

// call makes a system call that package unix has no function for.
//
//go:uintptrescapes
func call(number uintptr, args ...uintptr) error {
	var all [6]uintptr
	copy(all[:], args)
	_, _, errno := unix.Syscall6(number, all[0], all[1], all[2], all[3], all[4], all[5])
	if errno != 0 {
		return errno
	}
	return nil
}

func open(path string) func() error { return func() error { return discard(os.Open(path)) } }

func discard(f *os.File, err error) error {
	if err == nil {
		f.Close()
	}
	return err
}

func discardFD(fd int, err error) error {
	if err == nil {
		unix.Close(fd)
	}
	return err
}
