package faces

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Regions are what a person says of the covers of one video.
type Regions struct {
	// Add are covers of the person's own: a number plate, a screen.
	Add []Region
	// Only are the spans in which detected faces are covered; none: always. Add is
	// covered at any time.
	Only []Span
	// Except are rectangles within which detected faces are not covered: a picture on
	// the wall that was taken for a face. A face that reaches beyond one is covered
	// whole.
	Except []Region
}

// A Region is a rectangle and when it is covered.
type Region struct {
	Box
	Span
}

// A Span is a part of the video, from its first frame.
type Span struct{ Start, End time.Duration }

// endless is the end of a Span that nobody said.
const endless = 366 * 24 * time.Hour

// A spanForm is how people write a Span: in seconds.
type spanForm struct {
	Start float64  `json:"start"`
	End   *float64 `json:"end"`
}

func (f spanForm) span() (Span, error) {
	s := Span{End: endless}
	end := endless.Seconds()
	if f.End != nil {
		end = *f.End
	}
	if !(f.Start >= 0 && f.Start < end && end <= endless.Seconds()) {
		return s, fmt.Errorf("start and end must be seconds from the first frame, the end after the start (got %v to %v)", f.Start, end)
	}
	s.Start = time.Duration(f.Start * float64(time.Second))
	if f.End != nil {
		s.End = time.Duration(end * float64(time.Second))
	}
	return s, nil
}

// MaxRegions is how many rectangles and how many spans Regions may have.
const MaxRegions = 1000

// A regionForm is how people write a Region.
type regionForm struct {
	Left   *float64 `json:"left"`
	Top    *float64 `json:"top"`
	Width  *float64 `json:"width"`
	Height *float64 `json:"height"`
	spanForm
}

func (f regionForm) region() (Region, error) {
	if f.Left == nil || f.Top == nil || f.Width == nil || f.Height == nil {
		return Region{}, errors.New("left, top, width and height are all needed")
	}
	r := Region{Box: Box{*f.Left, *f.Top, *f.Width, *f.Height}}
	err := r.valid()
	if err == nil {
		r.Span, err = f.span()
	}
	return r, err
}

