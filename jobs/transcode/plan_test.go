package transcode_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"github.com/mosaicd/mosaicd/jobs/transcode"
)

func TestPlanExtensions(t *testing.T) {
	t.Parallel()
	const (
		sound    = `"AudioDescriptions":[{"CodecSettings":{"Codec":"AAC"}}]`
		captions = `"CaptionDescriptions":[{"DestinationSettings":{"DestinationType":"WEBVTT"}}]`
	)
	video := func(codec string) string { return `"VideoDescription":{"CodecSettings":{"Codec":"` + codec + `"}}` }
	in := func(container string) string { return `"ContainerSettings":{"Container":"` + container + `"},` }
	const (
		file = `"Type":"FILE_GROUP_SETTINGS"`
		dash = `"Type":"DASH_ISO_GROUP_SETTINGS"`
		cmaf = `"Type":"CMAF_GROUP_SETTINGS"`
		bare = cmaf + `,"CmafGroupSettings":{"WriteHlsManifest":"DISABLED"`
	)
	for name, c := range map[string]struct{ group, output, want string }{
		"MP4":                    {file, in("MP4") + video("H_264"), ".mp4"},
		"MOV":                    {file, in("MOV") + video("PRORES"), ".mov"},
		"transport stream":       {file, in("M2TS") + video("H_264"), ".m2ts"},
		"MXF":                    {file, in("MXF") + video("XAVC"), ".mxf"},
		"WebM":                   {file, in("WEBM") + video("VP9"), ".webm"},
		"GIF":                    {file, in("GIF") + video("GIF"), ".gif"},
		"Ogg":                    {file, in("OGG") + sound, ".ogg"},
		"own":                    {file, `"Extension":"m4v",` + in("MP4") + video("H_264"), ".m4v"},
		"own with dot":           {file, `"Extension":".m4v",` + in("MP4") + video("H_264"), ".m4v"},
		"frames":                 {file, in("RAW") + video("FRAME_CAPTURE"), ".jpg"},
		"raw H.264":              {file, in("RAW") + video("H_264"), ".h264"},
		"raw AAC":                {file, in("RAW") + sound, ".aac"},
		"raw captions":           {file, in("RAW") + captions, ".vtt"},
		"preset":                 {file, `"Preset":"System-Generic_Hd_Mp4_Avc_Aac"`, ""},
		"HLS with preset":        {`"Type":"HLS_GROUP_SETTINGS"`, `"Preset":"p"`, ".m3u8"},
		"DASH":                   {dash, in("MPD") + video("H_264"), "init.mp4"},
		"DASH, one file":         {dash + `,"DashIsoGroupSettings":{"SegmentControl":"SINGLE_FILE"}`, in("MPD") + sound, ".mp4"},
		"DASH captions":          {dash, in("MPD") + captions, ""},
		"CMAF":                   {cmaf, in("CMFC") + sound, ".m3u8"},
		"CMAF without HLS":       {bare + `}`, in("CMFC") + video("H_264"), "init.cmfv"},
		"CMAF sound without HLS": {bare + `}`, in("CMFC") + sound, "init.cmfa"},
		"CMAF, one file":         {bare + `,"SegmentControl":"SINGLE_FILE"}`, in("CMFC") + video("H_265"), ".cmfv"},
		"Smooth":                 {`"Type":"MS_SMOOTH_GROUP_SETTINGS"`, in("ISMV") + video("H_264"), ".ismv"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A second group, as frames alone are refused.
			body := `{"OutputGroups":[{"OutputGroupSettings":{` + c.group + `},"Outputs":[{` + c.output + `}]},
				{"OutputGroupSettings":{"Type":"FILE_GROUP_SETTINGS"},"Outputs":[{}]}]}`
			groups := transcode.Plan(settings(t, parse(t, "a", body), toResults))
			if got := groups[0].Outputs[0].Extension; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPlanNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ input, destination, modifier, base, expanded string }{
		"folder":         {"s3://u/a/b.c.mp4", "s3://r/x/", "_m", "s3://r/x/b.c", "_m"},
		"base":           {"s3://u/a/b.mp4", "s3://r/x/main", "_m", "s3://r/x/main", "_m"},
		"name":           {"s3://u/a/b.mp4", "s3://r/$fn$/$fn$_x", "_$fn$", "s3://r/b/b_x", "_b"},
		"time":           {"s3://u/a/b.mp4", "s3://r/$dt$/", "_$h$p", "s3://r/$dt$/b", "_$h$p"},
		"no extension":   {"s3://u/b", "s3://r/", "", "s3://r/b", ""},
		"dot in folders": {"s3://u/a.d/b", "s3://r/", "", "s3://r/b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &types.JobSettings{
				Inputs: []types.Input{{FileInput: &c.input}},
				OutputGroups: []types.OutputGroup{{
					OutputGroupSettings: &types.OutputGroupSettings{
						Type: types.OutputGroupTypeFileGroupSettings, FileGroupSettings: &types.FileGroupSettings{Destination: &c.destination},
					},
					Outputs: []types.Output{{NameModifier: &c.modifier}},
				}},
			}
			g := transcode.Plan(s)[0]
			if g.Base != c.base || g.Outputs[0].Modifier != c.expanded {
				t.Errorf("got %q and %q", g.Base, g.Outputs[0].Modifier)
			}
		})
	}
}

