package transcode_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"github.com/mosaicd/mosaicd/jobs/transcode"
)

var toResults = transcode.Rewrite{Input: "s3://uploads/folder/clip.mp4", Destination: "s3://results/clip/hls/"}

// hls is a Settings object with one output group.
const hls = `{"OutputGroups":[{"OutputGroupSettings":{"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{"SegmentLength":6}},
	"Outputs":[{"NameModifier":"_720","ContainerSettings":{"Container":"M3U8"},"VideoDescription":{"Height":720}}]}]}`

func TestParseForms(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"settings":    hls,
		"whole":       `{"Settings":` + hls + `}`,
		"printed":     `{"Job":{"Id":"1-a","Arn":"x","Status":"COMPLETE","CreatedAt":1700000000.5,"Timing":{"SubmitTime":1},"NewIn2030":[],"ClientRequestToken":"t","Settings":` + hls + `}}`,
		"camel case":  strings.NewReplacer("OutputGroup", "outputGroup", "Outputs", "outputs", `"Type"`, `"type"`, "Hls", "hls", "Segment", "segment", "NameM", "nameM", "Container", "container", "Video", "video", "Height", "height").Replace(hls),
		"byte order":  "\ufeff" + hls,
		"white space": "\r\n\t " + hls + "\n",
		"nulls":       `{"Settings":` + hls + `,"Queue":null,"Tags":null,"AccelerationSettings":null}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := transcode.Parse("s3://uploads/jobs/ladder.v2.json", []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			in, err := d.Job(toResults)
			if err != nil {
				t.Fatal(err)
			}
			group := in.Settings.OutputGroups[0]
			if d.Name != "ladder.v2" || string(d.Raw) != body || in.ClientRequestToken != nil ||
				*group.OutputGroupSettings.HlsGroupSettings.Destination != toResults.Destination ||
				*group.OutputGroupSettings.HlsGroupSettings.SegmentLength != 6 || *group.Outputs[0].VideoDescription.Height != 720 {
				t.Errorf("%q: %+v", d.Name, in)
			}
		})
	}
}

func TestParseKeepsTheRequest(t *testing.T) {
	t.Parallel()
	d, err := transcode.Parse("a.json", []byte(`{"Queue":"q","Role":"r","Priority":-3,"AccelerationSettings":{"Mode":"PREFERRED"},
		"UserMetadata":{"Purpose":"x","purpose":"y"},"Tags":{"team":"video"},"HopDestinations":[{"WaitMinutes":5}],"StatusUpdateInterval":"SECONDS_30",
		"BillingTagsSource":"JOB","SimulateReservedQueue":"DISABLED","ClientRequestToken":"old","JobTemplate":"t","Settings":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Job(toResults)
	if err != nil {
		t.Fatal(err)
	}
	want := &mediaconvert.CreateJobInput{
		Queue: new("q"), Role: new("r"), Priority: new(int32(-3)), JobTemplate: new("t"),
		AccelerationSettings: &types.AccelerationSettings{Mode: types.AccelerationModePreferred},
		UserMetadata:         map[string]string{"Purpose": "x", "purpose": "y"}, Tags: map[string]string{"team": "video"},
		HopDestinations: []types.HopDestination{{WaitMinutes: new(int32(5))}}, StatusUpdateInterval: types.StatusUpdateIntervalSeconds30,
		BillingTagsSource: types.BillingTagsSourceJob, SimulateReservedQueue: types.SimulateReservedQueueDisabled,
		Settings: &types.JobSettings{Inputs: []types.Input{{
			FileInput: &toResults.Input, TimecodeSource: types.InputTimecodeSourceZerobased,
			AudioSelectors: map[string]types.AudioSelector{"Audio Selector 1": {DefaultSelection: types.AudioDefaultSelectionDefault}},
			VideoSelector:  &types.VideoSelector{Rotate: types.InputRotateAuto},
		}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %s\nwant %s", dump(got), dump(want))
	}
}

func TestParseProblems(t *testing.T) {
	t.Parallel()
	// group is a job file with one group, whose type and settings come first.
	group := func(settings, outputs string) string {
		return fmt.Sprintf(`{"OutputGroups":[{"OutputGroupSettings":{%s},"Outputs":[%s]}]}`, settings, outputs)
	}
	const file = `"Type":"FILE_GROUP_SETTINGS"`
	video := func(codec string) string { return `{"VideoDescription":{"CodecSettings":{` + codec + `}}}` }
	for _, c := range []struct{ name, body, want string }{
		{"empty", "", "not JSON: line 1: unexpected end of JSON input"},
		{"list", "[]", "must be an object, not a list"},
		{"UTF-16", "\xff\xfe{\x00}\x00", "OutputGroups: missing: a job needs one, or a JobTemplate"}, // it is read
		{"Latin-1", "{\"a\": \"\xe9\"}", "not UTF-8: save it as UTF-8"},
		{"syntax", "{\n\"Inputs\": [\n{]}", "not JSON: line 3: invalid character ']' looking for beginning of object key string"},
		{"trailing", hls + "\n{}", "not JSON: line 3: invalid character '{' after top-level value"},
		{"nothing", "{}", "OutputGroups: missing: a job needs one, or a JobTemplate"},
		{"no groups", `{"Queue":"q","Settings":null}`, "Settings.OutputGroups: missing: a job needs one, or a JobTemplate"},
		{"not a job", `{"Job":[]}`, "Job: must be an object, not a list"},
		{"beside Job", `{"Job":{"Settings":` + hls + `},"job":{}}`, "job: one field too many: Job stands alone"},
		{"in a printed job", `{"Job":{"Settings":{"JobTemplate":"x","OutputGroups":[]}}}`, "Job.Settings.JobTemplate: unknown field; Job.Settings.OutputGroups: missing: a job needs one, or a JobTemplate"},

		{"unknown field", strings.Replace(hls, "SegmentLength", "SegmentLengths", 1), "OutputGroups[0].OutputGroupSettings.HlsGroupSettings.SegmentLengths: unknown field (did you mean SegmentLength?)"},
		{"strange field", `{"JobTemplate":"t","a b":1}`, `["a b"]: unknown field`},
		{"short field", `{"JobTemplate":"t","Queu":"q"}`, "Queu: unknown field (did you mean Queue?)"},
		{"field without likeness", `{"JobTemplate":"t","Webhook":"q"}`, "Webhook: unknown field"},
		{"enum", group(file, video(`"Codec":"H264"`)), `OutputGroups[0].Outputs[0].VideoDescription.CodecSettings.Codec: "H264" is none of AV1, AVC_INTRA, FRAME_CAPTURE, GIF, H_264, H_265, MPEG2, PASSTHROUGH, PRORES, UNCOMPRESSED, VC3, VP8, VP9, XAVC (did you mean H_264?)`},
		{"enum in lower case", `{"JobTemplate":"t","AccelerationSettings":{"Mode":"preferred"}}`, `AccelerationSettings.Mode: "preferred" is none of DISABLED, ENABLED, PREFERRED (did you mean PREFERRED?)`},
		{"enum in a map", `{"JobTemplate":"t","Settings":{"Inputs":[{"AudioSelectors":{"Audio Selector 1":{"DefaultSelection":"YES"}}}]}}`, `Settings.Inputs[0].AudioSelectors["Audio Selector 1"].DefaultSelection: "YES" is none of DEFAULT, NOT_DEFAULT`},
		{"number for text", `{"JobTemplate":1}`, "JobTemplate: must be a string, not a number"},
		{"text for number", `{"JobTemplate":"t","Priority":"1"}`, "Priority: must be a number, not a string"},
		{"list for object", `{"JobTemplate":"t","AccelerationSettings":[]}`, "AccelerationSettings: must be an object, not a list"},
		{"object for list", `{"JobTemplate":"t","HopDestinations":{}}`, "HopDestinations: must be a list, not an object"},
		{"object for map", `{"JobTemplate":"t","Tags":{"a":{}}}`, `Tags["a"]: must be a string, not an object`},
		{"null in a map", `{"JobTemplate":"t","Tags":{"a":null}}`, `Tags["a"]: must not be null`},
		{"null in a list", `{"Inputs":[null],"OutputGroups":[]}`, "Inputs[0]: must not be null; OutputGroups: missing: a job needs one, or a JobTemplate"},
		{"fraction", `{"JobTemplate":"t","Priority":30.0}`, "Priority: 30.0 must be a whole number: write 30"},
		{"exponent", `{"JobTemplate":"t","Priority":1e1}`, "Priority: 1e1 must be a whole number: write 10"},
		{"real fraction", `{"JobTemplate":"t","Priority":0.5}`, "Priority: 0.5 must be a whole number"},
		{"overflow", `{"JobTemplate":"t","Priority":2147483648}`, "Priority: 2147483648 is beyond what 32 bits hold"},
		{"underflow", `{"JobTemplate":"t","Priority":-2147483649}`, "Priority: -2147483649 is beyond what 32 bits hold"},
		{"float overflow", group(file, video(`"Codec":"H_264","H264Settings":{"GopSize":1e999}`)), "OutputGroups[0].Outputs[0].VideoDescription.CodecSettings.H264Settings.GopSize: 1e999 is too large"},
		{"twice", `{"JobTemplate":"t","Queue":"a","Queue":"b"}`, "Queue: comes twice"},
		{"twice but for case", `{"JobTemplate":"t","Queue":"a","queue":"b"}`, "queue: comes twice, also as Queue"},
		{"map key twice", `{"JobTemplate":"t","Tags":{"a":"1","a":"2"}}`, `Tags["a"]: comes twice`},

		{"no type", group(``, `{}`), "OutputGroups[0].OutputGroupSettings.Type: missing: must be one of HLS_GROUP_SETTINGS, DASH_ISO_GROUP_SETTINGS, FILE_GROUP_SETTINGS, MS_SMOOTH_GROUP_SETTINGS, CMAF_GROUP_SETTINGS"},
		{"unknown type", group(`"Type":"HLS"`, `{}`), `OutputGroups[0].OutputGroupSettings.Type: "HLS" is none of HLS_GROUP_SETTINGS, DASH_ISO_GROUP_SETTINGS, FILE_GROUP_SETTINGS, MS_SMOOTH_GROUP_SETTINGS, CMAF_GROUP_SETTINGS (did you mean HLS_GROUP_SETTINGS?)`},
		{"other settings", group(file+`,"HlsGroupSettings":{}`, `{}`), "OutputGroups[0].OutputGroupSettings.Type: FILE_GROUP_SETTINGS has no settings, but HLS_GROUP_SETTINGS has"},
		{"destination", group(file+`,"FileGroupSettings":{"Destination":"/tmp/"}`, `{}`), `OutputGroups[0].OutputGroupSettings.FileGroupSettings.Destination: "/tmp/" must be an s3:// URI, or left out`},
		{"no outputs", group(file, ``), "OutputGroups[0].Outputs: missing: a group needs one"},
		{"no modifier", group(file, `{"NameModifier":"_a"},{}`), "OutputGroups[0].Outputs[1].NameModifier: missing: a group of several outputs needs one for each"},
		{"modifier twice", group(file, `{"NameModifier":"_a"},{"NameModifier":"_b"},{"NameModifier":"_a"}`), `OutputGroups[0].Outputs[2].NameModifier: "_a" is that of Outputs[0] too: they would overwrite each other`},
		{"H.264 without rate", group(file, video(`"Codec":"H_264","H264Settings":{"RateControlMode":"QVBR"}`)), "OutputGroups[0].Outputs[0].VideoDescription.CodecSettings.H264Settings.MaxBitrate: missing: QVBR needs it"},
		{"H.265 without rate", group(file, video(`"Codec":"H_265","H265Settings":{"RateControlMode":"QVBR"}`)), "OutputGroups[0].Outputs[0].VideoDescription.CodecSettings.H265Settings.MaxBitrate: missing: QVBR needs it"},
		{"only frames", group(file, video(`"Codec":"FRAME_CAPTURE"`)), "OutputGroups: nothing but FRAME_CAPTURE: MediaConvert wants an output with video or sound beside it"},
		{"second input", `{"JobTemplate":"t","Settings":{"Inputs":[{},{"FileInput":""}]}}`, "Settings.Inputs[1].FileInput: missing: only the first input is replaced by the source"},
		{"timecode", `{"JobTemplate":"t","Settings":{"Inputs":[{"InputClippings":[{"StartTimecode":"10"}]}]}}`, `Settings.Inputs[0].InputClippings[0].StartTimecode: "10" is no timecode: write HH:MM:SS:FF, or HH:MM:SS;FF for drop-frame`},

		{"several", `{"JobTemplate":"t","Priority":"1","Queue":2}`, "Priority: must be a number, not a string; Queue: must be a string, not a number"},
		{"too large", strings.Repeat(" ", transcode.MaxBytes+1), "1048577 bytes: a job file has at most 1048576"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := transcode.Parse("jobs/hls.json", []byte(c.body))
			if d != nil {
				t.Error("a document with an error")
			}
			if settings, ok := errors.AsType[*transcode.SettingsError](err); !ok || settings.Name != "jobs/hls.json" {
				t.Fatalf("not a SettingsError: %v", err)
			}
			if err.Error() != "jobs/hls.json: "+c.want {
				t.Errorf("got  %s\nwant jobs/hls.json: %s", err, c.want)
			}
		})
	}
}

func TestParseStopsAtTenProblems(t *testing.T) {
	t.Parallel()
	body := `{"JobTemplate":"t"` + strings.Repeat(`,"Queu":1`, 100_000) + "}"
	_, err := transcode.Parse("a\nb", []byte(body))
	settings, ok := errors.AsType[*transcode.SettingsError](err)
	if !ok || len(settings.Problems) != 10 {
		t.Fatalf("%v", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("several lines: %q", err)
	}
}

func TestAutomatedRateNeedsNoBitrate(t *testing.T) {
	t.Parallel()
	body := `{"OutputGroups":[{"AutomatedEncodingSettings":{"AbrSettings":{"MaxRenditions":4}},"OutputGroupSettings":{"Type":"CMAF_GROUP_SETTINGS"},
		"Outputs":[{"VideoDescription":{"CodecSettings":{"Codec":"H_264","H264Settings":{"RateControlMode":"QVBR"}}}}]}]}`
	if _, err := transcode.Parse("abr", []byte(body)); err != nil {
		t.Error(err)
	}
}

// The judge knows these kinds of fields, and tells names apart without their case.
func TestTypesOfTheSDK(t *testing.T) {
	t.Parallel()
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		switch typ.Kind() {
		case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64, reflect.Float64:
		case reflect.Pointer, reflect.Slice:
			walk(typ.Elem())
		case reflect.Map:
			if typ.Key().Kind() != reflect.String {
				t.Errorf("%v: keys are no texts", typ)
			}
			walk(typ.Elem())
		case reflect.Struct:
			names := map[string]bool{}
			for i := range typ.NumField() {
				f := typ.Field(i)
				if !f.IsExported() {
					continue
				}
				if name := strings.ToLower(f.Name); names[name] {
					t.Errorf("%v.%s: another field has the same name but for case", typ, f.Name)
				} else {
					names[name] = true
				}
				walk(f.Type)
			}
		default:
			t.Errorf("%v: a kind that the judge takes for a number", typ)
		}
	}
	walk(reflect.TypeFor[mediaconvert.CreateJobInput]())
	if len(seen) < 500 {
		t.Errorf("walked over %d types only", len(seen))
	}
}

func TestBuiltIn(t *testing.T) {
	t.Parallel()
	d, err := transcode.Parse("default.json", transcode.BuiltIn().Raw)
	if err != nil {
		t.Fatal(err)
	}
	in, err := d.Job(toResults)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range in.Settings.OutputGroups[0].Outputs {
		h264, aac := o.VideoDescription.CodecSettings.H264Settings, o.AudioDescriptions[0].CodecSettings.AacSettings
		got = append(got, fmt.Sprint(*o.NameModifier, " ", h264.RateControlMode, " ", *h264.MaxBitrate, " ", h264.SceneChangeDetect, " ",
			*aac.Bitrate, " ", *aac.SampleRate, " ", aac.CodingMode))
		if o.VideoDescription.Width != nil || o.VideoDescription.Height != nil {
			t.Error("a size is set: small sources would be scaled up")
		}
	}
	want := []string{
		"_high QVBR 3000000 TRANSITION_DETECTION 96000 48000 CODING_MODE_2_0",
		"_medium QVBR 2000000 TRANSITION_DETECTION 96000 48000 CODING_MODE_2_0",
		"_low QVBR 1000000 TRANSITION_DETECTION 96000 48000 CODING_MODE_2_0",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
	group := in.Settings.OutputGroups[0].OutputGroupSettings.HlsGroupSettings
	input := in.Settings.Inputs[0]
	if *group.SegmentLength != 10 || *group.MinSegmentLength != 0 || input.TimecodeSource != types.InputTimecodeSourceZerobased ||
		input.VideoSelector.Rotate != types.InputRotateAuto || transcode.BuiltIn().Name != "hls" {
		t.Errorf("%s", dump(in))
	}
}

func dump(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
