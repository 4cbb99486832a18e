package event_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// full returns a mosaic with every field set that one has, fullTranscode a
// transcode.
func full() event.Request {
	return event.Request{
		Version:     1,
		Kind:        "mosaic",
		Token:       "0123456789abcdef0123456789abcdef",
		Source:      event.Location{Bucket: "uploads", Key: "a b/100%/+é?versionId=x#<&>\n.mp4", VersionID: "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"},
		Destination: event.Location{Bucket: "covered", Key: "a.mp4"},
		Overwrite:   true,
		Detections:  []event.Location{{Bucket: "uploads", Key: "1.json"}, {Bucket: "uploads", Key: "2.json"}},
		Options:     event.Options{Style: "blur", Blocks: new(9), Margin: new(0.25), Codec: "hevc", Preset: "slow", CRF: new(21), AllowWeak: true, Cover: "strangers", Similarity: new(90.5), Collection: "staff-1", DropStreams: true, Subtitles: "convert", Sheet: true},
		Regions:     json.RawMessage(`{"only":[{"end":60}]}`),
	}
}

func fullFaces() event.Request {
	return event.Request{
		Version:    1,
		Kind:       "faces-add",
		Options:    event.Options{Collection: "staff.de_1"},
		ExternalID: "anna:1",
		Images:     []event.Location{{Bucket: "portraits", Key: "anna 1.jpg"}, {Bucket: "portraits", Key: "2.png"}},
	}
}

func fullReject() event.Request {
	return event.Request{Version: 1, Kind: "reject", Job: "fde3c882ec9929fc026df4df2cad7755", Reason: "a face, at 0:12", KeepOutput: true}
}

func fullRerender() event.Request {
	return event.Request{Version: 1, Kind: "rerender", Job: "fde3c882ec9929fc026df4df2cad7755", Regions: json.RawMessage(`{"add":[]}`)}
}

func fullTranscode() event.Request {
	return event.Request{
		Version:     1,
		Kind:        "transcode",
		Source:      event.Location{Bucket: "uploads", Key: "a.mp4"},
		Destination: event.Location{Bucket: "streams", Key: "a b/100%/"},
		Settings:    event.Location{Bucket: "uploads", Key: "jobs/hls.json"},
		Clips: []event.Clip{
			{Source: event.Location{Bucket: "uploads", Key: "intro.mp4"}},
			{Start: "00:00:10:00", End: "00:01:00:00"},
		},
	}
}

// TestRequestEveryField notices a field that one of the two directions forgets.
func TestRequestEveryField(t *testing.T) {
	t.Parallel()
	document := fullTranscode()
	document.Settings, document.Document = event.Location{}, json.RawMessage(`{"Settings":{"a":[1,"\u003cb\u003e"]}}`)
	template := fullTranscode()
	template.Settings, template.Template = event.Location{}, "Ladder 1080p"
	flat := fullTranscode()
	flat.Clips = []event.Clip{{Start: "00:00:10;02"}}
	head := `{"version":1,"kind":"transcode","source":"s3://uploads/a.mp4","destination":"s3://streams/a b/100%/",`
	clips := `"clips":[{"source":"s3://uploads/intro.mp4"},{"start":"00:00:10:00","end":"00:01:00:00"}]}`
	set := map[string]bool{}
	for _, c := range []struct {
		request event.Request
		form    string
	}{
		{full(), mosaicForm},
		{fullTranscode(), head + `"settings":"s3://uploads/jobs/hls.json",` + clips},
		{document, head + `"settings":{"Settings":{"a":[1,"\u003cb\u003e"]}},` + clips},
		{template, head + `"template":"Ladder 1080p",` + clips},
		{fullFaces(), `{"version":1,"kind":"faces-add","collection":"staff.de_1","externalId":"anna:1","images":["s3://portraits/anna 1.jpg","s3://portraits/2.png"]}`},
		{fullReject(), `{"version":1,"kind":"reject","job":"fde3c882ec9929fc026df4df2cad7755","reason":"a face, at 0:12","keepOutput":true}`},
		{fullRerender(), `{"version":1,"kind":"rerender","job":"fde3c882ec9929fc026df4df2cad7755","regions":{"add":[]}}`},
		{flat, head + `"settings":"s3://uploads/jobs/hls.json","start":"00:00:10;02"}`},
	} {
		for _, v := range []reflect.Value{reflect.ValueOf(c.request), reflect.ValueOf(c.request.Options)} {
			for i := range v.NumField() {
				set[v.Type().Field(i).Name] = set[v.Type().Field(i).Name] || !v.Field(i).IsZero()
			}
		}
		body, err := json.Marshal(c.request)
		if err != nil {
			t.Fatal(err)
		}
		if string(body) != c.form {
			t.Errorf("got  %s\nwant %s", body, c.form)
		}
		checkDecodesTo(t, body, c.request)

		var got event.Request
		if err := json.Unmarshal(body, &got); err != nil || !reflect.DeepEqual(got, c.request) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, c.request)
		}
	}
	for name, set := range set {
		if !set {
			t.Errorf("%s isn't set in any of them", name)
		}
	}
}

