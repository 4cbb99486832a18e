package awslocal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/mosaicd/mosaicd/jobs/faces"
)

// People tells faces apart, for Rekognition's collections.
type People interface {
	// Portraits returns the faces in a picture, PNG or JPEG, the largest first.
	Portraits(ctx context.Context, picture []byte) ([]Portrait, error)
	// Persons follows the people in a video, and says who of the collection each may
	// be, with at least that similarity in percent. It returns JSON with Persons and
	// VideoMetadata as GetFaceSearch has them.
	Persons(ctx context.Context, video []byte, collection []Listed, threshold float64) ([]byte, error)
}

// A Portrait is one face in a picture.
type Portrait struct {
	Box        faces.Box
	Confidence float64   // that it is one, in percent
	Template   []float32 // what it is told from others by; only its maker reads it
}

// A Listed face is one of a collection.
type Listed struct {
	FaceID, ExternalImageID, ImageID string
	Portrait
}

const (
	// facesAList is how many faces ListFaces gives at once, however many are asked
	// for: so few that lists have several pages.
	facesAList = 5
	// https://docs.aws.amazon.com/rekognition/latest/dg/limits.html
	maxPicture       = 5 << 20
	maxStoredPicture = 15 << 20
)

var (
	collectionID    = regexp.MustCompile(`^[a-zA-Z0-9_.\-]{1,255}$`)
	externalImageID = regexp.MustCompile(`^[a-zA-Z0-9_.\-:]{1,255}$`)
)

