package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/rekognition"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/sample"
	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

// A doctorCommand takes what the daemon takes, so that it looks at what the daemon
// would use.
type doctorCommand struct {
	runCommand
}

// Help is what --help says beyond the flags.
func (doctorCommand) Help() string {
	return `Example:

    mosaicd doctor

Takes the flags and variables of "mosaicd run", looks at each thing that they name with the credentials that are found here, and prints a line for each: ok, warn (it works, and will hurt one day) or FAIL, with what to do. It sends no message and publishes nothing; it writes one small object under --state-prefix and deletes it.

Ends with 1 when something fails. In the cloud, run it as a task with the service's own task definition: mosaicd doctor instead of mosaicd run.`
}

// Verdicts of a check.
const (
	verdictGood = "ok"
	verdictWarn = "warn"
	verdictBad  = "FAIL"
	verdictSkip = "skip"
)

// A finding is what a check says.
type finding struct {
	verdict string
	said    string
	do      string // what somebody should do; empty where all is well
}

func good(format string, args ...any) finding {
	return finding{verdict: verdictGood, said: fmt.Sprintf(format, args...)}
}

func (f finding) warn(do string) finding { return finding{verdictWarn, f.said, do} }

func bad(err error, do string) finding {
	return finding{verdictBad, terminal.EscapeError(err), advice(err, do)}
}

// advice is better where the error itself says what is wrong.
func advice(err error, do string) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return do
	}
	switch code := api.ErrorCode(); {
	case strings.Contains(code, "AccessDenied"), strings.Contains(code, "Forbidden"), strings.Contains(code, "AuthorizationError"):
		return "grant it to the credentials above: docs/configuration.md has the policy"
	case slices.Contains(refusals, code):
		return "the credentials are not valid (any more), or this machine's clock is wrong: mend that first"
	}
	return do
}

// A checkup is one line of the doctor's.
type checkup struct {
	name  string
	look  func(context.Context) finding
	local bool // it asks no service of AWS
}

// checkTimeout bounds each check: what does not answer is as good as not there.
const checkTimeout = 20 * time.Second

func (c *doctorCommand) Run(ctx context.Context, std streams) error {
	cfg, err := awsConfig(ctx)
	if err != nil {
		return err
	}
	d := &doctor{runCommand: &c.runCommand, cfg: cfg, scratch: c.scratch()}
	failed := 0
	var skipped []string // they would say once more what was said
	for _, check := range d.checkups() {
		if d.noCredentials && !check.local {
			skipped = append(skipped, check.name)
			continue
		}
		ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, fmt.Errorf("no answer within %s", checkTimeout))
		f := check.look(ctx)
		cancel()
		if f.verdict == verdictBad {
			failed++
		}
		terminal.Fprintf(std.out, "%-4s  %-17s  %s\n", f.verdict, check.name, f.said)
		if f.do != "" {
			terminal.Fprintf(std.out, "%25s→ %s\n", "", f.do)
		}
	}
	if skipped != nil {
		terminal.Fprintf(std.out, "%-4s  %-17s  %s\n", verdictSkip, "all else in AWS", "not looked at without credentials: "+strings.Join(skipped, ", "))
	}
	if failed > 0 {
		return fmt.Errorf("%d of the checks failed", failed)
	}
	return nil
}

type doctor struct {
	*runCommand
	cfg     aws.Config
	scratch string
	table   *routes.Routes // once they are known to be readable
	// noCredentials is set once it is known that AWS will refuse every request.
	noCredentials bool
}

