package awslocal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/jobs/event"
)

// cloud is an env with a bucket that has a video, and a queue that hears of jobs.
type cloud struct {
	env
	mc     *mediaconvert.Client
	events string
}

func startCloud(t *testing.T) cloud {
	t.Helper()
	e := start(t)
	e.bucket(t, "src")
	e.bucket(t, "dst")
	e.put(t, "src", "folder/a b.mp4", "video")
	c := cloud{e, mediaconvert.NewFromConfig(e.AWSConfig(), func(o *mediaconvert.Options) { o.Retryer = aws.NopRetryer{} }), e.queue(t, "events", nil)}
	e.NotifyJobs(c.events)
	return c
}

func hls(destination string, modifiers ...string) types.OutputGroup {
	g := types.OutputGroup{OutputGroupSettings: &types.OutputGroupSettings{
		Type: types.OutputGroupTypeHlsGroupSettings, HlsGroupSettings: &types.HlsGroupSettings{Destination: &destination},
	}}
	for _, m := range modifiers {
		g.Outputs = append(g.Outputs, types.Output{NameModifier: &m, VideoDescription: &types.VideoDescription{Width: aws.Int32(640), Height: aws.Int32(360)}})
	}
	return g
}

// request is one that is good.
func request(groups ...types.OutputGroup) *mediaconvert.CreateJobInput {
	if groups == nil {
		groups = []types.OutputGroup{hls("s3://dst/x/", "_high", "_low")}
	}
	return &mediaconvert.CreateJobInput{
		Role: aws.String("arn:aws:iam::000000000000:role/mediaconvert"), UserMetadata: map[string]string{"my-key": "a value"},
		Settings: &types.JobSettings{
			Inputs: []types.Input{{FileInput: aws.String("s3://src/folder/a b.mp4"), AudioSelectors: map[string]types.AudioSelector{
				"Audio Selector 1": {DefaultSelection: types.AudioDefaultSelectionDefault},
			}}},
			OutputGroups: groups,
		},
	}
}

