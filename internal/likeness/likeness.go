// Package likeness tells the faces of the demo's videos apart, in place of what
// Rekognition does. It goes by the colour and the coarse brightness of a face and
// knows nothing of what makes one somebody's: other light, another camera or
// make-up change it, and two people under one lamp may look the same. Never use it
// for real people.
package likeness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg" // what pictures may be
	_ "image/png"
	"math"
	"slices"
	"time"

	"golang.org/x/image/draw"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/awslocal"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

// Frames shows pictures of a video, the way up that a viewer sees them, with the
// time from the first frame. It returns what the file says of itself.
type Frames func(ctx context.Context, video []byte, show func(at time.Duration, picture image.Image) error) (ffmpeg.Media, error)

// A Likeness implements awslocal.People with the built-in detector. It may be used
// by several goroutines at once.
type Likeness struct {
	detector *faces.Detector
	frames   Frames
}

var _ awslocal.People = (*Likeness)(nil)

// New returns a Likeness that sees videos through frames.
func New(frames Frames) (*Likeness, error) {
	d, err := faces.NewDetector()
	if err != nil {
		return nil, err
	}
	return &Likeness{d, frames}, nil
}

// Portraits returns the faces in a picture, the largest first.
func (l *Likeness) Portraits(_ context.Context, picture []byte) ([]awslocal.Portrait, error) {
	decoded, _, err := image.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, fmt.Errorf("read the picture: %w", err)
	}
	all := l.find(decoded)
	slices.SortStableFunc(all, func(a, b awslocal.Portrait) int {
		return -compare(a.Box.Width*a.Box.Height, b.Box.Width*b.Box.Height)
	})
	return all, nil
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (l *Likeness) find(picture image.Image) []awslocal.Portrait {
	size := picture.Bounds().Size()
	if longer := max(size.X, size.Y); longer > faces.DetectorSide {
		size = image.Pt(max(size.X*faces.DetectorSide/longer, 1), max(size.Y*faces.DetectorSide/longer, 1))
	}
	gray := image.NewGray(image.Rectangle{Max: size})
	draw.ApproxBiLinear.Scale(gray, gray.Rect, picture, picture.Bounds(), draw.Src, nil)
	var all []awslocal.Portrait
	for _, box := range l.detector.Find(gray) {
		all = append(all, awslocal.Portrait{Box: box, Confidence: 99, Template: template(picture, box)})
	}
	return all
}

// side is that of the grid that a face is reduced to.
const side = 6

// template is what is kept of a face: how red and how blue it is beside green, how
// bright, and where it is brighter and darker than on the whole.
func template(picture image.Image, box faces.Box) []float32 {
	b := picture.Bounds()
	// The middle of the box: at its edges there is hair and ground.
	from := image.Rect(
		b.Min.X+int((box.Left+0.2*box.Width)*float64(b.Dx())), b.Min.Y+int((box.Top+0.2*box.Height)*float64(b.Dy())),
		b.Min.X+int((box.Left+0.8*box.Width)*float64(b.Dx()))+1, b.Min.Y+int((box.Top+0.8*box.Height)*float64(b.Dy()))+1).Intersect(b)
	small := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.CatmullRom.Scale(small, small.Rect, picture, from, draw.Src, nil)
	var red, green, blue float64
	luma := make([]float64, 0, side*side)
	for i := 0; i < len(small.Pix); i += 4 {
		r, g, b := float64(small.Pix[i]), float64(small.Pix[i+1]), float64(small.Pix[i+2])
		red, green, blue = red+r, green+g, blue+b
		luma = append(luma, 0.299*r+0.587*g+0.114*b)
	}
	mean := 0.0
	for _, v := range luma {
		mean += v / float64(len(luma))
	}
	length := 1e-9
	for i := range luma {
		luma[i] -= mean
		length += luma[i] * luma[i]
	}
	t := []float32{float32(math.Log((red + 1) / (green + 1))), float32(math.Log((blue + 1) / (green + 1))), float32(math.Log(mean + 1))}
	for _, v := range luma {
		t = append(t, float32(v/math.Sqrt(length)))
	}
	return t
}

