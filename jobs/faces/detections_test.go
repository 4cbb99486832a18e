package faces

import (
	"strings"
	"testing"
	"time"
)

const detectionPage = `{
  "JobStatus": "SUCCEEDED",
  "VideoMetadata": {"Codec": "h264", "DurationMillis": 10010, "Format": "QuickTime / MOV", "FrameRate": 29.97, "FrameHeight": 360, "FrameWidth": 640},
  %s
  "Faces": [
    {"Timestamp": 500, "Face": {"BoundingBox": {"Width": 0.1, "Height": 0.2, "Left": -0.05, "Top": 0.9}, "Confidence": 99.9, "Landmarks": [{"Type": "eyeLeft", "X": 0.1, "Y": 0.2}]}},
    {"Timestamp": 0, "Face": {"BoundingBox": {"Width": 0.1, "Height": 0.2, "Left": 0.3, "Top": 0.4}, "Confidence": 98.1}}
  ]
}`

const searchPage = `{
  "JobStatus": "SUCCEEDED",
  "Persons": [
    {"Timestamp": 0, "Person": {"Index": 7, "BoundingBox": {"Width": 0.9, "Height": 0.9, "Left": 0, "Top": 0},
      "Face": {"BoundingBox": {"Width": 0.1, "Height": 0.2, "Left": 0.3, "Top": 0.4}, "Confidence": 99}},
     "FaceMatches": [{"Similarity": 99, "Face": {"FaceId": "a", "BoundingBox": {"Width": 0.7, "Height": 0.7, "Left": 0.1, "Top": 0.1}, "ExternalImageId": "me"}}]},
    {"Timestamp": 500, "Person": {"Index": 7, "BoundingBox": {"Width": 0.9, "Height": 0.9, "Left": 0, "Top": 0}}}
  ]
}`

func page1(extra string) []byte { return []byte(strings.Replace(detectionPage, "%s", extra, 1)) }

func TestParseFaceDetection(t *testing.T) {
	t.Parallel()
	d, err := Parse(page1(`"NextToken": "more",`), page1(""))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Faces) != 4 || d.Faces[0].At != 0 || d.Faces[3].At != 500*time.Millisecond {
		t.Fatalf("detections are %+v", d.Faces)
	}
	if want := (Box{Left: -0.05, Top: 0.9, Width: 0.1, Height: 0.2}); d.Faces[3].Box != want || d.Faces[3].Person != NoPerson {
		t.Errorf("the last one is %+v", d.Faces[3])
	}
}

// TestParseFaceSearch: the box is that of the face, neither the body's nor that
// of the collection's picture.
func TestParseFaceSearch(t *testing.T) {
	t.Parallel()
	d, err := Parse([]byte(searchPage))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Faces) != 1 || d.Faces[0].Person != 7 || d.Faces[0].Box != (Box{0.3, 0.4, 0.1, 0.2}) {
		t.Errorf("detections are %+v", d.Faces)
	}
}

func TestParseFailsClosed(t *testing.T) {
	t.Parallel()
	box := `{"Left": 0.1, "Top": 0.1, "Width": 0.1, "Height": 0.1}`
	for name, ca := range map[string]struct{ page, says string }{
		"not JSON":              {`faces`, "not a JSON object"},
		"something else":        {`{"Labels": []}`, "neither Faces"},
		"failed":                {`{"JobStatus": "FAILED", "StatusMessage": "no codec", "Faces": []}`, "FAILED, not SUCCEEDED: no codec"},
		"not done":              {`{"JobStatus": "IN_PROGRESS", "Faces": []}`, "IN_PROGRESS"},
		"page missing":          {`{"NextToken": "more", "Faces": []}`, "pages after it are missing"},
		"no time":               {`{"Faces": [{"Face": {"BoundingBox": ` + box + `}}]}`, "Faces[0]: no Timestamp"},
		"no box":                {`{"Faces": [{"Timestamp": 0, "Face": {}}]}`, "no Face.BoundingBox"},
		"empty box":             {`{"Faces": [{"Timestamp": 0, "Face": {"BoundingBox": {"Left": 0.1, "Top": 0.1, "Width": 0, "Height": 1}}}]}`, "is empty"},
		"box in pixels":         {`{"Faces": [{"Timestamp": 0, "Face": {"BoundingBox": {"Left": 100, "Top": 100, "Width": 50, "Height": 50}}}]}`, "not in ratios"},
		"time before the start": {`{"Faces": [{"Timestamp": -1, "Face": {"BoundingBox": ` + box + `}}]}`, "timestamp -1 ms"},
		"person without index":  {`{"Persons": [{"Timestamp": 0, "Person": {"Face": {"BoundingBox": ` + box + `}}}]}`, "Person.Index"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Parse([]byte(ca.page)); err == nil || !strings.Contains(err.Error(), ca.says) {
				t.Errorf("error is %v, want %q", err, ca.says)
			}
		})
	}
	if _, err := Parse(); err == nil {
		t.Error("no page at all was accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(page1(""))
	f.Add([]byte(searchPage))
	f.Add([]byte(`{"Faces":[{"Timestamp":1e3,"Face":{"BoundingBox":{"Left":1e308}}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := Parse(body)
		if err != nil {
			return
		}
		checkTracks(t, d, d.Track(Options{Margin: DefaultMargin}))
	})
}
