package jobs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// A damagingS3 flips a bit of what is downloaded, as long as it is told to, and may
// hide checksums.
type damagingS3 struct {
	S3
	damage, hide bool
	heads        int
}

func (d *damagingS3) GetObject(ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	out, err := d.S3.GetObject(ctx, in, o...)
	if err == nil && d.damage {
		var body []byte
		body, err = io.ReadAll(out.Body)
		if len(body) > 0 {
			body[len(body)/2] ^= 1
		}
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	return out, err
}

func (d *damagingS3) HeadObject(ctx context.Context, in *s3.HeadObjectInput, o ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	d.heads++
	out, err := d.S3.HeadObject(ctx, in, o...)
	if err == nil && d.hide {
		out.ChecksumCRC64NVME, out.ChecksumCRC32, out.ChecksumType = nil, nil, ""
	}
	return out, err
}

// TestDownloadIsVerified: with each checksum that S3 may have of an object.
func TestDownloadIsVerified(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t)
	random := rand.NewChaCha8([32]byte{1})
	body := make([]byte, 17<<20)
	if _, err := random.Read(body); err != nil {
		t.Fatal(err)
	}
	put := func(key string, a types.ChecksumAlgorithm) {
		_, err := b.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(uploads), Key: &key, Body: bytes.NewReader(body), ChecksumAlgorithm: a})
		if err != nil {
			t.Fatal(err)
		}
	}
	// Parts of several sizes, which no client of S3's own makes, but one may.
	parts := func(key string, a types.ChecksumAlgorithm, kind types.ChecksumType, sizes ...int) {
		upload, err := b.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: aws.String(uploads), Key: &key, ChecksumAlgorithm: a, ChecksumType: kind,
		})
		if err != nil {
			t.Fatal(err)
		}
		var done []types.CompletedPart
		for i, from := 0, 0; i < len(sizes); i++ {
			out, err := b.s3.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: aws.String(uploads), Key: &key, UploadId: upload.UploadId, PartNumber: aws.Int32(int32(i + 1)),
				Body: bytes.NewReader(body[from : from+sizes[i]]), ChecksumAlgorithm: a,
			})
			if err != nil {
				t.Fatal(err)
			}
			from += sizes[i]
			done = append(done, types.CompletedPart{
				PartNumber: aws.Int32(int32(i + 1)), ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumSHA256: out.ChecksumSHA256,
			})
		}
		_, err = b.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: aws.String(uploads), Key: &key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}, ChecksumType: kind,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, ca := range map[string]struct {
		put    func(key string)
		hide   bool
		heads  int // requests
		unsure bool
	}{
		"CRC32":             {func(key string) { put(key, types.ChecksumAlgorithmCrc32) }, false, 2, false},
		"CRC32C":            {func(key string) { put(key, types.ChecksumAlgorithmCrc32c) }, false, 2, false},
		"CRC64NVME":         {func(key string) { put(key, types.ChecksumAlgorithmCrc64nvme) }, false, 2, false},
		"SHA-1":             {func(key string) { put(key, types.ChecksumAlgorithmSha1) }, false, 2, false},
		"SHA-256":           {func(key string) { put(key, types.ChecksumAlgorithmSha256) }, false, 2, false},
		"ETag":              {func(key string) { put(key, types.ChecksumAlgorithmCrc32) }, true, 2, false},
		"composite CRC32":   {func(key string) { parts(key, types.ChecksumAlgorithmCrc32, "", 8<<20, 8<<20, 1<<20) }, false, 3, false},
		"composite SHA-256": {func(key string) { parts(key, types.ChecksumAlgorithmSha256, "", 8<<20, 8<<20, 1<<20) }, false, 3, false},
		"uneven parts":      {func(key string) { parts(key, types.ChecksumAlgorithmCrc32, "", 6<<20, 5<<20, 6<<20) }, false, 6, false},
		"full CRC32 of parts": {func(key string) {
			parts(key, types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject, 8<<20, 8<<20, 1<<20)
		}, false, 2, false},
		"none of parts": {func(key string) { parts(key, types.ChecksumAlgorithmCrc32, "", 8<<20, 8<<20, 1<<20) }, true, 2, true},
	} {
		ca.put(name)
		through := &damagingS3{S3: b.s3, hide: ca.hide}
		store := newStore(through)
		o, err := store.head(ctx, Identity{Location: event.Location{Bucket: uploads, Key: name}})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "whole")
		if err := store.download(ctx, o, path); err != nil || through.heads != ca.heads {
			t.Errorf("%s: %v, %d HEAD requests", name, err, through.heads)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: another file came", name)
		}
		through.damage = true
		err = store.download(ctx, o, filepath.Join(t.TempDir(), "damaged"))
		if damaged := errors.As(err, new(*damagedError)); damaged == ca.unsure {
			t.Errorf("%s, damaged: %v", name, err)
		}
	}
}

// TestDamageIsTriedAgain: it is not the file's fault, but it doesn't go on for good.
func TestDamageIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, passes := range []bool{true, false} {
		b := newBench(t)
		through := &damagingS3{S3: b.s3, damage: true}
		b.h.store = newStore(through)
		event := b.upload(uploads, "a.mp4", "video")
		for range DefaultMaxAttempts - 1 {
			if err := b.handle(event, 1); err == nil {
				t.Fatal("it went well")
			}
		}
		if n := len(b.logs.FilterMessage(eventTransferDamaged).All()); n != DefaultMaxAttempts-1 {
			t.Errorf("%d lines", n)
		}
		through.damage = !passes
		b.mustHandle(event)
		if r := b.one(); !passes {
			b.wantCode(r, StatusFailed, CodeDamaged)
		} else if r.Status != StatusSucceeded {
			t.Errorf("result is %+v, %+v", r, r.Error)
		}
		b.checkClean()
	}
}

// TestUploadIsVerified: S3 refuses what isn't what was encoded.
func TestUploadIsVerified(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"one request": 100, "parts": 17 << 20} {
		b := newBench(t)
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o600); err != nil {
			t.Fatal(err)
		}
		to := event.Location{Bucket: results, Key: "x.mp4"}
		if _, err := b.h.store.upload(context.Background(), path, to, writing{origin: origin{job: "1"}}); err != nil {
			t.Fatal(err)
		}
		out, err := b.s3.HeadObject(context.Background(), &s3.HeadObjectInput{Bucket: &to.Bucket, Key: &to.Key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil || out.ChecksumCRC32 == nil || out.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
}
