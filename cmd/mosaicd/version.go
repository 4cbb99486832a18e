package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/mosaicd/mosaicd/ffmpeg/libav"
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
	fmt.Fprintf(std.out, "mosaicd %s\ncommit %s\n%s %s/%s\n", version, c, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, line := range libav.Version() {
		fmt.Fprintln(std.out, line)
	}
	return nil
}
