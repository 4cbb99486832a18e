package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/ecs"
	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/routes"
	"github.com/mosaicd/mosaicd/worker"
)

type runCommand struct {
	QueueURL        string `name:"queue-url" placeholder:"URL" help:"SQS queue to work. Required." env:"MOSAICD_QUEUE_URL" group:"Where"`
	DeadLetterURL   string `name:"dead-letter-url" placeholder:"URL" help:"SQS queue for messages that can't be understood. Without it they stay for the queue's own redrive policy." env:"MOSAICD_DEAD_LETTER_URL" group:"Where"`
	TopicARN        string `name:"topic-arn" placeholder:"ARN" help:"SNS topic that results are published to. Required." env:"MOSAICD_TOPIC_ARN" group:"Where"`
	OutputBucket    string `name:"output-bucket" placeholder:"BUCKET" help:"S3 bucket for results. Required." env:"MOSAICD_OUTPUT_BUCKET" group:"Where"`
	OutputPrefix    string `name:"output-prefix" help:"Goes before the key of the source to make the key of the result. Uploads under it start no job." default:"mosaic/" env:"MOSAICD_OUTPUT_PREFIX" group:"Where"`
	TranscodePrefix string `name:"transcode-prefix" help:"Goes before source/job-file/ to make the folder of a transcode in the output bucket. Uploads under it start no job, unless it is empty." placeholder:"PREFIX/" env:"MOSAICD_TRANSCODE_PREFIX" group:"Where"`
	RemuxPrefix     string `name:"remux-prefix" help:"The same as --output-prefix for recordings that a route remuxes." default:"remux/" env:"MOSAICD_REMUX_PREFIX" group:"Where"`
	StatePrefix     string `name:"state-prefix" help:"Where in the output bucket the records of jobs are kept, so that an event that comes twice is worked once." default:".mosaicd/" env:"MOSAICD_STATE_PREFIX" group:"Where"`
	allowFlags      `group:"Where"`
	Scratch         string `help:"Folder for the files of running jobs. Defaults to mosaicd in the system's folder for temporary files." placeholder:"DIR" env:"MOSAICD_SCRATCH" group:"Where"`

	Routes              string `help:"What is to be done with which upload: a YAML file, its s3:// URI, or the YAML itself. Without it the faces in every video are covered." placeholder:"FILE" env:"MOSAICD_ROUTES" group:"What"`
	Detector            string `help:"Who looks for faces: builtin, or rekognition, which needs --rekognition-topic-arn and --rekognition-role." default:"builtin" env:"MOSAICD_DETECTOR" group:"What"`
	RekognitionTopicARN string `name:"rekognition-topic-arn" placeholder:"ARN" help:"SNS topic by which Rekognition says that it is done; the queue must be subscribed to it." env:"MOSAICD_REKOGNITION_TOPIC_ARN" group:"What"`
	RekognitionRole     string `name:"rekognition-role" placeholder:"ARN" help:"IAM role with which Rekognition publishes to that topic." env:"MOSAICD_REKOGNITION_ROLE" group:"What"`
	Collection          string `placeholder:"ID" help:"Collection of Rekognition whose faces are searched for: --cover then says whether these people are covered or all others." env:"MOSAICD_COLLECTION" group:"What"`
	coverFlags          `group:"What"`
	Sheet               bool `help:"Write a picture beside each output, as <output>.sheet.png, that shows what was covered." env:"MOSAICD_SHEET" group:"What"`
	Verify              bool `negatable:"" default:"true" help:"Look for faces in each output, too, with the built-in detector, and count those that are still found. Costs one more look at the video." env:"MOSAICD_VERIFY" group:"What"`

	MediaConvertRole           string        `name:"mediaconvert-role" help:"IAM role with which MediaConvert reads sources and writes outputs. Routes and job files may name another. Required where a route transcodes and neither does." placeholder:"ARN" env:"MOSAICD_MEDIACONVERT_ROLE" group:"MediaConvert"`
	MediaConvertQueue          string        `name:"mediaconvert-queue" help:"Queue of its jobs. Defaults to the account's own." placeholder:"NAME|ARN" env:"MOSAICD_MEDIACONVERT_QUEUE" group:"MediaConvert"`
	MediaConvertPriority       int           `name:"mediaconvert-priority" help:"Priority of its jobs in their queue, -50 to 50." default:"0" env:"MOSAICD_MEDIACONVERT_PRIORITY" group:"MediaConvert"`
	MediaConvertAcceleration   string        `name:"mediaconvert-acceleration" help:"Accelerated transcoding: DISABLED, ENABLED or PREFERRED." default:"DISABLED" env:"MOSAICD_MEDIACONVERT_ACCELERATION" group:"MediaConvert"`
	MediaConvertStatusInterval string        `name:"mediaconvert-status-interval" help:"How often it says how far a job is, SECONDS_10 to SECONDS_600." default:"SECONDS_60" env:"MOSAICD_MEDIACONVERT_STATUS_INTERVAL" group:"MediaConvert"`
	MediaConvertApplication    string        `name:"mediaconvert-application" help:"Value of its jobs' user metadata 'application'." default:"mosaicd" env:"MOSAICD_MEDIACONVERT_APPLICATION" group:"MediaConvert"`
	ReconcileAfter             time.Duration `name:"reconcile-after" help:"How long it may be silent about a job before it is asked: events can be lost." default:"10m" env:"MOSAICD_RECONCILE_AFTER" group:"MediaConvert"`

	Sandbox        string        `help:"Sandbox of the engine process: auto (whatever the kernel supports), require (refuse to start without all of it), off (debugging only)." enum:"auto,require,off" default:"auto" env:"MOSAICD_SANDBOX" group:"How"`
	EngineMemory   int64         `name:"engine-memory" help:"Memory in bytes that one engine may have before it is killed; 0 is any." default:"4294967296" env:"MOSAICD_ENGINE_MEMORY" group:"How"`
	Stall          time.Duration `help:"How long an engine may show no progress before it is killed." default:"30s" env:"MOSAICD_STALL" group:"How"`
	Concurrency    int           `help:"Jobs at once, 1 to 64. One uses all cores already." default:"1" env:"MOSAICD_CONCURRENCY" group:"How"`
	MaxSourceBytes int64         `name:"max-source-bytes" help:"Largest source that is taken." default:"50000000000" env:"MOSAICD_MAX_SOURCE_BYTES" group:"How"`
	MaxWork        time.Duration `name:"max-work" help:"Longest time that an engine may work on one step, 1s to 11h. A video that would take longer, by its pixels and frames and this worker's speed, fails at once." default:"8h" env:"MOSAICD_MAX_WORK" group:"How"`
	MaxAttempts    int           `name:"max-attempts" help:"Maximum attempts for a job that fails for a reason that may pass: in the engine, for want of disk or time, on the way to or from S3, in MediaConvert."  default:"3" env:"MOSAICD_MAX_ATTEMPTS" group:"How"`
	Visibility     time.Duration `help:"How long a message stays hidden without a heartbeat, 30s to 12h: how soon another worker takes over from one that died." default:"2m" env:"MOSAICD_VISIBILITY" group:"How"`
	ECSAgent       string        `name:"ecs-agent" hidden:"" env:"ECS_AGENT_URI"`
	EC2Notice      bool          `name:"ec2-notice" help:"Drain when EC2 says that this instance goes: a Spot notice, or the choice of its Auto Scaling group. On ECS leave it to the agent." env:"MOSAICD_EC2_NOTICE" group:"How"`
	Drain          time.Duration `help:"How long running jobs may go on after SIGTERM. What is not done then goes back to the queue at once." default:"90s" env:"MOSAICD_DRAIN" group:"How"`
	HTTPAddr       string        `name:"http-addr" help:"Address of /healthz, /readyz and /metrics; empty for none." default:"127.0.0.1:8080" env:"MOSAICD_HTTP_ADDR" group:"How"`
	Machine        string        `help:"What this machine is called in every line of the log, such as its instance type: to compare machines." placeholder:"NAME" env:"MOSAICD_MACHINE" group:"How"`
	EMF            bool          `name:"emf" help:"Write metrics into the log as well, in CloudWatch's embedded metric format." env:"MOSAICD_EMF" group:"How"`
	EMFNamespace   string        `name:"emf-namespace" help:"Namespace of these metrics, so that two deployments in one account can be told apart." default:"mosaicd" env:"MOSAICD_EMF_NAMESPACE" group:"How"`
	LogLevel       string        `name:"log-level" help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"MOSAICD_LOG_LEVEL" group:"How"`
}

