// Package sample makes videos whose every face is known: three of them moving
// over moving ground, with sound. The demo shows one, tests and benchmarks
// compare results with what the scene says.
package sample

import (
	"bytes"
	_ "embed" // the face
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // the face's format
	"image/png"
	"math"
	"math/rand/v2"
	"path/filepath"
	"time"

	"golang.org/x/image/draw"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/libav"
)

// The picture is the one that the detector's own module ships as test data.
//
//go:generate sh -c "install -m 644 $(go list -m -f '{{.Dir}}' github.com/esimov/pigo)/testdata/sample.jpg face.jpg"
//go:embed face.jpg
var facePicture []byte

// Where head and face are in the picture, which is 320×400.
var (
	head = image.Rect(38, 8, 282, 384)
	face = image.Rect(48, 62, 272, 344)
)

// A Scene is what a video shows.
type Scene struct {
	Size   image.Point   // in pixels, both even
	Rate   int           // frames a second
	Length time.Duration // of the video and of its sound
	// Grain is the standard deviation of the noise on every picture, in 8-bit
	// steps: a camera's is 2 to 4. An encoder finds a scene without any far too
	// easy to be measured by.
	Grain float64
	// Crossing has only the first two heads, which change places: one passes before
	// the other.
	Crossing bool
}

// Default is the scene of the demo.
var Default = Scene{Size: image.Pt(1280, 720), Rate: 25, Length: 6 * time.Second}

// frames is how many the video has.
func (s Scene) frames() int { return int(s.Length.Seconds() * float64(s.Rate)) }

// heights of the heads, as a fraction of the picture's.
var heights = [3]float64{0.46, 0.52, 0.40}

// heads returns where each head is at a time: on a path of its own, with edges
// on even pixels.
func (s Scene) heads(t time.Duration) []image.Rectangle {
	shown := heights[:]
	if s.Crossing {
		shown = heights[:2]
	}
	rects := make([]image.Rectangle, len(shown))
	for i, share := range shown {
		phase := t.Seconds()*(0.9+0.25*float64(i)) + 2*float64(i)
		x := float64(s.Size.X) * (float64(1+2*i)/6 + 0.035*math.Sin(phase*1.3))
		y := float64(s.Size.Y) * (0.5 + 0.13*math.Sin(phase))
		if s.Crossing {
			way := t.Seconds() / s.Length.Seconds() // from side to side
			if i == 1 {
				way = 1 - way
			}
			x, y = float64(s.Size.X)*(0.2+0.6*way), float64(s.Size.Y)*(0.48+0.04*float64(i))
		}
		height := int(share * float64(s.Size.Y))
		width := height * head.Dx() / head.Dy()
		corner := image.Pt(int(x)-width/2, int(y)-height/2)
		corner.X, corner.Y = corner.X&^1, corner.Y&^1
		rects[i] = image.Rectangle{corner, corner.Add(image.Pt(width&^1, height&^1))}
	}
	return rects
}

// Faces returns where each face is at a time, in pixels.
func (s Scene) Faces(t time.Duration) []image.Rectangle {
	var rects []image.Rectangle
	for _, at := range s.heads(t) {
		scale := func(v, from, size int) int { return (v - from) * size / head.Dx() }
		rects = append(rects, image.Rect(
			scale(face.Min.X, head.Min.X, at.Dx()), scale(face.Min.Y, head.Min.Y, at.Dx()),
			scale(face.Max.X, head.Min.X, at.Dx()), scale(face.Max.Y, head.Min.Y, at.Dx()),
		).Add(at.Min))
	}
	return rects
}

// Detections are what a perfect detector would say that looks that often, as
// GetFaceDetection gives it.
func (s Scene) Detections(every time.Duration) []byte {
	type box struct{ Left, Top, Width, Height float64 }
	type entry struct {
		Timestamp int64
		Face      struct{ BoundingBox box }
	}
	out := struct {
		JobStatus string
		Faces     []entry
	}{JobStatus: "SUCCEEDED"}
	for t := time.Duration(0); t < s.Length; t += every {
		for _, r := range s.Faces(t) {
			e := entry{Timestamp: t.Milliseconds()}
			e.Face.BoundingBox = box{
				float64(r.Min.X) / float64(s.Size.X), float64(r.Min.Y) / float64(s.Size.Y),
				float64(r.Dx()) / float64(s.Size.X), float64(r.Dy()) / float64(s.Size.Y),
			}
			out.Faces = append(out.Faces, e)
		}
	}
	body, err := json.Marshal(out)
	if err != nil {
		panic(err) // numbers and strings
	}
	return body
}

