// Package faces turns detections, which see a video a few times a second, into
// tracks, which say for every moment what is to be covered. It is pure: no
// client, no clock, no libav.
package faces

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// A Box is a rectangle in ratios of the picture as displayed: 0 is its left or
// upper edge, 1 its right or lower one. A box may reach beyond the picture.
// https://docs.aws.amazon.com/rekognition/latest/APIReference/API_BoundingBox.html
type Box struct {
	Left   float64 `json:"Left"`
	Top    float64 `json:"Top"`
	Width  float64 `json:"Width"`
	Height float64 `json:"Height"`
}

func (b Box) right() float64  { return b.Left + b.Width }
func (b Box) bottom() float64 { return b.Top + b.Height }
func (b Box) centre() (x, y float64) {
	return b.Left + b.Width/2, b.Top + b.Height/2
}

// grow adds margin times its own size on every side.
func (b Box) grow(margin float64) Box {
	return Box{b.Left - b.Width*margin, b.Top - b.Height*margin, b.Width * (1 + 2*margin), b.Height * (1 + 2*margin)}
}

// between is the box that is share (0 to 1) of the way from b to c.
func (b Box) between(c Box, share float64) Box {
	mix := func(x, y float64) float64 { return x + (y-x)*share }
	return Box{mix(b.Left, c.Left), mix(b.Top, c.Top), mix(b.Width, c.Width), mix(b.Height, c.Height)}
}

func (b Box) valid() error {
	for _, v := range []float64{b.Left, b.Top, b.Width, b.Height} {
		// Far outside the picture nothing is a face; and it would not fit in pixels.
		if math.IsNaN(v) || math.Abs(v) > 16 {
			return fmt.Errorf("bounding box %+v is not in ratios of the picture", b)
		}
	}
	if b.Width <= 0 || b.Height <= 0 {
		return fmt.Errorf("bounding box %+v is empty", b)
	}
	return nil
}

// NoPerson is the Person of a detection that does not say whose face it is.
const NoPerson = -1

// A Detection is one face at one moment.
type Detection struct {
	At     time.Duration // from the first frame of the video
	Box    Box
	Person int // the same for one person through the video, or NoPerson
	// Similarity to the face of the collection that is most alike, in percent; 0:
	// none is.
	Similarity float64
}

// Detections is what a detector saw in one video.
type Detections struct {
	Faces []Detection // in order of time
	// Every is the time between two looks; 0 when nothing says so. Tracks then
	// takes it from the detections.
	Every time.Duration
	// Duration of the video; 0 when nothing says so.
	Duration time.Duration
	// Present are the times at which a person was seen without a face, in order.
	Present map[int][]time.Duration
}

// page is what GetFaceDetection and GetFaceSearch answer, as the AWS CLI prints it.
// https://docs.aws.amazon.com/rekognition/latest/APIReference/API_GetFaceDetection.html
// https://docs.aws.amazon.com/rekognition/latest/APIReference/API_GetFaceSearch.html
type page struct {
	JobStatus     string                          `json:"JobStatus,omitempty"`
	StatusMessage string                          `json:"StatusMessage,omitempty"`
	NextToken     string                          `json:"NextToken,omitempty"`
	VideoMetadata *struct{ DurationMillis int64 } `json:"VideoMetadata,omitempty"`

	Faces []struct {
		Timestamp *int64
		Face      *struct{ BoundingBox *Box }
	} `json:"Faces,omitempty"`

	Persons []struct {
		Timestamp *int64
		Person    *struct {
			Index *int
			Face  *struct{ BoundingBox *Box }
		}
		// Its boxes are those of the collection's pictures.
		FaceMatches []struct{ Similarity float64 }
	} `json:"Persons,omitempty"`
}

