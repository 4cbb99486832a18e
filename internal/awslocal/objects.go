package awslocal

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"go.uber.org/zap"
)

// Headers that the HTTP layer adds to a request. gofakes3 hands every X-Amz-
// header to its backend as metadata of the object, and nothing else of the
// request: this is how the backend learns the rest.
const (
	localPrefix = "X-Amz-Local-"
	eventHeader = localPrefix + "Event" // the name of the S3 event that the request causes
	etagHeader  = localPrefix + "Etag"  // in metadata: the quoted ETag, where it is not the MD5
	metaKey     = "Mosaicd-Metadata"    // in s3mem: all metadata of an object, as JSON
)

// Names of S3 events:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
const (
	eventPut      = "ObjectCreated:Put"
	eventPost     = "ObjectCreated:Post"
	eventCopy     = "ObjectCreated:Copy"
	eventComplete = "ObjectCreated:CompleteMultipartUpload"
)

// objects is gofakes3's memory backend with the metadata, ETags and
// notifications of S3.
type objects struct {
	*s3mem.Backend
	events *notifier

	mu sync.Mutex // makes the order of notifications that of the writes

	// promoted are the versions that are current since the one after them was deleted,
	// by bucket/key. s3mem has no object then.
	promoted sync.Map

	// completing is held by the one CompleteMultipartUpload request that runs,
	// and guards completion.
	completing sync.Mutex
	completion completion
}

// A completion is what gofakes3 does not hand to its backend when the parts of
// an upload are put together.
type completion struct {
	etag       string // quoted
	conditions *gofakes3.PutConditions
	header     http.Header // of the request
	parts      []part
}

func newObjects(send func(queueURL, body string) error, log *zap.Logger) *objects {
	return &objects{Backend: s3mem.New(), events: newNotifier(send, log)}
}

// Seed stores an object without a request: for tests that need a hundred thousand of
// them. Nobody is notified of it.
func (s *Server) Seed(bucket, key string, body []byte) error {
	_, err := s.objects.Backend.PutObject(bucket, key, map[string]string{metaKey: "{}"}, bytes.NewReader(body), int64(len(body)), nil)
	if err != nil {
		return fmt.Errorf("seed %s/%s: %w", bucket, key, err)
	}
	return nil
}

// PutObject is where every new object comes by: put, posted, copied, or put
// together from parts.
func (o *objects) PutObject(bucket, key string, meta map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	body, err := gofakes3.ReadAll(input, size) // before the lock: it is as slow as the client
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	sum := md5.Sum(body)
	c := created{bucket: bucket, key: key, size: size, event: meta[eventHeader], etag: `"` + hex.EncodeToString(sum[:]) + `"`}
	kept := stored(meta)
	switch c.event {
	case "":
		c.event = eventPost // a form has no header of ours
	case eventComplete:
		c.etag, conditions = o.completion.etag, o.completion.conditions
		kept[etagHeader] = c.etag
		if err := o.completion.keepChecksum(meta, kept, body); err != nil {
			return gofakes3.PutObjectResult{}, err
		}
	}
	packed, err := json.Marshal(kept)
	if err != nil {
		return gofakes3.PutObjectResult{}, fmt.Errorf("encode metadata: %w", err)
	}

	o.mu.Lock()
	defer o.mu.Unlock()
	o.promoted.Delete(bucket + "/" + key)
	// In one value, because s3mem would leave in the new object what only the
	// old one had.
	result, err := o.Backend.PutObject(bucket, key, map[string]string{metaKey: string(packed)},
		bytes.NewReader(body), size, o.byMD5(bucket, key, conditions))
	if err != nil {
		return result, err
	}
	c.versionID = string(result.VersionID)
	o.events.send(c)
	return result, nil
}

// byMD5 returns conditions with the ETag of an object that was uploaded in
// parts replaced by the MD5 that s3mem knows it by.
func (o *objects) byMD5(bucket, key string, conditions *gofakes3.PutConditions) *gofakes3.PutConditions {
	if conditions == nil || conditions.IfMatch == nil {
		return conditions
	}
	obj, err := o.HeadObject(bucket, key)
	if err != nil { // then s3mem refuses the write
		return conditions
	}
	match := *conditions.IfMatch
	if etag := obj.Metadata[etagHeader]; etag != "" && sameETag(match, etag) {
		match = gofakes3.FormatETag(obj.Hash)
	}
	return &gofakes3.PutConditions{IfMatch: &match, IfNoneMatch: conditions.IfNoneMatch}
}

// CopyObject copies through PutObject above.
func (o *objects) CopyObject(srcBucket, srcKey, bucket, key string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObject(o, srcBucket, srcKey, bucket, key, meta)
}

// GetObject returns the current version.
func (o *objects) GetObject(bucket, key string, r *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	if id, ok := o.promoted.Load(bucket + "/" + key); ok {
		return unpack(o.Backend.GetObjectVersion(bucket, key, id.(gofakes3.VersionID), r))
	}
	return unpack(o.Backend.GetObject(bucket, key, r))
}