// checkups are all that apply to these settings, in an order in which the first
// that fails is the one to mend first.
func (d *doctor) checkups() []checkup {
	all := []checkup{
		{"settings", d.settled, true},
		{"credentials", d.credentials, true}, // says itself what it lacks
		{name: "queue", look: d.queue},
		{name: "dead letters", look: d.deadLetters},
		{name: "topic", look: func(ctx context.Context) finding {
			return d.topic(ctx, d.TopicARN, "MOSAICD_TOPIC_ARN", d.checkTopic())
		}},
		{name: "output bucket", look: d.output},
		{name: "upload buckets", look: d.uploads},
	}
	if d.MediaConvertRole != "" {
		all = append(all, checkup{name: "MediaConvert", look: d.mediaConvert},
			checkup{name: "MediaConvert role", look: func(ctx context.Context) finding {
				return d.role(ctx, d.MediaConvertRole, "mediaconvert.amazonaws.com")
			}})
	}
	if d.Detector == string(jobs.DetectorRekognition) {
		all = append(all, checkup{name: "Rekognition topic", look: func(ctx context.Context) finding {
			wrong := checkTopic("--rekognition-topic-arn", d.RekognitionTopicARN, " by which Rekognition reports")
			return d.topic(ctx, d.RekognitionTopicARN, "MOSAICD_REKOGNITION_TOPIC_ARN", wrong)
		}}, checkup{name: "Rekognition role", look: func(ctx context.Context) finding {
			return d.role(ctx, d.RekognitionRole, "rekognition.amazonaws.com")
		}})
	}
	if d.Collection != "" {
		all = append(all, checkup{name: "collection", look: d.collection})
	}
	return append(all, checkup{"scratch", d.disk, true}, checkup{"libav", d.engines, true}, checkup{"sandbox", d.shut, true})
}

func (d *doctor) settled(ctx context.Context) finding {
	settings, err := d.settings()
	if err != nil {
		return bad(err, "correct that flag or variable")
	}
	table, err := loadRoutes(ctx, d.cfg, d.Routes)
	if err != nil {
		return bad(err, "mend MOSAICD_ROUTES: mosaicd check --routes FILE says more")
	}
	d.table = table
	known := d.placed()
	config := known.jobs(settings, table)
	if err := judgeRoutesPlace(d.Routes, config); err != nil {
		return bad(err, "put the routes where uploaders can't write: a bucket for configuration, a file, or MOSAICD_ROUTES itself")
	}
	for _, err := range []error{config.Validate(), known.worker().Validate()} {
		if err != nil {
			return bad(fmt.Errorf("--%s", flagOf(err)), "correct that flag or variable")
		}
	}
	if _, err := d.engine(); err != nil {
		return bad(err, "correct that flag or variable")
	}
	for _, r := range table.Routes {
		for _, s := range r.Steps {
			if s.Kind == routes.Transcode && d.MediaConvertRole == "" && s.Transcode.Role == "" {
				return bad(fmt.Errorf("route %s transcodes, and no role is named for that", r.Name), "set MOSAICD_MEDIACONVERT_ROLE")
			}
		}
	}
	return good("%d routes; detector %s; %d jobs at once", len(table.Routes), d.Detector, d.Concurrency)
}

// placed returns the settings with names that could be right in place of those that have
// checks of their own: what is wrong with one of them is said there, and once.
func (d *doctor) placed() *runCommand {
	known := *d.runCommand
	for _, p := range []struct {
		wrong error
		value *string
		like  string
	}{
		{d.checkQueue(), &known.QueueURL, "https://sqs.us-east-1.amazonaws.com/000000000000/queue"},
		{d.checkDeadLetters(), &known.DeadLetterURL, ""},
		{d.checkTopic(), &known.TopicARN, "arn:aws:sns:us-east-1:000000000000:topic"},
		{d.checkOutput(), &known.OutputBucket, "bucket"},
	} {
		if p.wrong != nil {
			*p.value = p.like
		}
	}
	return &known
}

// refusals are the codes by which AWS says that it knows nobody of those credentials.
var refusals = []string{"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException", "InvalidAccessKeyId"}

func (d *doctor) credentials(ctx context.Context) finding {
	if d.cfg.Credentials == nil {
		d.noCredentials = true
		return bad(errors.New("there are none"), "give this machine credentials: a task role, an instance profile, or AWS_PROFILE")
	}
	if _, err := d.cfg.Credentials.Retrieve(ctx); err != nil {
		d.noCredentials = true
		return bad(fmt.Errorf("there are none: %w", err), "give this machine credentials: a task role, an instance profile, or AWS_PROFILE")
	}
	who, err := sts.NewFromConfig(d.cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		var api smithy.APIError
		d.noCredentials = errors.As(err, &api) && slices.Contains(refusals, api.ErrorCode())
		return bad(err, "give this machine credentials: a task role, an instance profile, or AWS_PROFILE; and see that it reaches AWS")
	}
	return good("%s in %s", aws.ToString(who.Arn), d.cfg.Region)
}

// fewestReceives is what docs/configuration.md advises for maxReceiveCount.
const fewestReceives = 10

