package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/internal/judge"
	"github.com/mosaicd/mosaicd/jobs"
)

// recording cuts a video into an HLS recording, and returns its playlist.
func recording(t *testing.T, source, kind string) string {
	t.Helper()
	folder := t.TempDir()
	playlist := filepath.Join(folder, "index.m3u8")
	judge.FFmpeg(t, "-y", "-i", source, "-map", "0", "-c", "copy", "-f", "hls", "-hls_time", "0.5", "-hls_playlist_type", "vod",
		"-hls_segment_type", kind, "-hls_segment_filename", filepath.Join(folder, "part %d.bin"), playlist)
	return playlist
}

// same says what of the sound and the pictures is not as in the source.
func same(t *testing.T, source, output string) {
	t.Helper()
	if got, want := judge.Packets(t, output, "0:a"), judge.Packets(t, source, "0:a"); !slices.Equal(judge.Hashes(got), judge.Hashes(want)) {
		t.Errorf("%d packets of sound, want the %d of the source", len(got), len(want))
	}
	if got, want := judge.Frames(t, output), judge.Frames(t, source); !slices.Equal(judge.Hashes(got), judge.Hashes(want)) {
		t.Errorf("%d frames, want the %d of the source", len(got), len(want))
	}
}

func TestRemuxCommand(t *testing.T) {
	t.Parallel()
	skipWithRace(t)
	source := video(t, shortScene)
	ts := judge.Make(t, "in.ts", "-i", source, "-map", "0", "-c", "copy")
	inTS, fragmented := recording(t, source, "mpegts"), recording(t, source, "fmp4")
	for _, tt := range []struct{ name, source, output string }{
		{"TS", ts, "out.mp4"}, {"TS to Matroska", ts, "out.mkv"}, {"recording in TS", inTS, "out.mp4"},
		{"recording in fMP4", fragmented, "out.mp4"}, {"folder", filepath.Dir(fragmented), "out.mov"},
	} {
		folder := t.TempDir()
		output := filepath.Join(folder, tt.output)
		code, out, stderr := call(t, nil, "remux", tt.source, output)
		if code != exitDone || !strings.Contains(out, "25 frames") {
			t.Errorf("%s: exit code %d\n%s%s", tt.name, code, out, stderr)
			continue
		}
		same(t, source, output)
		if left, _ := os.ReadDir(folder); len(left) != 1 {
			t.Errorf("%s: it left %v", tt.name, left)
		}
	}

	covered := filepath.Join(t.TempDir(), "covered.mp4")
	if code, out, stderr := call(t, nil, "mosaic", "--preset", "ultrafast", inTS, covered); code != exitDone || !strings.Contains(out, "25 frames, 25 of them covered") {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}

	secret := write(t, "secret.ts", "not yours")
	elsewhere := write(t, "index.m3u8", "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\nlink.ts\n#EXT-X-ENDLIST\n")
	if err := os.Symlink(secret, filepath.Join(filepath.Dir(elsewhere), "link.ts")); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out.mp4")
	for _, tt := range []struct {
		source string
		code   int
		says   string
	}{
		{elsewhere, exitFailed, "segment link.ts: "},
		{write(t, "a.m3u8", "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\n../a.ts\n#EXT-X-ENDLIST\n"), exitFailed, "leads elsewhere"},
		{write(t, "a.m3u8", "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\na.ts\n"), exitFailed, "has no EXT-X-ENDLIST"},
		{t.TempDir(), exitUsage, "is a folder without a playlist"},
		{filepath.Join(t.TempDir(), "nothing.m3u8"), exitFailed, "no such file"},
		{filepath.Join(t.TempDir(), "nothing.ts"), exitFailed, "no such file"},
	} {
		if code, _, stderr := call(t, nil, "remux", tt.source, out); code != tt.code || !strings.Contains(stderr, tt.says) {
			t.Errorf("%s: exit code %d, %s", tt.source, code, stderr)
		}
	}
}

// TestDaemonJoinsRecordings has a live recording arrive as it does: segment by
// segment, with its playlist written again and again until it ends.
func TestDaemonJoinsRecordings(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.environ = append(c.environ, "MOSAICD_ROUTES={version: 1, routes: [{name: live, match: {prefix: live/, suffix: .m3u8}, steps: [remux, mosaic]}]}")
	source := video(t, shortScene)
	d := c.daemon("--preset", "ultrafast")
	for _, kind := range []string{"mpegts", "fmp4"} {
		playlist := recording(t, source, kind)
		files, err := os.ReadDir(filepath.Dir(playlist))
		if err != nil {
			t.Fatal(err)
		}
		body, err := os.ReadFile(playlist)
		if err != nil {
			t.Fatal(err)
		}
		before := len(d.lines(t, "object_ignored"))
		for _, f := range files {
			if f.Name() != "index.m3u8" {
				c.put("live/"+kind+"/"+f.Name(), filepath.Join(filepath.Dir(playlist), f.Name()))
			}
		}
		c.put("live/"+kind+"/index.m3u8", write(t, "open.m3u8", string(bytes.ReplaceAll(body, []byte("#EXT-X-ENDLIST\n"), nil))))
		until(t, "the open playlist to be ignored", func() bool {
			return slices.ContainsFunc(d.lines(t, "object_ignored")[before:], func(l map[string]any) bool {
				return l["reason"] == "the recording goes on: its playlist has no EXT-X-ENDLIST"
			})
		})
		c.put("live/"+kind+"/index.m3u8", playlist)
		remuxed, covered := c.result(), c.result()
		if remuxed.Status != jobs.StatusSucceeded || remuxed.Outputs[0].URI != "s3://results/remux/live/"+kind+"/index.m3u8.mp4" {
			t.Fatalf("%s: %+v, %+v", kind, remuxed, remuxed.Error)
		}
		same(t, source, c.get(remuxed.Outputs[0].URI))
		if covered.Status != jobs.StatusSucceeded || covered.Stats.Frames != 25 {
			t.Errorf("%s: %+v, %+v", kind, covered, covered.Error)
		}
	}
	// A key is no path: two slashes are not one.
	playlist := recording(t, source, "mpegts")
	parts, err := filepath.Glob(filepath.Join(filepath.Dir(playlist), "*.bin"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range append(parts, playlist) {
		c.put("live/a//"+filepath.Base(part), part)
	}
	if r := c.result(); r.Status != jobs.StatusSucceeded {
		t.Errorf("%+v, %+v", r, r.Error)
	}
	c.result()
	// One whose segment is gone fails, and says which.
	c.put("live/gone/index.m3u8", write(t, "gone.m3u8", "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\ngone.ts\n#EXT-X-ENDLIST\n"))
	if r := c.result(); r.Status != jobs.StatusFailed || r.Error.Code != "source_gone" || !strings.Contains(r.Error.Message, "live/gone/gone.ts") {
		t.Errorf("%+v, %+v", r, r.Error)
	}
	stop(t, d)
}
