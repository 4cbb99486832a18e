// Package faces turns detections, which see a video a few times a second, into
// tracks, which say for every moment what is to be covered. It is pure: no
// client, no clock, no libav.
package faces

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// Most faces that a Reader takes: as many as Rekognition finds in one picture, and as
// many as it can find in a video, which lasts at most six hours and is looked at twice
// a second.
// https://docs.aws.amazon.com/rekognition/latest/dg/limits.html
const (
	MaxAtOnce = 100
	MaxFaces  = 6 * 3600 * 2 * MaxAtOnce
	// MaxInSecond is MaxAtOnce on each frame of a video of 120 frames/s: some detectors look
	// at every frame.
	MaxInSecond = 120 * MaxAtOnce
)

// A header is what GetFaceDetection and GetFaceSearch answer, as the AWS CLI prints it,
// without the lists Faces and Persons.
// https://docs.aws.amazon.com/rekognition/latest/APIReference/API_GetFaceDetection.html
// https://docs.aws.amazon.com/rekognition/latest/APIReference/API_GetFaceSearch.html
type header struct {
	JobStatus     string
	StatusMessage string
	NextToken     string
	VideoMetadata *videoForm
	JobID         string
	Video         struct{ S3Object Object }
}

// A faceForm is an entry of Faces.
type faceForm struct {
	Timestamp *int64
	Face      *struct{ BoundingBox *boxForm }
}

// A personForm is an entry of Persons.
type personForm struct {
	Timestamp *int64
	Person    *struct {
		Index *int
		Face  *struct{ BoundingBox *boxForm }
	}
	// Its boxes are those of the collection's pictures. Only a face search has it.
	FaceMatches matchesForm
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

// A Reader reads the pages of one Rekognition result, in their order, each as a stream: what
// it needs of memory are the faces. UTF-16 is read too, whole. It fails closed: a job that did
// not succeed, a page that is missing or comes twice, pages of several results, an entry without a
// time or with a box that makes no sense, more faces than Rekognition finds, and persons without any
// face are an error, because a face that is lost here is a face that is shown. After an error it is of no
// use.
type Reader struct {
	// Pages is how many there are.
	Pages int
	// AtOnce is how many faces there may be at one time. Defaults to MaxAtOnce.
	AtOnce int

	found   Detections
	seen    pagesSeen
	read    int // pages
	entries int
}

// Parse reads all pages of one Rekognition result, in their order: see Reader.
func Parse(pages ...[]byte) (Detections, error) {
	r := Reader{Pages: len(pages)}
	for _, body := range pages {
		if err := r.Read(bytes.NewReader(body)); err != nil {
			return Detections{}, err
		}
	}
	return r.Detections()
}

// maxBuiltin is how many faces the built-in detector can find in one picture: of the
// smallest that it knows there is no room for more, DetectorSide × DetectorSide pixels
// being the largest picture.
const maxBuiltin = 1000

// ParseBuiltin reads what the built-in detector found.
func ParseBuiltin(page []byte) (Detections, error) {
	r := Reader{Pages: 1, AtOnce: maxBuiltin}
	if err := r.Read(bytes.NewReader(page)); err != nil {
		return Detections{}, err
	}
	return r.Detections()
}

// Read reads the next page.
func (r *Reader) Read(page io.Reader) error {
	r.read++
	if err := r.page(page); err != nil {
		return fmt.Errorf("detections, page %d of %d: %w", r.read, r.Pages, err)
	}
	return nil
}

// Detections returns what all pages hold together.
func (r *Reader) Detections() (Detections, error) {
	d := r.found
	switch {
	case r.Pages == 0:
		return Detections{}, errors.New("detections: no page")
	case r.read != r.Pages:
		return Detections{}, fmt.Errorf("detections: %d of %d pages were read", r.read, r.Pages)
	case len(d.Present) > 0 && len(d.Faces) == 0 && !r.seen.matches:
		return Detections{}, errors.New("detections: persons, and not one face: this is the result of get-person-tracking, " +
			"which doesn't say where the faces are: give that of get-face-detection or get-face-search")
	}
	slices.SortStableFunc(d.Faces, func(a, b Detection) int { return cmp.Compare(a.At, b.At) })
	for _, times := range d.Present {
		slices.Sort(times)
	}
	if err := d.crowded(cmp.Or(r.AtOnce, MaxAtOnce)); err != nil {
		return Detections{}, err
	}
	return d, nil
}

// crowded returns an error where more faces are seen at one time or in one second than
// there can be. Their number is what following them takes time by.
func (d Detections) crowded(atOnce int) error {
	for group := range sameTime(d.Faces) {
		if len(group) > atOnce {
			return fmt.Errorf("detections: %d faces at %.3f s: at most %d at one time are read",
				len(group), group[0].At.Seconds(), atOnce)
		}
	}
	for i, f := range d.Faces {
		if last := i + MaxInSecond; last < len(d.Faces) && d.Faces[last].At-f.At < time.Second {
			return fmt.Errorf("detections: more than %d faces in the second from %.3f s: at most that many are read",
				MaxInSecond, f.At.Seconds())
		}
	}
	return nil
}

// pagesSeen is what a Reader keeps of the pages before one.
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

func (r *Reader) page(body io.Reader) error {
	body, err := utf8(body)
	if err != nil {
		return err
	}
	d := json.NewDecoder(body)
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errors.New("not a JSON object"), err)
	}
	var h header
	keys := map[any]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		switch name {
		case "JobStatus":
			err = d.Decode(&h.JobStatus)
		case "StatusMessage":
			err = d.Decode(&h.StatusMessage)
		case "NextToken":
			err = d.Decode(&h.NextToken)
		case "VideoMetadata":
			err = d.Decode(&h.VideoMetadata)
		case "JobId":
			err = d.Decode(&h.JobID)
		case "Video":
			err = d.Decode(&h.Video)
		case "Faces":
			err = readEntries(d, "Faces", r.face)
		case "Persons":
			err = readEntries(d, "Persons", r.person)
		default:
			err = skip(d)
		}
		if err != nil {
			return err
		}
		keys[name] = true
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("not a JSON object alone: something follows it"), err)
	}
	if h.JobStatus != "" && h.JobStatus != "SUCCEEDED" {
		return fmt.Errorf("the job's status is %s, not SUCCEEDED: %s", h.JobStatus, h.StatusMessage)
	}
	if !keys["Faces"] && !keys["Persons"] {
		const wanted = "neither Faces (of get-face-detection) nor Persons (of get-face-search) in it"
		for _, other := range otherResults {
			if keys[other.key] {
				return fmt.Errorf("%s: it has the %s of %s", wanted, other.key, other.of)
			}
		}
		return errors.New(wanted)
	}
	if err := r.seen.next(h.NextToken, r.read == r.Pages); err != nil {
		return err
	}
	return r.found.sameResult(h)
}

