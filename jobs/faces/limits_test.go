package faces

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// onePage is a page of GetFaceDetection with so many faces at each of so many times.
func onePage(times, faces int) string {
	var b strings.Builder
	for t := range times {
		for f := range faces {
			fmt.Fprintf(&b, `,{"Timestamp":%d,"Face":{"BoundingBox":{"Left":%.3f,"Top":%.3f,"Width":0.05,"Height":0.05}}}`, 500*t, 0.1*float64(f%10), 0.1*float64(f/10%10))
		}
	}
	return `{"Faces":[` + strings.TrimPrefix(b.String(), ",") + `]}`
}

func TestReaderLimits(t *testing.T) {
	t.Parallel()
	if _, err := Parse([]byte(onePage(3, MaxAtOnce))); err != nil {
		t.Error(err)
	}
	if _, err := Parse([]byte(onePage(2, MaxAtOnce+1))); err == nil || !strings.Contains(err.Error(), "101 faces at 0.000 s: at most 100") {
		t.Errorf("error is %v", err)
	}
	// On pages of their own they are no fewer.
	first := strings.TrimSuffix(onePage(1, 60), "}") + `,"NextToken":"more"}`
	if _, err := Parse([]byte(first), []byte(onePage(1, 60))); err == nil || !strings.Contains(err.Error(), "120 faces at 0.000 s") {
		t.Errorf("error is %v", err)
	}
	if _, err := ParseBuiltin([]byte(onePage(2, 300))); err != nil { // a crowd
		t.Error(err)
	}
	var fast []string
	for i := range 200 {
		fast = append(fast, strings.Trim(strings.ReplaceAll(onePage(1, 100), `"Timestamp":0`, fmt.Sprintf(`"Timestamp":%d`, 5*i)), `{}"Faces:[]`))
	}
	if _, err := Parse([]byte(`{"Faces":[{"` + strings.Join(fast, `}}},{"`) + `}}}]}`)); err == nil || !strings.Contains(err.Error(), "more than 12000 faces in the second from 0.000 s") {
		t.Errorf("error is %v", err)
	}
	for name, add := range map[string]func(*Reader) error{
		"faces": func(r *Reader) error {
			return r.Read(strings.NewReader(onePage(1, 1)))
		},
		"persons without a face": func(r *Reader) error {
			return r.Read(strings.NewReader(`{"Persons":[{"Timestamp":0,"Person":{"Index":1},"FaceMatches":[]}]}`))
		},
	} {
		r := Reader{Pages: 1, entries: MaxFaces - 1}
		if err := add(&r); err != nil {
			t.Error(name, err)
		}
		r = Reader{Pages: 1, entries: MaxFaces}
		if err := add(&r); err == nil || !strings.Contains(err.Error(), "more than 4320000 faces") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

// TestReaderStreams: a page that breaks off is no result, wherever that is, and what is
// around the faces doesn't matter.
func TestReaderStreams(t *testing.T) {
	t.Parallel()
	page := `{"JobStatus":"SUCCEEDED","Labels":{"a":[{"b":null}],"c":"x"},` + strings.TrimPrefix(onePage(2, 2), "{")
	for n := range len(page) {
		if _, err := Parse([]byte(page[:n])); err == nil {
			t.Errorf("%q was taken for a page", page[:n])
		}
	}
	r := Reader{Pages: 1}
	if err := r.Read(iotest.OneByteReader(strings.NewReader(page))); err != nil {
		t.Fatal(err)
	}
	if d, err := r.Detections(); err != nil || len(d.Faces) != 4 {
		t.Errorf("%d faces, %v", len(d.Faces), err)
	}
	failed := errors.New("the connection broke")
	r = Reader{Pages: 1}
	if err := r.Read(iotest.ErrReader(failed)); !errors.Is(err, failed) {
		t.Errorf("error is %v", err)
	}
	for _, more := range []string{page + page, page + "]", `{"Faces":{}}`, `{"Faces":[1]}`, `[]`, `null`} {
		if _, err := Parse([]byte(more)); err == nil {
			t.Errorf("%.40q… was taken for a page", more)
		}
	}
}

// crowds are detections that would be slow to associate where each is compared with
// all: very many short tracks at a time.
func crowds() map[string]Detections {
	every := func(all, step int, place func(rng *rand.Rand, i int) Box) Detections {
		if testing.Short() { // with the race detector
			all /= 10
		}
		d := Detections{Faces: make([]Detection, all), Every: 500 * ms}
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range d.Faces {
			d.Faces[i] = Detection{At: time.Duration(i/MaxAtOnce*step) * ms, Box: place(rng, i), Person: NoPerson}
		}
		return d
	}
	return map[string]Detections{
		"anywhere": every(200_000, 9, func(rng *rand.Rand, _ int) Box { return Box{rng.Float64(), rng.Float64(), 0.01, 0.01} }),
		"anywhere, of any size": every(40_000, 9, func(rng *rand.Rand, _ int) Box {
			return Box{rng.Float64(), rng.Float64(), 0.001 + rng.Float64()/4, 0.001 + rng.Float64()/4}
		}),
		"large, on one another": every(40_000, 9, func(rng *rand.Rand, _ int) Box { return Box{rng.Float64() / 10, rng.Float64() / 10, 0.8, 0.8} }),
		"tiny":                  every(40_000, 9, func(rng *rand.Rand, _ int) Box { return Box{rng.Float64(), rng.Float64(), 1e-4, 1e-4} }),
		"no two of one size": every(40_000, 9, func(_ *rand.Rand, i int) Box {
			side := 0.001 * float64(int(1)<<(i%8*2)) / 64
			return Box{float64(i%1000) / 1000, float64(i%777) / 777, side, side}
		}),
		"usual looks": every(200_000, 500, func(rng *rand.Rand, i int) Box {
			return Box{float64(i%10)/10 + rng.Float64()/100, float64(i/10%10)/10 + rng.Float64()/100, 0.05, 0.05}
		}),
	}
}

// TestTrackManyFaces: 200,000 boxes are followed in seconds, and at once when the context does.
func TestTrackManyFaces(t *testing.T) {
	t.Parallel()
	for name, d := range crowds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			started := time.Now()
			tracks := tracked(t, d, Options{Margin: DefaultMargin})
			t.Logf("%d tracks in %s", len(tracks), time.Since(started))
			cause := errors.New("told to stop")
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(cause)
			if _, err := d.Track(ctx, Options{}); !errors.Is(err, cause) {
				t.Errorf("error is %v", err)
			}
			if _, err := d.Unspared(ctx, d.Faces, Options{Cover: CoverStrangers}); err != nil {
				t.Errorf("nobody is spared: %v", err)
			}
			covers := tracks.Covers()
			for at := time.Duration(0); at < 3*time.Second; at += 40 * ms {
				covers.At(at, 1920, 1080)
			}
		})
	}
}

