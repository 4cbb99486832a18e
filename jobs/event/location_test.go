package event_test

import (
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/jobs/event"
)

func TestParseLocation(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 1024)
	for uri, want := range map[string]event.Location{
		"s3://uploads/a.mp4":          {Bucket: "uploads", Key: "a.mp4"},
		"s3://uploads/a/b/c.mp4":      {Bucket: "uploads", Key: "a/b/c.mp4"},
		"s3://uploads//a":             {Bucket: "uploads", Key: "/a"},
		"s3://uploads/a/":             {Bucket: "uploads", Key: "a/"},
		"s3://uploads/../a":           {Bucket: "uploads", Key: "../a"},
		"s3://uploads/a%20b+c":        {Bucket: "uploads", Key: "a%20b+c"},
		"s3://uploads/a?b#c:d@e":      {Bucket: "uploads", Key: "a?b#c:d@e"},
		"s3://uploads/😀 \n":           {Bucket: "uploads", Key: "😀 \n"},
		"s3://uploads/" + long:        {Bucket: "uploads", Key: long},
		"s3://abc/k":                  {Bucket: "abc", Key: "k"},
		"s3://in/k":                   {Bucket: "in", Key: "k"},
		"s3://my.bucket-2/k":          {Bucket: "my.bucket-2", Key: "k"},
		"s3://1.2.3/k":                {Bucket: "1.2.3", Key: "k"},
		"s3://vids--usw2-az1--x-s3/k": {Bucket: "vids--usw2-az1--x-s3", Key: "k"},
		"s3://" + long[:63] + "/k":    {Bucket: long[:63], Key: "k"},
	} {
		got, err := event.ParseLocation(uri)
		if err != nil || got != want {
			t.Errorf("%.80q: got %+v, %v", uri, got, err)
		}
		if got.String() != uri {
			t.Errorf("%.80q came back as %.80q", uri, got.String())
		}
	}
}

func TestParseLocationRefuses(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"":                                       `location: must be s3://bucket/key (got "")`,
		"uploads/a.mp4":                          `location: must be s3://bucket/key (got "uploads/a.mp4")`,
		"S3://uploads/a.mp4":                     `location: must be s3://bucket/key (got "S3://uploads/a.mp4")`,
		"https://uploads/a.mp4":                  `location: must be s3://bucket/key (got "https://uploads/a.mp4")`,
		"file:///etc/passwd":                     `location: must be s3://bucket/key (got "file:///etc/passwd")`,
		"s3:/uploads/a.mp4":                      `location: must be s3://bucket/key (got "s3:/uploads/a.mp4")`,
		"s3://uploads":                           `location: must be s3://bucket/key (got "s3://uploads")`,
		"s3://uploads/":                          `location: key must have 1 to 1024 bytes (got "")`,
		"s3:///a.mp4":                            `location: bucket must have 1 to 63 characters (got "")`,
		"s3://Uploads/a.mp4":                     `location: bucket must be of lower-case letters, digits, dots and hyphens (got "Uploads")`,
		"s3://up_loads/a.mp4":                    `location: bucket must be of lower-case letters, digits, dots and hyphens (got "up_loads")`,
		"s3://upload%73/a.mp4":                   `location: bucket must be of lower-case letters, digits, dots and hyphens (got "upload%73")`,
		"s3://-uploads/a.mp4":                    `location: bucket must begin and end with a letter or digit (got "-uploads")`,
		"s3://uploads./a.mp4":                    `location: bucket must begin and end with a letter or digit (got "uploads.")`,
		"s3://up..loads/a.mp4":                   `location: bucket must not have two dots in a row (got "up..loads")`,
		"s3://192.168.0.1/a.mp4":                 `location: bucket must not be an IP address (got "192.168.0.1")`,
		"s3://uploads/\xff":                      `location: key must be UTF-8 (got "\xff")`,
		"s3://" + strings.Repeat("b", 64) + "/k": `location: bucket must have 1 to 63 characters (got "` + strings.Repeat("b", 64) + `")`,
		"s3://uploads/" + strings.Repeat("é", 513): `location: key must have 1 to 1024 bytes (got "` +
			strings.Repeat("é", 32) + `"…)`,
	} {
		got, err := event.ParseLocation(uri)
		if err == nil || err.Error() != want {
			t.Errorf("%.80q: got %v, want %s", uri, err, want)
		}
		if err != nil {
			checkError(t, nil, err)
		}
		if got != (event.Location{}) {
			t.Errorf("%.80q: %+v beside an error", uri, got)
		}
	}
}

func TestParseFolder(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]event.Location{
		"s3://streams/":             {Bucket: "streams"},
		"s3://streams/a/":           {Bucket: "streams", Key: "a/"},
		"s3://streams//":            {Bucket: "streams", Key: "/"},
		"s3://streams/a b/100%/../": {Bucket: "streams", Key: "a b/100%/../"},
	} {
		if got, err := event.ParseFolder(uri); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", uri, got, err, want)
		} else if got.String() != uri {
			t.Errorf("%q is written as %q", uri, got)
		}
	}
	for _, uri := range []string{
		"", "s3://", "s3:///", "s3://streams", "s3://streams/a", "streams/a/", "https://streams/a/", "s3://Streams/a/",
		"s3://streams/" + strings.Repeat("k", 1024) + "/", "s3://streams/\xff/",
	} {
		got, err := event.ParseFolder(uri)
		if err == nil || got != (event.Location{}) {
			t.Errorf("%q: got %+v, %v", uri, got, err)
			continue
		}
		checkError(t, nil, err)
	}
}
