package faces

import (
	"bytes"
	"cmp"
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

// ParseRegions reads JSON, strictly: an object with the lists add and only. A
// rectangle has left, top, width and height in ratios of the picture as displayed;
// start and end are seconds, and may be left out.
func ParseRegions(body []byte) (Regions, error) {
	var form struct {
		Add []struct {
			Left   *float64 `json:"left"`
			Top    *float64 `json:"top"`
			Width  *float64 `json:"width"`
			Height *float64 `json:"height"`
			spanForm
		} `json:"add"`
		Only []spanForm `json:"only"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&form); err != nil {
		return Regions{}, fmt.Errorf("regions: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Regions{}, errors.New("regions: more than one JSON document")
	}
	if len(form.Add) > MaxRegions || len(form.Only) > MaxRegions {
		return Regions{}, fmt.Errorf("regions: %d in add and %d in only: at most %d each", len(form.Add), len(form.Only), MaxRegions)
	}
	var r Regions
	for i, f := range form.Add {
		if f.Left == nil || f.Top == nil || f.Width == nil || f.Height == nil {
			return Regions{}, fmt.Errorf("regions: add[%d]: left, top, width and height are all needed", i)
		}
		region := Region{Box: Box{*f.Left, *f.Top, *f.Width, *f.Height}}
		err := region.valid()
		if err == nil {
			region.Span, err = f.span()
		}
		if err != nil {
			return Regions{}, fmt.Errorf("regions: add[%d]: %w", i, err)
		}
		r.Add = append(r.Add, region)
	}
	for i, f := range form.Only {
		s, err := f.span()
		if err != nil {
			return Regions{}, fmt.Errorf("regions: only[%d]: %w", i, err)
		}
		r.Only = append(r.Only, s)
	}
	return r, nil
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
	for _, a := range r.Add {
		kept = append(kept, Track{{a.Start, a.Box}, {a.End, a.Box}})
	}
	return kept
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
