package libav

import (
	"errors"
	"fmt"
	"image"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// A Writer makes a video of pictures and sound: samples for the demo and for
// tests. One goroutine uses it.
type Writer struct {
	out   *output
	video *encoder
	sound *astiav.CodecContext
	pkt   *astiav.Packet
	frame *astiav.Frame // picture
	wave  *astiav.Frame // sound

	pictures int64
	samples  int64
	pending  []float32 // sound that does not fill a frame yet
}

// Indexes of the Writer's streams.
const (
	videoStreamIndex = 0
	soundStreamIndex = 1
)

// SampleRate of the Writer's sound, which is mono, in hertz.
const SampleRate = 48000

// NewWriter starts a file of H.264 in 4:2:0 and AAC. Its format is a value of
// ffmpeg.Formats; size is in pixels, both even; rate is in frames a second.
func NewWriter(path, format string, size image.Point, rate int, settings ffmpeg.Video) (_ *Writer, err error) {
	w := &Writer{pkt: astiav.AllocPacket(), frame: astiav.AllocFrame(), wave: astiav.AllocFrame()}
	defer func() {
		if err != nil {
			w.free()
		}
	}()
	if w.pkt == nil || w.frame == nil || w.wave == nil {
		return nil, errors.New("make video: out of memory")
	}
	if w.out, err = openOutput(path, format); err != nil {
		return nil, err
	}
	w.video, err = newEncoder(x264, pictureFormat{size.X, size.Y, astiav.PixelFormatYuv420P}, astiav.NewRational(1, rate))
	if err != nil {
		return nil, err
	}
	w.video.cc.SetFramerate(astiav.NewRational(rate, 1))
	if err := w.video.open(settings, w.out.globalHeader()); err != nil {
		return nil, err
	}
	if err := w.openSound(); err != nil {
		return nil, err
	}
	for i, e := range []*astiav.CodecContext{w.video.cc, w.sound} {
		s := w.out.fc.NewStream(nil)
		if s == nil {
			return nil, errors.New("make video: out of memory")
		}
		s.SetTimeBase(e.TimeBase())
		if err := e.ToCodecParameters(s.CodecParameters()); err != nil {
			return nil, fmt.Errorf("describe stream %d: %w", i, err)
		}
		w.out.routes[i] = &route{stream: s, timeBase: e.TimeBase()}
	}
	if err := w.out.writeHeader(); err != nil {
		return nil, err
	}
	return w, w.prepareFrames(size)
}

func (w *Writer) openSound() error {
	codec := astiav.FindEncoder(astiav.CodecIDAac)
	if codec == nil {
		return errors.New("make video: this libav has no AAC encoder")
	}
	if w.sound = astiav.AllocCodecContext(codec); w.sound == nil {
		return errors.New("make video: out of memory")
	}
	w.sound.SetSampleRate(SampleRate)
	w.sound.SetSampleFormat(astiav.SampleFormatFltp)
	w.sound.SetChannelLayout(astiav.ChannelLayoutMono)
	w.sound.SetBitRate(96_000)
	w.sound.SetTimeBase(astiav.NewRational(1, SampleRate))
	if w.out.globalHeader() {
		w.sound.SetFlags(w.sound.Flags().Add(astiav.CodecContextFlagGlobalHeader))
	}
	if err := w.sound.Open(codec, nil); err != nil {
		return fmt.Errorf("open AAC encoder: %w", err)
	}
	return nil
}

func (w *Writer) prepareFrames(size image.Point) error {
	w.frame.SetWidth(size.X)
	w.frame.SetHeight(size.Y)
	w.frame.SetPixelFormat(astiav.PixelFormatYuv420P)
	if err := w.frame.AllocBuffer(0); err != nil {
		return fmt.Errorf("allocate picture: %w", err)
	}
	w.wave.SetNbSamples(w.sound.FrameSize())
	w.wave.SetSampleFormat(w.sound.SampleFormat())
	w.wave.SetChannelLayout(w.sound.ChannelLayout())
	w.wave.SetSampleRate(SampleRate)
	if err := w.wave.AllocBuffer(0); err != nil {
		return fmt.Errorf("allocate sound: %w", err)
	}
	return nil
}

// Picture adds one picture of the Writer's size.
func (w *Writer) Picture(picture *image.YCbCr) error {
	if picture.Rect.Size() != image.Pt(w.frame.Width(), w.frame.Height()) || picture.SubsampleRatio != image.YCbCrSubsampleRatio420 {
		return fmt.Errorf("picture %d: %v %v is not what the video is made of", w.pictures, picture.Rect, picture.SubsampleRatio)
	}
	if err := w.frame.MakeWritable(); err != nil { // the encoder may still look at it
		return fmt.Errorf("picture %d: %w", w.pictures, err)
	}
	to, err := planesOf(w.frame)
	if err != nil {
		return err
	}
	for i, from := range [][]byte{picture.Y, picture.Cb, picture.Cr} {
		stride := picture.YStride
		if i > 0 {
			stride = picture.CStride
		}
		for y := range to[i].Height {
			copy(to[i].Pix[y*to[i].Stride:][:to[i].Width], from[y*stride:])
		}
	}
	w.frame.SetPts(w.pictures)
	setFrameDuration(w.frame, 1)
	w.pictures++
	if err := w.video.send(w.frame); err != nil {
		return err
	}
	return w.drain(w.video.cc, videoStreamIndex)
}

// Sound adds samples from -1 to 1.
func (w *Writer) Sound(samples []float32) error {
	w.pending = append(w.pending, samples...)
	for size := w.sound.FrameSize(); len(w.pending) >= size; w.pending = w.pending[size:] {
		if err := w.wave.MakeWritable(); err != nil {
			return fmt.Errorf("sound at sample %d: %w", w.samples, err)
		}
		copy(soundOf(w.wave), w.pending[:size])
		w.wave.SetPts(w.samples)
		w.samples += int64(size)
		if err := w.sound.SendFrame(w.wave); err != nil {
			return fmt.Errorf("encode sound at sample %d: %w", w.samples, err)
		}
		if err := w.drain(w.sound, soundStreamIndex); err != nil {
			return err
		}
	}
	return nil
}

// drain writes what an encoder has ready.
func (w *Writer) drain(e *astiav.CodecContext, stream int) error {
	for {
		err := e.ReceivePacket(w.pkt)
		if errors.Is(err, astiav.ErrEagain) || errors.Is(err, astiav.ErrEof) {
			return nil
		} else if err != nil {
			return fmt.Errorf("encode stream %d: %w", stream, err)
		}
		w.pkt.SetStreamIndex(stream)
		if err := w.out.write(w.pkt); err != nil {
			return err
		}
	}
}

// Close ends the file. Sound that does not fill a frame of the codec is left out.
func (w *Writer) Close() error {
	defer w.free()
	for i, e := range []*astiav.CodecContext{w.video.cc, w.sound} {
		if err := e.SendFrame(nil); err != nil {
			return fmt.Errorf("flush stream %d: %w", i, err)
		}
		if err := w.drain(e, i); err != nil {
			return err
		}
	}
	return w.out.finish()
}

func (w *Writer) free() {
	if w.sound != nil {
		w.sound.Free()
	}
	if w.video != nil {
		w.video.Close()
	}
	if w.out != nil {
		w.out.Close()
	}
	for _, f := range []*astiav.Frame{w.frame, w.wave} {
		if f != nil {
			f.Free()
		}
	}
	if w.pkt != nil {
		w.pkt.Free()
	}
}
