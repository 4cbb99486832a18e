package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os/exec"
	"path/filepath"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/libav"
	"github.com/mosaicd/mosaicd/internal/judge"
)

// A scene is a video that says on every picture which upload it is, with one face,
// whose place follows from that: what was covered shows whose face it was taken for.
// The ground is a fine grid, that a mosaic makes grey.
type scene struct{ key, version int }

const (
	sceneRate   = 25
	sceneFrames = 10

	block    = 16 // side of a bit, in pixels
	keyBits  = 6
	bits     = 16 // of the key and the version
	strip    = 2 * block
	slotsX   = 4
	slotsY   = 2
	slotW    = bits * block / slotsX
	slotH    = 56
	faceW    = 32
	faceH    = 28
	dark     = 60
	bright   = 190
	flat     = 25.0 // deviation of luma below which a place is covered
	textured = 45.0 // and above which it isn't
)

var sceneSize = image.Pt(bits*block, strip+slotsY*slotH)

// slot is where the face is: never where that of the version before is.
func (s scene) slot() int { return (3*s.version + s.key) % (slotsX * slotsY) }

// face is the box of the face in a slot, in pixels.
func face(slot int) image.Rectangle {
	corner := image.Pt(slot%slotsX*slotW+(slotW-faceW)/2, strip+slot/slotsX*slotH+(slotH-faceH)/2)
	return image.Rectangle{corner, corner.Add(image.Pt(faceW, faceH))}
}

func (s scene) picture() *image.YCbCr {
	p := image.NewYCbCr(image.Rectangle{Max: sceneSize}, image.YCbCrSubsampleRatio420)
	for i := range p.Cb {
		p.Cb[i], p.Cr[i] = 128, 128
	}
	code := s.version<<keyBits | s.key
	for y := range sceneSize.Y {
		for x := range sceneSize.X {
			bit := code>>(x/block)&1 == 1
			switch {
			case y < block: // the code
			case y < strip: // and its complement, by which a reader knows that it is one
				bit = !bit
			default:
				bit = (x/2+y/2)%2 == 0
			}
			p.Y[p.YOffset(x, y)] = dark
			if bit {
				p.Y[p.YOffset(x, y)] = bright
			}
		}
	}
	return p
}

func (s scene) write(path string) (err error) {
	w, err := libav.NewWriter(path, ffmpeg.Formats[filepath.Ext(path)], sceneSize, sceneRate, ffmpeg.Video{Preset: "ultrafast", CRF: 12})
	if err != nil {
		return fmt.Errorf("make a video: %w", err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for range sceneFrames {
		if err := w.Picture(s.picture()); err != nil {
			return err
		}
		if err := w.Sound(make([]float32, libav.SampleRate/sceneRate)); err != nil {
			return err
		}
	}
	return nil
}

// detections are what Rekognition says of it.
func (s scene) detections() ([]byte, error) {
	type box struct{ Left, Top, Width, Height float64 }
	type entry struct {
		Timestamp int
		Face      struct {
			BoundingBox box
			Confidence  float64
		}
	}
	var out struct {
		Faces         []entry
		VideoMetadata struct {
			Codec, Format           string
			DurationMillis          int
			FrameRate               float64
			FrameHeight, FrameWidth int
		}
	}
	m := &out.VideoMetadata
	m.Codec, m.Format, m.DurationMillis = "h264", "QuickTime / MOV", sceneFrames*1000/sceneRate
	m.FrameRate, m.FrameWidth, m.FrameHeight = sceneRate, sceneSize.X, sceneSize.Y
	at := face(s.slot())
	for t := 0; t < m.DurationMillis; t += 200 {
		e := entry{Timestamp: t}
		e.Face.Confidence = 99
		e.Face.BoundingBox = box{
			float64(at.Min.X) / float64(sceneSize.X), float64(at.Min.Y) / float64(sceneSize.Y),
			float64(faceW) / float64(sceneSize.X), float64(faceH) / float64(sceneSize.Y),
		}
		out.Faces = append(out.Faces, e)
	}
	return json.Marshal(out)
}

// readScene says which upload a covered video was made of. The error says what is
// covered that should not be, or the other way round, on any picture.
func readScene(path string) (scene, error) {
	ffmpeg, err := judge.Path()
	if err != nil {
		return scene{}, err
	}
	cmd := exec.Command(ffmpeg, "-hide_banner", "-nostdin", "-loglevel", "error", "-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return scene{}, err
	}
	if err := cmd.Start(); err != nil {
		return scene{}, err
	}
	luma, err := io.ReadAll(out)
	if err = errors.Join(err, cmd.Wait()); err != nil {
		return scene{}, fmt.Errorf("decode %s: %w", path, err)
	}
	size := sceneSize.X * sceneSize.Y
	if len(luma) != sceneFrames*size {
		return scene{}, fmt.Errorf("it has %d bytes of pictures, and should have %d", len(luma), sceneFrames*size)
	}
	var first scene
	for i := range sceneFrames {
		s, err := readPicture(luma[i*size : (i+1)*size])
		if err != nil {
			return s, fmt.Errorf("picture %d: %w", i, err)
		}
		if i == 0 {
			first = s
		} else if s != first {
			return s, fmt.Errorf("picture %d is of %+v, the first one of %+v", i, s, first)
		}
	}
	return first, nil
}

func readPicture(luma []byte) (scene, error) {
	of := func(r image.Rectangle) (mean, deviation float64) {
		var sum, squares float64
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				v := float64(luma[y*sceneSize.X+x])
				sum, squares = sum+v, squares+v*v
			}
		}
		n := float64(r.Dx() * r.Dy())
		return sum / n, math.Sqrt(max(0, squares/n-sum/n*sum/n))
	}
	code := 0
	for i := range bits {
		upper, _ := of(image.Rect(i*block+4, 4, (i+1)*block-4, block-4))
		lower, _ := of(image.Rect(i*block+4, block+4, (i+1)*block-4, strip-4))
		if math.Abs(upper-lower) < (bright-dark)/2 {
			return scene{}, fmt.Errorf("bit %d can't be read: %.0f over %.0f", i, upper, lower)
		}
		if upper > lower {
			code |= 1 << i
		}
	}
	s := scene{key: code & (1<<keyBits - 1), version: code >> keyBits}
	for slot := range slotsX * slotsY {
		_, deviation := of(face(slot).Inset(6))
		switch {
		case slot == s.slot() && deviation > flat:
			return s, fmt.Errorf("the face of %+v is not covered: the luma at slot %d deviates by %.0f", s, slot, deviation)
		case slot != s.slot() && deviation < textured:
			return s, fmt.Errorf("what is no face of %+v is covered: the luma at slot %d deviates by %.0f", s, slot, deviation)
		}
	}
	return s, nil
}