// Help is what --help says beyond the flags.
func (runCommand) Help() string {
	return `Polls one SQS queue for events of S3 and MediaConvert (as they are, through EventBridge or SNS) and for messages of "mosaicd send", covers the faces in each video or has MediaConvert transcode it, as --routes says, and publishes a result of each step to SNS. AWS credentials, region and endpoints are found as the AWS CLI finds them.

SIGTERM stops taking messages, lets running jobs finish for --drain, and gives back the others. A second one gives them back at once.`
}

func (c *runCommand) Run(ctx context.Context, std streams, again secondSignal) error {
	for _, err := range []error{c.checkQueue(), c.checkDeadLetters(), c.checkTopic(), c.checkOutput()} {
		if err != nil {
			return err
		}
	}
	settings, err := c.settings()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.scratch(), 0o700); err != nil {
		return usagef("--scratch: %w", err)
	}
	counts, out := newMetrics(), zapcore.Lock(zapcore.AddSync(terminal.JSON(std.err)))
	m := &meter{metrics: counts}
	if c.EMF {
		m.emf, m.namespace = out, c.EMFNamespace
	}
	log := newLogger(out, c.LogLevel, m)
	if c.Machine != "" {
		log = log.With(zap.String("machine", c.Machine))
	}
	aws, err := awsConfig(ctx, logSDK(log))
	if err != nil {
		return err
	}
	table, err := loadRoutes(ctx, aws, c.Routes)
	if err != nil {
		return err
	}
	config := c.jobs(settings, table)
	if err := judgeRoutesPlace(c.Routes, config); err != nil {
		return err
	}
	engine, err := c.engine()
	if err != nil {
		return err
	}
	// From here on all that is written is the log.
	logLibraries(log)
	if err := c.serve(ctx, again, aws, engine, log, config, counts); err != nil {
		return daemonError{err, log}
	}
	return nil
}

