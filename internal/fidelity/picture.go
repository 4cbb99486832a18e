package fidelity

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os/exec"
	"slices"
	"strconv"
)

// Pictures are what came of comparing two videos picture by picture, as a viewer sees
// them.
type Pictures struct {
	Compared int
	// PSNR of everything outside the box, in dB; +Inf where it is the same.
	PSNR float64
	// Uncovered is the largest share of the box that is not black in any picture.
	Uncovered float64
	// Black is the largest share of the box that was black in the source already.
	Black float64
}

// Of samples in 16 bit.
const (
	sampleBytes = 2
	maxSample   = 65535
	// nearlyBlack is a luma that an encoder makes of black in limited range, 16 of 255.
	nearlyBlack = (16 + 10) << 8
)

// around is how far from the box's edge coding may reach, in pixels; the box itself
// is judged without the two pixels that scaling of chroma may mix.
const (
	around = 16
	within = 2
)

// ComparePictures decodes two videos to 16 bit without subsampling, turned as a player
// turns them, and compares at most so many pictures. Box is in ratios of the picture:
// left, top, right, bottom.
func ComparePictures(source, output File, box [4]float64, most int) (Pictures, error) {
	before, err := openPictures(source, most)
	if err != nil {
		return Pictures{}, err
	}
	defer before.close()
	after, err := openPictures(output, most)
	if err != nil {
		return Pictures{}, err
	}
	defer after.close()
	if before.size != after.size {
		return Pictures{}, fmt.Errorf("shown as %v, not %v", after.size, before.size)
	}
	covered := image.Rect(
		int(math.Floor(box[0]*float64(before.size.X))), int(math.Floor(box[1]*float64(before.size.Y))),
		int(math.Ceil(box[2]*float64(before.size.X))), int(math.Ceil(box[3]*float64(before.size.Y))))
	inner, outer := covered.Inset(within), covered.Inset(-around)
	var p Pictures
	var squares, samples float64
	for p.Compared < most {
		a, err := before.next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return p, err
		}
		b, err := after.next()
		if err != nil {
			return p, fmt.Errorf("picture %d of the output: %w", p.Compared, err)
		}
		p.Compared++
		plane := before.size.X * before.size.Y
		var wasBlack, notBlack int
		for y := range before.size.Y {
			for x := range before.size.X {
				at := y*before.size.X + x
				if inside := image.Pt(x, y); inside.In(inner) {
					if a[at] <= nearlyBlack {
						wasBlack++
					}
					if b[at] > nearlyBlack {
						notBlack++
					}
				} else if inside.In(outer) {
					continue
				} else {
					for i := at; i < len(a); i += plane {
						d := float64(a[i]) - float64(b[i])
						squares += d * d
						samples++
					}
				}
			}
		}
		if area := float64(inner.Dx() * inner.Dy()); area > 0 {
			p.Black, p.Uncovered = max(p.Black, float64(wasBlack)/area), max(p.Uncovered, float64(notBlack)/area)
		}
	}
	if _, err := after.next(); p.Compared < most && !errors.Is(err, io.EOF) {
		return p, fmt.Errorf("the output has more than the source's %d pictures", p.Compared)
	}
	p.PSNR = math.Inf(1)
	if squares > 0 {
		p.PSNR = 10 * math.Log10(maxSample*maxSample/(squares/samples))
	}
	return p, nil
}

// A decoded is a video that ffmpeg decodes while it is read.
type decoded struct {
	size image.Point
	cmd  *exec.Cmd
	from *bufio.Reader
	raw  []byte
	pix  []uint16
}

func openPictures(f File, most int) (*decoded, error) {
	v := f.video()
	if v == nil {
		return nil, errors.New("no video")
	}
	d := &decoded{size: image.Pt(v.Width, v.Height)}
	turns := v.SideData
	if len(f.Frames) > 0 { // which say it where the container does not
		turns = append(slices.Clone(turns), f.Frames[0].SideData...)
	}
	for _, data := range turns {
		if turn, ok := data["rotation"].(float64); ok && math.Mod(math.Abs(turn), 180) == 90 {
			d.size = image.Pt(v.Height, v.Width)
		}
	}
	d.cmd = exec.Command("ffmpeg", "-v", "quiet", "-nostdin", "-flags:v", "unaligned", "-i", f.Path, "-map", "0:"+strconv.Itoa(v.Index), "-vsync", "passthrough",
		"-frames:v", strconv.Itoa(most), "-pix_fmt", "yuv444p16le", "-f", "rawvideo", "-")
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.from = bufio.NewReaderSize(out, 1<<20)
	d.raw = make([]byte, 3*d.size.X*d.size.Y*sampleBytes)
	d.pix = make([]uint16, 3*d.size.X*d.size.Y)
	return d, d.cmd.Start()
}

// next returns the samples of the next picture, plane after plane, until the next call.
func (d *decoded) next() ([]uint16, error) {
	if _, err := io.ReadFull(d.from, d.raw); err != nil {
		return nil, err
	}
	for i := range d.pix {
		d.pix[i] = binary.LittleEndian.Uint16(d.raw[i*sampleBytes:])
	}
	return d.pix, nil
}

func (d *decoded) close() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}
