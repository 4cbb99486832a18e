package libav

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// What an input may have. Each is far above what people upload and far below what
// a file can claim in order to wear us down.
const (
	maxStreams = 64
	maxPixels  = 8192 * 4352 // of a picture: 8K, with room for its coding
	maxLength  = 24 * time.Hour
	maxFrames  = 24 * 3600 * 120 // of video: as long, at 120 a second
)

// An input owns what libav allocated to read one file. One goroutine uses it.
type input struct {
	fc    *astiav.FormatContext
	video *astiav.Stream // the one that is decoded
	pose  pose
	empty []int // streams that the container names and that have no packets
	// excess is how many bytes the last box claims beyond the file's end.
	excess int64
	path   string
}

func openInput(path string) (_ *input, err error) {
	return openProbed(path, nil)
}

// openProbed is openInput with options for the demuxer.
func openProbed(path string, options map[string]string) (_ *input, err error) {
	fc, excess, err := openFile(path, options)
	if err != nil {
		return nil, err
	}
	in := &input{fc: fc, excess: excess, path: path}
	defer func() {
		if err != nil {
			in.Close()
		}
	}()
	// Never with options: v0.39.0 hands one dictionary where libav reads one for
	// each stream.
	if err := fc.FindStreamInfo(nil); err != nil {
		return nil, ffmpeg.Errorf(ffmpeg.CodeNotVideo, "not a video: its streams can't be read: %w", err)
	}
	if excess > 0 && !in.holdsSamples(path) {
		return nil, in.cutOff(path)
	}
	late, err := in.census(path)
	if err != nil {
		return nil, err
	}
	if late > 0 && options == nil {
		// libav looked for it and gave up too early to know what it is.
		in.Close()
		return openProbed(path, map[string]string{
			"probesize": strconv.FormatInt(late+beyondLate, 10), "analyzeduration": strconv.FormatInt(maxLength.Microseconds(), 10),
		})
	}
	if in.video, err = in.videoStream(); err != nil {
		return nil, err
	}
	if fc.InputFormat().Name() == "dv" { // whose demuxer takes the time base for the rate
		in.video.SetAvgFrameRate(in.video.RFrameRate())
	}
	if err := in.judge(); err != nil {
		return nil, err
	}
	if in.pose, err = poseOf(in.video.CodecParameters()); err != nil {
		return nil, err
	}
	return in, nil
}

// openFile reads the beginning of a file. What it returns is the caller's, to be ended
// by CloseInput. Excess is what whole says.
func openFile(path string, besides map[string]string) (_ *astiav.FormatContext, excess int64, err error) {
	fc := astiav.AllocFormatContext()
	if fc == nil {
		return nil, 0, errors.New("open input: out of memory")
	}
	demuxer, err := sniff(path)
	if err == nil {
		excess, err = whole(path, demuxer)
	}
	if err != nil {
		fc.Free()
		return nil, 0, err
	}
	format := astiav.FindInputFormat(demuxer)
	if format == nil {
		fc.Free()
		return nil, 0, fmt.Errorf("open input: libav was built without the demuxer %s", demuxer)
	}
	options := astiav.NewDictionary()
	defer options.Free()
	all := map[string]string{
		"format_whitelist":   format.Name(),
		"protocol_whitelist": "file",
		"max_streams":        strconv.Itoa(maxStreams),
		// Of MOV: references to other files.
		"enable_drefs":      "0",
		"use_absolute_path": "0",
	}
	if demuxer == "mpeg" { // which has no times of some of its pictures
		all["fflags"] = "genpts"
	}
	maps.Copy(all, besides)
	for key, value := range all {
		if err := options.Set(key, value, 0); err != nil {
			fc.Free()
			return nil, 0, fmt.Errorf("open input: option %s: %w", key, err)
		}
	}
	// The prefix keeps a name with a colon from being read as a protocol.
	if err := fc.OpenInput("file:"+path, format, options); err != nil { // frees fc on failure
		return nil, 0, openError(err)
	}
	return fc, excess, nil
}

// OutOfMemory reports whether that is why libav could not go on.
func OutOfMemory(err error) bool { return said(err, syscall.ENOMEM) }

// DiskFull reports whether that is why something could not be written.
func DiskFull(err error) bool { return said(err, syscall.ENOSPC) || errors.Is(err, syscall.ENOSPC) }

// said reports whether libav gave one of these for an error.
func said(err error, errnos ...syscall.Errno) bool {
	var e astiav.Error
	return errors.As(err, &e) && slices.Contains(errnos, syscall.Errno(-e))
}

// ofFile says that an error of libav's is the file's fault, where that is what it
// means: of a file that was damaged or made up it says all sorts of things.
func ofFile(err error) error {
	switch {
	case said(err, syscall.ENOSYS) || errors.Is(err, astiav.ErrPatchwelcome):
		return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "%w", err)
	case said(err, syscall.EINVAL, syscall.ERANGE) || errors.Is(err, astiav.ErrInvaliddata):
		return ffmpeg.Errorf(ffmpeg.CodeInvalid, "%w", err)
	}
	return err
}

// judge refuses what nobody uploads to see it covered.
func (in *input) judge() error {
	// More than that are not even counted.
	if n := in.fc.NbStreams(); n >= maxStreams {
		return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "%d streams or more: fewer are supported", n)
	}
	p := in.video.CodecParameters()
	if p.Width() > 0 && p.Height() > maxPixels/p.Width() {
		return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "the picture has %d×%d pixels: at most %d are supported", p.Width(), p.Height(), maxPixels)
	}
	return nil
}

