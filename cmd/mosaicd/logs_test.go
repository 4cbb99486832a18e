package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A documented event is a row of docs/logs.md.
type documentedEvent struct {
	levels, fields []string
}

// documentedLog reads docs/logs.md: its events, and the fields that every line may have.
var documentedLog = sync.OnceValues(func() (map[string]documentedEvent, []string) {
	body, err := os.ReadFile(filepath.Join("..", "..", "docs", "logs.md"))
	if err != nil {
		panic(err)
	}
	names := func(cell string) (all []string) {
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cell, -1) {
			all = append(all, m[1])
		}
		return all
	}
	events := map[string]documentedEvent{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z, ]+) \\|([^|]*)\\|").FindAllStringSubmatch(string(body), -1) {
		events[row[1]] = documentedEvent{strings.Split(row[2], ", "), names(row[3])}
	}
	shared := []string{"level", "time", "event", "machine"}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| [^|]+ \\|$").FindAllStringSubmatch(string(body), -1) {
		shared = append(shared, row[1])
	}
	return events, shared
})

// checkLog holds what a daemon wrote against docs/logs.md: every line of it, from its first to its last, is JSON.
func checkLog(t testing.TB, path string) {
	body, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	complete, _, _ := strings.Cut(string(body), "\x00") // a kill may cut the last line
	complete = complete[:strings.LastIndexByte(complete, '\n')+1]
	for line := range strings.Lines(complete) {
		if err := judgeLine(line); err != nil {
			t.Errorf("the log says what docs/logs.md doesn't: %v\n%s", err, line)
			return
		}
	}
}

func judgeLine(line string) error {
	events, shared := documentedLog()
	d := json.NewDecoder(strings.NewReader(line))
	if _, err := d.Token(); err != nil {
		return err
	}
	values := map[string]string{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if _, twice := values[key.(string)]; twice {
			return fmt.Errorf("field %s is there twice", key)
		}
		text, err := strconv.Unquote(string(value))
		if err != nil {
			text = string(value)
		}
		values[key.(string)] = text
	}
	if _, metric := values["_aws"]; metric {
		return nil
	}
	row, known := events[values["event"]]
	switch {
	case !known:
		return fmt.Errorf("event %q", values["event"])
	case !slices.Contains(row.levels, values["level"]):
		return fmt.Errorf("level %s of %s", values["level"], values["event"])
	}
	for key := range values {
		if !slices.Contains(shared, key) && !slices.Contains(row.fields, key) {
			return fmt.Errorf("field %s of %s", key, values["event"])
		}
	}
	return nil
}

// TestDocumentedEvents holds the names of docs/logs.md against those in the code.
func TestDocumentedEvents(t *testing.T) {
	t.Parallel()
	inCode := map[string]bool{}
	for _, folder := range []string{"worker", "jobs", "cmd/mosaicd"} {
		files, err := filepath.Glob(filepath.Join("..", "..", folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for event := range eventsOf(file) {
				inCode[event] = true
			}
		}
	}
	documented, _ := documentedLog()
	for _, event := range slices.Sorted(maps.Keys(inCode)) {
		if _, ok := documented[event]; !ok {
			t.Errorf("%s is not in docs/logs.md", event)
		}
	}
	for _, event := range slices.Sorted(maps.Keys(documented)) {
		if !inCode[event] {
			t.Errorf("%s is in docs/logs.md, and not in the code", event)
		}
	}
}

// eventsOf are the values of constants named event…, and the texts that loggers are
// given.
func eventsOf(file *ast.File) map[string]bool {
	found := map[string]bool{}
	text := func(e ast.Expr) (string, bool) {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(lit.Value)
		return s, err == nil
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if rest, ok := strings.CutPrefix(name.Name, "event"); ok && rest != "" && i < len(n.Values) {
					if s, ok := text(n.Values[i]); ok {
						found[s] = true
					}
				}
			}
		case *ast.CallExpr:
			selector, ok := n.Fun.(*ast.SelectorExpr)
			if ok && slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, selector.Sel.Name) && len(n.Args) > 0 {
				if s, ok := text(n.Args[0]); ok {
					found[s] = true
				}
			}
		}
		return true
	})
	return found
}
