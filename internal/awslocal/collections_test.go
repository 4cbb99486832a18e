package awslocal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rekognition"
	"github.com/aws/aws-sdk-go-v2/service/rekognition/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

// everybody finds as many faces in a picture as it has bytes after its signature,
// and whoever is listed at each of 25 samples of a video.
type everybody struct{}

const signature = "\x89PNG"

func (everybody) Portraits(_ context.Context, picture []byte) ([]awslocal.Portrait, error) {
	var all []awslocal.Portrait
	for i := range len(picture) - len(signature) {
		all = append(all, awslocal.Portrait{Box: faces.Box{Left: float64(i) / 10, Top: 0.1, Width: 0.1, Height: 0.1}, Confidence: 99})
	}
	return all, nil
}

func (everybody) Persons(_ context.Context, _ []byte, listed []awslocal.Listed, threshold float64) ([]byte, error) {
	var all []string
	for i := range 25 {
		all = append(all, fmt.Sprintf(`{"Timestamp":%d,"Person":{"Index":%d},"FaceMatches":[{"Similarity":%g}]}`, i*500, len(listed), threshold))
	}
	return fmt.Appendf(nil, `{"VideoMetadata":{"DurationMillis":12500},"Persons":[%s]}`, strings.Join(all, ",")), nil
}

