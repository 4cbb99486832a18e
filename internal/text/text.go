// Package text reads the text files that people save on any system.
package text

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/text/encoding/unicode"
)

var (
	utf8Mark   = []byte("\xef\xbb\xbf")
	utf32Marks = [][]byte{{0xff, 0xfe, 0, 0}, {0, 0, 0xfe, 0xff}}
)

// UTF8 returns body as UTF-8 without a byte order mark. UTF-16 is converted, which is what PowerShell's redirection
// writes; without a mark it is recognised by the zero byte that is half of every ASCII character. Whatever else is left
// as it is. Errors say how to save the file.
func UTF8(body []byte) ([]byte, error) {
	for _, mark := range utf32Marks {
		if bytes.HasPrefix(body, mark) {
			return nil, errors.New("the text is UTF-32: save it as UTF-8")
		}
	}
	endian := unicode.LittleEndian
	switch {
	case bytes.HasPrefix(body, utf8Mark):
		return body[len(utf8Mark):], nil
	case len(body) < 2 || !bytes.HasPrefix(body, []byte{0xff, 0xfe}) && !bytes.HasPrefix(body, []byte{0xfe, 0xff}) &&
		(body[0] == 0) == (body[1] == 0):
		return body, nil
	case body[0] == 0:
		endian = unicode.BigEndian
	}
	if len(body)%2 != 0 {
		return nil, errors.New("the text looks like UTF-16, but its last character is cut: save it as UTF-8")
	}
	converted, err := unicode.UTF16(endian, unicode.UseBOM).NewDecoder().Bytes(body)
	if err != nil {
		return nil, fmt.Errorf("the text looks like UTF-16: %w: save it as UTF-8", err)
	}
	return converted, nil
}
