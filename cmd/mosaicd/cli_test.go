package main

import (
	"slices"
	"strings"
	"testing"
)

func TestRunNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	complete := []string{
		"MOSAICD_QUEUE_URL=http://127.0.0.1:1/0/q", "MOSAICD_TOPIC_ARN=arn:aws:sns:us-east-1:000000000000:t",
		"MOSAICD_OUTPUT_BUCKET=results", "AWS_REGION=us-east-1", "MOSAICD_HTTP_ADDR=",
	}
	for _, ca := range []struct {
		name    string
		environ []string
		args    []string
		says    []string
	}{
		{"queue", complete[1:], nil, []string{"--queue-url", "MOSAICD_QUEUE_URL"}},
		{"a FIFO queue", append(complete[1:], complete[0]+".fifo"), nil, []string{"--queue-url", "MOSAICD_QUEUE_URL", "standard queue", "q.fifo"}},
		{"FIFO dead letters", append(complete, "MOSAICD_DEAD_LETTER_URL=http://127.0.0.1:1/0/d.fifo"), nil, []string{"--dead-letter-url", "MOSAICD_DEAD_LETTER_URL", "standard queue", "d.fifo"}},
		{"a FIFO topic", append(complete, "MOSAICD_TOPIC_ARN=arn:aws:sns:us-east-1:0:t.fifo"), nil, []string{"--topic-arn", "MOSAICD_TOPIC_ARN", "standard topic", "t.fifo"}},
		{"topic", append(complete[2:], complete[0]), nil, []string{"--topic-arn", "MOSAICD_TOPIC_ARN"}},
		{"bucket", append(complete[3:], complete[:2]...), nil, []string{"--output-bucket", "MOSAICD_OUTPUT_BUCKET"}},
		{"region", complete[:3], nil, []string{"AWS_REGION"}},
		{"detector", complete, []string{"--detector", "eyes"}, []string{"--detector", "MOSAICD_DETECTOR", "eyes"}},
		{"rekognition's topic", complete, []string{"--detector", "rekognition"}, []string{"--rekognition-topic-arn", "MOSAICD_REKOGNITION_TOPIC_ARN"}},
		{"rekognition's role", complete, []string{"--detector", "rekognition", "--rekognition-topic-arn", "arn:aws:sns:us-east-1:0:t"}, []string{"--rekognition-role", "MOSAICD_REKOGNITION_ROLE"}},
		{"no number", append(complete, "MOSAICD_CONCURRENCY=many"), nil, []string{"concurrency", "MOSAICD_CONCURRENCY"}},
		{"out of range", complete, []string{"--concurrency", "65"}, []string{"concurrency", "MOSAICD_CONCURRENCY", "65"}},
		{"visibility too short", append(complete, "MOSAICD_VISIBILITY=1s"), nil, []string{"visibility", "MOSAICD_VISIBILITY", "1s"}},
		{"style", append(complete, "MOSAICD_STYLE=smear"), nil, []string{"--style", "MOSAICD_STYLE", "smear"}},
		{"weak", append(complete, "MOSAICD_BLOCKS=9"), nil, []string{"--blocks", "MOSAICD_BLOCKS", "allow-weak"}},
		{"similarity", append(complete, "MOSAICD_SIMILARITY=200"), nil, []string{"--similarity", "MOSAICD_SIMILARITY", "200"}},
		{"crf", append(complete, "MOSAICD_CRF=99"), nil, []string{"--crf", "MOSAICD_CRF", "99"}},
		{"scratch", append(complete, "MOSAICD_SCRATCH=/dev/null/x"), nil, []string{"--scratch", "MOSAICD_SCRATCH"}},
		{"queue by its name", append([]string{"MOSAICD_QUEUE_URL=mosaicd"}, complete[1:]...), nil, []string{"--queue-url", "MOSAICD_QUEUE_URL", "aws sqs get-queue-url --queue-name mosaicd"}},
		{"queue by its ARN", append([]string{"MOSAICD_QUEUE_URL=arn:aws:sqs:us-east-1:0:q"}, complete[1:]...), nil, []string{"--queue-url", "--queue-name q"}},
		{"dead letters by name", append(complete, "MOSAICD_DEAD_LETTER_URL=dead"), nil, []string{"--dead-letter-url", "MOSAICD_DEAD_LETTER_URL", "--queue-name dead"}},
		{"topic by its name", append(slices.Clone(complete), "MOSAICD_TOPIC_ARN=results"), nil, []string{"--topic-arn", "MOSAICD_TOPIC_ARN", "arn:aws:sns:"}},
		{"bucket as a URI", append(slices.Clone(complete), "MOSAICD_OUTPUT_BUCKET=s3://results"), nil, []string{"--output-bucket", "MOSAICD_OUTPUT_BUCKET", "without s3://"}},
		{"bucket with a folder", append(slices.Clone(complete), "MOSAICD_OUTPUT_BUCKET=results/a"), nil, []string{"--output-bucket", "without a folder"}},
		{"routes", append(complete, "MOSAICD_ROUTES={version: 1, routes: [{name: a, steps: [blur]}]}"), nil, []string{"--routes", "MOSAICD_ROUTES", "blur", "mosaic, transcode"}},
		{"routes' file", complete, []string{"--routes", "/nowhere.yaml"}, []string{"--routes", "MOSAICD_ROUTES", "/nowhere.yaml"}},
		{"role", complete, []string{"--mediaconvert-role", "admin"}, []string{"--mediaconvert-role", "MOSAICD_MEDIACONVERT_ROLE", "admin"}},
		{"address", complete, []string{"--http-addr", "256.0.0.1:80"}, []string{"--http-addr", "MOSAICD_HTTP_ADDR"}},
	} {
		t.Run(ca.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := call(t, ca.environ, append([]string{"run"}, ca.args...)...)
			last := stderr[strings.LastIndex(strings.TrimSpace(stderr), "\n")+1:]
			// One line for a person, or, once it has begun, nothing but the log.
			plain := strings.HasPrefix(stderr, "mosaicd: ") && strings.Count(stderr, "\n") == 1
			if code != exitUsage || !plain && !strings.Contains(last, `"event":"daemon_failed"`) {
				t.Fatalf("exit code %d\n%s", code, stderr)
			}
			for line := range strings.Lines(stderr) {
				if err := judgeLine(line); !plain && err != nil {
					t.Errorf("%v: %s", err, line)
				}
			}
			for _, want := range ca.says {
				if !strings.Contains(last, want) {
					t.Errorf("%q is not in %q", want, last)
				}
			}
		})
	}
}

