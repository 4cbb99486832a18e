package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// archCalls are calls that only this architecture has, or that have another name
// here.
var archCalls = []uint32{unix.SYS_FSTATAT}
