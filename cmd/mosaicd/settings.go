package main

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/worker"
)

// allowFlags say which buckets others may name.
type allowFlags struct {
	SourceBuckets []string `name:"source-buckets" sep:"," placeholder:"BUCKET,…" help:"Buckets that messages may name to be read, and whose uploads start jobs; * stands for any characters. Defaults to the buckets that the routes name and the output bucket." env:"MOSAICD_SOURCE_BUCKETS"`
	OutputBuckets []string `name:"output-buckets" sep:"," placeholder:"BUCKET,…" help:"Buckets that messages may name to be written to; * stands for any characters. Defaults to the output bucket and those of the routes' destinations." env:"MOSAICD_OUTPUT_BUCKETS"`
}

// set puts the lists into a configuration. An empty variable is none.
func (f allowFlags) set(c *jobs.Config) {
	c.SourceBuckets, c.OutputBuckets = given(f.SourceBuckets), given(f.OutputBuckets)
}

func given(names []string) []string {
	var kept []string
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "" {
			kept = append(kept, name)
		}
	}
	return kept
}

// coverFlags are the settings of a cover and of its encoder.
type coverFlags struct {
	Style      string  `help:"What a cover looks like: mosaic, blur or fill." enum:"mosaic,blur,fill" default:"mosaic" env:"MOSAICD_STYLE"`
	Blocks     int     `help:"Mosaic cells across the longer side of a face, 2 to 8: fewer hide more." default:"8" env:"MOSAICD_BLOCKS"`
	Cover      string  `help:"Who is covered where the detections are of a face search: all, strangers (all but the people in the collection) or listed (only them)." enum:"all,strangers,listed" default:"all" env:"MOSAICD_COVER"`
	Similarity float64 `help:"How alike a face must be to one of the collection to count as the same, 1 to 100 percent." default:"80" env:"MOSAICD_SIMILARITY"`
	Margin     float64 `help:"How much each box grows on every side, as a fraction of its size, 0 to 2." default:"0.15" env:"MOSAICD_MARGIN"`
	Codec      string  `help:"Codec of the output's video: auto (HEVC where the source is HEVC, else H.264), h264 or hevc." enum:"auto,h264,hevc" default:"auto" env:"MOSAICD_CODEC"`
	Preset     string  `help:"Preset of x264 and x265, ultrafast to placebo: slower makes smaller files." default:"medium" env:"MOSAICD_PRESET"`
	CRF        int     `name:"crf" help:"Quality of x264 and x265 (CRF), 0 (best) to 51: 18 is hard to tell from the source." default:"20" env:"MOSAICD_CRF"`
	AllowWeak  bool    `name:"allow-weak" help:"Take up to 64 blocks. From cells that fine a face can be made out again." env:"MOSAICD_ALLOW_WEAK"`
	copyFlags
	Threads int `help:"Threads of the encoder; 0 is one for each core." default:"0" env:"MOSAICD_THREADS"`
}

// copyFlags are those of whatever copies streams.
type copyFlags struct {
	DropStreams bool   `name:"drop-streams" help:"Leave out sound and subtitles that the container of the output can't hold, instead of failing." env:"MOSAICD_DROP_STREAMS"`
	Subtitles   string `help:"Text subtitles that the container of the output can't hold: keep does not change them, convert turns them into mov_text for MP4 and MOV, and into WebVTT for Matroska." enum:"keep,convert" default:"keep" env:"MOSAICD_SUBTITLES"`
}

func (f coverFlags) settings() (jobs.Settings, error) {
	s := jobs.Settings{Style: f.Style, Blocks: f.Blocks, Margin: f.Margin, Codec: f.Codec, Preset: f.Preset, CRF: f.CRF, Threads: f.Threads, AllowWeak: f.AllowWeak, Cover: f.Cover, Similarity: f.Similarity, DropStreams: f.DropStreams, Subtitles: f.Subtitles}
	if err := s.Validate(); err != nil {
		return s, usagef("--%w", err) // its text starts with the flag's name
	}
	return s, nil
}

// checkQueue refuses the URL of a queue, as a flag has it, that is missing or of a queue
// that mosaicd does not work.
func checkQueue(flag, value, what string) error {
	switch {
	case value == "":
		return usagef("%s is missing: the URL of the SQS queue%s", flag, what)
	case worker.IsFIFO(value):
		return usagef("%s: %s is a FIFO queue: name a standard queue, S3 sends no events to FIFO queues", flag, value)
	}
	if u, err := url.Parse(value); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return usagef("%s: must be the queue's URL, and neither its name nor its ARN (got %q): aws sqs get-queue-url --queue-name %s prints it",
			flag, value, value[strings.LastIndexAny(value, ":/")+1:])
	}
	return nil
}

// checkTopic judges the ARN of an SNS topic.
func checkTopic(flag, value, what string) error {
	switch {
	case value == "":
		return usagef("%s is missing: the ARN of the SNS topic%s", flag, what)
	case worker.IsFIFO(value):
		return usagef("%s: %s is a FIFO topic: name a standard topic", flag, value)
	case !topicARN.MatchString(value):
		return usagef("%s: must be the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:name (got %q)", flag, value)
	}
	return nil
}

var topicARN = regexp.MustCompile(`^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$`)

// checkBucket judges the name of a bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func checkBucket(flag, value, what string) error {
	switch {
	case value == "":
		return usagef("%s is missing: the S3 bucket%s", flag, what)
	case !bucketName.MatchString(value):
		return usagef("%s: must be the name of a bucket alone, without s3:// and without a folder (got %q)", flag, value)
	}
	return nil
}

var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$`)
