package faces

import (
	"cmp"
	"encoding/json"
	"fmt"
	"image"
	"maps"
	"math"
	"slices"
	"time"
)

// A Track is one face through time: boxes at growing times. Between two of them
// the box moves in proportion to time; before the first and after the last there
// is nothing to cover.
type Track []Key

// A Key is the box of a track at one time.
type Key struct {
	At  time.Duration
	Box Box
}

// Tracks are all faces of one video. They marshal to JSON and back, which is
// how they reach the engine.
type Tracks []Track

// Defaults of Options.
const (
	DefaultMargin = 0.15
	// DefaultEvery is how far apart Rekognition's samples are.
	DefaultEvery = 500 * time.Millisecond
)

// Options say how detections become tracks.
type Options struct {
	// Margin is how much each box grows on every side, as a fraction of its size.
	Margin float64
	// Cover says who is covered: CoverAll, CoverStrangers or CoverListed. Defaults
	// to CoverAll.
	Cover string
	// Similarity is the least with which a face counts as one of the collection, 1
	// to 100 percent. Defaults to DefaultSimilarity.
	Similarity float64
}

// maxGap is how long a face may be lost and still be the same one when it is found
// again near where it would be.
const maxGap = 2 * time.Second

// Track associates detections to tracks. Detections with a person belong to
// that person's track; the others are assigned to the tracks whose faces would be
// near by then, all of one moment at once. A face that is lost for up to two
// seconds is covered meanwhile. See Track.cover for how large the covers are.
func (d Detections) Track(o Options) Tracks {
	every := d.every()
	a := associator{reach: max(2*every+every/2, maxGap)}
	persons := map[int]Track{}
	covered, _ := o.of(d.Faces)
	for group := range sameTime(covered) {
		var strangers []Detection
		for _, f := range group {
			t := persons[f.Person]
			if f.Person == NoPerson || len(t) > 0 && t[len(t)-1].At == f.At { // nobody is in two places
				strangers = append(strangers, f)
			} else {
				persons[f.Person] = append(t, Key{f.At, f.Box})
			}
		}
		a.step(strangers)
	}

	tracks := a.all()
	for _, index := range slices.Sorted(maps.Keys(persons)) {
		// A person who leaves and comes back is not covered in between, unless the
		// body was there.
		tracks = append(tracks, split(persons[index], d.Present[index], a.reach)...)
	}
	met := tracks.meet(every)
	for i, t := range tracks {
		tracks[i] = t.cover(o.Margin, every, d.Video.Duration).stretch(met[i])
	}
	return tracks
}

// every is the time between two looks. Where nothing says so it is the lower
// quartile of the gaps between detections: a face that is rarely there makes the
// others long.
func (d Detections) every() time.Duration {
	if d.Every > 0 {
		return d.Every
	}
	var gaps []time.Duration
	for i := 1; i < len(d.Faces); i++ {
		if gap := d.Faces[i].At - d.Faces[i-1].At; gap > 0 {
			gaps = append(gaps, gap)
		}
	}
	if len(gaps) < 3 {
		return DefaultEvery
	}
	slices.Sort(gaps)
	return min(gaps[len(gaps)/4], 4*DefaultEvery)
}

// At returns the rectangles to cover at a time from the first frame, in pixels
// of a picture of the given size as displayed. They are rounded outwards and may
// reach beyond the picture.
func (ts Tracks) At(t time.Duration, width, height int) []image.Rectangle {
	var rects []image.Rectangle
	for _, track := range ts {
		if b, ok := track.At(t); ok {
			rects = append(rects, image.Rect(
				floor(b.Left*float64(width)), floor(b.Top*float64(height)),
				ceil(b.right()*float64(width)), ceil(b.bottom()*float64(height))))
		}
	}
	return rects
}

// hair is what floating point leaves over or short of a whole pixel.
const hair = 1e-6

func floor(v float64) int { return int(math.Floor(v + hair)) }
func ceil(v float64) int  { return int(math.Ceil(v - hair)) }

// At returns the box at a time from the first frame; false where nothing is
// covered.
func (t Track) At(at time.Duration) (Box, bool) {
	next, exact := slices.BinarySearchFunc(t, at, func(k Key, at time.Duration) int { return cmp.Compare(k.At, at) })
	switch {
	case exact:
		return t[next].Box, true
	case next == 0 || next == len(t):
		return Box{}, false
	}
	from, to := t[next-1], t[next]
	return from.Box.between(to.Box, float64(at-from.At)/float64(to.At-from.At)), true
}

// MarshalJSON writes a key as [milliseconds, left, top, width, height]: a long
// video has very many of them.
func (k Key) MarshalJSON() ([]byte, error) {
	return json.Marshal([5]float64{float64(k.At) / float64(time.Millisecond), k.Box.Left, k.Box.Top, k.Box.Width, k.Box.Height})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (k *Key) UnmarshalJSON(body []byte) error {
	var v []float64
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	if len(v) != 5 {
		return fmt.Errorf("key of a track: %d numbers instead of 5", len(v))
	}
	k.At = time.Duration(v[0] * float64(time.Millisecond))
	k.Box = Box{v[1], v[2], v[3], v[4]}
	return k.Box.valid()
}
