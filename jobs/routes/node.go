package routes

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// A node is a part of the file that knows where it is.
type node struct {
	file string
	path string // as in routes[0].steps[1].mosaic
	ast.Node
}

// An Error is a mistake in a routes file.
type Error struct {
	File         string
	Line, Column int    // from 1; 0: unknown
	Path         string // as in routes[0].match.suffix; may be empty
	Problem      string
}

func (e *Error) Error() string {
	at := e.File
	if e.Line > 0 {
		at += fmt.Sprintf(":%d:%d", e.Line, e.Column)
	}
	if e.Path != "" {
		at += ": " + e.Path
	}
	return at + ": " + e.Problem
}

func (n node) errorf(format string, args ...any) error {
	e := &Error{File: n.file, Path: n.path, Problem: fmt.Sprintf(format, args...)}
	if t := n.GetToken(); t != nil && t.Position != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
	}
	return e
}

// show is a value for an error.
func (n node) show() string {
	text := strings.Join(strings.Fields(n.String()), " ")
	if len(text) > 64 {
		text = strings.ToValidUTF8(text[:64], "") + "…"
	}
	return text
}

// A reader sets a field of a T from a node.
type reader[T any] struct {
	name string
	read func(*T, node) error
}

// mapping reads a mapping strictly: each field at most once, and no other.
func mapping[T any](n node, to *T, readers []reader[T]) error {
	m, ok := n.Node.(ast.MapNode)
	if !ok {
		return n.errorf("must be a mapping (got %s)", n.show())
	}
	seen := map[string]bool{}
	for pairs := m.MapRange(); pairs.Next(); {
		key := node{n.file, n.path, pairs.Key()}
		name, ok := plain(pairs.Key())
		i := slices.IndexFunc(readers, func(r reader[T]) bool { return r.name == name })
		if !ok || i < 0 {
			return key.errorf("unknown field %s, known are %s", key.show(), known(readers))
		}
		value := node{n.file, join(n.path, name), pairs.Value()}
		if seen[name] {
			key.path = value.path
			return key.errorf("comes twice")
		}
		seen[name] = true
		if err := readers[i].read(to, value); err != nil {
			return err
		}
	}
	return nil
}

func known[T any](readers []reader[T]) string {
	var names []string
	for _, r := range readers {
		names = append(names, r.name)
	}
	return strings.Join(names, ", ")
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// plain is the text of a scalar that is a key or a word.
func plain(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

func (n node) text(to *string) error {
	s, ok := plain(n.Node)
	if !ok || s == "" {
		return n.errorf("must be a text (got %s)", n.show())
	}
	*to = s
	return nil
}

func (n node) oneOf(to *string, values []string) error {
	if err := n.text(to); err != nil {
		return err
	}
	if !slices.Contains(values, *to) {
		return n.errorf("must be one of %s (got %s)", strings.Join(values, ", "), n.show())
	}
	return nil
}

func (n node) integer(to *int, least, most int) error {
	i, ok := n.Node.(*ast.IntegerNode)
	if !ok {
		return n.errorf("must be a whole number (got %s)", n.show())
	}
	v, err := strconv.Atoi(fmt.Sprint(i.Value)) // int64 or uint64
	if err != nil || v < least || v > most {
		return n.errorf("must be %d to %d (got %s)", least, most, n.show())
	}
	*to = v
	return nil
}

func (n node) number(to *float64, least, most float64) error {
	switch v := n.Node.(type) {
	case *ast.IntegerNode:
		f, err := strconv.ParseFloat(fmt.Sprint(v.Value), 64)
		if err != nil {
			return n.errorf("must be a number (got %s)", n.show())
		}
		*to = f
	case *ast.FloatNode:
		*to = v.Value
	default:
		return n.errorf("must be a number (got %s)", n.show())
	}
	if !(*to >= least && *to <= most) {
		return n.errorf("must be %v to %v (got %s)", least, most, n.show())
	}
	return nil
}

func (n node) truth(to *bool) error {
	b, ok := n.Node.(*ast.BoolNode)
	if !ok {
		return n.errorf("must be true or false (got %s)", n.show())
	}
	*to = b.Value
	return nil
}

// items are those of a sequence.
func (n node) items() ([]node, error) {
	s, ok := n.Node.(*ast.SequenceNode)
	if !ok {
		return nil, n.errorf("must be a list (got %s)", n.show())
	}
	all := make([]node, len(s.Values))
	for i, v := range s.Values {
		all[i] = node{n.file, fmt.Sprintf("%s[%d]", n.path, i), v}
	}
	return all, nil
}

// texts reads a list, or one text for a list of one.
func (n node) texts(to *[]string) error {
	if _, ok := n.Node.(*ast.SequenceNode); !ok {
		*to = make([]string, 1)
		return n.text(&(*to)[0])
	}
	all, err := n.items()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return n.errorf("must not be empty: leave it out")
	}
	*to = make([]string, len(all))
	for i, item := range all {
		if err := item.text(&(*to)[i]); err != nil {
			return err
		}
	}
	return nil
}

// units are those of sizes, longer ones before those they end with.
var units = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// size reads a number of bytes, with or without a unit.
func (n node) size(to *int64) error {
	text := strings.TrimSpace(n.String())
	factor := 1.0
	for _, u := range units {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			text, factor = strings.TrimSpace(number), u.bytes
			break
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if bytes := v * factor; err == nil && bytes >= 0 && bytes < math.MaxInt64 {
		*to = int64(bytes)
		return nil
	}
	return n.errorf("must be a size such as 1000, 500MB or 2GiB (got %s)", n.show())
}
