package main

import (
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/terminal"
)

// version and commit are set by the linker (see the Makefile).
var (
	version = "dev"
	commit  = ""
)

// license is that of the binary as a whole; libav reports only its own.
const license = "GNU General Public License, version 3 or later; see LICENSE and NOTICE for what is linked in"

type versionCommand struct{}

func (versionCommand) Run(std streams) error {
	c := commit
	if info, ok := debug.ReadBuildInfo(); ok && c == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				c = s.Value
			}
		}
	}
	if c == "" {
		c = "unknown"
	}
	terminal.Fprintf(std.out, "mosaicd %s\ncommit %s\n%s %s/%s\n", version, c, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	terminal.Fprintln(std.out, "license", license)
	for _, line := range libav.Version() {
		terminal.Fprintln(std.out, strings.Replace(line, "license ", "libav license ", 1))
	}
	return nil
}
