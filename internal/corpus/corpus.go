// Package corpus makes video files that are strange, broken or made to do harm, for
// tests: some with the ffmpeg command line, some by hand.
package corpus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// A File is one of the corpus.
type File struct {
	Name string
	Path string
	// Want is what becomes of it: Done, or the code of the error. Empty: either, as
	// long as it is said.
	Want string
}

// Done is what is wanted of a file that can be worked.
const Done = "done"

const (
	notVideo    = string(ffmpeg.CodeNotVideo)
	noStream    = string(ffmpeg.CodeNoVideoStream)
	unsupported = string(ffmpeg.CodeUnsupported)
	invalid     = string(ffmpeg.CodeInvalid)
)

// source is a second of test picture with a tone.
var source = []string{"-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=1", "-f", "lavfi", "-i", "sine=duration=1"}

// encoded are made by ffmpeg, each from source unless it starts with an input of
// its own. The last word is the file's name.
var encoded = []struct {
	want string
	args string
}{
	{Done, "control.mp4"},
	{Done, "-bf 3 b-frames.mp4"},
	{Done, "-map 0:v no-sound.mp4"},
	{Done, "-movflags +faststart faststart.mp4"},
	{Done, "-movflags +frag_keyframe+empty_moov fragmented.mp4"},
	{Done, "quicktime.mov"},
	{Done, "matroska.mkv"},
	{Done, "transport.ts"},
	{Done, "-pix_fmt yuv420p10le ten-bit.mp4"},
	{Done, "-pix_fmt yuv422p 422.mp4"},
	{Done, "-pix_fmt yuv422p10le 422-ten-bit.mp4"},
	{Done, "-pix_fmt yuv444p 444.mp4"},
	{Done, "-pix_fmt gray gray.mp4"},
	{Done, "-pix_fmt yuvj420p full-range.mp4"},
	{Done, "-vf scale=162:122,setpts=PTS -pix_fmt yuv444p even.mp4"},
	{"", "-vf scale=161:121 -pix_fmt yuv444p odd.mp4"},
	{"", "-vf scale=16:16 small.mp4"},
	{"", "-vf scale=2:2 -pix_fmt yuv444p two-by-two.mp4"},
	{Done, "-aspect 4:3 aspect.mp4"},
	{Done, "-vf setpts=N*N*20 -fps_mode vfr variable-rate.mkv"},
	{Done, "-output_ts_offset 36000 ten-hours-late.ts"},
	{Done, "-output_ts_offset 1.5 late.mp4"},
	{Done, "-x264-params open-gop=1:keyint=10 open-gop.mp4"},
	{Done, "-x264-params keyint=1 intra.mp4"},
	{Done, "-x264-params tff=1 interlaced.mp4"},
	{Done, "-frames:v 1 one-frame.mp4"},
	{Done, "-filter:v trim=end=0.3 long-sound.mkv"},
	{Done, "-c:a pcm_s16le pcm.mov"},
	{Done, "-c:v mjpeg -pix_fmt yuvj420p mjpeg.mov"},
	{unsupported, "-c:v png png.mov"},
	{"", "-c:v rawvideo raw.mov"},
	{noStream, "-map 1:a sound-only.mp4"},
	{unsupported, "-map 0:v -map 0:v two-videos.mp4"},
	{Done, "-map 0:v" + strings.Repeat(" -map 1:a", 30) + " many-sounds.mkv"},
	{unsupported, "-map 0:v" + strings.Repeat(" -map 1:a", 90) + " too-many-streams.mkv"},
	{unsupported, "-encryption_scheme cenc-aes-ctr -encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8 encrypted.mp4"},
	{unsupported, "-f lavfi -i color=black:size=9000x9000:rate=1:duration=1 -c:v png dimension-bomb.mov"},
	{Done, "-f lavfi -i color=black:size=16x16:rate=1000:duration=5 -c:v libx264 -preset ultrafast many-frames.mp4"},
}

