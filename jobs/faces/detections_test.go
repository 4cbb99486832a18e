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
		"box without Left":      {`{"Faces": [{"Timestamp": 0, "Face": {"BoundingBox": {"Top": 0.1, "Width": 0.1, "Height": 0.1}}}]}`, "without Left, Top, Width or Height"},
		"box without Height":    {`{"Faces": [{"Timestamp": 0, "Face": {"BoundingBox": {"Left": 0.1, "Top": 0.1, "Width": 0.1, "Height": null}}}]}`, "without Left, Top, Width or Height"},
		"negative box":          {`{"Faces": [{"Timestamp": 0, "Face": {"BoundingBox": {"Left": 0.1, "Top": 0.1, "Width": -0.1, "Height": 0.1}}}]}`, "is empty"},
		"box right of it":       {`{"Faces": [{"Timestamp": 0, "Face": {"BoundingBox": {"Left": 1, "Top": 0.1, "Width": 0.1, "Height": 0.1}}}]}`, "wholly outside"},
		"box above it":          {`{"Faces": [{"Timestamp": 0, "Face": {"BoundingBox": {"Left": 0.1, "Top": -0.3, "Width": 0.1, "Height": 0.2}}}]}`, "wholly outside"},
		"huge box":              {`{"Faces": [{"Timestamp": 0, "Face": {"BoundingBox": {"Left": 0, "Top": 0, "Width": 5, "Height": 1}}}]}`, "more than 2 times as large"},
		"box not a number":      {`{"Faces": [{"Timestamp": 0, "Face": {"BoundingBox": {"Left": 0.1, "Top": 0.1, "Width": "NaN", "Height": 0.1}}}]}`, "Width of type float64"},
		"person's box outside":  {`{"Persons": [{"Timestamp": 0, "Person": {"Index": 0, "Face": {"BoundingBox": {"Left": -1, "Top": 0, "Width": 0.5, "Height": 1}}}}]}`, "Persons[0]: bounding box"},
		"person tracking":       {`{"Persons": [{"Timestamp": 0, "Person": {"Index": 0, "BoundingBox": ` + box + `}}]}`, "get-person-tracking"},
		"labels":                {`{"JobStatus": "SUCCEEDED", "Labels": []}`, "it has the Labels of get-label-detection"},
		"moderation":            {`{"JobStatus": "SUCCEEDED", "ModerationLabels": []}`, "get-content-moderation"},
		"celebrities":           {`{"JobStatus": "SUCCEEDED", "Celebrities": []}`, "get-celebrity-recognition"},
		"a picture's faces":     {`{"FaceDetails": [{"BoundingBox": ` + box + `}]}`, "detect-faces, which looks at a picture"},
		"a collection's faces":  {`{"Faces": [{"FaceId": "1", "BoundingBox": ` + box + `}]}`, "no Timestamp"},
		"impossible video":      {`{"VideoMetadata": {"DurationMillis": -1}, "Faces": []}`, "in VideoMetadata"},
		"UTF-32":                {"\xff\xfe\x00\x00{\x00\x00\x00", "save it as UTF-8"},
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

// TestParseRefusesPagesThatDontBelongTogether: a page that is missing is faces that are shown.
func TestParseRefusesPagesThatDontBelongTogether(t *testing.T) {
	t.Parallel()
	for name, ca := range map[string]struct {
		pages []string
		says  string
	}{
		"the same twice":  {[]string{`{"NextToken": "a", "Faces": []}`, `{"NextToken": "a", "Faces": []}`, `{"Faces": []}`}, "the same page comes twice"},
		"two last ones":   {[]string{`{"Faces": []}`, `{"Faces": []}`}, "page 1 of 2: it has no NextToken"},
		"two jobs":        {[]string{`{"JobId": "1", "NextToken": "a", "Faces": []}`, `{"JobId": "2", "Faces": []}`}, "it is of job 2"},
		"two videos":      {[]string{`{"Video": {"S3Object": {"Bucket": "b", "Name": "1"}}, "NextToken": "a", "Faces": []}`, `{"Video": {"S3Object": {"Bucket": "b", "Name": "2"}}, "Faces": []}`}, "it is of s3://b/2"},
		"two durations":   {[]string{`{"VideoMetadata": {"DurationMillis": 1000}, "NextToken": "a", "Faces": []}`, `{"VideoMetadata": {"DurationMillis": 2000}, "Faces": []}`}, "not those of the pages before it"},
		"failed later on": {[]string{`{"NextToken": "a", "Faces": []}`, `{"JobStatus": "FAILED"}`}, "page 2 of 2: the job's status is FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var pages [][]byte
			for _, p := range ca.pages {
				pages = append(pages, []byte(p))
			}
			if _, err := Parse(pages...); err == nil || !strings.Contains(err.Error(), ca.says) {
				t.Errorf("error is %v, want %q", err, ca.says)
			}
		})
	}
}

// TestParseTakes what is unusual, and right.
func TestParseTakes(t *testing.T) {
	t.Parallel()
	utf16 := []byte{0xff, 0xfe}
	for _, b := range page1("") {
		utf16 = append(utf16, b, 0)
	}
	for name, ca := range map[string]struct {
		page  []byte
		faces int
	}{
		"UTF-16":                      {utf16, 2},
		"a byte order mark":           {append([]byte("\ufeff"), page1("")...), 2},
		"no faces":                    {[]byte(`{"JobStatus": "SUCCEEDED", "Faces": null}`), 0},
		"a search that saw no face":   {[]byte(`{"Persons": [{"Timestamp": 0, "Person": {"Index": 0}, "FaceMatches": null}]}`), 0},
		"a box partly outside":        {[]byte(`{"Faces": [{"Timestamp": 0, "Face": {"BoundingBox": {"Left": 0.95, "Top": -0.1, "Width": 0.2, "Height": 1.3}}}]}`), 1},
		"person tracking with a face": {[]byte(`{"Persons": [{"Timestamp": 0, "Person": {"Index": 0, "Face": {"BoundingBox": {"Left": 0, "Top": 0, "Width": 0.2, "Height": 0.3}}}}]}`), 1},
	} {
		if d, err := Parse(ca.page); err != nil || len(d.Faces) != ca.faces {
			t.Errorf("%s: %d faces, %v", name, len(d.Faces), err)
		}
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
		checkTracks(t, d, tracked(t, d, Options{Margin: DefaultMargin}))
	})
}
