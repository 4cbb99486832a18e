package faces

import (
	"encoding/json"
	"image"
	"reflect"
	"slices"
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

// TestExcept: a face is left out only where it lies within the rectangle, and only
// then.
func TestExcept(t *testing.T) {
	t.Parallel()
	r, err := ParseRegions([]byte(`{"except":[{"left":0.1,"top":0.1,"width":0.3,"height":0.3,"start":1,"end":3}],"add":[{"left":0.2,"top":0.2,"width":0.1,"height":0.1,"start":2,"end":2.5}]}`))
	if err != nil {
		t.Fatal(err)
	}
	second := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	poster := Track{{0, Box{0.2, 0.2, 0.1, 0.1}}, {second(4), Box{0.2, 0.2, 0.1, 0.1}}}
	passing := Track{{0, Box{0, 0.2, 0.1, 0.1}}, {second(2), Box{0.2, 0.2, 0.1, 0.1}}, {second(4), Box{0.8, 0.2, 0.1, 0.1}}}
	larger := Track{{0, Box{0.2, 0.2, 0.3, 0.1}}, {second(4), Box{0.2, 0.2, 0.3, 0.1}}}
	glimpse := Track{{second(1), Box{0.2, 0.2, 0.1, 0.1}}}
	own := image.Rect(20, 20, 30, 30)
	for name, ca := range map[string]struct {
		track Track
		want  map[int][]image.Rectangle
	}{
		"a poster":                   {poster, map[int][]image.Rectangle{0: {own}, 1000: {own}, 1001: nil, 1999: nil, 2200: {own}, 2999: nil, 3000: {own}, 4000: {own}}},
		"a face that reaches beyond": {larger, map[int][]image.Rectangle{0: {image.Rect(20, 20, 50, 30)}, 1500: {image.Rect(20, 20, 50, 30)}, 4000: {image.Rect(20, 20, 50, 30)}}},
		"a face that goes through":   {passing, map[int][]image.Rectangle{0: {image.Rect(0, 20, 10, 30)}, 500: {image.Rect(5, 20, 15, 30)}, 1500: nil, 2600: {image.Rect(38, 20, 48, 30)}, 4000: {image.Rect(80, 20, 90, 30)}}},
		"a glimpse":                  {glimpse, map[int][]image.Rectangle{1000: nil}},
	} {
		tracks := r.Apply(Tracks{ca.track})
		for milliseconds, want := range ca.want {
			if got := at(tracks, milliseconds); !reflect.DeepEqual(got, want) {
				t.Errorf("%s at %d ms: %v, want %v", name, milliseconds, got, want)
			}
		}
	}
}

// TestExceptions: by a track's own regions it is gone whole, and a face beside it
// isn't.
func TestExceptions(t *testing.T) {
	t.Parallel()
	var crossing, beside Track
	for i := range 200 {
		at := time.Duration(i) * 500 * time.Millisecond
		crossing = append(crossing, Key{at, Box{0.004 * float64(i), 0.3, 0.1, 0.15}})
		beside = append(beside, Key{at, Box{0.004 * float64(i), 0.42, 0.1, 0.15}})
	}
	still := Track{{0, Box{0.8, 0.8, 0.1, 0.1}}, {10 * time.Minute, Box{0.8, 0.8, 0.1, 0.1}}}
	glimpse := Track{{time.Second, Box{0.5, 0.1, 0.1, 0.1}}}
	all := Tracks{crossing, beside, still, glimpse}
	for i, struck := range all {
		r := Regions{Except: struck.Exceptions()}
		if len(r.Except) > 60 {
			t.Errorf("track %d: %d regions", i, len(r.Except))
		}
		rest := r.Apply(all)
		if len(rest) != len(all)-1 {
			t.Errorf("without track %d there are %d", i, len(rest))
		}
		for j, other := range all {
			for _, k := range other {
				if covered := slices.ContainsFunc(rest, func(t Track) bool { b, ok := t.At(k.At); return ok && b == k.Box }); covered != (i != j) {
					t.Fatalf("without track %d, track %d at %s: covered is %t", i, j, k.At, covered)
				}
			}
		}
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
		`{"except":[{"left":0,"top":0,"width":0.1}]}`:                       "except[0]: left, top, width and height",
		`{"except":[{"left":0,"top":0,"width":1,"height":1,"end":0}]}`:      "except[0]: start and end must be seconds",
		`{"only":[{"start":1e300}]}`:                                        "only[0]: start and end",
		`{"add":[{"left":0,"top":0,"width":1,"height":1,"color":"black"}]}`: `unknown field "color"`,
	} {
		if _, err := ParseRegions([]byte(body)); err == nil || !strings.HasPrefix(err.Error(), "regions: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error is %v", body, err)
		}
	}
}
