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

// step gives each of the faces seen at one moment to the live track that it fits
// best, each track at most one; what fits none starts a track.
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

	type pair struct {
		track, face int
		cost        float64
	}
	var pairs []pair
	for i, t := range a.live {
		for j, f := range seen {
			if cost, ok := unlikeness(expect(t, now), f.Box); ok {
				pairs = append(pairs, pair{i, j, cost})
			}
		}
	}
	slices.SortStableFunc(pairs, func(p, q pair) int { return cmp.Compare(p.cost, q.cost) })
	takenTrack, takenFace := map[int]bool{}, map[int]bool{}
	for _, p := range pairs {
		if takenTrack[p.track] || takenFace[p.face] {
			continue
		}
		takenTrack[p.track], takenFace[p.face] = true, true
		a.live[p.track] = append(a.live[p.track], Key{now, seen[p.face].Box})
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

// unlikeness of two boxes to be the same face: 0 is certain. ok is false when
// they can't be: farther apart than two faces, or of very different sizes.
func unlikeness(a, b Box) (cost float64, ok bool) {
	ax, ay := a.centre()
	bx, by := b.centre()
	width, height := (a.Width+b.Width)/2, (a.Height+b.Height)/2
	distance := math.Hypot((ax-bx)/width, (ay-by)/height) // in faces
	size := math.Abs(math.Log2(math.Sqrt(a.Width*a.Height) / math.Sqrt(b.Width*b.Height)))
	if distance > 2 || size > 1 {
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

// split cuts a track where nothing was seen for longer than reach.
func split(t Track, reach time.Duration) Tracks {
	var parts Tracks
	start := 0
	for i := 1; i <= len(t); i++ {
		if i == len(t) || t[i].At-t[i-1].At > reach {
			parts = append(parts, slices.Clone(t[start:i]))
			start = i
		}
	}
	return parts
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