// Parse reads all pages of one Rekognition result, in their order. It fails
// closed: a job that did not succeed, a page that is missing at the end, an
// entry without a time or with a box that makes no sense is an error, because a
// face that is lost here is a face that is shown.
func Parse(pages ...[]byte) (Detections, error) {
	var d Detections
	for i, body := range pages {
		if err := d.parsePage(body, i == len(pages)-1); err != nil {
			return Detections{}, fmt.Errorf("detections, page %d of %d: %w", i+1, len(pages), err)
		}
	}
	if len(pages) == 0 {
		return d, errors.New("detections: no page")
	}
	slices.SortStableFunc(d.Faces, func(a, b Detection) int { return cmp.Compare(a.At, b.At) })
	for _, times := range d.Present {
		slices.Sort(times)
	}
	return d, nil
}

func (d *Detections) parsePage(body []byte, last bool) error {
	keys := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &keys); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	_, hasFaces := keys["Faces"]
	_, hasPersons := keys["Persons"]
	if !hasFaces && !hasPersons {
		return errors.New("neither Faces (of get-face-detection) nor Persons (of get-face-search) in it")
	}
	var p page
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	switch {
	case p.JobStatus != "" && p.JobStatus != "SUCCEEDED":
		return fmt.Errorf("the job's status is %s, not SUCCEEDED: %s", p.JobStatus, p.StatusMessage)
	case last && p.NextToken != "":
		return errors.New("it has a NextToken: the pages after it are missing")
	}
	if p.VideoMetadata != nil {
		duration, err := timestamp(p.VideoMetadata.DurationMillis)
		if err != nil {
			return fmt.Errorf("in VideoMetadata: %w", err)
		}
		d.Duration = max(d.Duration, duration)
	}
	for i, f := range p.Faces {
		if f.Timestamp == nil || f.Face == nil || f.Face.BoundingBox == nil {
			return fmt.Errorf("in Faces[%d]: no Timestamp or no Face.BoundingBox", i)
		}
		if err := d.add(*f.Timestamp, *f.Face.BoundingBox, NoPerson); err != nil {
			return fmt.Errorf("in Faces[%d]: %w", i, err)
		}
	}
	for i, f := range p.Persons {
		if f.Timestamp == nil || f.Person == nil || f.Person.Index == nil {
			return fmt.Errorf("in Persons[%d]: no Timestamp or no Person.Index", i)
		}
		// A person can be seen without a face; Person.BoundingBox is the body.
		if f.Person.Face == nil || f.Person.Face.BoundingBox == nil {
			if err := d.present(*f.Timestamp, *f.Person.Index); err != nil {
				return fmt.Errorf("in Persons[%d]: %w", i, err)
			}
			continue
		}
		if err := d.add(*f.Timestamp, *f.Person.Face.BoundingBox, *f.Person.Index); err != nil {
			return fmt.Errorf("in Persons[%d]: %w", i, err)
		}
		for _, m := range f.FaceMatches {
			last := &d.Faces[len(d.Faces)-1]
			last.Similarity = max(last.Similarity, m.Similarity)
		}
	}
	return nil
}

// timestamp reads one of a video: less than a year, which is far from overflow.
func timestamp(milliseconds int64) (time.Duration, error) {
	if milliseconds < 0 || milliseconds > 366*24*3600*1000 {
		return 0, fmt.Errorf("timestamp %d ms", milliseconds)
	}
	return time.Duration(milliseconds) * time.Millisecond, nil
}

func (d *Detections) present(milliseconds int64, person int) error {
	at, err := timestamp(milliseconds)
	if err != nil {
		return err
	}
	if d.Present == nil {
		d.Present = map[int][]time.Duration{}
	}
	d.Present[person] = append(d.Present[person], at)
	return nil
}

func (d *Detections) add(milliseconds int64, b Box, person int) error {
	at, err := timestamp(milliseconds)
	if err != nil {
		return err
	}
	if err := b.valid(); err != nil {
		return err
	}
	d.Faces = append(d.Faces, Detection{At: at, Box: b, Person: person})
	return nil
}
