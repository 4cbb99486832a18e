package libav

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// An output owns what libav allocated to write one file. One goroutine uses it.
type output struct {
	fc     *astiav.FormatContext
	pb     *astiav.IOContext
	path   string
	format string
	routes map[int]*route // by index of the source's stream
	// dropped names each stream of the source that is left out, and why.
	dropped []string
	// sources are the source's streams that have packets, and unheld those of them that the container has no
	// place for.
	sources, unheld []*astiav.Stream
	// dropStreams: they may be left out.
	dropStreams bool
	// convertSubtitles: text subtitles may become others.
	convertSubtitles bool

	said    map[string]string // tags of the source
	extra   carriage          // goes into the finished file
	carries bool              // there is something in it, and room for it

	stored   int // packets
	repaired []ffmpeg.Repair
}

// A route says where packets of one source stream go.
type route struct {
	stream   *astiav.Stream
	timeBase astiav.Rational // of the packets
	verbatim bool            // the container stores their payloads as they are
	written  tally
	config   adtsConfig
	said     map[string]string // tags of the source's stream
	// converter makes what is written of what is read; nil: they are the same.
	converter converter
	// holder repairs single times; nil: they are an encoder's or of texts.
	holder *holder
	name   string // of the source's stream
}

// A converter makes packets of other packets, as a codec does: send takes one over, or nil
// at the end, and receive gives what has come of it until astiav.ErrEagain or ErrEof.
type converter interface {
	send(*astiav.Packet) error
	receive(*astiav.Packet) error
	Close()
}

// openOutput creates a file. Format is a value of ffmpeg.Formats.
func openOutput(path, format string) (_ *output, err error) {
	fc, err := astiav.AllocOutputFormatContext(nil, format, "file:"+path) // faststart reads it again by that name
	if err != nil {
		return nil, fmt.Errorf("open output: format %q: %w", format, err)
	}
	out := &output{fc: fc, path: path, format: format, routes: map[int]*route{}}
	defer func() {
		if err != nil {
			out.Close()
		}
	}()
	out.pb, err = astiav.OpenIOContext("file:"+path, astiav.NewIOContextFlags(astiav.IOContextFlagWrite), nil, nil)
	if err != nil {
		return nil, fmt.Errorf("open output %s: %w", path, err)
	}
	fc.SetPb(out.pb)
	return out, nil
}

// globalHeader reports whether the container wants the encoders' headers apart.
func (o *output) globalHeader() bool {
	return o.fc.OutputFormat().Flags().Has(astiav.IOFormatFlagGlobalheader)
}

// addStreams makes one stream for each of the source's that the output gets, in
// the same order: the encoder's in place of the video, copies of the others. With
// no encoder the video is copied too.
func (o *output) addStreams(in *input, e *encoder) error {
	for _, s := range in.fc.Streams() {
		var err error
		if slices.Contains(in.empty, s.Index()) {
			o.drop(s, "the file announces it and has nothing of it")
			continue
		}
		o.sources = append(o.sources, s)
		if s.Index() == in.video.Index() && e != nil {
			err = o.addEncoded(s, e)
		} else {
			err = o.addCopy(in, s)
		}
		if err != nil {
			return err
		}
	}
	if err := o.judgeLosses(); err != nil {
		return err
	}
	if err := copyMetadata(in.fc.Metadata(), o.fc.SetMetadata); err != nil {
		return fmt.Errorf("copy metadata: %w", err)
	}
	if err := copyChapters(o.fc, in.fc); err != nil {
		return fmt.Errorf("copy chapters: %w", err)
	}
	return o.carry(in, e != nil)
}

func (o *output) addEncoded(source *astiav.Stream, e *encoder) error {
	s, err := o.addStream(source, e.timeBase)
	if err != nil {
		return err
	}
	if err := e.cc.ToCodecParameters(s.CodecParameters()); err != nil {
		return fmt.Errorf("describe the encoded stream: %w", err)
	}
	if err := copySideData(s.CodecParameters(), source.CodecParameters()); err != nil {
		return fmt.Errorf("copy side data of stream %d: %w", source.Index(), err)
	}
	if hasDolbyVision(source.CodecParameters()) {
		o.drop(source, "its Dolby Vision metadata, which is of the source's own pictures")
	}
	if isSet(source.Metadata(), "alpha_mode", "1") {
		o.drop(source, "its transparency, which the output codec has not")
	}
	o.tag(s)
	setSampleAspectRatio(s, e.cc.SampleAspectRatio())
	return nil
}

