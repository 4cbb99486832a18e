package faces

import (
	"cmp"
	"context"
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
// one, so that all fit best together; what fits none starts a track. It ends early,
// with ctx's error, when ctx has ended.
func (a *associator) step(ctx context.Context, seen []Detection) error {
	if len(seen) == 0 {
		return nil
	}
	now := seen[0].At
	a.live = slices.DeleteFunc(a.live, func(t Track) bool {
		over := now-t[len(t)-1].At > a.reach
		if over {
			a.ended = append(a.ended, t)
		}
		return over
	})

	fits, err := a.fits(ctx, seen)
	if err != nil {
		return err
	}
	tracks, cost := matrix(fits)
	taken := make([]bool, len(seen))
	for face, column := range assign(cost) {
		if column >= 0 {
			taken[face] = true
			i := tracks[column]
			a.live[i] = append(a.live[i], Key{now, seen[face].Box})
		}
	}
	for face, f := range seen {
		if !taken[face] {
			a.live = append(a.live, Track{{now, f.Box}})
		}
	}
	return nil
}

// A fit is a live track that a face may belong to.
type fit struct {
	track int
	cost  float64
}

// fits returns for each face the tracks that it may belong to. Of more than there are
// faces the cheapest are enough: the other faces leave one of them over.
func (a *associator) fits(ctx context.Context, seen []Detection) ([][]fit, error) {
	now := seen[0].At
	// From left to right, so that a track is compared only with faces that are near.
	order, xs, widest := make([]int, len(seen)), make([]float64, len(seen)), 0.0
	for i, f := range seen {
		order[i], widest = i, max(widest, f.Box.Width)
	}
	x := func(i int) float64 { x, _ := seen[i].Box.centre(); return x }
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(x(i), x(j)) })
	for n, i := range order {
		xs[n] = x(i)
	}

	all := make([][]fit, len(seen))
	for i, t := range a.live {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		expected, after := expect(t, now), now-t[len(t)-1].At
		middle, _ := expected.centre()
		far := farthest(after) * (expected.Width + widest) / 2
		n, _ := slices.BinarySearch(xs, middle-far)
		for ; n < len(xs) && xs[n] <= middle+far; n++ {
			face := order[n]
			if c, ok := unlikeness(expected, seen[face].Box, after); ok {
				all[face] = append(all[face], fit{i, c})
			}
		}
	}
	for face, f := range all {
		if len(f) > len(seen) {
			slices.SortFunc(f, func(a, b fit) int {
				return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(a.track, b.track))
			})
			all[face] = f[:len(seen)]
		}
	}
	return all, nil
}

// matrix returns the tracks that fit any face, and what each face costs with each.
func matrix(fits [][]fit) (tracks []int, cost [][]float64) {
	for _, f := range fits {
		for _, c := range f {
			tracks = append(tracks, c.track)
		}
	}
	slices.Sort(tracks)
	tracks = slices.Compact(tracks)
	cost = make([][]float64, len(fits))
	for face, f := range fits {
		cost[face] = make([]float64, len(tracks))
		for i := range cost[face] {
			cost[face][i] = math.Inf(1)
		}
		for _, c := range f {
			column, _ := slices.BinarySearch(tracks, c.track)
			cost[face][column] = c.cost
		}
	}
	return tracks, cost
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
	dx, dy := 2*(ax-bx)/(a.Width+b.Width), 2*(ay-by)/(a.Height+b.Height) // in faces
	far := farthest(after)
	if dx > far || dx < -far || dy > far || dy < -far || dx*dx+dy*dy > far*far {
		return 0, false
	}
	if ratio := a.Width * a.Height / (b.Width * b.Height); !(ratio <= 4 && ratio >= 0.25) {
		return 0, false
	}
	size := math.Abs(math.Log2(math.Sqrt(a.Width*a.Height) / math.Sqrt(b.Width*b.Height)))
	return math.Hypot(dx, dy) + size + 1 - overlap(a, b), true
}

// farthest is how far a face goes in a time, in faces.
func farthest(after time.Duration) float64 { return 0.75 + after.Seconds() }

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
