package awslocal

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"go.uber.org/zap"
)

var (
	metadataText = regexp.MustCompile(`^[\pL\pN _.:/=+\-@]*$`)
	roleARN      = regexp.MustCompile(`^arn:[a-z-]+:iam::[0-9]{12}:role/.+$`)
)

// judgeJob refuses what MediaConvert would not take.
func judgeJob(in *mediaconvert.CreateJobInput) error {
	switch {
	case !roleARN.MatchString(aws.ToString(in.Role)):
		return badRequest("/role: must be the ARN of a role")
	case len(aws.ToString(in.ClientRequestToken)) > 64:
		return badRequest("/clientRequestToken: must have at most 64 characters")
	case len(in.UserMetadata) > 10:
		return badRequest("/userMetadata: must have at most 10 pairs")
	case in.Settings == nil || len(in.Settings.Inputs) == 0:
		return badRequest("/settings/inputs: should not be empty")
	case len(in.Settings.OutputGroups) == 0:
		return badRequest("/settings/outputGroups: should not be empty")
	}
	for key, value := range in.UserMetadata {
		if key == "" || len([]rune(key)) > 128 || len([]rune(value)) > 256 || strings.HasPrefix(key, "aws:") || !metadataText.MatchString(key+value) {
			return badRequest("/userMetadata/%s: has characters or a length that are not allowed", key)
		}
	}
	for i, input := range in.Settings.Inputs {
		if file := aws.ToString(input.FileInput); !strings.HasPrefix(file, "s3://") && !strings.HasPrefix(file, "https://") && !strings.HasPrefix(file, "http://") {
			return badRequest("/settings/inputs/%d/fileInput: must be an S3, HTTP or HTTPS URI (got %q)", i, file)
		}
	}
	for i, g := range in.Settings.OutputGroups {
		at := fmt.Sprintf("/settings/outputGroups/%d", i)
		if !strings.HasPrefix(destination(g), "s3://") {
			return badRequest("%s/outputGroupSettings: destination must be an S3 URI (got %q)", at, destination(g))
		}
		if len(g.Outputs) == 0 && g.AutomatedEncodingSettings == nil {
			return badRequest("%s/outputs: should not be empty", at)
		}
		for k, o := range g.Outputs {
			if len(g.Outputs) > 1 && aws.ToString(o.NameModifier) == "" {
				return badRequest("%s/outputs/%d/nameModifier: is required, as the group has several outputs", at, k)
			}
		}
	}
	return nil
}

// destination of an output group, of whichever type.
func destination(g types.OutputGroup) string {
	s := g.OutputGroupSettings
	switch {
	case s == nil:
	case s.FileGroupSettings != nil:
		return aws.ToString(s.FileGroupSettings.Destination)
	case s.HlsGroupSettings != nil:
		return aws.ToString(s.HlsGroupSettings.Destination)
	case s.DashIsoGroupSettings != nil:
		return aws.ToString(s.DashIsoGroupSettings.Destination)
	case s.CmafGroupSettings != nil:
		return aws.ToString(s.CmafGroupSettings.Destination)
	case s.MsSmoothGroupSettings != nil:
		return aws.ToString(s.MsSmoothGroupSettings.Destination)
	}
	return ""
}

// run takes a job through its states.
func (t *transcoder) run(j *cloudJob) {
	var later []jobEvent // of a job whose events are repeated
	send := func(e jobEvent) {
		t.mu.Lock()
		e.fill(j, t.now())
		repeat := t.repeat
		t.mu.Unlock()
		if repeat {
			later = append(later, e)
			return
		}
		t.send(e)
	}
	t.steps(j, send)
	slices.Reverse(later)
	for _, e := range later {
		t.send(e)
		t.send(e)
	}
}

