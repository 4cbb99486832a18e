package awslocal

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"

	"github.com/johannesboyne/gofakes3"
	"go.uber.org/zap"
)

// refusedSubresources are the parts of a bucket or object that gofakes3 does
// not know. It would take a PUT of an object's tags for one of the object.
var refusedSubresources = []string{
	"accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory",
	"legal-hold", "lifecycle", "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy",
	"policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select",
	"torrent", "website",
}

// metadataHeaders are those that S3 keeps and gofakes3 does not.
var metadataHeaders = []string{"Cache-Control", "Content-Language", "Expires"}

// buckets corrects S3 requests and responses on their way to and from gofakes3.
type buckets struct {
	objects *objects
	tags    *tagger
	next    http.Handler
}

func newBuckets(o *objects, log *zap.Logger) *buckets {
	return &buckets{objects: o, tags: newTagger(o), next: gofakes3.New(o, gofakes3.WithLogger(s3Log{log.Named("gofakes3")})).Server()}
}

func (b *buckets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	for _, name := range refusedSubresources {
		if query.Has(name) {
			writeS3Error(w, &apiError{status: http.StatusNotImplemented, code: "NotImplemented", message: name + " is not served here"})
			return
		}
	}
	if query.Has("tagging") {
		b.tags.ServeHTTP(w, r)
		return
	}
	isCopy := r.Header.Get("X-Amz-Copy-Source") != ""
	if isCopy && query.Has("uploadId") {
		writeS3Error(w, &apiError{status: http.StatusNotImplemented, code: "NotImplemented", message: "UploadPartCopy is not served here"})
		return
	}

	r = r.Clone(r.Context())
	for _, name := range metadataHeaders {
		if value := r.Header.Get(name); value != "" {
			r.Header.Set(localPrefix+name, value)
		}
	}
	decodeChunks(r)
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		b.read(w, r)
	case r.Method == http.MethodPost && query.Has("uploadId"):
		b.complete(w, r)
	case r.Method == http.MethodPost && query.Has("uploads"):
		r.Header.Set(eventHeader, eventComplete)
		b.next.ServeHTTP(w, r)
	case r.Method == http.MethodPut && isCopy:
		r.Header.Set(eventHeader, eventCopy)
		b.next.ServeHTTP(w, r)
	case r.Method == http.MethodPut:
		r.Header.Set(eventHeader, eventPut)
		b.next.ServeHTTP(w, r)
	default:
		b.next.ServeHTTP(w, r)
	}
}

// read answers GET and HEAD. For the object of a version gofakes3 would answer
// HEAD with the current one, so a HEAD is a GET whose body net/http drops.
func (b *buckets) read(w http.ResponseWriter, r *http.Request) {
	response := &conditionalResponse{ResponseWriter: w, match: r.Header.Get("If-Match"), noneMatch: r.Header.Get("If-None-Match")}
	r.Header.Del("If-None-Match") // gofakes3 knows only MD5s
	if path := strings.Trim(r.URL.Path, "/"); strings.Contains(path, "/") {
		r.Method = http.MethodGet
	}
	b.next.ServeHTTP(response, r)
	response.WriteHeader(http.StatusOK) // if the object was empty, nothing has been written
}

// complete puts the parts of an upload together. gofakes3 reports the ETag of
// an object made of parts once and forgets it, and ignores the request's
// conditions: the backend is told of both.
func (b *buckets) complete(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		writeS3Error(w, &apiError{status: http.StatusBadRequest, code: "IncompleteBody", message: err.Error()})
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))

	b.objects.completing.Lock()
	defer b.objects.completing.Unlock()
	b.objects.completion = completion{etag: multipartETag(body), conditions: conditions(r.Header)}
	b.next.ServeHTTP(w, r)
}

