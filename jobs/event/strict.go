package event

import (
	"fmt"
	"slices"
	"strings"
)

// A reader reads one field of an object that people write into a T.
type reader[T any] struct {
	name     string
	required bool
	read     func(*T, field) error
}

// readStrict reads an object that has no other fields than those.
func readStrict[T any](to *T, message object, readers []reader[T]) error {
	// Before what is missing: it may be there, misspelt.
	if err := refuseUnknown(message, names(readers)); err != nil {
		return err
	}
	return read(to, message, readers)
}

func read[T any](to *T, message object, readers []reader[T]) error {
	for _, r := range readers {
		switch {
		case message.has(r.name):
			if err := r.read(to, message.field(r.name)); err != nil {
				return err
			}
		case r.required:
			return &InvalidError{message.path + r.name, "missing", ""}
		}
	}
	return nil
}

func names[T any](readers []reader[T]) []string {
	known := make([]string, len(readers))
	for i, r := range readers {
		known[i] = r.name
	}
	return known
}

func refuseUnknown(message object, known []string) error {
	for _, key := range message.keys {
		if !slices.Contains(known, key) {
			return unknownField(message.path+quoteName(key), known)
		}
	}
	return nil
}

func unknownField(name string, known []string) error {
	return &InvalidError{name, "unknown field, known are " + strings.Join(known, ", "), ""}
}

// readList reads a list of objects, each strictly.
func readList[T any](to *[]T, f field, readers []reader[T]) error {
	values, err := f.list()
	if err != nil {
		return err
	}
	if len(values) == 0 {
		return f.invalid("must not be empty")
	}
	*to = make([]T, len(values))
	for i, value := range values {
		item, err := field{fmt.Sprintf("%s[%d]", f.name, i), value}.object()
		if err != nil {
			return err
		}
		if err := readStrict(&(*to)[i], item, readers); err != nil {
			return err
		}
	}
	return nil
}
