package jobs

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// A damagedError says that what was downloaded or uploaded is not what is or was to
// be in S3. Nobody asked for that: another attempt is made.
type damagedError struct {
	at        event.Location
	algorithm string
	got, want string
}

func (e *damagedError) Error() string {
	return fmt.Sprintf("%s was damaged on its way: its %s is %s, and should be %s", e.at, e.algorithm, e.got, e.want)
}

// nvme is the polynomial of CRC64NVME, in the bit order of package crc64.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
const nvme = 0x9a6c9329ac4bc9b5

func newCRC32(polynomial uint32) func() hash.Hash {
	return func() hash.Hash { return crc32.New(crc32.MakeTable(polynomial)) }
}

func newCRC64NVME() hash.Hash { return crc64.New(crc64.MakeTable(nvme)) }

// A checksum is what S3 says of an object's content.
type checksum struct {
	algorithm string // as in an error
	hash      func() hash.Hash
	want      string // encoded
	encode    func([]byte) string
	parts     bool // it is the checksum of the checksums of the object's parts
}

var (
	plainMD5 = regexp.MustCompile(`^"?[0-9a-f]{32}"?$`)
	ofParts  = regexp.MustCompile(`-[0-9]+$`)
)

// checksumOf picks the strongest checksum that HEAD gave of an object; nil where there is
// none that can be computed. The ETag is the MD5 of an object that was uploaded in one
// piece, unless it is encrypted with a key of KMS or of the customer.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
func checksumOf(out *s3.HeadObjectOutput) *checksum {
	base := base64.StdEncoding.EncodeToString
	for _, d := range []checksum{
		{algorithm: "SHA512", want: aws.ToString(out.ChecksumSHA512), hash: sha512.New},
		{algorithm: "SHA256", want: aws.ToString(out.ChecksumSHA256), hash: sha256.New},
		{algorithm: "SHA1", want: aws.ToString(out.ChecksumSHA1), hash: sha1.New},
		{algorithm: "MD5", want: aws.ToString(out.ChecksumMD5), hash: md5.New},
		{algorithm: "CRC64NVME", want: aws.ToString(out.ChecksumCRC64NVME), hash: newCRC64NVME},
		{algorithm: "CRC32C", want: aws.ToString(out.ChecksumCRC32C), hash: newCRC32(crc32.Castagnoli)},
		{algorithm: "CRC32", want: aws.ToString(out.ChecksumCRC32), hash: newCRC32(crc32.IEEE)},
	} {
		if d.want != "" {
			d.encode = base
			d.parts = out.ChecksumType == types.ChecksumTypeComposite || ofParts.MatchString(d.want)
			return &d
		}
	}
	etag := strings.Trim(aws.ToString(out.ETag), `"`)
	byKey := out.ServerSideEncryption != "" && out.ServerSideEncryption != types.ServerSideEncryptionAes256
	if plainMD5.MatchString(etag) && !byKey && out.SSECustomerAlgorithm == nil {
		return &checksum{algorithm: "MD5 (ETag)", want: etag, hash: md5.New, encode: hex.EncodeToString}
	}
	return nil
}

// verify compares a file with what S3 says of the object that it was downloaded from,
// if S3 says anything that can be compared. The error is a *damagedError where the file
// is another.
func (s *store) verify(ctx context.Context, o object, f *os.File) error {
	head := &s3.HeadObjectInput{
		Bucket: &o.Bucket, Key: &o.Key, VersionId: version(o.Location), IfMatch: condition(o.etag),
		ChecksumMode: types.ChecksumModeEnabled,
	}
	out, err := s.s3.HeadObject(ctx, head)
	if err != nil {
		return sourceError(err, "look up the checksum of %s: %w", o, err)
	}
	d := checksumOf(out)
	if d == nil {
		return nil
	}
	if !d.parts {
		h := d.hash()
		if err := hashRange(ctx, h, f, 0, o.bytes); err != nil {
			return fmt.Errorf("verify %s: %w", o, err)
		}
		return d.judge(o, d.encode(h.Sum(nil)))
	}
	return s.verifyParts(ctx, o, f, d, head)
}

// verifyParts compares digests of digests. The parts of an object mostly have one
// size, but for the last; where that doesn't lead to the checksum each part is looked up.
func (s *store) verifyParts(ctx context.Context, o object, f *os.File, d *checksum, head *s3.HeadObjectInput) error {
	part := func(n int32) (size int64, parts int32, err error) {
		in := *head
		in.PartNumber = &n
		out, err := s.s3.HeadObject(ctx, &in)
		if err != nil {
			return 0, 0, sourceError(err, "look up part %d of %s: %w", n, o, err)
		}
		return aws.ToInt64(out.ContentLength), max(1, aws.ToInt32(out.PartsCount)), nil
	}
	first, count, err := part(1)
	if err != nil {
		return err
	}
	sizes := make([]int64, count)
	for i := range sizes {
		sizes[i] = first
	}
	sizes[count-1] = o.bytes - first*int64(count-1)
	if sizes[count-1] >= 0 {
		got, err := d.ofParts(ctx, f, sizes)
		if err != nil {
			return fmt.Errorf("verify %s: %w", o, err)
		}
		if got == d.want {
			return nil
		}
	}
	for i := range sizes {
		if sizes[i], _, err = part(int32(i + 1)); err != nil {
			return err
		}
	}
	got, err := d.ofParts(ctx, f, sizes)
	if err != nil {
		return fmt.Errorf("verify %s: %w", o, err)
	}
	return d.judge(o, got)
}

func (d *checksum) judge(o object, got string) error {
	if got != d.want {
		return &damagedError{at: o.Location, algorithm: d.algorithm, got: got, want: d.want}
	}
	return nil
}

// ofParts is the checksum of the checksums of parts of these sizes.
func (d *checksum) ofParts(ctx context.Context, f *os.File, sizes []int64) (string, error) {
	all, from := d.hash(), int64(0)
	for _, size := range sizes {
		h := d.hash()
		if err := hashRange(ctx, h, f, from, size); err != nil {
			return "", err
		}
		all.Write(h.Sum(nil))
		from += size
	}
	return fmt.Sprintf("%s-%d", d.encode(all.Sum(nil)), len(sizes)), nil
}

// hashRange feeds a part of a file to a hash, until ctx ends.
func hashRange(ctx context.Context, h hash.Hash, f *os.File, from, size int64) error {
	section, buffer := io.NewSectionReader(f, from, size), make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := section.Read(buffer)
		h.Write(buffer[:n])
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
