package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/internal/likeness"
	"github.com/mosaicd/mosaicd/internal/output"
	"github.com/mosaicd/mosaicd/internal/sample"
	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
)

type command struct {
	Video    string `arg:"" optional:"" name:"VIDEO" help:"Video of yours; without it the demo makes one."`
	Dir      string `help:"Folder for what the demo makes." default:"mosaicd-demo" placeholder:"DIR"`
	Serve    bool   `help:"Keep running, for you to upload and to send messages."`
	Detector string `help:"Who looks for faces: builtin, or rekognition, which is the built-in detector behind Rekognition's calls here." enum:"builtin,rekognition" default:"builtin"`
	Addr     string `help:"Address of the AWS services; port 0 is a free one. Only a loopback address, but for --services." default:"127.0.0.1:0"`
	Services bool   `help:"Start the services only, with the demo's queues, topics and buckets, and wait: for a mosaicd run beside them. In a container, --addr may be of any interface."`
	Mosaicd  string `help:"The mosaicd to show. Defaults to the one beside this program, else the one on the PATH." placeholder:"PATH"`
}

// routes have the renditions made of the covered video.
const routes = `{version: 1, routes: [{name: demo, match: {bucket: ` + awslocal.UploadsBucket + `}, steps: [mosaic, transcode]}]}`

func (c *command) Run(ctx context.Context, std streams) (err error) {
	if c.Video != "" {
		if info, err := os.Stat(c.Video); err != nil {
			return usagef("VIDEO: %w", err)
		} else if !info.Mode().IsRegular() {
			return usagef("VIDEO %s is not a regular file", c.Video)
		}
		if c.Services {
			return usagef("--services starts the services alone, and works no VIDEO: upload it to them")
		}
	}
	path, err := findMosaicd(c.Mosaicd)
	if err != nil {
		return err
	}
	if err := c.checkFiles(); err != nil {
		return usageError{err}
	}
	libav.Quiet()
	scratch := filepath.Join(c.Dir, "scratch")
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return usagef("--dir: %w", err)
	}
	d := &demo{command: *c, mosaicd: path, engine: ffmpeg.NewEngine(path, "engine"), std: std}
	return d.run(ctx, scratch)
}

// checkFiles refuses a folder with files of somebody else where the demo writes its own. What a demo left there before,
// which its log tells, is replaced.
func (c *command) checkFiles() error {
	if c.Services || os.MkdirAll(c.Dir, 0o755) != nil { // which is reported later
		return nil
	}
	var inputs, outputs []output.Name
	names := []string{logName, "result.mp4", "result.mov", "result.mkv", "result.ts", "frames.png", "report.html"}
	if c.Video == "" {
		names = append(names, "source.mp4")
	} else {
		inputs = append(inputs, output.Name{What: "VIDEO", Path: c.Video})
	}
	_, err := os.Stat(filepath.Join(c.Dir, logName))
	ours := err == nil
	for _, name := range names {
		path := filepath.Join(c.Dir, name)
		if _, err := os.Stat(path); err == nil && !ours {
			return fmt.Errorf("--dir: the demo would replace %s, which no demo made: give another folder", path)
		}
		outputs = append(outputs, output.Name{What: "the demo's", Path: path})
	}
	return output.Check(inputs, outputs, ours)
}

const logName = "mosaicd.log"

// A demo is the way of one video.
type demo struct {
	command
	mosaicd string // path
	engine  jobs.Engine
	std     streams
	server  *awslocal.Server
	cfg     aws.Config
	stack   awslocal.Stack

	uploaded time.Time
	progress bool // a line of it is on the terminal
}

func (d *demo) say(format string, args ...any) {
	d.clear()
	terminal.Fprintf(d.std.out, format+"\n", args...)
}

func (d *demo) logPath() string { return filepath.Join(d.Dir, logName) }

