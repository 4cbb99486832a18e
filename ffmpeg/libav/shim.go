package libav

// #cgo pkg-config: libavcodec libavformat libavutil
// #include <libavcodec/avcodec.h>
// #include <libavformat/avformat.h>
// #include <libavutil/avutil.h>
// #include <libavutil/mem.h>
// #include <libavutil/pixdesc.h>
// #include <libavutil/spherical.h>
// #include <libavutil/stereo3d.h>
// #include <stdlib.h>
//
// // copy_chapters gives dst a copy of src's chapters, which avformat_free_context
// // frees with dst. libavformat has no public call for it.
// static int copy_chapters(AVFormatContext *dst, const AVFormatContext *src) {
//     for (unsigned i = 0; i < src->nb_chapters; i++) {
//         const AVChapter *from = src->chapters[i];
//         AVChapter *to = av_mallocz(sizeof(*to));
//         if (!to)
//             return AVERROR(ENOMEM);
//         to->id = from->id;
//         to->time_base = from->time_base;
//         to->start = from->start;
//         to->end = from->end;
//         int ret = av_dict_copy(&to->metadata, from->metadata, 0);
//         if (ret >= 0)
//             ret = av_dynarray_add_nofree(&dst->chapters, (int *)&dst->nb_chapters, to);
//         if (ret < 0) {
//             av_dict_free(&to->metadata);
//             av_free(to);
//             return ret;
//         }
//     }
//     return 0;
// }
//
// // copy_side_data adds to dst what src says of the stream as a whole: display
// // matrix, mastering display, content light level. What dst has stays.
// static int copy_side_data(AVCodecParameters *dst, const AVCodecParameters *src) {
//     for (int i = 0; i < src->nb_coded_side_data; i++) {
//         const AVPacketSideData *from = &src->coded_side_data[i];
//         if (from->type == AV_PKT_DATA_CPB_PROPERTIES || // the source encoder's, not ours
//             from->type == AV_PKT_DATA_DOVI_CONF)
//             continue;
//         if (av_packet_side_data_get(dst->coded_side_data, dst->nb_coded_side_data, from->type))
//             continue;
//         AVPacketSideData *to = av_packet_side_data_new(&dst->coded_side_data, &dst->nb_coded_side_data,
//                                                        from->type, from->size, 0);
//         if (!to)
//             return AVERROR(ENOMEM);
//         memcpy(to->data, from->data, from->size);
//     }
//     return 0;
// }
//
// // insert_bytes makes room for n bytes at a place of a packet and writes them there.
// static int insert_bytes(AVPacket *pkt, int at, const uint8_t *bytes, int n) {
//     int size = pkt->size;
//     int ret = av_grow_packet(pkt, n);
//     if (ret < 0)
//         return ret;
//     memmove(pkt->data + at + n, pkt->data + at, size - at);
//     memcpy(pkt->data + at, bytes, n);
//     return 0;
// }
//
// // index_size is a bit field, which cgo can't read.
// static int index_size(const AVIndexEntry *e) { return e->size; }
//
// // A look is how pictures lie on a sphere and are of two views; -1 where nothing says so.
// struct look {
//     int stereo, inverted, projection;
//     int32_t turn[3];
//     uint32_t bounds[4], padding;
// };
//
// static struct look look_of(const AVCodecParameters *p) {
//     struct look l = {.stereo = -1, .projection = -1};
//     const AVPacketSideData *sd = av_packet_side_data_get(p->coded_side_data, p->nb_coded_side_data, AV_PKT_DATA_STEREO3D);
//     if (sd) {
//         const AVStereo3D *s = (const AVStereo3D *)sd->data;
//         l.stereo = s->type;
//         l.inverted = s->flags & AV_STEREO3D_FLAG_INVERT;
//     }
//     sd = av_packet_side_data_get(p->coded_side_data, p->nb_coded_side_data, AV_PKT_DATA_SPHERICAL);
//     if (sd) {
//         const AVSphericalMapping *s = (const AVSphericalMapping *)sd->data;
//         l.projection = s->projection == AV_SPHERICAL_EQUIRECTANGULAR_TILE ? AV_SPHERICAL_EQUIRECTANGULAR : s->projection;
//         l.turn[0] = s->yaw, l.turn[1] = s->pitch, l.turn[2] = s->roll;
//         l.bounds[0] = s->bound_top, l.bounds[1] = s->bound_bottom;
//         l.bounds[2] = s->bound_left, l.bounds[3] = s->bound_right;
//         l.padding = s->padding;
//     }
//     return l;
// }
//
// // lend_side_data gives an encoder that is not open yet what a frame says of the
// // mastering display and the content's light. The context frees it.
// static int lend_side_data(AVCodecContext *to, const AVFrame *from) {
//     const enum AVFrameSideDataType types[] = {
//         AV_FRAME_DATA_MASTERING_DISPLAY_METADATA, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL,
//     };
//     for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
//         const AVFrameSideData *sd = av_frame_get_side_data(from, types[i]);
//         if (!sd)
//             continue;
//         int ret = av_frame_side_data_clone(&to->decoded_side_data, &to->nb_decoded_side_data, sd, 0);
//         if (ret < 0)
//             return ret;
//     }
//     return 0;
// }
//
// // can_hold reports whether a muxer takes a copy of a stream: it gets one in a file of
// // its own, in memory, which is thrown away. Only that tells: lists of codecs say less
// // than muxers write, and more.
// static int can_hold(const char *format, const AVStream *like) {
//     AVFormatContext *fc = NULL;
//     int ret = avformat_alloc_output_context2(&fc, NULL, format, NULL);
//     if (ret < 0)
//         return ret;
//     AVStream *s = avformat_new_stream(fc, NULL);
//     ret = s ? avcodec_parameters_copy(s->codecpar, like->codecpar) : AVERROR(ENOMEM);
//     if (ret >= 0)
//         ret = avio_open_dyn_buf(&fc->pb);
//     if (ret >= 0) {
//         s->codecpar->codec_tag = 0;
//         s->time_base = like->time_base;
//         ret = avformat_write_header(fc, NULL);
//         uint8_t *written = NULL;
//         avio_close_dyn_buf(fc->pb, &written);
//         av_free(written);
//         fc->pb = NULL;
//     }
//     avformat_free_context(fc);
//     return ret;
// }
//
// // slice_packet makes dst a part of src, of whose memory it keeps a reference.
// static int slice_packet(AVPacket *dst, const AVPacket *src, int at, int size) {
//     int ret = av_packet_ref(dst, src);
//     if (ret < 0)
//         return ret;
//     dst->data += at;
//     dst->size = size;
//     return 0;
// }
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/asticode/go-astiav"
)