func rekognitionError(code, format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

func noCollection(id string) error {
	return rekognitionError("ResourceNotFoundException", "The collection id: %s does not exist", id)
}

// listed are the faces of a collection. The caller holds the lock.
func (s *searcher) listed(id string) ([]Listed, error) {
	all, there := s.collections[id]
	if !there {
		return nil, noCollection(id)
	}
	return all, nil
}

// createCollection answers CreateCollection.
func (s *searcher) createCollection(body []byte) (any, error) {
	var in struct{ CollectionId string }
	if err := json.Unmarshal(body, &in); err != nil || !collectionID.MatchString(in.CollectionId) {
		return nil, invalidParameter("CollectionId %q is not valid", in.CollectionId)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.collections[in.CollectionId]; there {
		return nil, rekognitionError("ResourceAlreadyExistsException", "The collection id: %s already exists", in.CollectionId)
	}
	s.collections[in.CollectionId] = nil
	return map[string]any{"StatusCode": 200, "CollectionArn": "aws:rekognition:" + Region + ":" + AccountID + ":collection/" + in.CollectionId, "FaceModelVersion": "7.0"}, nil
}

// describeCollection answers DescribeCollection.
func (s *searcher) describeCollection(body []byte) (any, error) {
	var in struct{ CollectionId string }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, invalidParameter("%v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	listed, err := s.listed(in.CollectionId)
	if err != nil {
		return nil, err
	}
	return map[string]any{"FaceCount": len(listed), "FaceModelVersion": "7.0"}, nil
}

// image is how requests give a picture.
type image struct {
	Bytes    []byte
	S3Object *struct{ Bucket, Name, Version string }
}

// read returns the picture.
func (s *searcher) read(i image) ([]byte, error) {
	picture, limit := i.Bytes, maxPicture
	if i.S3Object != nil {
		o, err := s.objects.HeadObject(i.S3Object.Bucket, i.S3Object.Name)
		if err != nil {
			return nil, rekognitionError("InvalidS3ObjectException", "Unable to get object metadata from S3. Check object key, region and/or access permissions.")
		}
		defer o.Contents.Close()
		if picture, err = io.ReadAll(o.Contents); err != nil {
			return nil, err
		}
		limit = maxStoredPicture
	}
	switch {
	case len(picture) == 0:
		return nil, invalidParameter("Request has invalid parameters: there is no image")
	case len(picture) > limit:
		return nil, rekognitionError("ImageTooLargeException", "Image size is too large")
	case !bytes.HasPrefix(picture, []byte("\x89PNG")) && !bytes.HasPrefix(picture, []byte("\xff\xd8\xff")):
		return nil, rekognitionError("InvalidImageFormatException", "Request has invalid image format")
	}
	return picture, nil
}

// portraits are the faces in a picture.
func (s *searcher) portraits(ctx context.Context, i image) ([]Portrait, []byte, error) {
	picture, err := s.read(i)
	if err != nil {
		return nil, nil, err
	}
	if s.people == nil {
		return nil, nil, rekognitionError("AccessDeniedException", "nothing here tells faces apart")
	}
	all, err := s.people.Portraits(ctx, picture)
	if err != nil {
		return nil, nil, rekognitionError("InvalidImageFormatException", "%v", err)
	}
	return all, picture, nil
}

// faceDetail is a face as DetectFaces describes it.
func (p Portrait) faceDetail() map[string]any {
	return map[string]any{"BoundingBox": p.Box, "Confidence": p.Confidence}
}

// detectFaces answers DetectFaces.
func (s *searcher) detectFaces(ctx context.Context, body []byte) (any, error) {
	var in struct{ Image image }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, invalidParameter("%v", err)
	}
	all, _, err := s.portraits(ctx, in.Image)
	if err != nil {
		return nil, err
	}
	details := []any{}
	for _, p := range all {
		details = append(details, p.faceDetail())
	}
	return map[string]any{"FaceDetails": details}, nil
}

// indexFaces answers IndexFaces. The same picture under the same name is indexed
// once.
// https://docs.aws.amazon.com/rekognition/latest/APIReference/API_IndexFaces.html
func (s *searcher) indexFaces(ctx context.Context, body []byte) (any, error) {
	var in struct {
		CollectionId    string
		ExternalImageId string
		Image           image
		MaxFaces        *int
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, invalidParameter("%v", err)
	}
	if in.ExternalImageId != "" && !externalImageID.MatchString(in.ExternalImageId) {
		return nil, invalidParameter("ExternalImageId %q is not valid", in.ExternalImageId)
	}
	if in.MaxFaces != nil && *in.MaxFaces < 1 {
		return nil, invalidParameter("MaxFaces must be at least 1")
	}
	all, picture, err := s.portraits(ctx, in.Image)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(picture)
	imageID := hex.EncodeToString(sum[:16])

	s.mu.Lock()
	defer s.mu.Unlock()
	listed, err := s.listed(in.CollectionId)
	if err != nil {
		return nil, err
	}
	records, unindexed := []any{}, []any{}
	for i, p := range all {
		if in.MaxFaces != nil && i >= *in.MaxFaces {
			unindexed = append(unindexed, map[string]any{"Reasons": []string{"EXCEEDS_MAX_FACES"}, "FaceDetail": p.faceDetail()})
			continue
		}
		face := Listed{ImageID: imageID, ExternalImageID: in.ExternalImageId, Portrait: p}
		same := slices.IndexFunc(listed, func(l Listed) bool {
			return l.ImageID == face.ImageID && l.ExternalImageID == face.ExternalImageID && l.Box == face.Box
		})
		if same >= 0 {
			face = listed[same]
		} else {
			face.FaceID = strings.ToLower(requestID())
			listed = append(listed, face)
		}
		records = append(records, map[string]any{"Face": face.form(), "FaceDetail": p.faceDetail()})
	}
	s.collections[in.CollectionId] = listed
	return map[string]any{"FaceRecords": records, "UnindexedFaces": unindexed, "FaceModelVersion": "7.0"}, nil
}

func (l Listed) form() map[string]any {
	form := map[string]any{"FaceId": l.FaceID, "ImageId": l.ImageID, "BoundingBox": l.Box, "Confidence": l.Confidence}
	if l.ExternalImageID != "" {
		form["ExternalImageId"] = l.ExternalImageID
	}
	return form
}

// listFaces answers ListFaces.
func (s *searcher) listFaces(body []byte) (any, error) {
	var in struct{ CollectionId, NextToken string }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, invalidParameter("%v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	listed, err := s.listed(in.CollectionId)
	if err != nil {
		return nil, err
	}
	from := 0
	if in.NextToken != "" {
		if _, err := fmt.Sscanf(in.NextToken, "faces+%d", &from); err != nil || from > len(listed) {
			return nil, rekognitionError("InvalidPaginationTokenException", "Invalid pagination token")
		}
	}
	to := min(from+facesAList, len(listed))
	page := []any{}
	for _, l := range listed[from:to] {
		page = append(page, l.form())
	}
	out := map[string]any{"Faces": page, "FaceModelVersion": "7.0"}
	if to < len(listed) {
		out["NextToken"] = fmt.Sprintf("faces+%d", to)
	}
	return out, nil
}

// deleteFaces answers DeleteFaces.
func (s *searcher) deleteFaces(body []byte) (any, error) {
	var in struct {
		CollectionId string
		FaceIds      []string
	}
	if err := json.Unmarshal(body, &in); err != nil || len(in.FaceIds) == 0 {
		return nil, invalidParameter("FaceIds must not be empty")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	listed, err := s.listed(in.CollectionId)
	if err != nil {
		return nil, err
	}
	deleted := []string{}
	s.collections[in.CollectionId] = slices.DeleteFunc(listed, func(l Listed) bool {
		gone := slices.Contains(in.FaceIds, l.FaceID)
		if gone {
			deleted = append(deleted, l.FaceID)
		}
		return gone
	})
	return map[string]any{"DeletedFaces": deleted}, nil
}