func (c cloud) create(t *testing.T, in *mediaconvert.CreateJobInput) *types.Job {
	t.Helper()
	out, err := c.mc.CreateJob(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out.Job
}

// until takes events, as package event reads them, up to one of a status.
func (c cloud) until(t *testing.T, status string) (all []event.MediaConvertChanged) {
	t.Helper()
	for {
		for _, m := range c.poll(t, c.events, 20) {
			events, err := event.Decode([]byte(*m.Body))
			if err != nil {
				t.Fatalf("%v in %s", err, *m.Body)
			}
			all = append(all, events[0].(event.MediaConvertChanged))
			if err := c.delete(t, c.events, m); err != nil {
				t.Fatal(err)
			}
			if all[len(all)-1].Status == status {
				return all
			}
		}
	}
}

func TestMediaConvertJob(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	j := c.create(t, request())
	all := c.until(t, "COMPLETE")
	var statuses []string
	for _, e := range all {
		statuses = append(statuses, e.Status)
		if e.JobID != *j.Id || e.UserMetadata["my-key"] != "a value" || e.Time.IsZero() {
			t.Errorf("event is %+v", e)
		}
	}
	if want := []string{"PROGRESSING", "INPUT_INFORMATION", "STATUS_UPDATE", "STATUS_UPDATE", "COMPLETE"}; !slices.Equal(statuses, want) {
		t.Errorf("events are %v", statuses)
	}
	if p := all[2].Percent; p == nil || *p != 40 {
		t.Errorf("progress is %+v", all[2])
	}
	g := all[4].Groups[0]
	if g.Type != "HLS_GROUP" || !slices.Equal(g.Playlists, []string{"s3://dst/x/a b.m3u8"}) || len(g.Outputs) != 2 ||
		g.Outputs[1].Paths[0] != "s3://dst/x/a b_low.m3u8" || g.Outputs[0].Width != 640 || g.Outputs[0].Duration != time.Second {
		t.Errorf("outputs are %+v", g)
	}
	for _, key := range []string{"x/a b.m3u8", "x/a b_high.m3u8", "x/a b_high_00001.ts", "x/a b_low.m3u8", "x/a b_low_00001.ts"} {
		if _, body := c.get(t, s3.GetObjectInput{Bucket: aws.String("dst"), Key: &key}); body == "" {
			t.Errorf("%s is empty", key)
		}
	}
	got, err := c.mc.GetJob(t.Context(), &mediaconvert.GetJobInput{Id: j.Id})
	if err != nil {
		t.Fatal(err)
	}
	if g := got.Job; g.Status != types.JobStatusComplete || aws.ToInt32(g.JobPercentComplete) != 100 || g.CreatedAt.Before(time.Now().Add(-time.Minute)) ||
		*g.Settings.OutputGroups[0].Outputs[0].NameModifier != "_high" || len(g.Settings.Inputs[0].AudioSelectors) != 1 || len(g.OutputGroupDetails[0].OutputDetails) != 2 {
		t.Errorf("the job is %+v", g)
	}
}

func TestMediaConvertFiles(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	to := func(s string) *string { s = "s3://dst/" + s; return &s }
	file := func(container types.ContainerType, codec types.VideoCodec, modifier string) types.Output {
		return types.Output{NameModifier: &modifier, ContainerSettings: &types.ContainerSettings{Container: container},
			VideoDescription: &types.VideoDescription{CodecSettings: &types.VideoCodecSettings{Codec: codec}}}
	}
	outputs := []types.Output{{NameModifier: aws.String("_v")}}
	c.create(t, request(
		types.OutputGroup{Outputs: []types.Output{file("MP4", "H_264", "_v"), file("RAW", "FRAME_CAPTURE", "_t")}, OutputGroupSettings: &types.OutputGroupSettings{
			Type: "FILE_GROUP_SETTINGS", FileGroupSettings: &types.FileGroupSettings{Destination: to("file/$fn$-x")}}},
		types.OutputGroup{Outputs: outputs, OutputGroupSettings: &types.OutputGroupSettings{Type: "DASH_ISO_GROUP_SETTINGS", DashIsoGroupSettings: &types.DashIsoGroupSettings{Destination: to("dash/")}}},
		types.OutputGroup{Outputs: outputs, OutputGroupSettings: &types.OutputGroupSettings{Type: "CMAF_GROUP_SETTINGS", CmafGroupSettings: &types.CmafGroupSettings{Destination: to("cmaf/")}}},
		types.OutputGroup{Outputs: outputs, OutputGroupSettings: &types.OutputGroupSettings{Type: "MS_SMOOTH_GROUP_SETTINGS", MsSmoothGroupSettings: &types.MsSmoothGroupSettings{Destination: to("smooth/")}}},
	))
	all := c.until(t, "COMPLETE")
	said := all[len(all)-1].Groups
	var names []string
	for _, g := range said {
		names = append(names, g.Playlists...)
		for _, o := range g.Outputs {
			names = append(names, o.Paths...)
		}
	}
	if got, want := strings.Join(names, " "), "s3://dst/file/a b-x_v.mp4 s3://dst/file/a b-x_t.0000002.jpg s3://dst/dash/a b.mpd s3://dst/cmaf/a b.mpd s3://dst/cmaf/a b.m3u8 s3://dst/smooth/a b.ism s3://dst/smooth/a b_v.ismv"; got != want {
		t.Errorf("the event names %s", got)
	}
	out, err := c.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("dst")})
	if err != nil {
		t.Fatal(err)
	}
	names = nil
	for _, o := range out.Contents {
		names = append(names, strings.ReplaceAll(*o.Key, "a b", "*"))
	}
	if got, want := strings.Join(names, " "), "cmaf/*.m3u8 cmaf/*.mpd cmaf/*_v.m3u8 cmaf/*_v_000000001.cmfv cmaf/*_vinit.cmfv dash/*.mpd dash/*_v_000000001.mp4 dash/*_vinit.mp4 "+
		"file/*-x_t.0000000.jpg file/*-x_t.0000001.jpg file/*-x_t.0000002.jpg file/*-x_v.mp4 smooth/*.ism smooth/*.ismc smooth/*_v.ismv"; got != want {
		t.Errorf("written are %s", got)
	}
}