func (c *runCommand) checkQueue() error { return checkQueue("--queue-url", c.QueueURL, " to work") }

func (c *runCommand) checkDeadLetters() error {
	if c.DeadLetterURL == "" {
		return nil
	}
	return checkQueue("--dead-letter-url", c.DeadLetterURL, "")
}

func (c *runCommand) checkTopic() error { return checkTopic("--topic-arn", c.TopicARN, " for results") }

func (c *runCommand) checkOutput() error {
	return checkBucket("--output-bucket", c.OutputBucket, " for results")
}

// worker is how the daemon works its queue.
func (c *runCommand) worker() worker.Config {
	return worker.Config{
		QueueURL: c.QueueURL, DeadLetterURL: c.DeadLetterURL, Concurrency: c.Concurrency,
		Visibility: c.Visibility, Drain: c.Drain,
	}
}

// serve is the daemon, its settings judged as far as one alone can be.
func (c *runCommand) serve(
	ctx context.Context, again secondSignal, aws aws.Config, engine *ffmpeg.Engine, log *zap.Logger, config jobs.Config, counts *metrics,
) error {
	level, err := c.judgeSandbox(ctx, log)
	if err != nil {
		return err
	}
	d, err := newDaemon(aws, engine, log, daemonConfig{
		worker:   c.worker(),
		jobs:     config,
		httpAddr: c.HTTPAddr, sandbox: level, metrics: counts, instance: c.EC2Notice, protection: c.protection(),
	})
	if err != nil {
		return usagef("--%s", flagOf(err))
	}
	return d.run(ctx, again)
}

// jobs is what the daemon is to do, of all that the flags say.
func (c *runCommand) jobs(settings jobs.Settings, table *routes.Routes) jobs.Config {
	settings.Collection, settings.Sheet = c.Collection, c.Sheet
	config := jobs.Config{
		OutputBucket: c.OutputBucket, OutputPrefix: c.OutputPrefix, TranscodePrefix: c.TranscodePrefix, RemuxPrefix: c.RemuxPrefix, StatePrefix: c.StatePrefix,
		TopicARN: c.TopicARN, Scratch: c.scratch(), Detector: jobs.Detector(c.Detector), Settings: settings, Verify: c.Verify,
		MaxSourceBytes: c.MaxSourceBytes, MaxAttempts: c.MaxAttempts, MaxWork: c.MaxWork, Lease: c.Visibility, ReconcileAfter: c.ReconcileAfter,
		Routes:      table,
		Rekognition: jobs.RekognitionConfig{TopicARN: c.RekognitionTopicARN, Role: c.RekognitionRole},
		Cloud: jobs.CloudConfig{
			Role: c.MediaConvertRole, Queue: c.MediaConvertQueue, Priority: c.MediaConvertPriority,
			Acceleration: c.MediaConvertAcceleration, StatusInterval: c.MediaConvertStatusInterval, Application: c.MediaConvertApplication,
		},
	}
	c.allowFlags.set(&config)
	return config
}