// foreign are of containers and codecs that our own ffmpeg only reads: Debian's makes them,
// where it is installed.
var foreign = []struct {
	want string
	args string
}{
	{Done, "-c:v mpeg2video -c:a mp2 program.mpg"},
	{Done, "-c:v mpeg2video -c:a pcm_dvd -ar 48000 dvd.vob"},
	{Done, "-c:v mpeg2video -c:a pcm_s16le -ar 48000 material.mxf"},
	{Done, "-vf scale=256:144 -c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p -c:a pcm_s16le -ar 48000 dnxhr.mxf"},
	{Done, "-vf scale=720:576 -c:v dvvideo -pix_fmt yuv420p -c:a pcm_s16le -ar 48000 -ac 2 -t 0.2 bare.dv"},
	{Done, "-vf scale=720:480,fps=30000/1001 -c:v dvvideo -pix_fmt yuv411p -c:a pcm_s16le -ar 48000 -ac 2 -t 0.2 dv.avi"},
	{Done, "-c:v huffyuv -pix_fmt yuv422p -c:a adpcm_ms -t 0.4 huffyuv.avi"},
	{Done, "-c:v ffv1 -c:a pcm_mulaw -t 0.4 ffv1.mkv"},
	{Done, "-c:v v210 -t 0.2 v210.mov"},
	{Done, "-c:v rawvideo -pix_fmt uyvy422 -tag:v 2vuy -t 0.2 packed.mov"},
	{Done, "-c:v libtheora -c:a libvorbis theora.ogv"},
	{Done, "-c:v wmv2 -c:a libmp3lame windows.wmv"},
	{Done, "-c:v wmv1 -c:a libmp3lame windows-1.wmv"},
	{Done, "-c:v msmpeg4 -c:a libmp3lame msmpeg4.avi"},
	{Done, "-vf scale=176:144 -c:v h263 h263.3gp"},
	{Done, "-c:v flv -c:a libmp3lame -ar 44100 sorenson.flv"},
	{Done, "-c:a dca -strict -2 -ar 48000 dts.ts"},
	{Done, "-c:a truehd -strict -2 -ar 48000 truehd.ts"},
	{Done, "-c:a s302m -strict -2 -ar 48000 -ac 2 aes3.ts"},
}

