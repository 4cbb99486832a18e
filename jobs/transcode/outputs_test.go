package transcode_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/transcode"
)

// lines writes each output as its kind, its URI and, after a bar, its prefix
// where that is another.
func lines(outputs []transcode.Output) []string {
	var found []string
	for _, o := range outputs {
		line := o.Kind + " " + o.URI
		if o.Prefix != o.URI {
			line += " | " + o.Prefix
		}
		found = append(found, line)
	}
	return found
}

func detail(paths ...string) event.OutputDetail { return event.OutputDetail{Paths: paths} }

func TestOutputs(t *testing.T) {
	t.Parallel()
	var (
		hls = transcode.Group{
			Type: "HLS_GROUP", Base: "s3://r/h/clip", Playlists: []string{".m3u8"},
			Outputs: []transcode.PlannedOutput{{Modifier: "_high", Extension: ".m3u8"}, {Modifier: "_low", Extension: ".m3u8"}},
		}
		cmaf = transcode.Group{
			Type: "CMAF_GROUP", Base: "s3://r/c/clip", Playlists: []string{".m3u8", ".mpd"},
			Outputs: []transcode.PlannedOutput{{Modifier: "_720", Extension: ".m3u8"}, {Modifier: "_aac", Extension: ".m3u8", AudioOnly: true}},
		}
		dash = transcode.Group{
			Type: "DASH_ISO_GROUP", Base: "s3://r/d/clip", Playlists: []string{".mpd"},
			Outputs: []transcode.PlannedOutput{{Modifier: "_720", Extension: "init.mp4"}},
		}
		later = transcode.Group{
			Type: "DASH_ISO_GROUP", Base: "s3://r/$dt$/clip", Playlists: []string{".mpd"},
			Outputs: []transcode.PlannedOutput{{Modifier: "_720", Extension: "init.mp4"}, {Modifier: "_$h$", Extension: "init.mp4"}},
		}
		smooth = transcode.Group{
			Type: "MS_SMOOTH_GROUP", Base: "s3://r/s/clip", Playlists: []string{".ism"},
			Outputs: []transcode.PlannedOutput{{Modifier: "_1", Extension: ".ismv"}},
		}
		file   = transcode.Group{Name: "MP4", Type: "FILE_GROUP", Base: "s3://r/f/clip", Outputs: []transcode.PlannedOutput{{Modifier: "_a", Extension: ".mp4"}}}
		frames = transcode.Group{
			Type: "FILE_GROUP", Base: "s3://r/t/clip",
			Outputs: []transcode.PlannedOutput{{Modifier: "_thumb", Extension: ".jpg", Thumbnails: true}},
		}
		preset = transcode.Group{Type: "FILE_GROUP", Base: "s3://r/p/clip", Outputs: []transcode.PlannedOutput{{Modifier: "_p"}}}
		alone  = transcode.Group{
			Type: "HLS_GROUP", Base: "s3://r/h/clip", Playlists: []string{".m3u8"},
			Outputs: []transcode.PlannedOutput{{Extension: ".m3u8"}},
		}
	)
	for name, c := range map[string]struct {
		reported []event.OutputGroup
		planned  []transcode.Group
		want     []string
	}{
		"HLS": {
			[]event.OutputGroup{{Type: "HLS_GROUP", Playlists: []string{"s3://r/h/clip.m3u8"}, Outputs: []event.OutputDetail{detail("s3://r/h/clip_high.m3u8"), detail("s3://r/h/clip_low.m3u8")}}},
			[]transcode.Group{hls},
			[]string{"playlist s3://r/h/clip.m3u8", "rendition s3://r/h/clip_high.m3u8 | s3://r/h/clip_high", "rendition s3://r/h/clip_low.m3u8 | s3://r/h/clip_low"},
		},
		"HLS without plan": {
			[]event.OutputGroup{{Type: "HLS_GROUP", Playlists: []string{"s3://r/h/clip.m3u8"}, Outputs: []event.OutputDetail{detail("s3://r/h/clip_high.m3u8"), {}}}},
			nil,
			[]string{"playlist s3://r/h/clip.m3u8", "rendition s3://r/h/clip_high.m3u8 | s3://r/h/clip_high"},
		},
		"HLS of which the event names nothing": {
			[]event.OutputGroup{{Type: "HLS_GROUP", Outputs: make([]event.OutputDetail, 2)}},
			[]transcode.Group{hls},
			[]string{"playlist s3://r/h/clip.m3u8", "rendition s3://r/h/clip_high.m3u8 | s3://r/h/clip_high", "rendition s3://r/h/clip_low.m3u8 | s3://r/h/clip_low"},
		},
		"HLS with one rendition left out": {
			[]event.OutputGroup{{Type: "HLS_GROUP", Playlists: []string{"s3://r/h/clip.m3u8"}, Outputs: []event.OutputDetail{detail("s3://r/h/clip_high.m3u8")}}},
			[]transcode.Group{hls},
			[]string{"playlist s3://r/h/clip.m3u8", "rendition s3://r/h/clip_high.m3u8 | s3://r/h/clip_high", "rendition s3://r/h/clip_low.m3u8 | s3://r/h/clip_low"},
		},
		"HLS of one output without modifier": {
			nil, []transcode.Group{alone}, []string{"playlist s3://r/h/clip.m3u8"},
		},
		"CMAF in any order": {
			[]event.OutputGroup{{Type: "CMAF_GROUP", Playlists: []string{"s3://r/c/clip.mpd", "s3://r/c/clip.m3u8"}, Outputs: make([]event.OutputDetail, 2)}},
			[]transcode.Group{cmaf},
			[]string{"playlist s3://r/c/clip.mpd", "playlist s3://r/c/clip.m3u8", "rendition s3://r/c/clip_720.m3u8 | s3://r/c/clip_720", "rendition s3://r/c/clip_aac.m3u8 | s3://r/c/clip_aac"},
		},
		"DASH": {
			[]event.OutputGroup{{Type: "DASH_ISO_GROUP", Playlists: []string{"s3://r/d/clip.mpd"}, Outputs: make([]event.OutputDetail, 1)}},
			[]transcode.Group{dash},
			[]string{"playlist s3://r/d/clip.mpd", "rendition s3://r/d/clip_720init.mp4 | s3://r/d/clip_720"},
		},
		"DASH with tokens": {
			[]event.OutputGroup{{Type: "DASH_ISO_GROUP", Playlists: []string{"s3://r/20260102T030405/clip.mpd"}, Outputs: make([]event.OutputDetail, 2)}},
			[]transcode.Group{later},
			[]string{"playlist s3://r/20260102T030405/clip.mpd", "rendition s3://r/20260102T030405/clip_720init.mp4 | s3://r/20260102T030405/clip_720"},
		},
		"DASH with tokens, not reported": {nil, []transcode.Group{later}, nil},
		"Smooth": {
			[]event.OutputGroup{{Type: "MS_SMOOTH_GROUP", Playlists: []string{"s3://r/s/clip.ism"}, Outputs: []event.OutputDetail{detail("s3://r/s/clip_1.ismv")}}},
			[]transcode.Group{smooth},
			[]string{"playlist s3://r/s/clip.ism", "rendition s3://r/s/clip_1.ismv | s3://r/s/clip_1"},
		},
		"several of one type": {
			[]event.OutputGroup{
				{Type: "FILE_GROUP", Outputs: []event.OutputDetail{detail("s3://r/f/clip_a.mp4")}},
				{Type: "DASH_ISO_GROUP", Playlists: []string{"s3://r/d/clip.mpd"}},
				{Type: "FILE_GROUP", Outputs: []event.OutputDetail{detail("s3://r/t/clip_thumb.0000002.jpg")}},
			},
			[]transcode.Group{file, frames, dash},
			[]string{
				"file s3://r/f/clip_a.mp4", "playlist s3://r/d/clip.mpd", "rendition s3://r/d/clip_720init.mp4 | s3://r/d/clip_720",
				"thumbnail s3://r/t/clip_thumb.0000000.jpg | s3://r/t/clip_thumb.", "thumbnail s3://r/t/clip_thumb.0000001.jpg | s3://r/t/clip_thumb.",
				"thumbnail s3://r/t/clip_thumb.0000002.jpg | s3://r/t/clip_thumb.",
			},
		},
		"accelerated files": {
			[]event.OutputGroup{{Type: "FILE_GROUP", Outputs: make([]event.OutputDetail, 1)}, {Type: "FILE_GROUP", Outputs: make([]event.OutputDetail, 1)}, {Type: "FILE_GROUP", Outputs: make([]event.OutputDetail, 1)}},
			[]transcode.Group{file, frames, preset},
			[]string{"file s3://r/f/clip_a.mp4", "thumbnail s3://r/t/clip_thumb.0000000.jpg | s3://r/t/clip_thumb."},
		},
		"too many frames to name": {
			[]event.OutputGroup{{Type: "FILE_GROUP", Outputs: []event.OutputDetail{detail("s3://r/t/clip.9999999.jpg")}}}, nil,
			[]string{"thumbnail s3://r/t/clip.9999999.jpg | s3://r/t/clip."},
		},
		"new type": {
			[]event.OutputGroup{{Type: "HOLOGRAM_GROUP", Playlists: []string{"s3://r/x.holo"}, Outputs: []event.OutputDetail{detail("s3://r/x_1.bin", "s3://r/x_2.bin")}}}, nil,
			[]string{"playlist s3://r/x.holo", "file s3://r/x_1.bin", "file s3://r/x_2.bin"},
		},
		"nothing": {nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outputs := transcode.Outputs(c.reported, c.planned)
			if got := lines(outputs); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			if outputs == nil {
				t.Error("nil: in JSON null")
			}
		})
	}
}

