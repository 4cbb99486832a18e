package event

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// A Location is where an object is.
type Location struct {
	Bucket    string `json:"bucket"`
	Key       string `json:"key"`
	VersionID string `json:"versionId,omitempty"` // empty is the current version; not part of the URI
}

// MaxKey is the length in bytes of the longest key.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
const MaxKey = 1024

const scheme = "s3://"

// ParseLocation reads s3://bucket/key, as the AWS CLI writes it. The key is
// everything after the bucket's slash, taken literally: it is not URL-decoded, so
// s3://uploads/a%20b.mp4 has a percent sign in its key, and ?, # and further slashes
// are part of it. The bucket has 1 to 63 lower-case letters, digits, dots and
// hyphens; the key has 1 to 1,024 bytes of UTF-8. The error is an *InvalidError.
func ParseLocation(s string) (Location, error) { return parseLocation("location", s) }

func parseLocation(field, s string) (Location, error) {
	rest, ok := strings.CutPrefix(s, scheme)
	bucket, key, slash := strings.Cut(rest, "/")
	if !ok || !slash {
		return Location{}, &InvalidError{field, "must be s3://bucket/key", quote(s)}
	}
	l := Location{Bucket: bucket, Key: key}
	if err := l.validate(field); err != nil {
		return Location{}, err
	}
	return l, nil
}

// parseFolder reads s3://bucket/ or s3://bucket/folder/.
func parseFolder(field, s string) (Location, error) {
	rest, ok := strings.CutPrefix(s, scheme)
	bucket, key, slash := strings.Cut(rest, "/")
	if !ok || !slash {
		return Location{}, &InvalidError{field, folderReason, quote(s)}
	}
	l := Location{Bucket: bucket, Key: key}
	if err := l.validateFolder(field); err != nil {
		return Location{}, err
	}
	return l, nil
}

// String returns s3://bucket/key, which ParseLocation reads. The version is not
// in it.
func (l Location) String() string { return scheme + l.Bucket + "/" + l.Key }

// validate judges the bucket and the key.
func (l Location) validate(field string) error {
	if reason := bucketReason(l.Bucket); reason != "" {
		return &InvalidError{field, reason, quote(l.Bucket)}
	}
	if reason := keyReason(l.Key); reason != "" {
		return &InvalidError{field, reason, quote(l.Key)}
	}
	return nil
}

// validateCurrent is validate for a Location that must have no version.
func (l Location) validateCurrent(field string) error {
	if l.VersionID != "" {
		return &InvalidError{field, "must not have a version", quote(l.VersionID)}
	}
	return l.validate(field)
}

const folderReason = "must be a folder, s3://bucket/ or s3://bucket/folder/ with the slash at its end"

// validateFolder is validateCurrent for a folder. That of the whole bucket has
// no key.
func (l Location) validateFolder(field string) error {
	if l.Key == "" {
		l.Key = "/"
	}
	if !strings.HasSuffix(l.Key, "/") {
		return &InvalidError{field, folderReason, quote(l.String())}
	}
	return l.validateCurrent(field)
}

// bucketReason says why a bucket can't have that name, or nothing. S3 wants
// three characters; other services that speak its protocol take fewer.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func bucketReason(name string) string {
	strange := func(r rune) bool { return !(isLower(r) || isDigit(r) || r == '.' || r == '-') }
	_, notAddress := netip.ParseAddr(name)
	switch {
	case len(name) < 1 || len(name) > 63:
		return "bucket must have 1 to 63 characters"
	case strings.ContainsFunc(name, strange):
		return "bucket must be of lower-case letters, digits, dots and hyphens"
	case strings.ContainsAny(name[:1]+name[len(name)-1:], ".-"):
		return "bucket must begin and end with a letter or digit"
	case strings.Contains(name, ".."):
		return "bucket must not have two dots in a row"
	case notAddress == nil:
		return "bucket must not be an IP address"
	}
	return ""
}

// oldBucketReason is bucketReason for buckets made before 2018 in us-east-1.
// Their events come too.
func oldBucketReason(name string) string {
	strange := func(r rune) bool {
		return !(isLower(r) || r >= 'A' && r <= 'Z' || isDigit(r) || r == '.' || r == '-' || r == '_')
	}
	switch {
	case len(name) < 1 || len(name) > 255:
		return "must have 1 to 255 characters"
	case strings.ContainsFunc(name, strange):
		return "must be of letters, digits, dots, hyphens and underscores"
	}
	return ""
}

func isLower(r rune) bool { return r >= 'a' && r <= 'z' }
func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// keyReason says why an object can't have that key, or nothing.
func keyReason(key string) string {
	switch {
	case len(key) == 0 || len(key) > MaxKey:
		return "key must have 1 to 1024 bytes"
	case !utf8.ValidString(key):
		return "key must be UTF-8"
	}
	return ""
}

// opaqueReason says why a version, an ETag or a sequencer can't be one, or
// nothing. They go into headers and URLs, so control characters end here.
func opaqueReason(s string) string {
	strange := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(s) > 1024 || strings.ContainsFunc(s, strange) {
		return "must be at most 1024 printable ASCII characters"
	}
	return ""
}