// Make writes the corpus into a folder, with the ffmpeg at program.
func Make(folder, program string) ([]File, error) {
	var all []File
	make := func(program, want, args string) error {
		words := strings.Fields(args)
		name := words[len(words)-1]
		path := filepath.Join(folder, name)
		words[len(words)-1] = path
		if words[0] != "-f" {
			words = slices.Concat(source, []string{"-c:v", "libx264", "-c:a", "aac"}, words)
		}
		cmd := exec.Command(program, append([]string{"-hide_banner", "-nostdin", "-y", "-loglevel", "error"}, words...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("make %s: %w: %s", name, err, out)
		}
		all = append(all, File{name, path, want})
		return nil
	}
	for _, e := range encoded {
		if err := make(program, e.want, e.args); err != nil {
			return nil, err
		}
	}
	if debian, err := exec.LookPath("ffmpeg"); err == nil {
		for _, e := range foreign {
			if err := make(debian, e.want, e.args); err != nil {
				return nil, err
			}
		}
	}
	made, err := byHand(folder)
	if err != nil {
		return nil, err
	}
	return append(all, made...), nil
}

// byHand writes what no encoder does.
func byHand(folder string) ([]File, error) {
	read := func(name string) []byte {
		body, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			panic(err) // Make has just made it
		}
		return body
	}
	mp4, fast, fragmented, mkv, ts := read("control.mp4"), read("faststart.mp4"), read("fragmented.mp4"), read("matroska.mkv"), read("transport.ts")
	random := make([]byte, 1<<20)
	chance := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(chance.Uint32())
	}
	ftyp := "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42"
	var all []File
	for name, f := range map[string]struct {
		want string
		body []byte
	}{
		"empty.mp4":             {notVideo, nil},
		"one-byte.mp4":          {notVideo, []byte{0}},
		"text.mp4":              {notVideo, []byte("this is no video\n")},
		"json.mp4":              {notVideo, []byte(`{"Records":[]}`)},
		"random.mp4":            {notVideo, random},
		"gif.mp4":               {notVideo, append([]byte("GIF89a"), random[:1000]...)},
		"hls-file.mp4":          {notVideo, []byte("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")},
		"hls-http.mp4":          {notVideo, []byte("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://169.254.169.254/latest/meta-data/\n#EXT-X-ENDLIST\n")},
		"hls-spaces.mp4":        {notVideo, []byte("\xef\xbb\xbf\n\n#EXTM3U\n#EXTINF:1,\ncontrol.mp4\n")},
		"concat.mp4":            {notVideo, []byte("ffconcat version 1.0\nfile 'control.mp4'\nfile '/etc/passwd'\n")},
		"dash.mp4":              {notVideo, []byte("<?xml version=\"1.0\"?><MPD><Period><BaseURL>http://127.0.0.1/</BaseURL></Period></MPD>")},
		"sdp.mp4":               {notVideo, []byte("v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n")},
		"ftyp-playlist.mp4":     {notVideo, []byte(ftyp + "#EXTM3U\nfile:///etc/passwd\n")},
		"ftyp-only.mp4":         {notVideo, []byte(ftyp)},
		"ftyp-random.mp4":       {notVideo, append([]byte(ftyp), random...)},
		"ebml-random.mkv":       {notVideo, append([]byte("\x1a\x45\xdf\xa3"), random...)},
		"ebml-endless.mkv":      {notVideo, append([]byte("\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff"), random...)},
		"flv-random.flv":        {"", append([]byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"), random...)},
		"avi-random.avi":        {noStream, append([]byte("RIFF\xff\xff\xff\xffAVI LIST"), random...)},
		"ts-random.ts":          {"", packets(random)},
		"quarter.mp4":           {invalid, mp4[:len(mp4)/4]},
		"half.mp4":              {invalid, mp4[:len(mp4)/2]},
		"no-last-byte.mp4":      {invalid, mp4[:len(mp4)-1]},
		"faststart-half.mp4":    {invalid, fast[:len(fast)/2]},
		"fragmented-half.mp4":   {invalid, fragmented[:len(fragmented)*2/3]},
		"half.mkv":              {invalid, mkv[:len(mkv)/2]},
		"half.ts":               {"", ts[:len(ts)/2]},
		"unaligned.ts":          {"", ts[100:]},
		"first-missing.mkv":     {"", cut(mkv, len(mkv)/3, len(mkv)/2)},
		"mdat-zeroed.mp4":       {"", zeroed(fast, "mdat")},
		"moov-size-0.mp4":       {"", patched(fast, "moov", -4, 0)},
		"moov-size-1.mp4":       {"", patched(fast, "moov", -4, 1)},
		"moov-huge.mp4":         {"", patched(fast, "moov", -4, 0xffffffff)},
		"trak-huge.mp4":         {"", patched(fast, "trak", -4, 0xfffffff0)},
		"stts-count.mp4":        {"", patched(fast, "stts", 8, 0xffffffff)},
		"stts-repeat.mp4":       {"", patched(fast, "stts", 12, 0xffffffff)},
		"stts-delta.mp4":        {"", patched(fast, "stts", 16, 0xfffffff0)},
		"stsz-count.mp4":        {"", patched(fast, "stsz", 12, 0xffffffff)},
		"stsz-size.mp4":         {"", patched(fast, "stsz", 16, 0x7fffffff)},
		"stco-count.mp4":        {"", patched(fast, "stco", 8, 0xffffffff)},
		"stco-into-moov.mp4":    {"", patched(fast, "stco", 12, 32)},
		"stco-beyond.mp4":       {"", patched(fast, "stco", 12, 0xfffffff0)},
		"stsc-count.mp4":        {"", patched(fast, "stsc", 8, 0xffffffff)},
		"ctts-count.mp4":        {"", patched(read("b-frames.mp4"), "ctts", 8, 0xffffffff)},
		"elst-count.mp4":        {"", patched(fast, "elst", 8, 0xffffffff)},
		"elst-duration.mp4":     {"", patched(fast, "elst", 12, 0xffffffff)},
		"mvhd-duration.mp4":     {"", patched(fast, "mvhd", 20, 0xfffffffe)},
		"mdhd-scale-0.mp4":      {"", patched(fast, "mdhd", 16, 0)},
		"mdhd-scale-huge.mp4":   {"", patched(fast, "mdhd", 16, 0xffffffff)},
		"tkhd-size.mp4":         {"", patched(fast, "tkhd", 80, 0xffff0000)},
		"avc1-size.mp4":         {"", patched(fast, "avc1", 28, 0xffffffff)},
		"avcc-length.mp4":       {"", patched(fast, "avcC", 12, 0xffffffff)},
		"handler.mp4":           {"", patched(fast, "hdlr", 12, 0)},
		"dref-alias.mp4":        {"", alias(fast, 60_000)},
		"dref-absolute.mp4":     {"", alias(fast, 20)},
		"boxes-in-boxes.mp4":    {"", nested(10_000)},
		"matroska-duration.mkv": {"", replaced(mkv, []byte{0x44, 0x89, 0x88}, []byte{0x44, 0x89, 0x88, 0x7f, 0xf0})},
	} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, f.body, 0o600); err != nil {
			return nil, err
		}
		all = append(all, File{name, path, f.want})
	}
	return all, nil
}