const mosaicForm = `{"version":1,"kind":"mosaic","token":"0123456789abcdef0123456789abcdef","source":"s3://uploads/a b/100%/+é?versionId=x#\u003c\u0026\u003e\n.mp4",` +
	`"destination":"s3://covered/a.mp4","versionId":"3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY","overwrite":true,` +
	`"detections":["s3://uploads/1.json","s3://uploads/2.json"],` +
	`"style":"blur","blocks":9,"margin":0.25,"codec":"hevc","preset":"slow","crf":21,"allowWeak":true,"cover":"strangers","similarity":90.5,"collection":"staff-1","dropStreams":true,"subtitles":"convert","sheet":true,"regions":{"only":[{"end":60}]}}`

func TestRequestLeavesOutWhatIsNotSet(t *testing.T) {
	t.Parallel()
	r := full()
	r.Source.VersionID, r.Overwrite, r.Detections, r.Options, r.Regions = "", false, nil, event.Options{}, nil
	r.Source.Key, r.Token = "a.mp4", ""
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"kind":"mosaic","source":"s3://uploads/a.mp4","destination":"s3://covered/a.mp4"}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	checkDecodesTo(t, body, r)

	r = event.Request{Version: 1, Kind: "transcode", Source: r.Source}
	if body, err = json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	if want := `{"version":1,"kind":"transcode","source":"s3://uploads/a.mp4"}`; string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	checkDecodesTo(t, body, r)
}

