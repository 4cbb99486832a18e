package awslocal

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"sync"

	"github.com/johannesboyne/gofakes3"
)

// Checksums of objects:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
const (
	checksumPrefix    = "X-Amz-Checksum-"
	checksumType      = checksumPrefix + "Type"
	checksumAlgorithm = checksumPrefix + "Algorithm"
	fullObject        = "FULL_OBJECT"
	composite         = "COMPOSITE"
	partsHeader       = localPrefix + "Parts" // in metadata: the sizes of an object's parts
)

// nvme is the polynomial of CRC64NVME, in the bit order of package crc64.
const nvme = 0x9a6c9329ac4bc9b5

// An algorithm is one of S3's checksums, by the end of its header's name.
type algorithm struct {
	name string
	hash func() hash.Hash
}

// algorithms begin with the one that S3 takes where the client sends none.
func algorithms() []algorithm {
	return []algorithm{
		{"Crc64nvme", func() hash.Hash { return crc64.New(crc64.MakeTable(nvme)) }},
		{"Crc32", func() hash.Hash { return crc32.NewIEEE() }},
		{"Crc32c", func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
		{"Sha1", sha1.New},
		{"Sha256", sha256.New},
	}
}

func (a algorithm) of(body []byte) string {
	h := a.hash()
	h.Write(body)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// judgeChecksum compares the checksum that came with a body, if one did, and returns
// the one that S3 keeps.
func judgeChecksum(h http.Header, trailer textproto.MIMEHeader, body []byte) (name, value string, err error) {
	all := algorithms()
	for _, a := range all {
		given := h.Get(checksumPrefix + a.name)
		if given == "" {
			given = trailer.Get(checksumPrefix + a.name)
		}
		if given == "" {
			continue
		}
		if value = a.of(body); value != given {
			return "", "", &apiError{status: http.StatusBadRequest, code: "BadDigest",
				message: fmt.Sprintf("The %s you specified did not match the calculated checksum.", strings.ToUpper(a.name))}
		}
		return checksumPrefix + a.name, value, nil
	}
	return checksumPrefix + all[0].name, all[0].of(body), nil
}

// readBody reads the body of a request, decoded, and what follows it in S3's own
// chunked encoding. SDKs use that where the checksum follows the body.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
func readBody(r *http.Request) ([]byte, textproto.MIMEHeader, error) {
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		body, err := io.ReadAll(r.Body)
		return body, nil, err
	}
	raw := bufio.NewReader(r.Body)
	// The encoding is that of HTTP with a chunk extension, which this skips.
	body, err := io.ReadAll(httputil.NewChunkedReader(raw))
	if err != nil {
		return nil, nil, err
	}
	trailer, err := textproto.NewReader(raw).ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	if n := r.Header.Get("X-Amz-Decoded-Content-Length"); n != strconv.Itoa(len(body)) {
		return nil, nil, fmt.Errorf("the body has %d bytes, and should have %q", len(body), n)
	}
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	encoding := strings.Trim(strings.Replace(r.Header.Get("Content-Encoding"), "aws-chunked", "", 1), ", ")
	if encoding == "" {
		r.Header.Del("Content-Encoding")
	} else {
		r.Header.Set("Content-Encoding", encoding)
	}
	return body, trailer, nil
}

// setBody gives a request a plain body.
func setBody(r *http.Request, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
}

// A part is one of an upload in parts.
type part struct {
	size            int
	checksum, value string // name of the header, and what it said
}

// parts are those of uploads that are not complete.
type parts struct {
	mu  sync.Mutex
	all map[string]map[int]part // by upload id and part number
}

func (p *parts) add(upload string, number int, add part) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all[upload] == nil {
		p.all[upload] = map[int]part{}
	}
	p.all[upload][number] = add
}

// take returns the parts that a CompleteMultipartUpload names.
func (p *parts) take(upload string, in gofakes3.CompleteMultipartUploadRequest) []part {
	p.mu.Lock()
	defer p.mu.Unlock()
	var named []part
	for _, asked := range in.Parts {
		named = append(named, p.all[upload][asked.PartNumber])
	}
	return named
}

func (p *parts) forget(upload string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, upload)
}

// keepChecksum puts the checksum of an object that was uploaded in parts, and the
// sizes of these, into what is kept of it. Meta is what the upload was created with.
func (c completion) keepChecksum(meta, kept map[string]string, body []byte) error {
	name, kind := meta[checksumAlgorithm], meta[checksumType]
	all := algorithms()
	use := all[0]
	for _, a := range all {
		if strings.EqualFold(a.name, name) {
			use = a
		}
	}
	if kind == "" {
		kind = composite
		if use.name == all[0].name {
			kind = fullObject
		}
	}
	value := use.of(body)
	if kind == composite {
		h := use.hash()
		for _, p := range c.parts {
			sum, err := base64.StdEncoding.DecodeString(p.value)
			if err != nil || p.checksum != checksumPrefix+use.name {
				return gofakes3.ErrorMessage(gofakes3.ErrInvalidPart, "a part has no checksum of the upload's algorithm")
			}
			h.Write(sum)
		}
		value = fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(h.Sum(nil)), len(c.parts))
	}
	if given := c.header.Get(checksumPrefix + use.name); given != "" && given != value {
		return gofakes3.ErrorMessage(gofakes3.ErrBadDigest,
			"The checksum you specified did not match the calculated checksum.")
	}
	sizes := make([]string, len(c.parts))
	for i, p := range c.parts {
		sizes[i] = strconv.Itoa(p.size)
	}
	kept[checksumPrefix+use.name], kept[checksumType], kept[partsHeader] = value, kind, strings.Join(sizes, ",")
	return nil
}
