package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/fidelity"
	"github.com/mosaicd/mosaicd/internal/judge"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

// debian runs Debian's ffmpeg, which shares no code with ours, and returns what it printed.
func debian(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ffmpeg", append([]string{"-v", "error", "-nostdin", "-y"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg %q: %v: %s", args, err, out)
	}
	return string(out)
}

// copied has mosaicd cover nothing in a file, and copy it, and looks at both outputs.
func copied(t *testing.T, source, output string, flags []string, check func(t *testing.T, output string)) {
	t.Helper()
	for _, command := range [][]string{{"remux"}, {"mosaic", "--detector", "none", "--preset", "ultrafast"}} {
		t.Run(command[0]+" "+output, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), output)
			args := append(append(append([]string{}, command...), flags...), "--progress", "none", source, to)
			if code, _, stderr := call(t, nil, args...); code != exitDone || stderr != "" {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			check(t, to)
		})
	}
}

// TestSamplesOfSoundStay: sound that has to change its form for a container is the same
// when it is heard.
func TestSamplesOfSoundStay(t *testing.T) {
	t.Parallel()
	needFFmpeg(t)
	for _, c := range []struct{ file, codecs, outputs string }{
		{"a.vob", "-c:v mpeg2video -c:a pcm_dvd", "a.mkv a.mov a.mp4"},
		{"a.m2ts", "-c:v libx264 -bf 0 -c:a pcm_bluray", "a.mkv a.mov"},
		{"a.ts", "-c:v mpeg2video -c:a s302m -strict -2", "a.mkv a.mov"},
		{"a.avi", "-c:v mjpeg -pix_fmt yuvj420p -c:a adpcm_ms", "a.mkv a.mov"},
		{"b.avi", "-c:v mjpeg -pix_fmt yuvj420p -c:a adpcm_ima_wav", "a.mkv a.mov"},
	} {
		t.Run(c.codecs, func(t *testing.T) {
			t.Parallel()
			source := filepath.Join(t.TempDir(), c.file)
			const usual = "-f lavfi -i testsrc2=size=160x120:rate=25:duration=0.5 " +
				"-f lavfi -i sine=sample_rate=48000:duration=0.5 -ac 2 "
			debian(t, append(strings.Fields(usual+c.codecs), source)...)
			heard := func(path string) string { return debian(t, "-i", path, "-map", "0:a", "-f", "md5", "-") }
			want := heard(source)
			for _, output := range strings.Fields(c.outputs) {
				copied(t, source, output, nil, func(t *testing.T, output string) {
					if got := heard(output); got != want {
						t.Errorf("another sound is heard: %s, not %s", got, want)
					}
				})
			}
		})
	}
}

// TestTextSubtitlesAreConverted where somebody asks for that, with their times.
func TestTextSubtitlesAreConverted(t *testing.T) {
	t.Parallel()
	needFFmpeg(t)
	srt := filepath.Join(t.TempDir(), "a.srt")
	const text = "1\n00:00:00,200 --> 00:00:00,900\nFirst\n\n2\n00:00:01,100 --> 00:00:01,800\nSecond, and café\n\n"
	if err := os.WriteFile(srt, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, codec, output, becomes string }{
		{"a.mkv", "srt", "a.mp4", "mov_text"},
		{"a.mkv", "ass", "a.mov", "mov_text"},
		{"a.mkv", "webvtt", "a.mp4", "mov_text"},
		{"a.mp4", "mov_text", "a.mkv", "webvtt"},
	} {
		t.Run(c.codec, func(t *testing.T) {
			t.Parallel()
			source := filepath.Join(t.TempDir(), c.file)
			debian(t, "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=2", "-i", srt,
				"-c:v", "libx264", "-c:s", c.codec, "-metadata:s:s:0", "language=spa", source)
			// To the hundredth: ASS has no more.
			read := func(path string) string { return debian(t, "-i", path, "-map", "0:s", "-f", "ass", "-") }
			dialogue := func(ass string) string { _, lines, _ := strings.Cut(ass, "Dialogue:"); return lines }
			want := dialogue(read(source))
			unasked := filepath.Join(t.TempDir(), c.output)
			code, _, stderr := call(t, nil, "remux", "--progress", "none", source, unasked)
			if code != exitFailed || !strings.Contains(stderr, "--subtitles convert") {
				t.Errorf("unasked: exit code %d: %s", code, stderr)
			}
			copied(t, source, c.output, []string{"--subtitles", "convert"}, func(t *testing.T, output string) {
				if got := dialogue(read(output)); got != want || !strings.Contains(got, "café") {
					t.Errorf("it reads\n%s\nand not\n%s", got, want)
				}
				about, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "s",
					"-show_entries", "stream=codec_name:stream_tags=language", "-of", "csv=p=0", output).Output()
				if got := strings.TrimSpace(string(about)); err != nil || got != c.becomes+",spa" {
					t.Errorf("it is %s, want %s: %v", got, c.becomes, err)
				}
			})
		})
	}
}

