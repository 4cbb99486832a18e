package awslocal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"go.uber.org/zap"
)

// rekognitionTarget begins the header by which Rekognition's operations are
// known.
const rekognitionTarget = "RekognitionService."

// facesAPage is how many faces a page of a result holds, however many are asked
// for: so few that results have several.
const facesAPage = 10

// A searcher is Rekognition for stored videos. What looks for faces is given to it.
type searcher struct {
	objects *objects
	find    func(ctx context.Context, video []byte) ([]byte, error)
	topics  *sns.Client
	log     *zap.Logger
	running sync.WaitGroup
	ctx     context.Context // of the Server: it ends the jobs

	mu     sync.Mutex
	jobs   map[string]*search
	tokens map[string]string // job by token
	fail   bool
}

// A search is one job. The searcher's mutex guards it.
type search struct {
	ID, Tag  string
	Bucket   string
	Key      string
	Topic    string
	Status   string // IN_PROGRESS, SUCCEEDED or FAILED
	Message  string
	Faces    []json.RawMessage
	Metadata json.RawMessage
}

func newSearcher(ctx context.Context, cfg Config, o *objects, topics *sns.Client) *searcher {
	return &searcher{
		objects: o, find: cfg.Faces, topics: topics, log: cfg.Log, ctx: ctx,
		jobs: map[string]*search{}, tokens: map[string]string{},
	}
}

// FailSearches makes Rekognition's jobs fail.
func (s *Server) FailSearches(fail bool) {
	s.searcher.mu.Lock()
	defer s.searcher.mu.Unlock()
	s.searcher.fail = fail
}

// Searches is how many jobs Rekognition was asked to start.
func (s *Server) Searches() int {
	s.searcher.mu.Lock()
	defer s.searcher.mu.Unlock()
	return len(s.searcher.jobs)
}

func (s *searcher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the client has gone
	}
	var out any
	switch strings.TrimPrefix(r.Header.Get("X-Amz-Target"), rekognitionTarget) {
	case "StartFaceDetection":
		out, err = s.start(body)
	case "GetFaceDetection":
		out, err = s.page(body)
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

// start answers StartFaceDetection. The same token is the same job, and no second
// notice of its end.
func (s *searcher) start(body []byte) (any, error) {
	var in struct {
		Video struct {
			S3Object struct{ Bucket, Name, Version string }
		}
		ClientRequestToken  string
		JobTag              string
		NotificationChannel struct{ SNSTopicArn, RoleArn string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, invalidParameter("%v", err)
	}
	if len(in.ClientRequestToken) > 64 || len(in.JobTag) > 1024 || strings.ContainsAny(in.JobTag+in.ClientRequestToken, " /") {
		return nil, invalidParameter("ClientRequestToken or JobTag is too long or has characters that are not allowed")
	}
	at := in.Video.S3Object
	o, err := s.objects.HeadObject(at.Bucket, at.Name)
	if err != nil {
		return nil, &apiError{status: http.StatusBadRequest, code: "InvalidS3ObjectException", message: "Unable to get object metadata from S3. Check object key, region and/or access permissions."}
	}
	defer o.Contents.Close()
	video, err := io.ReadAll(o.Contents)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := s.tokens[in.ClientRequestToken]; id != "" && in.ClientRequestToken != "" {
		return map[string]string{"JobId": id}, nil
	}
	j := &search{ID: strings.ToLower(requestID()), Tag: in.JobTag, Bucket: at.Bucket, Key: at.Name, Topic: in.NotificationChannel.SNSTopicArn, Status: "IN_PROGRESS"}
	s.jobs[j.ID], s.tokens[in.ClientRequestToken] = j, j.ID
	fail := s.fail
	s.running.Go(func() { s.run(j, video, fail) })
	return map[string]string{"JobId": j.ID}, nil
}

func (s *searcher) run(j *search, video []byte, fail bool) {
	var found struct {
		Faces         []json.RawMessage
		VideoMetadata json.RawMessage
	}
	err := fmt.Errorf("this account has no detector")
	if s.find != nil && !fail {
		var body []byte
		if body, err = s.find(s.ctx, video); err == nil {
			err = json.Unmarshal(body, &found)
		}
	}
	s.mu.Lock()
	j.Status, j.Faces, j.Metadata = "SUCCEEDED", found.Faces, found.VideoMetadata
	if err != nil {
		j.Status, j.Message = "FAILED", err.Error()
	}
	notice, err := json.Marshal(map[string]any{
		"JobId": j.ID, "Status": j.Status, "API": "StartFaceDetection", "JobTag": j.Tag, "Timestamp": time.Now().UnixMilli(),
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

// page answers GetFaceDetection.
func (s *searcher) page(body []byte) (any, error) {
	var in struct{ JobId, NextToken string }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, invalidParameter("%v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[in.JobId]
	if j == nil {
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
		if _, err := fmt.Sscanf(in.NextToken, j.ID+"+%d", &from); err != nil || from > len(j.Faces) {
			return nil, &apiError{status: http.StatusBadRequest, code: "InvalidPaginationTokenException", message: "Invalid pagination token"}
		}
	}
	to := min(from+facesAPage, len(j.Faces))
	out["Faces"] = j.Faces[from:to]
	if j.Metadata != nil {
		out["VideoMetadata"] = j.Metadata
	}
	if to < len(j.Faces) {
		out["NextToken"] = fmt.Sprintf("%s+%d", j.ID, to)
	}
	return out, nil
}