func TestCollections(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server, err := awslocal.Start(ctx, awslocal.Config{People: everybody{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	client, buckets := rekognition.NewFromConfig(server.AWSConfig()), s3.NewFromConfig(server.AWSConfig())
	if _, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
		t.Fatal(err)
	}
	if _, err := buckets.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("two.png"), Body: strings.NewReader(signature + "12")}); err != nil {
		t.Fatal(err)
	}
	refused := func(code string, err error) {
		t.Helper()
		var said smithy.APIError
		if !errors.As(err, &said) || said.ErrorCode() != code {
			t.Errorf("error is %v, want %s", err, code)
		}
	}
	index := func(collection, name string, image *types.Image, most *int32) (*rekognition.IndexFacesOutput, error) {
		return client.IndexFaces(ctx, &rekognition.IndexFacesInput{CollectionId: &collection, ExternalImageId: &name, Image: image, MaxFaces: most})
	}
	picture := func(s string) *types.Image { return &types.Image{Bytes: []byte(s)} }
	stored := func(key string) *types.Image {
		return &types.Image{S3Object: &types.S3Object{Bucket: aws.String("bucket"), Name: &key}}
	}

	_, err = index("staff", "anna", picture(signature+"1"), nil)
	refused("ResourceNotFoundException", err)
	_, err = client.ListFaces(ctx, &rekognition.ListFacesInput{CollectionId: aws.String("staff")})
	refused("ResourceNotFoundException", err)
	_, err = client.CreateCollection(ctx, &rekognition.CreateCollectionInput{CollectionId: aws.String("no staff")})
	refused("InvalidParameterException", err)
	create := func() error {
		_, err := client.CreateCollection(ctx, &rekognition.CreateCollectionInput{CollectionId: aws.String("staff")})
		return err
	}
	if err := create(); err != nil {
		t.Fatal(err)
	}
	refused("ResourceAlreadyExistsException", create())

	_, err = index("staff", "an na", picture(signature+"1"), nil)
	refused("InvalidParameterException", err)
	_, err = index("staff", "anna", picture("text"), nil)
	refused("InvalidImageFormatException", err)
	_, err = index("staff", "anna", picture(signature+string(bytes.Repeat([]byte{1}, 5<<20))), nil)
	refused("ImageTooLargeException", err)
	_, err = index("staff", "anna", stored("none.png"), nil)
	refused("InvalidS3ObjectException", err)

	found, err := client.DetectFaces(ctx, &rekognition.DetectFacesInput{Image: stored("two.png")})
	if err != nil || len(found.FaceDetails) != 2 {
		t.Errorf("%+v, %v", found, err)
	}
	first, err := index("staff", "anna", stored("two.png"), aws.Int32(1))
	if err != nil || len(first.FaceRecords) != 1 || len(first.UnindexedFaces) != 1 || first.UnindexedFaces[0].Reasons[0] != types.ReasonExceedsMaxFaces {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := index("staff", "anna", picture(signature+"12"), aws.Int32(1))
	if err != nil || *again.FaceRecords[0].Face.FaceId != *first.FaceRecords[0].Face.FaceId {
		t.Errorf("the same picture again is another face: %v", err)
	}
	for i := range 6 {
		if _, err := index("staff", "ben", picture(signature+fmt.Sprint(i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	var pages int
	for p := rekognition.NewListFacesPaginator(client, &rekognition.ListFacesInput{CollectionId: aws.String("staff")}); p.HasMorePages(); pages++ {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Faces {
			names = append(names, *f.ExternalImageId)
		}
	}
	if len(names) != 7 || pages != 2 {
		t.Errorf("%d pages of %v", pages, names)
	}
	deleted, err := client.DeleteFaces(ctx, &rekognition.DeleteFacesInput{CollectionId: aws.String("staff"), FaceIds: []string{*first.FaceRecords[0].Face.FaceId, "nobody"}})
	if err != nil || len(deleted.DeletedFaces) != 1 {
		t.Errorf("%+v, %v", deleted, err)
	}
}

func TestFaceSearch(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server, err := awslocal.Start(ctx, awslocal.Config{People: everybody{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	client, buckets := rekognition.NewFromConfig(server.AWSConfig()), s3.NewFromConfig(server.AWSConfig())
	if _, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
		t.Fatal(err)
	}
	if _, err := buckets.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a.mp4"), Body: strings.NewReader("video")}); err != nil {
		t.Fatal(err)
	}
	start := func(threshold float32) (*rekognition.StartFaceSearchOutput, error) {
		return client.StartFaceSearch(ctx, &rekognition.StartFaceSearchInput{
			CollectionId: aws.String("staff"), FaceMatchThreshold: &threshold, ClientRequestToken: aws.String("token"),
			Video: &types.Video{S3Object: &types.S3Object{Bucket: aws.String("bucket"), Name: aws.String("a.mp4")}},
		})
	}
	if _, err := start(90); !errors.As(err, new(*types.ResourceNotFoundException)) {
		t.Errorf("error is %v", err)
	}
	if _, err := client.CreateCollection(ctx, &rekognition.CreateCollectionInput{CollectionId: aws.String("staff")}); err != nil {
		t.Fatal(err)
	}
	job, err := start(90)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := start(90); err != nil || *again.JobId != *job.JobId || server.Searches() != 1 {
		t.Errorf("the same token is another job: %v", err)
	}
	if _, err := start(91); !errors.As(err, new(*types.IdempotentParameterMismatchException)) {
		t.Errorf("error is %v", err)
	}
	if _, err := client.GetFaceDetection(ctx, &rekognition.GetFaceDetectionInput{JobId: job.JobId}); !errors.As(err, new(*types.ResourceNotFoundException)) {
		t.Errorf("error is %v", err)
	}
	var persons []types.PersonMatch
	var pages int
	for {
		page, err := client.GetFaceSearch(ctx, &rekognition.GetFaceSearchInput{JobId: job.JobId})
		if err != nil {
			t.Fatal(err)
		}
		if page.JobStatus == types.VideoJobStatusSucceeded {
			break
		}
	}
	for p := rekognition.NewGetFaceSearchPaginator(client, &rekognition.GetFaceSearchInput{JobId: job.JobId}); p.HasMorePages(); pages++ {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		persons = append(persons, page.Persons...)
	}
	if pages != 3 || len(persons) != 25 || *persons[24].FaceMatches[0].Similarity != 90 || persons[24].Timestamp != 12000 {
		t.Errorf("%d pages, %d persons", pages, len(persons))
	}
}