// timecodeTag is the sample entry of a QuickTime timecode track: tmcd.
const timecodeTag = astiav.CodecTag('t' | 'm'<<8 | 'c'<<16 | 'd'<<24)

func (o *output) addCopy(in *input, source *astiav.Stream) error {
	params := source.CodecParameters()
	kind := params.MediaType()
	switch {
	case isPicture(source):
		// Cover art is a frame of the video more often than not.
		o.drop(source, "a still picture that no face was looked for in")
		return nil
	case isCounted(source):
		switch {
		case holds(o.format, source):
		case converts(o.format, source, o.convertSubtitles):
			return o.addConverted(source)
		default:
			o.unheld = append(o.unheld, source)
			return nil
		}
	case params.CodecTag() == timecodeTag && (o.format == "mp4" || o.format == "mov"):
		return nil // the muxer makes one of the video's metadata, where the demuxer put it
	case kind == astiav.MediaTypeAttachment && o.format == "matroska": // the codec is but a guess
	case !holds(o.format, source):
		o.drop(source, o.format+" can't hold it")
		return nil
	}
	s, err := o.addStream(source, source.TimeBase())
	if err != nil {
		return err
	}
	if err := params.Copy(s.CodecParameters()); err != nil {
		return fmt.Errorf("copy parameters of stream %d: %w", source.Index(), err)
	}
	if kind == astiav.MediaTypeVideo {
		if err := o.copyPixelAspect(in, s); err != nil {
			return err
		}
	}
	o.tag(s)
	if blocks := newSplitter(o.format, source); blocks != nil {
		setFrameSize(s.CodecParameters(), blocks.samples)
		o.routes[source.Index()].converter = blocks
	}
	if kind == astiav.MediaTypeVideo || kind == astiav.MediaTypeAudio {
		equal, most := false, 0
		if kind == astiav.MediaTypeAudio { // Matroska's milliseconds are too coarse for some
			equal, most = o.fc.OutputFormat().Flags().Has(astiav.IOFormatFlagTsNonstrict), mostInARow
		}
		if o.routes[source.Index()].holder = newHolder(equal, most); o.routes[source.Index()].holder == nil {
			return errors.New("add output stream: out of memory")
		}
	}
	return nil
}

// drop notes that a stream, or something of it, is left out.
func (o *output) drop(source *astiav.Stream, why string) {
	o.dropped = append(o.dropped, nameOf(source)+": "+why)
}

// nameOf calls a stream by its codec, and one that libav does not know by the name that
// the container has for it: apac is Apple's spatial sound.
func nameOf(s *astiav.Stream) string {
	p := s.CodecParameters()
	codec, kind := p.CodecID().Name(), cmp.Or(p.MediaType().String(), "unknown")
	if tag := fourCC(p.CodecTag()); p.CodecID() == astiav.CodecIDNone && tag != "" {
		codec = tag
	}
	return fmt.Sprintf("stream %d (%s, %s)", s.Index(), kind, codec)
}

// fourCC is a tag as people write it; empty where it has other than letters and digits.
func fourCC(tag astiav.CodecTag) string {
	var text []byte
	for ; tag != 0; tag >>= 8 {
		c := byte(tag)
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != ' ' && c != '-' {
			return ""
		}
		text = append(text, c)
	}
	return strings.TrimSpace(string(text))
}

// tag names the codec as the container does: the muxer knows how, but for HEVC. Apple's
// players take it only by the name that promises its headers apart.
// https://developer.apple.com/documentation/http-live-streaming/hls-authoring-specification-for-apple-devices
func (o *output) tag(s *astiav.Stream) {
	s.CodecParameters().SetCodecTag(0)
	if s.CodecParameters().CodecID() == astiav.CodecIDHevc && (o.format == "mp4" || o.format == "mov") {
		s.CodecParameters().SetCodecTag(astiav.CodecTag('h' | 'v'<<8 | 'c'<<16 | '1'<<24))
	}
}

