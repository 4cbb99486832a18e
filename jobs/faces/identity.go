package faces

import (
	"context"
	"fmt"
	"slices"
)

// Who is covered.
const (
	CoverAll       = "all"       // everybody
	CoverStrangers = "strangers" // all but the people in the collection
	CoverListed    = "listed"    // only the people in the collection
)

// DefaultSimilarity is how alike a face must be to one of the collection, in
// percent, as Rekognition has it by default.
const DefaultSimilarity = 80

// A votes counts the samples of one person.
type votes struct{ faces, matches int }

// covers decides about a person for the whole video, by all samples. In doubt it
// covers: one that is left visible has a match in most samples, and in two at
// least; one that is to be covered needs a single match.
func (o Options) covers(v votes) bool {
	switch o.Cover {
	case CoverStrangers:
		return !(v.matches >= 2 && 2*v.matches > v.faces)
	case CoverListed:
		return v.matches > 0
	}
	return true
}

// Validate returns an error that names the first field that is wrong.
func (o Options) Validate() error {
	switch o.Cover {
	case "", CoverAll, CoverStrangers, CoverListed:
	default:
		return fmt.Errorf("cover: must be one of all, strangers, listed (got %q)", o.Cover)
	}
	if o.Similarity != 0 && !(o.Similarity >= 1 && o.Similarity <= 100) {
		return fmt.Errorf("similarity: must be 1 to 100 (got %v)", o.Similarity)
	}
	return nil
}

// of parts the detections in those that are to be covered and the others.
func (o Options) of(all []Detection) (covered, spared []Detection) {
	if o.Cover == "" || o.Cover == CoverAll {
		return all, nil
	}
	people := map[int]votes{}
	for _, d := range all {
		if d.Person == NoPerson {
			continue
		}
		v := people[d.Person]
		v.faces++
		if d.Similarity >= o.similarity() {
			v.matches++
		}
		people[d.Person] = v
	}
	for _, d := range all {
		if d.Person == NoPerson || o.covers(people[d.Person]) { // of whom nobody says anything is covered
			covered = append(covered, d)
		} else {
			spared = append(spared, d)
		}
	}
	return covered, spared
}

// Unspared leaves out those of the faces found in an output, in order of time, that
// are of people who are not covered: they are meant to be seen. The error is ctx's
// cause.
func (d Detections) Unspared(ctx context.Context, found []Detection, o Options) ([]Detection, error) {
	_, spared := o.of(d.Faces)
	if len(spared) == 0 {
		return found, nil
	}
	seen := d
	seen.Faces = spared
	tracks, err := seen.Track(ctx, Options{Margin: o.Margin})
	if err != nil {
		return nil, err
	}
	covers := tracks.Covers()
	return slices.DeleteFunc(slices.Clone(found), func(f Detection) bool {
		x, y := f.Box.centre()
		for b := range covers.boxes(f.At) {
			if x > b.Left && x < b.right() && y > b.Top && y < b.bottom() {
				return true
			}
		}
		return false
	}), nil
}

func (o Options) similarity() float64 {
	if o.Similarity == 0 {
		return DefaultSimilarity
	}
	return o.Similarity
}