func TestOutputsSayWhatTheEventSays(t *testing.T) {
	t.Parallel()
	got := transcode.Outputs(
		[]event.OutputGroup{{Type: "CMAF_GROUP", Playlists: []string{"s3://r/c.m3u8"}, Outputs: []event.OutputDetail{
			{Duration: 180041 * time.Millisecond, Width: 1280, Height: 720, AverageBitrate: 2_500_000, Quality: 7.38},
			{Duration: 180041 * time.Millisecond},
			{},
		}}},
		[]transcode.Group{{Name: "Web", Type: "CMAF_GROUP", Base: "s3://r/c", Outputs: []transcode.PlannedOutput{
			{Modifier: "_v", Extension: ".m3u8"},
			{Modifier: "_a", Extension: "init.cmfa", AudioOnly: true},
			{Modifier: "_w", Extension: "init.mp4", Width: 640, Height: 360},
		}}},
	)
	const m3u8 = "application/vnd.apple.mpegurl"
	want := []transcode.Output{
		{URI: "s3://r/c.m3u8", Kind: "playlist", Group: "Web", MediaType: m3u8, Prefix: "s3://r/c.m3u8"},
		{
			URI: "s3://r/c_v.m3u8", Kind: "rendition", Group: "Web", MediaType: m3u8, Prefix: "s3://r/c_v",
			DurationSeconds: 180.041, Width: 1280, Height: 720, AverageBitrate: 2_500_000, Quality: 7.38,
		},
		{URI: "s3://r/c_ainit.cmfa", Kind: "rendition", Group: "Web", MediaType: "audio/mp4", Prefix: "s3://r/c_a", DurationSeconds: 180.041},
		{URI: "s3://r/c_winit.mp4", Kind: "rendition", Group: "Web", MediaType: "video/mp4", Prefix: "s3://r/c_w", Width: 640, Height: 360},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", dump(got), dump(want))
	}
	unnamed := transcode.Outputs([]event.OutputGroup{{Type: "FILE_GROUP", Outputs: []event.OutputDetail{detail("s3://r/a.MOV")}}}, nil)
	if unnamed[0].Group != "file_group" || unnamed[0].MediaType != "video/quicktime" {
		t.Errorf("got %s", dump(unnamed))
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	frames := func(n int) []event.OutputDetail {
		return []event.OutputDetail{detail(fmt.Sprintf("s3://r/clip_t.%07d.jpg", n))}
	}
	outputs := transcode.Outputs([]event.OutputGroup{
		{Type: "HLS_GROUP", Playlists: []string{"s3://r/clip.m3u8"}, Outputs: []event.OutputDetail{detail("s3://r/clip_high.m3u8"), detail("s3://r/clip_high2.m3u8")}},
		{Type: "FILE_GROUP", Outputs: []event.OutputDetail{detail("s3://r/clip.mp4")}},
		{Type: "FILE_GROUP", Outputs: frames(4)},
		{Type: "FILE_GROUP", Outputs: []event.OutputDetail{detail("s3://r/other_t.0000001.jpg")}},
	}, nil)
	if got, want := transcode.Prefixes(outputs), []string{"s3://r/clip.m3u8", "s3://r/clip.mp4", "s3://r/clip_high", "s3://r/clip_t.", "s3://r/other_t."}; !reflect.DeepEqual(got, want) {
		t.Errorf("prefixes %q, want %q", got, want)
	}
	measured := transcode.Measure(outputs, map[string]int64{
		"s3://r/clip.m3u8": 1, "s3://r/clip.mp4": 1000, "s3://r/clip.mp4.csv": 5,
		"s3://r/clip_high.m3u8": 2, "s3://r/clip_high_00001.ts": 20, "s3://r/clip_high_00002.ts": 200,
		"s3://r/clip_high2.m3u8": 3, "s3://r/clip_high2_00001.ts": 30,
		"s3://r/clip_t.0000003.jpg": 7, "s3://r/clip_t.0000001.jpg": 8, "s3://r/clip_t.0000002.png": 9, "s3://r/clip_t.x/y.0000009.jpg": 9,
		"s3://r/someone_elses.mp4": 10_000,
	})
	var got []string
	for _, o := range measured {
		got = append(got, fmt.Sprint(o.URI, " ", o.Bytes))
	}
	want := []string{
		"s3://r/clip.m3u8 1", "s3://r/clip_high.m3u8 222", "s3://r/clip_high2.m3u8 33", "s3://r/clip.mp4 1000",
		"s3://r/clip_t.0000001.jpg 8", "s3://r/clip_t.0000003.jpg 7",
		"s3://r/other_t.0000000.jpg 0", "s3://r/other_t.0000001.jpg 0",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Where the bucket may not be listed, nothing is lost.
func TestMeasureNothing(t *testing.T) {
	t.Parallel()
	outputs := transcode.Outputs([]event.OutputGroup{{Type: "FILE_GROUP", Outputs: []event.OutputDetail{
		detail("s3://r/a_t.0000002.jpg"), detail("s3://r/a.mp4"),
	}}}, nil)
	if got := transcode.Measure(outputs, nil); !reflect.DeepEqual(got, outputs) || len(got) != 4 {
		t.Errorf("got %s", dump(got))
	}
	if got := transcode.Prefixes(nil); got != nil {
		t.Errorf("got %q", got)
	}
}
