package faces

import (
	"context"
	"encoding/json"
	"image"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

const ms = time.Millisecond

// seen makes a detection of a square face: times in milliseconds, places in
// percent.
func seen(at int, left, top, side float64) Detection {
	return Detection{At: time.Duration(at) * ms, Box: Box{left / 100, top / 100, side / 100, side / 100}, Person: NoPerson}
}

func person(index int, d Detection) Detection {
	d.Person = index
	return d
}

// tracked is d.Track of a test that has time.
func tracked(t testing.TB, d Detections, o Options) Tracks {
	t.Helper()
	tracks, err := d.Track(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return tracks
}

func unspared(t *testing.T, d Detections, found []Detection, o Options) []Detection {
	t.Helper()
	left, err := d.Unspared(t.Context(), found, o)
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func track(t *testing.T, faces ...Detection) Tracks {
	t.Helper()
	d := Detections{Faces: faces, Every: 500 * ms}
	tracks := tracked(t, d, Options{})
	checkTracks(t, d, tracks)
	return tracks
}

// checkTracks holds for every result: each detection is covered at its time, and
// what reaches the engine covers the same.
func checkTracks(t *testing.T, d Detections, tracks Tracks) {
	t.Helper()
	const size = 1000
	for _, f := range d.Faces {
		want := image.Rect(int(f.Box.Left*size)+1, int(f.Box.Top*size)+1, int(f.Box.right()*size)-1, int(f.Box.bottom()*size)-1)
		covered := want.Empty()
		for _, r := range tracks.At(f.At, size, size) {
			covered = covered || want.In(r)
		}
		if !covered {
			t.Fatalf("%+v is not covered by %v", f, tracks.At(f.At, size, size))
		}
	}
	body, err := json.Marshal(tracks)
	if err != nil {
		t.Fatal(err)
	}
	var again Tracks
	if err := json.Unmarshal(body, &again); err != nil {
		t.Fatal(err)
	}
	for _, f := range d.Faces {
		for _, at := range []time.Duration{f.At, f.At + 123*ms} {
			if got, want := again.At(at, size, size), tracks.At(at, size, size); !reflect.DeepEqual(got, want) {
				t.Fatalf("at %s the engine would cover %v, not %v", at, got, want)
			}
		}
	}
}

func at(tracks Tracks, milliseconds int) []image.Rectangle {
	return tracks.At(time.Duration(milliseconds)*ms, 100, 100)
}

func TestTrackMovesInProportion(t *testing.T) {
	t.Parallel()
	tracks := track(t, seen(3000, 40, 40, 10), seen(3500, 50, 44, 20))
	if len(tracks) != 1 {
		t.Fatalf("%d tracks", len(tracks))
	}
	for milliseconds, want := range map[int][]image.Rectangle{
		2249: nil, // one interval and a half before
		3000: {image.Rect(40, 40, 50, 50)},
		3500: {image.Rect(50, 44, 70, 64)},
		4251: nil,
	} {
		if got := at(tracks, milliseconds); !reflect.DeepEqual(got, want) {
			t.Errorf("at %d ms: %v, want %v", milliseconds, got, want)
		}
	}
	// What may have happened meanwhile is covered, too: around the straight line,
	// and before and after, where it goes on and where it stands still.
	for milliseconds, inside := range map[int]image.Rectangle{
		2250: image.Rect(20, 27, 50, 50), 2500: image.Rect(30, 36, 50, 50), 3250: image.Rect(44, 41, 61, 58), 4000: image.Rect(50, 44, 80, 70), 4250: image.Rect(50, 44, 92, 77),
	} {
		if got := at(tracks, milliseconds); len(got) != 1 || !inside.In(got[0]) {
			t.Errorf("at %d ms: %v is not in %v", milliseconds, inside, got)
		}
	}
}

// TestTrackAtTheEndsOfTheVideo: where one more look would have been is covered.
func TestTrackAtTheEndsOfTheVideo(t *testing.T) {
	t.Parallel()
	d := Detections{Faces: []Detection{seen(1100, 40, 40, 10), seen(1600, 40, 40, 10)}, Every: 500 * ms}
	for video, want := range map[time.Duration]bool{0: false, 2700 * ms: true, 5 * time.Second: false} {
		d.Video.Duration = video
		tracks := tracked(t, d, Options{})
		if got := len(at(tracks, 2600)) > 0; got != want {
			t.Errorf("of %s: covered a second after the last look: %v", video, got)
		}
		if len(at(tracks, 0)) == 0 {
			t.Errorf("of %s: the first frame isn't covered", video)
		}
	}
}

// TestTrackJumps: after a cut another face is near where the last one was, and
// nothing is known of the way between them.
func TestTrackJumps(t *testing.T) {
	t.Parallel()
	tracks := track(t, seen(0, 10, 10, 10), seen(500, 10, 10, 10), seen(1000, 19, 10, 10), seen(1500, 19, 10, 10))
	both := image.Rect(10, 10, 29, 20)
	for _, milliseconds := range []int{501, 600, 750, 999} {
		union := image.Rectangle{}
		for _, r := range at(tracks, milliseconds) {
			union = union.Union(r)
		}
		if !both.In(union) {
			t.Errorf("at %d ms: %v", milliseconds, at(tracks, milliseconds))
		}
	}
}

// TestTracksThatMeet: one face is lost while another is found, and a look in
// between saw neither: both are covered all the time.
func TestTracksThatMeet(t *testing.T) {
	t.Parallel()
	d := Detections{Every: 500 * time.Millisecond, Video: Video{Duration: time.Minute}, Faces: []Detection{
		seen(5000, 10, 10, 10), seen(5500, 10, 10, 10),
		seen(6500, 80, 80, 10), seen(7000, 80, 80, 10),
	}}
	tracks := tracked(t, d, Options{})
	for ms := 5500; ms <= 6500; ms += 10 {
		if n := len(at(tracks, ms)); n != 2 {
			t.Fatalf("%d covers at %d ms", n, ms)
		}
	}
	// Found too late, or of another size, it is somebody else.
	for _, other := range []Detection{seen(8000, 80, 80, 10), seen(6500, 60, 60, 30)} {
		d.Faces = []Detection{d.Faces[0], d.Faces[1], other}
		if n := len(at(tracked(t, d, Options{}), 6480)); n > 1 {
			t.Errorf("%d covers before %+v", n, other)
		}
	}
}

func TestTrackIsNeverTooSmall(t *testing.T) {
	t.Parallel()
	tracks := track(t, seen(0, 50, 50, 0.2))
	if got := tracks.At(0, 1000, 1000); len(got) != 1 || got[0].Dx() < 20 || got[0].Dy() < 20 {
		t.Errorf("%v", got)
	}
}

func TestTrackRoundsOutwards(t *testing.T) {
	t.Parallel()
	tracks := track(t, seen(0, -5.5, 10.2, 10.1))
	if got, want := at(tracks, 0), image.Rect(-6, 10, 5, 21); len(got) != 1 || got[0] != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestTrackGrowsByTheMargin(t *testing.T) {
	t.Parallel()
	d := Detections{Faces: []Detection{seen(0, 40, 40, 20)}}
	if got, want := at(tracked(t, d, Options{Margin: 0.5}), 0), image.Rect(30, 30, 70, 70); got[0] != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestTracksStayApart(t *testing.T) {
	t.Parallel()
	var faces []Detection
	for i := range 10 { // side by side, both moving right
		faces = append(faces, seen(i*500, 10+2*float64(i), 10, 10), seen(i*500, 30+2*float64(i), 10, 10))
	}
	if tracks := track(t, faces...); len(tracks) != 2 {
		t.Errorf("%d tracks of two faces", len(tracks))
	}
}

func TestTracksThatCross(t *testing.T) {
	t.Parallel()
	var faces []Detection
	for i := range 12 {
		faces = append(faces, seen(i*500, 5*float64(i), 10, 12), seen(i*500, 60-5*float64(i), 16, 12))
	}
	tracks := track(t, faces...)
	if len(tracks) != 2 {
		t.Fatalf("%d tracks of two faces", len(tracks))
	}
	if got := at(tracks, 5500); len(got) != 2 || got[0].Min.X != 55 || got[1].Min.X != 5 {
		t.Errorf("after they crossed: %v", got)
	}
}

func TestTrackBridgesAMiss(t *testing.T) {
	t.Parallel()
	tracks := track(t, seen(0, 10, 10, 10), seen(500, 12, 10, 10), seen(1500, 16, 10, 10))
	if got := at(tracks, 1000); len(tracks) != 1 || len(got) != 1 || !image.Rect(14, 10, 24, 20).In(got[0]) {
		t.Errorf("%d tracks, %v", len(tracks), got)
	}
}

func TestTrackThatLeaves(t *testing.T) {
	t.Parallel()
	for name, faces := range map[string][]Detection{
		"nobody":   {seen(0, 10, 10, 10), seen(5000, 10, 10, 10)},
		"a person": {person(3, seen(0, 10, 10, 10)), person(3, seen(5000, 10, 10, 10))},
	} {
		tracks := track(t, faces...)
		if len(tracks) != 2 || at(tracks, 2500) != nil {
			t.Errorf("%s: %d tracks, %v while away", name, len(tracks), at(tracks, 2500))
		}
	}
}

func TestTrackOfAPerson(t *testing.T) {
	t.Parallel()
	// Too far apart for one face, but said to be one person.
	tracks := track(t, person(1, seen(0, 0, 0, 10)), person(1, seen(500, 80, 80, 10)))
	if got := at(tracks, 250); len(tracks) != 1 || len(got) != 1 || !image.Rect(0, 0, 90, 90).In(got[0]) {
		t.Errorf("%d tracks, %v", len(tracks), got)
	}
	if jumps := track(t, seen(0, 0, 0, 10), seen(500, 80, 80, 10)); len(jumps) != 2 {
		t.Errorf("%d tracks of a face that can't be the same", len(jumps))
	}
	// Nobody is in two places: both are covered.
	if twice := track(t, person(1, seen(0, 0, 0, 10)), person(1, seen(0, 50, 50, 10))); len(at(twice, 0)) != 2 {
		t.Errorf("covers %v", at(twice, 0))
	}
}

func TestEvery(t *testing.T) {
	t.Parallel()
	for name, ca := range map[string]struct {
		times []int
		want  time.Duration
	}{
		"nothing":        {nil, DefaultEvery},
		"one":            {[]int{0}, DefaultEvery},
		"every second":   {[]int{0, 1000, 2000, 3000, 4000}, time.Second},
		"every frame":    {[]int{0, 40, 80, 120, 160, 200}, 40 * ms},
		"with jitter":    {[]int{0, 499, 1001, 1500, 2002, 2500}, 499 * ms},
		"seldom there":   {[]int{0, 500, 1000, 9000, 9500, 30000, 30500}, 500 * ms},
		"far too seldom": {[]int{0, 10000, 20000, 30000, 40000}, 2 * time.Second},
	} {
		var d Detections
		for _, at := range ca.times {
			d.Faces = append(d.Faces, seen(at, 1, 1, 1))
		}
		if got := d.every(); got != ca.want {
			t.Errorf("%s: %s, want %s", name, got, ca.want)
		}
	}
}

// TestTracksCoverEveryDetection throws any faces at any times at it.
func TestTracksCoverEveryDetection(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var d Detections
		for at := 0; at < 5000; at += 100 + rng.IntN(900) {
			for range rng.IntN(4) {
				f := seen(at, rng.Float64()*110-10, rng.Float64()*110-10, 1+rng.Float64()*30)
				if rng.IntN(2) == 0 {
					f.Person = rng.IntN(3)
				}
				d.Faces = append(d.Faces, f)
			}
		}
		checkTracks(t, d, tracked(t, d, Options{Margin: rng.Float64()}))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// longDetections are three faces in two hours, seen every half second.
func longDetections() Detections {
	var d Detections
	rng := rand.New(rand.NewPCG(1, 1))
	for at := 0; at < 2*3600*1000; at += 500 {
		for i := range 3 {
			if rng.IntN(20) > 0 {
				d.Faces = append(d.Faces, seen(at, float64(5+30*i)+rng.Float64(), 20, 15))
			}
		}
	}
	return d
}

func BenchmarkTrack(b *testing.B) {
	d := longDetections()
	for b.Loop() {
		tracked(b, d, Options{Margin: DefaultMargin})
	}
}

func BenchmarkAt(b *testing.B) {
	tracks := tracked(b, longDetections(), Options{Margin: DefaultMargin}).Covers()
	b.ReportAllocs()
	t := time.Duration(0)
	for b.Loop() {
		tracks.At(t, 1920, 1080)
		t = (t + 40*ms) % (2 * time.Hour)
	}
}

func TestTracksFromJSON(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]Tracks{
		`null`: nil, `[]`: {}, `[[]]`: {{}},
		` [ [ [ 1 , 0.1,0.2 ,3e-1,4E-1 ] ,[1.5,-1,0,1,1]],[[0,0,0,1,1]] ] `: {
			{{1 * ms, Box{0.1, 0.2, 0.3, 0.4}}, {1500 * time.Microsecond, Box{-1, 0, 1, 1}}}, {{0, Box{0, 0, 1, 1}}},
		},
	} {
		var got Tracks
		if err := json.Unmarshal([]byte(body), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	}
	for _, body := range []string{
		`{}`, `[1]`, `["a"]`, `[[1]]`, `[[[1,2,3,4]]]`, `[[[1,2,3,4,5,6]]]`, `[[[]]]`, `[[[1,0,0,1,"1"]]]`, `[[[1,0,0,1,null]]]`, `[[[1,0,0,1,[1]]]]`,
		`[[[1,0,0,0,1]]]`, `[[[1,0,0,1,17]]]`, `[[[1,0,0,1,1e999]]]`, `[null]`, `[[null]]`, `[[{"a":1}]]`, `true`, `[`, `[[[1,0,0,1,1]]`, `]`, ``,
	} {
		var got Tracks
		if err := json.Unmarshal([]byte(body), &got); err == nil {
			t.Errorf("%s: %v", body, got)
		}
	}
}
