//go:build !failpoint

// Package failpoint has a process die at a named place, in binaries that are built
// with the tag failpoint: for tests of what a kill there leaves behind. In all
// others it does nothing.
package failpoint

// Hit is such a place.
func Hit(string) {}
