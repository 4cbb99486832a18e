package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Probe is one thing that a process in the sandbox must not be able to do.
type Probe struct {
	Name   string `json:"name"`
	Denied bool   `json:"denied"`
	Said   string `json:"said"` // how it was denied, or what was had
}

// Test tries what must be denied, from inside. Outside is a file, and listener a
// TCP address, that somebody outside can reach; parent is a process.
func Test(outside, listener string, parent int) []Probe {
	var all []Probe
	try := func(name string, do func() error) {
		p := Probe{Name: name}
		if err := do(); err != nil {
			p.Denied, p.Said = denied(err), err.Error()
		} else {
			p.Said = "done"
		}
		all = append(all, p)
	}
	open := func(path string) func() error {
		return func() error {
			f, err := os.Open(path)
			if err == nil {
				f.Close()
			}
			return err
		}
	}
	dial := func(network, address string) func() error {
		return func() error {
			c, err := net.DialTimeout(network, address, time.Second)
			if err == nil {
				c.Close()
			}
			return err
		}
	}
	try("read /etc/passwd", open("/etc/passwd"))
	try("read the parent's environment", open(fmt.Sprintf("/proc/%d/environ", parent)))
	try("read a file beside its own", open(outside))
	try("write a file beside its own", func() error {
		return os.WriteFile(filepath.Join(filepath.Dir(outside), "written-by-the-engine"), nil, 0o600)
	})
	try("connect by TCP", dial("tcp", listener))
	try("send by UDP", dial("udp", listener))
	try("make a unix socket", func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	})
	try("start a process", func() error {
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
		if err == nil {
			_, err = syscall.Wait4(pid, nil, 0, nil)
		}
		return err
	})
	try("become another program", func() error { return syscall.Exec("/nonexistent", []string{"x"}, nil) })
	try("signal the parent", func() error { return unix.Kill(parent, 0) })
	try("trace the parent", func() error { return unix.PtraceAttach(parent) })
	try("mount", func() error { return unix.Mount("none", "/", "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, "") })
	return all
}

// denied tells that something was forbidden from that it only failed.
func denied(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
}
