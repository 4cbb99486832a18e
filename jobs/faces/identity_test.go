package faces

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// search is a page of GetFaceSearch: two people who cross, of whom person 0 is
// in the collection. The matches of some samples are missing or weak.
func search(similarity func(sample int) float64) []byte {
	var all []string
	for i := range 21 {
		x := float64(i) / 20
		match := ""
		if s := similarity(i); s > 0 {
			match = fmt.Sprintf(`,"FaceMatches":[{"Similarity":12.5,"Face":{"FaceId":"b"}},{"Similarity":%g,"Face":{"FaceId":"a","BoundingBox":{"Left":0.9,"Top":0.9,"Width":0.1,"Height":0.1}}}]`, s)
		}
		const person = `{"Timestamp":%d,"Person":{"Index":%d,"BoundingBox":{"Left":0,"Top":0,"Width":1,"Height":1},"Face":{"BoundingBox":{"Left":%g,"Top":0.4,"Width":0.1,"Height":0.2}}}%s}`
		all = append(all, fmt.Sprintf(person, i*500, 0, 0.1+0.7*x, match), fmt.Sprintf(person, i*500, 1, 0.8-0.7*x, ""))
	}
	return []byte(`{"JobStatus":"SUCCEEDED","Persons":[` + strings.Join(all, ",") + `]}`)
}

// TestIdentity: two faces, one in the collection, crossing paths. On every frame
// the right one is covered, and the other only where the covers meet.
func TestIdentity(t *testing.T) {
	t.Parallel()
	d, err := Parse(search(func(i int) float64 {
		if i%4 == 3 { // it turned away
			return 0
		}
		return 97
	}))
	if err != nil {
		t.Fatal(err)
	}
	for cover, visible := range map[string]int{CoverStrangers: 0, CoverListed: 1} {
		tracks := tracked(t, d, Options{Margin: DefaultMargin, Cover: cover})
		if len(tracks) != 1 {
			t.Fatalf("%s: %d tracks", cover, len(tracks))
		}
		for at := time.Duration(0); at <= 10*time.Second; at += 40 * ms {
			x := at.Seconds() / 10
			centres := [2]float64{0.15 + 0.7*x, 0.85 - 0.7*x}
			rects := tracks.At(at, 1000, 1000)
			if len(rects) != 1 {
				t.Fatalf("%s at %s: %v", cover, at, rects)
			}
			in := func(c float64) bool { return int(c*1000) >= rects[0].Min.X+50 && int(c*1000) <= rects[0].Max.X-50 }
			if !in(centres[1-visible]) {
				t.Fatalf("%s at %s: the cover %v is not over %v", cover, at, rects[0], centres[1-visible])
			}
			if apart := centres[0] - centres[1]; in(centres[visible]) && (apart > 0.3 || apart < -0.3) {
				t.Fatalf("%s at %s: the cover %v is over %v", cover, at, rects[0], centres[visible])
			}
		}
	}
	if tracks := tracked(t, d, Options{}); len(tracks) != 2 {
		t.Errorf("all: %d tracks", len(tracks))
	}
}

// TestIdentityInDoubt: who is not clearly known is a stranger, and who may be
// known is listed.
func TestIdentityInDoubt(t *testing.T) {
	t.Parallel()
	for name, ca := range map[string]struct {
		similarity        func(int) float64
		strangers, listed int // tracks
	}{
		"nobody":        {func(int) float64 { return 0 }, 2, 0},
		"once":          {func(i int) float64 { return map[int]float64{7: 99}[i] }, 2, 1},
		"in the half":   {func(i int) float64 { return float64(99 * (i % 2)) }, 2, 1},
		"not alike":     {func(int) float64 { return 79.9 }, 2, 0},
		"most of times": {func(i int) float64 { return float64(99 * min(i%3, 1)) }, 1, 1},
	} {
		d, err := Parse(search(ca.similarity))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(tracked(t, d, Options{Cover: CoverStrangers})); n != ca.strangers {
			t.Errorf("%s: %d tracks of strangers", name, n)
		}
		if n := len(tracked(t, d, Options{Cover: CoverListed})); n != ca.listed {
			t.Errorf("%s: %d tracks of people in the collection", name, n)
		}
	}
	// Without a face search nobody is known.
	d := Detections{Faces: []Detection{seen(0, 10, 10, 10)}}
	for _, cover := range []string{CoverAll, CoverStrangers, CoverListed} {
		if n := len(tracked(t, d, Options{Cover: cover})); n != 1 {
			t.Errorf("%s: %d tracks", cover, n)
		}
	}
}

// TestPersonWithoutAFace: the body keeps the track alive.
func TestPersonWithoutAFace(t *testing.T) {
	t.Parallel()
	const face = `{"Timestamp":%d,"Person":{"Index":0,"Face":{"BoundingBox":{"Left":0.4,"Top":0.4,"Width":0.1,"Height":0.1}}}}`
	const body = `{"Timestamp":%d,"Person":{"Index":0,"BoundingBox":{"Left":0.3,"Top":0.3,"Width":0.3,"Height":0.7}}}`
	for name, between := range map[string][]int{"seen": {1500, 3000, 4500}, "gone": nil} {
		all := []string{fmt.Sprintf(face, 0), fmt.Sprintf(face, 6000)}
		for _, at := range between {
			all = append(all, fmt.Sprintf(body, at))
		}
		d, err := Parse([]byte(`{"JobStatus":"SUCCEEDED","Persons":[` + strings.Join(all, ",") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		d.Every = 500 * ms
		covered := len(at(tracked(t, d, Options{}), 3000)) > 0
		if want := between != nil; covered != want {
			t.Errorf("%s: covered in between: %v", name, covered)
		}
	}
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	for says, o := range map[string]Options{"": {Cover: "strangers", Similarity: 90}, "cover: must be one of": {Cover: "some"}, "similarity: must be": {Similarity: 101}} {
		if err := o.Validate(); (err == nil) != (says == "") || err != nil && !strings.HasPrefix(err.Error(), says) {
			t.Errorf("error is %v, want %s", err, says)
		}
	}
}

// TestUnspared: who is meant to be seen is not still found.
func TestUnspared(t *testing.T) {
	t.Parallel()
	var d Detections
	for ms := 0; ms <= 4000; ms += 500 {
		listed, stranger := person(0, seen(ms, 10, 10, 20)), person(1, seen(ms, 60, 10, 20))
		listed.Similarity = 99
		d.Faces = append(d.Faces, listed, stranger)
	}
	found := []Detection{seen(250, 10, 12, 20), seen(250, 60, 10, 20), seen(3900, 12, 10, 20), seen(3900, 30, 70, 20)}
	for cover, want := range map[string][]Detection{
		CoverAll: found, CoverStrangers: {found[1], found[3]}, CoverListed: {found[0], found[2], found[3]},
	} {
		if got := unspared(t, d, found, Options{Cover: cover}); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", cover, got, want)
		}
	}
}
