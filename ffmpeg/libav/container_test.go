package libav

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/judge"
)

// fielded is a file of the cases that came from the field.
func fielded(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "cases", "media", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the cases from the field are not here: %v", err)
	}
	return path
}

// bothWays works a file with Mosaic and with Remux.
func bothWays(t *testing.T, spec ffmpeg.Spec, check func(t *testing.T, output string, r ffmpeg.Report, err error)) {
	t.Helper()
	for _, op := range []ffmpeg.Op{ffmpeg.OpMosaic, ffmpeg.OpRemux} {
		t.Run(string(op)+" "+spec.Format, func(t *testing.T) {
			spec := spec
			spec.Output = filepath.Join(t.TempDir(), "output")
			spec.Style, spec.Blocks, spec.Video = "mosaic", 8, ffmpeg.Video{Preset: "ultrafast", CRF: 20}
			var r ffmpeg.Report
			var err error
			if op == ffmpeg.OpRemux {
				r, err = Remux(context.Background(), spec, nil)
			} else {
				r, err = Mosaic(context.Background(), spec, still{}, nil)
			}
			check(t, spec.Output, r, err)
		})
	}
}

// codecs are those of a file's streams.
func codecs(t *testing.T, path string) (names []string) {
	t.Helper()
	in, err := openInput(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for _, s := range in.fc.Streams() {
		names = append(names, s.CodecParameters().CodecID().Name())
	}
	return names
}

func aspect(t *testing.T, path string) string {
	t.Helper()
	in, err := openInput(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	return ratioOf(in.pixelAspect())
}

// TestSoundFromTheField: sound that a transport stream declares in ways of its own, or that
// a container has only one way for.
func TestSoundFromTheField(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"dts_0x82.ts": {"h264", "dts"}, "ac3_private_0x06.ts": {"h264", "ac3"}, "ulaw.mkv": {"h264", "pcm_mulaw"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := fielded(t, name)
			for _, format := range []string{"mpegts", "matroska", "mov"} {
				if format == "mpegts" && name == "ulaw.mkv" {
					continue
				}
				bothWays(t, ffmpeg.Spec{Input: source, Format: format}, func(t *testing.T, output string, r ffmpeg.Report, err error) {
					if err != nil || r.Dropped != nil || !slices.Equal(codecs(t, output), want) {
						t.Errorf("%v, left out %q, want %q: %v", codecs(t, output), r.Dropped, want, err)
					}
				})
			}
		})
	}
}

// TestPixelAspectFromTheField: the container's word counts.
func TestPixelAspectFromTheField(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"sar_container_h264.mp4": "64:45", "sar_conflict.mp4": "1:1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := fielded(t, name)
			for _, format := range []string{"mp4", "mov", "matroska", "mpegts"} {
				bothWays(t, ffmpeg.Spec{Input: source, Format: format}, func(t *testing.T, output string, r ffmpeg.Report, err error) {
					if err != nil || r.Dropped != nil || aspect(t, output) != want {
						t.Errorf("pixels of %s, left out %q, want %s: %v", aspect(t, output), r.Dropped, want, err)
					}
				})
			}
		})
	}
}

// TestContainerThatHoldsAll: where the first choice has no place for something, another
// container is taken if that is allowed.
func TestContainerThatHoldsAll(t *testing.T) {
	t.Parallel()
	source := testPattern(t, "a.mkv", "-c:a", "pcm_s16le")
	spec := ffmpeg.Spec{Input: source, Format: "mpegts", Otherwise: []string{"matroska", "mov"}}
	bothWays(t, spec, func(t *testing.T, output string, r ffmpeg.Report, err error) {
		if err != nil || r.Output.Format != "matroska" || r.Dropped != nil || codecs(t, output)[1] != "pcm_s16le" {
			t.Errorf("report is %+v: %v", r, err)
		}
	})
}

// TestSoundThatIsLost: the last sound is never left out unasked, and another language is
// no other form of what is kept.
func TestSoundThatIsLost(t *testing.T) {
	t.Parallel()
	make := func(args ...string) string {
		usual := "-f lavfi -i testsrc2=size=160x120:rate=25:duration=0.4 -f lavfi -i sine=duration=0.4 -map 0:v -c:v libx264"
		return judge.Make(t, "a.mkv", append(strings.Fields(usual), args...)...)
	}
	languages := []string{"-metadata:s:a:0", "language=fra", "-metadata:s:a:1", "language=deu"}
	two := []string{"-map", "1:a", "-map", "1:a", "-c:a:0", "aac", "-c:a:1", "pcm_s16le"}
	for _, c := range []struct {
		name    string
		source  string
		drop    bool
		refused string
		dropped string
		want    []string
	}{
		{"alone", make("-map", "1:a", "-c:a", "pcm_s16le"), false, "such as .mkv or .mov or .mp4, or allow its loss (--drop-streams)", "", nil},
		{"alone, allowed", make("-map", "1:a", "-c:a", "pcm_s16le"), true, "", "stream 1 (audio, pcm_s16le): mpegts can't hold it", []string{"h264"}},
		{"another form", make(two...), false, "", "stream 2 (audio, pcm_s16le): mpegts can't hold it (.mkv or .mov or .mp4 can); stream 1 is kept", []string{"h264", "aac"}},
		{"another language", make(append(two, languages...)...), false, "stream 2 (audio, pcm_s16le) can't be copied", "", nil},
		{"for other listeners", make(append(two, "-disposition:a:1", "visual_impaired")...), false, "stream 2 (audio, pcm_s16le) can't be copied", "", nil},
		{"another language, allowed", make(append(two, languages...)...), true, "", "stream 2", []string{"h264", "aac"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bothWays(t, ffmpeg.Spec{Input: c.source, Format: "mpegts", DropStreams: c.drop}, func(t *testing.T, output string, r ffmpeg.Report, err error) {
				switch {
				case c.refused != "":
					if codeOf(err) != ffmpeg.CodeUnsupported || !strings.Contains(err.Error(), c.refused) {
						t.Errorf("error is %v, want %q", err, c.refused)
					}
				case err != nil:
					t.Error(err)
				case len(r.Dropped) != 1 || !strings.HasPrefix(r.Dropped[0], c.dropped) || !slices.Equal(codecs(t, output), c.want):
					t.Errorf("%v, left out %q", codecs(t, output), r.Dropped)
				}
			})
		})
	}
}
