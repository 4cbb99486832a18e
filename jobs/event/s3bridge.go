package event

import "cmp"

// An s3Detail is what is read of S3's events on EventBridge. Their keys are not
// URL-encoded.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
type s3Detail struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key       string `json:"key"`
		Size      *int64 `json:"size"`
		ETag      string `json:"etag"`
		VersionID string `json:"version-id"`
		Sequencer string `json:"sequencer"`
	} `json:"object"`
	Reason string `json:"reason"`
}

// s3Reasons are what S3's own notifications call EventBridge's reasons.
var s3Reasons = map[string]string{
	"PutObject":   "Put",
	"CopyObject":  "Copy",
	"POST Object": "Post",
}

func (b bridged) s3() (Event, error) {
	var d s3Detail
	if err := b.detail(&d); err != nil {
		return nil, err
	}
	bucket, key := d.Bucket.Name, d.Object.Key
	const created = "Object Created"
	if b.Name != created && bucket == "" && key == "" {
		return Ignored{Name: b.Name, Reason: "no object was created"}, nil
	}
	if reason := oldBucketReason(bucket); reason != "" {
		return nil, &InvalidError{"detail.bucket.name", reason, quote(bucket)}
	}
	if reason := keyReason(key); reason != "" {
		return nil, &InvalidError{"detail.object.key", reason, quote(key)}
	}
	if b.Name != created {
		return Ignored{Name: b.Name, Bucket: bucket, Key: key, Reason: "no object was created"}, nil
	}
	return b.s3Created(d)
}

func (b bridged) s3Created(d s3Detail) (Event, error) {
	object := d.Object
	err := checkOpaque("detail.object.",
		opaque{"etag", object.ETag},
		opaque{"version-id", object.VersionID},
		opaque{"sequencer", object.Sequencer},
	)
	if err != nil {
		return nil, err
	}
	size, err := sizeOf("detail.object.size", object.Size)
	if err != nil {
		return nil, err
	}
	return ObjectCreated{
		Bucket:    d.Bucket.Name,
		Key:       object.Key,
		VersionID: object.VersionID,
		ETag:      object.ETag,
		Sequencer: object.Sequencer,
		Region:    b.Region,
		Size:      size,
		Time:      b.at,
		EventName: "ObjectCreated:" + cmp.Or(s3Reasons[d.Reason], d.Reason),
	}, nil
}
