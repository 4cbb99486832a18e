package output

import (
	"os"

	"golang.org/x/sys/unix"
)

// umask is the process's own. It can only be read by setting it, so this must
// not run while another goroutine makes files.
func umask() os.FileMode {
	mask := unix.Umask(0)
	unix.Umask(mask)
	return os.FileMode(mask)
}
