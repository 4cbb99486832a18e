package awslocal_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (e env) put(t *testing.T, bucket, key, body string) *s3.PutObjectOutput {
	t.Helper()
	out, err := e.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (e env) keepVersions(t *testing.T, bucket string) {
	t.Helper()
	if _, err := e.s3.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
}

func (e env) get(t *testing.T, in s3.GetObjectInput) (*s3.GetObjectOutput, string) {
	t.Helper()
	out, err := e.s3.GetObject(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body) // compares the checksum, too
	if err != nil {
		t.Fatal(err)
	}
	return out, string(body)
}

func wantStatus(t *testing.T, err error, status int) {
	t.Helper()
	var e *awshttp.ResponseError
	if !errors.As(err, &e) || e.HTTPStatusCode() != status {
		t.Fatalf("got %v, want status %d", err, status)
	}
}

func TestObjectKeys(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	keys := []string{"in/a b+ü.mp4", "in//double", "%41", "a?b&c=d#e", "日本/é.mov", "Action=SendMessage", "quote\"'<>"}
	for _, key := range keys {
		e.put(t, "media", key, "body of "+key)
	}
	for _, key := range keys {
		if _, body := e.get(t, s3.GetObjectInput{Bucket: aws.String("media"), Key: &key}); body != "body of "+key {
			t.Errorf("%q holds %q", key, body)
		}
	}
	list, err := e.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("media"), Prefix: aws.String("in/")})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Contents) != 2 || *list.Contents[1].Key != keys[0] {
		t.Fatalf("listed %d objects", len(list.Contents))
	}
}

func TestObjectHeaders(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	put, err := e.s3.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("media"), Key: aws.String("k"), Body: strings.NewReader("0123456789"),
		ContentType: aws.String("video/mp4"), CacheControl: aws.String("max-age=60"),
		Metadata: map[string]string{"job-id": "j1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	head, err := e.s3.HeadObject(t.Context(), &s3.HeadObjectInput{
		Bucket: aws.String("media"), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled,
	})
	if err != nil {
		t.Fatal(err)
	}
	if *head.ETag != *put.ETag || *head.ContentLength != 10 || *head.ContentType != "video/mp4" ||
		aws.ToString(head.CacheControl) != "max-age=60" || head.Metadata["job-id"] != "j1" || head.VersionId != nil {
		t.Fatalf("got %+v", head)
	}
	if head.ChecksumCRC32 == nil {
		t.Fatal("no checksum")
	}
	out, body := e.get(t, s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("k"), Range: aws.String("bytes=2-5")})
	if body != "2345" || *out.ContentRange != "bytes 2-5/10" || *out.ContentLength != 4 || out.ChecksumCRC32 != nil {
		t.Fatalf("got %q, %+v", body, out)
	}
	if _, body := e.get(t, s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("k"), Range: aws.String("bytes=-3")}); body != "789" {
		t.Fatalf("got %q", body)
	}
	_, err = e.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("k"), Range: aws.String("bytes=10-")})
	wantCode(t, err, "InvalidRange")

	e.put(t, "media", "k", "new") // nothing of the old one stays
	out, _ = e.get(t, s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("k")})
	if len(out.Metadata) != 0 || out.CacheControl != nil {
		t.Fatalf("got %v of the overwritten object", out.Metadata)
	}
	e.put(t, "media", "empty", "")
	if _, body := e.get(t, s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("empty")}); body != "" {
		t.Fatalf("got %q", body)
	}
}

func TestObjectNotFound(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	_, err := e.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("none")})
	wantAs[*types.NoSuchKey](t, err)
	_, err = e.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("media"), Key: aws.String("none")})
	wantAs[*types.NotFound](t, err)
	_, err = e.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("none"), Key: aws.String("k")})
	wantCode(t, err, "NoSuchBucket")
	_, err = e.s3.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("none")})
	wantAs[*types.NotFound](t, err)
}