// TestMediaConvertTokens: one token is one job for a minute.
func TestMediaConvertTokens(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	began := time.Now()
	// The jobs ask for the time as well while they run: each gets a clock that stands.
	after := func(d time.Duration) { c.SetClock(func() time.Time { return began.Add(d) }) }
	after(0)
	in := request()
	in.ClientRequestToken = aws.String("token")
	first := c.create(t, in)
	after(59 * time.Second)
	if again := c.create(t, in); *again.Id != *first.Id {
		t.Error("another job within a minute")
	}
	after(61 * time.Second)
	if again := c.create(t, in); *again.Id == *first.Id {
		t.Error("the same job after a minute")
	}
}

func TestMediaConvertLists(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	c.HoldJobs(true)
	c.put(t, "src", "other.mp4", "video")
	var ids []string
	for i := range 45 {
		in := request()
		if i%9 == 0 {
			in.Settings.Inputs[0].FileInput = aws.String("s3://src/other.mp4")
		}
		ids = append(ids, *c.create(t, in).Id)
	}
	var listed []string
	pages := mediaconvert.NewListJobsPaginator(c.mc, &mediaconvert.ListJobsInput{Order: types.OrderAscending})
	n := 0
	for ; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range page.Jobs {
			listed = append(listed, *j.Id)
		}
	}
	if n != 3 || !slices.Equal(listed, ids) {
		t.Errorf("%d pages of %d jobs", n, len(listed))
	}
	found, err := c.mc.SearchJobs(t.Context(), &mediaconvert.SearchJobsInput{InputFile: aws.String("s3://src/other.mp4"), Order: types.OrderDescending, MaxResults: aws.Int32(2)})
	if err != nil || len(found.Jobs) != 2 || *found.Jobs[0].Id != ids[36] || found.NextToken == nil {
		t.Errorf("found %+v, %v", found, err)
	}
	for status, want := range map[types.JobStatus]int{types.JobStatusComplete: 0, types.JobStatusCanceled: 0} {
		if out, err := c.mc.ListJobs(t.Context(), &mediaconvert.ListJobsInput{Status: status}); err != nil || len(out.Jobs) != want {
			t.Errorf("%s: %+v, %v", status, out, err)
		}
	}
}

func TestMediaConvertCancel(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	c.HoldJobs(true)
	j := c.create(t, request())
	if _, err := c.mc.CancelJob(t.Context(), &mediaconvert.CancelJobInput{Id: j.Id}); err != nil {
		t.Fatal(err)
	}
	c.until(t, "CANCELED")
	var conflict *types.ConflictException
	if _, err := c.mc.CancelJob(t.Context(), &mediaconvert.CancelJobInput{Id: j.Id}); !errors.As(err, &conflict) {
		t.Errorf("a second time: %v", err)
	}
	var none *types.NotFoundException
	if _, err := c.mc.CancelJob(t.Context(), &mediaconvert.CancelJobInput{Id: aws.String("x")}); !errors.As(err, &none) {
		t.Errorf("of no job: %v", err)
	}
}

func TestMediaConvertErrors(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	missing := request()
	missing.Settings.Inputs[0].FileInput = aws.String("s3://src/missing.mp4")
	c.create(t, missing)
	if all := c.until(t, "ERROR"); all[len(all)-1].ErrorCode != 1404 || all[len(all)-1].ErrorMessage == "" {
		t.Errorf("events are %+v", all)
	}
	c.create(t, request(hls("s3://no-such-bucket/x/", "_v")))
	if all := c.until(t, "ERROR"); all[len(all)-1].ErrorCode != 1401 {
		t.Errorf("events are %+v", all)
	}
	c.FailJobs(func(in *mediaconvert.CreateJobInput) (int, string) { return 1999, "for " + in.UserMetadata["my-key"] })
	c.create(t, request())
	if all := c.until(t, "ERROR"); all[len(all)-1].ErrorCode != 1999 || all[len(all)-1].ErrorMessage != "for a value" {
		t.Errorf("events are %+v", all)
	}
}

