package event_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// full returns a Request with every field set.
func full() event.Request {
	return event.Request{
		Version:     1,
		Kind:        "mosaic",
		Source:      event.Location{Bucket: "uploads", Key: "a b/100%/+é?versionId=x#<&>\n.mp4", VersionID: "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"},
		Destination: event.Location{Bucket: "covered", Key: "a.mp4"},
		Detections:  []event.Location{{Bucket: "uploads", Key: "1.json"}, {Bucket: "uploads", Key: "2.json"}},
		Options:     event.Options{Style: "blur", Blocks: new(9), Margin: new(0.25), Preset: "slow", CRF: new(21)},
	}
}

// TestRequestEveryField notices a field that one of the two directions forgets.
func TestRequestEveryField(t *testing.T) {
	t.Parallel()
	want := full()
	for _, v := range []reflect.Value{reflect.ValueOf(want), reflect.ValueOf(want.Options)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s.%s isn't set: set it in full", v.Type(), v.Type().Field(i).Name)
			}
		}
	}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	form := `{"version":1,"kind":"mosaic","source":"s3://uploads/a b/100%/+é?versionId=x#\u003c\u0026\u003e\n.mp4",` +
		`"destination":"s3://covered/a.mp4","versionId":"3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY",` +
		`"detections":["s3://uploads/1.json","s3://uploads/2.json"],` +
		`"style":"blur","blocks":9,"margin":0.25,"preset":"slow","crf":21}`
	if string(body) != form {
		t.Errorf("got  %s\nwant %s", body, form)
	}
	checkDecodesTo(t, body, want)

	var got event.Request
	if err := json.Unmarshal(body, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func TestRequestLeavesOutWhatIsNotSet(t *testing.T) {
	t.Parallel()
	r := full()
	r.Source.VersionID, r.Detections, r.Options = "", nil, event.Options{}
	r.Source.Key = "a.mp4"
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"kind":"mosaic","source":"s3://uploads/a.mp4","destination":"s3://covered/a.mp4"}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	checkDecodesTo(t, body, r)
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
		{func(r *event.Request) { r.Kind = "" }, `unknown message kind "": this worker knows mosaic`},
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
		{func(r *event.Request) { *r.Options.Blocks = 65 }, "blocks: must be 2 to 64 (got 65)"},
		{func(r *event.Request) { *r.Options.Margin = 0 }, ""},
		{func(r *event.Request) { *r.Options.Margin = 2 }, ""},
		{func(r *event.Request) { *r.Options.Margin = 2.01 }, "margin: must be 0 to 2 (got 2.01)"},
		{func(r *event.Request) { *r.Options.Margin = -0.01 }, "margin: must be 0 to 2 (got -0.01)"},
		{func(r *event.Request) { *r.Options.Margin = math.NaN() }, "margin: must be 0 to 2 (got NaN)"},
		{func(r *event.Request) { r.Options.Preset = "ultrafast" }, ""},
		{func(r *event.Request) { r.Options.Preset = "placebo" }, ""},
		{func(r *event.Request) { r.Options.Preset = "quick" }, "preset: must be one of ultrafast, "},
		{func(r *event.Request) { *r.Options.CRF = 0 }, ""},
		{func(r *event.Request) { *r.Options.CRF = 51 }, ""},
		{func(r *event.Request) { *r.Options.CRF = -1 }, "crf: must be 0 to 51 (got -1)"},
		{func(r *event.Request) { *r.Options.CRF = 52 }, "crf: must be 0 to 51 (got 52)"},
	} {
		r := full()
		c.set(&r)
		err := r.Validate()
		body, errMarshal := json.Marshal(r)
		switch {
		case c.want != "":
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if errMarshal == nil {
				t.Errorf("written although %s: %s", c.want, body)
			} else {
				checkError(t, nil, errMarshal)
			}
		case err != nil || errMarshal != nil:
			t.Errorf("refused: %v, %v", err, errMarshal)
		default:
			checkDecodesTo(t, body, r)
		}
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
