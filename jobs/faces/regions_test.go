package faces

import (
	"encoding/json"
	"image"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestRegions(t *testing.T) {
	t.Parallel()
	r, err := ParseRegions([]byte(`{"add":[{"left":0.5,"top":0.5,"width":0.1,"height":0.2,"start":1.5,"end":2},{"left":-0.1,"top":0,"width":0.2,"height":0.2}],"only":[{"end":1},{"start":3}]}`))
	if err != nil {
		t.Fatal(err)
	}
	face := Track{{0, Box{0.8, 0.8, 0.1, 0.1}}, {4 * time.Second, Box{0.4, 0.4, 0.1, 0.1}}}
	tracks := r.Apply(Tracks{face})
	body, err := json.Marshal(tracks) // as it reaches the engine
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &tracks); err != nil {
		t.Fatal(err)
	}
	corner, plate := image.Rect(-10, 0, 10, 20), image.Rect(50, 50, 60, 70)
	for milliseconds, want := range map[int][]image.Rectangle{
		0:       {image.Rect(80, 80, 90, 90), corner},
		1000:    {image.Rect(70, 70, 80, 80), corner},
		1001:    {corner},
		1500:    {plate, corner},
		2000:    {plate, corner},
		2001:    {corner},
		3000:    {image.Rect(50, 50, 60, 60), corner},
		4000:    {image.Rect(40, 40, 50, 50), corner},
		4001:    {corner},
		3600000: {corner},
	} {
		if got := at(tracks, milliseconds); !reflect.DeepEqual(got, want) {
			t.Errorf("at %d ms: %v, want %v", milliseconds, got, want)
		}
	}
	if got := (Regions{}).Apply(Tracks{face}); !reflect.DeepEqual(got, Tracks{face}) {
		t.Errorf("nothing said: %v", got)
	}
}

func TestParseRegionsRefuses(t *testing.T) {
	t.Parallel()
	for body, says := range map[string]string{
		``: "EOF", `[]`: "array", `{"ad":[]}`: `unknown field "ad"`, `{} {}`: "more than one",
		`{"add":[{"left":0,"top":0,"width":0.1}]}`:                          "add[0]: left, top, width and height",
		`{"add":[{"left":0,"top":0,"width":0.1,"height":0}]}`:               "add[0]: bounding box",
		`{"add":[{"left":100,"top":0,"width":10,"height":10}]}`:             "add[0]: bounding box",
		`{"add":[{"left":0,"top":0,"width":1,"height":1,"start":-1}]}`:      "add[0]: start and end must be seconds",
		`{"only":[{"start":0,"end":1},{"start":2,"end":2}]}`:                "only[1]: start and end must be seconds",
		`{"only":[{"start":1e300}]}`:                                        "only[0]: start and end",
		`{"add":[{"left":0,"top":0,"width":1,"height":1,"color":"black"}]}`: `unknown field "color"`,
	} {
		if _, err := ParseRegions([]byte(body)); err == nil || !strings.HasPrefix(err.Error(), "regions: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error is %v", body, err)
		}
	}
}
