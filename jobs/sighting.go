package jobs

import (
	"fmt"
	"math"
	"time"

	"github.com/mosaicd/mosaicd/jobs/faces"
)

// A Sighting is a face that is still found in an output, look after look. Its times are
// those that a player shows; its box is around all that was seen of it, in ratios of the
// picture.
type Sighting struct {
	FromSeconds float64 `json:"fromSeconds"`
	ToSeconds   float64 `json:"toSeconds"`
	Left        float64 `json:"left"`
	Top         float64 `json:"top"`
	Width       float64 `json:"width"`
	Height      float64 `json:"height"`
}

// Sightings joins detections of one place in looks that follow each other. Start is when
// a player shows the first frame.
func Sightings(found []faces.Detection, start time.Duration) []Sighting {
	type open struct {
		from, to time.Duration
		box      faces.Box // the latest
		around   faces.Box
	}
	var all []*open
	for _, f := range found {
		var same *open
		for _, o := range all {
			// A look may miss it.
			if f.At-o.to <= 2*faces.DetectorEvery && f.At > o.to && f.Box.Overlaps(o.box) {
				same = o
				break
			}
		}
		if same == nil {
			all = append(all, &open{from: f.At, to: f.At, box: f.Box, around: f.Box})
			continue
		}
		same.to, same.box, same.around = f.At, f.Box, same.around.With(f.Box)
	}
	sightings := make([]Sighting, 0, len(all))
	for _, o := range all {
		ratio := func(v float64) float64 { return math.Round(v*1000) / 1000 }
		b := o.around
		sightings = append(sightings, Sighting{
			seconds(o.from + start), seconds(o.to + start),
			ratio(b.Left), ratio(b.Top), ratio(b.Width), ratio(b.Height),
		})
	}
	return sightings
}

// String says when and where, as people seek to it: "at 0:04.25 to 0:05.00, 12 % × 20 %
// of the picture, 35 % from the left and 20 % from the top".
func (s Sighting) String() string {
	when := "at " + seekTime(s.FromSeconds)
	if s.ToSeconds > s.FromSeconds {
		when = "from " + seekTime(s.FromSeconds) + " to " + seekTime(s.ToSeconds)
	}
	return fmt.Sprintf("%s, %.0f %% × %.0f %% of the picture, %.0f %% from the left and %.0f %% from the top",
		when, 100*s.Width, 100*s.Height, 100*max(s.Left, 0), 100*max(s.Top, 0))
}

// seekTime is a time as players show it, rounded down, so that who goes there has not
// gone too far.
func seekTime(at float64) string {
	hundredths := int(math.Floor(at*100 + 1e-6))
	h, m, s, rest := hundredths/360000, hundredths/6000%60, hundredths/100%60, hundredths%100
	if h > 0 {
		return fmt.Sprintf("%d:%02d:%02d.%02d", h, m, s, rest)
	}
	return fmt.Sprintf("%d:%02d.%02d", m, s, rest)
}