// readRegions reads the list of that name.
func readRegions(name string, forms []regionForm) ([]Region, error) {
	var all []Region
	for i, f := range forms {
		r, err := f.region()
		if err != nil {
			return nil, fmt.Errorf("regions: %s[%d]: %w", name, i, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// ParseRegions reads JSON, strictly: an object with the lists add, only and except. A
// rectangle has left, top, width and height in ratios of the picture as displayed;
// start and end are seconds, and may be left out.
func ParseRegions(body []byte) (Regions, error) {
	var form struct {
		Add    []regionForm `json:"add"`
		Only   []spanForm   `json:"only"`
		Except []regionForm `json:"except"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&form); err != nil {
		return Regions{}, fmt.Errorf("regions: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Regions{}, errors.New("regions: more than one JSON document")
	}
	if max(len(form.Add), len(form.Only), len(form.Except)) > MaxRegions {
		return Regions{}, fmt.Errorf("regions: %d in add, %d in only and %d in except: at most %d each",
			len(form.Add), len(form.Only), len(form.Except), MaxRegions)
	}
	var r Regions
	var err error
	if r.Add, err = readRegions("add", form.Add); err != nil {
		return Regions{}, err
	}
	for i, f := range form.Only {
		s, err := f.span()
		if err != nil {
			return Regions{}, fmt.Errorf("regions: only[%d]: %w", i, err)
		}
		r.Only = append(r.Only, s)
	}
	r.Except, err = readRegions("except", form.Except)
	return r, err
}

// ApplyContext is Apply for tracks of which there may be very many: it ends early, with
// ctx's cause, when ctx does.
func (r Regions) ApplyContext(ctx context.Context, ts Tracks) (Tracks, error) {
	if r.Only == nil && r.Except == nil {
		return r.Apply(ts), nil
	}
	var kept Tracks
	detected := Regions{Only: r.Only, Except: r.Except}
	for part := range slices.Chunk(ts, 64) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		kept = append(kept, detected.Apply(part)...)
	}
	return Regions{Add: r.Add}.Apply(kept), nil
}

// Apply returns the tracks with what r says.
func (r Regions) Apply(ts Tracks) Tracks {
	kept := ts
	if r.Only != nil {
		kept = nil
		spans := united(r.Only)
		for _, t := range ts {
			first, _ := slices.BinarySearchFunc(spans, t[0].At, func(s Span, at time.Duration) int { return cmp.Compare(s.End, at) })
			for _, s := range spans[first:] {
				if s.Start > t[len(t)-1].At {
					break
				}
				if part := t.within(s); len(part) > 0 {
					kept = append(kept, part)
				}
			}
		}
	}
	for _, e := range r.Except {
		var rest Tracks
		for _, t := range kept {
			rest = append(rest, t.without(e)...)
		}
		kept = rest
	}
	for _, a := range r.Add {
		kept = append(kept, Track{{a.Start, a.Box}, {a.End, a.Box}})
	}
	return kept
}

// within reports whether b lies in another box, or reaches beyond it by no more than
// a person's hand does: 0.5 % of the picture.
func (b Box) within(other Box) bool {
	const slack = 0.005
	return b.Left >= other.Left-slack && b.Top >= other.Top-slack &&
		b.right() <= other.right()+slack && b.bottom() <= other.bottom()+slack
}

// without is what is left of a track where it is not in a region. A box that moves
// from inside a rectangle to inside it was never outside: what is between two keys is
// left out where both are in it.
func (t Track) without(r Region) Tracks {
	if !slices.ContainsFunc(t.within(r.Span), func(k Key) bool { return k.Box.within(r.Box) }) {
		return Tracks{t}
	}
	var cut Track // with keys where the region begins and ends
	for i, k := range t {
		for _, at := range []time.Duration{r.Start, r.End} {
			if i > 0 && t[i-1].At < at && at < k.At {
				b, _ := t.At(at)
				cut = append(cut, Key{at, b})
			}
		}
		cut = append(cut, k)
	}
	in := func(k Key) bool { return k.At >= r.Start && k.At <= r.End && k.Box.within(r.Box) }
	if len(cut) == 1 && !in(cut[0]) {
		return Tracks{t}
	}
	var kept Tracks
	var run Track
	for i := 1; i < len(cut); i++ {
		if in(cut[i-1]) && in(cut[i]) {
			run = nil
			continue
		}
		if run == nil {
			run = Track{cut[i-1]}
		}
		run = append(run, cut[i])
		if i+1 == len(cut) || in(cut[i]) && in(cut[i+1]) {
			kept = append(kept, run)
		}
	}
	return kept
}

// Exceptions are the regions by which one track is left out: few, and each little
// larger than the track's boxes are in its time, so that no other face is in it.
func (t Track) Exceptions() []Region {
	const (
		longest = 5 * time.Minute
		looser  = 1.5 // how much larger a region is than its largest box
		most    = 100 // so that several tracks fit into MaxRegions
	)
	all := t.exceptions(longest, looser)
	for by := looser; len(all) > most; by *= 2 {
		all = t.exceptions(time.Duration(by)*longest, by)
	}
	return all
}

func (t Track) exceptions(longest time.Duration, looser float64) []Region {
	var all []Region
	for i := 0; i < len(t); {
		r := Region{Box: t[i].Box, Span: Span{t[i].At, t[i].At + time.Millisecond}}
		largest := area(t[i].Box)
		next := i + 1
		for ; next < len(t); next++ {
			k := t[next]
			grown, most := r.Box.With(k.Box), max(largest, area(k.Box))
			if next > i+1 && (area(grown) > looser*most || k.At-r.Start > longest) {
				break
			}
			r.Box, largest, r.End = grown, most, k.At+time.Millisecond
		}
		r.Start = max(r.Start-time.Millisecond, 0)
		all = append(all, r)
		if next == len(t) {
			break
		}
		i = next - 1 // from where the one before ends
	}
	return all
}

// united are the spans in order, those that overlap or touch joined.
func united(spans []Span) []Span {
	spans = slices.SortedFunc(slices.Values(spans), func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	all := spans[:0]
	for _, s := range spans {
		if n := len(all); n > 0 && s.Start <= all[n-1].End {
			all[n-1].End = max(all[n-1].End, s.End)
		} else {
			all = append(all, s)
		}
	}
	return all
}

// within is the part of a track that lies in a span.
func (t Track) within(s Span) Track {
	if t[0].At >= s.Start && t[len(t)-1].At <= s.End {
		return t
	}
	var part Track
	if b, ok := t.At(s.Start); ok {
		part = append(part, Key{s.Start, b})
	}
	after := func(k Key, at time.Duration) int { return cmp.Compare(k.At, at) }
	from, exact := slices.BinarySearchFunc(t, s.Start, after)
	if exact {
		from++
	}
	if to, _ := slices.BinarySearchFunc(t, s.End, after); from < to {
		part = append(part, t[from:to]...)
	}
	if b, ok := t.At(s.End); ok {
		part = append(part, Key{s.End, b})
	}
	return part
}

func area(b Box) float64 { return b.Width * b.Height }