// addStream adds a stream that says of itself what the source's does.
func (o *output) addStream(source *astiav.Stream, timeBase astiav.Rational) (*astiav.Stream, error) {
	s := o.fc.NewStream(nil)
	if s == nil {
		return nil, errors.New("add output stream: out of memory")
	}
	s.SetID(source.ID())
	s.SetTimeBase(timeBase) // a wish: the muxer may take a finer one
	s.SetAvgFrameRate(source.AvgFrameRate())
	s.SetDispositionFlags(source.DispositionFlags())
	if err := copyMetadata(source.Metadata(), s.SetMetadata); err != nil {
		return nil, fmt.Errorf("copy metadata of stream %d: %w", source.Index(), err)
	}
	o.routes[source.Index()] = &route{stream: s, timeBase: timeBase, verbatim: o.keepsPayload(source.CodecParameters()), said: tagsOf(source.Metadata()), name: nameOf(source)}
	return s, nil
}

// ofContainer are metadata entries that describe the source's container or
// encoder and would be wrong in the output.
var ofContainer = []string{"major_brand", "minor_version", "compatible_brands", "encoder", "alpha_mode"}

// isSet reports whether metadata, which may be nil, has an entry of that value.
func isSet(d *astiav.Dictionary, key, value string) bool {
	if d == nil {
		return false
	}
	e := d.Get(key, nil, 0)
	return e != nil && e.Value() == value
}

// copyMetadata gives set a dictionary of its own: libav frees it with whatever
// set puts it into.
func copyMetadata(from *astiav.Dictionary, set func(*astiav.Dictionary)) error {
	if from == nil {
		return nil
	}
	d := astiav.NewDictionary()
	for key, value := range tagsOf(from) {
		if slices.Contains(ofContainer, strings.ToLower(key)) {
			continue
		}
		if err := d.Set(key, value, 0); err != nil {
			d.Free()
			return err
		}
	}
	set(d)
	return nil
}

// movieTimescale is that of MPEG-TS, in units a second.
const movieTimescale = 90000

func (o *output) writeHeader() error {
	options := map[string]string{}
	if o.format == "mp4" || o.format == "mov" {
		options["movflags"] = "+faststart"
		// Of edit lists, which say when a stream begins: the usual thousandths of a second
		// would move sound by up to half of one.
		options["movie_timescale"] = strconv.Itoa(movieTimescale)
	}
	err := withOptions(options, o.fc.WriteHeader)
	if said(err, syscall.EINVAL) { // a stream that this container has no place for
		return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "write %s header: %w (is there a stream that %s can't hold?)", o.format, err, o.format)
	} else if err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	return nil
}

// write takes over what pkt refers to. Packets of streams that are left out are
// passed over.
func (o *output) write(pkt *astiav.Packet) error {
	source := pkt.StreamIndex()
	r, ok := o.routes[source]
	if !ok {
		pkt.Unref()
		return nil
	}
	if r.converter == nil {
		return o.store(r, source, pkt)
	}
	if err := r.converter.send(pkt); err != nil {
		return err
	}
	return o.drain(r, source, pkt)
}

// drain stores what a converter has ready. It uses pkt for that.
func (o *output) drain(r *route, source int, pkt *astiav.Packet) error {
	for {
		if err := r.converter.receive(pkt); errors.Is(err, astiav.ErrEagain) || errors.Is(err, astiav.ErrEof) {
			return nil
		} else if err != nil {
			return err
		}
		if err := o.store(r, source, pkt); err != nil {
			return err
		}
	}
}

func (o *output) store(r *route, source int, pkt *astiav.Packet) error {
	if err := o.keepsConfig(r, source, pkt); err != nil {
		return err
	}
	if r.holder == nil {
		return o.put(r, source, pkt)
	}
	if o.stored++; o.stored%releaseEvery == 0 && pkt.Dts() != astiav.NoPtsValue {
		if err := o.release(toDuration(pkt.Dts(), r.timeBase) - longHeld); err != nil {
			return err
		}
	}
	if !r.holder.swap(pkt, false) {
		return nil
	}
	return o.put(r, source, pkt)
}

// Packets that are held back are written all the same when their stream has nothing more
// for so long, which is looked at once in so many packets.
const (
	longHeld     = 2 * time.Second
	releaseEvery = 64
)