// TestTrackStopsOnTheWay: the context ends while it is at work.
func TestTrackStopsOnTheWay(t *testing.T) {
	t.Parallel()
	d := crowds()["anywhere, of any size"]
	for _, calls := range []int{1, 2, 50} {
		ctx := &counted{Context: t.Context(), left: calls}
		if _, err := d.Track(ctx, Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("after %d questions: %v", calls, err)
		}
	}
}

// A counted context ends when it was asked that often.
type counted struct {
	context.Context
	left int
}

func (c *counted) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func (c *counted) Value(key any) any { return nil }

// TestCoversAreThoseOfTracks, asked in any order.
func TestCoversAreThoseOfTracks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 3))
		tracks := make(Tracks, rng.IntN(20))
		for i := range tracks {
			at := time.Duration(rng.IntN(1000)) * ms
			for range 1 + rng.IntN(4) {
				tracks[i] = append(tracks[i], Key{at, Box{rng.Float64(), rng.Float64(), 0.1, 0.1}})
				at += time.Duration(1+rng.IntN(300)) * ms
			}
		}
		covers := tracks.Covers()
		at := time.Duration(0)
		for range 200 {
			if got, want := covers.At(at, 100, 100), tracks.At(at, 100, 100); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, at %s: %v, want %v", seed, at, got, want)
			}
			if at += time.Duration(rng.IntN(30)) * ms; rng.IntN(50) == 0 {
				at = time.Duration(rng.IntN(1500)) * ms
			}
		}
	}
}

// TestRegionsOfMany: a thousand spans of tracks that lie across them.
func TestRegionsOfMany(t *testing.T) {
	t.Parallel()
	var form []string
	for i := range MaxRegions {
		form = append(form, fmt.Sprintf(`{"start":%d,"end":%d}`, i%500*10, i%500*10+5))
	}
	r, err := ParseRegions([]byte(`{"only":[` + strings.Join(form, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	long := make(Track, 10_000)
	for i := range long {
		long[i] = Key{time.Duration(i) * 500 * ms, Box{0.1, 0.1, 0.1, 0.1}}
	}
	got := r.Apply(Tracks{long, long[:3], long[11:15], long[13:19]}) // 0 to 1 s, 5.5 to 7 s: in none, 6.5 to 9 s: in none
	if len(got) != 501 {
		t.Errorf("%d parts", len(got))
	}
	for i, part := range got[:500] {
		if part[0].At != time.Duration(i)*10*time.Second || part[len(part)-1].At != part[0].At+5*time.Second || len(part) != 11 {
			t.Fatalf("part %d is %v", i, part)
		}
	}
	form = append(form, `{"start":1}`)
	if _, err := ParseRegions([]byte(`{"only":[` + strings.Join(form, ",") + `]}`)); err == nil || !strings.Contains(err.Error(), "at most 1000 each") {
		t.Errorf("error is %v", err)
	}
}

// TestRegionsOfManyTracks: the same as of all at once, and it stops.
func TestRegionsOfManyTracks(t *testing.T) {
	t.Parallel()
	var form []string
	for i := range 200 {
		form = append(form, fmt.Sprintf(`{"left":%f,"top":0,"width":0.3,"height":0.5}`, float64(i)/400))
	}
	r, err := ParseRegions([]byte(`{"only":[{"end":2}],"add":[{"left":0,"top":0,"width":1,"height":1}],"except":[` + strings.Join(form, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	d := crowds()["usual looks"]
	d.Faces = d.Faces[:2000]
	tracks := tracked(t, d, Options{})
	got, err := r.ApplyContext(t.Context(), tracks)
	if want := r.Apply(tracks); err != nil || !reflect.DeepEqual(got, want) || len(got) == 0 {
		t.Errorf("%d tracks, want %d: %v", len(got), len(want), err)
	}
	if _, err := r.ApplyContext(&counted{Context: t.Context(), left: 1}, tracks); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}