// TestToken: a token is written as people write UUIDs, and is always read as its digits.
func TestToken(t *testing.T) {
	t.Parallel()
	const digits = "0d3f5b5e8c1a4f6e9b7a112233445566"
	for text, want := range map[string]string{
		digits:                                   digits,
		strings.ToUpper(digits):                  digits,
		"0d3f5b5e-8c1a-4f6e-9b7a-112233445566":   digits,
		"0D3F5B5E-8C1A-4F6E-9B7A-112233445566":   digits,
		"":                                       "",
		digits[1:]:                               "",
		digits + "0":                             "",
		"0d3f5b5e-8c1a4f6e9b7a112233445566":      "",
		"0d3f5b5e-8c1a-4f6e-9b7a-11223344556g":   "",
		"{0d3f5b5e-8c1a-4f6e-9b7a-112233445566}": "",
		digits + "\n":                            "",
	} {
		body, err := json.Marshal(map[string]any{"version": 1, "kind": "transcode", "token": text, "source": "s3://uploads/a.mp4"})
		if err != nil {
			t.Fatal(err)
		}
		events, err := event.Decode(body)
		if want == "" {
			if err == nil || !strings.HasPrefix(err.Error(), "token: must be a UUID") {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err != nil || events[0].(event.Request).Token != want {
			t.Errorf("%q: %+v, %v", text, events, err)
		}
	}
}

// TestRequestLimits holds both ends of every range, and that what is outside is
// neither written nor read.
func TestRequestLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set  func(*event.Request)
		want string // empty where it is allowed
	}{
		{func(r *event.Request) { r.Version = 0 }, "unknown version 0: this worker knows 1"},
		{func(r *event.Request) { r.Kind = "" }, `unknown message kind "": this worker knows mosaic, transcode`},
		{func(r *event.Request) { r.Token = "" }, ""},
		{func(r *event.Request) { r.Token = "order-17" }, `token: must be a UUID, or its 32 hexadecimal digits (got "order-17")`},
		{func(r *event.Request) { r.Token = strings.ToUpper(r.Token) }, "token: must be a UUID"},
		{func(r *event.Request) { r.Source.Key = "" }, `source: key must have 1 to 1024 bytes (got "")`},
		{func(r *event.Request) { r.Source.Key = "\xff" }, `source: key must be UTF-8 (got "\xff")`},
		{func(r *event.Request) { r.Source.VersionID = "a b" }, `versionId: must be at most 1024 printable ASCII characters (got "a b")`},
		{func(r *event.Request) { r.Destination = event.Location{} }, `destination: bucket must have 1 to 63 characters (got "")`},
		{func(r *event.Request) { r.Destination.VersionID = "1" }, `destination: must not have a version (got "1")`},
		{func(r *event.Request) { r.Destination = event.Location{Bucket: r.Source.Bucket, Key: r.Source.Key} }, "destination: must not be the source"},
		{func(r *event.Request) { r.Detections[1].Bucket = "Uploads" }, "detections[1]: bucket must be of lower-case letters"},
		{func(r *event.Request) { r.Detections[0].VersionID = "1" }, `detections[0]: must not have a version (got "1")`},
		{func(r *event.Request) { r.Options.Style = "mosaic" }, ""},
		{func(r *event.Request) { r.Options.Style = "fill" }, ""},
		{func(r *event.Request) { r.Options.Style = "Blur" }, `style: must be one of mosaic, blur, fill (got "Blur")`},
		{func(r *event.Request) { *r.Options.Blocks = 2 }, ""},
		{func(r *event.Request) { *r.Options.Blocks = 64 }, ""},
		{func(r *event.Request) { *r.Options.Blocks = 1 }, "blocks: must be 2 to 64 (got 1)"},
		{func(r *event.Request) { r.Options.AllowWeak = false }, "blocks: must be 2 to 8, as a face can be made out again from finer cells; \"allowWeak\": true takes them (got 9)"},
		{func(r *event.Request) { *r.Options.Blocks = 65 }, "blocks: must be 2 to 64 (got 65)"},
		{func(r *event.Request) { *r.Options.Margin = 0 }, ""},
		{func(r *event.Request) { *r.Options.Margin = 2 }, ""},
		{func(r *event.Request) { *r.Options.Margin = 2.01 }, "margin: must be 0 to 2 (got 2.01)"},
		{func(r *event.Request) { *r.Options.Margin = -0.01 }, "margin: must be 0 to 2 (got -0.01)"},
		{func(r *event.Request) { *r.Options.Margin = math.NaN() }, "margin: must be 0 to 2 (got NaN)"},
		{func(r *event.Request) { r.Options.Codec = "auto" }, ""},
		{func(r *event.Request) { r.Options.Codec = "h265" }, "codec: must be one of auto, h264, hevc (got \"h265\")"},
		{func(r *event.Request) { r.Options.Preset = "ultrafast" }, ""},
		{func(r *event.Request) { r.Options.Preset = "placebo" }, ""},
		{func(r *event.Request) { r.Options.Preset = "quick" }, "preset: must be one of ultrafast, "},
		{func(r *event.Request) { *r.Options.CRF = 0 }, ""},
		{func(r *event.Request) { *r.Options.CRF = 51 }, ""},
		{func(r *event.Request) { *r.Options.CRF = -1 }, "crf: must be 0 to 51 (got -1)"},
		{func(r *event.Request) { *r.Options.CRF = 52 }, "crf: must be 0 to 51 (got 52)"},
		{func(r *event.Request) { r.Options.Cover = "all" }, ""},
		{func(r *event.Request) { r.Options.Cover = "some" }, `cover: must be one of all, strangers, listed (got "some")`},
		{func(r *event.Request) { *r.Options.Similarity = 1 }, ""},
		{func(r *event.Request) { *r.Options.Similarity = 0 }, "similarity: must be 1 to 100 (got 0)"},
		{func(r *event.Request) { *r.Options.Similarity = 100.5 }, "similarity: must be 1 to 100 (got 100.5)"},
		{func(r *event.Request) { r.Options.Collection = "a b" }, `collection: must be 1 to 255 letters, digits, and . _ - (got "a b")`},
		{func(r *event.Request) { r.Regions = json.RawMessage(`[]`) }, "regions: must be a JSON object (got a list)"},
		{func(r *event.Request) { r.Images = fullFaces().Images }, "images: unknown field"},
		{func(r *event.Request) { r.ExternalID = "a" }, "externalId: unknown field"},
		{func(r *event.Request) { r.Settings.Bucket = "a" }, "settings: unknown field, known are version, kind, token, source, destination, versionId, overwrite, detections, regions, style"},
		{func(r *event.Request) { r.Document = json.RawMessage(`{}`) }, "settings: unknown field"},
		{func(r *event.Request) { r.Template = "a" }, "template: unknown field"},
		{func(r *event.Request) { r.Clips = fullTranscode().Clips }, "clips: unknown field"},
	} {
		checkLimit(t, full(), c.set, c.want)
	}
}

func TestFacesLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set  func(*event.Request)
		want string // empty where it is allowed
	}{
		{func(r *event.Request) { r.Options.Collection = "" }, `collection: must be 1 to 255 letters, digits, and . _ - (got "")`},
		{func(r *event.Request) { r.Options.Collection = strings.Repeat("a", 256) }, "collection: must be 1 to 255"},
		{func(r *event.Request) { r.ExternalID = "" }, `externalId: must be 1 to 255 letters, digits, and . _ - : (got "")`},
		{func(r *event.Request) { r.ExternalID = "Anna Karenina" }, "externalId: must be"},
		{func(r *event.Request) { r.Images = nil }, "images: must be 1 to 100 (got 0)"},
		{func(r *event.Request) { r.Images = make([]event.Location, 101) }, "images: must be 1 to 100 (got 101)"},
		{func(r *event.Request) { r.Images[1].Key = "" }, "images[1]: key must have"},
		{func(r *event.Request) { r.Source = full().Source }, "source: unknown field, known are version, kind, token, collection, externalId, images"},
		{func(r *event.Request) { r.Destination = full().Destination }, "destination: unknown field"},
		{func(r *event.Request) { r.Options.Style = "blur" }, "style: unknown field"},
		{func(r *event.Request) { r.Kind, r.Images = event.KindFacesRemove, nil }, ""},
		{func(r *event.Request) { r.Kind = event.KindFacesRemove }, "images: unknown field"},
		{func(r *event.Request) { r.Kind, r.Images = event.KindFacesList, nil }, "externalId: unknown field"},
		{func(r *event.Request) { r.Kind, r.Images, r.ExternalID = event.KindFacesList, nil, "" }, ""},
	} {
		checkLimit(t, fullFaces(), c.set, c.want)
	}
}

func TestDecisionLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set  func(*event.Request)
		want string // empty where it is allowed
	}{
		{func(r *event.Request) { r.KeepOutput = false }, ""},
		{func(r *event.Request) { r.Token = "0d3f5b5e8c1a4f6e9b7a112233445566" }, ""},
		{func(r *event.Request) { r.Job = "" }, "job: must be the id of a job"},
		{func(r *event.Request) { r.Job = "../x" }, "job: must be the id of a job"},
		{func(r *event.Request) { r.Job += "-1" }, "job: must be the id of a job"}, // it is read, and not written
		{func(r *event.Request) { r.Reason = "" }, "reason: must be 1 to 1000 printable characters"},
		{func(r *event.Request) { r.Reason = strings.Repeat("a", 1001) }, "reason: must be"},
		{func(r *event.Request) { r.Reason = "a\x1b[31m" }, "reason: must be"},
		{func(r *event.Request) { r.Reason = "a\xff" }, "reason: must be"},
		{func(r *event.Request) { r.Source = full().Source }, "source: unknown field, known are version, kind, token, job, reason, keepOutput"},
		{func(r *event.Request) { r.Regions = full().Regions }, "regions: unknown field"},
		{func(r *event.Request) { r.Kind = event.KindApprove }, "keepOutput: unknown field"},
		{func(r *event.Request) { r.Kind, r.KeepOutput = event.KindApprove, false }, ""},
		{func(r *event.Request) { r.Kind, r.KeepOutput, r.Reason = event.KindApprove, false, "" }, ""},
		{func(r *event.Request) { r.Kind, r.KeepOutput, r.Regions = event.KindRerender, false, full().Regions }, ""},
		{func(r *event.Request) {
			r.Kind, r.KeepOutput, r.Regions = event.KindRerender, false, json.RawMessage(`[]`)
		}, "regions: must be a JSON object (got a list)"},
	} {
		checkLimit(t, fullReject(), c.set, c.want)
	}
	for id, want := range map[string]bool{"": true, "-1": true, "-1-2": true, "-": false, "-a": false, "/../x": false} {
		events, err := event.Decode([]byte(`{"version":1,"kind":"approve","job":"fde3c882ec9929fc026df4df2cad7755` + id + `"}`))
		if (err == nil) != want || want && events[0].(event.Request).Job != "fde3c882ec9929fc026df4df2cad7755" {
			t.Errorf("%q: %+v, %v", id, events, err)
		}
	}
}