// Write makes the video; its extension says the container.
func (s Scene) Write(path string) error {
	w, err := libav.NewWriter(path, ffmpeg.Formats[filepath.Ext(path)], s.Size, s.Rate, ffmpeg.Video{Preset: "veryfast", CRF: 18})
	if err != nil {
		return fmt.Errorf("make the sample video: %w", err)
	}
	err = s.write(w)
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("make the sample video: %w", err)
	}
	return nil
}

func (s Scene) write(w *libav.Writer) error {
	sprites, err := s.sprites()
	if err != nil {
		return err
	}
	picture := image.NewYCbCr(image.Rectangle{Max: s.Size}, image.YCbCrSubsampleRatio420)
	noise := newNoise(s.Grain)
	for i := range s.frames() {
		t := time.Duration(i) * time.Second / time.Duration(s.Rate)
		drawGround(picture, t)
		for k, at := range s.heads(t) {
			sprites[k].draw(picture, at.Min)
		}
		noise.add(picture)
		if err := w.Picture(picture); err != nil {
			return err
		}
		if err := w.Sound(tone(i, s.Rate)); err != nil {
			return err
		}
	}
	return nil
}

// drawGround is slanted waves with a fine grain, sliding by. It has no blobs: a
// detector would take some for faces.
func drawGround(p *image.YCbCr, t time.Duration) {
	width, height := p.Rect.Dx(), p.Rect.Dy()
	slide := int(t.Seconds() * 60)
	wave := make([]int, width+height+slide)
	for i := range wave {
		wave[i] = int(28*math.Sin(float64(i)/70)) + i/8%2*6
	}
	for y := range height {
		row := p.Y[y*p.YStride:][:width]
		shifted := wave[y+slide:]
		for x := range row {
			row[x] = uint8(112 + shifted[x])
		}
	}
	for y := range height / 2 {
		shifted := wave[2*y+slide:]
		for x := range width / 2 {
			p.Cb[y*p.CStride+x] = uint8(132 + shifted[2*x]/3)
			p.Cr[y*p.CStride+x] = uint8(116 - shifted[2*x]/4)
		}
	}
}

// A noise is a table of random steps, read from another place for each row.
type noise struct {
	random *rand.Rand
	steps  []int8
}

func newNoise(deviation float64) *noise {
	n := &noise{random: rand.New(rand.NewPCG(1, 2))} // the same video each time
	if deviation > 0 {
		n.steps = make([]int8, 1<<16)
		for i := range n.steps {
			n.steps[i] = int8(min(max(n.random.NormFloat64()*deviation, -99), 99))
		}
	}
	return n
}

func (n *noise) add(p *image.YCbCr) {
	width := p.Rect.Dx()
	if len(n.steps) <= width {
		return
	}
	for y := range p.Rect.Dy() {
		steps := n.steps[n.random.IntN(len(n.steps)-width):]
		row := p.Y[y*p.YStride:][:width]
		for x, v := range row {
			row[x] = uint8(min(max(int(v)+int(steps[x]), 0), 255))
		}
	}
}

// tone is the sound of one frame: a note that changes every half second.
func tone(frame, rate int) []float32 {
	notes := []float64{262, 330, 392, 523}
	size := libav.SampleRate / rate
	samples := make([]float32, size)
	for i := range samples {
		n := frame*size + i
		t := float64(n) / libav.SampleRate
		fade := math.Exp(-4 * math.Mod(t, 0.5))
		samples[i] = float32(0.4 * fade * math.Sin(2*math.Pi*notes[n/(libav.SampleRate/2)%len(notes)]*t))
	}
	return samples
}

// A sprite is a head cut out of its picture.
type sprite struct {
	picture *image.YCbCr
	mask    *image.Alpha
}

// sprites are the three heads: as the picture is, mirrored and darker, and
// warmer.
func (s Scene) sprites() ([]sprite, error) {
	source, _, err := image.Decode(bytes.NewReader(facePicture))
	if err != nil {
		return nil, fmt.Errorf("read the face: %w", err)
	}
	var out []sprite
	for i, at := range s.heads(0) {
		size := at.Size()
		scaled := image.NewRGBA(image.Rectangle{Max: size})
		draw.CatmullRom.Scale(scaled, scaled.Rect, source, head, draw.Src, nil)
		out = append(out, cutOut(scaled, i == 1, tints[i]))
	}
	return out, nil
}

