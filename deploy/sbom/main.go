// Command sbom prints the bill of materials of a mosaicd binary that was just
// built on this machine, as CycloneDX JSON: the Go modules that the binary says
// it is made of, and the C libraries that it is linked with.
package main

import (
	"debug/buildinfo"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

// debian are the packages whose libraries are in the binary or beside it.
var debian = []string{"libc6", "libdav1d6", "libnuma-dev", "libstdc++-12-dev", "libx264-dev", "libx265-dev", "zlib1g-dev"}

func main() {
	version := flag.String("version", "dev", "of mosaicd")
	libav := flag.String("libav", "", "version of FFmpeg; empty: the binary is asked")
	packages := flag.String("packages", "", "file with Debian's packages, a name, version and architecture a line; empty: dpkg is asked")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: sbom [--version V] [--libav V] [--packages FILE] BINARY")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *version, *libav, *packages); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(binary, version, libav, packages string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read what %s is made of: %w", binary, err)
	}
	components := []cyclonedx.Component{library("stdlib", strings.TrimPrefix(info.GoVersion, "go"), "pkg:golang/std@"+strings.TrimPrefix(info.GoVersion, "go"))}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		components = append(components, library(m.Path, m.Version, "pkg:golang/"+m.Path+"@"+m.Version))
	}
	if libav == "" {
		if libav, err = libavVersion(binary); err != nil {
			return err
		}
	}
	components = append(components, library("ffmpeg", libav, "pkg:generic/ffmpeg@"+libav))
	linked, err := debianPackages(packages)
	if err != nil {
		return err
	}
	for _, p := range linked {
		components = append(components, library(p.name, p.version, "pkg:deb/debian/"+p.name+"@"+p.version+"?arch="+p.arch+"&distro=debian-12"))
	}

	bom := cyclonedx.NewBOM()
	self := library("mosaicd", version, "pkg:golang/"+info.Main.Path+"@"+version)
	self.Type = cyclonedx.ComponentTypeApplication
	self.Licenses = &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "GPL-3.0-or-later"}}}
	bom.Metadata = &cyclonedx.Metadata{Component: &self}
	bom.Components = &components
	return cyclonedx.NewBOMEncoder(os.Stdout, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
}

func library(name, version, url string) cyclonedx.Component {
	return cyclonedx.Component{Type: cyclonedx.ComponentTypeLibrary, BOMRef: url, Name: name, Version: version, PackageURL: url}
}

type debianPackage struct{ name, version, arch string }

// debianPackages returns the packages whose libraries are in the binary: those of this
// machine, or of a file where the binary was built for another.
func debianPackages(file string) ([]debianPackage, error) {
	var all []debianPackage
	if file != "" {
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(body)) {
			var p debianPackage
			if _, err := fmt.Sscan(line, &p.name, &p.version, &p.arch); err != nil {
				return nil, fmt.Errorf("read %s: %q: %w", file, line, err)
			}
			all = append(all, p)
		}
		return all, nil
	}
	for _, name := range debian {
		out, err := exec.Command("dpkg-query", "-W", "-f", "${Version} ${Architecture}", name).Output()
		if err != nil {
			return nil, fmt.Errorf("ask dpkg for %s: %w", name, err)
		}
		v, arch, _ := strings.Cut(string(out), " ")
		all = append(all, debianPackage{name, v, arch})
	}
	return all, nil
}

// libavVersion is what the binary says of itself.
func libavVersion(binary string) (string, error) {
	out, err := exec.Command(binary, "version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", binary, err)
	}
	lines := strings.Split(string(out), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "FFmpeg ") })
	if i < 0 {
		return "", fmt.Errorf("%s version names no FFmpeg", binary)
	}
	return strings.TrimPrefix(lines[i], "FFmpeg "), nil
}
