package main

import (
	"image"
	"math"
	"math/rand/v2"
	"time"

	"github.com/mosaicd/mosaicd/jobs/faces"
)

// Size of the picture, in pixels, and of a face in it, in ratios.
const (
	width, height = 1920, 1080
	faceWidth     = 0.08
	faceHeight    = 0.18
	frameRate     = 25
	sampleEvery   = 500 * time.Millisecond
)

// Errors of a sample: of its time, of each edge of its box in ratios of the face,
// and how often it is missed.
const (
	timeJitter = 20 * time.Millisecond
	boxJitter  = 0.04
	missed     = 0.05
)

// A face is where one face is at a time; ok is false where nobody can see it.
type face func(seconds float64) (box faces.Box, ok bool)

// A scene is the truth about a video.
type scene struct {
	name    string
	seconds float64
	faces   []face
}

func at(x, y, scale float64) faces.Box {
	return faces.Box{Left: x - faceWidth*scale/2, Top: y - faceHeight*scale/2, Width: faceWidth * scale, Height: faceHeight * scale}
}

// speed of one face width a second, in ratios of the picture.
const speed = faceWidth

// scenes are all trajectories, with the chances of a seed.
func scenes(seed uint64) []scene {
	rng := rand.New(rand.NewPCG(seed, 7))
	angle := rng.Float64() * 2 * math.Pi
	sin, cos := math.Sincos(angle)
	phase := rng.Float64() * 2
	// Up and down counts by the width, too: the picture is wider than it is high.
	const tall = float64(width) / height
	bounce := func(v float64) float64 { // to and fro between 0 and 1
		v = math.Mod(math.Abs(v), 2)
		return min(v, 2-v)
	}
	constant := func(t float64) (faces.Box, bool) {
		return at(0.2+0.6*bounce(speed*t*math.Abs(cos)/0.6), 0.3+0.4*bounce(speed*tall*t*math.Abs(sin)/0.4), 1), true
	}
	accelerated := func(t float64) (faces.Box, bool) { // its speed swings between none and one face width
		const period = 3.0
		way := speed / 2 * (t - period/(2*math.Pi)*math.Sin(2*math.Pi*t/period))
		return at(0.15+0.7*bounce(way/0.7), 0.5, 1), true
	}
	turns := 1.2 + 1.2*rng.Float64()
	zigzag := func(t float64) (faces.Box, bool) {
		s := math.Mod(t+phase, turns) / turns
		return at(0.5+speed*turns/2*(2*min(s, 1-s)-0.5), 0.5, 1), true
	}
	enter := func(t float64) (faces.Box, bool) { // across the picture in twelve and a half seconds, then gone for two
		x := math.Mod(t+phase, 14.5)*speed - faceWidth/2
		b := at(x, 0.5, 1)
		return b, b.Left+b.Width > 0 && b.Left < 1
	}
	crossing := func(direction float64) face {
		return func(t float64) (faces.Box, bool) {
			return at(0.5+direction*0.3*(2*bounce((speed*t+phase)/0.6)-1), 0.5+0.04*direction, 1), true
		}
	}
	growing := func(t float64) (faces.Box, bool) {
		s := 1 + bounce((t+phase)/4) // doubles in four seconds
		return at(0.5+0.2*math.Sin(t/3), 0.5, s), true
	}
	occluded := func(t float64) (faces.Box, bool) {
		hidden := math.Mod(t+phase, 5) < 1.2
		b, _ := constant(t)
		return b, !hidden
	}
	lengths := 2 + rng.Float64()
	cut := func(t float64) (faces.Box, bool) {
		shot := int(t / lengths)
		chance := rand.New(rand.NewPCG(seed, uint64(shot)))
		x, y := 0.15+0.7*chance.Float64(), 0.2+0.6*chance.Float64()
		return at(x+speed*(chance.Float64()-0.5)*(t-float64(shot)*lengths), y, 1), true
	}
	const length = 30
	return []scene{
		{"constant speed", length, []face{constant}},
		{"acceleration", length, []face{accelerated}},
		{"zig-zag", length, []face{zigzag}},
		{"enter and leave", length, []face{enter}},
		{"crossing", length, []face{crossing(1), crossing(-1)}},
		{"growing", length, []face{growing}},
		{"occlusion", length, []face{occluded}},
		{"cut", length, []face{cut}},
	}
}

// sample is what a detector would say of a scene, and whose each detection is.
func (s scene) sample(seed uint64) (found faces.Detections, of []int) {
	rng := rand.New(rand.NewPCG(seed, 11))
	noise := func(size float64) float64 { return boxJitter * size * (2*rng.Float64() - 1) }
	found.Every, found.Video.Duration = sampleEvery, time.Duration(s.seconds*float64(time.Second))
	for i := 0; ; i++ {
		looked := time.Duration(i) * sampleEvery
		if looked.Seconds() >= s.seconds {
			return found, of
		}
		said := max(looked+time.Duration((2*rng.Float64()-1)*float64(timeJitter)), 0).Truncate(time.Millisecond)
		for n, f := range s.faces {
			b, ok := f(looked.Seconds())
			if !ok || visible(b) < 0.5 || rng.Float64() < missed {
				continue
			}
			left, top, right, bottom := b.Left+noise(b.Width), b.Top+noise(b.Height), b.Left+b.Width+noise(b.Width), b.Top+b.Height+noise(b.Height)
			found.Faces = append(found.Faces, faces.Detection{
				At: said, Box: faces.Box{Left: left, Top: top, Width: right - left, Height: bottom - top}, Person: faces.NoPerson,
			})
			of = append(of, n)
		}
	}
}

// visible is the share of a box that lies in the picture.
func visible(b faces.Box) float64 {
	w := min(b.Left+b.Width, 1) - max(b.Left, 0)
	h := min(b.Top+b.Height, 1) - max(b.Top, 0)
	return max(w, 0) * max(h, 0) / (b.Width * b.Height)
}

// pixels of a box that lie in the picture.
func pixels(b faces.Box) image.Rectangle {
	return image.Rect(int(b.Left*width), int(b.Top*height), int((b.Left+b.Width)*width), int((b.Top+b.Height)*height)).Intersect(image.Rect(0, 0, width, height))
}