func TestMediaConvertRefuses(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	for says, change := range map[string]func(*mediaconvert.CreateJobInput){
		"/role:":            func(in *mediaconvert.CreateJobInput) { in.Role = aws.String("admin") },
		`"LOUD" is none of`: func(in *mediaconvert.CreateJobInput) { in.Settings.Inputs[0].DeblockFilter = "LOUD" },
		"fileInput":         func(in *mediaconvert.CreateJobInput) { in.Settings.Inputs[0].FileInput = nil },
		"inputs":            func(in *mediaconvert.CreateJobInput) { in.Settings.Inputs = nil },
		"outputGroups:":     func(in *mediaconvert.CreateJobInput) { in.Settings.OutputGroups = nil },
		"destination":       func(in *mediaconvert.CreateJobInput) { in.Settings.OutputGroups[0] = hls("x", "_v") },
		"outputs":           func(in *mediaconvert.CreateJobInput) { in.Settings.OutputGroups[0].Outputs = nil },
		"nameModifier":      func(in *mediaconvert.CreateJobInput) { in.Settings.OutputGroups[0].Outputs[1].NameModifier = nil },
		"userMetadata":      func(in *mediaconvert.CreateJobInput) { in.UserMetadata["a"] = "ä;" },
		"at most 10 pairs": func(in *mediaconvert.CreateJobInput) {
			for i := range 10 {
				in.UserMetadata[fmt.Sprint(i)] = "x"
			}
		},
		"clientRequestToken": func(in *mediaconvert.CreateJobInput) { in.ClientRequestToken = aws.String(strings.Repeat("x", 65)) },
	} {
		in := request()
		change(in)
		var bad *types.BadRequestException
		if _, err := c.mc.CreateJob(t.Context(), in); !errors.As(err, &bad) || !strings.Contains(bad.ErrorMessage(), says) {
			t.Errorf("%s: error is %v", says, err)
		}
	}
	c.Throttle(1)
	var throttled *types.TooManyRequestsException
	if _, err := c.mc.CreateJob(t.Context(), request()); !errors.As(err, &throttled) {
		t.Errorf("error is %v", err)
	}
	if _, err := c.mc.CreateJob(t.Context(), request()); err != nil {
		t.Errorf("after the throttling: %v", err)
	}
}

