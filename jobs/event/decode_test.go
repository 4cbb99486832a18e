package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/jobs/event"
)

var update = flag.Bool("update", false, "write what Decode returns to testdata/*.want")

// TestDecode reads every letter in testdata. Beside x.json is x.want: the events,
// or the error and its type.
func TestDecode(t *testing.T) {
	t.Parallel()
	golden(t, "testdata", 180, render)
}

// golden compares what becomes of each x.json of a folder with its x.want. There
// are at least so many.
func golden(t *testing.T, folder string, least int, render func(*testing.T, []byte) string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(paths) < least {
		t.Fatalf("%d letters: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			t.Parallel()
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := render(t, body)
			wantPath := strings.TrimSuffix(path, ".json") + ".want"
			if *update {
				if err := os.WriteFile(wantPath, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wantPath)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// render writes what Decode returned, so that people can read it.
func render(t *testing.T, body []byte) string {
	t.Helper()
	events, err := event.Decode(body)
	if err != nil {
		if events != nil {
			t.Errorf("events beside an error: %v", events)
		}
		return fmt.Sprintf("%T: %v\n", leaf(t, err), err)
	}
	var out bytes.Buffer
	for _, e := range events {
		fmt.Fprintf(&out, "%T ", e)
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		type plain event.Request // without its own JSON form
		if r, ok := e.(event.Request); ok {
			err = encoder.Encode(plain(r))
		} else {
			err = encoder.Encode(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// leaf returns the one of the two types of error that err is made of.
func leaf(t *testing.T, err error) error {
	t.Helper()
	if unknown, ok := errors.AsType[*event.UnknownError](err); ok {
		return unknown
	}
	if invalid, ok := errors.AsType[*event.InvalidError](err); ok {
		return invalid
	}
	t.Fatalf("neither an UnknownError nor an InvalidError: %v", err)
	return nil
}

// hostile are bodies that are too large or too strange for a file.
func hostile() map[string][]byte {
	deep := strings.Repeat(`{"a":`, 200_000)
	request := func(source string) string {
		return `{"version":1,"kind":"mosaic","source":` + source + `,"destination":"s3://covered/a.mp4"}`
	}
	transcode := func(field string) []byte {
		return []byte(`{"version":1,"kind":"transcode","source":"s3://uploads/a.mp4",` + field + `}`)
	}
	vod := func(filename string) []byte {
		return []byte(`{"BucketFrom":"uploads","BucketTo":"streams","Filename":"` + filename + `"}`)
	}
	tooDeep := strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000)
	mebibyte := strings.Repeat("a", event.MaxBody)
	return map[string][]byte{
		"empty":                     nil,
		"spaces":                    []byte(" \n\t "),
		"zeros":                     make([]byte, 1000),
		"invalid UTF-8":             []byte("{\"kind\":\"\xff\"}"),
		"invalid UTF-8 in the key":  notification("a%FF%FE.mp4", 1),
		"cut UTF-8 in the key":      notification("a%F0%9F%98", 1),
		"key of 1025 bytes":         notification(strings.Repeat("k", 1025), 1),
		"key of 1026 bytes, emoji":  notification(url.QueryEscape(strings.Repeat("k", 1022)+"😀"), 1),
		"bad escape":                notification("100%.mp4", 1),
		"cut escape":                notification("a%2", 1),
		"no key":                    notification("", 1),
		"negative size":             notification("a.mp4", -1),
		"deep objects":              []byte(deep),
		"deep lists":                bytes.Repeat([]byte("["), event.MaxBody),
		"deep and closed":           []byte(deep + "1" + strings.Repeat("}", 200_000)),
		"deep in a record":          []byte(`{"Records":[` + strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000) + `]}`),
		"one byte too large":        bytes.Repeat([]byte(" "), event.MaxBody+1),
		"largest string":            []byte(`"` + strings.Repeat("a", event.MaxBody-2) + `"`),
		"largest number":            []byte(strings.Repeat("9", event.MaxBody)),
		"largest kind":              []byte(`{"version":1,"kind":"` + strings.Repeat("m", event.MaxBody-30) + `"}`),
		"largest version":           []byte(`{"kind":"mosaic","version":` + strings.Repeat("1", event.MaxBody-30) + `}`),
		"largest unknown field":     []byte(`{"version":1,"kind":"mosaic","` + strings.Repeat("\u202e", 300_000) + `":1}`),
		"many keys":                 []byte(`{` + strings.Repeat(`"a":1,`, 100) + `"b":1}`),
		"control characters":        []byte(`{"version":1,"kind":"\u0000\u001b[31m\u202e"}`),
		"source that is a number":   []byte(request(`5`)),
		"source that is null":       []byte(request(`null`)),
		"source that is a list":     []byte(request(`["s3://uploads/a.mp4"]`)),
		"source key of 1025 bytes":  []byte(request(`"s3://uploads/` + strings.Repeat("k", 1025) + `"`)),
		"source that is too long":   []byte(request(`"` + strings.Repeat("😀", 200_000) + `"`)),
		"envelope without end":      envelope(envelope(envelope([]byte(`{}`)))),
		"envelope of nonsense":      envelope([]byte(`"`)),
		"envelope of a bad request": envelope([]byte(request(`""`))),

		"EventBridge, key of 1025 bytes":     bridged("aws.s3", "Object Created", `{"bucket":{"name":"uploads"},"object":{"key":"`+strings.Repeat("k", 1025)+`"}}`),
		"EventBridge, invalid UTF-8":         bridged("aws.s3", "Object Created", "{\"bucket\":{\"name\":\"uploads\"},\"object\":{\"key\":\"\xff\"}}"),
		"EventBridge, no detail":             bridged("aws.s3", "Object Created", `{}`),
		"EventBridge, deep":                  bridged("aws.s3", "Object Created", `{"a":`+tooDeep+`}`),
		"EventBridge, largest type":          bridged("aws.s3", mebibyte[:event.MaxBody-200], `{"bucket":{"name":"a/b"}}`),
		"EventBridge, largest source":        bridged(mebibyte[:event.MaxBody-200], "Object Created", `{}`),
		"EventBridge, too large":             bridged("aws.s3", "Object Created", `"`+mebibyte+`"`),
		"EventBridge, control characters":    bridged(`\u0000\u001b`, `\u202e`, `{}`),
		"MediaConvert, deep":                 bridged("aws.mediaconvert", "MediaConvert Job State Change", `{"jobId":"1-a","status":"COMPLETE","outputGroupDetails":`+tooDeep+`}`),
		"MediaConvert, largest id":           bridged("aws.mediaconvert", "MediaConvert Job State Change", `{"status":"ERROR","jobId":"`+mebibyte[:event.MaxBody-200]+`"}`),
		"MediaConvert, largest warning code": bridged("aws.mediaconvert", "MediaConvert Job State Change", `{"status":"NEW_WARNING","jobId":"1-a","warningCode":"`+mebibyte[:event.MaxBody-250]+`"}`),
		"MediaConvert, huge duration": bridged("aws.mediaconvert", "MediaConvert Job State Change",
			`{"jobId":"1-a","status":"COMPLETE","outputGroupDetails":[{"outputDetails":[{"durationInMs":9223372036854775807}]}]}`),

		"Rekognition, key of 1025 bytes": []byte(`{"JobId":"a","API":"StartFaceDetection","Status":"SUCCEEDED","Video":{"S3Bucket":"uploads","S3ObjectName":"` + strings.Repeat("k", 1025) + `"}}`),
		"Rekognition, largest status":    []byte(`{"JobId":"a","API":"b","Status":"` + mebibyte[:event.MaxBody-100] + `"}`),
		"Rekognition, invalid UTF-8":     []byte("{\"JobId\":\"a\",\"API\":\"\xff\"}"),
		"Rekognition, deep":              []byte(`{"JobId":"a","API":"b","Status":"SUCCEEDED","Video":` + tooDeep + `}`),

		"transcode, deep document":     transcode(`"settings":{"a":` + tooDeep + `}`),
		"transcode, deep clips":        transcode(`"clips":` + tooDeep),
		"transcode, many bad clips":    transcode(`"clips":[` + strings.Repeat(`{},`, 100_000) + `{}]`),
		"transcode, largest timecode":  transcode(`"start":"` + mebibyte[:event.MaxBody-100] + `"`),
		"transcode, largest template":  transcode(`"template":"` + mebibyte[:event.MaxBody-100] + `"`),
		"transcode, control character": transcode(`"template":"\u001b[31m"`),

		"VOD, key of 1025 bytes": vod(strings.Repeat("k", 1025)),
		"VOD, no key":            vod(""),
		"VOD, invalid UTF-8":     vod("\xff"),
		"VOD, largest key":       vod(mebibyte[:event.MaxBody-100]),
		"VOD, deep":              []byte(`{"BucketFrom":` + tooDeep + `}`),
	}
}

// notification is one of S3's with a key that is already encoded.
func notification(key string, size int64) []byte {
	return fmt.Appendf(nil, `{"Records":[{"eventVersion":"2.6","eventSource":"aws:s3","eventName":"ObjectCreated:Put",`+
		`"s3":{"bucket":{"name":"uploads"},"object":{"key":%q,"size":%d}}}]}`, key, size)
}

// bridged is an event of EventBridge. The texts are JSON.
func bridged(source, detailType, detail string) []byte {
	return []byte(`{"version":"0","source":"` + source + `","detail-type":"` + detailType + `","detail":` + detail + `}`)
}

func envelope(message []byte) []byte {
	body, err := json.Marshal(map[string]string{"Type": "Notification", "Message": string(message)})
	if err != nil {
		panic(err) // a map of strings always can
	}
	return body
}

func TestDecodeRefusesHostileBodies(t *testing.T) {
	t.Parallel()
	for name, body := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := event.Decode(body)
			if err == nil {
				t.Fatalf("decoded: %v", events)
			}
			checkError(t, events, err)
		})
	}
}

// TestDecodeKey holds keys that S3 allows and that something on the way may
// spoil.
func TestDecodeKey(t *testing.T) {
	t.Parallel()
	for encoded, want := range map[string]string{
		"a+b.mp4":                      "a b.mp4",
		"a%20b.mp4":                    "a b.mp4",
		"a%2Bb.mp4":                    "a+b.mp4",
		"a%252Bb.mp4":                  "a%2Bb.mp4", // decoded once
		"%F0%9F%8E%AC.mp4":             "🎬.mp4",
		"🎬.mp4":                        "🎬.mp4",
		"..%2F..%2Fetc%2Fpasswd":       "../../etc/passwd",
		"-i":                           "-i",
		"%2Fa":                         "/a",
		"a%0Ab":                        "a\nb",
		"a%00b":                        "a\x00b",
		"%25d":                         "%d",
		"a;b&c=d":                      "a;b&c=d",
		strings.Repeat("k", 1024):      strings.Repeat("k", 1024),
		strings.Repeat("%C3%A9", 512):  strings.Repeat("é", 512),
		"concat%3Aa%7Chttp%3A%2F%2Fb/": "concat:a|http://b/",
	} {
		events, err := event.Decode(notification(encoded, 1))
		if err != nil {
			t.Errorf("%q: %v", encoded, err)
			continue
		}
		want := []event.Event{event.ObjectCreated{Bucket: "uploads", Key: want, Size: 1, EventName: "ObjectCreated:Put"}}
		if !reflect.DeepEqual(events, want) {
			t.Errorf("%q: got %+v, want %+v", encoded, events, want)
		}
	}
}

// TestDecodeLiteralKey holds the same keys where they come as they are.
func TestDecodeLiteralKey(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"a b.mp4", "a+b.mp4", "a%2Bb.mp4", "a%20b.mp4", "100%.mp4", "🎬.mp4", "../../etc/passwd", "-i", "/a", "a\nb", "a\x00b", `a"b\c`,
		"concat:a|http://b/", strings.Repeat("k", 1024), strings.Repeat("é", 512),
	} {
		text, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		source := event.Location{Bucket: "uploads", Key: key}
		folder := key[:strings.LastIndexByte(key, '/')+1]
		for form, want := range map[string]event.Event{
			`{"detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"uploads"},"object":{"key":%s},"reason":"PutObject"}}`: event.ObjectCreated{
				Bucket: "uploads", Key: key, Size: event.UnknownSize, EventName: "ObjectCreated:Put",
			},
			`{"JobId":"a","API":"b","Status":"FAILED","Video":{"S3Bucket":"uploads","S3ObjectName":%s}}`: event.FaceSearchEnded{
				JobID: "a", API: "b", Status: "FAILED", Source: source,
			},
			`{"BucketFrom":"uploads","BucketTo":"streams","Filename":%s}`: event.Request{
				Version: 1, Kind: event.KindTranscode, Source: source, Destination: event.Location{Bucket: "streams", Key: "encoded/" + folder},
			},
		} {
			checkDecodesTo(t, fmt.Appendf(nil, form, text), want)
		}
	}
}

// TestDecodeSameUpload reads the notification and the EventBridge event of one
// upload, each wrapped and not.
func TestDecodeSameUpload(t *testing.T) {
	t.Parallel()
	for native, bridge := range map[string]string{
		"s3-put":                "bridge-s3-put",
		"s3-without-version-id": "bridge-s3-without-version-id",
		"s3-key-with-emoji":     "bridge-s3-key-with-emoji",
		"s3-key-with-newline":   "bridge-s3-key-with-newline",
		"s3-empty-object":       "bridge-s3-empty-object",
	} {
		var want event.ObjectCreated
		for i, name := range []string{native, bridge} {
			body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			for _, body := range [][]byte{body, envelope(body)} {
				events, err := event.Decode(body)
				if err != nil || len(events) != 1 {
					t.Fatalf("%s: %d events: %v", name, len(events), err)
				}
				got := events[0].(event.ObjectCreated)
				got.Time = got.Time.Truncate(1e9) // EventBridge's has no fraction
				if i == 0 {
					want = got
				}
				if got.EventName = want.EventName; got != want { // PutObject is both Put and what S3 does for a folder
					t.Errorf("%s: got %+v, want %+v", name, got, want)
				}
			}
		}
	}
}

// TestDecodeLargestBodies reads bodies of 1 MiB.
func TestDecodeLargestBodies(t *testing.T) {
	t.Parallel()
	for name, body := range map[string][]byte{
		"notification": notification("a.mp4", 1),
		"EventBridge":  bridged("aws.s3", "Object Created", `{"bucket":{"name":"uploads"},"object":{"key":"a"}}`),
		"MediaConvert": bridged("aws.mediaconvert", "MediaConvert Job State Change", `{"jobId":"1-a","status":"CANCELED"}`),
		"Rekognition":  []byte(`{"JobId":"a","API":"b","Status":"FAILED","Video":{"S3Bucket":"uploads","S3ObjectName":"a"}}`),
		"transcode":    []byte(`{"version":1,"kind":"transcode","source":"s3://uploads/a"}`),
		"VOD":          []byte(`{"BucketFrom":"uploads","BucketTo":"streams","Filename":"a"}`),
	} {
		body = append(body, bytes.Repeat([]byte(" "), event.MaxBody-len(body))...)
		if events, err := event.Decode(body); err != nil || len(events) != 1 {
			t.Errorf("%s: %d events: %v", name, len(events), err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"s3-put", "s3-several-records", "sns-wrapped-s3", "bridge-s3-put", "mediaconvert-complete-hls", "rekognition-succeeded", "request-mosaic", "request-transcode-clips", "vod", "bad-no-known-shape"} {
		b.Run(name, func(b *testing.B) {
			body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				_, err = event.Decode(body)
			}
			if refused := strings.HasPrefix(name, "bad-"); refused != (err != nil) {
				b.Fatal(err)
			}
		})
	}
}