func (d *demo) run(ctx context.Context, scratch string) error {
	media, err := placeholders(scratch)
	if err != nil {
		return err
	}
	known, err := likeness.Open(d.engine, scratch)
	if err != nil {
		return err
	}
	d.server, err = awslocal.Start(ctx, awslocal.Config{
		Addr: d.Addr, AnyInterface: d.Services, Log: zap.NewNop(), Pace: 300 * time.Millisecond,
		Media: media, Faces: likeness.Finder(d.engine, scratch), People: known,
	})
	if err != nil {
		return usagef("--addr: %w", err)
	}
	defer d.server.Close()
	d.cfg = d.server.AWSConfig()
	d.say("SQS, SNS, S3, MediaConvert and Rekognition on %s", d.server.URL())
	if d.stack, err = d.server.Provision(ctx); err != nil {
		return err
	}
	if d.Services {
		return errors.Join(d.serve(ctx), d.server.Close())
	}

	log, err := os.Create(d.logPath())
	if err != nil {
		return usagef("--dir: %w", err)
	}
	defer log.Close()
	daemon, err := startDaemon(d.mosaicd, d.environ(scratch), log, d.follow, "--routes", routes, "--detector", d.Detector)
	if err != nil {
		return err
	}
	watched, stop := daemon.watch(ctx)
	defer stop()
	err = d.show(watched)
	if err == nil && d.Serve {
		err = d.serve(watched)
	}
	if errors.Is(context.Cause(watched), errEnded) {
		err = fmt.Errorf("%w: see %s", errEnded, d.logPath())
	}
	return errors.Join(err, daemon.stop(d.server.Close))
}

// environ is that of the demo's mosaicd: nothing of ours that could lead it to a real
// account.
func (d *demo) environ(scratch string) []string {
	environ := append(d.server.Environ(), d.stack.Environ()...)
	return append(environ, "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"), "TMPDIR="+os.TempDir(),
		"MOSAICD_SCRATCH="+scratch, "MOSAICD_HTTP_ADDR=", "MOSAICD_DRAIN=20s")
}

// phases are the parts of the work, as a person calls them.
var phases = map[string]string{
	string(jobs.PhaseDetect): "looking for faces",
	string(jobs.PhaseEncode): "covering, encoding",
	string(jobs.PhaseVerify): "looking for faces in the output",
}

// follow shows a person how far the daemon is, by its log.
func (d *demo) follow(line logLine) {
	f, ok := d.std.err.(*os.File)
	if line.Event != "job_progress" || !ok || !term.IsTerminal(int(f.Fd())) {
		return
	}
	terminal.Fprintf(f, "\r\x1b[K%s: %.0f %%, %.1f frames/s", phases[line.Phase], line.Percent, line.Speed)
	d.progress = true
}

// clear takes the progress off the terminal.
func (d *demo) clear() {
	if d.progress {
		_, _ = io.WriteString(d.std.err, "\r\x1b[K")
		d.progress = false
	}
}

// source returns the video to show and its key.
func (d *demo) source() (path, key string, err error) {
	if d.Video != "" {
		return d.Video, "demo/" + filepath.Base(d.Video), nil
	}
	path = filepath.Join(d.Dir, "source.mp4")
	if err := sample.Default.Write(path); err != nil {
		return "", "", err
	}
	d.say("made %s: three faces, %d×%d, %s with sound", path, sample.Default.Size.X, sample.Default.Size.Y, sample.Default.Length)
	return path, "demo/source.mp4", nil
}

// show sends one video the whole way and prints what happens to it.
func (d *demo) show(ctx context.Context) error {
	source, key, err := d.source()
	if err != nil {
		return err
	}
	if err := d.upload(ctx, source, key); err != nil {
		return err
	}
	d.say("uploaded it to s3://%s/%s; S3 tells queue %s", awslocal.UploadsBucket, key, d.stack.QueueURL)
	covered, err := d.next(ctx)
	if err != nil {
		return err
	}
	if _, err := d.next(ctx); err != nil {
		return err
	}
	d.say("\nthe job's record, as \"mosaicd status %s\" shows it:", covered.Job)
	if err := d.status(ctx, covered.Job); err != nil {
		return err
	}
	result := filepath.Join(d.Dir, "result"+filepath.Ext(covered.Outputs[0].URI))
	if err := d.download(ctx, covered.Outputs[0].URI, result); err != nil {
		return err
	}
	pictures, page, err := d.report(ctx, source, result, covered)
	if err != nil {
		return err
	}
	d.say("\nsee for yourself:\n  %s\n  %s\n  %s (before and after)\n  %s (a page to check it with: it shows faces uncovered)\n  %s (the daemon's log)",
		source, result, pictures, page, d.logPath())
	return nil
}