// release writes the packets that are held back from before a time.
func (o *output) release(before time.Duration) error {
	for _, source := range slices.Sorted(maps.Keys(o.routes)) {
		r := o.routes[source]
		if r.holder == nil || !r.holder.full || toDuration(r.holder.pkt.Dts(), r.timeBase) >= before {
			continue
		}
		pkt := r.holder.spare // empty until the next swap
		if r.holder.swap(pkt, true) {
			if err := o.put(r, source, pkt); err != nil {
				return err
			}
		}
	}
	return nil
}

// put writes a packet.
func (o *output) put(r *route, source int, pkt *astiav.Packet) error {
	r.written.add(pkt)
	if o.format != "matroska" && toDuration(pkt.Duration(), r.timeBase) > maxLength {
		pkt.SetDuration(0) // a subtitle that is shown until something else is: only Matroska can say so
	}
	pts, dts := pkt.Pts(), pkt.Dts()
	pkt.SetStreamIndex(r.stream.Index())
	pkt.RescaleTs(r.timeBase, r.stream.TimeBase())
	pkt.SetPos(-1)
	err := o.fc.WriteInterleavedFrame(pkt)
	if h := r.holder; said(err, syscall.EINVAL) && h != nil && h.row > 0 {
		return h.backwards(source, r.timeBase)
	} else if said(err, syscall.EINVAL) && r.written.packets > 1 && dts <= r.written.last {
		return ffmpeg.Errorf(ffmpeg.CodeInvalid, "timestamps of stream %d go back from %s to %s", source, toDuration(r.written.last, r.timeBase), toDuration(dts, r.timeBase))
	} else if err != nil {
		return ofFile(fmt.Errorf("write stream %d at %s: %w", source, toDuration(pts, r.timeBase), err))
	}
	r.written.last = dts
	return nil
}

// finish writes the end of the file, closes it and reads it again. A full disk may
// show only here.
func (o *output) finish() error {
	if err := o.flush(); err != nil {
		return err
	}
	if err := o.fc.WriteTrailer(); err != nil {
		return fmt.Errorf("write trailer: %w", err)
	}
	pb := o.pb
	o.pb = nil
	if err := pb.Close(); err != nil {
		return fmt.Errorf("close output: %w", err)
	}
	if err := o.settle(); err != nil {
		return err
	}
	if err := o.audit(); err != nil {
		return err
	}
	return o.sync()
}

// flush writes what is held back, and judges the times of it.
func (o *output) flush() error {
	if err := o.release(math.MaxInt64); err != nil {
		return err
	}
	for _, source := range slices.Sorted(maps.Keys(o.routes)) { // the source itself may be closed
		if r := o.routes[source]; r.holder != nil {
			if err := r.holder.verdict(source, r.timeBase, r.holder.faults); err != nil {
				return err
			}
			o.repaired = append(o.repaired, r.holder.report(r.name, source, r.timeBase)...)
		}
	}
	return o.flushConverters()
}

// flushConverters writes what converters still hold.
func (o *output) flushConverters() error {
	pkt := astiav.AllocPacket()
	if pkt == nil {
		return errors.New("write the last packets: out of memory")
	}
	defer pkt.Free()
	for source, r := range o.routes {
		if r.converter == nil {
			continue
		}
		if err := r.converter.send(nil); err != nil {
			return err
		}
		if err := o.drain(r, source, pkt); err != nil {
			return err
		}
		if c, ok := r.converter.(*recoder); ok {
			lost, err := c.verdict()
			if err != nil {
				return err
			}
			if lost != "" {
				o.dropped = append(o.dropped, lost)
			}
		}
	}
	return nil
}

// sync has the file on the disk before anybody gives it its final name.
func (o *output) sync() error {
	f, err := os.OpenFile(o.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("sync output: %w", err)
	}
	err = f.Sync()
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("sync output: %w", err)
	}
	return nil
}

// Close frees everything. Calling it again does nothing.
func (o *output) Close() {
	if o.pb != nil {
		_ = o.pb.Close() // finish was not reached: the file is of no use
		o.pb = nil
	}
	for _, r := range o.routes {
		if r.converter != nil {
			r.converter.Close()
			r.converter = nil
		}
		if r.holder != nil {
			r.holder.Close()
		}
	}
	o.fc.Free()
}