func TestMediaConvertTemplates(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	in := request()
	in.JobTemplate = aws.String("mine")
	var none *types.NotFoundException
	if _, err := c.mc.CreateJob(t.Context(), in); !errors.As(err, &none) {
		t.Errorf("error is %v", err)
	}
	if _, err := c.mc.GetJobTemplate(t.Context(), &mediaconvert.GetJobTemplateInput{Name: aws.String("mine")}); !errors.As(err, &none) {
		t.Errorf("error is %v", err)
	}
	template := &mediaconvert.CreateJobTemplateInput{Name: aws.String("mine"), Settings: &types.JobTemplateSettings{OutputGroups: in.Settings.OutputGroups}}
	if _, err := c.mc.CreateJobTemplate(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	out, err := c.mc.GetJobTemplate(t.Context(), &mediaconvert.GetJobTemplateInput{Name: aws.String("mine")})
	if err != nil || *out.JobTemplate.Settings.OutputGroups[0].Outputs[0].NameModifier != "_high" {
		t.Errorf("%+v, %v", out, err)
	}
	c.create(t, in)
}

func TestMediaConvertEndpoints(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	//lint:ignore SA1019 the usual Lambda calls it
	out, err := c.mc.DescribeEndpoints(t.Context(), &mediaconvert.DescribeEndpointsInput{})
	if err != nil || len(out.Endpoints) != 1 || *out.Endpoints[0].Url != c.URL() {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestMediaConvertEventsLostAndRepeated(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	c.LoseEvents(true)
	lost := c.create(t, request())
	for status := types.JobStatusSubmitted; status != types.JobStatusComplete; {
		out, err := c.mc.GetJob(t.Context(), &mediaconvert.GetJobInput{Id: lost.Id})
		if err != nil {
			t.Fatal(err)
		}
		status = out.Job.Status
	}
	c.LoseEvents(false)
	c.RepeatEvents(true)
	j := c.create(t, request())
	all := c.until(t, "PROGRESSING") // sent last
	if len(all) != 9 || all[0].Status != "COMPLETE" || all[1].Status != "COMPLETE" || all[0].JobID != *j.Id {
		t.Errorf("%d events: %+v", len(all), all)
	}
}

// TestCloseEndsJobs: goleak finds those that go on.
func TestCloseEndsJobs(t *testing.T) {
	t.Parallel()
	s, err := awslocal.Start(context.Background(), awslocal.Config{Pace: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	mc := mediaconvert.NewFromConfig(s.AWSConfig())
	for range 3 {
		if _, err := mc.CreateJob(context.Background(), request()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestEventBridgeNotification: the same upload as S3's own notification has it.
func TestEventBridgeNotification(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "src")
	native, bridge := e.queue(t, "native", nil), e.queue(t, "bridge", nil)
	e.Notify(awslocal.Notification{Bucket: "src", QueueURL: native})
	e.Notify(awslocal.Notification{Bucket: "src", QueueURL: bridge, EventBridge: true})
	e.put(t, "src", "a b+ü.mp4", "video")
	var both []event.ObjectCreated
	for _, queue := range []string{native, bridge} {
		events, err := event.Decode([]byte(*e.one(t, queue).Body))
		if err != nil {
			t.Fatal(err)
		}
		o := events[0].(event.ObjectCreated)
		o.Time = time.Time{}
		both = append(both, o)
	}
	if both[0] != both[1] || both[0].Key != "a b+ü.mp4" || both[0].Sequencer == "" || both[0].EventName != "ObjectCreated:Put" {
		t.Errorf("they are\n%+v\n%+v", both[0], both[1])
	}
}

func TestTagging(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.bucket(t, "src")
	e.put(t, "src", "a b", "content")
	at := func(key string) (*string, *string) { return aws.String("src"), &key }
	tags := func(key string) []s3types.Tag {
		bucket, k := at(key)
		out, err := e.s3.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: bucket, Key: k})
		if err != nil {
			t.Fatal(err)
		}
		return out.TagSet
	}
	if got := tags("a b"); len(got) != 0 {
		t.Errorf("tags are %+v", got)
	}
	bucket, key := at("a b")
	if _, err := e.s3.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: bucket, Key: key, Tagging: &s3types.Tagging{
		TagSet: []s3types.Tag{{Key: aws.String("state"), Value: aws.String("<done>")}},
	}}); err != nil {
		t.Fatal(err)
	}
	if got := tags("a b"); len(got) != 1 || *got[0].Key != "state" || *got[0].Value != "<done>" {
		t.Errorf("tags are %+v", got)
	}
	if _, err := e.s3.DeleteObjectTagging(t.Context(), &s3.DeleteObjectTaggingInput{Bucket: bucket, Key: key}); err != nil {
		t.Fatal(err)
	}
	if got := tags("a b"); len(got) != 0 {
		t.Errorf("tags are %+v", got)
	}
	_, missing := at("missing")
	_, err := e.s3.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: bucket, Key: missing, Tagging: &s3types.Tagging{TagSet: []s3types.Tag{}}})
	wantCode(t, err, "NoSuchKey")
	if _, body := e.get(t, s3.GetObjectInput{Bucket: bucket, Key: key}); body != "content" {
		t.Errorf("the content is %q", body)
	}
}