// Similarity of two templates in percent.
func Similarity(a, b []float32) float64 {
	if len(a) != len(b) || len(a) < 4 {
		return 0
	}
	off := func(i int) float64 { return float64(a[i]) - float64(b[i]) }
	same := 0.0 // correlation of the grids
	for i := 3; i < len(a); i++ {
		same += float64(a[i]) * float64(b[i])
	}
	loss := 270*math.Hypot(off(0), off(1)) + 60*math.Abs(off(2)) + 10*(1-same)
	return max(0, 100-loss)
}

// A person is somebody in a video.
type person struct {
	last     time.Duration
	box      faces.Box
	template []float32
}

// Persons follows the people in a video, by place and by likeness.
func (l *Likeness) Persons(ctx context.Context, video []byte, collection []awslocal.Listed, threshold float64) ([]byte, error) {
	type face struct {
		FaceId, ExternalImageId, ImageId string `json:",omitempty"`
		BoundingBox                      faces.Box
		Confidence                       float64
	}
	type match struct {
		Similarity float64
		Face       face
	}
	type entry struct {
		Timestamp int64
		Person    struct {
			Index int
			Face  struct {
				BoundingBox faces.Box
				Confidence  float64
			}
		}
		FaceMatches []match `json:",omitempty"`
	}
	out := struct {
		Persons       []entry
		VideoMetadata map[string]any
	}{Persons: []entry{}}
	var people []person
	media, err := l.frames(ctx, video, func(at time.Duration, picture image.Image) error {
		seen := l.find(picture)
		indexes := follow(&people, at, seen)
		for i, p := range seen {
			e := entry{Timestamp: at.Milliseconds()}
			e.Person.Index, e.Person.Face.BoundingBox, e.Person.Face.Confidence = indexes[i], p.Box, p.Confidence
			for _, c := range collection {
				if s := Similarity(p.Template, c.Template); s >= threshold {
					e.FaceMatches = append(e.FaceMatches, match{s, face{c.FaceID, c.ExternalImageID, c.ImageID, c.Box, c.Confidence}})
				}
			}
			slices.SortFunc(e.FaceMatches, func(a, b match) int { return -compare(a.Similarity, b.Similarity) })
			out.Persons = append(out.Persons, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.VideoMetadata = map[string]any{
		"Codec": media.Codec, "Format": media.Format, "DurationMillis": int64(media.Duration * 1000),
		"FrameRate": media.FrameRate, "FrameWidth": media.Width, "FrameHeight": media.Height,
	}
	return json.Marshal(out)
}

// follow gives each face the index of the person who is most like it and was last
// seen near, or a new one. The surest pairs come first, and nobody is two faces.
func follow(people *[]person, at time.Duration, seen []awslocal.Portrait) []int {
	const (
		alike = 80.0 // percent
		reach = 1.5  // faces a second, and one face besides
	)
	type pair struct {
		face, person int
		cost         float64
	}
	var pairs []pair
	for f, s := range seen {
		for p, known := range *people {
			x := (s.Box.Left + s.Box.Width/2 - known.box.Left - known.box.Width/2) / known.box.Width
			y := (s.Box.Top + s.Box.Height/2 - known.box.Top - known.box.Height/2) / known.box.Height
			distance, similarity := math.Hypot(x, y), Similarity(s.Template, known.template)
			if similarity >= alike && distance <= 1+reach*(at-known.last).Seconds() {
				pairs = append(pairs, pair{f, p, distance + (100-similarity)/5})
			}
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int { return compare(a.cost, b.cost) })
	indexes := make([]int, len(seen))
	for i := range indexes {
		indexes[i] = -1
	}
	taken := map[int]bool{}
	for _, p := range pairs {
		if indexes[p.face] < 0 && !taken[p.person] {
			indexes[p.face], taken[p.person] = p.person, true
		}
	}
	for f, s := range seen {
		if indexes[f] < 0 {
			indexes[f] = len(*people)
			*people = append(*people, person{})
		}
		(*people)[indexes[f]] = person{at, s.Box, s.Template}
	}
	return indexes
}
