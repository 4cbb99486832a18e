package libav

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/judge"
)

// TestRemux: other containers, the same pictures and the same sound.
func TestRemux(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a.ts", "a.mkv", "a.mp4"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := judge.Make(t, name, "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=2", "-f", "lavfi", "-i", "sine=duration=2:sample_rate=48000",
				"-c:v", "libx264", "-preset", "fast", "-bf", "2", "-g", "25", "-c:a", "aac")
			output := filepath.Join(t.TempDir(), "output.mp4")
			report, err := Remux(context.Background(), ffmpeg.Spec{Op: ffmpeg.OpRemux, Input: source, Output: output, Format: "mp4"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if report.Frames != 50 || math.Abs(report.Output.Duration-2) > 0.05 || report.Output.Width != 160 || report.Output.Format != "mp4" || report.Dropped != nil {
				t.Errorf("report is %+v", report)
			}
			before, after := judge.Frames(t, source), judge.Frames(t, output)
			if !slices.Equal(judge.Hashes(before), judge.Hashes(after)) || len(after) != 50 {
				t.Errorf("%d pictures became %d others", len(before), len(after))
			}
			// ADTS headers, which only MPEG-TS has, are the container's.
			if sound := judge.Packets(t, output, "0:a"); name != "a.ts" && !slices.Equal(judge.Hashes(judge.Packets(t, source, "0:a")), judge.Hashes(sound)) || len(sound) < 90 {
				t.Errorf("%d packets of sound, other ones", len(sound))
			}
		})
	}
}

func TestRemuxRefuses(t *testing.T) {
	t.Parallel()
	raw := judge.Make(t, "a.mkv", "-f", "lavfi", "-i", "testsrc2=size=160x120:duration=0.2", "-c:v", "rawvideo")
	_, err := Remux(context.Background(), ffmpeg.Spec{Input: raw, Output: filepath.Join(t.TempDir(), "output.mp4"), Format: "mp4"}, nil)
	if codeOf(err) != ffmpeg.CodeUnsupported {
		t.Errorf("error is %v", err)
	}
	stopped, cancel := context.WithCancelCause(context.Background())
	why := errors.New("enough")
	cancel(why)
	source := judge.Make(t, "a.ts", "-f", "lavfi", "-i", "testsrc2=size=160x120:duration=0.2", "-c:v", "libx264")
	if _, err := Remux(stopped, ffmpeg.Spec{Input: source, Output: filepath.Join(t.TempDir(), "output.mp4"), Format: "mp4"}, nil); !errors.Is(err, why) {
		t.Errorf("error is %v", err)
	}
}