// This file and planes.go hold all of our own "C": what go-astiav v0.39.0 has
// no call for. Its FormatContext, Stream and CodecParameters are structs of one
// field, the C pointer, and lend it to nobody; TestPointersOfAstiav fails when a
// new version changes that.

func formatPointer(fc *astiav.FormatContext) *C.AVFormatContext {
	return *(**C.AVFormatContext)(unsafe.Pointer(fc))
}

func streamPointer(s *astiav.Stream) *C.AVStream {
	return *(**C.AVStream)(unsafe.Pointer(s))
}

func parametersPointer(p *astiav.CodecParameters) *C.AVCodecParameters {
	return *(**C.AVCodecParameters)(unsafe.Pointer(p))
}

func codecPointer(c *astiav.CodecContext) *C.AVCodecContext {
	return (*C.AVCodecContext)(c.UnsafePointer())
}

func framePointer(f *astiav.Frame) *C.AVFrame {
	return (*C.AVFrame)(f.UnsafePointer())
}

func packetPointer(p *astiav.Packet) *C.AVPacket {
	return *(**C.AVPacket)(unsafe.Pointer(p))
}

func check(ret C.int) error {
	if ret < 0 {
		return astiav.Error(ret)
	}
	return nil
}

func copyChapters(dst, src *astiav.FormatContext) error {
	return check(C.copy_chapters(formatPointer(dst), formatPointer(src)))
}

func copySideData(dst, src *astiav.CodecParameters) error {
	return check(C.copy_side_data(parametersPointer(dst), parametersPointer(src)))
}

// hasDolbyVision reports whether the stream has metadata for each picture that no
// encoder of ours makes again.
func hasDolbyVision(p *astiav.CodecParameters) bool {
	c := parametersPointer(p)
	return C.av_packet_side_data_get(c.coded_side_data, c.nb_coded_side_data, C.AV_PKT_DATA_DOVI_CONF) != nil
}

func lendSideData(to *astiav.CodecContext, from *astiav.Frame) error {
	return check(C.lend_side_data(codecPointer(to), framePointer(from)))
}

// codecIDAribCaption is that of Japanese and Brazilian captions.
const codecIDAribCaption = astiav.CodecID(C.AV_CODEC_ID_ARIB_CAPTION)

// canHold reports whether a muxer takes a copy of the stream.
func canHold(format string, s *astiav.Stream) bool {
	name := C.CString(format)
	defer C.free(unsafe.Pointer(name))
	return C.can_hold(name, streamPointer(s)) >= 0
}

// timestamp is the frame's presentation time in its stream's time base, also
// where the file gives only decoding times; ok is false when it gives neither.
func timestamp(f *astiav.Frame) (pts int64, ok bool) {
	pts = int64(framePointer(f).best_effort_timestamp)
	return pts, pts != C.AV_NOPTS_VALUE
}

