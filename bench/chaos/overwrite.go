package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mosaicd/mosaicd/jobs"
)

// archived has the faces covered where Rekognition finds them, and moves away what was
// worked.
const archived = "{version: 1, routes: [{name: all, match: {suffix: .mp4}, steps: [mosaic], " +
	"after: {move: 's3://archive/{key}/{job}.mp4'}}]}"

// An overwriting is a world in which keys are uploaded again and again.
type overwriting struct {
	*world
	versioned bool

	scenes   map[[sha256.Size]byte]scene // by their bytes, for Rekognition
	content  map[scene][]byte
	sources  map[scene]string // version or ETag that S3 gave the upload
	newest   map[int]int      // by key
	uploaded int
	looked   map[string]bool // ETags of outputs that were read
	outputs  int
}

// overwrites kills one of two workers again and again, while the same keys are uploaded
// over and over: half of it in buckets that keep versions, half in others.
func overwrites(ctx context.Context, o options) (string, error) {
	var said []string
	for _, versioned := range []bool{false, true} {
		n := o.overwrites / 2
		if versioned {
			n = o.overwrites - n
		}
		line, err := overwriteOf(ctx, o, versioned, n)
		if err != nil {
			return "", fmt.Errorf("versions %t: %w", versioned, err)
		}
		said = append(said, line)
	}
	return strings.Join(said, "; "), nil
}

func overwriteOf(ctx context.Context, o options, versioned bool, kills int) (string, error) {
	w := &overwriting{
		versioned: versioned, scenes: map[[sha256.Size]byte]scene{}, content: map[scene][]byte{}, sources: map[scene]string{},
		newest: map[int]int{}, looked: map[string]bool{},
	}
	c := map[string]int{}
	p := place{binary: o.binary, workers: 2, routes: archived, faces: w.faces, check: func(ctx context.Context) (err error) {
		c, err = w.check(ctx)
		return err
	}, settled: func() bool { return w.jobsEnded() == w.uploaded }}
	_, err := at(ctx, p, func(ctx context.Context, plain *world, nodes []*node) error {
		w.world = plain
		if err := w.prepare(ctx); err != nil {
			return err
		}
		for _, n := range nodes {
			n.more = []string{
				"MOSAICD_DETECTOR=rekognition", "MOSAICD_REKOGNITION_TOPIC_ARN=" + w.notices, "MOSAICD_REKOGNITION_ROLE=" + role,
			}
			if err := n.start(); err != nil {
				return err
			}
		}
		for done := 0; done < kills || w.again() < o.keys; {
			// There is always something to do, and mostly for a key that is being worked.
			for w.uploaded-w.jobsEnded() < 8 {
				key := o.random.IntN(o.keys)
				if recent := w.uploaded / 6 % o.keys; o.random.IntN(4) > 0 {
					key = recent
				}
				if err := w.upload(ctx, key); err != nil {
					return err
				}
			}
			time.Sleep(time.Duration(o.random.IntN(900)) * time.Millisecond)
			if done < kills {
				n := nodes[o.random.IntN(len(nodes))]
				n.kill()
				done++
				if err := n.start(); err != nil {
					return err
				}
			}
			if err := w.look(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	kind := "without versions"
	if versioned {
		kind = "with versions"
	}
	return fmt.Sprintf("%d kills %s: %d uploads of %d keys, %d succeeded, %d superseded, %d source_changed; "+
		"%d outputs read, none with another upload's cover", kills, kind, w.uploaded, len(w.newest), c["succeeded"],
		c[jobs.CodeSuperseded], c[jobs.CodeSourceChanged]+c[jobs.CodeSourceGone], w.outputs), err
}

// again is how many keys were uploaded more than once.
func (w *overwriting) again() int {
	n := 0
	for _, version := range w.newest {
		if version > 0 {
			n++
		}
	}
	return n
}

func (w *overwriting) prepare(ctx context.Context) error {
	if _, err := w.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("archive")}); err != nil {
		return err
	}
	if !w.versioned {
		return nil
	}
	for _, bucket := range []string{"uploads", "results"} {
		_, err := w.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
			Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func name(key int) string { return fmt.Sprintf("again-%d.mp4", key) }

// upload uploads the next version of a key.
func (w *overwriting) upload(ctx context.Context, key int) error {
	version, known := w.newest[key]
	if known {
		version++
	}
	s := scene{key, version}
	path := filepath.Join(w.folder, "scene.mp4")
	if err := s.write(path); err != nil {
		return err
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.scenes[sha256.Sum256(body)], w.content[s] = s, body
	w.mu.Unlock()
	out, err := w.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("uploads"), Key: aws.String(name(key)), Body: bytes.NewReader(body)})
	if err != nil {
		return err
	}
	w.sources[s] = strings.Trim(aws.ToString(out.ETag), `"`)
	if w.versioned {
		w.sources[s] = aws.ToString(out.VersionId)
	}
	w.newest[key] = version
	w.uploaded++
	return nil
}

// faces is what Rekognition finds.
func (w *overwriting) faces(_ context.Context, video []byte) ([]byte, error) {
	w.mu.Lock()
	s, known := w.scenes[sha256.Sum256(video)]
	w.mu.Unlock()
	if !known {
		return nil, errors.New("nobody uploaded this video")
	}
	return s.detections()
}

// look reads the outputs that are there now and were not read before.
func (w *overwriting) look(ctx context.Context) error {
	for key := range w.newest {
		out, err := w.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("results"), Key: aws.String("mosaic/" + name(key))})
		if err != nil {
			continue // none yet
		}
		if _, err := w.read(out, key); err != nil {
			return err
		}
	}
	return nil
}

// read reads an output of a key, and says of which version it is.
func (w *overwriting) read(out *s3.GetObjectOutput, key int) (int, error) {
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		return 0, err
	}
	path := filepath.Join(w.folder, "output.mp4")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		return 0, err
	}
	s, err := readScene(path)
	if err != nil {
		return 0, fmt.Errorf("output of %s: %w", name(key), err)
	}
	if made := out.Metadata["mosaicd-source-version"]; w.versioned && made != w.sources[s] {
		return 0, fmt.Errorf("output of %s: it shows version %d, and says that it was made of another, %s", name(key), s.version, made)
	}
	if made := out.Metadata["mosaicd-source-etag"]; !w.versioned && made != w.sources[s] {
		return 0, fmt.Errorf("output of %s: it shows version %d, and says that it was made of another, %s", name(key), s.version, made)
	}
	if s.key != key {
		return 0, fmt.Errorf("output of %s shows %s", name(key), name(s.key))
	}
	if etag := aws.ToString(out.ETag); !w.looked[etag] {
		w.looked[etag] = true
		w.outputs++
	}
	return s.version, nil
}

