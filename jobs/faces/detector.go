package faces

import (
	"cmp"
	_ "embed" // the cascade
	"encoding/json"
	"fmt"
	"image"
	"slices"
	"time"

	pigo "github.com/esimov/pigo/core"
)

// cascade is the decision trees of the built-in detector, as its module ships
// them; TestCascade compares the two.
//
//go:generate sh -c "install -m 644 $(go list -m -f '{{.Dir}}' github.com/esimov/pigo)/cascade/facefinder cascade/facefinder"
//go:embed cascade/facefinder
var cascade []byte

// DetectorSide is the longer side, in pixels, of the pictures that a Detector is
// meant for: larger ones take longer and give no more.
const DetectorSide = 640

// DetectorEvery is how often the built-in detector looks at a video. A face
// that moves is followed better by looking often; a look takes about as long as
// encoding one frame.
const DetectorEvery = 250 * time.Millisecond

const (
	// smallestFace is what the cascade still knows, in pixels: of a picture of
	// DetectorSide about a 27th.
	smallestFace = 24
	// surely is the least quality of a detection that is taken for a face. Lower
	// finds more faces and more that are none; to cover too much is the lesser harm.
	surely = 5.0
	// sameFace is the overlap from which two detections are one.
	sameFace = 0.2
)

// A Detector is the built-in one: pigo's pixel intensity comparisons. It knows
// upright faces that look at the camera, more or less; it misses profiles, faces
// that are tilted, and small ones. It may be used by several goroutines at once.
type Detector struct{ classifier *pigo.Pigo }

// NewDetector returns a Detector.
func NewDetector() (*Detector, error) {
	c, err := pigo.NewPigo().Unpack(cascade)
	if err != nil {
		return nil, fmt.Errorf("read the detector's cascade: %w", err)
	}
	return &Detector{classifier: c}, nil
}

// Find returns the faces in a picture.
func (d *Detector) Find(picture *image.Gray) []Box {
	width, height := picture.Rect.Dx(), picture.Rect.Dy()
	if min(width, height) < smallestFace {
		return nil
	}
	found := d.classifier.RunCascade(pigo.CascadeParams{
		MinSize:     smallestFace,
		MaxSize:     min(width, height),
		ShiftFactor: 0.1,
		ScaleFactor: 1.1,
		ImageParams: pigo.ImageParams{Pixels: picture.Pix, Rows: height, Cols: width, Dim: picture.Stride},
	}, 0)
	clusters := d.classifier.ClusterDetections(found, sameFace)
	slices.SortFunc(clusters, func(a, b pigo.Detection) int { return cmp.Compare(b.Q, a.Q) })
	var boxes []Box
	for _, f := range clusters {
		if f.Q < surely {
			break
		}
		side := float64(f.Scale)
		box := Box{
			Left:   (float64(f.Col) - side/2) / float64(width),
			Top:    (float64(f.Row) - side/2) / float64(height),
			Width:  side / float64(width),
			Height: side / float64(height),
		}
		// Clusters of one face can still overlap; the surest stands for all.
		if !slices.ContainsFunc(boxes, func(b Box) bool { return overlap(b, box) > sameFace }) {
			boxes = append(boxes, box)
		}
	}
	return boxes
}

// Add notes the faces seen at one time.
func (d *Detections) Add(at time.Duration, boxes []Box) {
	for _, b := range boxes {
		d.Faces = append(d.Faces, Detection{At: at, Box: b, Person: NoPerson})
	}
}

// MarshalJSON writes the detections in the form that Parse reads: that of
// GetFaceDetection. Persons and Every are not in it.
func (d Detections) MarshalJSON() ([]byte, error) {
	type face struct{ BoundingBox Box }
	type entry struct {
		Timestamp int64
		Face      face
	}
	out := struct {
		JobStatus string
		Faces     []entry
	}{"SUCCEEDED", []entry{}}
	for _, f := range d.Faces {
		out.Faces = append(out.Faces, entry{f.At.Milliseconds(), face{f.Box}})
	}
	return json.Marshal(out)
}