// Mutated is a copy of a file with some of its bytes changed, most of them in its
// first kilobytes, where a container says what it holds.
func Mutated(body []byte, chance *rand.Rand) []byte {
	out := bytes.Clone(body)
	if len(out) == 0 {
		return out
	}
	for range 1 + chance.IntN(20) {
		at := chance.IntN(len(out))
		if chance.IntN(3) > 0 {
			at = chance.IntN(min(len(out), 4096))
		}
		switch chance.IntN(4) {
		case 0:
			out[at] = byte(chance.Uint32())
		case 1:
			out[at] ^= 1 << chance.IntN(8)
		case 2:
			for i := at; i < min(at+4, len(out)); i++ {
				out[i] = 0xff
			}
		case 3:
			for i := at; i < min(at+8, len(out)); i++ {
				out[i] = 0
			}
		}
	}
	if chance.IntN(10) == 0 {
		out = out[:chance.IntN(len(out))]
	}
	return out
}

// patched sets the 32 bits at an offset from the first box of a kind.
func patched(body []byte, box string, offset int, value uint32) []byte {
	out := bytes.Clone(body)
	if at := bytes.Index(out, []byte(box)); at >= 0 && at+offset >= 0 && at+offset+4 <= len(out) {
		binary.BigEndian.PutUint32(out[at+offset:], value)
	}
	return out
}

func replaced(body, old, new []byte) []byte {
	out := bytes.Clone(body)
	if at := bytes.Index(out, old); at >= 0 {
		copy(out[at:], new)
	}
	return out
}

func cut(body []byte, from, to int) []byte {
	return append(bytes.Clone(body[:from]), body[to:]...)
}

// zeroed has nothing left in a box that ends the file.
func zeroed(body []byte, box string) []byte {
	out := bytes.Clone(body)
	if at := bytes.Index(out, []byte(box)); at >= 0 {
		clear(out[at+4:])
	}
	return out
}

// packets puts the sync byte of MPEG-TS where one is looked for.
func packets(body []byte) []byte {
	out := bytes.Clone(body)
	for at := 0; at < len(out); at += 188 {
		out[at] = 0x47
	}
	return out
}

// alias has the video's data be in another file, whose path is that long.
func alias(body []byte, length int) []byte {
	at := bytes.Index(body, []byte("dref"))
	if at < 0 {
		return body
	}
	path := []byte("/etc/passwd" + strings.Repeat("x", max(length-11, 0)))
	entry := append(make([]byte, 0, length+200), 0, 0, 0, 0)
	entry = append(entry, "alis\x00\x00\x00\x00"...)
	record := make([]byte, 150)
	copy(record[10:], "\x04disk")
	copy(record[50:], "\x06passwd")
	tail := append([]byte{0, 18}, binary.BigEndian.AppendUint16(nil, uint16(len(path)))...)
	entry = append(append(append(entry, record...), tail...), path...)
	entry = append(entry, 0xff, 0xff, 0, 0)
	binary.BigEndian.PutUint32(entry, uint32(len(entry)))
	// The old entry, url of twelve bytes, comes after version, flags and count.
	out := append(bytes.Clone(body[:at+12]), entry...)
	return append(out, body[at+24:]...)
}

// nested are boxes in boxes.
func nested(depth int) []byte {
	names := []string{"moov", "trak", "mdia", "minf"}
	out := []byte{}
	for i := range depth {
		out = binary.BigEndian.AppendUint32(out, uint32(8*(depth-i)))
		out = append(out, names[i%len(names)]...)
	}
	return out
}
