package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/internal/text"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/transcode"
)

type sendCommand struct {
	QueueURL string `name:"queue-url" placeholder:"URL" help:"SQS queue to send to. Required." env:"MOSAICD_QUEUE_URL"`
	Token    string `help:"Id for the job, a UUID. The same request sent again with the same token is the same job. A random one by default." placeholder:"UUID"`
	waitFlags

	Mosaic    sendMosaicCommand    `cmd:"" help:"Have the faces in an object covered."`
	Transcode sendTranscodeCommand `cmd:"" help:"Have MediaConvert transcode an object, or a part of it."`
	File      sendFileCommand      `cmd:"" default:"withargs" hidden:"" help:"Send a message from a file."`
}

// Help is what --help says beyond the flags.
func (sendCommand) Help() string {
	return `Examples:

    mosaicd send mosaic s3://in/a.mp4 s3://out/a.mp4 --style blur
    mosaicd send transcode s3://in/a.mp4 --start 00:00:10:00 --end 00:01:00:00
    mosaicd send mosaic s3://in/a.mp4 s3://out/a.mp4 --wait
    mosaicd send --file message.json

Prints the id of the job, which "mosaicd status" takes. With --wait it shows how far the job is, and ends with what came of it: exit status 0 where the job succeeded, 3 where a person must look at its output (status "review"), 1 otherwise. The message is plain JSON: "aws sqs send-message" sends it as well.`
}

type sendMosaicCommand struct {
	Source      string   `arg:"" name:"SRC" help:"Object to read, as s3://bucket/key."`
	Destination string   `arg:"" name:"DST" help:"Object to write; its extension says the container: .mp4, .m4v, .mov, .mkv or .ts."`
	VersionID   string   `name:"version-id" help:"Version of SRC, in a bucket that keeps versions." placeholder:"ID"`
	Overwrite   bool     `help:"Replace whatever is at DST: also what was made of another object or of a newer upload, and what mosaicd did not write."`
	Detections  []string `name:"detections" sep:"none" placeholder:"S3-URI" help:"Object with the faces, as 'aws rekognition get-face-detection' prints them. Repeat the flag for more pages."`

	Style  string   `help:"What a cover looks like: mosaic, blur or fill. This and what follows default to the daemon's own." placeholder:"STYLE"`
	Blocks *int     `help:"Mosaic cells across the longer side of a face, 2 to 8." placeholder:"N"`
	Margin *float64 `help:"How much each box grows on every side, as a fraction of its size, 0 to 2." placeholder:"F"`
	Codec  string   `help:"Codec of the output's video: auto (HEVC where the source is HEVC, else H.264), h264 or hevc." placeholder:"NAME"`
	Preset string   `help:"Preset of x264 and x265, ultrafast to placebo." placeholder:"NAME"`
	CRF    *int     `name:"crf" help:"Quality of x264 and x265 (CRF), 0 (best) to 51." placeholder:"N"`

	AllowWeak   bool     `name:"allow-weak" help:"Take up to 64 blocks. From cells that fine a face can be made out again."`
	Cover       string   `help:"Who is covered, by the matches of a face search: all, strangers (all but the people in the collection) or listed (only them)." placeholder:"WHO"`
	Similarity  *float64 `help:"How alike a face must be to one of the collection to count as the same, 1 to 100 percent." placeholder:"F"`
	Collection  string   `help:"Collection of Rekognition whose faces are searched for." placeholder:"ID"`
	DropStreams bool     `name:"drop-streams" help:"Leave out sound and subtitles that the container of the output can't hold, instead of failing."`
	Subtitles   string   `help:"Text subtitles that the container of the output can't hold: keep does not change them, convert turns them into the kind that it can." enum:",keep,convert" default:"" placeholder:"keep|convert"`
	Sheet       bool     `help:"Write a picture beside the output that shows what was covered."`
	Regions     string   `help:"JSON with rectangles to cover besides, and with the spans of time in which detected faces are covered: see docs/faces.md." placeholder:"FILE"`
	dryRun
}

// dryRun is a flag of all messages.
type dryRun struct {
	DryRun bool `name:"dry-run" help:"Print the message instead of sending it."`
}

func (c *sendMosaicCommand) Run(ctx context.Context, std streams, send *sendCommand) error {
	r := event.Request{
		Version: 1, Kind: jobs.KindMosaic,
		Options: event.Options{
			Style: c.Style, Blocks: c.Blocks, Margin: c.Margin, Codec: c.Codec, Preset: c.Preset, CRF: c.CRF, AllowWeak: c.AllowWeak,
			Cover: c.Cover, Similarity: c.Similarity, Collection: c.Collection, DropStreams: c.DropStreams, Subtitles: c.Subtitles, Sheet: c.Sheet,
		},
	}
	var err error
	if r.Source, err = event.ParseLocation(c.Source); err != nil {
		return usagef("SRC: %w", err)
	}
	r.Source.VersionID, r.Overwrite = c.VersionID, c.Overwrite
	if r.Destination, err = event.ParseLocation(c.Destination); err != nil {
		return usagef("DST: %w", err)
	}
	for _, uri := range c.Detections {
		at, err := event.ParseLocation(uri)
		if err != nil {
			return usagef("--detections: %w", err)
		}
		r.Detections = append(r.Detections, at)
	}
	if c.Regions != "" {
		if _, r.Regions, err = readRegions(c.Regions); err != nil {
			return err
		}
	}
	return send.request(ctx, std, r, c.dryRun)
}

