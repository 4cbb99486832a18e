package event

import (
	"slices"
	"strings"
	"time"
)

// FaceSearchEnded is Rekognition's completion notice for a stored video.
// https://docs.aws.amazon.com/rekognition/latest/dg/video-notification-payload.html
type FaceSearchEnded struct {
	JobID  string
	Status string // SUCCEEDED, FAILED or ERROR
	API    string // as Rekognition writes it, as in StartFaceDetection or FACE_DETECTION
	JobTag string // what the job was started with; may be empty
	Source Location
	Time   time.Time
}

func (FaceSearchEnded) isEvent() {}

var faceSearchStatuses = []string{"SUCCEEDED", "FAILED", "ERROR"}

// isRekognition recognises what Rekognition sends to a topic.
func isRekognition(message object) bool { return message.has("JobId") && message.has("API") }

func decodeRekognition(message object) ([]Event, error) {
	var notice struct {
		JobID     string `json:"JobId"`
		Status    string
		API       string
		JobTag    string
		Timestamp int64 // ms since 1970
		Video     struct{ S3Bucket, S3ObjectName string }
	}
	if err := message.lenient(&notice); err != nil {
		return nil, err
	}
	if !slices.Contains(faceSearchStatuses, notice.Status) {
		return nil, unknownf("unknown status %s of a Rekognition job: this worker knows %s", quote(notice.Status), strings.Join(faceSearchStatuses, ", "))
	}
	if err := checkID("JobId", notice.JobID); err != nil {
		return nil, err
	}
	if err := checkOpaque("", opaque{"API", notice.API}, opaque{"JobTag", notice.JobTag}); err != nil {
		return nil, err
	}
	bucket, key := notice.Video.S3Bucket, notice.Video.S3ObjectName
	if reason := oldBucketReason(bucket); reason != "" {
		return nil, &InvalidError{"Video.S3Bucket", reason, quote(bucket)}
	}
	if reason := keyReason(key); reason != "" {
		return nil, &InvalidError{"Video.S3ObjectName", reason, quote(key)}
	}
	at, err := parseMillis("Timestamp", notice.Timestamp)
	if err != nil {
		return nil, err
	}
	return []Event{FaceSearchEnded{
		JobID:  notice.JobID,
		Status: notice.Status,
		API:    notice.API,
		JobTag: notice.JobTag,
		Source: Location{Bucket: bucket, Key: key},
		Time:   at,
	}}, nil
}
