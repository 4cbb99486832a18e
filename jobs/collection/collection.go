// Package collection keeps the faces by which Rekognition tells people apart: those
// of one collection, each under the customer's own name for that person.
package collection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rekognition"
	"github.com/aws/aws-sdk-go-v2/service/rekognition/types"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// Client is what this package calls. *rekognition.Client is one.
type Client interface {
	CreateCollection(context.Context, *rekognition.CreateCollectionInput, ...func(*rekognition.Options)) (*rekognition.CreateCollectionOutput, error)
	DetectFaces(context.Context, *rekognition.DetectFacesInput, ...func(*rekognition.Options)) (*rekognition.DetectFacesOutput, error)
	IndexFaces(context.Context, *rekognition.IndexFacesInput, ...func(*rekognition.Options)) (*rekognition.IndexFacesOutput, error)
	ListFaces(context.Context, *rekognition.ListFacesInput, ...func(*rekognition.Options)) (*rekognition.ListFacesOutput, error)
	DeleteFaces(context.Context, *rekognition.DeleteFacesInput, ...func(*rekognition.Options)) (*rekognition.DeleteFacesOutput, error)
}

// MaxImageBytes is the largest picture that can be sent; one in S3 may have 15 MB.
// https://docs.aws.amazon.com/rekognition/latest/dg/limits.html
const MaxImageBytes = 5 << 20

// An Image is a picture of one face, PNG or JPEG.
type Image struct {
	Name  string // for errors and results
	Bytes []byte // at most MaxImageBytes; nil: it is in S3
	At    event.Location
}

// A Face is one of a collection.
type Face struct {
	ID         string `json:"faceId"`
	ExternalID string `json:"externalId"`
	Image      string `json:"image,omitempty"` // that it was taken from, where that is known
}

// An Error is one that trying again does not mend.
type Error struct{ Err error }

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func errorf(format string, args ...any) error { return &Error{fmt.Errorf(format, args...)} }

// Add puts the face of each picture into the collection, which is made when it is
// missing. It first looks at all of them: where one does not show exactly one face
// none is added, because a bystander who is taken for somebody known would never
// be covered. A picture that is there already is not added a second time.
func Add(ctx context.Context, c Client, collection, externalID string, images []Image) ([]Face, error) {
	for _, image := range images {
		if err := single(ctx, c, image); err != nil {
			return nil, err
		}
	}
	_, err := c.CreateCollection(ctx, &rekognition.CreateCollectionInput{CollectionId: &collection})
	if err != nil && !errors.As(err, new(*types.ResourceAlreadyExistsException)) {
		return nil, final(err, "create collection %s: %w", collection, err)
	}
	var added []Face
	for _, image := range images {
		face, err := index(ctx, c, collection, externalID, image)
		if err != nil {
			return nil, err
		}
		added = append(added, face)
	}
	return added, nil
}

// single refuses a picture that does not show exactly one face.
func single(ctx context.Context, c Client, image Image) error {
	out, err := c.DetectFaces(ctx, &rekognition.DetectFacesInput{Image: image.input()})
	if err != nil {
		return final(err, "look for the face in %s: %w", image.Name, err)
	}
	switch n := len(out.FaceDetails); n {
	case 0:
		return errorf("no face is found in %s: take a picture in which the face is large and looks at the camera", image.Name)
	case 1:
		return nil
	default:
		return errorf("%d faces are found in %s: crop it to the one that is meant", n, image.Name)
	}
}

func index(ctx context.Context, c Client, collection, externalID string, image Image) (Face, error) {
	out, err := c.IndexFaces(ctx, &rekognition.IndexFacesInput{
		CollectionId: &collection, ExternalImageId: &externalID, Image: image.input(),
		MaxFaces: aws.Int32(1), QualityFilter: types.QualityFilterAuto,
	})
	if err != nil {
		return Face{}, final(err, "add the face in %s to collection %s: %w", image.Name, collection, err)
	}
	if len(out.FaceRecords) != 1 || out.FaceRecords[0].Face == nil {
		return Face{}, errorf("the face in %s was not taken: %s", image.Name, reasons(out.UnindexedFaces))
	}
	return Face{ID: aws.ToString(out.FaceRecords[0].Face.FaceId), ExternalID: externalID, Image: image.Name}, nil
}

// reasons are why faces were not indexed, as Rekognition has them: LOW_SHARPNESS.
func reasons(unindexed []types.UnindexedFace) string {
	var all []string
	for _, f := range unindexed {
		for _, r := range f.Reasons {
			all = append(all, string(r))
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) == 0 {
		return "Rekognition gave no reason"
	}
	return strings.Join(all, ", ")
}

// List returns every face of a collection.
func List(ctx context.Context, c Client, collection string) ([]Face, error) {
	var all []Face
	pages := rekognition.NewListFacesPaginator(c, &rekognition.ListFacesInput{CollectionId: &collection})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, final(err, "list collection %s: %w", collection, err)
		}
		for _, f := range page.Faces {
			all = append(all, Face{ID: aws.ToString(f.FaceId), ExternalID: aws.ToString(f.ExternalImageId)})
		}
	}
	return all, nil
}

// maxDeleted is how many faces one request deletes.
// https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DeleteFaces.html
const maxDeleted = 4096

// Remove takes every face of one person out of a collection, and returns them. It
// is no error when there are none.
func Remove(ctx context.Context, c Client, collection, externalID string) ([]Face, error) {
	all, err := List(ctx, c, collection)
	if err != nil {
		return nil, err
	}
	theirs := slices.DeleteFunc(all, func(f Face) bool { return f.ExternalID != externalID })
	for some := range slices.Chunk(theirs, maxDeleted) {
		ids := make([]string, len(some))
		for i, f := range some {
			ids[i] = f.ID
		}
		out, err := c.DeleteFaces(ctx, &rekognition.DeleteFacesInput{CollectionId: &collection, FaceIds: ids})
		if err != nil {
			return nil, final(err, "remove %d faces from collection %s: %w", len(ids), collection, err)
		}
		if n := len(out.UnsuccessfulFaceDeletions); n > 0 {
			return nil, fmt.Errorf("remove faces from collection %s: %d of %d are still there", collection, n, len(ids))
		}
	}
	return theirs, nil
}

func (i Image) input() *types.Image {
	if i.Bytes != nil {
		return &types.Image{Bytes: i.Bytes}
	}
	return &types.Image{S3Object: &types.S3Object{Bucket: &i.At.Bucket, Name: &i.At.Key}}
}

// final tells what is wrong with the request from what may pass. Denied access
// may pass: somebody mends the policy.
func final(err error, format string, args ...any) error {
	switch {
	case errors.As(err, new(*types.ResourceNotFoundException)), errors.As(err, new(*types.InvalidParameterException)),
		errors.As(err, new(*types.InvalidImageFormatException)), errors.As(err, new(*types.ImageTooLargeException)),
		errors.As(err, new(*types.InvalidS3ObjectException)), errors.As(err, new(*types.ServiceQuotaExceededException)):
		return errorf(format, args...)
	}
	return fmt.Errorf(format, args...)
}
