package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/mosaicd/mosaicd/jobs"
)

// Counts are what a check found besides what is wrong.
type counts struct{ uploads, results, again, cloudJobs int }

// check holds the record against what is promised, when all has come to rest. Steps
// is how many results each upload must have.
func (w *world) check(ctx context.Context, steps int) (counts, error) {
	c := counts{uploads: len(w.uploads)}
	var wrong []error
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }

	// Every upload has each of its results, all of one job.
	ofSource := map[string]map[string]bool{}
	for id, all := range w.results {
		var first jobs.Result
		if err := json.Unmarshal([]byte(all[0]), &first); err != nil {
			return c, err
		}
		if ofSource[first.Source] == nil {
			ofSource[first.Source] = map[string]bool{}
		}
		ofSource[first.Source][id] = true
		c.results++
		c.again += len(all) - 1
		for _, again := range all[1:] {
			if again != all[0] {
				complain("result %s was published again with another content", id)
			}
		}
		if first.Status != jobs.StatusSucceeded {
			complain("result %s: %s, %+v", id, first.Status, first.Error)
		}
		for _, o := range first.Outputs {
			if o.Kind != "file" || !strings.HasPrefix(o.URI, "s3://results/mosaic/") {
				continue
			}
			key := strings.TrimPrefix(o.URI, "s3://results/")
			head, err := w.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("results"), Key: &key})
			if err != nil || aws.ToInt64(head.ContentLength) != o.Bytes {
				complain("output %s of result %s: %v", o.URI, id, err)
			}
		}
	}
	for key := range w.uploads {
		if n := len(ofSource["s3://uploads/"+key]); n != steps {
			complain("upload %s has %d results: %v", key, n, ofSource["s3://uploads/"+key])
		}
	}

	// Each output is written once, each cloud job made once, and no message deleted
	// before its result was published, or a cloud job of the upload itself was made.
	puts, creates, published := map[string]int{}, map[string]int{}, map[string]bool{}
	for _, call := range w.record.all() {
		switch call.what {
		case "put":
			if puts[call.about]++; puts[call.about] > 1 {
				complain("output %s was written %d times, at last by worker %d", call.about, puts[call.about], call.worker)
			}
		case "create":
			c.cloudJobs++
			if creates[call.about]++; creates[call.about] > 1 {
				complain("%d cloud jobs were made of %s", creates[call.about], call.about)
			}
		case "publish":
			var r jobs.Result
			if err := json.Unmarshal([]byte(call.body), &r); err != nil {
				return c, err
			}
			published[strings.TrimPrefix(r.Source, "s3://uploads/")], published[r.Job] = true, true
		case "delete":
			if call.about != "" && w.uploads[call.about] && !published[call.about] && creates["s3://uploads/"+call.about] == 0 {
				complain("the message about %s was deleted before anything was published", call.about)
			}
		}
	}
	if visible, hidden, err := w.messages(ctx, w.dead); err != nil || visible+hidden > 0 {
		complain("%d dead letters, %v", visible+hidden, err)
	}
	return c, errors.Join(append(wrong, w.clean(ctx))...)
}

// clean complains about what is left behind.
func (w *world) clean(ctx context.Context) error {
	var wrong []error
	left, err := filepath.Glob(filepath.Join(w.folder, "scratch-*", "*"))
	if err != nil || len(left) > 0 {
		wrong = append(wrong, fmt.Errorf("left in scratch: %v, %w", left, err))
	}
	open, err := w.s3.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: aws.String("results")})
	if said, ok := errors.AsType[smithy.APIError](err); ok && said.ErrorCode() == "NoSuchUpload" {
		open = &s3.ListMultipartUploadsOutput{} // there has never been one
	} else if err != nil {
		return errors.Join(append(wrong, err)...)
	}
	if len(open.Uploads) > 0 {
		wrong = append(wrong, fmt.Errorf("%d multipart uploads are open", len(open.Uploads)))
	}
	return errors.Join(wrong...)
}

// keep copies the logs to where they can be read later.
func (w *world) keep() string {
	folder, err := os.MkdirTemp("", "mosaicd-chaos-failed-*")
	if err != nil {
		return err.Error()
	}
	logs, _ := filepath.Glob(filepath.Join(w.folder, "*.log"))
	for _, name := range logs {
		if body, err := os.ReadFile(name); err == nil {
			_ = os.WriteFile(filepath.Join(folder, filepath.Base(name)), body, 0o600)
		}
	}
	var calls strings.Builder
	for _, c := range w.record.all() {
		fmt.Fprintln(&calls, c)
	}
	_ = os.WriteFile(filepath.Join(folder, "calls.txt"), []byte(calls.String()), 0o600)
	return folder
}
