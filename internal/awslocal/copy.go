package awslocal

import (
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// copy answers CopyObject, which gofakes3 does without versions and conditions.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
func (b *buckets) copy(w http.ResponseWriter, r *http.Request) {
	path, query, _ := strings.Cut(r.Header.Get("X-Amz-Copy-Source"), "?")
	path, err := url.QueryUnescape(path)
	if err != nil {
		writeS3Error(w, &apiError{status: http.StatusBadRequest, code: "InvalidArgument",
			message: "X-Amz-Copy-Source: " + err.Error()})
		return
	}
	fromBucket, fromKey, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	version := ""
	if values, err := url.ParseQuery(query); err == nil {
		version = values.Get("versionId")
	}
	source, err := b.objects.GetObjectVersion(fromBucket, fromKey, gofakes3.VersionID(version), nil)
	if err == nil && source.IsDeleteMarker {
		err = gofakes3.KeyNotFound(fromKey)
	}
	if err != nil {
		writeGofakes3Error(w, err)
		return
	}
	defer source.Contents.Close()
	etag := etagOf(source)
	if match := r.Header.Get("X-Amz-Copy-Source-If-Match"); match != "" && match != "*" && !sameETag(match, etag) {
		writeS3Error(w, errPrecondition())
		return
	}
	meta := map[string]string{}
	replace := r.Header.Get("X-Amz-Metadata-Directive") == "REPLACE"
	for name, value := range source.Metadata {
		checksum := strings.HasPrefix(name, checksumPrefix)
		if name != etagHeader && name != partsHeader && name != "Last-Modified" && (!replace || checksum) {
			meta[name] = value
		}
	}
	if strings.HasSuffix(meta[checksumType], composite) { // the copy is in one piece
		for name := range meta {
			if strings.HasPrefix(name, checksumPrefix) {
				delete(meta, name)
			}
		}
	}
	if replace {
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Amz-Meta-") || strings.HasPrefix(name, "Content-") ||
				strings.HasPrefix(name, localPrefix) {
				meta[name] = r.Header.Get(name)
			}
		}
	}
	now := time.Now().UTC()
	meta["Last-Modified"], meta[eventHeader] = now.Format(http.TimeFormat), eventCopy
	result, err := b.objects.PutObject(bucket, key, meta, source.Contents, source.Size, conditions(r.Header))
	if err != nil {
		writeGofakes3Error(w, err)
		return
	}
	if version := string(source.VersionID); version != "" {
		w.Header().Set("X-Amz-Copy-Source-Version-Id", version)
	}
	if version := string(result.VersionID); version != "" {
		w.Header().Set("X-Amz-Version-Id", version)
	}
	writeXML(w, http.StatusOK, struct {
		XMLName      xml.Name `xml:"CopyObjectResult"`
		ETag         string
		LastModified string
	}{ETag: `"` + hex.EncodeToString(source.Hash) + `"`, LastModified: now.Format(time.RFC3339)})
}

// writeGofakes3Error answers with an error of gofakes3's backend.
func writeGofakes3Error(w http.ResponseWriter, err error) {
	code := gofakes3.ErrInternal
	if coded, ok := err.(interface{ ErrorCode() gofakes3.ErrorCode }); ok {
		code = coded.ErrorCode()
	}
	writeS3Error(w, &apiError{status: code.Status(), code: string(code), message: err.Error()})
}

func errPrecondition() *apiError {
	return &apiError{status: http.StatusPreconditionFailed, code: "PreconditionFailed",
		message: "At least one of the pre-conditions you specified did not hold"}
}
