package transcode_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/transcode"
)

// shared reads a job file of the folder beside the checkout.
func shared(t testing.TB, name string) *transcode.Document {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "jobs", name)
	body, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("no job files in %s", filepath.Dir(path))
	}
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, name, string(body))
}

func parse(t testing.TB, name, body string) *transcode.Document {
	t.Helper()
	d, err := transcode.Parse(name, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func settings(t testing.TB, d *transcode.Document, r transcode.Rewrite) *types.JobSettings {
	t.Helper()
	in, err := d.Job(r)
	if err != nil {
		t.Fatal(err)
	}
	return in.Settings
}

func TestJobsOfSharedFiles(t *testing.T) {
	t.Parallel()
	r := transcode.Rewrite{Input: "s3://uploads/holiday/beach.mov", Destination: "s3://results/beach/x/"}
	for name, want := range map[string][]transcode.Group{
		"hls-3.json": {{
			Name: "HLS", Type: "HLS_GROUP", Base: "s3://results/beach/x/beach", Playlists: []string{".m3u8"},
			Outputs: []transcode.PlannedOutput{
				{Modifier: "_high", Extension: ".m3u8"}, {Modifier: "_medium", Extension: ".m3u8"}, {Modifier: "_low", Extension: ".m3u8"},
			},
		}},
		"hls-audio-group.json": {{
			Name: "Apple HLS", Type: "HLS_GROUP", Base: "s3://results/beach/x/hls/main", Playlists: []string{".m3u8"},
			Outputs: []transcode.PlannedOutput{
				{Modifier: "_720", Extension: ".m3u8"}, {Modifier: "_540", Extension: ".m3u8"}, {Modifier: "_360", Extension: ".m3u8"},
				{Modifier: "_audio", Extension: ".m3u8", AudioOnly: true},
			},
		}},
		"cmaf-abr.json": {{
			Name: "CMAF", Type: "CMAF_GROUP", Base: "s3://results/beach/x/cmaf/beach", Playlists: []string{".m3u8", ".mpd"},
			Outputs: []transcode.PlannedOutput{
				{Modifier: "_720", Extension: ".m3u8"}, {Modifier: "_540", Extension: ".m3u8"}, {Modifier: "_360", Extension: ".m3u8"},
				{Modifier: "_aac", Extension: ".m3u8", AudioOnly: true},
			},
		}},
		"dash-mp4.json": {
			{
				Name: "DASH ISO", Type: "DASH_ISO_GROUP", Base: "s3://results/beach/x/dash/main", Playlists: []string{".mpd"},
				Outputs: []transcode.PlannedOutput{
					{Modifier: "_720", Extension: "init.mp4"}, {Modifier: "_540", Extension: "init.mp4"},
					{Modifier: "_audio", Extension: "init.mp4", AudioOnly: true},
				},
			},
			{
				Name: "File Group", Type: "FILE_GROUP", Base: "s3://results/beach/x/mp4/beach",
				Outputs: []transcode.PlannedOutput{{Modifier: "_$h$p", Extension: ".mp4"}},
			},
		},
		"mp4-clip-thumbs.json": {
			{
				Name: "File Group", Type: "FILE_GROUP", Base: "s3://results/beach/x/clips/beach",
				Outputs: []transcode.PlannedOutput{{Modifier: "_clip", Extension: ".mp4"}},
			},
			{
				Name: "thumbs", Type: "FILE_GROUP", Base: "s3://results/beach/x/thumbs/beach",
				Outputs: []transcode.PlannedOutput{{Modifier: "_thumb", Extension: ".jpg", Thumbnails: true}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := settings(t, shared(t, name), r)
			if *s.Inputs[0].FileInput != r.Input || len(s.Inputs) != 1 {
				t.Errorf("inputs: %s", dump(s.Inputs))
			}
			if got := transcode.Plan(s); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %s\nwant %s", dump(got), dump(want))
			}
		})
	}
}

func TestJobDestinations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ group, want string }{
		"no settings":      {`"Type":"FILE_GROUP_SETTINGS"`, "s3://results/clip/hls/"},
		"no destination":   {`"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{}`, "s3://results/clip/hls/"},
		"empty":            {`"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{"Destination":""}`, "s3://results/clip/hls/"},
		"folder":           {`"Type":"FILE_GROUP_SETTINGS","FileGroupSettings":{"Destination":"s3://placeholder/clips/"}`, "s3://results/clip/hls/clips/"},
		"base name":        {`"Type":"DASH_ISO_GROUP_SETTINGS","DashIsoGroupSettings":{"Destination":"s3://b/x/base"}`, "s3://results/clip/hls/x/base"},
		"tokens":           {`"Type":"CMAF_GROUP_SETTINGS","CmafGroupSettings":{"Destination":"s3://b/$dt$/$fn$"}`, "s3://results/clip/hls/$dt$/$fn$"},
		"bucket":           {`"Type":"MS_SMOOTH_GROUP_SETTINGS","MsSmoothGroupSettings":{"Destination":"s3://b"}`, "s3://results/clip/hls/"},
		"two slashes":      {`"Type":"MS_SMOOTH_GROUP_SETTINGS","MsSmoothGroupSettings":{"Destination":"s3://b//x/"}`, "s3://results/clip/hls/x/"},
		"no bucket at all": {`"Type":"CMAF_GROUP_SETTINGS","CmafGroupSettings":{"Destination":"s3://"}`, "s3://results/clip/hls/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := settings(t, parse(t, "a", `{"OutputGroups":[{"OutputGroupSettings":{`+c.group+`},"Outputs":[{}]}]}`), toResults)
			group, found := reflect.ValueOf(*s.OutputGroups[0].OutputGroupSettings), ""
			for _, field := range []string{"FileGroupSettings", "HlsGroupSettings", "DashIsoGroupSettings", "CmafGroupSettings", "MsSmoothGroupSettings"} {
				if f := group.FieldByName(field); !f.IsNil() {
					found += f.Elem().FieldByName("Destination").Elem().String()
				}
			}
			if found != c.want {
				t.Errorf("got %s, want %s", found, c.want)
			}
		})
	}
}