func TestPlanOfAnything(t *testing.T) {
	t.Parallel()
	if got := transcode.Plan(nil); got != nil {
		t.Errorf("plan of nothing: %v", got)
	}
	s := &types.JobSettings{OutputGroups: []types.OutputGroup{
		{},
		{OutputGroupSettings: &types.OutputGroupSettings{Type: "LATER_GROUP_SETTINGS"}, Outputs: []types.Output{{}}},
		{
			OutputGroupSettings:       &types.OutputGroupSettings{Type: types.OutputGroupTypeHlsGroupSettings},
			AutomatedEncodingSettings: &types.AutomatedEncodingSettings{}, Outputs: []types.Output{{}},
		},
	}}
	want := []transcode.Group{
		{}, {Type: "LATER_GROUP", Outputs: []transcode.PlannedOutput{{}}}, {Type: "HLS_GROUP", Playlists: []string{".m3u8"}},
	}
	if got := transcode.Plan(s); !reflect.DeepEqual(got, want) {
		t.Errorf("got %s", dump(got))
	}
	if s.OutputGroups[2].OutputGroupSettings.HlsGroupSettings != nil {
		t.Error("Plan changed the settings")
	}
}

func TestPlanPlaylists(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		group string
		want  []string
	}{
		"HLS segments":  {`"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{"OutputSelection":"SEGMENTS_ONLY"}`, nil},
		"HLS more":      {`"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{"AdditionalManifests":[{"ManifestNameModifier":"_sd"}]}`, []string{".m3u8", "_sd.m3u8"}},
		"DASH more":     {`"Type":"DASH_ISO_GROUP_SETTINGS","DashIsoGroupSettings":{"AdditionalManifests":[{"ManifestNameModifier":"_sd"}]}`, []string{".mpd", "_sd.mpd"}},
		"Smooth more":   {`"Type":"MS_SMOOTH_GROUP_SETTINGS","MsSmoothGroupSettings":{"AdditionalManifests":[{"ManifestNameModifier":"_sd"}]}`, []string{".ism", "_sd.ism"}},
		"CMAF more":     {`"Type":"CMAF_GROUP_SETTINGS","CmafGroupSettings":{"AdditionalManifests":[{"ManifestNameModifier":"_sd"}]}`, []string{".m3u8", ".mpd", "_sd.m3u8", "_sd.mpd"}},
		"CMAF for DASH": {`"Type":"CMAF_GROUP_SETTINGS","CmafGroupSettings":{"WriteHlsManifest":"DISABLED"}`, []string{".mpd"}},
		"CMAF for HLS":  {`"Type":"CMAF_GROUP_SETTINGS","CmafGroupSettings":{"WriteDashManifest":"DISABLED"}`, []string{".m3u8"}},
		"files":         {`"Type":"FILE_GROUP_SETTINGS"`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := parse(t, "a", `{"OutputGroups":[{"OutputGroupSettings":{`+c.group+`},"Outputs":[{}]}]}`)
			if got := transcode.Plan(settings(t, d, toResults))[0].Playlists; !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPlanSizes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		video         string
		width, height int
	}{
		"both":     {`"Width":640,"Height":360`, 640, 360},
		"one":      {`"Height":360`, 0, 0},
		"neither":  {``, 0, 0},
		"to fit":   {`"Width":640,"Height":360,"ScalingBehavior":"FIT"`, 0, 0},
		"at most":  {`"Width":640,"Height":360,"ScalingBehavior":"FIT_NO_UPSCALE"`, 0, 0},
		"stretch":  {`"Width":640,"Height":360,"ScalingBehavior":"STRETCH_TO_OUTPUT"`, 640, 360},
		"to cover": {`"Width":640,"Height":360,"ScalingBehavior":"FILL"`, 640, 360},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := parse(t, "a", `{"OutputGroups":[{"OutputGroupSettings":{"Type":"HLS_GROUP_SETTINGS"},"Outputs":[{"VideoDescription":{`+c.video+`}}]}]}`)
			if got := transcode.Plan(settings(t, d, toResults))[0].Outputs[0]; got.Width != c.width || got.Height != c.height {
				t.Errorf("got %d x %d", got.Width, got.Height)
			}
		})
	}
}

// Plans are kept as JSON while a job runs.
func TestPlanAsJSON(t *testing.T) {
	t.Parallel()
	want := transcode.Plan(settings(t, transcode.BuiltIn(), toResults))
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got []transcode.Group
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || len(want[0].Outputs) != 3 {
		t.Errorf("got %s", text)
	}
}
