package libav

import "github.com/asticode/go-astiav"

// Quiet has libav say on standard error only what went wrong. It writes there by
// its own means: a callback of go-astiav v0.39.0 formats into 1 KiB without a
// bound, and a file can make libav say more than that.
func Quiet() { astiav.SetLogLevel(astiav.LogLevelError) }
