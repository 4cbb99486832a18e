// Package report makes what a person looks at to see in seconds whether a mosaic is
// right: a page with every face's time and pictures before and after, and a contact
// sheet of the output alone. Pure: it draws what it is given.
package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/mosaicd/mosaicd/jobs/faces"
)

// A Report is one mosaic.
type Report struct {
	Source, Output string // names, as they are shown
	Made           time.Time
	Version        string // of mosaicd
	Detector       string // who looked for faces
	Duration       time.Duration
	Width, Height  int // of the picture as displayed
	Frames         int64
	FramesCovered  int64
	Settings       []Setting         // in their order
	Faces          []faces.Detection // what the detector saw
	Tracks         faces.Tracks      // the covers of detected faces, without limits
	Regions        faces.Regions     // what a person said
	Verified       bool              // somebody looked at the output again
	Residual       []faces.Detection // and still found these
	Moments        []Moment          // in order of time
}

// A Setting is shown as it is.
type Setting struct{ Name, Value string }

// A Moment is one frame of the source and of the output, as JPEG.
type Moment struct {
	At     time.Duration
	Before []byte // nil: there is none to show
	After  []byte
}

// apart is the least time between two moments: sooner there is nothing new to see.
const apart = 200 * time.Millisecond

// Moments picks those that are worth a look, at most so many: where faces are still
// found, the middle and both ends of each track, and the rest spread evenly.
func Moments(video time.Duration, tracks faces.Tracks, residual []faces.Detection, most int) []time.Duration {
	var picked []time.Duration
	pick := func(at time.Duration) {
		at = max(min(at, video), 0)
		near := func(p time.Duration) bool { return p-at < apart && at-p < apart }
		if len(picked) < most && !slices.ContainsFunc(picked, near) {
			picked = append(picked, at)
		}
	}
	found := make([]time.Duration, 0, len(residual))
	for _, r := range residual {
		found = append(found, r.At)
	}
	slices.Sort(found)
	for _, at := range spread(slices.Compact(found), max(most/2, 1)) {
		pick(at)
	}
	for _, share := range []float64{0.5, 0.02, 0.98} {
		for _, t := range spread(tracks, max(most/4, 1)) {
			first, last := t[0].At, min(t[len(t)-1].At, video)
			pick(first + time.Duration(share*float64(last-first)))
		}
	}
	const even = 12
	for i := range even {
		pick(time.Duration(float64(video) * (float64(i) + 0.5) / even))
	}
	slices.Sort(picked)
	return picked
}

// spread takes at most n of all, evenly.
func spread[T any](all []T, n int) []T {
	if len(all) <= n {
		return all
	}
	some := make([]T, n)
	for i := range some {
		some[i] = all[i*len(all)/n]
	}
	return some
}

// Verdict says in words what came of it.
func (r Report) Verdict() string {
	said := fmt.Sprintf("%s covered in %d of %d frames.", counted(len(r.Tracks), "face", "faces"), r.FramesCovered, r.Frames)
	if len(r.Tracks) == 0 {
		said = "No face was found."
		if len(r.Regions.Add) > 0 {
			said += fmt.Sprintf(" Own regions are covered in %d of %d frames.", r.FramesCovered, r.Frames)
		}
	}
	switch {
	case !r.Verified:
		return said + " Nobody looked at the output again."
	case len(r.Residual) == 0:
		return said + " A second look at the output found none."
	}
	return fmt.Sprintf("%s A second look still found faces %s, first at %s: look there first.", said, times(len(r.Residual)), clock(r.Residual[0].At))
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// clock is a time as people read it: minutes, seconds and hundredths.
func clock(at time.Duration) string {
	at = at.Round(10 * time.Millisecond)
	return fmt.Sprintf("%d:%05.2f", int(at.Minutes()), (at % time.Minute).Seconds())
}

// A labelled box is one that is drawn on a picture.
type labelled struct {
	faces.Box
	Label string
	own   bool // a person's region
	index int  // of the track or region
}

// covers are the boxes that are covered at a time.
func (r Report) covers(at time.Duration) []labelled {
	var all []labelled
	limits := faces.Regions{Only: r.Regions.Only, Except: r.Regions.Except}
	for i, t := range r.Tracks {
		for _, part := range limits.Apply(faces.Tracks{t}) {
			if b, ok := part.At(at); ok {
				all = append(all, labelled{Box: b, Label: fmt.Sprintf("face %d", i+1), index: i})
				break
			}
		}
	}
	for i, a := range r.Regions.Add {
		if at >= a.Start && at < a.End {
			all = append(all, labelled{Box: a.Box, Label: fmt.Sprintf("region %d", i+1), own: true, index: i})
		}
	}
	return all
}

// left are the faces that are still found about a time.
func (r Report) left(at time.Duration) []labelled {
	var all []labelled
	for _, f := range r.Residual {
		if f.At-at < apart/2 && at-f.At < apart/2 {
			all = append(all, labelled{Box: f.Box, Label: "still found"})
		}
	}
	return all
}