const twoInputs = `{"JobTemplate":"t","Settings":{"Inputs":[
	{"FileInput":"s3://old/a.mp4","TimecodeSource":"EMBEDDED","TimecodeStart":"01:00:00:00","AudioSelectors":{"A":{"Tracks":[1]}},
	 "InputClippings":[{"StartTimecode":"00:00:09:00"}]},
	{"FileInput":"s3://logos/outro.mp4"}]}}`

func TestJobClips(t *testing.T) {
	t.Parallel()
	other := event.Location{Bucket: "other", Key: "b.mp4"}
	const self = "s3://uploads/folder/clip.mp4"
	for name, c := range map[string]struct {
		clips []event.Clip
		want  []string // each input as source, timecode source and clippings
	}{
		"none":        {nil, []string{self + " EMBEDDED 00:00:09:00-"}},
		"one":         {[]event.Clip{{Start: "00:00:01:00", End: "00:00:02:00"}}, []string{self + " ZEROBASED 00:00:01:00-00:00:02:00"}},
		"all of it":   {[]event.Clip{{}}, []string{self + " EMBEDDED"}},
		"zero to end": {[]event.Clip{{Start: "00:00:00:00", End: "00:00:00:00"}}, []string{self + " EMBEDDED"}},
		"to the end":  {[]event.Clip{{Start: "00:00:01:00", End: "00:00:00:00"}}, []string{self + " ZEROBASED 00:00:01:00-"}},
		"beginning":   {[]event.Clip{{End: "00:00:02;05"}}, []string{self + " ZEROBASED -00:00:02;05"}},
		"two parts": {
			[]event.Clip{{End: "00:00:02:00"}, {Start: "00:00:03:00", End: "00:00:04:00"}, {Start: "00:00:05;00"}},
			[]string{self + " ZEROBASED -00:00:02:00 00:00:03:00-00:00:04:00 00:00:05;00-"},
		},
		"against the order": {
			[]event.Clip{{Start: "00:00:03:00", End: "00:00:04:00"}, {Start: "00:00:01:00", End: "00:00:02:00"}},
			[]string{self + " ZEROBASED 00:00:03:00-00:00:04:00", self + " ZEROBASED 00:00:01:00-00:00:02:00"},
		},
		"overlapping": {
			[]event.Clip{{Start: "00:00:01:00", End: "00:00:04:00"}, {Start: "00:00:04:00", End: "00:00:05:00"}},
			[]string{self + " ZEROBASED 00:00:01:00-00:00:04:00", self + " ZEROBASED 00:00:04:00-00:00:05:00"},
		},
		"part after all of it": {
			[]event.Clip{{}, {Start: "00:00:04:00"}},
			[]string{self + " EMBEDDED", self + " ZEROBASED 00:00:04:00-"},
		},
		"other source between": {
			[]event.Clip{{End: "00:00:02:00"}, {Source: other, Start: "00:00:01:00"}, {Start: "00:00:03:00"}},
			[]string{self + " ZEROBASED -00:00:02:00", "s3://other/b.mp4 ZEROBASED 00:00:01:00-", self + " ZEROBASED 00:00:03:00-"},
		},
		"own source by name": {
			[]event.Clip{{End: "00:00:02:00"}, {Source: event.Location{Bucket: "uploads", Key: "folder/clip.mp4"}, Start: "00:00:03:00"}},
			[]string{self + " ZEROBASED -00:00:02:00 00:00:03:00-"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := toResults
			r.Clips = c.clips
			inputs := settings(t, parse(t, "a", twoInputs), r).Inputs
			last := inputs[len(inputs)-1]
			if *last.FileInput != "s3://logos/outro.mp4" {
				t.Errorf("the document's second input is gone: %s", dump(last))
			}
			var got []string
			for _, in := range inputs[:len(inputs)-1] {
				text := *in.FileInput + " " + string(in.TimecodeSource)
				for _, clipping := range in.InputClippings {
					text += " "
					if clipping.StartTimecode != nil {
						text += *clipping.StartTimecode
					}
					text += "-"
					if clipping.EndTimecode != nil {
						text += *clipping.EndTimecode
					}
				}
				got = append(got, text)
				if (in.TimecodeStart == nil) != (in.TimecodeSource == types.InputTimecodeSourceZerobased) {
					t.Errorf("timecodes from %s with start %v", in.TimecodeSource, in.TimecodeStart)
				}
				if tracks := in.AudioSelectors["A"].Tracks; !reflect.DeepEqual(tracks, []int32{1}) {
					t.Errorf("audio selectors are not those of the first input: %v", in.AudioSelectors)
				}
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestJobOwnClippings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		clippings string
		want      []types.InputClipping
	}{
		"placeholder": {`[{"StartTimecode":"00:00:00:00","EndTimecode":"00:00:00:00"}]`, nil},
		"empty":       {`[{},{"StartTimecode":"","EndTimecode":""}]`, nil},
		"open end":    {`[{"StartTimecode":"00:00:01:00","EndTimecode":"00:00:00:00"}]`, []types.InputClipping{{StartTimecode: new("00:00:01:00")}}},
		"valid":       {`[{"EndTimecode":"00:00:01:00"}]`, []types.InputClipping{{EndTimecode: new("00:00:01:00")}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := parse(t, "a", `{"JobTemplate":"t","Settings":{"Inputs":[{"InputClippings":`+c.clippings+`}]}}`)
			if got := settings(t, d, toResults).Inputs[0].InputClippings; !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %s", dump(got))
			}
		})
	}
}

func TestJobsShareNothing(t *testing.T) {
	t.Parallel()
	d := parse(t, "a", twoInputs)
	r := toResults
	r.Clips = []event.Clip{{}, {}}
	first, second := settings(t, d, r), settings(t, d, r)
	want := dump(second)
	first.Inputs[0].AudioSelectors["A"].Tracks[0] = 7
	delete(first.Inputs[1].AudioSelectors, "A")
	*first.Inputs[1].FileInput = "x"
	if got := first.Inputs[1]; len(got.AudioSelectors) != 0 || *first.Inputs[0].FileInput == "x" {
		t.Errorf("inputs of one job share: %s", dump(first))
	}
	if got := dump(second); got != want {
		t.Errorf("jobs of one document share: %s", got)
	}
}

func TestJobErrors(t *testing.T) {
	t.Parallel()
	var many []event.Clip
	for range 150 {
		many = append(many, event.Clip{})
	}
	for name, c := range map[string]struct {
		rewrite transcode.Rewrite
		want    string
	}{
		"input":       {transcode.Rewrite{Input: "a.mp4", Destination: "s3://b/"}, `job file a: input "a.mp4": must be an s3:// URI`},
		"destination": {transcode.Rewrite{Input: "s3://a/b", Destination: "s3://b/c"}, `job file a: destination "s3://b/c": must be an s3:// URI that ends with a slash`},
		"clip":        {transcode.Rewrite{Input: "s3://a/b", Destination: "s3://b/", Clips: []event.Clip{{}, {End: "1s"}}}, `job file a: clip 2: "1s" is no timecode`},
		"inputs":      {transcode.Rewrite{Input: "s3://a/b", Destination: "s3://b/", Clips: many}, "job file a: 151 inputs: MediaConvert takes 150"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := parse(t, "a", twoInputs).Job(c.rewrite); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestFromTemplate(t *testing.T) {
	t.Parallel()
	template := &types.JobTemplate{
		Name: new("ladder"), Queue: new("fast"), Priority: new(int32(5)),
		Settings: &types.JobTemplateSettings{
			FollowSource: new(int32(1)),
			Inputs:       []types.InputTemplate{{TimecodeSource: "LATER_THAN_THE_SDK", AudioSelectors: map[string]types.AudioSelector{"aUdio": {Tracks: []int32{2}}}}},
			OutputGroups: []types.OutputGroup{{
				OutputGroupSettings: &types.OutputGroupSettings{
					Type:             types.OutputGroupTypeHlsGroupSettings,
					HlsGroupSettings: &types.HlsGroupSettings{Destination: new("s3://t/main"), MinFinalSegmentLength: new(1.5)},
				},
				Outputs: []types.Output{{NameModifier: new("_1"), Preset: new("System-Avc")}},
			}},
		},
	}
	d, err := transcode.FromTemplate("arn-name", template)
	if err != nil {
		t.Fatal(err)
	}
	in, err := d.Job(toResults)
	if err != nil {
		t.Fatal(err)
	}
	group := in.Settings.OutputGroups[0].OutputGroupSettings.HlsGroupSettings
	input := in.Settings.Inputs[0]
	if d.Name != "arn-name" || *in.JobTemplate != "ladder" || in.Queue != nil || in.Priority != nil || in.Settings.FollowSource != nil ||
		*group.Destination != "s3://results/clip/hls/main" || *group.MinFinalSegmentLength != 1.5 ||
		*input.FileInput != toResults.Input || input.TimecodeSource != "LATER_THAN_THE_SDK" || input.AudioSelectors["aUdio"].Tracks[0] != 2 {
		t.Errorf("%s", dump(in))
	}
	if *template.Settings.OutputGroups[0].OutputGroupSettings.HlsGroupSettings.Destination != "s3://t/main" {
		t.Error("the template was changed")
	}
}

func TestFromTemplateErrors(t *testing.T) {
	t.Parallel()
	later := types.OutputGroup{OutputGroupSettings: &types.OutputGroupSettings{Type: "LATER_GROUP_SETTINGS"}, Outputs: []types.Output{{}}}
	for name, c := range map[string]struct {
		template *types.JobTemplate
		want     string
	}{
		"nil":         {nil, "t: the job template has no settings"},
		"no settings": {&types.JobTemplate{}, "t: the job template has no settings"},
		"no groups":   {&types.JobTemplate{Settings: &types.JobTemplateSettings{}}, "t: the job template has no output groups"},
		"new type": {
			&types.JobTemplate{Settings: &types.JobTemplateSettings{OutputGroups: []types.OutputGroup{later}}},
			`t: Settings.OutputGroups[0]: unknown type "LATER_GROUP_SETTINGS": must be one of HLS_GROUP_SETTINGS`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if d, err := transcode.FromTemplate("t", c.template); d != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v, %v", d, err)
			}
		})
	}
}
