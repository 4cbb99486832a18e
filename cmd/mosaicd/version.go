package main

import (
	"runtime"
	"runtime/debug"

	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/terminal"
)

// version and commit are set by the linker (see the Makefile).
var (
	version = "dev"
	commit  = ""
)

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
	for _, line := range libav.Version() {
		terminal.Fprintln(std.out, line)
	}
	return nil
}