func openError(err error) error {
	if errors.Is(err, astiav.ErrInvaliddata) || errors.Is(err, astiav.ErrEof) || errors.Is(err, astiav.ErrDemuxerNotFound) {
		return ffmpeg.Errorf(ffmpeg.CodeNotVideo, "not a video: no %s file is recognised in it: %w", names, err)
	}
	if said(err, syscall.EPERM) { // -1, which demuxers return for what they can't make sense of: the file is open
		return ffmpeg.Errorf(ffmpeg.CodeInvalid, "open input: the demuxer gives up on it")
	}
	return ofFile(fmt.Errorf("open input: %w", err))
}

// videoStream picks the one video stream. Several would mean pictures that
// nobody looked for faces in.
func (in *input) videoStream() (*astiav.Stream, error) {
	videos := slices.DeleteFunc(slices.Clone(in.fc.Streams()), func(s *astiav.Stream) bool { return !isVideo(s) })
	full := slices.DeleteFunc(slices.Clone(videos), func(s *astiav.Stream) bool { return slices.Contains(in.empty, s.Index()) })
	switch {
	case len(videos) == 0:
		return nil, ffmpeg.Errorf(ffmpeg.CodeNoVideoStream, "no video stream among its %d streams", in.fc.NbStreams())
	case len(full) == 0:
		return videos[0], nil // which has no pictures: the decoder says so
	case len(full) == 1:
		return full[0], nil
	}
	var indexes []string
	for _, s := range full {
		indexes = append(indexes, fmt.Sprint(s.Index()))
	}
	return nil, ffmpeg.Errorf(ffmpeg.CodeUnsupported, "%d video streams (%s): only files with one are supported", len(full), strings.Join(indexes, ", "))
}

// isVideo tells moving pictures from cover art.
func isVideo(s *astiav.Stream) bool {
	return s.CodecParameters().MediaType() == astiav.MediaTypeVideo && !isPicture(s)
}

func isPicture(s *astiav.Stream) bool {
	return s.DispositionFlags().Has(astiav.DispositionFlagAttachedPic) ||
		s.DispositionFlags().Has(astiav.DispositionFlagTimedThumbnails)
}

// read fills pkt with the file's next packet; astiav.ErrEof at the end.
func (in *input) read(pkt *astiav.Packet) error {
	err := in.fc.ReadFrame(pkt)
	switch {
	case err == nil && encrypted(pkt):
		return ffmpeg.Errorf(ffmpeg.CodeUnsupported, "stream %d is encrypted", pkt.StreamIndex())
	case err == nil && in.excess > 0 && pkt.Flags().Has(astiav.PacketFlagCorrupt):
		return ffmpeg.Errorf(ffmpeg.CodeInvalid, "the file is cut off: %d bytes are missing, and a sample of stream %d ends in them", in.excess, pkt.StreamIndex())
	case err == nil || errors.Is(err, astiav.ErrEof):
		return err
	}
	return ffmpeg.Errorf(ffmpeg.CodeInvalid, "read input: %w", err)
}

// duration of the video, or of the file where the stream doesn't say.
func (in *input) duration() time.Duration {
	if d := in.video.Duration(); d > 0 {
		return toDuration(d, in.video.TimeBase())
	}
	if d := in.fc.Duration(); d > 0 {
		return time.Duration(d) * time.Microsecond // AV_TIME_BASE
	}
	return 0
}

func (in *input) media() ffmpeg.Media {
	p := in.video.CodecParameters()
	width, height := in.pose.turn.display(p.Width(), p.Height())
	average, base := in.video.AvgFrameRate().Float64(), in.video.RFrameRate().Float64()
	return ffmpeg.Media{
		FileDuration: max(time.Duration(in.fc.Duration())*time.Microsecond, 0).Seconds(), // AV_TIME_BASE
		// They agree within a hundredth where the rate is constant; without any they are not numbers.
		VariableRate: !(average > 0 && math.Abs(average/base-1) <= 0.01),

		Format:    in.fc.InputFormat().Name(),
		Duration:  in.duration().Seconds(),
		Codec:     p.CodecID().Name(),
		Pixels:    p.PixelFormat().Name(),
		Width:     width,
		Height:    height,
		Rotation:  in.pose.turn.rotation(),
		FrameRate: in.frameRate().Float64(),
		Streams:   in.fc.NbStreams(),
	}
}

// origin is what players take for the beginning of the file: MP4, MOV and Matroska begin
// at zero, streams wherever they do.
func (in *input) origin() time.Duration {
	switch name, _, _ := strings.Cut(in.fc.InputFormat().Name(), ","); name {
	case "mov", "matroska", "avi":
		return 0
	}
	// AV_NOPTS_VALUE where nothing says so.
	return max(time.Duration(in.fc.StartTime())*time.Microsecond, 0)
}

// frameDuration is how long a frame is shown by the frame rate, in the video's
// time base, at least 1.
func (in *input) frameDuration() int64 {
	rate := in.frameRate()
	if rate.Num() <= 0 || rate.Den() <= 0 {
		return 1
	}
	return max(astiav.RescaleQ(1, rate.Invert(), in.video.TimeBase()), 1)
}

func (in *input) frameRate() astiav.Rational { return in.fc.GuessFrameRate(in.video, nil) }

// Close frees everything. Calling it again does nothing.
func (in *input) Close() {
	in.fc.CloseInput()
	in.video = nil
}

// toDuration converts a time in units of base. It saturates at some 290 years.
func toDuration(t int64, base astiav.Rational) time.Duration {
	return time.Duration(astiav.RescaleQ(t, base, astiav.NewRational(1, int(time.Second))))
}
