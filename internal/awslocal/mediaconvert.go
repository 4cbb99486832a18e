package awslocal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"go.uber.org/zap"
)

// mediaConvertPath begins the path of each of its operations.
const mediaConvertPath = "/2017-08-29/"

// tokenLife is how long a client's token stands for the job that it made.
// https://docs.aws.amazon.com/mediaconvert/latest/apireference/idempotency.html
const tokenLife = time.Minute

// A transcoder is MediaConvert without the transcoding: its jobs go through their
// states and write placeholders.
type transcoder struct {
	url     string
	pace    time.Duration
	media   func(extension string) []byte
	objects *objects
	deliver func(queueURL, body string) error
	log     *zap.Logger
	running sync.WaitGroup
	ctx     context.Context // of the Server: it ends the jobs

	mu        sync.Mutex
	now       func() time.Time
	jobs      []*cloudJob // in the order of their creation
	byID      map[string]*cloudJob
	tokens    map[string]tokenUse
	templates map[string]*types.JobTemplate
	queues    []string // that hear of jobs
	throttle  int
	released  chan struct{} // closed while jobs aren't held
	lose      bool
	repeat    bool
	fail      func(*mediaconvert.CreateJobInput) (int, string)
}

type tokenUse struct {
	job *cloudJob
	at  time.Time
}

// A cloudJob is one job. The transcoder's mutex guards it.
type cloudJob struct {
	types.Job
	number    int
	code      int // with which it is to fail
	message   string
	cancelled chan struct{}
}

func newTranscoder(ctx context.Context, url string, cfg Config, o *objects, deliver func(queueURL, body string) error) *transcoder {
	t := &transcoder{
		url: url, pace: cfg.Pace, media: cfg.Media, objects: o, deliver: deliver, log: cfg.Log, ctx: ctx, now: time.Now,
		byID: map[string]*cloudJob{}, tokens: map[string]tokenUse{}, templates: map[string]*types.JobTemplate{},
		released: make(chan struct{}),
		fail:     func(*mediaconvert.CreateJobInput) (int, string) { return 0, "" },
	}
	close(t.released)
	if t.media == nil {
		t.media = func(extension string) []byte {
			return []byte("a placeholder for a file " + extension + ": nothing is transcoded here\n")
		}
	}
	return t
}

// NotifyJobs has a queue hear of MediaConvert's jobs, as an EventBridge rule does.
func (s *Server) NotifyJobs(queueURL string) {
	s.transcoder.set(func(t *transcoder) { t.queues = append(t.queues, queueURL) })
}

// Throttle makes the next n calls of MediaConvert fail for their rate.
func (s *Server) Throttle(n int) { s.transcoder.set(func(t *transcoder) { t.throttle = n }) }

// HoldJobs keeps jobs from ending until it is called with false.
func (s *Server) HoldJobs(hold bool) {
	s.transcoder.set(func(t *transcoder) {
		select {
		case <-t.released:
			if hold {
				t.released = make(chan struct{})
			}
		default:
			if !hold {
				close(t.released)
			}
		}
	})
}

// LoseEvents keeps events of jobs from being sent.
func (s *Server) LoseEvents(lose bool) { s.transcoder.set(func(t *transcoder) { t.lose = lose }) }

// RepeatEvents sends the events of each job when it has ended, the last one first
// and each of them twice.
func (s *Server) RepeatEvents(repeat bool) {
	s.transcoder.set(func(t *transcoder) { t.repeat = repeat })
}

// FailJobs lets jobs end with the error that a function gives for their request; 0
// is none. It is called for each job that is created.
func (s *Server) FailJobs(with func(*mediaconvert.CreateJobInput) (code int, message string)) {
	s.transcoder.set(func(t *transcoder) { t.fail = with })
}

func (t *transcoder) set(change func(*transcoder)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(t)
}