// attributes are those of a queue.
func (d *doctor) attributes(ctx context.Context, queue string) (map[string]string, error) {
	out, err := sqs.NewFromConfig(d.cfg).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

func (d *doctor) queue(ctx context.Context) finding {
	if err := d.checkQueue(); err != nil {
		return bad(err, "correct MOSAICD_QUEUE_URL")
	}
	a, err := d.attributes(ctx, d.QueueURL)
	if err != nil {
		return bad(fmt.Errorf("%s: %w", d.QueueURL, err), "create it, or correct MOSAICD_QUEUE_URL")
	}
	f := good("%s: %s waiting, %s in work", path.Base(d.QueueURL), a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"])
	var redrive struct {
		DeadLetterTargetArn string          `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.RawMessage `json:"maxReceiveCount"` // a number, or one in quotes
	}
	if json.Unmarshal([]byte(a["RedrivePolicy"]), &redrive) != nil {
		return f.warn("it has no redrive policy, so that a message that can't be worked comes back for ever: give it one with maxReceiveCount 10 and a dead-letter queue")
	}
	f.said += ", dead letters go to " + redrive.DeadLetterTargetArn[strings.LastIndex(redrive.DeadLetterTargetArn, ":")+1:]
	if n, err := strconv.Atoi(strings.Trim(string(redrive.MaxReceiveCount), `"`)); err == nil && n < fewestReceives {
		return f.warn(fmt.Sprintf("maxReceiveCount is %d: each worker that is stopped in the middle of a job counts as a receive; make it %d or more", n, fewestReceives))
	}
	return f
}

func (d *doctor) deadLetters(ctx context.Context) finding {
	if d.DeadLetterURL == "" {
		return finding{verdictWarn, "none is named", "set MOSAICD_DEAD_LETTER_URL: without it a message that nobody understands is tried until the redrive policy takes it, and nothing says why"}
	}
	if err := d.checkDeadLetters(); err != nil {
		return bad(err, "correct MOSAICD_DEAD_LETTER_URL")
	}
	a, err := d.attributes(ctx, d.DeadLetterURL)
	if err != nil {
		return bad(fmt.Errorf("%s: %w", d.DeadLetterURL, err), "create it, or correct MOSAICD_DEAD_LETTER_URL")
	}
	f := good("%s: %s messages", path.Base(d.DeadLetterURL), a["ApproximateNumberOfMessages"])
	if source, err := d.attributes(ctx, d.QueueURL); err == nil {
		keeps, _ := strconv.Atoi(a["MessageRetentionPeriod"])                     // absent: 0
		longest, _ := strconv.Atoi(source["MessageRetentionPeriod"])              // absent: 0
		if keeps > 0 && keeps <= longest && a["QueueArn"] != source["QueueArn"] { // SQS's own number
			f = f.warn("it keeps messages no longer than the queue does, and they keep the time at which they were sent: give it a retention of 14 days")
		}
	}
	if n := a["ApproximateNumberOfMessages"]; n != "0" && n != "" {
		f = f.warn("mosaicd dlq list says what they are")
	}
	return f
}

func (d *doctor) topic(ctx context.Context, arn, variable string, wrong error) finding {
	if wrong != nil {
		return bad(wrong, "correct "+variable)
	}
	out, err := sns.NewFromConfig(d.cfg).GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
	if err != nil {
		return bad(fmt.Errorf("%s: %w", arn, err), "create it, or correct "+variable)
	}
	f := good("%s: %s subscriptions", arn, out.Attributes["SubscriptionsConfirmed"])
	if out.Attributes["SubscriptionsConfirmed"] == "0" {
		return f.warn("the topic has no subscribers: results will be lost")
	}
	return f
}

// output does what a job does: writes an object that must not be there yet, reads
// it, and deletes it.
func (d *doctor) output(ctx context.Context) finding {
	if err := d.checkOutput(); err != nil {
		return bad(err, "correct MOSAICD_OUTPUT_BUCKET")
	}
	client, key := newS3(d.cfg), d.StatePrefix+"doctor/"+strconv.FormatInt(time.Now().UnixNano(), 36)
	at := "s3://" + d.OutputBucket + "/" + key
	if f := d.absent(ctx, client, d.OutputBucket, key); f.verdict != verdictGood {
		return f
	}
	body := []byte("mosaicd doctor")
	put := &s3.PutObjectInput{Bucket: &d.OutputBucket, Key: &key, Body: bytes.NewReader(body), IfNoneMatch: aws.String("*")}
	if _, err := client.PutObject(ctx, put); err != nil {
		return bad(fmt.Errorf("write %s: %w", at, err), "let the daemon write there (s3:PutObject)")
	}
	defer client.DeleteObject(context.WithoutCancel(ctx), &s3.DeleteObjectInput{Bucket: &d.OutputBucket, Key: &key})
	put.Body = bytes.NewReader(body)
	if _, err := client.PutObject(ctx, put); err == nil {
		return bad(fmt.Errorf("%s was written twice in spite of If-None-Match", at), "use a store that knows conditional writes: without them a job may be done twice")
	}
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &d.OutputBucket, Key: &key})
	if err != nil {
		return bad(fmt.Errorf("read %s: %w", at, err), "let the daemon read there (s3:GetObject)")
	}
	defer out.Body.Close()
	if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, body) {
		return bad(fmt.Errorf("read %s: not what was written: %q, %w", at, got, err), "")
	}
	if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &d.OutputBucket, Key: &key}); err != nil {
		return bad(fmt.Errorf("delete %s: %w", at, err), "let the daemon delete under "+d.StatePrefix+" (s3:DeleteObject)")
	}
	return good("%s: written, read and deleted", d.OutputBucket)
}