func TestConditionalRead(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	etag := e.put(t, "media", "k", "one").ETag
	in := s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("k"), IfMatch: etag, Range: aws.String("bytes=1-")}
	if _, body := e.get(t, in); body != "ne" {
		t.Fatalf("got %q", body)
	}
	e.put(t, "media", "k", "two")
	_, err := e.s3.GetObject(t.Context(), &in)
	wantStatus(t, err, http.StatusPreconditionFailed)
	wantCode(t, err, "PreconditionFailed")
	_, err = e.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: in.Bucket, Key: in.Key, IfMatch: etag})
	wantStatus(t, err, http.StatusPreconditionFailed)
	_, err = e.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: in.Bucket, Key: in.Key, IfNoneMatch: e.put(t, "media", "k", "three").ETag})
	wantStatus(t, err, http.StatusNotModified)
	empty := e.put(t, "media", "empty", "").ETag
	_, err = e.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: in.Bucket, Key: aws.String("empty"), IfMatch: etag})
	wantStatus(t, err, http.StatusPreconditionFailed)
	e.get(t, s3.GetObjectInput{Bucket: in.Bucket, Key: aws.String("empty"), IfMatch: empty})
}

func TestConditionalWrite(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	in := s3.PutObjectInput{Bucket: aws.String("media"), Key: aws.String("ledger/j1"), IfNoneMatch: aws.String("*")}
	in.Body = strings.NewReader("first")
	first, err := e.s3.PutObject(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	in.Body = strings.NewReader("second")
	_, err = e.s3.PutObject(t.Context(), &in)
	wantStatus(t, err, http.StatusPreconditionFailed)
	in.IfNoneMatch, in.IfMatch, in.Body = nil, first.ETag, strings.NewReader("third")
	if _, err := e.s3.PutObject(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
	in.Body = strings.NewReader("fourth")
	_, err = e.s3.PutObject(t.Context(), &in)
	wantStatus(t, err, http.StatusPreconditionFailed)
	if _, body := e.get(t, s3.GetObjectInput{Bucket: in.Bucket, Key: in.Key}); body != "third" {
		t.Fatalf("got %q", body)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	e.keepVersions(t, "media")
	first, second := e.put(t, "media", "k", "one"), e.put(t, "media", "k", "two!")
	if first.VersionId == nil || second.VersionId == nil || *first.VersionId == *second.VersionId {
		t.Fatal("no versions")
	}
	if _, body := e.get(t, s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("k"), VersionId: first.VersionId}); body != "one" {
		t.Fatalf("got %q", body)
	}
	head, err := e.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("media"), Key: aws.String("k"), VersionId: first.VersionId})
	if err != nil || *head.ContentLength != 3 || *head.VersionId != *first.VersionId {
		t.Fatalf("got %+v, %v", head, err)
	}
	if _, err := e.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("media"), Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	_, err = e.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("k")})
	wantAs[*types.NoSuchKey](t, err)
}