// conditions returns the conditions of a write, or nil.
func conditions(h http.Header) *gofakes3.PutConditions {
	var c gofakes3.PutConditions
	if v := h.Get("If-Match"); v != "" {
		c.IfMatch = &v
	}
	if v := h.Get("If-None-Match"); v != "" {
		c.IfNoneMatch = &v
	}
	if c == (gofakes3.PutConditions{}) {
		return nil
	}
	return &c
}

// multipartETag returns the quoted ETag of an object made of the parts that a
// CompleteMultipartUpload request names, as gofakes3 reports it. It is never
// used if the request is malformed, which gofakes3 finds.
func multipartETag(request []byte) string {
	var in gofakes3.CompleteMultipartUploadRequest
	if err := xml.Unmarshal(request, &in); err != nil {
		return ""
	}
	sums := md5.New()
	for _, part := range in.Parts {
		sum, err := hex.DecodeString(strings.Trim(part.ETag, `"`))
		if err != nil {
			return ""
		}
		sums.Write(sum)
	}
	return fmt.Sprintf(`"%s-%d"`, hex.EncodeToString(sums.Sum(nil)), len(in.Parts))
}

// decodeChunks makes a body in S3's own chunked encoding a plain one. SDKs send
// it when the checksum follows the body.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
func decodeChunks(r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return
	}
	length := r.Header.Get("X-Amz-Decoded-Content-Length")
	var n int64
	if _, err := fmt.Sscan(length, &n); err != nil {
		return // gofakes3 refuses the body, which is longer than the object
	}
	// The encoding is that of HTTP with a chunk extension, which this skips.
	r.Body = struct {
		io.Reader
		io.Closer
	}{httputil.NewChunkedReader(r.Body), r.Body}
	r.ContentLength = n
	r.Header.Set("Content-Length", length)
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	encoding := strings.Trim(strings.Replace(r.Header.Get("Content-Encoding"), "aws-chunked", "", 1), ", ")
	if encoding == "" {
		r.Header.Del("Content-Encoding")
	} else {
		r.Header.Set("Content-Encoding", encoding)
	}
}

// A conditionalResponse answers a GET or HEAD. It knows the conditions of the
// request and compares them with what gofakes3 is about to send.
type conditionalResponse struct {
	http.ResponseWriter
	match, noneMatch string
	started, refused bool
}

func (w *conditionalResponse) WriteHeader(status int) {
	if w.started {
		return
	}
	w.started = true
	h := w.Header()
	if etag := h.Get(etagHeader); etag != "" {
		h.Set("ETag", etag)
		h.Del(etagHeader)
	}
	if etag := h.Get("ETag"); etag != "" && status < http.StatusMultipleChoices {
		switch {
		case w.match != "" && w.match != "*" && !sameETag(w.match, etag):
			w.refuse(http.StatusPreconditionFailed)
			return
		case w.noneMatch != "" && sameETag(w.noneMatch, etag):
			w.refuse(http.StatusNotModified)
			return
		}
	}
	if status == http.StatusPartialContent {
		for name := range h { // they are of the whole object, and clients would compare them
			if strings.HasPrefix(name, "X-Amz-Checksum-") {
				h.Del(name)
			}
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *conditionalResponse) refuse(status int) {
	w.refused = true
	h := w.Header()
	h.Del("Content-Length")
	h.Del("Content-Range")
	if status == http.StatusNotModified {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Amz-Checksum-") {
			h.Del(name)
		}
	}
	writeS3Error(w.ResponseWriter, &apiError{status: status, code: "PreconditionFailed",
		message: "At least one of the pre-conditions you specified did not hold"})
}

func (w *conditionalResponse) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// s3Log logs what gofakes3 logs.
type s3Log struct{ log *zap.Logger }

func (l s3Log) Print(_ gofakes3.LogLevel, v ...any) {
	if entry := l.log.Check(zap.DebugLevel, "emulator"); entry != nil {
		entry.Write(zap.String("line", fmt.Sprintln(v...)))
	}
}
