package faces

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"
)

// minSide is the least width and height of a cover, in ratios of the picture: on
// smaller ones a few pixels of a wrong box would leave half a face.
const minSide = 0.02

// cover makes of a track's samples the boxes to cover: each grown by the margin,
// between two of them also by what the face may have moved meanwhile, and with
// one more interval before the first and after the last.
func (t Track) cover(margin float64, every, video time.Duration) Track {
	keys := make(Track, 0, 2*len(t)+1) // a jump needs one more
	first, last := t.extend(0, -every, video), t.extend(len(t)-1, every, video)
	keys = append(keys, Key{first.At, first.Box.grow(margin).atLeast(minSide)})
	for i, k := range t {
		keys = append(keys, Key{k.At, k.Box.grow(margin).atLeast(minSide)})
		switch {
		case i+1 == len(t):
		case t.jumps(i):
			both := k.Box.With(t[i+1].Box).grow(margin).atLeast(minSide)
			keys = append(keys, Key{k.At + time.Millisecond, both}, Key{t[i+1].At - time.Millisecond, both})
		default:
			keys = append(keys, t.middle(i, margin))
		}
	}
	return append(keys, Key{last.At, last.Box.grow(margin).atLeast(minSide)})
}

// jumps reports whether the face goes from one sample to the next much faster than
// before and after. It is another face more likely, after a cut: then nothing is
// known of the way, and both places are covered all the time.
func (t Track) jumps(i int) bool {
	const faces = 1.5 // a second
	if t[i+1].At-t[i].At <= 2*time.Millisecond {
		return false
	}
	here := t.pace(i)
	usual := 0.0
	for _, n := range []int{i - 1, i + 1} {
		if n >= 0 && n+1 < len(t) {
			usual = max(usual, t.pace(n))
		}
	}
	return here > usual+faces/2 && here > faces/2
}

// pace of a segment, in faces a second.
func (t Track) pace(i int) float64 {
	x, y := t.velocity(i)
	return math.Hypot(x/t[i].Box.Width, y/t[i].Box.Height)
}

// middle is the box half-way between the samples i and i+1. Around it lies what
// the face may have done in between: at the speed that it has there or in the
// interval before or after, away from the straight line and back.
func (t Track) middle(i int, margin float64) Key {
	from, to := t[i], t[i+1]
	box := from.Box.between(to.Box, 0.5)
	half := (to.At - from.At).Seconds() / 2
	x, y := t.speed(i)
	x, y = min(x*half, box.Width), min(y*half, box.Height) // a face is no bullet
	// What the straight line itself covers of it is not needed twice.
	dx, dy := t.velocity(i)
	x -= math.Abs(dx) * half * 0.25
	y -= math.Abs(dy) * half * 0.25
	return Key{from.At + (to.At-from.At)/2, box.grow(margin).widen(max(x, 0), max(y, 0)).atLeast(minSide)}
}

// speed is the greatest of a segment and its neighbours, in ratios of the
// picture a second.
func (t Track) speed(segment int) (x, y float64) {
	for i := max(segment-2, 0); i <= min(segment+2, len(t)-2); i++ {
		vx, vy := t.velocity(i)
		x, y = max(x, math.Abs(vx)), max(y, math.Abs(vy))
	}
	return x, y
}

// velocity of the segment between two samples.
func (t Track) velocity(i int) (x, y float64) {
	ax, ay := t[i].Box.centre()
	bx, by := t[i+1].Box.centre()
	seconds := (t[i+1].At - t[i].At).Seconds()
	return (bx - ax) / seconds, (by - ay) / seconds
}

// extend is the box before the first sample or after the last: where the face is
// if it went on as it moved, if it stood still, and if it turned. That is for one
// interval, half of one more as looks are not that punctual, and one more at the
// picture's edge, where a face is seen only when half of it is, and at the start
// and the end of the video, between which and the face nobody looked once more.
func (t Track) extend(i int, every, video time.Duration) Key {
	k := t.beyond(i, every*3/2)
	b := k.Box
	atEdge := b.Left <= 0 || b.Top <= 0 || b.right() >= 1 || b.bottom() >= 1
	longer := every * 5 / 2
	atStart := every < 0 && t[i].At < -longer
	atEnd := every > 0 && video > 0 && t[i].At > video-longer
	if atEdge || atStart || atEnd {
		k = t.beyond(i, longer)
	}
	return k
}