// steps sends an event at each state. It ends when the job does, or the Server.
func (t *transcoder) steps(j *cloudJob, send func(jobEvent)) {
	if !t.pause(j) || !t.move(j, types.JobStatusProgressing) {
		t.ended(j, send)
		return
	}
	send(jobEvent{Status: "PROGRESSING"})
	t.mu.Lock()
	released := t.released
	t.mu.Unlock()
	select {
	case <-released:
	case <-j.cancelled:
	case <-t.ctx.Done():
		return
	}
	if j.code == 0 {
		j.code, j.message = t.judgeInput(j)
	}
	if j.code != 0 {
		t.mu.Lock()
		if j.Status != types.JobStatusCanceled {
			j.Status, j.ErrorCode, j.ErrorMessage = types.JobStatusError, aws.Int32(int32(j.code)), &j.message
		}
		t.mu.Unlock()
		t.ended(j, send)
		return
	}
	send(inputInformation(j))
	for _, percent := range []int32{40, 80} {
		if !t.pause(j) {
			t.ended(j, send)
			return
		}
		t.mu.Lock()
		j.JobPercentComplete, j.CurrentPhase = &percent, types.JobPhaseTranscoding
		t.mu.Unlock()
		send(statusUpdate(percent))
	}
	t.finish(j, send)
}

// pause waits between two states. It reports whether the job goes on.
func (t *transcoder) pause(j *cloudJob) bool {
	select {
	case <-j.cancelled:
		return false
	case <-t.ctx.Done():
		return false
	default:
	}
	timer := time.NewTimer(t.pace)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-j.cancelled:
		return false
	case <-t.ctx.Done():
		return false
	}
}

func (t *transcoder) move(j *cloudJob, to types.JobStatus) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if j.Status == types.JobStatusCanceled {
		return false
	}
	j.Status = to
	return true
}

// ended sends the event of a job that was cancelled or failed.
func (t *transcoder) ended(j *cloudJob, send func(jobEvent)) {
	t.mu.Lock()
	status := j.Status
	t.mu.Unlock()
	switch status {
	case types.JobStatusCanceled:
		send(jobEvent{Status: "CANCELED"})
	case types.JobStatusError:
		send(jobEvent{Status: "ERROR", ErrorCode: j.code, ErrorMessage: j.message})
	}
}

// judgeInput says with which error a job ends whose input can't be read.
func (t *transcoder) judgeInput(j *cloudJob) (code int, message string) {
	for _, input := range j.Settings.Inputs {
		uri := aws.ToString(input.FileInput)
		rest, ok := strings.CutPrefix(uri, "s3://")
		if !ok {
			continue
		}
		bucket, key, _ := strings.Cut(rest, "/")
		o, err := t.objects.HeadObject(bucket, key)
		if err != nil {
			return 1404, "Unable to open input file [" + uri + "]: [Failed probe/open: [Failed to read data: AssumeRole/HeadObject: 404 Not Found]]"
		}
		if o.Size == 0 {
			return 1010, "Unable to open input file [" + uri + "]: [Failed probe/open: [Input file is empty]]"
		}
	}
	return 0, ""
}

// finish writes the outputs and completes the job, unless it was cancelled.
func (t *transcoder) finish(j *cloudJob, send func(jobEvent)) {
	var groups []outputGroupEvent
	var details []types.OutputGroupDetail
	for _, g := range j.Settings.OutputGroups {
		w := newGroupWriter(t, j, g)
		group := w.write()
		if w.err != nil {
			t.mu.Lock()
			j.code, j.message = 1401, "Unable to write to output file ["+destination(g)+"]: ["+w.err.Error()+"]"
			j.Status, j.ErrorCode, j.ErrorMessage = types.JobStatusError, aws.Int32(1401), &j.message
			t.mu.Unlock()
			t.ended(j, send)
			return
		}
		groups = append(groups, group)
		details = append(details, w.details)
	}
	t.mu.Lock()
	complete := j.Status == types.JobStatusProgressing
	if complete {
		j.Status, j.JobPercentComplete, j.CurrentPhase, j.OutputGroupDetails = types.JobStatusComplete, aws.Int32(100), types.JobPhaseUploading, details
	}
	t.mu.Unlock()
	if !complete {
		t.ended(j, send)
		return
	}
	send(jobEvent{Status: "COMPLETE", Groups: groups})
}

// send tells the queues.
func (t *transcoder) send(e jobEvent) {
	t.mu.Lock()
	queues, lose := slices.Clone(t.queues), t.lose
	t.mu.Unlock()
	if lose {
		return
	}
	for _, queue := range queues {
		if err := t.deliver(queue, e.body()); err != nil {
			t.log.Warn("event not delivered", zap.String("queue_url", queue), zap.Error(err))
		}
	}
}

// title is the name of a job's first input, without folder and extension.
func title(j *cloudJob) string {
	name := path.Base(aws.ToString(j.Settings.Inputs[0].FileInput))
	return strings.TrimSuffix(name, path.Ext(name))
}