func setTimestamp(f *astiav.Frame, pts int64) { framePointer(f).best_effort_timestamp = C.int64_t(pts) }

func setSampleAspectRatio(s *astiav.Stream, r astiav.Rational) {
	streamPointer(s).sample_aspect_ratio = C.AVRational{num: C.int(r.Num()), den: C.int(r.Den())}
}

// copyFieldOrder and copyChromaLocation set what CodecContext has no setter for.
func copyFieldOrder(dst *astiav.CodecContext, src *astiav.CodecParameters) {
	codecPointer(dst).field_order = parametersPointer(src).field_order
}

// fields says whether the file says that its pictures are two fields each, and
// whether the one below is shown first.
func fields(p *astiav.CodecParameters) (interlaced, bottomFirst bool) {
	switch parametersPointer(p).field_order {
	case C.AV_FIELD_TT, C.AV_FIELD_BT:
		return true, false
	case C.AV_FIELD_BB, C.AV_FIELD_TB:
		return true, true
	}
	return false, false
}

func copyColor(dst *astiav.CodecContext, src *astiav.CodecParameters) {
	dst.SetColorPrimaries(src.ColorPrimaries())
	dst.SetColorTransferCharacteristic(src.ColorTransferCharacteristic())
	dst.SetColorSpace(src.ColorSpace())
	dst.SetColorRange(src.ColorRange())
	codecPointer(dst).chroma_sample_location = parametersPointer(src).chroma_location
}

// Version describes the libav that this binary holds, a line each.
func Version() []string {
	library := func(name string, v C.uint) string {
		return fmt.Sprintf("%s %d.%d.%d", name, v>>16, v>>8&0xff, v&0xff)
	}
	return []string{
		"FFmpeg " + C.GoString(C.av_version_info()),
		library("libavutil", C.avutil_version()),
		library("libavcodec", C.avcodec_version()),
		library("libavformat", C.avformat_version()),
		"license " + C.GoString(C.avutil_license()),
		"configuration " + C.GoString(C.avutil_configuration()),
	}
}

// A Codec is one of video that this libav decodes.
type Codec struct{ Name, Long string }

// VideoCodecs are all of them, but for pictures that are no video.
func VideoCodecs() (all []Codec) {
	var at unsafe.Pointer
	for c := C.av_codec_iterate(&at); c != nil; c = C.av_codec_iterate(&at) {
		if c._type != C.AVMEDIA_TYPE_VIDEO || C.av_codec_is_decoder(c) == 0 || c.id == C.AV_CODEC_ID_WRAPPED_AVFRAME {
			continue
		}
		d := C.avcodec_descriptor_get(c.id)
		all = append(all, Codec{C.GoString(d.name), C.GoString(d.long_name)})
	}
	return all
}

// setPacketTimeBase lets the decoder guess times where the file leaves them out.
func setPacketTimeBase(cc *astiav.CodecContext, base astiav.Rational) {
	codecPointer(cc).pkt_timebase = C.AVRational{num: C.int(base.Num()), den: C.int(base.Den())}
}

// frameDuration is how long the frame is shown, in its stream's time base; 0
// where nothing says so.
func frameDuration(f *astiav.Frame) int64 { return int64(framePointer(f).duration) }

// copyProperties gives a frame what another says of itself, but for its picture.
func copyProperties(to, from *astiav.Frame) error {
	return check(C.av_frame_copy_props(framePointer(to), framePointer(from)))
}

func setFrameDuration(f *astiav.Frame, duration int64) {
	framePointer(f).duration = C.int64_t(duration)
}

// damaged reports whether the decoder made up a part of the frame, or says that it
// may be wrong: of most broken files it makes pictures, and calls them good.
func damaged(f *astiav.Frame) bool {
	c := framePointer(f)
	return c.decode_error_flags != 0 || c.flags&C.AV_FRAME_FLAG_CORRUPT != 0
}

// payload is the packet's own memory: valid until it is unreferenced. Its Data copies.
func payload(p *astiav.Packet) []byte {
	c := packetPointer(p)
	if c.data == nil {
		return nil
	}
	return unsafe.Slice((*byte)(c.data), c.size)
}

// slicePacket makes to a part of a packet. It must be within its payload.
func slicePacket(to, of *astiav.Packet, at, size int) error {
	return check(C.slice_packet(packetPointer(to), packetPointer(of), C.int(at), C.int(size)))
}

// bitsPerSample is how many the coded sound has; 0 where it doesn't say.
func bitsPerSample(p *astiav.CodecParameters) int {
	c := parametersPointer(p)
	return int(max(c.bits_per_coded_sample, c.bits_per_raw_sample))
}