func (t Track) beyond(i int, by time.Duration) Key {
	at := max(t[i].At+by, 0)
	box := t[i].Box
	seconds := (at - t[i].At).Seconds()
	if len(t) == 1 { // it may go anywhere, most likely not up or down
		return Key{at, box.widen(math.Abs(seconds)*box.Width, math.Abs(seconds)*box.Height/4)}
	}
	segment := min(i, len(t)-2)
	dx, dy := t.velocity(segment)
	x, y := t.speed(segment)
	// Most likely it goes on, but it may turn as well.
	x, y = min(math.Abs(x*seconds), 2*box.Width), min(math.Abs(y*seconds), 2*box.Height)
	const turned = 0.8
	on := box.shift(math.Copysign(x, dx*seconds), math.Copysign(y, dy*seconds))
	back := box.shift(-turned*math.Copysign(x, dx*seconds), -turned*math.Copysign(y, dy*seconds))
	return Key{at, on.With(back)}
}

// shift moves a box.
func (b Box) shift(x, y float64) Box { return Box{b.Left + x, b.Top + y, b.Width, b.Height} }

// widen adds to the left and right, and above and below.
func (b Box) widen(x, y float64) Box {
	return Box{b.Left - x, b.Top - y, b.Width + 2*x, b.Height + 2*y}
}

// Overlaps reports whether two boxes have a part in common.
func (b Box) Overlaps(c Box) bool {
	return b.Left < c.right() && c.Left < b.right() && b.Top < c.bottom() && c.Top < b.bottom()
}

// With is the smallest box around both.
func (b Box) With(c Box) Box {
	left, top := min(b.Left, c.Left), min(b.Top, c.Top)
	return Box{left, top, max(b.right(), c.right()) - left, max(b.bottom(), c.bottom()) - top}
}

// atLeast widens a box that is too small.
func (b Box) atLeast(side float64) Box {
	return b.widen(max(side-b.Width, 0)/2, max(side-b.Height, 0)/2)
}

// meet finds faces that are lost for longer than an interval while another one is
// found: it may be the same, after a cut that fell among looks that missed it. Each
// is covered over all of that time then. It returns the spans, one for each track.
func (ts Tracks) meet(ctx context.Context, every time.Duration) ([]Span, error) {
	met := make([]Span, len(ts))
	for i, t := range ts {
		met[i] = Span{t[0].At, t[len(t)-1].At}
	}
	// Those of about one size together, so that few have to be looked at.
	bySize := map[int][]int{}
	for i, t := range ts {
		bySize[sizeClass(t[0].Box)] = append(bySize[sizeClass(t[0].Box)], i)
	}
	for _, class := range bySize {
		slices.SortStableFunc(class, func(i, j int) int { return cmp.Compare(ts[i][0].At, ts[j][0].At) })
	}
	for i, t := range ts {
		if i%256 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		end := t[len(t)-1]
		first, latest := -1, end.At+maxGap
		size := sizeClass(end.Box)
		for class := size - sizeClasses - 1; class <= size+sizeClasses+1; class++ {
			members := bySize[class]
			from, _ := slices.BinarySearchFunc(members, end.At+every*5/4, func(j int, at time.Duration) int { return cmp.Compare(ts[j][0].At, at) })
			for _, j := range members[from:] {
				begins := ts[j][0]
				if begins.At > latest || begins.At == latest && first >= 0 && first < j {
					break
				}
				if alike(end.Box, begins.Box) {
					first, latest = j, begins.At
					break
				}
			}
		}
		if first >= 0 {
			met[i].End, met[first].Start = latest, min(met[first].Start, end.At)
		}
	}
	return met, nil
}

// sizeClasses is how many classes of size there are from a size to its double.
const sizeClasses = 8

// sizeClass is the class of a box's size. Boxes that are alike are at most
// sizeClasses+1 classes apart.
func sizeClass(b Box) int {
	return int(math.Floor(math.Log2(math.Sqrt(b.Width*b.Height)) * sizeClasses))
}

// alike reports whether two faces are of about the same size.
func alike(a, b Box) bool {
	return math.Abs(math.Log2(math.Sqrt(a.Width*a.Height)/math.Sqrt(b.Width*b.Height))) <= 1
}

// stretch covers the first and the last box for longer.
func (t Track) stretch(to Span) Track {
	if first := t[0]; to.Start < first.At {
		t = append(Track{{to.Start, first.Box}}, t...)
	}
	if last := t[len(t)-1]; to.End > last.At {
		t = append(t, Key{to.End, last.Box})
	}
	return t
}
