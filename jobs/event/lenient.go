package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// lenient reads what AWS wrote into a struct. It passes over what the struct
// doesn't have, and null is as good as nothing.
func (o object) lenient(to any) error { return field{value: o.text}.lenient(to) }

func (f field) lenient(to any) error {
	if len(f.value) == 0 || f.value[0] != '{' {
		return f.invalid("must be an object")
	}
	err := json.Unmarshal(f.value, to)
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &InvalidError{
			Field:  strings.TrimPrefix(f.name+"."+mismatch.Field, "."),
			Reason: "must be " + typeName(mismatch.Type.Kind()),
			Value:  show(json.RawMessage(mismatch.Value)),
		}
	}
	return err
}

// typeName is what JSON calls the types of the structs that lenient fills.
func typeName(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string"
	case reflect.Int64:
		return "a whole number"
	case reflect.Uint32:
		return "a whole number from 0 to 4294967295"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}

// code reads a code that AWS writes as a number in one place and as a string in
// another. None is 0.
func (f field) code(to *int) error {
	digits := strings.Trim(string(f.value), `"`)
	if digits == "" || digits == "null" {
		return nil
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return f.invalid("must be a code of digits")
	}
	*to = int(n)
	return nil
}

// An opaque is a text that nobody but its maker understands.
type opaque struct{ name, value string }

func checkOpaque(path string, texts ...opaque) error {
	for _, t := range texts {
		if reason := opaqueReason(t.value); reason != "" {
			return &InvalidError{path + t.name, reason, quote(t.value)}
		}
	}
	return nil
}

// checkID judges the id of a job of MediaConvert or Rekognition.
func checkID(name, id string) error {
	strange := func(r rune) bool {
		return !(isLower(r) || r >= 'A' && r <= 'Z' || isDigit(r) || strings.ContainsRune("-_.", r))
	}
	if len(id) < 1 || len(id) > 128 || strings.ContainsFunc(id, strange) {
		return &InvalidError{name, "must be 1 to 128 letters, digits, hyphens, underscores and dots", quote(id)}
	}
	return nil
}

// parseTime reads what AWS calls ISO 8601. An empty text is the zero time, and one
// without a zone, as moto writes it, is in UTC.
func parseTime(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00"} { // the second is Ceph's
		if err != nil {
			at, err = time.Parse(layout, text)
		}
	}
	if year := at.UTC().Year(); err != nil || year < 0 || year > 9999 { // the zone may take it out of what JSON can say
		return time.Time{}, &InvalidError{name, "must be an ISO 8601 time", quote(text)}
	}
	return at.UTC(), nil
}

// maxMillis is the last millisecond of the year 9999.
const maxMillis = 253402300799999

// parseMillis reads a time in milliseconds since 1970. 0 is the zero time.
func parseMillis(name string, ms int64) (time.Time, error) {
	switch {
	case ms == 0:
		return time.Time{}, nil
	case ms < 0 || ms > maxMillis:
		return time.Time{}, &InvalidError{name, "must be milliseconds since 1970", fmt.Sprint(ms)}
	}
	return time.UnixMilli(ms).UTC(), nil
}
