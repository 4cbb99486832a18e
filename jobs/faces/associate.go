package faces

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"
)

// An associator joins detections without a person to tracks, one moment after
// the other.
type associator struct {
	reach time.Duration // a track not seen for longer than this has ended
	live  []Track
	ended []Track
}

// step gives the faces seen at one moment to the live tracks, each track at most
// one, so that all fit best together; what fits none starts a track.
func (a *associator) step(seen []Detection) {
	if len(seen) == 0 {
		return
	}
	now := seen[0].At
	a.live = slices.DeleteFunc(a.live, func(t Track) bool {
		over := now-t[len(t)-1].At > a.reach
		if over {
			a.ended = append(a.ended, t)
		}
		return over
	})

	cost := make([][]float64, len(a.live))
	for i, t := range a.live {
		cost[i] = make([]float64, len(seen))
		expected := expect(t, now)
		for j, f := range seen {
			c, ok := unlikeness(expected, f.Box, now-t[len(t)-1].At)
			if !ok {
				c = math.Inf(1)
			}
			cost[i][j] = c
		}
	}
	takenFace := make([]bool, len(seen))
	for i, j := range assign(cost) {
		if j >= 0 {
			takenFace[j] = true
			a.live[i] = append(a.live[i], Key{now, seen[j].Box})
		}
	}
	for j, f := range seen {
		if !takenFace[j] {
			a.live = append(a.live, Track{{now, f.Box}})
		}
	}
}

// all returns every track, in order of its start.
func (a *associator) all() Tracks {
	tracks := append(slices.Clone(a.ended), a.live...)
	slices.SortStableFunc(tracks, func(t, u Track) int { return cmp.Compare(t[0].At, u[0].At) })
	return tracks
}

// expect is where the track's face would be now if it went on as it did.
func expect(t Track, now time.Duration) Box {
	last := t[len(t)-1]
	if len(t) == 1 {
		return last.Box
	}
	before := t[len(t)-2]
	share := float64(now-before.At) / float64(last.At-before.At)
	moved := before.Box.between(last.Box, min(share, 3)) // not carried away by one hasty sample
	// Where it goes is worth a guess; how it grows is not.
	x, y := moved.centre()
	return Box{x - last.Box.Width/2, y - last.Box.Height/2, last.Box.Width, last.Box.Height}
}

// unlikeness of a face that was expected in a box to be the one in another, some
// time after it was last seen: 0 is certain. ok is false when it can't be: farther
// away than faces go in that time, or of a very different size. Two faces that are
// taken for one show where the straight line between them is not; one that is taken
// for two is covered around both.
func unlikeness(a, b Box, after time.Duration) (cost float64, ok bool) {
	ax, ay := a.centre()
	bx, by := b.centre()
	width, height := (a.Width+b.Width)/2, (a.Height+b.Height)/2
	distance := math.Hypot((ax-bx)/width, (ay-by)/height) // in faces
	size := math.Abs(math.Log2(math.Sqrt(a.Width*a.Height) / math.Sqrt(b.Width*b.Height)))
	if distance > 0.75+after.Seconds() || size > 1 {
		return 0, false
	}
	return distance + size + 1 - overlap(a, b), true
}

// overlap is the area that two boxes share, over the area that they cover
// together: 0 to 1.
func overlap(a, b Box) float64 {
	w := min(a.right(), b.right()) - max(a.Left, b.Left)
	h := min(a.bottom(), b.bottom()) - max(a.Top, b.Top)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h / (a.Width*a.Height + b.Width*b.Height - w*h)
}

// split cuts a track where neither the face nor the rest of the person was seen
// for longer than reach.
func split(t Track, present []time.Duration, reach time.Duration) Tracks {
	var parts Tracks
	start := 0
	for i := 1; i <= len(t); i++ {
		if i == len(t) || absent(t[i-1].At, t[i].At, present, reach) {
			parts = append(parts, slices.Clone(t[start:i]))
			start = i
		}
	}
	return parts
}

// absent reports whether nothing was seen for longer than reach. Present is in
// order.
func absent(from, to time.Duration, present []time.Duration, reach time.Duration) bool {
	i, _ := slices.BinarySearch(present, from)
	for ; i < len(present) && present[i] < to; i++ {
		if present[i]-from > reach {
			return true
		}
		from = present[i]
	}
	return to-from > reach
}

// sameTime yields runs of detections that have the same time.
func sameTime(all []Detection) iter.Seq[[]Detection] {
	return func(yield func([]Detection) bool) {
		for len(all) > 0 {
			n := 1
			for n < len(all) && all[n].At == all[0].At {
				n++
			}
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}
