package awslocal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/johannesboyne/gofakes3"
	"go.uber.org/zap"
)

// rekognitionTarget begins the header by which Rekognition's operations are
// known.
const rekognitionTarget = "RekognitionService."

// facesAPage is how many faces a page of a result holds, however many are asked
// for, until PageFaces says otherwise: so few that results have several.
const facesAPage = 10

// A searcher is Rekognition for stored videos. What looks for faces is given to it.
type searcher struct {
	objects  *objects
	find     func(ctx context.Context, video []byte) ([]byte, error)
	people   People
	topics   *sns.Client
	log      *zap.Logger
	pageSize int
	running  sync.WaitGroup
	ctx      context.Context // of the Server: it ends the jobs

	mu     sync.Mutex
	jobs   map[string]*search
	tokens map[string]*search // by token
	fail   bool

	collections map[string][]Listed
}

// A search is one job. The searcher's mutex guards it.
type search struct {
	ID, Tag  string
	API      string // StartFaceDetection or StartFaceSearch
	Asked    startRequest
	Bucket   string
	Key      string
	Topic    string
	Status   string // IN_PROGRESS, SUCCEEDED or FAILED
	Message  string
	Found    []json.RawMessage // Faces or Persons
	Metadata json.RawMessage
}

func newSearcher(ctx context.Context, cfg Config, o *objects, topics *sns.Client) *searcher {
	return &searcher{
		objects: o, find: cfg.Faces, people: cfg.People, topics: topics, log: cfg.Log, ctx: ctx,
		pageSize: facesAPage,
		jobs:     map[string]*search{}, tokens: map[string]*search{}, collections: map[string][]Listed{},
	}
}

// FailSearches makes Rekognition's jobs fail.
func (s *Server) FailSearches(fail bool) {
	s.searcher.mu.Lock()
	defer s.searcher.mu.Unlock()
	s.searcher.fail = fail
}

// PageFaces sets how many faces a page of a result holds; Rekognition's own are of 1,000.
func (s *Server) PageFaces(n int) {
	s.searcher.mu.Lock()
	defer s.searcher.mu.Unlock()
	s.searcher.pageSize = n
}

// Searches is how many jobs Rekognition was asked to start.
func (s *Server) Searches() int {
	s.searcher.mu.Lock()
	defer s.searcher.mu.Unlock()
	return len(s.searcher.jobs)
}

func (s *searcher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return // the client has gone
	}
	var out any
	switch api := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), rekognitionTarget); api {
	case "StartFaceDetection", "StartFaceSearch":
		out, err = s.start(api, body)
	case "GetFaceDetection", "GetFaceSearch":
		out, err = s.page("Start"+strings.TrimPrefix(api, "Get"), body)
	case "CreateCollection":
		out, err = s.createCollection(body)
	case "DescribeCollection":
		out, err = s.describeCollection(body)
	case "DetectFaces":
		out, err = s.detectFaces(r.Context(), body)
	case "IndexFaces":
		out, err = s.indexFaces(r.Context(), body)
	case "ListFaces":
		out, err = s.listFaces(body)
	case "DeleteFaces":
		out, err = s.deleteFaces(body)
	default:
		err = &apiError{status: http.StatusBadRequest, code: "InvalidAction", message: r.Header.Get("X-Amz-Target") + " is not served here"}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err != nil {
		e := asAPIError(err)
		w.WriteHeader(e.status)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": e.code, "Message": e.message}) // the client has gone if this fails
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

func invalidParameter(format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, code: "InvalidParameterException", message: fmt.Sprintf(format, args...)}
}

// A startRequest is what StartFaceDetection and StartFaceSearch are asked.
type startRequest struct {
	Video struct {
		S3Object struct{ Bucket, Name, Version string }
	}
	ClientRequestToken  string
	JobTag              string
	NotificationChannel struct{ SNSTopicArn, RoleArn string }
	CollectionId        string
	FaceMatchThreshold  float64
}

// start answers StartFaceDetection and StartFaceSearch. The same token is the same
// job, and no second notice of its end.
func (s *searcher) start(api string, body []byte) (any, error) {
	in := startRequest{FaceMatchThreshold: 80}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, invalidParameter("%v", err)
	}
	if len(in.ClientRequestToken) > 64 || len(in.JobTag) > 1024 || strings.ContainsAny(in.JobTag+in.ClientRequestToken, " /") {
		return nil, invalidParameter("ClientRequestToken or JobTag is too long or has characters that are not allowed")
	}
	if in.FaceMatchThreshold < 0 || in.FaceMatchThreshold > 100 {
		return nil, invalidParameter("FaceMatchThreshold must be 0 to 100")
	}
	at := in.Video.S3Object
	o, err := s.objects.GetObjectVersion(at.Bucket, at.Name, gofakes3.VersionID(at.Version), nil)
	if err != nil || o.IsDeleteMarker {
		return nil, &apiError{status: http.StatusBadRequest, code: "InvalidS3ObjectException", message: "Unable to get object metadata from S3. Check object key, region and/or access permissions."}
	}
	defer o.Contents.Close()
	video, err := io.ReadAll(o.Contents)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	listed, there := s.collections[in.CollectionId]
	if api == "StartFaceSearch" && !there {
		return nil, noCollection(in.CollectionId)
	}
	if j := s.tokens[in.ClientRequestToken]; j != nil && in.ClientRequestToken != "" {
		if j.API != api || j.Asked != in {
			return nil, rekognitionError("IdempotentParameterMismatchException", "A ClientRequestToken input parameter was reused with an operation, but at least one of the other input parameters is different from the previous call to the operation.")
		}
		return map[string]string{"JobId": j.ID}, nil
	}
	j := &search{ID: strings.ToLower(requestID()), Tag: in.JobTag, API: api, Asked: in, Bucket: at.Bucket, Key: at.Name, Topic: in.NotificationChannel.SNSTopicArn, Status: "IN_PROGRESS"}
	s.jobs[j.ID], s.tokens[in.ClientRequestToken] = j, j
	fail, listed := s.fail, slices.Clone(listed)
	s.running.Go(func() { s.run(j, video, listed, fail) })
	return map[string]string{"JobId": j.ID}, nil
}

