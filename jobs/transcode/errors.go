package transcode

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A SettingsError says what is wrong with a job file. It is the same for ever:
// somebody must mend the file.
type SettingsError struct {
	Name     string   // of the file, as it was given
	Problems []string // at most ten, each with its JSON path, as in "Settings.Inputs: ..."
}

// Error returns all problems on one line.
func (e *SettingsError) Error() string {
	return printable(e.Name) + ": " + strings.Join(e.Problems, "; ")
}

const maxProblems = 10

// problems are collected while a file is judged.
type problems struct {
	name  string
	found []string
}

// add notes what is wrong at a JSON path, which is empty for the whole file.
func (p *problems) add(at, format string, args ...any) {
	if p.full() {
		return
	}
	problem := fmt.Sprintf(format, args...)
	if at != "" {
		problem = at + ": " + problem
	}
	p.found = append(p.found, problem)
}

// full reports whether there is room for no more, so that a file that is all
// wrong takes no time.
func (p *problems) full() bool { return len(p.found) == maxProblems }

func (p *problems) none() bool { return len(p.found) == 0 }

func (p *problems) err() error { return &SettingsError{Name: p.name, Problems: p.found} }

// maxShown is how many bytes of somebody's text an error quotes.
const maxShown = 64

// quote returns a text between quotes, printable and cut to a sane length.
func quote(s string) string {
	if len(s) <= maxShown {
		return strconv.Quote(s)
	}
	end := maxShown
	for !utf8.RuneStart(s[end]) && end > maxShown-utf8.UTFMax {
		end--
	}
	return strconv.Quote(s[:end]) + "…"
}

// printable is s itself where an error may hold it as it is.
func printable(s string) string {
	if s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	return strconv.Quote(s)
}

// field is the path of an object's field.
func field(at, name string) string {
	plain := func(r rune) bool {
		return r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
	}
	if name == "" || len(name) > maxShown || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return at + "[" + quote(name) + "]"
	}
	if at == "" {
		return name
	}
	return at + "." + name
}

// item is the path of a list's item.
func item(at string, i int) string { return at + "[" + strconv.Itoa(i) + "]" }
