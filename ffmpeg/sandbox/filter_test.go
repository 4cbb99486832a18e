package sandbox

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// answer is the filter's to one call, by the virtual machine of package bpf, which reads big-endian
// words.
func answer(t *testing.T, vm *bpf.VM, arch, call uint32, arguments ...uint64) uint32 {
	t.Helper()
	data := binary.BigEndian.AppendUint32(nil, call)
	data = binary.BigEndian.AppendUint32(data, arch)
	data = append(data, make([]byte, 8)...) // instruction pointer
	for i := range 6 {
		var a uint64
		if i < len(arguments) {
			a = arguments[i]
		}
		data = binary.BigEndian.AppendUint32(data, uint32(a))
		data = binary.BigEndian.AppendUint32(data, uint32(a>>32))
	}
	got, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(got)
}

func TestFilter(t *testing.T) {
	t.Parallel()
	const own, other, high = 1234, 1233, 0xdead << 32 // high is what C may leave in a register
	vm, err := bpf.NewVM(filter(rules(own)))
	if err != nil {
		t.Fatal(err)
	}
	const thread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM
	for _, test := range []struct {
		name      string
		call      uint32
		arguments []uint64
		want      uint32
	}{
		{"read", unix.SYS_READ, []uint64{0, 1 << 40, 1 << 20}, allow},
		{"a thread", unix.SYS_CLONE, []uint64{thread}, allow},
		{"a thread of libc", unix.SYS_CLONE, []uint64{high | thread | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID}, allow},
		{"a process", unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, deny},
		{"a thread in another namespace", unix.SYS_CLONE, []uint64{thread | unix.CLONE_NEWNET}, deny},
		{"a thread of the parent", unix.SYS_CLONE, []uint64{thread | unix.CLONE_PARENT}, deny},
		{"clone3", unix.SYS_CLONE3, []uint64{1, 88}, absent},
		{"its own thread", unix.SYS_TGKILL, []uint64{own, own, 23}, allow},
		{"its own thread, from C", unix.SYS_TGKILL, []uint64{high | own, own, 23}, allow},
		{"another's thread", unix.SYS_TGKILL, []uint64{other, other, 23}, deny},
		{"its limits", unix.SYS_PRLIMIT64, []uint64{0, 7, 0, 1 << 40}, allow},
		{"its limits, set", unix.SYS_PRLIMIT64, []uint64{0, 7, 1 << 40, 0}, deny},
		{"its limits, set from a low address", unix.SYS_PRLIMIT64, []uint64{0, 7, 4096, 0}, deny},
		{"another's limits", unix.SYS_PRLIMIT64, []uint64{other, 0, 0, 1 << 40}, deny},
		{"its cores", unix.SYS_SCHED_GETAFFINITY, []uint64{0, 128, 1 << 40}, allow},
		{"another's cores", unix.SYS_SCHED_GETAFFINITY, []uint64{other, 128, 1 << 40}, deny},
		{"F_GETFL", unix.SYS_FCNTL, []uint64{3, unix.F_GETFL}, allow},
		{"F_SETFL", unix.SYS_FCNTL, []uint64{3, high | unix.F_SETFL, unix.O_NONBLOCK}, allow},
		{"O_ASYNC", unix.SYS_FCNTL, []uint64{3, unix.F_SETFL, unix.O_NONBLOCK | unix.O_ASYNC}, deny},
		{"F_SETOWN", unix.SYS_FCNTL, []uint64{3, unix.F_SETOWN, other}, deny},
		{"F_SETOWN, from C", unix.SYS_FCNTL, []uint64{3, high | unix.F_SETOWN, other}, deny},
		{"PR_SET_NAME", unix.SYS_PRCTL, []uint64{unix.PR_SET_NAME}, allow},
		{"PR_SET_DUMPABLE", unix.SYS_PRCTL, []uint64{unix.PR_SET_DUMPABLE, 1}, deny},
		{"memory", unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ | unix.PROT_WRITE}, allow},
		{"code", unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ | unix.PROT_EXEC}, deny},
		{"memory made code", unix.SYS_MPROTECT, []uint64{1 << 40, 4096, unix.PROT_EXEC}, deny},
		{"socket", unix.SYS_SOCKET, []uint64{2, 1}, deny},
		{"what nobody has thought of", 1000, nil, deny},
		{"by the numbers of x32", x32Bit | unix.SYS_READ, nil, absent},
	} {
		if got := answer(t, vm, auditArch, test.call, test.arguments...); got != test.want {
			t.Errorf("%s: %#x, want %#x", test.name, got, test.want)
		}
		if got := answer(t, vm, unix.AUDIT_ARCH_I386, test.call, test.arguments...); got != deny {
			t.Errorf("%s by another architecture's numbers: %#x", test.name, got)
		}
	}
	// What an argument is must never decide about another call: all commands of fcntl, and
	// all options of prctl, that have the number of a call.
	for n := range uint64(600) {
		want := deny
		if n >= unix.F_GETFD && n <= unix.F_SETFL {
			want = allow
		}
		if got := answer(t, vm, auditArch, unix.SYS_FCNTL, 3, n, 0, 0); got != want {
			t.Errorf("fcntl command %d: %#x", n, got)
		}
		if got := answer(t, vm, auditArch, unix.SYS_PRCTL, n); (got == allow) != (n == unix.PR_SET_NAME) {
			t.Errorf("prctl option %d: %#x", n, got)
		}
	}
}