// blockAlign is the size of what sound is coded in, in bytes; 0 where it doesn't say.
func blockAlign(p *astiav.CodecParameters) int { return int(parametersPointer(p).block_align) }

// setFrameSize is how many samples each packet has.
func setFrameSize(p *astiav.CodecParameters, samples int) {
	parametersPointer(p).frame_size = C.int(samples)
}

// encrypted reports whether somebody would need a key for the packet (ISO/IEC 23001-7).
func encrypted(p *astiav.Packet) bool {
	return C.av_packet_get_side_data(packetPointer(p), C.AV_PKT_DATA_ENCRYPTION_INFO, nil) != nil
}

// interlaced reports whether the frame is of two fields, or one of them.
func interlaced(f *astiav.Frame) bool { return framePointer(f).flags&C.AV_FRAME_FLAG_INTERLACED != 0 }

func topFirst(f *astiav.Frame) bool {
	return framePointer(f).flags&C.AV_FRAME_FLAG_TOP_FIELD_FIRST != 0
}

// hasDynamicHDR reports whether the frame says how bright its own scene is, as HDR10+
// has it.
func hasDynamicHDR(f *astiav.Frame) bool {
	return C.av_frame_get_side_data(framePointer(f), C.AV_FRAME_DATA_DYNAMIC_HDR_PLUS) != nil
}

// displayMatrix is what the frame says of how it is to be turned.
func displayMatrix(f *astiav.Frame) (m astiav.DisplayMatrix, ok bool) {
	sd := C.av_frame_get_side_data(framePointer(f), C.AV_FRAME_DATA_DISPLAYMATRIX)
	if sd == nil || uintptr(sd.size) < unsafe.Sizeof(m) {
		return m, false
	}
	return *(*astiav.DisplayMatrix)(unsafe.Pointer(sd.data)), true
}

// setDisplayMatrix has the stream say how its pictures are to be turned.
func setDisplayMatrix(p *astiav.CodecParameters, m astiav.DisplayMatrix) error {
	return p.SideData().DisplayMatrix().Add(&m)
}

// insertBytes has a packet that nobody else holds grow at a place of its payload.
func insertBytes(pkt *astiav.Packet, at int, bytes []byte) error {
	return check(C.insert_bytes(packetPointer(pkt), C.int(at), (*C.uint8_t)(unsafe.SliceData(bytes)), C.int(len(bytes))))
}

// endOfSamples is where the last sample of a stream ends, by the index that is known
// so far.
func endOfSamples(s *astiav.Stream) (end int64) {
	c := streamPointer(s)
	for i := range C.avformat_index_get_entries_count(c) {
		e := C.avformat_index_get_entry(c, C.int(i))
		end = max(end, int64(e.pos)+int64(C.index_size(e)))
	}
	return end
}

// A look is how the pictures of a stream lie on a sphere, and of how many views they are.
type look struct {
	stereo, projection int // of libav's enumerations; -1: nothing says so
	inverted           bool
	turn               [3]int32  // yaw, pitch, roll, in degrees of 16.16 bits
	bounds             [4]uint32 // top, bottom, left, right: shares of 0.32 bits
	padding            uint32    // of a cube, in pixels
}

const (
	stereoNone       = C.AV_STEREO3D_2D
	stereoTopBottom  = C.AV_STEREO3D_TOPBOTTOM
	stereoSideBySide = C.AV_STEREO3D_SIDEBYSIDE

	sphereEquirectangular = C.AV_SPHERICAL_EQUIRECTANGULAR
	sphereCube            = C.AV_SPHERICAL_CUBEMAP
)

func lookOf(p *astiav.CodecParameters) look {
	c := C.look_of(parametersPointer(p))
	l := look{stereo: int(c.stereo), projection: int(c.projection), inverted: c.inverted != 0, padding: uint32(c.padding)}
	for i := range l.turn {
		l.turn[i] = int32(c.turn[i])
	}
	for i := range l.bounds {
		l.bounds[i] = uint32(c.bounds[i])
	}
	return l
}

// dropStereo has a stream no longer say that it is of two views.
func dropStereo(p *astiav.CodecParameters) {
	c := parametersPointer(p)
	C.av_packet_side_data_remove(c.coded_side_data, &c.nb_coded_side_data, C.AV_PKT_DATA_STEREO3D)
}

// replaceMetadata has the file say what is in d, which it owns from then on.
func replaceMetadata(fc *astiav.FormatContext, d *astiav.Dictionary) {
	C.av_dict_free(&formatPointer(fc).metadata)
	fc.SetMetadata(d)
}

// useFrameDuration has the encoder hand on how long each frame is shown; without
// the flag it takes no notice of it.
func useFrameDuration(cc *astiav.CodecContext) {
	codecPointer(cc).flags |= C.AV_CODEC_FLAG_FRAME_DURATION
}
