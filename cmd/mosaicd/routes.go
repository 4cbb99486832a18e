package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

// maxRoutesBytes is the size of the largest routes file that is read.
const maxRoutesBytes = 1 << 20

// loadRoutes reads what --routes names: a file, an s3:// URI, or YAML itself.
func loadRoutes(ctx context.Context, cfg aws.Config, value string) (*routes.Routes, error) {
	if value == "" {
		return routes.Default(), nil
	}
	name, body := value, []byte(value)
	var err error
	switch {
	case strings.ContainsAny(value, "\n{"):
		name = "MOSAICD_ROUTES"
	case strings.HasPrefix(value, "s3://"):
		body, err = readObject(ctx, cfg, value)
	default:
		body, err = os.ReadFile(value)
	}
	if err != nil {
		return nil, usagef("--routes: %w", err)
	}
	table, err := routes.Parse(name, body)
	if err != nil {
		return nil, usagef("--routes: %w", err)
	}
	return table, nil
}

// judgeRoutesPlace refuses routes that lie where uploads go to: whoever may upload
// could change what is done with everybody's uploads.
func judgeRoutesPlace(value string, c jobs.Config) error {
	at, err := event.ParseLocation(value)
	if err != nil || !c.TakesUploads(at.Bucket) { // no URI: a file of this machine, or the text itself
		return nil
	}
	return usagef("--routes: %s lies in a bucket that uploads go to, so that an uploader could replace it: "+
		"move it to another bucket; where the routes name no bucket, every bucket is one, unless --source-buckets says which are", value)
}

func readObject(ctx context.Context, cfg aws.Config, uri string) ([]byte, error) {
	at, err := event.ParseLocation(uri)
	if err != nil {
		return nil, err
	}
	out, err := newS3(cfg).GetObject(ctx, &s3.GetObjectInput{Bucket: &at.Bucket, Key: &at.Key})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", uri, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(io.LimitReader(out.Body, maxRoutesBytes+1))
	if err == nil && len(body) > maxRoutesBytes {
		err = fmt.Errorf("larger than %d bytes", maxRoutesBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", uri, err)
	}
	return body, nil
}
