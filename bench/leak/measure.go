package main

import (
	"context"
	"image"
	"time"

	"github.com/mosaicd/mosaicd/jobs/faces"
)

// A figure says how well a scene was covered.
type figure struct {
	frames  int     // of which a face is in the picture, counted once for each face
	covered int     // frames with at least 95 % of the face's area covered
	worst   float64 // least share of a face's area that was covered
	covers  float64 // pixels covered
	faces   float64 // pixels of faces
}

func (f *figure) add(g figure) {
	if f.frames == 0 {
		f.worst = 1
	}
	f.frames += g.frames
	f.covered += g.covered
	f.covers += g.covers
	f.faces += g.faces
	f.worst = min(f.worst, g.worst)
}

// share of frames that are covered.
func (f figure) share() float64 { return float64(f.covered) / float64(f.frames) }

// over is the area of the covers over that of the faces.
func (f figure) over() float64 { return f.covers / f.faces }

// measure looks at every frame of a scene.
func measure(s scene, covers func(time.Duration) []image.Rectangle) figure {
	f := figure{worst: 1}
	for n := range int(s.seconds * frameRate) {
		t := time.Duration(n) * time.Second / frameRate
		rects := covers(t)
		for _, r := range rects {
			r = r.Intersect(image.Rect(0, 0, width, height))
			f.covers += float64(r.Dx() * r.Dy())
		}
		for _, truth := range s.faces {
			b, ok := truth(t.Seconds())
			face := pixels(b)
			if !ok || face.Empty() {
				continue
			}
			share := coverage(face, rects)
			f.frames++
			f.faces += float64(face.Dx() * face.Dy())
			f.worst = min(f.worst, share)
			if share >= 0.95 {
				f.covered++
			}
		}
	}
	return f
}

// coverage is the share of a face under any of the covers, by a grid of points.
func coverage(face image.Rectangle, covers []image.Rectangle) float64 {
	const steps = 24
	in := 0
	for y := range steps {
		for x := range steps {
			p := image.Pt(face.Min.X+face.Dx()*(2*x+1)/(2*steps), face.Min.Y+face.Dy()*(2*y+1)/(2*steps))
			for _, r := range covers {
				if p.In(r) {
					in++
					break
				}
			}
		}
	}
	return float64(in) / (steps * steps)
}

// plain is the usual method, told even whose each detection is: straight from one
// sample to the next, and where the next one is missing the last box is held.
func plain(found faces.Detections, of []int, margin float64) func(time.Duration) []image.Rectangle {
	people := map[int][]faces.Detection{}
	for i, d := range found.Faces {
		people[of[i]] = append(people[of[i]], d)
	}
	return func(t time.Duration) []image.Rectangle {
		var rects []image.Rectangle
		for _, all := range people {
			for i, d := range all {
				if t < d.At || i+1 < len(all) && t >= all[i+1].At {
					continue
				}
				b := d.Box
				switch {
				case i+1 < len(all) && all[i+1].At-d.At < 2*sampleEvery*9/10:
					next := all[i+1]
					share := float64(t-d.At) / float64(next.At-d.At)
					b.Left += (next.Box.Left - b.Left) * share
					b.Top += (next.Box.Top - b.Top) * share
					b.Width += (next.Box.Width - b.Width) * share
					b.Height += (next.Box.Height - b.Height) * share
				case t-d.At > sampleEvery:
					continue // it is gone
				}
				x, y := b.Width*margin, b.Height*margin
				rects = append(rects, image.Rect(int((b.Left-x)*width), int((b.Top-y)*height), int((b.Left+b.Width+x)*width)+1, int((b.Top+b.Height+y)*height)+1))
			}
		}
		return rects
	}
}

// run measures both methods on all scenes, over several seeds.
func run(seeds []uint64, margin float64) (names []string, ours, theirs map[string]*figure) {
	ours, theirs = map[string]*figure{}, map[string]*figure{}
	for _, seed := range seeds {
		for _, s := range scenes(seed) {
			if ours[s.name] == nil {
				names = append(names, s.name)
				ours[s.name], theirs[s.name] = &figure{}, &figure{}
			}
			found, of := s.sample(seed)
			tracks, err := found.Track(context.Background(), faces.Options{Margin: margin})
			if err != nil {
				panic(err) // the context does not end
			}
			ours[s.name].add(measure(s, func(t time.Duration) []image.Rectangle { return tracks.At(t, width, height) }))
			theirs[s.name].add(measure(s, plain(found, of, margin)))
		}
	}
	return names, ours, theirs
}