// request sends a message, or prints it.
func (c *sendCommand) request(ctx context.Context, std streams, r event.Request, dry dryRun) error {
	var err error
	if c.Token != "" {
		if r.Token, err = event.ParseToken(c.Token); err != nil {
			return usagef("--token: %w", err)
		}
	}
	if err := r.Validate(); err != nil {
		return usageError{err}
	}
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the message: %w", err)
	}
	if dry.DryRun {
		if _, _, err := c.identify(body); err != nil {
			return err
		}
		_, err := fmt.Fprintln(terminal.JSON(std.out), string(body))
		return err
	}
	return c.send(ctx, std, body)
}

type sendTranscodeCommand struct {
	Source      string `arg:"" name:"SRC" help:"Object to read, as s3://bucket/key."`
	Settings    string `help:"MediaConvert job file: an s3:// URI, or a local file that goes into the message. Without it every jobs/*.json of the source's bucket, else the built-in HLS renditions." placeholder:"S3-URI|FILE"`
	Template    string `help:"MediaConvert job template." placeholder:"NAME|ARN"`
	Start       string `help:"First frame of the part, as HH:MM:SS:FF." placeholder:"TIMECODE"`
	End         string `help:"Last frame of the part; 00:00:00:00 is the end of the video." placeholder:"TIMECODE"`
	Destination string `help:"Folder for the outputs, as s3://bucket/folder/." placeholder:"S3-URI"`
	dryRun
}

func (c *sendTranscodeCommand) Run(ctx context.Context, std streams, send *sendCommand) error {
	r := event.Request{Version: event.RequestVersion, Kind: jobs.KindTranscode, Template: c.Template}
	var err error
	if r.Source, err = event.ParseLocation(c.Source); err != nil {
		return usagef("SRC: %w", err)
	}
	if c.Destination != "" {
		if r.Destination, err = event.ParseFolder(c.Destination); err != nil {
			return usagef("--destination: %w", err)
		}
	}
	if c.Start != "" || c.End != "" {
		r.Clips = []event.Clip{{Start: c.Start, End: c.End}}
	}
	switch {
	case strings.HasPrefix(c.Settings, "s3://"):
		r.Settings, err = event.ParseLocation(c.Settings)
	case c.Settings != "":
		var body []byte
		if body, err = os.ReadFile(c.Settings); err == nil {
			r.Document, err = text.UTF8(body)
		}
		if err == nil {
			_, err = transcode.Parse(c.Settings, r.Document)
		}
	}
	if err != nil {
		return usagef("--settings: %w", err)
	}
	return send.request(ctx, std, r, c.dryRun)
}

type sendFileCommand struct {
	File string `name:"file" required:"" placeholder:"FILE" help:"Message to send, as JSON; - is standard input."`
}

func (c *sendFileCommand) Run(ctx context.Context, std streams, send *sendCommand) error {
	body, err := readMessage(std.in, c.File)
	if err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	return send.send(ctx, std, body)
}

// readMessage reads a file, or standard input where its name is a hyphen: as much as
// a message may hold, and a byte more.
func readMessage(in io.Reader, name string) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	body, err := io.ReadAll(io.LimitReader(in, event.MaxBody+1))
	if err != nil {
		return nil, err
	}
	return text.UTF8(body) // SQS takes nothing else
}

// send puts on the queue what the daemon will understand, and nothing else. It prints
// the ids of the jobs that come of it.
func (c *sendCommand) send(ctx context.Context, std streams, body []byte) error {
	if err := checkQueue("--queue-url", c.QueueURL, ""); err != nil {
		return err
	}
	body, ids, err := c.identify(body)
	if err != nil {
		return err
	}
	return c.sendAndWait(ctx, std, c.QueueURL, body, ids)
}

// identify gives a request its token, and returns the ids of the jobs of a message.
func (c *sendCommand) identify(body []byte) ([]byte, []string, error) {
	events, err := event.Decode(body)
	if err != nil {
		return nil, nil, usagef("not sent: the daemon would not understand the message: %w", err)
	}
	for _, e := range events {
		if bad, ok := e.(event.Unreadable); ok {
			return nil, nil, usagef("not sent: the daemon would not understand all of the message: %s", bad.Reason)
		}
	}
	request, ok := events[0].(event.Request)
	if ok && request.Kind == jobs.KindMosaic {
		if err := jobs.CheckDestination(request.Destination); err != nil {
			return nil, nil, usagef("not sent: the job would fail: %w", err)
		}
	}
	switch {
	case !ok && c.Token != "":
		return nil, nil, usagef("--token: the message is an event of AWS, whose job's id follows from the event")
	case !ok:
		return body, jobs.IDs(events), nil
	case c.Token != "":
		if request.Token, err = event.ParseToken(c.Token); err != nil {
			return nil, nil, usagef("--token: %w", err)
		}
	case request.Token == "":
		request.Token = newToken()
	}
	if body, err = json.Marshal(request); err != nil {
		return nil, nil, fmt.Errorf("encode the message: %w", err)
	}
	return body, []string{jobs.RequestID(request, "")}, nil
}

// newToken returns 128 random bits, as 32 hexadecimal digits.
func newToken() string {
	var bits [16]byte
	_, _ = rand.Read(bits[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	return hex.EncodeToString(bits[:])
}
