package event_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/mosaicd/mosaicd/jobs/event"
)

func FuzzDecode(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.json")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no letters: %v", err)
	}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
		if !strings.Contains(path, "bad-") {
			f.Add(envelope(body))
		}
	}
	for _, body := range hostile() {
		if len(body) < 10_000 { // larger ones only slow the fuzzing down
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := event.Decode(body)
		again, errAgain := event.Decode(body)
		if !reflect.DeepEqual(events, again) || (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
			t.Errorf("twice is not the same: %v, %v; %v, %v", events, err, again, errAgain)
		}
		if err != nil {
			checkError(t, events, err)
			return
		}
		if len(events) == 0 {
			t.Error("neither an event nor an error")
		}
		for _, e := range events {
			checkEvent(t, e)
		}
	})
}

// checkError holds for every error of Decode: it is of a known type, and it can
// be logged and published whatever the body held.
func checkError(t *testing.T, events []event.Event, err error) {
	t.Helper()
	if events != nil {
		t.Errorf("events beside an error: %v", events)
	}
	leaf(t, err)
	text := err.Error()
	if text == "" || len(text) > 3000 {
		t.Errorf("error of %d bytes: %.200s", len(text), text)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("error can't be printed: %q", text)
	}
}

// checkEvent holds for every event of Decode.
func checkEvent(t *testing.T, e event.Event) {
	t.Helper()
	switch e := e.(type) {
	case event.ObjectCreated:
		checkKey(t, e.Key)
		checkBucket(t, e.Bucket)
		if e.Size < event.UnknownSize || !strings.HasPrefix(e.EventName, "ObjectCreated:") {
			t.Errorf("%+v", e)
		}
		checkObjectCreated(t, e)
	case event.Ignored:
		if e.Bucket != "" || e.Key != "" {
			checkKey(t, e.Key)
			checkBucket(t, e.Bucket)
		}
		if e.Name == "" || e.Reason == "" || e.Name == "Object Created" && e.Reason == "no object was created" {
			t.Errorf("%+v", e)
		}
	case event.Unreadable:
		if e.Reason == "" || strings.ContainsFunc(e.Reason, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%+v", e)
		}
	case event.TestNotification:
		checkBucket(t, e.Bucket)
	case event.MediaConvertChanged:
		checkMediaConvert(t, e)
	case event.FaceSearchEnded:
		checkKey(t, e.Source.Key)
		checkBucket(t, e.Source.Bucket)
		checkJobID(t, e.JobID)
		checkFaceSearch(t, e)
	case event.Request:
		locations := slices.Concat(e.Detections, e.Images)
		if !strings.HasPrefix(e.Kind, "faces-") {
			locations = append(locations, e.Source)
		}
		if e.Kind == event.KindMosaic {
			locations = append(locations, e.Destination)
		} else if e.Destination.Key != "" && !strings.HasSuffix(e.Destination.Key, "/") {
			t.Errorf("destination %q", e.Destination)
		}
		for _, l := range locations {
			checkKey(t, l.Key)
			checkBucket(t, l.Bucket)
		}
		checkRequest(t, e)
	default:
		t.Errorf("event %T", e)
	}
}

func checkKey(t *testing.T, key string) {
	t.Helper()
	if key == "" || len(key) > 1024 || !utf8.ValidString(key) {
		t.Errorf("key %q", key)
	}
}

func checkBucket(t *testing.T, bucket string) {
	t.Helper()
	if len(bucket) < 1 || len(bucket) > 255 || strings.ContainsAny(bucket, "/%?#:@ \n") {
		t.Errorf("bucket %q", bucket)
	}
}

func checkJobID(t *testing.T, id string) {
	t.Helper()
	if len(id) < 1 || len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		t.Errorf("job id %q", id)
	}
}

func checkMediaConvert(t *testing.T, e event.MediaConvertChanged) {
	t.Helper()
	checkJobID(t, e.JobID)
	if e.Percent != nil && (*e.Percent < 0 || *e.Percent > 100) || e.ErrorCode < 0 || e.Status == "" {
		t.Errorf("%+v", e)
	}
	for _, g := range e.Groups {
		for _, o := range g.Outputs {
			if o.Duration < 0 || o.Width < 0 || o.Height < 0 || o.AverageBitrate < 0 {
				t.Errorf("%+v", o)
			}
		}
	}
	body, err := json.Marshal(e) // as it is kept until the job has ended
	if err != nil {
		t.Fatalf("encode %+v: %v", e, err)
	}
	var again event.MediaConvertChanged
	if err := json.Unmarshal(body, &again); err != nil {
		t.Errorf("decode %s: %v", body, err)
	}
}

// checkFaceSearch encodes the event anew and reads it back.
func checkFaceSearch(t *testing.T, e event.FaceSearchEnded) {
	t.Helper()
	form := map[string]any{
		"JobId": e.JobID, "Status": e.Status, "API": e.API, "JobTag": e.JobTag,
		"Video": map[string]string{"S3Bucket": e.Source.Bucket, "S3ObjectName": e.Source.Key},
	}
	if !e.Time.IsZero() {
		form["Timestamp"] = e.Time.UnixMilli()
	}
	body, err := json.Marshal(form)
	if err != nil {
		t.Fatalf("encode %+v: %v", e, err)
	}
	checkDecodesTo(t, body, e)
}

// checkObjectCreated encodes the event anew, in both of its forms, and reads it
// back.
func checkObjectCreated(t *testing.T, e event.ObjectCreated) {
	t.Helper()
	type fields = map[string]any
	e.EventID = "" // only CloudTrail's events have one
	var size any = e.Size
	if e.Size == event.UnknownSize {
		size = nil
	}
	body, err := json.Marshal(fields{"Records": []fields{{
		"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": e.Region, "eventTime": e.Time, "eventName": e.EventName,
		"s3": fields{
			"bucket": fields{"name": e.Bucket},
			"object": fields{
				"key": url.QueryEscape(e.Key), "size": size, "eTag": e.ETag, "versionId": e.VersionID, "sequencer": e.Sequencer,
			},
		},
	}}})
	if err != nil {
		t.Fatalf("encode %+v: %v", e, err)
	}
	checkDecodesTo(t, body, e)

	body, err = json.Marshal(fields{
		"version": "0", "detail-type": "Object Created", "source": "aws.s3", "region": e.Region, "time": e.Time,
		"detail": fields{
			"bucket": fields{"name": e.Bucket},
			"object": fields{"key": e.Key, "size": size, "etag": e.ETag, "version-id": e.VersionID, "sequencer": e.Sequencer},
			"reason": "POST Object",
		},
	})
	if err != nil {
		t.Fatalf("encode %+v: %v", e, err)
	}
	e.EventName = "ObjectCreated:Post"
	checkDecodesTo(t, body, e)
}

func checkRequest(t *testing.T, r event.Request) {
	t.Helper()
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("encode %+v: %v", r, err)
	}
	if len(body) <= event.MaxBody { // escapes may make it longer than it was
		checkDecodesTo(t, body, r)
	}
}

func checkDecodesTo(t *testing.T, body []byte, want event.Event) {
	t.Helper()
	got, err := event.Decode(body)
	if err != nil || !reflect.DeepEqual(got, []event.Event{want}) {
		t.Errorf("%s\ngot  %+v, %v\nwant %+v", body, got, err, want)
	}
}