// utf8 returns a page as UTF-8 without a byte order mark. Only what looks like anything else is read whole.
func utf8(page io.Reader) (io.Reader, error) {
	b := bufio.NewReader(page)
	start, err := b.Peek(2)
	if err == nil && start[0] != 0 && start[1] != 0 && start[0] < 0x80 {
		return b, nil
	}
	body, err := io.ReadAll(b)
	if err != nil {
		return nil, err
	}
	body, err = text.UTF8(body)
	return bytes.NewReader(body), err
}

// readEntries reads a list, one entry at a time. Null is an empty one.
func readEntries[T any](d *json.Decoder, list string, add func(T) error) error {
	t, err := d.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('[') {
		return fmt.Errorf("%s is not a list", list)
	}
	for i := 0; d.More(); i++ {
		var e T
		err := d.Decode(&e)
		if err == nil {
			err = add(e)
		}
		if err != nil {
			return fmt.Errorf("in %s[%d]: %w", list, i, err)
		}
	}
	_, err = d.Token()
	return err
}

// skip reads over a value.
func skip(d *json.Decoder) error {
	for depth := 0; ; {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// count counts what is kept in memory.
func (r *Reader) count() error {
	if r.entries++; r.entries > MaxFaces {
		return fmt.Errorf("more than %d faces: at most that many are read", MaxFaces)
	}
	return nil
}

func (r *Reader) face(f faceForm) error {
	if f.Timestamp == nil || f.Face == nil || f.Face.BoundingBox == nil {
		return errors.New("no Timestamp or no Face.BoundingBox")
	}
	if err := r.count(); err != nil {
		return err
	}
	return r.found.add(*f.Timestamp, *f.Face.BoundingBox, NoPerson)
}

func (r *Reader) person(p personForm) error {
	if p.Timestamp == nil || p.Person == nil || p.Person.Index == nil {
		return errors.New("no Timestamp or no Person.Index")
	}
	if err := r.count(); err != nil {
		return err
	}
	r.seen.matches = r.seen.matches || p.FaceMatches.there
	// A person can be seen without a face; Person.BoundingBox is the body.
	if p.Person.Face == nil || p.Person.Face.BoundingBox == nil {
		return r.found.present(*p.Timestamp, *p.Person.Index)
	}
	if err := r.found.add(*p.Timestamp, *p.Person.Face.BoundingBox, *p.Person.Index); err != nil {
		return err
	}
	last := &r.found.Faces[len(r.found.Faces)-1]
	for _, m := range p.FaceMatches.all {
		last.Similarity = max(last.Similarity, m.Similarity)
	}
	return nil
}

// sameResult notes what a page says about its job and video, and refuses a page of another one.
func (d *Detections) sameResult(p header) error {
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
