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

	"github.com/mosaicd/mosaicd/internal/text"
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

// maxDetected is the largest side of a detected box, in ratios of the picture: a face that fills the picture has a box
// somewhat larger than it.
const maxDetected = 2

// detected judges a box that a detector saw.
func (b Box) detected() error {
	if err := b.valid(); err != nil {
		return err
	}
	switch {
	case b.Left >= 1 || b.Top >= 1 || b.right() <= 0 || b.bottom() <= 0:
		return fmt.Errorf("bounding box %+v is wholly outside the picture", b)
	case b.Width > maxDetected || b.Height > maxDetected:
		return fmt.Errorf("bounding box %+v is more than %d times as large as the picture", b, maxDetected)
	}
	return nil
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
	// Video is what the detector says about the video; what it doesn't say is zero.
	Video Video
	// Present are the times at which a person was seen without a face, in order.
	Present map[int][]time.Duration

	// JobID and Source are those of the Rekognition job; empty when nothing says so.
	JobID  string
	Source Object
}

// An Object is a video in S3.
type Object struct {
	Bucket  string `json:"Bucket"`
	Name    string `json:"Name"`
	Version string `json:"Version"`
}

// A boxForm is a Box as JSON has it. None of its values is left out by Rekognition.
type boxForm struct{ Left, Top, Width, Height *float64 }

func (f boxForm) box() (Box, error) {
	if f.Left == nil || f.Top == nil || f.Width == nil || f.Height == nil {
		return Box{}, errors.New("a bounding box without Left, Top, Width or Height")
	}
	b := Box{*f.Left, *f.Top, *f.Width, *f.Height}
	return b, b.detected()
}

// A videoForm is VideoMetadata.
// https://docs.aws.amazon.com/rekognition/latest/APIReference/API_VideoMetadata.html
type videoForm struct {
	DurationMillis          int64
	FrameWidth, FrameHeight int
	FrameRate               float64
}

func (f videoForm) video() (Video, error) {
	duration, err := timestamp(f.DurationMillis)
	if err == nil && (f.FrameWidth < 0 || f.FrameHeight < 0 || f.FrameRate < 0) {
		err = fmt.Errorf("a frame of %dx%d pixels at %v frames/s", f.FrameWidth, f.FrameHeight, f.FrameRate)
	}
	return Video{Duration: duration, Width: f.FrameWidth, Height: f.FrameHeight, FrameRate: f.FrameRate}, err
}

// page is what GetFaceDetection and GetFaceSearch answer, as the AWS CLI prints it.
// https://docs.aws.amazon.com/rekognition/latest/APIReference/API_GetFaceDetection.html
// https://docs.aws.amazon.com/rekognition/latest/APIReference/API_GetFaceSearch.html
type page struct {
	JobStatus     string     `json:"JobStatus,omitempty"`
	StatusMessage string     `json:"StatusMessage,omitempty"`
	NextToken     string     `json:"NextToken,omitempty"`
	VideoMetadata *videoForm `json:"VideoMetadata,omitempty"`
	JobID         string     `json:"JobId,omitempty"`
	Video         struct {
		S3Object Object `json:"S3Object"`
	} `json:"Video,omitzero"`

	Faces []struct {
		Timestamp *int64
		Face      *struct{ BoundingBox *boxForm }
	} `json:"Faces,omitempty"`

	Persons []struct {
		Timestamp *int64
		Person    *struct {
			Index *int
			Face  *struct{ BoundingBox *boxForm }
		}
		// Its boxes are those of the collection's pictures. Only a face search has it.
		FaceMatches matchesForm
	} `json:"Persons,omitempty"`
}

// matchesForm are the FaceMatches of a person.
type matchesForm struct {
	there bool
	all   []struct{ Similarity float64 }
}

func (f *matchesForm) UnmarshalJSON(body []byte) error {
	f.there = true // null too
	return json.Unmarshal(body, &f.all)
}

// Parse reads all pages of one Rekognition result, in their order. UTF-16 is read too. It fails
// closed: a job that did not succeed, a page that is missing or comes twice, pages of several results, an
// entry without a time or with a box that makes no sense, and persons without any face are an error, because a
// face that is lost here is a face that is shown.
func Parse(pages ...[]byte) (Detections, error) {
	var (
		d    Detections
		seen pagesSeen
	)
	for i, body := range pages {
		if err := d.parsePage(body, i == len(pages)-1, &seen); err != nil {
			return Detections{}, fmt.Errorf("detections, page %d of %d: %w", i+1, len(pages), err)
		}
	}
	switch {
	case len(pages) == 0:
		return d, errors.New("detections: no page")
	case len(d.Present) > 0 && len(d.Faces) == 0 && !seen.matches:
		return Detections{}, errors.New("detections: persons, and not one face: this is the result of get-person-tracking, " +
			"which doesn't say where the faces are: give that of get-face-detection or get-face-search")
	}
	slices.SortStableFunc(d.Faces, func(a, b Detection) int { return cmp.Compare(a.At, b.At) })
	for _, times := range d.Present {
		slices.Sort(times)
	}
	return d, nil
}

