package event

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An UnknownError says that a message is none that this worker knows.
type UnknownError struct {
	What string // what was seen and what is known
}

func (e *UnknownError) Error() string { return e.What }

func unknownf(format string, args ...any) error {
	return &UnknownError{fmt.Sprintf(format, args...)}
}

// An InvalidError says that a message of a known kind holds a value that can't
// be. All its fields are printable and short, whatever the message held.
type InvalidError struct {
	Field  string // as in blocks, detections[3] or Records[0].s3.object.key
	Reason string // as in "must be 2 to 64"
	Value  string // as in 65 or "a text"; empty where there is none
}

func (e *InvalidError) Error() string {
	if e.Value == "" {
		return e.Field + ": " + e.Reason
	}
	return fmt.Sprintf("%s: %s (got %s)", e.Field, e.Reason, e.Value)
}

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

// quoteName is quote for the name of a field, which needs no quotes when it is
// an ordinary one.
func quoteName(s string) string {
	strange := func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", r)
	}
	if s == "" || len(s) > maxShown || strings.ContainsFunc(s, strange) {
		return quote(s)
	}
	return s
}