// ServeHTTP answers the operations that mosaicd and the usual Lambda call.
// https://docs.aws.amazon.com/mediaconvert/latest/apireference/resources.html
func (t *transcoder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return // the client has gone
	}
	out, err := t.answer(r, body)
	if err != nil {
		e := asAPIError(err)
		w.Header().Set("X-Amzn-ErrorType", e.code)
		writeJSON(w, e.status, map[string]string{"message": e.message})
		return
	}
	status := http.StatusOK
	if r.Method == http.MethodPost && !strings.HasSuffix(r.URL.Path, "/endpoints") {
		status = http.StatusCreated
	}
	writeJSON(w, status, out)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone if this fails
}

// answer returns what is sent, which shares nothing with the jobs.
func (t *transcoder) answer(r *http.Request, body []byte) (any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out, err := t.operate(r, body)
	if err != nil {
		return nil, err
	}
	return wire(out), nil
}

// operate does one operation. The caller holds the lock.
func (t *transcoder) operate(r *http.Request, body []byte) (any, error) {
	if t.throttle > 0 {
		t.throttle--
		return nil, &apiError{status: http.StatusTooManyRequests, code: "TooManyRequestsException", message: "Too Many Requests"}
	}
	resource, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, mediaConvertPath), "/")
	query := r.URL.Query()
	switch r.Method + " " + resource {
	case "POST endpoints":
		return mediaconvert.DescribeEndpointsOutput{Endpoints: []types.Endpoint{{Url: &t.url}}}, nil
	case "POST jobs":
		return t.create(body)
	case "GET jobs":
		if id == "" {
			return t.list(query)
		}
		return t.get(id)
	case "GET search":
		return t.list(query)
	case "DELETE jobs":
		return t.cancel(id)
	case "POST jobTemplates":
		return t.createTemplate(body)
	case "GET jobTemplates":
		if j, ok := t.templates[id]; ok {
			return mediaconvert.GetJobTemplateOutput{JobTemplate: j}, nil
		}
		return nil, notFound("job template", id)
	}
	return nil, badRequest("%s %s is not served here", r.Method, r.URL.Path)
}

func badRequest(format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, code: "BadRequestException", message: fmt.Sprintf(format, args...)}
}

func notFound(what, name string) error {
	return &apiError{status: http.StatusNotFound, code: "NotFoundException", message: fmt.Sprintf("The %s %q does not exist.", what, name)}
}

func (t *transcoder) create(body []byte) (any, error) {
	var in mediaconvert.CreateJobInput
	if err := unwire(body, &in); err != nil {
		return nil, badRequest("%v", err)
	}
	token := aws.ToString(in.ClientRequestToken)
	if used, ok := t.tokens[token]; ok && token != "" && t.now().Sub(used.at) < tokenLife {
		return mediaconvert.CreateJobOutput{Job: &used.job.Job}, nil
	}
	if in.JobTemplate != nil && t.templates[*in.JobTemplate] == nil {
		return nil, notFound("job template", *in.JobTemplate)
	}
	if err := judgeJob(&in); err != nil {
		return nil, err
	}
	now := t.now()
	n := len(t.jobs) + 1
	j := &cloudJob{
		number: n, cancelled: make(chan struct{}),
		Job: types.Job{
			Id: aws.String(fmt.Sprintf("%d-%06x", now.UnixMilli(), n)), CreatedAt: &now, Status: types.JobStatusSubmitted,
			Queue: aws.String(queueARN(aws.ToString(in.Queue))), Role: in.Role, Settings: in.Settings, UserMetadata: in.UserMetadata,
			Priority: in.Priority, AccelerationSettings: in.AccelerationSettings, StatusUpdateInterval: in.StatusUpdateInterval,
			JobTemplate: in.JobTemplate, ClientRequestToken: in.ClientRequestToken, HopDestinations: in.HopDestinations,
		},
	}
	j.Arn = aws.String("arn:aws:mediaconvert:" + Region + ":" + AccountID + ":jobs/" + *j.Id)
	j.code, j.message = t.fail(&in)
	t.jobs = append(t.jobs, j)
	t.byID[*j.Id] = j
	t.tokens[token] = tokenUse{j, now}
	t.running.Go(func() { t.run(j) })
	return mediaconvert.CreateJobOutput{Job: &j.Job}, nil
}

