package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/aws/aws-sdk-go-v2/service/rekognition"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/collection"
	"github.com/mosaicd/mosaicd/jobs/event"
)

type facesCommand struct {
	Detect facesDetectCommand `cmd:"" help:"Look for faces in a local file with the built-in detector."`
	Add    facesAddCommand    `cmd:"" help:"Add a person's face to a collection of Rekognition."`
	List   facesListCommand   `cmd:"" help:"List the faces of a collection."`
	Remove facesRemoveCommand `cmd:"" help:"Remove a person's faces from a collection."`
}

// Help is what --help says beyond the flags.
func (facesCommand) Help() string {
	return `Examples:

    mosaicd faces detect in.mp4 > detections.json
    mosaicd faces add staff anna anna-1.jpg anna-2.jpg
    mosaicd faces list staff
    mosaicd faces remove staff anna

A collection says who is known: "mosaicd run --collection staff --cover strangers" covers everybody else. AWS credentials, region and endpoints are found as the AWS CLI finds them.`
}

type facesAddCommand struct {
	Collection string   `arg:"" name:"COLLECTION" help:"Id of the collection; it is made when it is missing."`
	ExternalID string   `arg:"" name:"EXTERNAL_ID" help:"Your own name for the person: letters, digits, and . _ - :"`
	Images     []string `arg:"" name:"IMAGE" help:"Pictures of that person's face and no other, PNG or JPEG: local files of at most 5 MB, or s3:// URIs."`
}

func (c *facesAddCommand) Run(ctx context.Context, std streams) error {
	if err := event.ValidateCollection(c.Collection); err != nil {
		return usagef("COLLECTION: %w", err)
	}
	if err := event.ValidateExternalID(c.ExternalID); err != nil {
		return usagef("EXTERNAL_ID: %w", err)
	}
	images := make([]collection.Image, len(c.Images))
	for i, name := range c.Images {
		image, err := readImage(name)
		if err != nil {
			return err
		}
		images[i] = image
	}
	client, err := rekognitionClient(ctx)
	if err != nil {
		return err
	}
	added, err := collection.Add(ctx, client, c.Collection, c.ExternalID, images)
	if err != nil {
		return err
	}
	return printFaces(std, added)
}

// readImage reads a local file, or leaves an object to Rekognition.
func readImage(name string) (collection.Image, error) {
	image := collection.Image{Name: name}
	if strings.HasPrefix(name, "s3://") {
		at, err := event.ParseLocation(name)
		if err != nil {
			return image, usagef("IMAGE: %w", err)
		}
		image.At = at
		return image, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return image, fmt.Errorf("IMAGE: %w", err)
	}
	if info.Size() > collection.MaxImageBytes {
		return image, fmt.Errorf("IMAGE %s has %d bytes, Rekognition takes %d; one in S3 may have 15 MB", name, info.Size(), collection.MaxImageBytes)
	}
	if image.Bytes, err = os.ReadFile(name); err != nil {
		return image, fmt.Errorf("IMAGE: %w", err)
	}
	if len(image.Bytes) == 0 {
		return image, fmt.Errorf("IMAGE %s is empty", name)
	}
	return image, nil
}

type facesListCommand struct {
	Collection string `arg:"" name:"COLLECTION" help:"Id of the collection."`
}

func (c *facesListCommand) Run(ctx context.Context, std streams) error {
	client, err := rekognitionClient(ctx)
	if err != nil {
		return err
	}
	all, err := collection.List(ctx, client, c.Collection)
	if err != nil {
		return err
	}
	return printFaces(std, all)
}

type facesRemoveCommand struct {
	Collection string `arg:"" name:"COLLECTION" help:"Id of the collection."`
	ExternalID string `arg:"" name:"EXTERNAL_ID" help:"Whose faces."`
}

func (c *facesRemoveCommand) Run(ctx context.Context, std streams) error {
	client, err := rekognitionClient(ctx)
	if err != nil {
		return err
	}
	removed, err := collection.Remove(ctx, client, c.Collection, c.ExternalID)
	if err != nil {
		return err
	}
	if len(removed) == 0 {
		return fmt.Errorf("collection %s has no face of %s", c.Collection, c.ExternalID)
	}
	return printFaces(std, removed)
}

func rekognitionClient(ctx context.Context) (*rekognition.Client, error) {
	cfg, err := awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	return rekognition.NewFromConfig(cfg), nil
}

// printFaces writes a line each, in columns that awk splits as well.
func printFaces(std streams, all []collection.Face) error {
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	for _, f := range all {
		terminal.Fprintf(w, "%s\t%s\t%s\n", f.ID, f.ExternalID, f.Image)
	}
	return w.Flush()
}

type facesDetectCommand struct {
	Source   string `arg:"" name:"SRC" help:"Video to read."`
	Threads  int    `help:"Threads of the decoder; 0 is one for each core." default:"0" env:"MOSAICD_THREADS"`
	Progress string `help:"Progress on standard error: auto is a bar in a terminal and nothing elsewhere." enum:"auto,bar,json,none" default:"auto"`
}

// Help is what --help says beyond the flags.
func (facesDetectCommand) Help() string {
	return `Example:

    mosaicd faces detect in.mp4 > detections.json

Prints JSON as "aws rekognition get-face-detection" does: look at it, correct it, and give it to "mosaicd mosaic --detections".`
}

func (c *facesDetectCommand) Run(ctx context.Context, std streams) error {
	if err := checkLocal("SRC", c.Source); err != nil {
		return err
	}
	engine, err := ffmpeg.Self("engine")
	if err != nil {
		return err
	}
	progress := newProgress(c.Progress, std.err)
	page, err := jobs.Detect(ctx, engine, c.Source, c.Threads, func(p ffmpeg.Progress) { progress.step(jobs.PhaseDetect, p) })
	progress.done(err)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(terminal.JSON(std.out), string(page))
	return err
}
