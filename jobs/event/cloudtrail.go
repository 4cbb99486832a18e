package event

import "cmp"

// cloudTrailCall is what EventBridge calls an event that CloudTrail wrote of a call of an API.
const cloudTrailCall = "AWS API Call via CloudTrail"

// A cloudTrailDetail is what is read of one. It has neither the size of the object nor its ETag.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
type cloudTrailDetail struct {
	EventID    string `json:"eventID"`
	EventName  string `json:"eventName"`
	EventTime  string `json:"eventTime"`
	Region     string `json:"awsRegion"`
	ErrorCode  string `json:"errorCode"`
	Parameters struct {
		Bucket string `json:"bucketName"`
		Key    string `json:"key"` // not URL-encoded
	} `json:"requestParameters"`
	Response struct {
		VersionID string `json:"x-amz-version-id"`
	} `json:"responseElements"`
}

// cloudTrailNames are what S3's own notifications call the calls that create an object.
var cloudTrailNames = map[string]string{
	"PutObject":               "Put",
	"CopyObject":              "Copy",
	"PostObject":              "Post",
	"CompleteMultipartUpload": "CompleteMultipartUpload",
}

func (b bridged) cloudTrail() (Event, error) {
	var d cloudTrailDetail
	if err := b.detail(&d); err != nil {
		return nil, err
	}
	name, created := cloudTrailNames[d.EventName]
	if !created || d.ErrorCode != "" {
		reason := "no object was created"
		if created {
			reason = "the call failed"
		}
		return Ignored{Name: cmp.Or(d.EventName, b.Name), Reason: reason}, nil
	}
	if reason := oldBucketReason(d.Parameters.Bucket); reason != "" {
		return nil, &InvalidError{"detail.requestParameters.bucketName", reason, quote(d.Parameters.Bucket)}
	}
	if reason := keyReason(d.Parameters.Key); reason != "" {
		return nil, &InvalidError{"detail.requestParameters.key", reason, quote(d.Parameters.Key)}
	}
	at, err := parseTime("detail.eventTime", d.EventTime)
	if err != nil {
		return nil, err
	}
	if at.IsZero() {
		at = b.at
	}
	e := ObjectCreated{
		Bucket:    d.Parameters.Bucket,
		Key:       d.Parameters.Key,
		VersionID: d.Response.VersionID,
		Region:    cmp.Or(d.Region, b.Region),
		Size:      UnknownSize,
		Time:      at,
		EventName: "ObjectCreated:" + name,
		EventID:   cmp.Or(d.EventID, b.ID, b.Time),
	}
	return e, checkOpaque("detail.", opaque{"eventID", e.EventID}, opaque{"awsRegion", e.Region},
		opaque{"responseElements.x-amz-version-id", e.VersionID})
}
