//go:build failpoint

package failpoint

import (
	"os"

	"golang.org/x/sys/unix"
)

// Hit kills this process where the variable MOSAICD_FAILPOINT has that name.
func Hit(name string) {
	if os.Getenv("MOSAICD_FAILPOINT") == name {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
}
