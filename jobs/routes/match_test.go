package routes

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mosaicd/mosaicd/jobs/event"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	r, err := Parse("r", []byte(`version: 1
routes:
  - {name: bucket, match: {bucket: only-this}}
  - {name: buckets, match: {bucket: ["*-uploads", "x*y*z"], suffix: .mp4}}
  - {name: prefix, match: {prefix: [in/, Ü/]}}
  - {name: sizes, match: {minBytes: 1KB, maxBytes: 2KiB, suffix: .bin}}
  - {name: typed, match: {contentType: [video/mp4, audio/*], prefix: t/}}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, ca := range []struct {
		bucket, key string
		bytes       int64
		contentType string // empty: must not be asked for
		want        string
	}{
		{"only-this", "x", 0, "", "bucket"},
		{"only-this-too", "x", 0, "", ""},
		{"a-uploads", "x.MP4", 0, "", "buckets"},
		{"a-uploads", "x.mp4.txt", 0, "", ""},
		{"x1y2z", ".mp4", 0, "", "buckets"},
		{"x1y2", ".mp4", 0, "", ""},
		{"b", "in/x", 0, "", "prefix"},
		{"b", "IN/x", 0, "", ""},
		{"b", "Ü/x", 0, "", "prefix"},
		{"b", "x.bin", 999, "", ""},
		{"b", "x.bin", 1000, "", "sizes"},
		{"b", "x.bin", 2048, "", "sizes"},
		{"b", "x.bin", 2049, "", ""},
		{"b", "t/x", 0, "Video/MP4; codecs=avc1", "typed"},
		{"b", "t/x", 0, "audio/ogg", "typed"},
		{"b", "t/x", 0, "video/webm", ""},
		{"b", "t/x", 0, ";;;", ""},
	} {
		asked := 0
		got, err := r.Match(Object{Location: event.Location{Bucket: ca.bucket, Key: ca.key}, Bytes: ca.bytes, ContentType: func() (string, error) {
			asked++
			return ca.contentType, nil
		}})
		if err != nil || (got == nil) != (ca.want == "") || got != nil && got.Name != ca.want {
			t.Errorf("s3://%s/%s of %d bytes: %+v, %v, want %q", ca.bucket, ca.key, ca.bytes, got, err, ca.want)
		}
		if want := min(len(ca.contentType), 1); asked != want {
			t.Errorf("s3://%s/%s: asked %d times for the content type", ca.bucket, ca.key, asked)
		}
	}
	broken := errors.New("no answer")
	_, err = r.Match(Object{Location: event.Location{Bucket: "b", Key: "t/x"}, ContentType: func() (string, error) { return "", broken }})
	if !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 23, 30, 0, 0, time.FixedZone("west", -3600)) // the 22nd in UTC
	for _, ca := range []struct{ template, key, want string }{
		{"s3://o/{key}", "a/b.mp4", "s3://o/a/b.mp4"},
		{"s3://{bucket}-out/{dir}/{name}/", "a/b c.tar.mp4", "s3://in-out/a/b c.tar/"},
		{"s3://o/{dir}/{name}/", "b.mp4", "s3://o/b/"},
		{"s3://o/x{dir}/{name}/", "b.mp4", "s3://o/xb/"},
		{"s3://o/{dir}/{name}.mp4", "a//b.mov", "s3://o/a//b.mp4"},
		{"s3://o/{date}/{job}.mp4", "b.mp4", "s3://o/2026-11-22/42.mp4"},
		{"s3://o/{key}", "😀/..\n+.mp4", "s3://o/😀/..\n+.mp4"},
		{"s3://o/{name}/", ".mp4", "s3://o/.mp4/"},
		{"s3://o/", "b.mp4", "s3://o/"},
		{"s3://o/{key}", "{bucket}", "s3://o/{bucket}"},
	} {
		got, err := Expand(ca.template, Tokens{Bucket: "in", Key: ca.key, Job: "42", Date: at})
		if err != nil || got != ca.want {
			t.Errorf("%s of %q: %q, %v", ca.template, ca.key, got, err)
		}
	}
	for template, says := range map[string]string{
		"s3://o/{Key}": "unknown token {Key}", "s3://o/{key": "unknown token {key,", "s3://o/}": "a } without its {", "s3://o/{{key}}": "unknown token {{key}",
		"s3://o/" + strings.Repeat("x", 1000) + "{key}": "1 to 1024 bytes", "http://o/{key}": "s3://", "s3://O/{key}": "lower-case", "s3://o": "s3://bucket",
	} {
		if got, err := Expand(template, Tokens{Key: "this/is/a/key/with/some/length.mp4"}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %q, %v", template, got, err)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	r := Default()
	o := Object{Location: event.Location{Bucket: "b", Key: "folder/some-video.MP4"}, Bytes: 1}
	for b.Loop() {
		if got, err := r.Match(o); err != nil || got == nil {
			b.Fatal(err)
		}
	}
}