// scratch is the folder for the files of running jobs.
func (c *runCommand) scratch() string {
	return cmp.Or(c.Scratch, filepath.Join(os.TempDir(), "mosaicd"))
}

// engine is the one that this daemon's work is done by.
func (c *runCommand) engine() (*ffmpeg.Engine, error) {
	switch {
	case c.EngineMemory < 0:
		return nil, usagef("--engine-memory: must not be negative (got %d)", c.EngineMemory)
	case c.Stall < time.Second:
		return nil, usagef("--stall: must be at least 1s (got %s)", c.Stall)
	}
	engine, err := ffmpeg.Self("engine")
	if err != nil {
		return nil, err
	}
	engine.Stall, engine.MemoryBytes = c.Stall, c.EngineMemory
	engine.Sandbox = ffmpeg.Sandbox{
		Off:        c.Sandbox == "off",
		CPUSeconds: uint64(max(cmp.Or(c.MaxWork, jobs.DefaultMaxWork), time.Second).Seconds()) * uint64(runtime.NumCPU()),
		FileBytes:  4 * uint64(c.MaxSourceBytes),
	}
	if c.EngineMemory > 0 {
		// Stacks, arenas and what the Go runtime reserves are addresses, not memory.
		engine.Sandbox.MemoryBytes = 2*uint64(c.EngineMemory) + 8<<30
	}
	return engine, nil
}

// protection is that of the ECS agent, where one says in the environment that it
// is there.
func (c *runCommand) protection() *ecs.Protection {
	if c.ECSAgent == "" {
		return nil
	}
	return ecs.NewProtection(c.ECSAgent)
}

// judgeSandbox says what the engine is shut in with here, and refuses to go on
// where that is not what was asked for.
func (c *runCommand) judgeSandbox(ctx context.Context, log *zap.Logger) (sandboxLevel, error) {
	if c.Sandbox == "off" {
		log.Warn("sandbox", zap.String("sandbox_level", string(sandboxOff)))
		return sandboxOff, nil
	}
	level, probes, err := selftest(ctx)
	var open []string
	for _, p := range probes {
		if !p.Denied {
			open = append(open, p.Name)
		}
	}
	log.Info("sandbox", zap.String("sandbox_level", string(level)), zap.Strings("open", open), zap.Error(err))
	if c.Sandbox == "require" && level != sandboxFull {
		if len(open) > 3 {
			open = append(open[:3], fmt.Sprintf("and %d more", len(open)-3))
		}
		return level, usagef("--sandbox: require, and on this machine an engine could %s: use Linux 5.13 or newer with Landlock and seccomp, or set auto to start with what is there",
			strings.Join(open, ", "))
	}
	return level, nil
}

var wordEnd = regexp.MustCompile(`([a-z])([A-Z])`)

// flagOf turns a complaint that starts with a field of a Config into one that
// starts with its flag.
func flagOf(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n") // more than one thing can be wrong
	field, complaint, _ := strings.Cut(first, ": ")
	field = wordEnd.ReplaceAllString(field, "$1-$2")
	return strings.ToLower(strings.ReplaceAll(field, " ", "-")) + ": " + complaint
}

// newLogger writes one line of JSON for each event. Nothing is sampled: a worker
// says little, and each line counts.
func newLogger(to zapcore.WriteSyncer, level string, besides ...zapcore.Core) *zap.Logger {
	l, err := zapcore.ParseLevel(level)
	if err != nil {
		l = zapcore.InfoLevel // the flag takes no other
	}
	encoder := zap.NewProductionEncoderConfig()
	encoder.MessageKey, encoder.TimeKey = "event", "time"
	encoder.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	encoder.EncodeDuration = zapcore.SecondsDurationEncoder
	lines := zapcore.NewCore(zapcore.NewJSONEncoder(encoder), to, l)
	return zap.New(zapcore.NewTee(append(besides, lines)...))
}
