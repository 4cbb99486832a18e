package event

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// isS3 recognises what S3 itself sends to a queue or topic: notifications, and
// the test message when they are set up.
func isS3(message object) bool {
	return message.has("Records") || message.has("Service") && message.has("Event")
}

func decodeS3(message object) ([]Event, error) {
	if !message.has("Records") {
		return decodeS3Test(message)
	}
	records, err := message.field("Records").list()
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, unknownf("an S3 notification without records")
	}
	events := make([]Event, len(records))
	var first error // of the records that can't be read
	bad := 0
	for i, text := range records {
		if events[i], err = decodeRecord(fmt.Sprintf("Records[%d]", i), text); err != nil {
			events[i], first, bad = Unreadable{err.Error()}, cmp.Or(first, err), bad+1
		}
	}
	if bad == len(records) {
		return nil, first
	}
	return events, nil
}

func decodeRecord(path string, text json.RawMessage) (Event, error) {
	var r s3Record
	if err := (field{path, text}).lenient(&r); err != nil {
		return nil, err
	}
	return r.event(path)
}

// sizeOf judges the size of an object; nil: the event doesn't say.
func sizeOf(path string, size *int64) (int64, error) {
	switch {
	case size == nil:
		return UnknownSize, nil
	case *size < 0:
		return 0, &InvalidError{path, "must be 0 or more", fmt.Sprint(*size)}
	}
	return *size, nil
}

// decodeS3Test reads {"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":…}.
func decodeS3Test(message object) ([]Event, error) {
	var service, name, bucket string
	for _, f := range []struct {
		name string
		to   *string
	}{{"Service", &service}, {"Event", &name}} {
		if err := message.field(f.name).text(f.to); err != nil {
			return nil, err
		}
	}
	if service != "Amazon S3" || name != "s3:TestEvent" {
		if ofAWS(service) && name != "" {
			return []Event{Ignored{Name: name, Reason: otherService(service)}}, nil
		}
		return nil, unknownf("unknown event %s of service %s: this worker knows s3:TestEvent of Amazon S3", quote(name), quote(service))
	}
	if err := message.field("Bucket").text(&bucket); err != nil {
		return nil, err
	}
	if reason := oldBucketReason(bucket); reason != "" {
		return nil, &InvalidError{"Bucket", reason, quote(bucket)}
	}
	return []Event{TestNotification{Bucket: bucket}}, nil
}

// An s3Record is what is read of one record.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type s3Record struct {
	EventVersion string `json:"eventVersion"`
	EventSource  string `json:"eventSource"`
	Region       string `json:"awsRegion"`
	EventTime    string `json:"eventTime"`
	EventName    string `json:"eventName"`
	S3           struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			Size      *int64 `json:"size"`
			ETag      string `json:"eTag"`
			VersionID string `json:"versionId"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"s3"`
}

func (r *s3Record) event(path string) (Event, error) {
	switch {
	case r.EventSource == sourceS3:
	case strings.HasPrefix(r.EventSource, "aws:"):
		return Ignored{Name: cmp.Or(r.EventName, r.EventSource), Reason: otherService(r.EventSource)}, nil
	case !strings.HasSuffix(r.EventSource, ":s3"): // as in minio:s3 and ceph:s3
		return nil, unknownf("%s: unknown event source %s: this worker knows aws:s3, and others that end in :s3", path, quote(r.EventSource))
	}
	// Minor versions add fields only: 2.1 and 2.6 are read alike.
	if !strings.HasPrefix(r.EventVersion, "2.") {
		return nil, unknownf("%s: unknown version %s of S3's events: this worker knows 2.x", path, quote(r.EventVersion))
	}
	key, err := r.key(path + ".s3.object.key")
	if err != nil {
		return nil, err
	}
	bucket := r.S3.Bucket.Name
	if reason := oldBucketReason(bucket); reason != "" {
		return nil, &InvalidError{path + ".s3.bucket.name", reason, quote(bucket)}
	}
	// With the prefix in the bucket's configuration, without it in events.
	name := strings.TrimPrefix(r.EventName, "s3:")
	if name == "" {
		return nil, &InvalidError{path + ".eventName", "missing", ""}
	}
	if !strings.HasPrefix(name, "ObjectCreated:") {
		return Ignored{Name: name, Bucket: bucket, Key: key, Reason: "no object was created"}, nil
	}
	return r.created(path, name, key)
}

func (r *s3Record) created(path, name, key string) (Event, error) {
	object := r.S3.Object
	err := checkOpaque(path+".",
		opaque{"awsRegion", r.Region},
		opaque{"s3.object.eTag", object.ETag},
		opaque{"s3.object.versionId", object.VersionID},
		opaque{"s3.object.sequencer", object.Sequencer},
	)
	if err != nil {
		return nil, err
	}
	size, err := sizeOf(path+".s3.object.size", object.Size)
	if err != nil {
		return nil, err
	}
	at, err := parseTime(path+".eventTime", r.EventTime)
	if err != nil {
		return nil, err
	}
	return ObjectCreated{
		Bucket:    r.S3.Bucket.Name,
		Key:       key,
		VersionID: object.VersionID,
		ETag:      object.ETag,
		Sequencer: object.Sequencer,
		Region:    r.Region,
		Size:      size,
		Time:      at,
		EventName: name,
	}, nil
}

const (
	sourceS3   = "aws:s3"
	sourceCeph = "ceph:s3"
)

// key decodes the key, once: S3 and MinIO encode it as in a form, where a space is a plus
// and a plus is %2B. Ceph writes it as it is.
// https://docs.ceph.com/en/latest/radosgw/s3-notification-compatibility/
func (r *s3Record) key(path string) (string, error) {
	key, err := r.S3.Object.Key, error(nil)
	if r.EventSource != sourceCeph {
		key, err = url.QueryUnescape(key)
	}
	if err != nil {
		return "", &InvalidError{path, "must be URL-encoded", quote(r.S3.Object.Key)}
	}
	if reason := keyReason(key); reason != "" {
		return "", &InvalidError{path, reason, quote(key)}
	}
	return key, nil
}