// tints of the heads, in percent of red, green and blue.
var tints = [3][3]int{{100, 100, 100}, {72, 66, 62}, {112, 96, 84}}

// Portrait is a picture of one head alone, from 0 to 2, as PNG.
func Portrait(i int) ([]byte, error) {
	s := Scene{Size: image.Pt(480, 480), Rate: 1, Length: time.Second}
	source, _, err := image.Decode(bytes.NewReader(facePicture))
	if err != nil {
		return nil, fmt.Errorf("make a portrait: %w", err)
	}
	picture := image.NewYCbCr(image.Rectangle{Max: s.Size}, image.YCbCrSubsampleRatio420)
	drawGround(picture, 0)
	scaled := image.NewRGBA(image.Rect(0, 0, 244, 376))
	draw.CatmullRom.Scale(scaled, scaled.Rect, source, head, draw.Src, nil)
	cutOut(scaled, i == 1, tints[i]).draw(picture, image.Pt(118, 52))
	var body bytes.Buffer
	if err := png.Encode(&body, asShown(picture)); err != nil {
		return nil, fmt.Errorf("make a portrait: %w", err)
	}
	return body.Bytes(), nil
}

// asShown has the colours that players give the videos: of BT.601 in limited range.
func asShown(p *image.YCbCr) *image.RGBA {
	out := image.NewRGBA(p.Rect)
	clip := func(v float64) uint8 { return uint8(min(max(v, 0), 255)) }
	for y := range p.Rect.Dy() {
		for x := range p.Rect.Dx() {
			at := p.COffset(x, y)
			luma, cb, cr := 1.164*(float64(p.Y[p.YOffset(x, y)])-16), float64(p.Cb[at])-128, float64(p.Cr[at])-128
			out.SetRGBA(x, y, color.RGBA{clip(luma + 1.596*cr), clip(luma - 0.392*cb - 0.813*cr), clip(luma + 2.017*cb), 255})
		}
	}
	return out
}

func cutOut(from *image.RGBA, mirror bool, tint [3]int) sprite {
	size := from.Rect.Size()
	s := sprite{image.NewYCbCr(from.Rect, image.YCbCrSubsampleRatio420), image.NewAlpha(from.Rect)}
	for y := range size.Y {
		for x := range size.X {
			sx := x
			if mirror {
				sx = size.X - 1 - x
			}
			c := from.RGBAAt(sx, y)
			scale := func(v uint8, percent int) uint8 { return uint8(min(int(v)*percent/100, 255)) }
			lum, cb, cr := color.RGBToYCbCr(scale(c.R, tint[0]), scale(c.G, tint[1]), scale(c.B, tint[2]))
			s.picture.Y[s.picture.YOffset(x, y)] = lum
			at := s.picture.COffset(x, y)
			s.picture.Cb[at], s.picture.Cr[at] = cb, cr
			// An ellipse with a soft edge.
			r := math.Hypot(float64(2*x-size.X)/float64(size.X), float64(2*y-size.Y)/float64(size.Y))
			s.mask.SetAlpha(x, y, color.Alpha{A: uint8(255 * min(max((1-r)*12, 0), 1))})
		}
	}
	return s
}

// draw puts the sprite on p, with its corner at an even place.
func (s sprite) draw(p *image.YCbCr, corner image.Point) {
	size := s.picture.Rect.Size()
	mix := func(under *uint8, over, alpha uint8) {
		*under = uint8((int(*under)*(255-int(alpha)) + int(over)*int(alpha)) / 255)
	}
	for y := range size.Y {
		for x := range size.X {
			at := image.Pt(x, y).Add(corner)
			if !at.In(p.Rect) {
				continue
			}
			alpha := s.mask.AlphaAt(x, y).A
			mix(&p.Y[p.YOffset(at.X, at.Y)], s.picture.Y[s.picture.YOffset(x, y)], alpha)
			if x%2 == 0 && y%2 == 0 {
				from, to := s.picture.COffset(x, y), p.COffset(at.X, at.Y)
				mix(&p.Cb[to], s.picture.Cb[from], alpha)
				mix(&p.Cr[to], s.picture.Cr[from], alpha)
			}
		}
	}
}