// absent asks for an object that isn't there: whoever may not list the bucket is
// denied, and the daemon then can't tell what is missing from what is refused.
func (d *doctor) absent(ctx context.Context, client *s3.Client, bucket, key string) finding {
	_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	switch api := smithy.APIError(nil); {
	case err == nil, errors.As(err, new(*s3types.NoSuchKey)):
		return good("%s", bucket)
	case errors.As(err, &api) && api.ErrorCode() == "NoSuchBucket":
		return bad(fmt.Errorf("%s: there is no such bucket", bucket), "create it in "+d.cfg.Region+", or correct its name")
	case errors.As(err, &api) && strings.Contains(api.ErrorCode(), "AccessDenied"):
		return bad(fmt.Errorf("%s: S3 denies an object that isn't there", bucket), "grant s3:GetObject on its objects and s3:ListBucket on the bucket itself")
	}
	return bad(fmt.Errorf("%s: %w", bucket, err), "see that this machine reaches S3, and the bucket's region")
}

// uploads are the buckets that the routes name.
func (d *doctor) uploads(ctx context.Context) finding {
	if d.table == nil {
		return finding{verdictWarn, "not looked at", "mend the settings first"}
	}
	var names []string
	for _, r := range d.table.Routes {
		for _, b := range r.Match.Buckets {
			if !strings.Contains(b, "*") && !slices.Contains(names, b) {
				names = append(names, b)
			}
		}
	}
	shared := slices.Contains(names, d.OutputBucket)
	for _, b := range given(d.SourceBuckets) {
		if !strings.Contains(b, "*") && !slices.Contains(names, b) {
			names = append(names, b)
		}
	}
	if names == nil {
		return finding{verdictWarn, "the routes name none: any that tells the queue", "set MOSAICD_SOURCE_BUCKETS, or name them in the routes: whoever may send to the queue can have a video of any bucket covered that the daemon may read"}
	}
	for _, name := range names {
		if f := d.absent(ctx, newS3(d.cfg), name, d.StatePrefix+"doctor/absent"); f.verdict != verdictGood {
			return f
		}
	}
	found := good("%s", strings.Join(names, ", "))
	if shared {
		return found.warn("uploads go to the output bucket: deny uploaders " + d.StatePrefix + " and the prefixes of outputs, or they decide about everybody's jobs")
	}
	return found
}

func (d *doctor) mediaConvert(ctx context.Context) finding {
	if _, err := mediaconvert.NewFromConfig(d.cfg).ListJobs(ctx, &mediaconvert.ListJobsInput{MaxResults: aws.Int32(1)}); err != nil {
		return bad(err, "see that MediaConvert is offered in "+d.cfg.Region+" and can be reached")
	}
	return good("answers")
}