// look does the work of a job.
func (s *searcher) look(j *search, video []byte, listed []Listed) ([]byte, error) {
	switch {
	case j.API == "StartFaceSearch" && s.people != nil:
		return s.people.Persons(s.ctx, video, listed, j.Asked.FaceMatchThreshold)
	case j.API == "StartFaceDetection" && s.find != nil:
		return s.find(s.ctx, video)
	}
	return nil, errors.New("this account has no detector")
}

func (s *searcher) run(j *search, video []byte, listed []Listed, fail bool) {
	var found struct {
		Faces, Persons []json.RawMessage
		VideoMetadata  json.RawMessage
	}
	err := errors.New("this job was to fail")
	if !fail {
		var body []byte
		if body, err = s.look(j, video, listed); err == nil {
			err = json.Unmarshal(body, &found)
		}
	}
	s.mu.Lock()
	j.Status, j.Found, j.Metadata = "SUCCEEDED", append(found.Faces, found.Persons...), found.VideoMetadata
	if err != nil {
		j.Status, j.Message = "FAILED", err.Error()
	}
	notice, err := json.Marshal(map[string]any{
		"JobId": j.ID, "Status": j.Status, "API": j.API, "JobTag": j.Tag, "Timestamp": time.Now().UnixMilli(),
		"Video": map[string]string{"S3ObjectName": j.Key, "S3Bucket": j.Bucket},
	})
	s.mu.Unlock()
	if err == nil && j.Topic != "" && s.ctx.Err() == nil {
		_, err = s.topics.Publish(s.ctx, &sns.PublishInput{TopicArn: &j.Topic, Message: aws.String(string(notice))})
	}
	if err != nil {
		s.log.Warn("notice not delivered", zap.String("topic_arn", j.Topic), zap.Error(err))
	}
}

// page answers GetFaceDetection and GetFaceSearch.
func (s *searcher) page(api string, body []byte) (any, error) {
	var in struct{ JobId, NextToken string }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, invalidParameter("%v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[in.JobId]
	if j == nil || j.API != api {
		return nil, &apiError{status: http.StatusBadRequest, code: "ResourceNotFoundException", message: "Could not find JobId"}
	}
	out := map[string]any{"JobStatus": j.Status, "JobId": j.ID, "JobTag": j.Tag}
	if j.Status != "SUCCEEDED" {
		if j.Message != "" {
			out["StatusMessage"] = j.Message
		}
		return out, nil
	}
	from := 0
	if in.NextToken != "" {
		if _, err := fmt.Sscanf(in.NextToken, j.ID+"+%d", &from); err != nil || from > len(j.Found) {
			return nil, &apiError{status: http.StatusBadRequest, code: "InvalidPaginationTokenException", message: "Invalid pagination token"}
		}
	}
	to := min(from+s.pageSize, len(j.Found))
	name := "Faces"
	if j.API == "StartFaceSearch" {
		name = "Persons"
	}
	out[name] = slices.Concat([]json.RawMessage{}, j.Found[from:to])
	if j.Metadata != nil {
		out["VideoMetadata"] = j.Metadata
	}
	if to < len(j.Found) {
		out["NextToken"] = fmt.Sprintf("%s+%d", j.ID, to)
	}
	return out, nil
}