func TestTranscodeLimits(t *testing.T) {
	t.Parallel()
	none := event.Location{}
	for _, c := range []struct {
		set  func(*event.Request)
		want string // empty where it is allowed
	}{
		{func(r *event.Request) { r.Destination = none }, ""},
		{func(r *event.Request) { r.Destination.Key = "" }, ""},
		{func(r *event.Request) { r.Destination.Key = "a" }, `destination: must be a folder, s3://bucket/ or s3://bucket/folder/ with the slash at its end (got "s3://streams/a")`},
		{func(r *event.Request) { r.Destination.Bucket = "" }, "destination: bucket must have 1 to 63 characters"},
		{func(r *event.Request) { r.Destination.VersionID = "1" }, "destination: must not have a version"},
		{func(r *event.Request) { r.Destination = event.Location{VersionID: "1"} }, "destination: must not have a version"},
		{func(r *event.Request) { r.Detections = []event.Location{r.Source} }, "detections: unknown field, known are version, kind, token, source, destination, settings, template, start, end, clips"},
		{func(r *event.Request) { r.Source.VersionID = "1" }, "versionId: unknown field"},
		{func(r *event.Request) { r.Options.Style = "blur" }, "style: unknown field"},
		{func(r *event.Request) { r.Options.Blocks = new(8) }, "blocks: unknown field"},
		{func(r *event.Request) { r.Options.Margin = new(0.0) }, "margin: unknown field"},
		{func(r *event.Request) { r.Options.Preset = "slow" }, "preset: unknown field"},
		{func(r *event.Request) { r.Options.CRF = new(0) }, "crf: unknown field"},
		{func(r *event.Request) { r.Options.AllowWeak = true }, "allowWeak: unknown field"},
		{func(r *event.Request) { r.Settings = none }, ""},
		{func(r *event.Request) { r.Settings.VersionID = "1" }, "settings: must not have a version"},
		{func(r *event.Request) { r.Settings.Bucket = "" }, "settings: bucket must have"},
		{func(r *event.Request) { r.Document = json.RawMessage(`{}`) }, "settings: must not be a URI and an object"},
		{func(r *event.Request) { r.Template = "a" }, `template: must not be there where settings are (got "a")`},
		{func(r *event.Request) { r.Settings, r.Document = none, json.RawMessage(`{}`) }, ""},
		{func(r *event.Request) { r.Settings, r.Document = none, json.RawMessage(``) }, "settings: must be a JSON object"},
		{func(r *event.Request) { r.Settings, r.Document = none, json.RawMessage(`[]`) }, "settings: must be a JSON object (got a list)"},
		{func(r *event.Request) { r.Settings, r.Document = none, json.RawMessage(`{`) }, "settings: must be a JSON object (got an object)"},
		{func(r *event.Request) { r.Settings, r.Document = none, json.RawMessage("{\"\xff\":1}") }, "settings: must be a JSON object"},
		{func(r *event.Request) { r.Settings, r.Template = none, strings.Repeat("a", 1024) }, ""},
		{func(r *event.Request) { r.Settings, r.Template = none, strings.Repeat("a", 1025) }, "template: must be at most 1024 printable characters"},
		{func(r *event.Request) { r.Settings, r.Template = none, "a\x00" }, "template: must be at most"},
		{func(r *event.Request) { r.Settings, r.Template = none, "\xff" }, "template: must be at most"},
		{func(r *event.Request) { r.Clips = nil }, ""},
		{func(r *event.Request) { r.Clips = r.Clips[:1] }, ""},
		{func(r *event.Request) { r.Clips = r.Clips[1:] }, ""},
		{func(r *event.Request) { r.Clips[1].Start = "1" }, `clips[1].start: must be a timecode, HH:MM:SS:FF or HH:MM:SS;FF (got "1")`},
		{func(r *event.Request) { r.Clips = []event.Clip{{Start: "1"}} }, "start: must be a timecode"},
		{func(r *event.Request) { r.Clips = []event.Clip{{}} }, "start: must be set, or end: this is all of the video"},
		{func(r *event.Request) {
			r.Clips = []event.Clip{{Source: event.Location{Bucket: "uploads", Key: "a.mp4"}}}
		}, "start: must be set, or end: this is all of the video"},
		{func(r *event.Request) { r.Clips[0].Source = event.Location{Bucket: "uploads", Key: "a.mp4"} }, "clips[1].start: must be after the end of the clip before it"},
	} {
		checkLimit(t, fullTranscode(), c.set, c.want)
	}
}

// checkLimit holds that Validate, writing and reading agree.
func checkLimit(t *testing.T, r event.Request, set func(*event.Request), want string) {
	t.Helper()
	set(&r)
	err := r.Validate()
	body, errMarshal := json.Marshal(r)
	switch {
	case want != "":
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if errMarshal == nil {
			t.Errorf("written although %s: %s", want, body)
		} else {
			checkError(t, nil, errMarshal)
		}
	case err != nil || errMarshal != nil:
		t.Errorf("refused: %v, %v", err, errMarshal)
	default:
		checkDecodesTo(t, body, r)
	}
}

func TestUnmarshalLeavesRequestAloneOnError(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `null`, `[]`, `{"version":1,"kind":"mosaic","source":"s3://uploads/b.mp4"}`} {
		got := full()
		err := json.Unmarshal([]byte(body), &got)
		if err == nil {
			t.Errorf("%s: read", body)
			continue
		}
		leaf(t, err)
		if !reflect.DeepEqual(got, full()) {
			t.Errorf("%s: changed to %+v", body, got)
		}
	}
}
