package libav

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Identifiers with which files begin.
var (
	// asfHeader is that of ASF's header object (ASF specification, 10.1).
	asfHeader = []byte("\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c")
	// mxfHeader is what the keys of all header partitions have in common (SMPTE ST 377-1, 7.1).
	mxfHeader = []byte("\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02")
)

// asfObjects is more than an ASF file has at its top.
const asfObjects = 64

// endOfASF is where the last object at the top of an ASF file says that it ends (ASF
// specification, 3); 0 where it doesn't say, as in live recordings.
func endOfASF(f io.ReaderAt) int64 {
	at := int64(0)
	for range asfObjects {
		var head [24]byte
		if _, err := f.ReadAt(head[:], at); err != nil {
			break
		}
		length := int64(binary.LittleEndian.Uint64(head[16:]))
		if length < int64(len(head)) || at+length < at {
			return 0
		}
		at += length
	}
	return at
}

// endOfMXF is where the last partition of an MXF file begins, by the first one (SMPTE
// ST 377-1, 7.1); 0 where that was not filled in when the recording stopped.
func endOfMXF(f io.ReaderAt) int64 {
	const key, footer = 16, 24 // the length of the key, and where the value has the place of the footer
	var head [sniffed]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && n == 0 {
		return 0
	}
	start := bytes.Index(head[:n], mxfHeader)
	if start < 0 || start+key >= n {
		return 0
	}
	length := 1
	if first := head[start+key]; first > 0x80 {
		length += int(first & 0x7f)
	}
	at := start + key + length + footer
	if at+8 > n {
		return 0
	}
	begins := int64(binary.BigEndian.Uint64(head[at:]))
	if begins <= 0 || int64(start)+begins < 0 {
		return 0
	}
	return int64(start) + begins + 1
}
