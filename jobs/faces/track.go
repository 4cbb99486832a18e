package faces

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
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
// seconds is covered meanwhile. See Track.cover for how large the covers are. The
// error is ctx's cause: of very many detections it takes seconds.
func (d Detections) Track(ctx context.Context, o Options) (Tracks, error) {
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
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := a.step(ctx, strangers); err != nil {
			return nil, err
		}
	}

	tracks := a.all()
	for _, index := range slices.Sorted(maps.Keys(persons)) {
		// A person who leaves and comes back is not covered in between, unless the
		// body was there.
		tracks = append(tracks, split(persons[index], d.Present[index], a.reach)...)
	}
	met, err := tracks.meet(ctx, every)
	if err != nil {
		return nil, err
	}
	for i, t := range tracks {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		tracks[i] = t.cover(o.Margin, every, d.Video.Duration).stretch(met[i]).round()
	}
	return tracks, nil
}

// round rounds boxes to millionths of the picture, in place: a hundredth of a pixel of
// the largest one. They take half the room then, where they are written.
func (t Track) round() Track {
	round := func(v float64) float64 { return math.Round(v*1e6) / 1e6 }
	for i, k := range t {
		t[i].Box = Box{round(k.Box.Left), round(k.Box.Top), round(k.Box.Width), round(k.Box.Height)}
	}
	return t
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
			rects = append(rects, b.pixels(width, height))
		}
	}
	return rects
}

// pixels rounds a box outwards to pixels of a picture.
func (b Box) pixels(width, height int) image.Rectangle {
	return image.Rect(
		floor(b.Left*float64(width)), floor(b.Top*float64(height)),
		ceil(b.right()*float64(width)), ceil(b.bottom()*float64(height)))
}

// Covers are Tracks that are asked for one time after the other: a long video may have
// very many, of which few are there at one time. One goroutine may use them.
type Covers struct {
	tracks  Tracks
	byStart []int // indexes of tracks
	next    int   // of byStart: the first that has not begun
	active  []int // indexes of tracks that have begun and not ended, rising
	at      time.Duration
}

// Covers returns ts for times that rise.
func (ts Tracks) Covers() *Covers {
	c := &Covers{tracks: ts}
	for i, t := range ts {
		if len(t) > 0 {
			c.byStart = append(c.byStart, i)
		}
	}
	slices.SortStableFunc(c.byStart, func(i, j int) int { return cmp.Compare(ts[i][0].At, ts[j][0].At) })
	return c
}

// At returns what Tracks.At does. A time before that of the last call takes longer.
func (c *Covers) At(t time.Duration, width, height int) []image.Rectangle {
	var rects []image.Rectangle
	for b := range c.boxes(t) {
		rects = append(rects, b.pixels(width, height))
	}
	return rects
}

// boxes yields the boxes at a time, in the order of the tracks.
func (c *Covers) boxes(t time.Duration) iter.Seq[Box] {
	if t < c.at {
		c.next, c.active = 0, c.active[:0]
	}
	c.at = t
	for ; c.next < len(c.byStart) && c.tracks[c.byStart[c.next]][0].At <= t; c.next++ {
		i := c.byStart[c.next]
		if track := c.tracks[i]; track[len(track)-1].At < t {
			continue // it is over already
		}
		place, _ := slices.BinarySearch(c.active, i)
		c.active = slices.Insert(c.active, place, i)
	}
	c.active = slices.DeleteFunc(c.active, func(i int) bool { return c.tracks[i][len(c.tracks[i])-1].At < t })
	return func(yield func(Box) bool) {
		for _, i := range c.active {
			if b, ok := c.tracks[i].At(t); ok && !yield(b) {
				return
			}
		}
	}
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

// MarshalJSON writes a list of tracks, and each as a list of its keys.
func (ts Tracks) MarshalJSON() ([]byte, error) {
	if ts == nil {
		return []byte("null"), nil
	}
	const usual = 48 // bytes of a key
	n := 2
	for _, t := range ts {
		n += usual*len(t) + 3
	}
	b := append(make([]byte, 0, n), '[')
	for i, t := range ts {
		b = append(separate(b, i), '[')
		for j, k := range t {
			b = k.appendJSON(separate(b, j))
		}
		b = append(b, ']')
	}
	return append(b, ']'), nil
}

func separate(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// MarshalJSON writes a key as [milliseconds, left, top, width, height]: a long
// video has very many of them.
func (k Key) MarshalJSON() ([]byte, error) { return k.appendJSON(nil), nil }

func (k Key) appendJSON(b []byte) []byte {
	b = append(b, '[')
	for i, v := range [5]float64{
		float64(k.At) / float64(time.Millisecond), k.Box.Left, k.Box.Top, k.Box.Width, k.Box.Height,
	} {
		b = strconv.AppendFloat(separate(b, i), v, 'g', -1, 64)
	}
	return append(b, ']')
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (k *Key) UnmarshalJSON(body []byte) error {
	var v []float64
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	return k.set(v)
}

func (k *Key) set(v []float64) error {
	if len(v) != 5 {
		return fmt.Errorf("key of a track: %d numbers instead of 5", len(v))
	}
	k.At = time.Duration(v[0] * float64(time.Millisecond))
	k.Box = Box{v[1], v[2], v[3], v[4]}
	return k.Box.valid()
}

// UnmarshalJSON reads what MarshalJSON wrote, several times as fast as package json would
// key by key: the engine shows no life meanwhile.
func (ts *Tracks) UnmarshalJSON(body []byte) error {
	if string(body) == "null" {
		return nil
	}
	*ts = Tracks{}
	var (
		depth, from int // from is where a number begins; 0: there is none
		numbers     []float64
		key         Key
	)
	const keys, values = 2, 3 // what is listed at a depth; at 1 the tracks
	for i, c := range body {
		if from > 0 && (c == ',' || c == ']' || c <= ' ') {
			v, err := strconv.ParseFloat(string(body[from:i]), 64)
			if err != nil {
				return fmt.Errorf("key of a track: %w", err)
			}
			numbers, from = append(numbers, v), 0
		}
		switch c {
		case '[':
			if depth++; depth == keys {
				*ts = append(*ts, Track{})
			}
			numbers = numbers[:0]
		case ']':
			if depth == values {
				if err := key.set(numbers); err != nil {
					return err
				}
				last := len(*ts) - 1
				(*ts)[last] = append((*ts)[last], key)
			}
			depth--
		case ',', ' ', '\t', '\r', '\n':
		default:
			if depth != values {
				return fmt.Errorf("tracks: %q where a list was expected", c)
			}
			if from == 0 {
				from = i
			}
		}
		if depth > values {
			return errors.New("tracks: lists within keys")
		}
	}
	return nil
}
