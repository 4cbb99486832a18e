package routes

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// readSidecar reads the word wait, or a mapping.
func readSidecar(r *Route, n node) error {
	r.Sidecar.On = true
	if _, ok := n.Node.(ast.MapNode); !ok {
		return n.word(&r.Sidecar.Wait, "wait")
	}
	if err := mapping(n, &r.Sidecar, sidecarReaders); err != nil {
		return err
	}
	if r.Sidecar.Destination != "" && !r.Sidecar.May("destination") {
		r.Sidecar.Allow = append(r.Sidecar.Allow, "destination")
	}
	return nil
}

var sidecarReaders = []reader[Sidecar]{
	{"wait", func(s *Sidecar, n node) error { return n.truth(&s.Wait) }},
	{"allow", func(s *Sidecar, n node) error { return n.fields(&s.Allow, event.SidecarFields()) }},
	{"weaken", func(s *Sidecar, n node) error { return n.fields(&s.Weaken, Weakenings) }},
	{"destination", func(s *Sidecar, n node) error {
		if err := n.template(&s.Destination); err != nil {
			return err
		}
		if !strings.HasSuffix(s.Destination, "/") {
			return n.errorf("must be a folder and end with a slash (got %s)", n.show())
		}
		return nil
	}},
}

// fields reads a list, which may be empty, of names that are known.
func (n node) fields(to *[]string, known []string) error {
	all, err := n.items()
	if err != nil {
		return err
	}
	for _, item := range all {
		var name string
		if err := item.oneOf(&name, known); err != nil {
			return err
		}
		if !slices.Contains(*to, name) {
			*to = append(*to, name)
		}
	}
	return nil
}

// String says what a clip.json may do.
func (s Sidecar) String() string {
	if !s.On {
		return "starts no job"
	}
	words := []string{"chooses the video"}
	if len(s.Allow) > 0 {
		words = append(words, "may set "+strings.Join(s.Allow, ", "))
	}
	if len(s.Weaken) > 0 {
		words = append(words, "may weaken "+strings.Join(s.Weaken, ", "))
	}
	return strings.Join(words, ", ")
}
