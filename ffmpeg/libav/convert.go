package libav

import (
	"errors"
	"fmt"
	"slices"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// lpcm are forms of uncompressed sound that only their own container has: of DVD, of
// Blu-ray, and of AES3 in transport streams.
var lpcm = []astiav.CodecID{astiav.CodecIDPcmDvd, astiav.CodecIDPcmBluray, astiav.CodecIDS302M}

// plainPCM is the encoder whose samples are those of a stream of lpcm.
func plainPCM(p *astiav.CodecParameters) string {
	if bitsPerSample(p) > 16 {
		return "pcm_s24le"
	}
	return "pcm_s16le"
}

// converts reports whether a stream that a container can't hold as it is can be put into
// another form for it that loses nothing, or that somebody asked for.
func converts(format string, s *astiav.Stream, subtitles bool) bool {
	p := s.CodecParameters()
	switch {
	case slices.Contains(lpcm, p.CodecID()):
		return format == "mov" || format == "matroska" || format == "mp4" && plainPCM(p) == "pcm_s16le"
	case subtitles && slices.Contains(texts, p.CodecID()):
		return textOf[format] != ""
	}
	return false
}

// addConverted adds a stream in another form than the source's.
func (o *output) addConverted(source *astiav.Stream) error {
	p := source.CodecParameters()
	var c interface {
		converter
		describe(*astiav.CodecParameters) error
	}
	var err error
	if slices.Contains(lpcm, p.CodecID()) {
		c, err = newRecoder(source, plainPCM(p))
	} else {
		c, err = newSubtitler(source, textOf[o.format])
	}
	if err != nil {
		return fmt.Errorf("convert %s: %w", nameOf(source), err)
	}
	s, err := o.addStream(source, source.TimeBase())
	if err != nil {
		c.Close()
		return err
	}
	r := o.routes[source.Index()]
	r.converter, r.verbatim = c, false
	if err := c.describe(s.CodecParameters()); err != nil {
		return fmt.Errorf("describe %s as it becomes: %w", nameOf(source), err)
	}
	s.CodecParameters().SetCodecTag(0)
	return nil
}

// A recoder decodes sound and encodes it again: for codecs that lose nothing.
type recoder struct {
	dec, enc *astiav.CodecContext
	frame    *astiav.Frame
	base     astiav.Rational
	stream   int
	name     string // of the stream, for people
	// refused are packets that the decoder could make nothing of, as cut-off ones at the
	// end of a recording.
	refused, packets int64
}

func newRecoder(source *astiav.Stream, encoder string) (_ *recoder, err error) {
	p := source.CodecParameters()
	from, to := astiav.FindDecoder(p.CodecID()), astiav.FindEncoderByName(encoder)
	if from == nil || to == nil {
		return nil, ffmpeg.Errorf(ffmpeg.CodeUnsupported, "this libav has no decoder for it, or no %s", encoder)
	}
	r := &recoder{
		dec: astiav.AllocCodecContext(from), enc: astiav.AllocCodecContext(to), frame: astiav.AllocFrame(),
		base: source.TimeBase(), stream: source.Index(), name: nameOf(source),
	}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	if r.dec == nil || r.enc == nil || r.frame == nil {
		return nil, errors.New("out of memory")
	}
	if err := p.ToCodecContext(r.dec); err != nil {
		return nil, err
	}
	setPacketTimeBase(r.dec, r.base)
	if err := r.dec.Open(from, nil); err != nil {
		return nil, ofFile(err)
	}
	formats := to.SampleFormats()
	if len(formats) == 0 {
		return nil, fmt.Errorf("%s takes no samples", encoder)
	}
	r.enc.SetSampleFormat(formats[0])
	r.enc.SetSampleRate(p.SampleRate())
	r.enc.SetChannelLayout(p.ChannelLayout())
	r.enc.SetTimeBase(r.base)
	if err := r.enc.Open(to, nil); err != nil {
		return nil, ofFile(err)
	}
	return r, nil
}

func (r *recoder) describe(p *astiav.CodecParameters) error { return r.enc.ToCodecParameters(p) }

func (r *recoder) send(pkt *astiav.Packet) error {
	switch err := r.dec.SendPacket(pkt); {
	case errors.Is(err, astiav.ErrInvaliddata):
		r.refused++
	case err != nil:
		return ofFile(fmt.Errorf("decode sound of stream %d: %w", r.stream, err))
	}
	if pkt != nil {
		r.packets++
		pkt.Unref()
	}
	return nil
}

// verdict says what was lost, and fails where that is more than players pass over.
func (r *recoder) verdict() (lost string, err error) {
	switch {
	case r.refused*20 > r.packets:
		return "", ffmpeg.Errorf(ffmpeg.CodeInvalid, "%s is damaged: %d of its %d packets can't be decoded",
			r.name, r.refused, r.packets)
	case r.refused > 0:
		return fmt.Sprintf("%s: %d of its %d packets, which can't be decoded", r.name, r.refused, r.packets), nil
	}
	return "", nil
}

func (r *recoder) receive(pkt *astiav.Packet) error {
	for {
		err := r.enc.ReceivePacket(pkt)
		if err == nil || errors.Is(err, astiav.ErrEof) {
			return err
		} else if !errors.Is(err, astiav.ErrEagain) {
			return fmt.Errorf("encode sound of stream %d: %w", r.stream, err)
		}
		err = r.dec.ReceiveFrame(r.frame)
		switch {
		case errors.Is(err, astiav.ErrEagain):
			return err
		case errors.Is(err, astiav.ErrEof):
			err = r.enc.SendFrame(nil)
		case errors.Is(err, astiav.ErrInvaliddata):
			r.refused++
			continue
		case err != nil:
			return ofFile(fmt.Errorf("decode sound of stream %d: %w", r.stream, err))
		case r.frame.SampleFormat() != r.enc.SampleFormat() || r.frame.SampleRate() != r.enc.SampleRate() ||
			r.frame.ChannelLayout().Channels() != r.enc.ChannelLayout().Channels():
			return ffmpeg.Errorf(ffmpeg.CodeUnsupported,
				"stream %d (audio) changes its samples at %s: a change within a file is not supported",
				r.stream, toDuration(r.frame.Pts(), r.base))
		default:
			err = r.enc.SendFrame(r.frame)
			r.frame.Unref()
		}
		if err != nil {
			return fmt.Errorf("encode sound of stream %d: %w", r.stream, err)
		}
	}
}

// Close frees everything. Calling it again does nothing.
func (r *recoder) Close() {
	for _, c := range []*astiav.CodecContext{r.dec, r.enc} {
		if c != nil {
			c.Free()
		}
	}
	if r.frame != nil {
		r.frame.Free()
		r.frame = nil
	}
}

// A splitter cuts packets into the blocks that ADPCM is coded in: QuickTime counts them.
type splitter struct {
	size    int // of a block, in bytes
	samples int // in a block
	rate    int
	base    astiav.Rational
	whole   *astiav.Packet // what is being cut
	at      int            // up to where it is, in bytes
	ended   bool
}

// newSplitter is nil where the container does not ask for that, or the source does not say
// how long a block is.
func newSplitter(format string, source *astiav.Stream) *splitter {
	p := source.CodecParameters()
	size, channels := blockAlign(p), p.ChannelLayout().Channels()
	if format != "mov" || size <= 0 || channels <= 0 || p.SampleRate() <= 0 {
		return nil
	}
	// A header for each channel, with one or two samples, and four bits for each other one.
	samples := 0
	switch p.CodecID() {
	case astiav.CodecIDAdpcmImaWav:
		samples = (size-4*channels)*2/channels + 1
	case astiav.CodecIDAdpcmMs:
		samples = (size-7*channels)*2/channels + 2
	}
	if samples <= 0 {
		return nil
	}
	return &splitter{
		size: size, samples: samples, rate: p.SampleRate(), base: source.TimeBase(), whole: astiav.AllocPacket(),
	}
}

func (s *splitter) send(pkt *astiav.Packet) error {
	if pkt == nil {
		s.ended = true
		return nil
	}
	if s.whole == nil {
		return errors.New("cut packets: out of memory")
	}
	s.whole.MoveRef(pkt)
	s.at = 0
	return nil
}

func (s *splitter) receive(pkt *astiav.Packet) error {
	size := len(payload(s.whole))
	if s.at >= size {
		s.whole.Unref()
		if s.ended {
			return astiav.ErrEof
		}
		return astiav.ErrEagain
	}
	to := min(s.at+s.size, size)
	if err := slicePacket(pkt, s.whole, s.at, to-s.at); err != nil {
		return fmt.Errorf("cut a packet: %w", err)
	}
	after := func(bytes int) int64 {
		return astiav.RescaleQ(int64(bytes/s.size*s.samples), astiav.NewRational(1, s.rate), s.base)
	}
	pkt.SetPts(s.whole.Pts() + after(s.at))
	pkt.SetDts(pkt.Pts())
	pkt.SetDuration(after(s.at+s.size) - after(s.at))
	s.at = to
	return nil
}

// Close frees everything. Calling it again does nothing.
func (s *splitter) Close() {
	if s.whole != nil {
		s.whole.Free()
		s.whole = nil
	}
}
