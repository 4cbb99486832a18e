package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg/sandbox"
	"github.com/mosaicd/mosaicd/internal/terminal"
)

// A sandboxLevel says how much of the sandbox this machine offers.
type sandboxLevel string

const (
	sandboxFull    sandboxLevel = "full"    // all that is tried is denied
	sandboxPartial sandboxLevel = "partial" // some of it is
	sandboxNone    sandboxLevel = "none"    // nothing is
	sandboxOff     sandboxLevel = "off"     // nobody wants it
)

// selftest has a child try what the sandbox must deny it.
func selftest(ctx context.Context) (sandboxLevel, []sandbox.Probe, error) {
	probes, err := probeSandbox(ctx)
	if err != nil {
		return sandboxNone, nil, fmt.Errorf("test the sandbox: %w", err)
	}
	switch denied(probes) {
	case len(probes):
		return sandboxFull, probes, nil
	case 0:
		return sandboxNone, probes, nil
	}
	return sandboxPartial, probes, nil
}

// denied is how many of the attempts were.
func denied(probes []sandbox.Probe) int {
	n := 0
	for _, p := range probes {
		if p.Denied {
			n++
		}
	}
	return n
}

// bait is in the file that the selftest's child must not read.
const bait = "what the engine must not read"

func probeSandbox(ctx context.Context) (_ []sandbox.Probe, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	folder, err := os.MkdirTemp("", "mosaicd-selftest-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	input, outside := filepath.Join(folder, "input"), filepath.Join(folder, "beside", "outside")
	if err := os.Mkdir(filepath.Dir(outside), 0o700); err != nil {
		return nil, err
	}
	for name, content := range map[string]string{input: "an input", outside: bait} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	left, err := os.Open(outside)
	if err != nil {
		return nil, err
	}
	defer left.Close()
	cmd := exec.CommandContext(ctx, self, "engine", "--probe", input, "--probe", outside, "--probe", listener.Addr().String())
	cmd.Env = []string{}
	cmd.ExtraFiles = []*os.File{left}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	var probes []sandbox.Probe
	if err := json.Unmarshal(out, &probes); err != nil {
		return nil, err
	}
	return probes, nil
}

// probe is the child's part of the selftest.
func probe(std streams, input, outside, listener string) error {
	parent := os.Getppid() // which is not to be had later
	if err := sandbox.Limit(sandbox.Limits{}); err != nil {
		return err
	}
	test, err := sandbox.NewTest(sandbox.Bait{Input: input, Outside: outside, Content: []byte(bait), Listener: listener, Parent: parent})
	if err != nil {
		return err
	}
	if err := sandbox.Enter(sandbox.Access{Read: []string{input}}); err != nil {
		return err
	}
	return json.NewEncoder(terminal.JSON(std.out)).Encode(test.Run())
}

// printSelftest says what the sandbox denies here, and fails where something is
// left open.
func printSelftest(ctx context.Context, std streams) error {
	level, probes, err := selftest(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	for _, p := range probes {
		verdict := "OPEN"
		if p.Denied {
			verdict = "denied"
		}
		terminal.Fprintf(w, "%s\t%s\t%s\n", verdict, p.Name, p.Said)
	}
	terminal.Fprintf(w, "sandbox\t%s\n", level)
	if err := w.Flush(); err != nil {
		return err
	}
	if level != sandboxFull {
		return errors.New("the sandbox leaves something open on this machine: it needs Linux 5.13 or newer with Landlock and seccomp")
	}
	return nil
}
