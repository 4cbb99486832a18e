package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/transcode"
)

// jobsFolder is where a bucket of videos has the job files for all of them.
const jobsFolder = "jobs/"

// maxDocumentBytes is the size of the largest job file that is read.
const maxDocumentBytes = 1 << 20

// documents finds the job files of a transcode. Those in S3 are read again only
// when their ETag has changed.
type documents struct {
	store *store
	cloud MediaConvert

	mu     sync.Mutex
	parsed map[string]*transcode.Document // by URI and ETag
}

func newDocuments(s *store, cloud MediaConvert) *documents {
	return &documents{store: s, cloud: cloud, parsed: map[string]*transcode.Document{}}
}

// A jobFile is a job file and where it lies in S3; no Bucket: it doesn't.
type jobFile struct {
	*transcode.Document
	at event.Location
}

// of returns the job files, at least one: the message's own; else every
// jobs/*.json in the source's bucket, or where the route has them; else the route's; else the built-in one.
func (d *documents) of(ctx context.Context, job Job, t Transcode, probe *ffmpeg.Media) ([]jobFile, error) {
	if !t.Own && !t.JobFiles.None {
		from := event.Location{Bucket: job.Source.Bucket, Key: jobsFolder}
		if t.JobFiles.From != "" {
			from = location(t.JobFiles.From)
		}
		found, err := d.folder(ctx, from)
		if err != nil || found != nil {
			return found, err
		}
	}
	doc, err := d.chosen(ctx, t, probe)
	if err != nil {
		return nil, err
	}
	return []jobFile{doc}, nil
}

func (d *documents) chosen(ctx context.Context, t Transcode, probe *ffmpeg.Media) (doc jobFile, err error) {
	name := t.Settings
	switch {
	case t.Document != nil:
		doc.Document, err = parse("message", t.Document)
		return doc, err
	case t.Template != "":
		doc.Document, err = d.template(ctx, t.Template)
		return doc, err
	case t.Ladder != nil && probe != nil:
		rung := transcode.Rung(t.Ladder, probe.Width, probe.Height)
		if !strings.HasSuffix(rung, ".json") {
			doc.Document, err = d.template(ctx, rung)
			return doc, err
		}
		name = rung
	}
	switch {
	case name == "":
		return jobFile{Document: transcode.BuiltIn()}, nil
	case strings.HasPrefix(name, "s3://"):
		doc.at = location(name)
		doc.Document, err = d.object(ctx, doc.at, "")
		return doc, err
	}
	body, err := os.ReadFile(name)
	if err != nil {
		return doc, fmt.Errorf("read the route's job file: %w", err)
	}
	doc.Document, err = parse(name, body)
	return doc, err
}

// maxJobFiles is how many job files one folder may have: each is a cloud job for each
// upload, and uploaders may write them.
const maxJobFiles = 100

// folder returns every *.json of a folder, in the order of their names; nil
// where there is none.
func (d *documents) folder(ctx context.Context, at event.Location) ([]jobFile, error) {
	var found []jobFile
	pages := s3.NewListObjectsV2Paginator(d.store.s3, &s3.ListObjectsV2Input{
		Bucket: &at.Bucket, Prefix: &at.Key, Delimiter: aws.String("/"),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, sourceError(err, "list %s: %w", at, err)
		}
		for _, o := range page.Contents {
			if !strings.HasSuffix(aws.ToString(o.Key), ".json") {
				continue
			}
			if len(found) == maxJobFiles {
				return nil, failf(CodeInvalidSettings, "%s holds more than %d job files: "+
					"each is a job of MediaConvert for each upload", at, maxJobFiles)
			}
			file := event.Location{Bucket: at.Bucket, Key: aws.ToString(o.Key)}
			doc, err := d.object(ctx, file, aws.ToString(o.ETag))
			if err != nil {
				return nil, err
			}
			found = append(found, jobFile{doc, file})
		}
	}
	return found, nil
}

// object reads a job file. ETag is the one that a listing gave; empty: unknown.
func (d *documents) object(ctx context.Context, at event.Location, etag string) (*transcode.Document, error) {
	if etag == "" {
		o, err := d.store.head(ctx, Identity{Location: at})
		if err != nil {
			return nil, settingsError(err)
		}
		etag = o.etag
	}
	key := at.String() + " " + etag
	d.mu.Lock()
	doc := d.parsed[key]
	d.mu.Unlock()
	if doc != nil {
		return doc, nil
	}
	body, err := d.store.read(ctx, Identity{Location: at, ETag: etag}, maxDocumentBytes)
	if codeOf(err) == CodeSourceChanged { // just now: the next attempt reads the new one
		return nil, fmt.Errorf("read job file %s: it was overwritten meanwhile", at)
	} else if err != nil {
		return nil, settingsError(err)
	}
	if doc, err = parse(at.String(), body); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.parsed) >= 256 { // old ETags pile up
		clear(d.parsed)
	}
	d.parsed[key] = doc
	return doc, nil
}

func (d *documents) template(ctx context.Context, name string) (*transcode.Document, error) {
	out, err := d.cloud.GetJobTemplate(ctx, &mediaconvert.GetJobTemplateInput{Name: &name})
	if errors.As(err, new(*types.NotFoundException)) || httpStatus(err) == http.StatusNotFound {
		return nil, failf(CodeInvalidSettings, "job template %s: there is none of that name in this region", name)
	} else if err != nil {
		return nil, fmt.Errorf("read job template %s: %w", name, err)
	}
	doc, err := transcode.FromTemplate(path.Base(name), out.JobTemplate)
	if err != nil {
		return nil, &Failure{Code: CodeInvalidSettings, Err: err}
	}
	return doc, nil
}

func parse(name string, body []byte) (*transcode.Document, error) {
	doc, err := transcode.Parse(name, body)
	if err != nil {
		return nil, &Failure{Code: CodeInvalidSettings, Err: err}
	}
	return doc, nil
}

// settingsError is about a job file what was said about a source.
func settingsError(err error) error {
	var f *Failure
	if errors.As(err, &f) {
		return &Failure{Code: CodeInvalidSettings, Err: f.Err}
	}
	return err
}