func TestHelpListsEverySetting(t *testing.T) {
	t.Parallel()
	code, help, _ := call(t, nil, "run", "--help")
	if code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	for _, want := range []string{"QUEUE_URL", "DEAD_LETTER_URL", "TOPIC_ARN", "OUTPUT_BUCKET", "OUTPUT_PREFIX", "TRANSCODE_PREFIX", "REMUX_PREFIX", "STATE_PREFIX", "SCRATCH", "ROUTES",
		"MEDIACONVERT_ROLE", "MEDIACONVERT_QUEUE", "MEDIACONVERT_PRIORITY", "MEDIACONVERT_ACCELERATION", "MEDIACONVERT_STATUS_INTERVAL", "MEDIACONVERT_APPLICATION", "RECONCILE_AFTER",
		"DETECTOR", "REKOGNITION_TOPIC_ARN", "REKOGNITION_ROLE", "STYLE", "BLOCKS", "ALLOW_WEAK", "COVER", "SIMILARITY", "MARGIN", "PRESET", "CRF", "THREADS", "VERIFY", "CONCURRENCY", "MAX_SOURCE_BYTES", "MAX_ATTEMPTS",
		"VISIBILITY", "DRAIN", "HTTP_ADDR", "LOG_LEVEL"} {
		if !strings.Contains(help, "$MOSAICD_"+want) {
			t.Errorf("MOSAICD_%s is not in the help", want)
		}
		flag := "--" + strings.ReplaceAll(strings.ToLower(want), "_", "-")
		if want == "VERIFY" {
			flag = "--[no-]verify"
		}
		if !strings.Contains(help, flag) {
			t.Errorf("%s is not in the help", flag)
		}
	}
	_, help, _ = call(t, nil, "--help")
	for _, want := range []string{"run", "mosaic", "faces", "send", "check", "status", "jobs", "cancel", "version"} {
		if !strings.Contains(help, "\n  "+want) {
			t.Errorf("%s is not in the help", want)
		}
	}
	if strings.Contains(help, "engine") {
		t.Error("the hidden command is in the help")
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, out, _ := call(t, nil, "version")
	if code != exitDone || !strings.Contains(out, "mosaicd ") || !strings.Contains(out, "commit ") || !strings.Contains(out, "FFmpeg 7.1.") || !strings.Contains(out, "--disable-network") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// TestSendRefuses: what the daemon would not understand is not sent.
func TestSendRefuses(t *testing.T) {
	t.Parallel()
	queue := []string{"MOSAICD_QUEUE_URL=http://127.0.0.1:1/0/q", "AWS_REGION=us-east-1"}
	for _, ca := range []struct {
		name    string
		environ []string
		stdin   string
		args    []string
		says    string
	}{
		{"no queue", nil, "", []string{"send", "mosaic", "s3://in/a.mp4", "s3://out/a.mp4"}, "MOSAICD_QUEUE_URL"},
		{"no URI", queue, "", []string{"send", "mosaic", "a.mp4", "s3://out/a.mp4"}, "SRC: "},
		{"blocks", queue, "", []string{"send", "mosaic", "s3://in/a.mp4", "s3://out/a.mp4", "--blocks", "1"}, "blocks: must be 2 to 64"},
		{"unknown field", queue, `{"version":1,"kind":"mosaic","source":"s3://in/a.mp4","destination":"s3://out/a.mp4","colour":"red"}`, []string{"send", "--file", "-"}, "colour"},
		{"no timecode", queue, "", []string{"send", "transcode", "s3://in/a.mp4", "--start", "10s"}, "start"},
		{"end before start", queue, "", []string{"send", "transcode", "s3://in/a.mp4", "--start", "00:00:10:00", "--end", "00:00:09:00"}, "end"},
		{"no folder", queue, "", []string{"send", "transcode", "s3://in/a.mp4", "--destination", "s3://out/a"}, "--destination"},
		{"no job file", queue, "", []string{"send", "transcode", "s3://in/a.mp4", "--settings", "/nowhere.json"}, "--settings"},
		{"no JSON", queue, "hello", []string{"send", "--file", "-"}, "not JSON"},
	} {
		t.Run(ca.name, func(t *testing.T) {
			t.Parallel()
			cmd := mosaicd(ca.environ, ca.args...)
			cmd.Stdin = strings.NewReader(ca.stdin)
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(string(out), ca.says) || strings.Count(string(out), "\n") != 1 {
				t.Errorf("exit code %d, want %q\n%s", code, ca.says, out)
			}
		})
	}
}

// TestFIFOQueuesAreRefused by every command that takes one.
func TestFIFOQueuesAreRefused(t *testing.T) {
	t.Parallel()
	const url = "http://127.0.0.1:1/000000000000/q.fifo"
	environ := []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_MAX_ATTEMPTS=1"}
	for _, args := range [][]string{
		{"send", "--queue-url", url, "mosaic", "s3://in/a.mp4", "s3://out/a.mp4"},
		{"dlq", "--dead-letter-url", url, "list"},
		{"dlq", "--dead-letter-url", url, "show", "id"},
		{"dlq", "--dead-letter-url", "http://127.0.0.1:1/0/q", "replay", "--queue-url", url, "--all"},
		{"approve", "--queue-url", url, "--output-bucket", "results", strings.Repeat("0", 32)},
	} {
		code, _, stderr := call(t, environ, args...)
		if code != exitUsage || !strings.Contains(stderr, "q.fifo is a FIFO queue: name a standard queue") {
			t.Errorf("%v: exit code %d\n%s", args, code, stderr)
		}
	}
	_, out, _ := call(t, environ, "doctor", "--queue-url", url, "--dead-letter-url", url, "--topic-arn", "arn:aws:sns:us-east-1:0:t.fifo", "--scratch", t.TempDir())
	if n := strings.Count(out, "is a FIFO queue"); n != 2 || !strings.Contains(out, "t.fifo is a FIFO topic") || !strings.Contains(out, "name a standard queue") {
		t.Errorf("doctor says\n%s", out)
	}
}
