// Package terminal writes text that a stranger chose (object keys, metadata, error
// texts that quote them) so that a person can read it: a terminal shows it, and
// obeys none of it.
package terminal

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Escape returns s as one line in which everything can be seen. It replaces control
// characters (C0, DEL, C1), line breaks, invisible and bidirectional characters,
// blanks other than the space, and bytes that are not UTF-8, by what Go writes for
// them: \n, \x1b, \u202e. It also replaces each space that follows a space: a long run of them
// would move the rest of s to the next row of a narrow terminal. A backslash stays
// as it is.
func Escape(s string) string {
	var b strings.Builder
	clean := 0 // s[:clean] has been looked at and written
	spaces := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == ' ' {
			spaces++
		} else {
			spaces = 0
		}
		escaped := ""
		switch {
		case r == utf8.RuneError && size == 1:
			escaped = fmt.Sprintf(`\x%02x`, s[i])
		case spaces > 1:
			escaped = `\x20`
		case hidden(r):
			quoted := strconv.QuoteRuneToASCII(r)
			escaped = quoted[1 : len(quoted)-1]
		}
		if escaped != "" {
			b.WriteString(s[clean:i])
			b.WriteString(escaped)
			clean = i + size
		}
		i += size
	}
	if clean == 0 {
		return s
	}
	b.WriteString(s[clean:])
	return b.String()
}

// hidden reports whether a terminal would act on r, or show nothing for it.
//
// https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
func hidden(r rune) bool {
	return !strconv.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Fprintf writes like fmt.Fprintf. All arguments but numbers and booleans are
// formatted with %v and escaped first; the format is written as it is.
func Fprintf(w io.Writer, format string, args ...any) (int, error) {
	return fmt.Fprintf(w, format, escapeAll(args)...)
}

// Sprintf returns what Fprintf writes.
func Sprintf(format string, args ...any) string {
	return fmt.Sprintf(format, escapeAll(args)...)
}

// Fprintln writes like fmt.Fprintln, with its arguments escaped as by Fprintf.
func Fprintln(w io.Writer, args ...any) (int, error) {
	return fmt.Fprintln(w, escapeAll(args)...)
}

func escapeAll(args []any) []any {
	escaped := make([]any, len(args))
	for i, arg := range args {
		escaped[i] = arg
		_, isText := arg.(fmt.Stringer)
		if isText || arg != nil && !isNumber(reflect.TypeOf(arg).Kind()) {
			escaped[i] = Escape(fmt.Sprint(arg))
		}
	}
	return escaped
}

func isNumber(k reflect.Kind) bool { return k >= reflect.Bool && k <= reflect.Complex128 }

// EscapeError returns err's text, escaped. Errors that errors.Join put on lines of
// their own are separated by semicolons: only the line breaks in a text are shown.
func EscapeError(err error) string {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		var texts, escaped []string
		for _, e := range all.Unwrap() {
			texts, escaped = append(texts, e.Error()), append(escaped, EscapeError(e))
		}
		if err.Error() == strings.Join(texts, "\n") {
			return strings.Join(escaped, "; ")
		}
	}
	return Escape(err.Error())
}

// JSON returns a writer of JSON to w, in which the characters that Escape replaces
// are written as \uXXXX: the same JSON, that does nothing to a terminal. Bytes that
// are not UTF-8 become U+FFFD, which is what readers make of them. White space of
// JSON stays. Each Write must hold whole characters.
func JSON(w io.Writer) io.Writer { return jsonWriter{w} }

type jsonWriter struct{ to io.Writer }

func (w jsonWriter) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p))
	for i := 0; i < len(p); {
		r, size := utf8.DecodeRune(p[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			out = append(out, `\ufffd`...)
		case r == '\n' || r == '\r' || r == '\t' || !hidden(r):
			out = append(out, p[i:i+size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += size
	}
	if _, err := w.to.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