// HeadObject returns the current version, with a body that need not be read.
// That of s3mem reports versions of buckets that have none.
func (o *objects) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	return o.GetObject(bucket, key, nil)
}

// DeleteObjectVersion deletes one version for good. Where it was the current one, the
// newest that is left is current then. s3mem would have none, and fall over that.
func (o *objects) DeleteObjectVersion(bucket, key string, id gofakes3.VersionID) (gofakes3.ObjectDeleteResult, error) {
	current, err := o.Backend.GetObject(bucket, key, nil)
	if promoted, ok := o.promoted.Load(bucket + "/" + key); err == nil && current.VersionID == id || ok && promoted == id {
		if !ok { // with a marker over it, it is one of the others
			if _, err := o.Backend.DeleteObject(bucket, key); err != nil {
				return gofakes3.ObjectDeleteResult{}, err
			}
		}
		defer o.promote(bucket, key)
	}
	return o.Backend.DeleteObjectVersion(bucket, key, id)
}

// ListBucketVersions lists the versions of each key as S3 does, the newest first.
func (o *objects) ListBucketVersions(bucket string, prefix *gofakes3.Prefix, page *gofakes3.ListBucketVersionsPage) (*gofakes3.ListBucketVersionsResult, error) {
	list, err := o.Backend.ListBucketVersions(bucket, prefix, page)
	if err != nil {
		return nil, err
	}
	key := func(v gofakes3.VersionItem) string {
		switch v := v.(type) {
		case *gofakes3.Version:
			return v.Key
		case *gofakes3.DeleteMarker:
			return v.Key
		}
		return ""
	}
	slices.SortStableFunc(list.Versions, func(a, b gofakes3.VersionItem) int {
		return cmp.Or(strings.Compare(key(a), key(b)), strings.Compare(string(b.GetVersionID()), string(a.GetVersionID())))
	})
	return list, nil
}

// promote makes the newest version of an object that is left the current one.
func (o *objects) promote(bucket, key string) {
	o.promoted.Delete(bucket + "/" + key)
	list, err := o.Backend.ListBucketVersions(bucket, &gofakes3.Prefix{HasPrefix: true, Prefix: key}, nil)
	if err != nil {
		return
	}
	newest := gofakes3.VersionID("") // they are ordered by time
	for _, v := range list.Versions {
		if v, ok := v.(*gofakes3.Version); ok && v.Key == key && v.VersionID > newest {
			newest = v.VersionID
		}
	}
	if newest != "" {
		o.promoted.Store(bucket+"/"+key, newest)
	}
}

// DeleteObject puts a marker over an object in a bucket with versions, and deletes it
// elsewhere.
func (o *objects) DeleteObject(bucket, key string) (gofakes3.ObjectDeleteResult, error) {
	o.promoted.Delete(bucket + "/" + key)
	return o.Backend.DeleteObject(bucket, key)
}

// GetObjectVersion returns one version.
func (o *objects) GetObjectVersion(bucket, key string, id gofakes3.VersionID, r *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	if id == "" {
		return o.GetObject(bucket, key, r)
	}
	return unpack(o.Backend.GetObjectVersion(bucket, key, id, r))
}

// HeadObjectVersion returns one version, with a body that need not be read.
func (o *objects) HeadObjectVersion(bucket, key string, id gofakes3.VersionID) (*gofakes3.Object, error) {
	return o.GetObjectVersion(bucket, key, id, nil)
}

// ListBucket lists objects with the ETags that GET reports.
func (o *objects) ListBucket(bucket string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	list, err := o.Backend.ListBucket(bucket, prefix, page)
	if err != nil {
		return nil, err
	}
	for _, c := range list.Contents {
		if obj, err := o.HeadObject(bucket, c.Key); err == nil && obj.Metadata[etagHeader] != "" {
			c.ETag = obj.Metadata[etagHeader]
		}
	}
	return list, nil
}

func unpack(obj *gofakes3.Object, err error) (*gofakes3.Object, error) {
	if err != nil {
		return nil, err
	}
	packed, ok := obj.Metadata[metaKey]
	if !ok { // a delete marker
		return obj, nil
	}
	obj.Metadata = make(map[string]string)
	if err := json.Unmarshal([]byte(packed), &obj.Metadata); err != nil {
		return nil, fmt.Errorf("decode metadata: %w", err)
	}
	return obj, nil
}

// stored returns what S3 keeps of the headers of a request, under the names
// that it sends them back with.
func stored(meta map[string]string) map[string]string {
	kept := make(map[string]string)
	for name, value := range meta {
		local, isLocal := strings.CutPrefix(name, localPrefix)
		switch {
		case name == eventHeader || name == etagHeader:
		case isLocal:
			kept[local] = value
		case strings.HasPrefix(name, "X-Amz-Meta-"),
			strings.HasPrefix(name, checksumPrefix) && name != checksumAlgorithm && name != checksumPrefix+"Mode",
			!strings.HasPrefix(name, "X-Amz-"):
			kept[name] = value
		}
	}
	return kept
}

// sameETag reports whether a condition names etag.
func sameETag(condition, etag string) bool {
	return strings.Trim(condition, `"`) == strings.Trim(etag, `"`)
}
