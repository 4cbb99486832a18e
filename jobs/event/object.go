package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mosaicd/mosaicd/internal/text"
)

// An object is a JSON object, its values not yet read. Unlike encoding/json's
// structs it tells upper from lower case and refuses a key that comes twice: of
// two values one would be lost unseen.
type object struct {
	path   string          // of its fields, with the dot at its end; empty for the document itself
	text   json.RawMessage // all of it
	keys   []string        // in the order of the document
	values map[string]json.RawMessage
}

func parseObject(body []byte) (object, error) {
	text, err := text.UTF8(body)
	if err != nil {
		return object{}, unknownf("not JSON: %v", err)
	}
	if !utf8.Valid(text) { // encoding/json would put U+FFFD there
		return object{}, unknownf("not JSON: not UTF-8")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil { // also what follows the document, or goes too deep
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return object{}, unknownf("not JSON: %v (at byte %d)", err, syntax.Offset)
		}
		return object{}, unknownf("not JSON: %v", err)
	}
	whole = bytes.TrimLeft(whole, " \t\r\n")
	if whole[0] != '{' {
		return object{}, unknownf("not a JSON object but %s", show(whole))
	}
	return scanObject("", whole)
}

// scanObject takes a valid JSON object apart.
func scanObject(path string, text json.RawMessage) (object, error) {
	o := object{path: path, text: text, values: map[string]json.RawMessage{}}
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return object{}, unknownf("not JSON: %v", err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return object{}, unknownf("not JSON: %v", err)
		}
		name := key.(string)
		if o.has(name) {
			return object{}, &InvalidError{Field: path + quoteName(name), Reason: "comes twice"}
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return object{}, unknownf("not JSON: %v", err)
		}
		o.keys = append(o.keys, name)
		o.values[name] = value
	}
	return o, nil
}

func (o object) has(name string) bool {
	_, ok := o.values[name]
	return ok
}

// field returns one of the object's fields; its value is nil where it is not
// there.
func (o object) field(name string) field { return field{o.path + name, o.values[name]} }

// String says which keys the object has, for errors.
func (o object) String() string {
	if len(o.keys) == 0 {
		return "has no keys"
	}
	const most = 10
	var names []string
	for _, key := range o.keys[:min(len(o.keys), most)] {
		names = append(names, quoteName(key))
	}
	if more := len(o.keys) - most; more > 0 {
		return fmt.Sprintf("has the keys %s and %d more", strings.Join(names, ", "), more)
	}
	return "has the keys " + strings.Join(names, ", ")
}

// A field is a name and a valid JSON value. Its methods read the value and
// accept no other type: null is none.
type field struct {
	name  string
	value json.RawMessage
}

func (f field) invalid(reason string) error {
	return &InvalidError{Field: f.name, Reason: reason, Value: show(f.value)}
}

func (f field) text(to *string) error {
	if len(f.value) == 0 || f.value[0] != '"' {
		return f.invalid("must be a string")
	}
	return json.Unmarshal(f.value, to)
}

// filled is text for a field that is left out where there is nothing to say.
func (f field) filled(to *string) error {
	err := f.text(to)
	if err == nil && *to == "" {
		return f.invalid("must not be empty")
	}
	return err
}

func (f field) integer(to *int) (err error) {
	if *to, err = strconv.Atoi(string(f.value)); err != nil {
		return f.invalid("must be a whole number")
	}
	return nil
}

func (f field) truth(to *bool) error {
	switch string(f.value) {
	case "true", "false":
		*to = string(f.value) == "true"
		return nil
	}
	return f.invalid("must be true or false")
}

func (f field) number(to *float64) (err error) {
	if *to, err = strconv.ParseFloat(string(f.value), 64); err != nil {
		return f.invalid("must be a number")
	}
	return nil
}

func (f field) object() (object, error) {
	if len(f.value) == 0 || f.value[0] != '{' {
		return object{}, f.invalid("must be an object")
	}
	return scanObject(f.name+".", f.value)
}

func (f field) list() ([]json.RawMessage, error) {
	var values []json.RawMessage
	if len(f.value) == 0 || f.value[0] != '[' {
		return nil, f.invalid("must be a list")
	}
	return values, json.Unmarshal(f.value, &values)
}

func (f field) location(to *Location) error {
	var uri string
	err := f.text(&uri)
	if err == nil {
		*to, err = parseLocation(f.name, uri)
	}
	return err
}

// folder reads s3://bucket/ or s3://bucket/folder/.
func (f field) folder(to *Location) error {
	var uri string
	err := f.text(&uri)
	if err == nil {
		*to, err = parseFolder(f.name, uri)
	}
	return err
}

func (f field) bucket(to *string) error {
	err := f.text(to)
	if reason := bucketReason(*to); err == nil && reason != "" {
		return f.invalid(reason)
	}
	return err
}

func (f field) key(to *string) error {
	err := f.text(to)
	if reason := keyReason(*to); err == nil && reason != "" {
		return f.invalid(reason)
	}
	return err
}

func (f field) locations(to *[]Location) error {
	values, err := f.list()
	if err != nil {
		return err
	}
	if len(values) == 0 {
		return f.invalid("must not be empty")
	}
	*to = make([]Location, len(values))
	for i, value := range values {
		if err := (field{fmt.Sprintf("%s[%d]", f.name, i), value}).location(&(*to)[i]); err != nil {
			return err
		}
	}
	return nil
}

// show returns a JSON value for errors.
func show(value json.RawMessage) string {
	switch {
	case len(value) == 0:
		return ""
	case value[0] == '{':
		return "an object"
	case value[0] == '[':
		return "a list"
	case value[0] == '"':
		var s string
		if json.Unmarshal(value, &s) == nil {
			return quote(s)
		}
	}
	if len(value) > maxShown { // a number
		return string(value[:maxShown]) + "…"
	}
	return string(value)
}