func TestMultipartUpload(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	size := 100 << 20
	if testing.Short() {
		size = 20 << 20
	}
	content := make([]byte, size)
	if _, err := rand.Read(content); err != nil {
		t.Fatal(err)
	}
	e.put(t, "media", "big", "small, with a checksum of its own")
	tm := transfermanager.New(e.s3)
	up, err := tm.UploadObject(t.Context(), &transfermanager.UploadObjectInput{
		Bucket: aws.String("media"), Key: aws.String("big"), Body: bytes.NewReader(content),
		ContentType: aws.String("video/mp4"), Metadata: map[string]string{"job-id": "j1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(*up.ETag, "-") {
		t.Fatalf("ETag %s is not of parts", *up.ETag)
	}
	head, err := e.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("media"), Key: aws.String("big"), IfMatch: up.ETag})
	if err != nil {
		t.Fatal(err)
	}
	if *head.ETag != *up.ETag || *head.ContentLength != int64(size) || head.Metadata["job-id"] != "j1" || *head.ContentType != "video/mp4" {
		t.Fatalf("got %+v", head)
	}
	list, err := e.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("media")})
	if err != nil || *list.Contents[0].ETag != *up.ETag {
		t.Fatalf("listed %+v, %v", list.Contents, err)
	}

	down := make([]byte, len(content))
	if _, err := tm.DownloadObject(t.Context(), &transfermanager.DownloadObjectInput{
		Bucket: aws.String("media"), Key: aws.String("big"), WriterAt: writerAt(down),
	}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(down, content) {
		t.Fatal("downloaded something else")
	}
	out, body := e.get(t, s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("big"), Range: aws.String("bytes=8388600-8388619"), IfMatch: up.ETag})
	if body != string(content[8388600:8388620]) {
		t.Fatalf("got %d bytes of %s", len(body), *out.ContentRange)
	}

	_, err = tm.UploadObject(t.Context(), &transfermanager.UploadObjectInput{
		Bucket: aws.String("media"), Key: aws.String("big"), Body: bytes.NewReader(content[:20<<20]), IfNoneMatch: aws.String("*"),
	})
	wantCode(t, err, "PreconditionFailed")
	if _, err := e.s3.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("media"), Key: aws.String("big"), Body: strings.NewReader("x"), IfMatch: up.ETag,
	}); err != nil {
		t.Fatalf("write over the ETag of parts: %v", err)
	}
}

type writerAt []byte

func (w writerAt) WriteAt(p []byte, off int64) (int, error) { return copy(w[off:], p), nil }

func TestStreamedBodyWithTrailer(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	// What SDKs send for a body that they cannot seek; the Go SDK does so with
	// TLS only.
	body := "5\r\nhello\r\n6;chunk-signature=00\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, e.URL()+"/media/streamed", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Encoding", "aws-chunked")
	r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
	r.Header.Set("X-Amz-Decoded-Content-Length", "11")
	res, err := e.AWSConfig().HTTPClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	out, got := e.get(t, s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("streamed")})
	if got != "hello world" || out.ContentEncoding != nil {
		t.Fatalf("got %q, %+v", got, out)
	}
}

func TestRefusedSubresource(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	e.put(t, "media", "k", "content")
	_, err := e.s3.PutObjectAcl(t.Context(), &s3.PutObjectAclInput{
		Bucket: aws.String("media"), Key: aws.String("k"), ACL: types.ObjectCannedACLPrivate,
	})
	wantCode(t, err, "NotImplemented")
	if _, body := e.get(t, s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("k")}); body != "content" {
		t.Fatalf("the access list wrote %q", body)
	}
}

func TestCopyObject(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	if _, err := e.s3.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("media"), Key: aws.String("from"), Body: strings.NewReader("content"), Metadata: map[string]string{"a": "b"},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.s3.CopyObject(t.Context(), &s3.CopyObjectInput{
		Bucket: aws.String("media"), Key: aws.String("to"), CopySource: aws.String("media/from"),
	}); err != nil {
		t.Fatal(err)
	}
	out, body := e.get(t, s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("to")})
	if body != "content" || fmt.Sprint(out.Metadata) != "map[a:b]" {
		t.Fatalf("got %q, %v", body, out.Metadata)
	}
}

// TestCopyOfVersion: a version that is not the current one, on conditions.
func TestCopyOfVersion(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	e.keepVersions(t, "media")
	first := e.put(t, "media", "from", "first")
	e.put(t, "media", "from", "second")
	in := &s3.CopyObjectInput{
		Bucket: aws.String("media"), Key: aws.String("to"), CopySource: aws.String("media/from?versionId=" + url.QueryEscape(*first.VersionId)),
		CopySourceIfMatch: first.ETag, IfNoneMatch: aws.String("*"), MetadataDirective: types.MetadataDirectiveReplace, Metadata: map[string]string{"a": "b"},
	}
	out, err := e.s3.CopyObject(t.Context(), in)
	if err != nil || aws.ToString(out.CopySourceVersionId) != *first.VersionId || aws.ToString(out.VersionId) == "" || *out.VersionId == *first.VersionId {
		t.Fatalf("%+v, %v", out, err)
	}
	if got, body := e.get(t, s3.GetObjectInput{Bucket: in.Bucket, Key: in.Key}); body != "first" || got.Metadata["a"] != "b" {
		t.Errorf("got %q, %v", body, got.Metadata)
	}
	_, err = e.s3.CopyObject(t.Context(), in)
	wantCode(t, err, "PreconditionFailed")
	in.Key, in.CopySourceIfMatch = aws.String("other"), aws.String(`"0"`)
	_, err = e.s3.CopyObject(t.Context(), in)
	wantCode(t, err, "PreconditionFailed")
	in.CopySource = aws.String("media/nothing")
	_, err = e.s3.CopyObject(t.Context(), in)
	wantCode(t, err, "NoSuchKey")
}

