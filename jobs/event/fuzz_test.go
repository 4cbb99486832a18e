package event_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
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
		if e.Size < 0 || !strings.HasPrefix(e.EventName, "ObjectCreated:") {
			t.Errorf("%+v", e)
		}
		checkObjectCreated(t, e)
	case event.Ignored:
		checkKey(t, e.Key)
		checkBucket(t, e.Bucket)
		if e.Name == "" || e.Reason == "" || strings.HasPrefix(e.Name, "ObjectCreated:") {
			t.Errorf("%+v", e)
		}
	case event.TestNotification:
		checkBucket(t, e.Bucket)
	case event.Request:
		for _, l := range append(e.Detections, e.Source, e.Destination) {
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

// checkObjectCreated encodes the event anew and reads it back.
func checkObjectCreated(t *testing.T, e event.ObjectCreated) {
	t.Helper()
	type fields = map[string]any
	body, err := json.Marshal(fields{"Records": []fields{{
		"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": e.Region, "eventTime": e.Time, "eventName": e.EventName,
		"s3": fields{
			"bucket": fields{"name": e.Bucket},
			"object": fields{
				"key": url.QueryEscape(e.Key), "size": e.Size, "eTag": e.ETag, "versionId": e.VersionID, "sequencer": e.Sequencer,
			},
		},
	}}})
	if err != nil {
		t.Fatalf("encode %+v: %v", e, err)
	}
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