// TestFormatsRead holds what docs/formats.md says is read against the code and the libav that
// is linked, and has the default routes take nothing else.
func TestFormatsRead(t *testing.T) {
	t.Parallel()
	containers, read := "| container | extensions | written, too |\n| --- | --- | --- |\n", []string{}
	for _, c := range libav.Containers() {
		var written []string
		for _, e := range c.Extensions {
			if ffmpeg.Formats[e] != "" {
				written = append(written, "`"+e+"`")
			}
		}
		containers += fmt.Sprintf("| %s | `%s` | %s |\n", c.Name, strings.Join(c.Extensions, "`, `"), strings.Join(written, ", "))
		read = append(read, c.Extensions...)
	}
	holdTable(t, "../../docs/formats.md", "TestFormatsRead", containers)
	for _, e := range slices.Sorted(maps.Keys(ffmpeg.Formats)) {
		if !slices.Contains(read, e) {
			t.Errorf("%s is written and not read", e)
		}
	}
	body, err := os.ReadFile("../../jobs/routes/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	table, err := routes.Parse("default.yaml", body)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range table.Routes {
		for _, e := range r.Match.Suffixes {
			if !slices.Contains(read, e) {
				t.Errorf("the default routes take %s, which is not read", e)
			}
		}
	}
	codecs := "| codec | |\n| --- | --- |\n"
	var names []string
	for _, c := range libav.VideoCodecs() {
		names = append(names, fmt.Sprintf("| `%s` | %s |\n", c.Name, c.Long))
	}
	slices.Sort(names)
	holdTable(t, "../../docs/formats.md", "TestFormatsRead: video", codecs+strings.Join(slices.Compact(names), ""))
}

// TestFormatsWritten holds what docs/formats.md says of sound and subtitles against what
// becomes of each in each container.
func TestFormatsWritten(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	needFFmpeg(t)
	own, err := judge.Path()
	if err != nil {
		t.Fatal(err)
	}
	kinds := []struct{ what, make string }{
		{"AAC", "a.mkv"}, {"AAC in LATM", "-f mpegts -mpegts_flags latm a.ts"}, {"MP2", "-c:a mp2 a.mkv"}, {"MP3", "-c:a libmp3lame a.mkv"},
		{"AC-3", "-c:a ac3 a.mkv"}, {"E-AC-3", "-c:a eac3 a.mkv"}, {"DTS", "-c:a dca -strict -2 a.mkv"}, {"TrueHD", "-c:a truehd -strict -2 a.ts"},
		{"Opus", "-c:a libopus a.mkv"}, {"Vorbis", "-c:a libvorbis a.mkv"}, {"FLAC", "-c:a flac a.mkv"}, {"ALAC", "-c:a alac a.mov"},
		{"WavPack", "-c:a wavpack a.mkv"}, {"Speex", "-c:a libspeex -ar 16000 a.mkv"}, {"WMA 2", "-c:a wmav2 a.mkv"},
		{"PCM of 16 bits", "-c:a pcm_s16le a.mov"}, {"PCM of 24 bits", "-c:a pcm_s24le a.mov"}, {"PCM of 32 bits", "-c:a pcm_s32le a.mov"}, {"PCM, floating-point", "-c:a pcm_f32le a.mov"},
		{"PCM of DVD", "-c:v mpeg2video -c:a pcm_dvd -f vob a.vob"}, {"PCM of Blu-ray", "-ac 2 -c:a pcm_bluray a.m2ts"}, {"AES3 (SMPTE 302M)", "-ac 2 -c:a s302m -strict -2 a.ts"},
		{"G.711, µ-law", "-c:a pcm_mulaw -ar 8000 a.mkv"}, {"G.711, A-law", "-c:a pcm_alaw -ar 8000 a.mkv"}, {"G.726", "-c:a g726 -ar 8000 a.mkv"},
		{"ADPCM (IMA), WAV's", "-c:a adpcm_ima_wav a.mkv"}, {"ADPCM (IMA), QuickTime's", "-c:a adpcm_ima_qt a.mov"}, {"ADPCM, Microsoft's", "-c:a adpcm_ms a.mkv"},
		{"SubRip", "-i {texts} -map 0:v -map 2:s -c:s srt a.mkv"}, {"ASS", "-i {texts} -map 0:v -map 2:s -c:s ass a.mkv"},
		{"WebVTT", "-i {texts} -map 0:v -map 2:s -c:s webvtt a.mkv"}, {"mov_text", "-i {texts} -map 0:v -map 2:s -c:s mov_text a.mp4"},
		{"PGS", "-i {bitmaps} -map 0:v -map 2:s -c:s copy a.mkv"}, {"DVB subtitles", "-i {bitmaps} -map 0:v -map 2:s -c:s dvbsub a.ts"},
		{"DVD subtitles", "-i {bitmaps} -map 0:v -map 2:s -c:s dvdsub a.mkv"},
	}
	rows := make([]string, len(kinds))
	t.Run("all", func(t *testing.T) {
		for i, k := range kinds {
			t.Run(k.what, func(t *testing.T) {
				t.Parallel()
				source, err := fidelity.Case{Make: []string{k.make}}.Written(t.TempDir(), own)
				if err != nil {
					t.Fatal(err)
				}
				codec := func(path string) string {
					f := read(t, path)
					return f.Streams[len(f.Streams)-1].Codec
				}
				was := codec(source)
				row := fmt.Sprintf("| %s (`%s`) |", k.what, was)
				for _, extension := range []string{".mp4", ".mov", ".mkv", ".ts"} {
					output := filepath.Join(t.TempDir(), "a"+extension)
					cell := "–"
					code, _, stderr := call(t, nil, "remux", "--subtitles", "convert", "--progress", "none", source, output)
					if code == exitDone && stderr == "" {
						if cell = "kept"; codec(output) != was {
							cell = "as `" + codec(output) + "`"
						}
					} else if code != exitFailed || !strings.Contains(stderr, "can't be copied") {
						t.Errorf("into %s: exit code %d: %s", extension, code, stderr)
					}
					row += " " + cell + " |"
				}
				rows[i] = row + "\n"
			})
		}
	})
	if t.Failed() || slices.Contains(rows, "") {
		return
	}
	const head = "| | MP4 | MOV | Matroska | MPEG-TS |\n| --- | --- | --- | --- | --- |\n"
	holdTable(t, "../../docs/formats.md", "TestFormatsWritten", head+strings.Join(rows, ""))
}