func TestConditionalDelete(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	first := e.put(t, "media", "k", "first")
	e.put(t, "media", "k", "second")
	in := &s3.DeleteObjectInput{Bucket: aws.String("media"), Key: aws.String("k"), IfMatch: first.ETag}
	_, err := e.s3.DeleteObject(t.Context(), in)
	wantCode(t, err, "PreconditionFailed")
	second, body := e.get(t, s3.GetObjectInput{Bucket: in.Bucket, Key: in.Key})
	if body != "second" {
		t.Fatalf("got %q", body)
	}
	in.IfMatch = second.ETag
	if _, err := e.s3.DeleteObject(t.Context(), in); err != nil {
		t.Error(err)
	}
	_, err = e.s3.DeleteObject(t.Context(), in)
	wantCode(t, err, "NoSuchKey")
}

// TestDeleteOfVersions: the one before is current then.
func TestDeleteOfVersions(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	e.keepVersions(t, "media")
	var ids []*string
	for _, body := range []string{"1", "2", "3"} {
		ids = append(ids, e.put(t, "media", "k", body).VersionId)
	}
	remove := func(id *string) {
		t.Helper()
		if _, err := e.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("media"), Key: aws.String("k"), VersionId: id}); err != nil {
			t.Fatal(err)
		}
	}
	current := func(want string) {
		t.Helper()
		if out, got := e.get(t, s3.GetObjectInput{Bucket: aws.String("media"), Key: aws.String("k")}); got != want || out.VersionId == nil {
			t.Errorf("current is %q of %v, want %q", got, out.VersionId, want)
		}
	}
	remove(ids[2])
	current("2")
	remove(ids[1])
	current("1")
	e.put(t, "media", "k", "4")
	current("4")
	remove(ids[0])
	current("4")
}

func TestChecksums(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "media")
	_, err := e.s3.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("media"), Key: aws.String("k"), Body: strings.NewReader("hello world"), ChecksumCRC32: aws.String("AAAAAA=="),
	})
	wantCode(t, err, "BadDigest")
	if _, err := e.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("media"), Key: aws.String("k"), Body: strings.NewReader("hello world")}); err != nil {
		t.Fatal(err)
	}
	head := func(mode types.ChecksumMode) *s3.HeadObjectOutput {
		t.Helper()
		out, err := e.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("media"), Key: aws.String("k"), ChecksumMode: mode})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := head(types.ChecksumModeEnabled); aws.ToString(out.ChecksumCRC32) != "DUoRhQ==" || out.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("got %+v", out)
	}
	if out := head(""); out.ChecksumCRC32 != nil {
		t.Errorf("it was not asked for: %+v", out)
	}
	// Without one S3 computes its own. The check value of CRC64NVME is of "123456789".
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, e.URL()+"/media/k", strings.NewReader("123456789"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := e.AWSConfig().HTTPClient.Do(r)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	res.Body.Close()
	if out := head(types.ChecksumModeEnabled); aws.ToString(out.ChecksumCRC64NVME) != "rosUhgp5mIg=" {
		t.Errorf("got %v", aws.ToString(out.ChecksumCRC64NVME))
	}
}