// next waits for a result and prints it.
func (d *demo) next(ctx context.Context) (jobs.Result, error) {
	r, body, err := d.result(ctx)
	if err != nil {
		return r, err
	}
	d.say("\nresult %d of %d, the %s, from topic %s after %.1f s:", r.Step, r.Steps, r.Kind, d.stack.TopicARN, time.Since(d.uploaded).Seconds())
	if _, err := fmt.Fprintf(terminal.JSON(d.std.out), "%s\n", body); err != nil {
		return r, err
	}
	if r.Kind == jobs.KindTranscode {
		d.say("(MediaConvert is not really here: these files are placeholders.)")
	}
	if r.Status != jobs.StatusSucceeded {
		return r, fmt.Errorf("the %s %s: %s: %s (see %s)", r.Kind, r.Status, r.Error.Code, r.Error.Message, d.logPath())
	}
	return r, nil
}

// status has mosaicd print the record of a job, when it says that the job ended: the
// last result is published a moment before it is noted there.
func (d *demo) status(ctx context.Context, id string) error {
	cmd := exec.CommandContext(ctx, d.mosaicd, "status", id, "--watch")
	cmd.Env = d.environ(d.Dir)
	cmd.Stdout, cmd.Stderr = d.std.out, d.std.err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("mosaicd status %s: %w", id, err)
	}
	return nil
}

func (d *demo) upload(ctx context.Context, path, key string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	d.uploaded = time.Now()
	_, err = transfermanager.New(s3.NewFromConfig(d.cfg)).UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: aws.String(awslocal.UploadsBucket), Key: &key, Body: f, ContentType: aws.String("video/mp4"),
	})
	if err != nil {
		return fmt.Errorf("upload %s: %w", path, err)
	}
	return nil
}

// result waits for what the topic delivers, and returns it parsed and indented.
func (d *demo) result(ctx context.Context) (jobs.Result, []byte, error) {
	var r jobs.Result
	client := sqs.NewFromConfig(d.cfg)
	for {
		out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &d.stack.InboxURL, WaitTimeSeconds: 5})
		if ctx.Err() != nil {
			return r, nil, fmt.Errorf("wait for the result: %w", context.Cause(ctx))
		} else if err != nil {
			return r, nil, fmt.Errorf("wait for the result: %w", err)
		}
		if len(out.Messages) == 0 {
			continue
		}
		body := []byte(aws.ToString(out.Messages[0].Body))
		_, err = client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &d.stack.InboxURL, ReceiptHandle: out.Messages[0].ReceiptHandle})
		if err != nil {
			return r, nil, fmt.Errorf("take the result off the queue: %w", err)
		}
		if err := json.Unmarshal(body, &r); err != nil {
			return r, nil, fmt.Errorf("read the result: %w", err)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, body, "", "  "); err != nil {
			return r, nil, fmt.Errorf("read the result: %w", err)
		}
		return r, indented.Bytes(), nil
	}
}

func (d *demo) download(ctx context.Context, uri, path string) error {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = transfermanager.New(s3.NewFromConfig(d.cfg)).DownloadObject(ctx, &transfermanager.DownloadObjectInput{
		Bucket: &bucket, Key: &key, WriterAt: f,
	})
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("download %s: %w", uri, err)
	}
	return nil
}

// serve says how to reach the demo's AWS, which may be all that runs, and waits.
func (d *demo) serve(ctx context.Context) error {
	d.say("\nrunning until you press Ctrl-C. In another terminal:")
	for _, v := range slices.Concat(d.server.Environ(), d.stack.Environ()) {
		d.say("  export %s", v)
	}
	if d.Services {
		d.say("then:\n  mosaicd doctor\n  mosaicd run")
	} else {
		d.say("then, for example:\n  aws s3 cp my.mp4 s3://%[1]s/my.mp4\n"+
			"  mosaicd send mosaic s3://%[1]s/my.mp4 s3://%[2]s/by-hand.mp4 --style blur --wait\n"+
			"  mosaicd send transcode s3://%[1]s/my.mp4 --start 00:00:01:00 --end 00:00:03:00\n"+
			"  aws sqs receive-message --endpoint-url %[3]s --queue-url %[4]s\n  aws s3 cp s3://%[2]s/by-hand.mp4 .",
			awslocal.UploadsBucket, awslocal.ResultsBucket, d.server.URL(), d.stack.InboxURL)
	}
	<-ctx.Done()
	return nil
}
