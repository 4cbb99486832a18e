package awslocal

import (
	"encoding/xml"
	"net/http"
	"strings"
	"sync"
)

// A tagger keeps the tags of objects, which gofakes3 does not.
type tagger struct {
	objects *objects
	mu      sync.Mutex
	tags    map[string]tagging // by bucket/key: all versions share them
}

// tagging is how requests and responses have tags.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html
type tagging struct {
	XMLName xml.Name `xml:"Tagging"`
	Tags    []tag    `xml:"TagSet>Tag"`
}

type tag struct{ Key, Value string }

func newTagger(o *objects) *tagger { return &tagger{objects: o, tags: map[string]tagging{}} }

func (t *tagger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := strings.TrimPrefix(r.URL.Path, "/")
	bucket, key, ok := strings.Cut(at, "/")
	if !ok || key == "" {
		writeS3Error(w, &apiError{status: http.StatusNotImplemented, code: "NotImplemented", message: "tags of buckets are not served here"})
		return
	}
	if _, err := t.objects.HeadObject(bucket, key); err != nil {
		writeS3Error(w, &apiError{status: http.StatusNotFound, code: "NoSuchKey", message: "The specified key does not exist."})
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch r.Method {
	case http.MethodGet:
		writeXML(w, http.StatusOK, t.tags[at])
	case http.MethodDelete:
		delete(t.tags, at)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPut:
		body, _, err := readBody(r)
		var in tagging
		if err == nil {
			err = xml.Unmarshal(body, &in)
		}
		if err != nil {
			writeS3Error(w, &apiError{status: http.StatusBadRequest, code: "MalformedXML", message: err.Error()})
			return
		}
		if len(in.Tags) > 10 {
			writeS3Error(w, &apiError{status: http.StatusBadRequest, code: "BadRequest", message: "Object tags cannot be greater than 10"})
			return
		}
		t.tags[at] = in
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}