// check holds what is there in the end against what is promised.
func (w *overwriting) check(ctx context.Context) (map[string]int, error) {
	c := map[string]int{}
	var wrong []error
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	succeeded := map[string]string{} // by source and version or ETag: the job
	for id, all := range w.results {
		var r jobs.Result
		if err := json.Unmarshal([]byte(all[0]), &r); err != nil {
			return c, err
		}
		for _, again := range all[1:] {
			if again != all[0] {
				complain("result %s was published again with another content", id)
			}
		}
		what := r.SourceETag
		if w.versioned {
			what = r.SourceVersionID
		}
		switch {
		case r.Status == jobs.StatusSucceeded:
			c["succeeded"]++
			succeeded[r.Source+" "+what] = r.Job
		case r.Error.Code == jobs.CodeSuperseded, !w.versioned && (r.Error.Code == jobs.CodeSourceChanged || r.Error.Code == jobs.CodeSourceGone):
			c[r.Error.Code]++
		default:
			complain("result %s: %s, %+v", id, r.Status, r.Error)
		}
	}
	for key, newest := range w.newest {
		if err := w.checkKey(ctx, key, newest, succeeded); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name(key), err))
		}
	}
	if visible, hidden, err := w.messages(ctx, w.dead); err != nil || visible+hidden > 0 {
		complain("%d dead letters, %v", visible+hidden, err)
	}
	return c, errors.Join(append(wrong, w.clean(ctx))...)
}

func (w *overwriting) checkKey(ctx context.Context, key, newest int, succeeded map[string]string) error {
	out, err := w.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("results"), Key: aws.String("mosaic/" + name(key))})
	if err != nil {
		return err
	}
	if got, err := w.read(out, key); err != nil || got != newest {
		return errors.Join(err, fmt.Errorf("its output is of version %d, and the newest is %d", got, newest))
	}
	if w.versioned { // every output that there ever was
		if err := w.checkVersions(ctx, key); err != nil {
			return err
		}
	}
	for version := range newest + 1 {
		s := scene{key, version}
		job, done := succeeded["s3://uploads/"+name(key)+" "+w.sources[s]]
		if version == newest && !done {
			return errors.New("the newest upload did not succeed")
		}
		in := &s3.GetObjectInput{Bucket: aws.String("archive"), Key: aws.String(name(key) + "/" + job + ".mp4")}
		switch {
		case done:
		case w.versioned:
			in.Bucket, in.Key, in.VersionId = aws.String("uploads"), aws.String(name(key)), aws.String(w.sources[s])
		default:
			continue // overwritten before it was worked
		}
		out, err := w.s3.GetObject(ctx, in)
		if err != nil && done && version < newest && !w.versioned {
			continue // overwritten after it was worked, before it was moved
		} else if err != nil {
			return fmt.Errorf("the source of version %d is lost: %w", version, err)
		}
		body, err := io.ReadAll(out.Body)
		if err = errors.Join(err, out.Body.Close()); err != nil || !bytes.Equal(body, w.content[s]) {
			return fmt.Errorf("the source of version %d is another: %w", version, err)
		}
	}
	return nil
}

func (w *overwriting) checkVersions(ctx context.Context, key int) error {
	list, err := w.s3.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: aws.String("results"), Prefix: aws.String("mosaic/" + name(key))})
	if err != nil {
		return err
	}
	later := -1
	for _, v := range list.Versions { // the newest first
		out, err := w.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("results"), Key: v.Key, VersionId: v.VersionId})
		if err != nil {
			return err
		}
		version, err := w.read(out, key)
		if err != nil {
			return err
		}
		if later >= 0 && version > later {
			return fmt.Errorf("an output of version %d was replaced by one of version %d", version, later)
		}
		later = version
	}
	return nil
}