// role looks whether a service may take a role on.
func (d *doctor) role(ctx context.Context, arn, service string) finding {
	name := arn[strings.LastIndex(arn, "/")+1:]
	if !strings.Contains(arn, ":role/") {
		return bad(fmt.Errorf("%q is not the ARN of a role", arn), "it looks like arn:aws:iam::123456789012:role/name")
	}
	out, err := iam.NewFromConfig(d.cfg).GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	var api smithy.APIError
	if errors.As(err, &api) && strings.Contains(api.ErrorCode(), "AccessDenied") {
		return finding{verdictWarn, arn + ": not to be looked at with these credentials (iam:GetRole)", "see by hand that " + service + " may take it on"}
	} else if err != nil {
		return bad(fmt.Errorf("%s: %w", arn, err), "create it, or correct its ARN")
	}
	trust, err := url.QueryUnescape(aws.ToString(out.Role.AssumeRolePolicyDocument))
	if err != nil || !strings.Contains(trust, service) {
		return bad(fmt.Errorf("%s does not trust %s", arn, service), "let "+service+" take it on (sts:AssumeRole in its trust policy)")
	}
	return good("%s trusts %s", arn, service)
}

func (d *doctor) collection(ctx context.Context) finding {
	out, err := rekognition.NewFromConfig(d.cfg).DescribeCollection(ctx, &rekognition.DescribeCollectionInput{CollectionId: &d.Collection})
	if err != nil {
		return bad(fmt.Errorf("%s: %w", d.Collection, err), "mosaicd faces add "+d.Collection+" NAME PICTURE creates it")
	}
	f := good("%s: %d faces", d.Collection, aws.ToInt64(out.FaceCount))
	if aws.ToInt64(out.FaceCount) == 0 {
		return f.warn("nobody is in it: mosaicd faces add " + d.Collection + " NAME PICTURE")
	}
	return f
}

// usualSource is what must fit for the disk to be called good: a long video.
const usualSource = 4 << 30

func (d *doctor) disk(context.Context) finding {
	if err := os.MkdirAll(d.scratch, 0o700); err != nil {
		return bad(err, "set MOSAICD_SCRATCH to a folder that the daemon may write")
	}
	f, err := os.CreateTemp(d.scratch, "doctor-*")
	if err != nil {
		return bad(err, "set MOSAICD_SCRATCH to a folder that the daemon may write")
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return bad(err, "")
	}
	largest, err := jobs.LargestSource(d.scratch)
	if err != nil {
		return bad(err, "")
	}
	found := good("%s: sources of up to %.1f GB fit", d.scratch, float64(largest)/1e9)
	if largest < usualSource*int64(d.Concurrency) {
		return found.warn("jobs on larger ones go back to the queue until there is room: give it a larger disk (ephemeral storage on ECS)")
	}
	return found
}

// engines has the engine do its work on a second of video.
func (d *doctor) engines(ctx context.Context) finding {
	libav.Quiet()
	engine, err := d.engine()
	if err != nil {
		return bad(err, "correct that flag or variable")
	}
	folder, err := os.MkdirTemp(d.scratch, "doctor-*")
	if err != nil {
		return bad(err, "set MOSAICD_SCRATCH to a folder that the daemon may write")
	}
	defer os.RemoveAll(folder)
	scene := sample.Scene{Size: image.Pt(640, 360), Rate: 25, Length: time.Second}
	source := filepath.Join(folder, "source.mp4")
	if err := scene.Write(source); err != nil {
		return bad(err, "this build of mosaicd is broken: build it with make build")
	}
	settings, err := d.settings()
	if err != nil {
		return bad(err, "correct that flag or variable")
	}
	started := time.Now()
	done, err := jobs.Cover{Source: source, Output: filepath.Join(folder, "output.mp4"), Settings: settings, Detector: jobs.DetectorBuiltin}.Run(ctx, engine, nil)
	if err != nil {
		return bad(err, "this build of mosaicd, or what shuts its engine in here, is broken: mosaicd engine --selftest")
	}
	return good("%s: a second of 360p in %.1f s, %d faces", libav.Version()[0], time.Since(started).Seconds(), done.Faces)
}

func (d *doctor) shut(ctx context.Context) finding {
	level, probes, err := selftest(ctx)
	if err != nil {
		return bad(err, "mosaicd engine --selftest says more")
	}
	f := good("%s: %d of %d attempts are denied", level, denied(probes), len(probes))
	switch {
	case level == sandboxFull:
		return f
	case d.Sandbox == "require":
		return finding{verdictBad, f.said, "--sandbox require does not start here: mosaicd engine --selftest says what is open; it needs Linux 5.13 or newer with Landlock and seccomp, or MOSAICD_SANDBOX=auto, which starts with what is there"}
	}
	return f.warn("mosaicd engine --selftest says what is open; it needs Linux 5.13 or newer with Landlock and seccomp")
}
