package awslocal

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
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
	parts   parts
	next    http.Handler
}

func newBuckets(o *objects, log *zap.Logger) *buckets {
	return &buckets{objects: o, tags: newTagger(o), parts: parts{all: map[string]map[int]part{}}, next: gofakes3.New(o, gofakes3.WithLogger(s3Log{log.Named("gofakes3")})).Server()}
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
	path := strings.TrimPrefix(r.URL.Path, "/")
	_, key, _ := strings.Cut(path, "/")
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		b.read(w, r)
	case r.Method == http.MethodPost && query.Has("uploadId"):
		b.complete(w, r)
	case r.Method == http.MethodPost && query.Has("uploads"):
		r.Header.Set(eventHeader, eventComplete)
		b.next.ServeHTTP(w, r)
	case r.Method == http.MethodPut && isCopy:
		b.copy(w, r)
	case r.Method == http.MethodPut && key != "":
		b.put(w, r)
	case r.Method == http.MethodDelete && key != "" && !query.Has("uploadId"):
		b.delete(w, r)
	default:
		b.next.ServeHTTP(w, r)
	}
}

// put answers PutObject and UploadPart.
func (b *buckets) put(w http.ResponseWriter, r *http.Request) {
	body, trailer, err := readBody(r)
	if err != nil {
		writeS3Error(w, &apiError{status: http.StatusBadRequest, code: "IncompleteBody", message: err.Error()})
		return
	}
	name, value, err := judgeChecksum(r.Header, trailer, body)
	if err != nil {
		writeS3Error(w, asAPIError(err))
		return
	}
	setBody(r, body)
	w.Header().Set(name, value)
	if query := r.URL.Query(); query.Has("uploadId") {
		number, _ := strconv.Atoi(query.Get("partNumber")) // gofakes3 judges it
		b.parts.add(query.Get("uploadId"), number, part{len(body), name, value})
		b.next.ServeHTTP(w, r)
		return
	}
	w.Header().Set(checksumType, fullObject)
	r.Header.Set(name, value)
	r.Header.Set(checksumType, fullObject)
	r.Header.Set(eventHeader, eventPut)
	b.next.ServeHTTP(w, r)
}

// delete answers DeleteObject. gofakes3 knows no conditions.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
func (b *buckets) delete(w http.ResponseWriter, r *http.Request) {
	b.objects.mu.Lock()
	defer b.objects.mu.Unlock()
	if match := r.Header.Get("If-Match"); match != "" {
		bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		obj, err := b.objects.HeadObjectVersion(bucket, key, gofakes3.VersionID(r.URL.Query().Get("versionId")))
		if err != nil {
			writeGofakes3Error(w, err)
			return
		}
		if match != "*" && !sameETag(match, etagOf(obj)) {
			writeS3Error(w, errPrecondition())
			return
		}
	}
	b.next.ServeHTTP(w, r)
}

// read answers GET and HEAD. For the object of a version gofakes3 would answer
// HEAD with the current one, so a HEAD is a GET whose body net/http drops.
func (b *buckets) read(w http.ResponseWriter, r *http.Request) {
	response := &conditionalResponse{ResponseWriter: w, match: r.Header.Get("If-Match"), noneMatch: r.Header.Get("If-None-Match")}
	r.Header.Del("If-None-Match") // gofakes3 knows only MD5s
	response.checksums = r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED"
	if !b.setPart(w, r) {
		return
	}
	if path := strings.Trim(r.URL.Path, "/"); strings.Contains(path, "/") {
		r.Method = http.MethodGet
	}
	b.next.ServeHTTP(response, r)
	response.WriteHeader(http.StatusOK) // if the object was empty, nothing has been written
}

// setPart makes a request for a part of an object one for its bytes. It reports
// whether there is such a part.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
func (b *buckets) setPart(w http.ResponseWriter, r *http.Request) bool {
	query := r.URL.Query()
	asked, err := strconv.Atoi(query.Get("partNumber"))
	if err != nil || query.Has("uploadId") {
		return true
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	obj, err := b.objects.HeadObjectVersion(bucket, key, gofakes3.VersionID(query.Get("versionId")))
	if err != nil {
		return true // gofakes3 says so
	}
	sizes := []string{strconv.FormatInt(obj.Size, 10)}
	if several := obj.Metadata[partsHeader]; several != "" {
		sizes = strings.Split(several, ",")
		w.Header().Set("X-Amz-Mp-Parts-Count", strconv.Itoa(len(sizes)))
	}
	if asked < 1 || asked > len(sizes) {
		writeS3Error(w, &apiError{status: http.StatusRequestedRangeNotSatisfiable, code: "InvalidPartNumber",
			message: "The requested partnumber is not satisfiable"})
		return false
	}
	from := 0
	for _, size := range sizes[:asked-1] {
		n, _ := strconv.Atoi(size) // we wrote it
		from += n
	}
	n, _ := strconv.Atoi(sizes[asked-1])
	if n > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, from+n-1))
	}
	return true
}

func etagOf(obj *gofakes3.Object) string {
	if etag := obj.Metadata[etagHeader]; etag != "" {
		return etag
	}
	return gofakes3.FormatETag(obj.Hash)
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
	upload := r.URL.Query().Get("uploadId")
	var in gofakes3.CompleteMultipartUploadRequest
	if err := xml.Unmarshal(body, &in); err != nil {
		in.Parts = nil // gofakes3 refuses it
	}
	b.objects.completion = completion{
		etag: multipartETag(body), conditions: conditions(r.Header), header: r.Header, parts: b.parts.take(upload, in),
	}
	answer := &statusResponse{ResponseWriter: w, status: http.StatusOK}
	b.next.ServeHTTP(answer, r)
	if answer.status == http.StatusOK {
		b.parts.forget(upload)
	}
}

// A statusResponse remembers its status.
type statusResponse struct {
	http.ResponseWriter
	status int
}

func (w *statusResponse) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
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

// A conditionalResponse answers a GET or HEAD. It knows the conditions of the
// request and compares them with what gofakes3 is about to send.
type conditionalResponse struct {
	http.ResponseWriter
	match, noneMatch string
	checksums        bool // they are asked for
	started, refused bool
}

func (w *conditionalResponse) WriteHeader(status int) {
	if w.started {
		return
	}
	w.started = true
	h := w.Header()
	h.Del(partsHeader)
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
	if status == http.StatusPartialContent || !w.checksums {
		for name := range h { // they are of the whole object, and clients would compare them
			if strings.HasPrefix(name, checksumPrefix) {
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
		if strings.HasPrefix(name, checksumPrefix) {
			h.Del(name)
		}
	}
	writeS3Error(w.ResponseWriter, errPrecondition())
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