// pagesSeen is what Parse keeps of the pages before one.
type pagesSeen struct {
	tokens  map[string]bool
	matches bool // a person had FaceMatches: only a face search gives them
}

// next notes the NextToken of a page.
func (s *pagesSeen) next(token string, last bool) error {
	switch {
	case last && token != "":
		return errors.New("it has a NextToken: the pages after it are missing")
	case last:
		return nil
	case token == "":
		return errors.New("it has no NextToken, so that it is the last page of its result, and others follow: " +
			"give the pages of one result, in their order")
	case s.tokens[token]:
		return errors.New("its NextToken was in a page before: the same page comes twice, and another may be missing")
	}
	if s.tokens == nil {
		s.tokens = map[string]bool{}
	}
	s.tokens[token] = true
	return nil
}

// otherResults names what is in results of Rekognition that have no faces of a stored video.
var otherResults = []struct{ key, of string }{
	{"Labels", "get-label-detection"},
	{"ModerationLabels", "get-content-moderation"},
	{"Celebrities", "get-celebrity-recognition"},
	{"TextDetections", "get-text-detection"},
	{"Segments", "get-segment-detection"},
	{"FaceDetails", "detect-faces, which looks at a picture"},
	{"FaceRecords", "index-faces, which looks at a picture"},
	{"FaceMatches", "search-faces-by-image or compare-faces, which look at a picture"},
}

func (d *Detections) parsePage(body []byte, last bool, seen *pagesSeen) error {
	body, err := text.UTF8(body)
	if err != nil {
		return err
	}
	keys := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &keys); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	var p page
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	if p.JobStatus != "" && p.JobStatus != "SUCCEEDED" {
		return fmt.Errorf("the job's status is %s, not SUCCEEDED: %s", p.JobStatus, p.StatusMessage)
	}
	_, hasFaces := keys["Faces"]
	_, hasPersons := keys["Persons"]
	if !hasFaces && !hasPersons {
		const wanted = "neither Faces (of get-face-detection) nor Persons (of get-face-search) in it"
		for _, other := range otherResults {
			if _, ok := keys[other.key]; ok {
				return fmt.Errorf("%s: it has the %s of %s", wanted, other.key, other.of)
			}
		}
		return errors.New(wanted)
	}
	if err := seen.next(p.NextToken, last); err != nil {
		return err
	}
	if err := d.sameResult(p); err != nil {
		return err
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
		seen.matches = seen.matches || f.FaceMatches.there
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
		for _, m := range f.FaceMatches.all {
			last := &d.Faces[len(d.Faces)-1]
			last.Similarity = max(last.Similarity, m.Similarity)
		}
	}
	return nil
}

// sameResult notes what a page says about its job and video, and refuses a page of another one.
func (d *Detections) sameResult(p page) error {
	if p.VideoMetadata != nil {
		video, err := p.VideoMetadata.video()
		switch {
		case err != nil:
			return fmt.Errorf("in VideoMetadata: %w", err)
		case d.Video != Video{} && d.Video != video:
			return fmt.Errorf("its VideoMetadata (%s) are not those of the pages before it (%s)", video, d.Video)
		}
		d.Video = video
	}
	switch at := p.Video.S3Object; {
	case d.JobID != "" && p.JobID != "" && d.JobID != p.JobID:
		return fmt.Errorf("it is of job %s, and the pages before it are of job %s", p.JobID, d.JobID)
	case d.Source != Object{} && at != Object{} && d.Source != at:
		return fmt.Errorf("it is of s3://%s/%s, and the pages before it are of s3://%s/%s", at.Bucket, at.Name, d.Source.Bucket, d.Source.Name)
	}
	d.JobID, d.Source = cmp.Or(d.JobID, p.JobID), cmp.Or(d.Source, p.Video.S3Object)
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

func (d *Detections) add(milliseconds int64, form boxForm, person int) error {
	at, err := timestamp(milliseconds)
	if err != nil {
		return err
	}
	b, err := form.box()
	if err != nil {
		return err
	}
	d.Faces = append(d.Faces, Detection{At: at, Box: b, Person: person})
	return nil
}
