package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestHelp holds what each command says of itself against testdata/help, so that a change
// of it is seen: go test ./cmd/mosaicd -run TestHelp$ -update writes the files.
func TestHelp(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]bool{}
	var walk func(node *kong.Node, path []string)
	walk = func(node *kong.Node, path []string) {
		code, help, stderr := call(t, nil, append(path, "--help")...)
		if code != exitDone {
			t.Errorf("%q: exit code %d\n%s", path, code, stderr)
		}
		name := filepath.Join("testdata", "help", strings.Join(append([]string{"mosaicd"}, path...), "-")+".txt")
		files[name] = true
		if *update {
			if err := os.WriteFile(name, []byte(help), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(name); err != nil || string(want) != help {
			t.Errorf("%s (%v) is not\n%s", name, err, help)
		}
		for _, child := range node.Children {
			if !child.Hidden {
				walk(child, append(path[:len(path):len(path)], child.Name))
			}
		}
	}
	walk(parser.Model.Node, nil)
	written, err := filepath.Glob("testdata/help/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range written {
		if !files[name] {
			t.Errorf("%s is of no command", name)
		}
	}
}