func queueARN(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	if name == "" {
		name = "Default"
	}
	return "arn:aws:mediaconvert:" + Region + ":" + AccountID + ":queues/" + name
}

func (t *transcoder) get(id string) (any, error) {
	j := t.byID[id]
	if j == nil {
		return nil, notFound("job", id)
	}
	return mediaconvert.GetJobOutput{Job: &j.Job}, nil
}

// list answers ListJobs and SearchJobs, in pages of at most 20.
func (t *transcoder) list(query url.Values) (any, error) {
	most := 20
	if v := query.Get("maxResults"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 20 {
			return nil, badRequest("maxResults: must be 1 to 20 (got %s)", v)
		}
		most = n
	}
	input := query.Get("inputFile")
	if len(input) > 300 {
		return nil, badRequest("inputFile: must have at most 300 characters")
	}
	var jobs []*cloudJob
	for _, j := range t.jobs {
		reads := func(i types.Input) bool { return aws.ToString(i.FileInput) == input }
		if status := query.Get("status"); status != "" && string(j.Status) != status ||
			input != "" && !slices.ContainsFunc(j.Settings.Inputs, reads) ||
			query.Get("queue") != "" && *j.Queue != queueARN(query.Get("queue")) {
			continue
		}
		jobs = append(jobs, j)
	}
	if query.Get("order") != "ASCENDING" {
		slices.Reverse(jobs)
	}
	from := 0
	if token := query.Get("nextToken"); token != "" { // the number of the last job of the page before
		n, err := strconv.Atoi(token)
		i := slices.IndexFunc(jobs, func(j *cloudJob) bool { return j.number == n })
		if err != nil || i < 0 {
			return nil, badRequest("nextToken: is not one of ours")
		}
		from = i + 1
	}
	page := jobs[from:min(from+most, len(jobs))]
	out := mediaconvert.ListJobsOutput{Jobs: make([]types.Job, len(page))}
	for i, j := range page {
		out.Jobs[i] = j.Job
	}
	if from+most < len(jobs) {
		out.NextToken = aws.String(strconv.Itoa(page[len(page)-1].number))
	}
	return out, nil
}

func (t *transcoder) cancel(id string) (any, error) {
	j := t.byID[id]
	switch {
	case j == nil:
		return nil, notFound("job", id)
	case j.Status != types.JobStatusSubmitted && j.Status != types.JobStatusProgressing:
		return nil, &apiError{status: http.StatusConflict, code: "ConflictException", message: "The job is " + string(j.Status) + "."}
	}
	j.Status = types.JobStatusCanceled
	close(j.cancelled)
	return mediaconvert.CancelJobOutput{}, nil
}

func (t *transcoder) createTemplate(body []byte) (any, error) {
	var in mediaconvert.CreateJobTemplateInput
	if err := unwire(body, &in); err != nil {
		return nil, badRequest("%v", err)
	}
	name := aws.ToString(in.Name)
	if name == "" || in.Settings == nil {
		return nil, badRequest("name and settings are required")
	}
	if t.templates[name] != nil {
		return nil, &apiError{status: http.StatusConflict, code: "ConflictException", message: "The job template " + name + " exists."}
	}
	t.templates[name] = &types.JobTemplate{
		Name: in.Name, Settings: in.Settings, Description: in.Description, Category: in.Category, Queue: in.Queue,
		Priority: in.Priority, AccelerationSettings: in.AccelerationSettings, CreatedAt: aws.Time(t.now()),
		Arn: aws.String("arn:aws:mediaconvert:" + Region + ":" + AccountID + ":jobTemplates/" + name),
	}
	return mediaconvert.CreateJobTemplateOutput{JobTemplate: t.templates[name]}, nil
}
