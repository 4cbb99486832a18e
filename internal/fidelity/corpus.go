// Package fidelity makes videos of every kind, with the ffmpeg command line, and holds
// what becomes of them against them, by ffprobe's word and picture by picture. It is
// for tests.
package fidelity

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Case is a video and what mosaicd is to make of it.
type Case struct {
	Group string
	What  string
	// Make are lines of arguments for ffmpeg, run in a folder of the case's own. The
	// last word of the last one is the file. A line without an input has a test
	// picture and a tone; "own" before a line has our own build of ffmpeg run it.
	Make []string
	// Then changes what was made.
	Then  func(body []byte) []byte
	To    string   // extension of the output; the file's own by default
	Flags []string // of mosaicd
	// Refused is the code of the error, and Says a part of its text, or of what is
	// said to be left out.
	Refused string
	Says    string
	// Dropped are the streams that are left out.
	Dropped []int
	// Differs are what Compare finds, and why that is as it should be.
	Differs []string
	Why     string
	// Encoded are those of Differs that are so only where the video is encoded.
	Encoded []string
	// PSNR is what is asked for outside the box, in dB, where it is less than usual.
	PSNR float64
	// Untimed: its packets don't say when their pictures are shown, so that without
	// decoding them nobody knows.
	Untimed bool
	// Pictures is how many are compared; all by default.
	Pictures int
}

const (
	picture = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=2"
	tone    = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=2"
	usual   = "-c:v libx264 -preset veryfast -crf 14 -c:a aac"
	hevc    = "-c:v libx265 -preset ultrafast -crf 14 -x265-params log-level=none"
	hdr     = ":colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
	silent  = "-map 0:v "
	phone   = "-movflags use_metadata_tags -metadata com.apple.quicktime.make=Acme -metadata com.apple.quicktime.model=P9 " +
		"-metadata com.apple.quicktime.creationdate=2026-05-09T12:41:46+0100 -metadata com.apple.quicktime.location.ISO6709=+51.5334-000.1255+026.756/ " +
		"-metadata com.android.version=14 -metadata com.android.capture.fps=239.5"
	camera = "-metadata make=Acme -metadata model=P9 -metadata location=+51.5334-000.1255+026.756/ -metadata date=2026-05-09T12:41:46+0100"
	// everyPicture has each picture begin with a message, so that ffmpeg adds another
	// where it belongs.
	everyPicture = "-g 1 -x264-params nal-hrd=vbr:vbv-maxrate=40000:vbv-bufsize=40000"
	// withMessage adds one of 16 bytes that say whose it is, and 28 more.
	withMessage = " -bsf:v h264_metadata=sei_user_data=086f3693-b7b3-4f2c-9653-21492feee5b8+aaaaaaaaaaaaaaaaaaaaaaaaaaa"
	pal         = "-vf scale=720:576,setsar=16/15,setfield=bff -t 1"
	ntsc        = "-vf scale=720:480,setsar=8/9,fps=30000/1001,setfield=bff -t 1"
)

const (
	unsupported = "unsupported_media"
	invalid     = "invalid_media"
)

// Cases are all of them.
func Cases() []Case {
	return []Case{
		{Group: "orientation", What: "upright", Make: []string{"a.mp4"}},
		{Group: "orientation", What: "turned by 90°", Make: []string{"flat.mp4", "own -display_rotation -90 -i flat.mp4 -map 0 -c copy a.mp4"}},
		{Group: "orientation", What: "turned by 180°", Make: []string{"flat.mp4", "own -display_rotation 180 -i flat.mp4 -map 0 -c copy a.mp4"}},
		{Group: "orientation", What: "turned by 270°, MOV", Make: []string{"flat.mp4", "own -display_rotation 90 -i flat.mp4 -map 0 -c copy a.mov"}},
		{Group: "orientation", What: "flipped", Make: []string{"flat.mp4", "own -display_hflip -i flat.mp4 -map 0 -c copy a.mp4"}},
		{Group: "orientation", What: "turned by 90° and flipped", Make: []string{"flat.mp4", "own -display_rotation -90 -display_hflip -i flat.mp4 -map 0 -c copy a.mp4"}},
		{Group: "orientation", What: "turned by 45°", Make: []string{"flat.mp4", "own -display_rotation 45 -i flat.mp4 -map 0 -c copy a.mp4"}, Refused: unsupported, Says: "turned by"},
		{Group: "orientation", What: "in the pictures alone (SEI)", Make: []string{everyPicture + " -pix_fmt yuv420p flat.mp4", "own -i flat.mp4 -map 0 -c copy -bsf:v h264_metadata=display_orientation=insert:rotate=90 a.mp4"}},
		{Group: "orientation", What: "in the pictures alone (SEI), flipped, TS", Make: []string{everyPicture + " flat.mp4", "own -i flat.mp4 -map 0 -c copy -bsf:v h264_metadata=display_orientation=insert:rotate=270:flip=horizontal b.mp4", "-i b.mp4 -map 0 -c copy a.ts"}},
		{Group: "orientation", What: "turned by 90°, to HEVC in TS", Make: []string{"flat.mp4", "own -display_rotation -90 -i flat.mp4 -map 0 -c copy a.mp4"}, To: ".ts", Flags: []string{"--codec", "hevc"}},

		{Group: "size", What: "odd width and height, 4:4:4", Make: []string{"-vf scale=321:181 -pix_fmt yuv444p a.mp4"}},
		{Group: "size", What: "odd width, 4:2:0", Make: []string{"-vf scale=321:180,format=yuv444p,format=yuv420p -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus a.webm"}, To: ".mkv", Refused: unsupported, Says: "width must be a multiple of 2"},
		{Group: "size", What: "pixels of 4:3", Make: []string{"-vf setsar=4/3 a.mp4"}},
		{Group: "size", What: "pixels of 64:45, Matroska", Make: []string{"-vf setsar=64/45 a.mkv"}},
		{Group: "size", What: "pixels of 4:3, as the container alone says, MP4", Make: []string{"-vf setsar=1 flat.mp4", "-i flat.mp4 -map 0 -c copy -aspect 64:27 a.mp4"}},
		{Group: "size", What: "pixels of 4:3, as the container alone says, MP4 to TS", Make: []string{"-vf setsar=1 flat.mp4", "-i flat.mp4 -map 0 -c copy -aspect 64:27 a.mp4"}, To: ".ts"},
		{Group: "size", What: "pixels of 4:3, as the container alone says, HEVC, MOV to TS", Make: []string{"-vf setsar=1 " + hevc + " flat.mp4", "-i flat.mp4 -map 0 -c copy -aspect 64:27 a.mov"}, To: ".ts"},
		{Group: "size", What: "pixels of 4:3, as the container alone says, Matroska", Make: []string{"-vf setsar=1 flat.mp4", "-i flat.mp4 -map 0 -c copy -aspect 64:27 a.mkv"}},
		{Group: "size", What: "pixels of 1:1, and of 64:45 by its codec, MP4", Make: []string{"-vf setsar=64/45 flat.mp4", "-i flat.mp4 -map 0 -c copy -aspect 16:9 a.mp4"}},
		{Group: "size", What: "pixels of 1:1, and of 4:3 by its codec, MPEG-4, AVI", Make: []string{"-vf setsar=4/3 -c:v mpeg4 -q:v 2 -bf 0 -c:a libmp3lame flat.avi", "-i flat.avi -map 0 -c copy -aspect 16:9 a.avi"}, To: ".mkv"},
		{Group: "size", What: "shape of the pixels changes in the middle, TS", Make: []string{"-vf setsar=1 -t 1 1.ts", "-vf setsar=4/3 -t 1 -output_ts_offset 1.2 2.ts", "-i concat:1.ts|2.ts -map 0 -c copy a.ts"}, Refused: unsupported, Says: "changes the shape of its pixels from 1:1 to 4:3"},
		{Group: "size", What: "2×2", Make: []string{"-vf scale=2:2 a.mp4"}},
		{Group: "size", What: "16×16, HEVC", Make: []string{"-vf scale=16:16 " + hevc + " a.mp4"}},
		{Group: "size", What: "4096×2160", Make: []string{"-vf scale=4096:2160 -frames:v 6 -preset ultrafast a.mp4"}, Pictures: 2},
		{Group: "size", What: "changes in the middle, TS", Make: []string{"-t 1 1.ts", "-vf scale=640:360 -t 1 -output_ts_offset 1.2 2.ts", "-i concat:1.ts|2.ts -map 0 -c copy a.ts"}, Refused: unsupported, Says: "changes from 320x180 yuv420p to 640x360 yuv420p"},

		{Group: "size", What: "cut at the left, H.264", Make: []string{"own -f lavfi -i testsrc2=size=320x180:rate=25:duration=1 -c:v libx264 -preset veryfast -crf 14 -bsf:v h264_metadata=crop_left=18:crop_right=6:crop_top=4 a.mp4"}},
		{Group: "size", What: "cut at the left, HEVC", Make: []string{"own -f lavfi -i testsrc2=size=320x180:rate=25:duration=1 " + hevc + " -bsf:v hevc_metadata=crop_left=18:crop_right=6:crop_top=4 a.mp4"}},

		{Group: "size", What: "two views, one above the other, Matroska", Make: []string{"-metadata:s:v stereo_mode=top_bottom a.mkv"}},
		{Group: "size", What: "two views, one above the other, Matroska to MP4", Make: []string{"-metadata:s:v stereo_mode=top_bottom a.mkv"}, To: ".mp4"},
		{Group: "size", What: "two views, side by side, Matroska to MOV", Make: []string{"-metadata:s:v stereo_mode=left_right a.mkv"}, To: ".mov"},
		{Group: "size", What: "a sphere, MP4", Make: []string{"a.mp4"}, Then: sphere},
		{Group: "size", What: "a sphere, MP4 to MOV", Make: []string{"a.mp4"}, Then: sphere, To: ".mov"},
		{Group: "size", What: "a sphere, MP4 to Matroska", Make: []string{silent + "a.mp4"}, Then: sphere, To: ".mkv"},

		{Group: "samples", What: "10 bit", Make: []string{"-pix_fmt yuv420p10le a.mp4"}},
		{Group: "samples", What: "4:2:2", Make: []string{"-pix_fmt yuv422p a.mp4"}},
		{Group: "samples", What: "4:2:2, 10 bit, MOV", Make: []string{"-pix_fmt yuv422p10le a.mov"}},
		{Group: "samples", What: "4:4:4", Make: []string{"-pix_fmt yuv444p a.mp4"}},
		{Group: "samples", What: "4:4:4, 10 bit", Make: []string{"-pix_fmt yuv444p10le a.mp4"}},
		{Group: "samples", What: "gray", Make: []string{"-pix_fmt gray a.mp4"}},
		{Group: "samples", What: "12 bit, HEVC", Make: []string{"-pix_fmt yuv420p12le " + hevc + " a.mp4"}},
		{Group: "samples", What: "4:2:2, 10 bit, HEVC", Make: []string{"-pix_fmt yuv422p10le " + hevc + " a.mp4"}},
		{Group: "samples", What: "RGB", Make: []string{"-pix_fmt gbrp -c:v libx264rgb a.mkv"}, Refused: unsupported, Says: "gbrp"},
		{Group: "samples", What: "transparent, ProRes 4444", Make: []string{"-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le a.mov"}, Refused: unsupported, Says: "transparency"},
		{Group: "samples", What: "transparent, WebM", Make: []string{"-vf format=yuva420p -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus a.webm"}, To: ".mkv", Says: "its transparency"},
		{Group: "samples", What: "depth changes in the middle, TS", Make: []string{"-t 1 1.ts", "-pix_fmt yuv420p10le -t 1 -output_ts_offset 1.2 2.ts", "-i concat:1.ts|2.ts -map 0 -c copy a.ts"}, Refused: unsupported, Says: "changes from 320x180 yuv420p to 320x180 yuv420p10le"},

		{Group: "colour", What: "BT.709", Make: []string{"-vf scale=out_color_matrix=bt709,setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709 a.mp4"}},
		{Group: "colour", What: "full range", Make: []string{"-pix_fmt yuvj420p -color_range pc a.mp4"}},
		{Group: "colour", What: "full range, 10 bit", Make: []string{"-vf scale=out_range=pc -pix_fmt yuv420p10le -color_range pc a.mp4"}},
		{Group: "colour", What: "HLG", Make: []string{"-pix_fmt yuv420p10le -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc a.mp4"}},
		{Group: "colour", What: "HLG, HEVC", Make: []string{"-pix_fmt yuv420p10le -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc " + hevc + " -tag:v hvc1 a.mov"}},
		{Group: "colour", What: "HDR10", Make: []string{"-pix_fmt yuv420p10le " + hevc + hdr + " -tag:v hvc1 a.mp4"}},
		{Group: "colour", What: "HDR10 to H.264", Make: []string{"-pix_fmt yuv420p10le " + hevc + hdr + " -tag:v hvc1 a.mp4"}, Flags: []string{"--codec", "h264"}},
		{Group: "colour", What: "HDR10, Matroska", Make: []string{"-pix_fmt yuv420p10le " + hevc + hdr + " a.mkv"}},
		{Group: "colour", What: "chroma at the top left", Make: []string{"-x264-params chromaloc=2 a.mp4"}},
		{Group: "colour", What: "HDR10+", Make: []string{"-pix_fmt yuv420p10le " + hevc + hdr + " -tag:v hvc1 a.mp4"}, Then: dynamicHDR, Says: "its HDR10+ metadata"},
		{Group: "colour", What: "Dolby Vision", Make: []string{hevc + " -tag:v hvc1 a.mp4"}, Then: dolbyVision, Says: "its Dolby Vision metadata"},

		{Group: "fields", What: "interlaced, top first", Make: []string{"-flags +ildct+ilme -x264-params tff=1 a.mp4"}},
		{Group: "fields", What: "interlaced, bottom first", Make: []string{"-flags +ildct+ilme -x264-params bff=1 a.mp4"}},
		{Group: "fields", What: "interlaced, Matroska", Make: []string{"-flags +ildct+ilme -x264-params tff=1 a.mkv"}},
		{Group: "fields", What: "interlaced, Matroska that doesn't say so", Make: []string{"-flags +ildct+ilme -x264-params tff=1 -field_order progressive a.mkv"}},
		{Group: "fields", What: "interlaced MPEG-2, TS", Make: []string{"-vf scale=720:576,setfield=tff -c:v mpeg2video -q:v 2 -flags +ildct+ilme -c:a mp2 a.ts"}},
		{Group: "fields", What: "interlaced HEVC", Make: []string{hevc + ":interlace=tff a.mp4"}, Refused: unsupported, Says: "interlaced"},

		{Group: "time", What: "variable frame rate", Make: []string{"-vf setpts=N*N*7+N*400 -fps_mode passthrough -enc_time_base 1/12800 a.mp4"}},
		{Group: "time", What: "variable frame rate, Matroska", Make: []string{"-vf setpts=N*N*7+N*400 -fps_mode passthrough -enc_time_base 1/12800 a.mkv"}},
		{Group: "time", What: "time base of 1/1000", Make: []string{"-video_track_timescale 1000 a.mp4"}},
		{Group: "time", What: "1000 frames/s", Make: []string{"-f lavfi -i testsrc2=size=320x180:rate=1000:duration=0.5 -c:v libx264 -preset ultrafast -crf 14 a.mp4"}, Pictures: 100},
		{Group: "time", What: "29.97 frames/s", Make: []string{"-vf fps=30000/1001 a.mp4"}},
		{Group: "time", What: "one frame", Make: []string{"-frames:v 1 a.mp4"}},
		{Group: "time", What: "video starts late (empty edit)", Make: []string{"-vf setpts=PTS+0.7/TB a.mp4"}},
		{Group: "time", What: "everything starts late", Make: []string{"-output_ts_offset 3.3 a.mp4"}},
		{Group: "time", What: "ten hours late, TS", Make: []string{"-output_ts_offset 36000 a.ts"}},
		{Group: "time", What: "cut without encoding (edit list)", Make: []string{"-g 50 -bf 2 whole.mp4", "-ss 0.5 -i whole.mp4 -map 0 -c copy a.mp4"}},
		{Group: "time", What: "decoding times below zero", Make: []string{"-bf 3 -avoid_negative_ts disabled a.mkv"}, Differs: []string{"everything 0.021 s later"}, Why: "kept, all of it 21 ms later: Matroska has no times below zero"},
		{Group: "time", What: "open groups of pictures", Make: []string{"-bf 3 -x264-params open-gop=1:keyint=10 a.mp4"}},
		{Group: "time", What: "jump of three hours", Make: []string{"-bf 0 in.mkv", "-i in.mkv -map 0 -c copy -bsf:v setts=ts=TS+gte(N\\,25)*10800000 a.mkv"}},
		{Group: "time", What: "two frames of one time", Make: []string{"-bf 0 in.mkv", "-i in.mkv -map 0:v -c copy -bsf:v setts=ts=TS-eq(N\\,25)*40 a.mkv"}, Says: "repaired: stream 0 (video, h264): 1 of its timestamps", Differs: []string{"frame 25 at 1.021000, not 0.981000"}, Why: "kept; the second of them is shown when it would have been, and that is reported"},
		{Group: "time", What: "every other frame of the time before", Make: []string{"-bf 0 in.mkv", "-i in.mkv -map 0:v -c copy -bsf:v setts=ts=TS-mod(N\\,2)*40 a.mkv"}, Refused: invalid, Says: "timestamps of stream 0 do not rise: 25 of 50 had to be repaired"},
		{Group: "time", What: "all times zero", Make: []string{"-bf 0 in.mkv", "-i in.mkv -map 0:v -c copy -bsf:v setts=ts=0 a.mkv"}, Refused: invalid, Says: "its timestamps do not rise"},
		{Group: "time", What: "wrong duration, MP4", Make: []string{"a.mp4"}, Then: longer},

		{Group: "sound", What: "none", Make: []string{silent + "a.mp4"}},
		{Group: "sound", What: "alone", Make: []string{"-map 1:a a.mp4"}, Refused: "no_video_stream", Says: "no video stream"},
		{Group: "sound", What: "longer than the video", Make: []string{"-vf trim=end=1 a.mp4"}},
		{Group: "sound", What: "shorter than the video", Make: []string{"-af atrim=end=1 a.mp4"}},
		{Group: "sound", What: "starts late", Make: []string{"-af asetpts=PTS+0.7/TB a.mp4"}},
		{Group: "sound", What: "starts late, TS", Make: []string{"-af asetpts=PTS+0.7/TB a.ts"}},
		{Group: "sound", What: "three tracks with languages", Make: []string{"-map 0:v -map 1:a -map 1:a -map 1:a -metadata:s:a:0 language=fra -metadata:s:a:1 language=jpn -metadata:s:a:2 language=deu -disposition:a:1 default+dub -disposition:a:0 0 a.mp4"}},
		{Group: "sound", What: "30 tracks", Make: []string{"-map 0:v" + strings.Repeat(" -map 1:a", 30) + " a.mkv"}},
		{Group: "sound", What: "5.1", Make: []string{"-af pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0 a.mp4"}},
		{Group: "sound", What: "PCM, MOV", Make: []string{"-c:a pcm_s16le a.mov"}},
		{Group: "sound", What: "PCM of 24 bit, Matroska", Make: []string{"-c:a pcm_s24le a.mkv"}},
		{Group: "sound", What: "PCM, MOV to TS", Make: []string{"-c:a pcm_s16le a.mov"}, To: ".ts", Refused: unsupported, Says: "choose another container"},
		{Group: "sound", What: "Opus, Matroska", Make: []string{"-c:a libopus a.mkv"}},
		{Group: "sound", What: "Opus, MP4", Make: []string{"-c:a libopus -strict -2 a.mp4"}},
		{Group: "sound", What: "Vorbis, Matroska", Make: []string{"-c:a libvorbis a.mkv"}},
		{Group: "sound", What: "AC-3", Make: []string{"-c:a ac3 a.mp4"}},
		{Group: "sound", What: "E-AC-3", Make: []string{"-c:a eac3 a.mp4"}},
		{Group: "sound", What: "DTS, Matroska", Make: []string{"-c:a dca -strict -2 a.mkv"}},
		{Group: "sound", What: "PCM, big-endian, MOV", Make: []string{"-c:a pcm_s16be a.mov"}},
		{Group: "sound", What: "µ-law, MOV", Make: []string{"-c:a pcm_mulaw a.mov"}},
		{Group: "sound", What: "WavPack, Matroska", Make: []string{"-c:a wavpack a.mkv"}},
		{Group: "sound", What: "MP2, TS to MP4", Make: []string{"-c:a mp2 a.ts"}, To: ".mp4", Differs: []string{"stream 1 (mp2) is mp3, 48000 Hz, mono"}, Why: "kept; MP4 has one name for MP2 and MP3"},
		{Group: "sound", What: "E-AC-3, TS", Make: []string{"-c:a eac3 a.ts"}},
		{Group: "sound", What: "DTS without a descriptor, TS", Make: []string{"-c:a dca -strict -2 a.ts"}},
		{Group: "sound", What: "DTS, TS to Matroska", Make: []string{"-c:a dca -strict -2 a.ts"}, To: ".mkv"},
		{Group: "sound", What: "TrueHD, TS", Make: []string{"-c:a truehd -strict -2 a.ts"}},
		{Group: "sound", What: "AC-3 as private data, TS to MP4", Make: []string{"-c:a ac3 a.ts"}, Then: private, To: ".mp4"},
		{Group: "sound", What: "E-AC-3 as private data, TS", Make: []string{"-c:a eac3 a.ts"}, Then: private},
		{Group: "sound", What: "AAC as private data, TS to MP4", Make: []string{"a.ts"}, Then: private, To: ".mp4"},
		{Group: "sound", What: "MP2 as private data, TS", Make: []string{"-c:a mp2 a.ts"}, Then: private},
		{Group: "sound", What: "AAC (LATM), TS", Make: []string{"-f mpegts -mpegts_flags latm a.ts"}},
		{Group: "sound", What: "Opus, TS", Make: []string{"-c:a libopus a.ts"}},
		{Group: "sound", What: "of a type that nobody knows, TS", Make: []string{"-c:v mpeg2video -q:v 2 -ac 2 -c:a s302m -strict -2 a.ts"}, Then: unknown, Refused: unsupported, Says: "may be sound"},
		{Group: "sound", What: "MP3", Make: []string{"-c:a libmp3lame a.mp4"}},
		{Group: "sound", What: "FLAC, Matroska", Make: []string{"-c:a flac a.mkv"}},
		{Group: "sound", What: "ALAC, MOV", Make: []string{"-c:a alac a.mov"}},
		{Group: "sound", What: "times go back in the middle, TS", Make: []string{"-t 1 1.ts", "-i concat:1.ts|1.ts -map 0 -c copy a.ts"}, To: ".mp4", Refused: invalid, Says: "go back"},
		{Group: "sound", What: "announced, and never there, TS", Make: []string{"a.ts"}, Then: unheard, Dropped: []int{1}, Says: "stream 1 (audio, aac): the file announces it and has nothing of it"},
		{Group: "sound", What: "two packets of one time, Matroska to MP4", Make: []string{"in.mkv", "-i in.mkv -map 0 -c copy -bsf:a setts=ts=TS-eq(N\\,25)*23 a.mkv"}, To: ".mp4", Says: "repaired: stream 1 (audio, aac): 1 of its timestamps", Differs: []string{"stream 1 (aac): packet 25 at 0.533000, not 0.512000"}, Why: "kept; the second of them is heard when it would have been, and that is reported"},
		{Group: "sound", What: "sample rate changes in the middle, TS", Make: []string{"-t 1 1.ts", "-ar 44100 -t 1 -output_ts_offset 1.2 2.ts", "-i concat:1.ts|2.ts -map 0 -c copy a.ts"}},
		{Group: "sound", What: "sample rate changes in the middle, TS to MP4", Make: []string{"-t 1 1.ts", "-ar 44100 -t 1 -output_ts_offset 1.2 2.ts", "-i concat:1.ts|2.ts -map 0 -c copy a.ts"}, To: ".mp4", Refused: unsupported, Says: "changes its sampling frequency or its channels"},

		{Group: "beside", What: "title, comment, language", Make: []string{"-metadata title=A -metadata comment=Café -metadata:s:v:0 language=jpn -metadata:s:a:0 language=fra -metadata:s:a:0 title=Main a.mkv"}},
		{Group: "beside", What: "keys of a phone, MOV", Make: []string{phone + " a.mov"}},
		{Group: "beside", What: "keys of a phone, MP4", Make: []string{phone + " a.mp4"}},
		{Group: "beside", What: "keys of a phone, MOV to MP4", Make: []string{phone + " a.mov"}, To: ".mp4"},
		{Group: "beside", What: "keys of a phone, MOV to Matroska", Make: []string{silent + phone + " a.mov"}, To: ".mkv"},
		{Group: "beside", What: "place and make in the user data, MOV", Make: []string{camera + " a.mov"}},
		{Group: "beside", What: "place and make in the user data, MOV to MP4", Make: []string{camera + " a.mov"}, To: ".mp4"},
		{Group: "beside", What: "tags of any name, Matroska to MP4", Make: []string{"-metadata title=A -metadata mood=calm -metadata date=2026-05-09T12:41:46+0100 a.mkv"}, To: ".mp4"},
		{Group: "beside", What: "tags, MP4 to TS", Make: []string{"-metadata title=A -metadata comment=B a.mp4"}, To: ".ts", Says: "the file: its tags comment, title, which mpegts has no place for", Differs: []string{`the file: tag comment is "", not "B"`, `the file: tag title is "", not "A"`}},
		{Group: "beside", What: "text subtitles, MP4", Make: []string{"-i {texts} -map 0:v -map 1:a -map 2:s -c:s mov_text -metadata:s:s:0 language=spa a.mp4"}},
		{Group: "beside", What: "text subtitles (SRT), Matroska", Make: []string{"-i {texts} -map 0:v -map 1:a -map 2:s -c:s srt -metadata:s:s:0 language=spa -disposition:s:0 forced a.mkv"}},
		{Group: "beside", What: "text subtitles (ASS) and a font, Matroska", Make: []string{"-i {texts} -map 0:v -map 1:a -map 2:s -c:s ass -attach {font} -metadata:s:t:0 mimetype=font/ttf -metadata:s:t:0 filename=a.ttf a.mkv"}},
		{Group: "beside", What: "text subtitles (SRT), Matroska to MP4", Make: []string{"-i {texts} -map 0:v -map 1:a -map 2:s -c:s srt a.mkv"}, To: ".mp4", Refused: unsupported, Says: "choose another container"},
		{Group: "beside", What: "bitmap subtitles (PGS), Matroska", Make: []string{"-i {bitmaps} -map 0:v -map 1:a -map 2:s -c:s copy a.mkv"}},
		{Group: "beside", What: "bitmap subtitles (DVB), TS", Make: []string{"-i {bitmaps} -map 0:v -map 1:a -map 2:s -c:s dvbsub -metadata:s:s:0 language=spa a.ts"}},
		{Group: "beside", What: "timecode, MOV", Make: []string{"-timecode 01:02:03:04 a.mov"}},
		{Group: "beside", What: "timecode, MP4", Make: []string{"-timecode 01:02:03:04 a.mp4"}},
		{Group: "beside", What: "chapters, MP4", Make: []string{"-i {chapters} -map 0 -map 1 -map_metadata 2 -map_chapters 2 a.mp4"}},
		{Group: "beside", What: "chapters, Matroska", Make: []string{"-i {chapters} -map 0 -map 1 -map_metadata 2 -map_chapters 2 a.mkv"}},
		{Group: "beside", What: "cover art, MP4", Make: []string{"-map 0:v -map 1:a -map 0:v -c:v:1 mjpeg -pix_fmt:v:1 yuvj420p -frames:v:1 1 -disposition:v:1 attached_pic a.mp4"}, Dropped: []int{2}, Says: "stream 2 (video, mjpeg): a still picture"},
		{Group: "beside", What: "data track, TS", Make: []string{"-f data -i {font} -map 0:v -map 1:a -map 2:d -c:d copy a.ts"}},
		{Group: "beside", What: "data track, TS to Matroska", Make: []string{"-f data -i {font} -map 0:v -map 1:a -map 2:d -c:d copy a.ts"}, To: ".mkv", Dropped: []int{2}, Says: "can't hold it"},
		{Group: "beside", What: "closed captions (A/53)", Make: []string{everyPicture + withMessage + " a.mp4"}, Then: captions},
		{Group: "beside", What: "closed captions (A/53), to HEVC", Make: []string{everyPicture + withMessage + " a.mp4"}, Then: captions, Flags: []string{"--codec", "hevc"}},
		{Group: "beside", What: "two videos, one of them empty", Make: []string{"-map 0:v -map 1:a -map 0:v a.mp4"}, Then: emptied, Dropped: []int{2}, Says: "stream 2 (video, h264): the file announces it and has nothing of it"},
		{Group: "beside", What: "two videos", Make: []string{"-map 0:v -map 0:v -map 1:a a.mp4"}, Refused: unsupported, Says: "2 video streams"},

		{Group: "containers", What: "fragmented MP4", Make: []string{"-movflags +frag_keyframe+empty_moov -g 10 a.mp4"}},
		{Group: "containers", What: "MP4, index first", Make: []string{"-movflags +faststart a.mp4"}},
		{Group: "containers", What: "TS to MP4", Make: []string{"a.ts"}, To: ".mp4"},
		{Group: "containers", What: "MP4 to TS", Make: []string{"a.mp4"}, To: ".ts"},
		{Group: "containers", What: "Matroska to MOV", Make: []string{"a.mkv"}, To: ".mov"},
		{Group: "containers", What: "FLV to MP4", Make: []string{"a.flv"}, To: ".mp4"},
		{Group: "containers", What: "recording in TS (HLS) to MP4", Make: []string{"a.ts", "-i a.ts -map 0 -c copy -f hls -hls_time 0.5 -hls_playlist_type vod a.m3u8"}, To: ".mp4"},
		{Group: "containers", What: "recording in fragments (HLS) to MP4", Make: []string{"a.mp4", "-i a.mp4 -map 0 -c copy -f hls -hls_time 0.5 -hls_playlist_type vod -hls_segment_type fmp4 a.m3u8"}, To: ".mp4"},
		{Group: "containers", What: "cut off, MP4", Make: []string{"-movflags +faststart a.mp4"}, Then: half, Refused: invalid, Says: "the file is cut off"},
		{Group: "containers", What: "cut off, Matroska", Make: []string{"a.mkv"}, Then: half, Refused: invalid, Says: "the file is cut off"},
		{Group: "containers", What: "12 bytes too many counted, MP4", Make: []string{"-movflags +faststart a.mp4"}, Then: overcounted},
		{Group: "containers", What: "first key frame missing, TS", Make: []string{"-g 12 a.ts"}, Then: late},
		{Group: "containers", What: "encrypted", Make: []string{"-encryption_scheme cenc-aes-ctr -encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8 a.mp4"}, Refused: unsupported, Says: "stream 0 is encrypted"},

		{Group: "codecs", What: "HEVC, hvc1", Make: []string{hevc + " -tag:v hvc1 a.mp4"}},
		{Group: "codecs", What: "HEVC, hev1", Make: []string{hevc + " -tag:v hev1 a.mp4"}},
		{Group: "codecs", What: "HEVC, TS", Make: []string{hevc + " a.ts"}},
		{Group: "codecs", What: "H.264 as private data, TS to MP4", Make: []string{"a.ts"}, Then: private, To: ".mp4"},
		{Group: "codecs", What: "HEVC as private data, TS", Make: []string{hevc + " a.ts"}, Then: private},
		{Group: "codecs", What: "HEVC to H.264", Make: []string{hevc + " a.mp4"}, Flags: []string{"--codec", "h264"}},
		{Group: "codecs", What: "H.264 to HEVC", Make: []string{"a.mp4"}, Flags: []string{"--codec", "hevc"}},
		{Group: "codecs", What: "MPEG-2, TS", Make: []string{"-c:v mpeg2video -q:v 2 -c:a mp2 a.ts"}},
		{Group: "codecs", What: "MPEG-4 with B-frames, AVI, to MP4", Make: []string{"-c:v mpeg4 -q:v 2 -bf 2 -c:a libmp3lame a.avi"}, To: ".mp4", Untimed: true},
		{Group: "codecs", What: "MPEG-4, AVI, to Matroska", Make: []string{"-c:v mpeg4 -q:v 2 -bf 0 -c:a libmp3lame a.avi"}, To: ".mkv"},
		{Group: "codecs", What: "MJPEG and PCM, AVI, to MOV", Make: []string{"-c:v mjpeg -q:v 2 -pix_fmt yuvj420p -c:a pcm_s16le a.avi"}, To: ".mov"},
		{Group: "codecs", What: "ProRes 422, MOV", Make: []string{"-c:v prores_ks -profile:v standard -pix_fmt yuv422p10le -c:a pcm_s16le a.mov"}},
		{Group: "codecs", What: "VP8 and Vorbis, WebM, to Matroska", Make: []string{"-c:v libvpx -deadline realtime -cpu-used 8 -b:v 4M -c:a libvorbis a.webm"}, To: ".mkv"},
		{Group: "codecs", What: "VP9 and Opus, WebM, to MP4", Make: []string{"-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 4M -c:a libopus a.webm"}, To: ".mp4"},
		{Group: "codecs", What: "AV1 and Opus, WebM, to Matroska", Make: []string{"-t 1 -c:v libaom-av1 -cpu-used 8 -usage realtime -b:v 4M -c:a libopus a.webm"}, To: ".mkv"},
		{Group: "codecs", What: "DV of 625 lines and PCM, AVI, to MOV", Make: []string{pal + " -c:v dvvideo -pix_fmt yuv420p -c:a pcm_s16le a.avi"}, To: ".mov", Encoded: []string{"field order bb, not progressive"}, Why: "kept, and the container says that it is interlaced as well"},
		{Group: "codecs", What: "DV of 525 lines and PCM, MOV", Make: []string{ntsc + " -field_order bb -c:v dvvideo -pix_fmt yuv411p -c:a pcm_s16le a.mov"}, Encoded: []string{"pixel format yuv422p, not yuv411p", "chroma location left, not topleft"}, Why: "kept; each sample of chroma is there twice, as no encoder here writes 4:1:1", PSNR: 38},
		{Group: "codecs", What: "DV without a container, to MOV", Make: []string{pal + " -ac 2 -c:v dvvideo -pix_fmt yuv420p -c:a pcm_s16le a.dv"}, To: ".mov", Encoded: []string{"field order bb, not progressive"}, Why: "kept, and the container says that it is interlaced"},
		{Group: "codecs", What: "DNxHD, MOV", Make: []string{"-vf scale=1280:720 -frames:v 5 -c:v dnxhd -b:v 90M -pix_fmt yuv422p -c:a pcm_s24le a.mov"}},
		{Group: "codecs", What: "DNxHR HQX, MXF, to MOV", Make: []string{"-c:v dnxhd -profile:v dnxhr_hqx -pix_fmt yuv422p10le -c:a pcm_s24le a.mxf"}, To: ".mov"},
		{Group: "codecs", What: "HuffYUV, AVI, to Matroska", Make: []string{"-c:v huffyuv -pix_fmt yuv422p -c:a pcm_s16le a.avi"}, To: ".mkv"},
		{Group: "codecs", What: "FFV1, Matroska", Make: []string{"-c:v ffv1 -c:a flac a.mkv"}},
		{Group: "codecs", What: "FFV1, 12 bit, Matroska", Make: []string{"-c:v ffv1 -pix_fmt yuv422p12le -c:a flac a.mkv"}},
		{Group: "codecs", What: "v210, MOV", Make: []string{"-c:v v210 -c:a pcm_s24le a.mov"}},
		{Group: "codecs", What: "uncompressed (2vuy), MOV", Make: []string{"-c:v rawvideo -pix_fmt uyvy422 -tag:v 2vuy -c:a pcm_s16le a.mov"}, Encoded: []string{"pixel format yuv422p, not uyvy422"}, Why: "kept, with luma and chroma in planes of their own"},
		{Group: "codecs", What: "Theora and Vorbis, Ogg, to Matroska", Make: []string{"-c:v libtheora -q:v 9 -c:a libvorbis a.ogv"}, To: ".mkv", Differs: []string{"everything 0.003 s later"}, Why: "kept, all of it 3 ms later: Matroska has no times below zero"},
		{Group: "codecs", What: "WMV2 and WMA, ASF, to Matroska", Make: []string{"-c:v wmv2 -q:v 2 -c:a wmav2 a.wmv"}, To: ".mkv"},
		{Group: "codecs", What: "MSMPEG4 and MP3, AVI, to Matroska", Make: []string{"-c:v msmpeg4 -q:v 2 -c:a libmp3lame a.avi"}, To: ".mkv"},
		{Group: "codecs", What: "H.263 and AAC, 3GP, to MOV", Make: []string{"-vf scale=352:288 -c:v h263 -q:v 2 a.3gp"}, To: ".mov"},
		{Group: "codecs", What: "Sorenson H.263 and MP3, FLV, to Matroska", Make: []string{"-c:v flv -q:v 2 -c:a libmp3lame -ar 44100 a.flv"}, To: ".mkv"},
		{Group: "containers", What: "MPEG-2 and MP2, MPEG-PS, to Matroska", Make: []string{"-c:v mpeg2video -q:v 2 -c:a mp2 a.mpg"}, To: ".mkv"},
		{Group: "containers", What: "MPEG-2 and AC-3, VOB, to Matroska", Make: []string{"-c:v mpeg2video -q:v 2 -c:a ac3 a.vob"}, To: ".mkv"},
		{Group: "containers", What: "MPEG-1, MPEG-PS, to MP4", Make: []string{"-c:v mpeg1video -q:v 2 -c:a libmp3lame -f mpeg a.mpg"}, To: ".mp4"},
		{Group: "containers", What: "MPEG-2 and PCM, MXF, to MOV", Make: []string{"-c:v mpeg2video -q:v 2 -c:a pcm_s16le a.mxf"}, To: ".mov"},
		{Group: "containers", What: "cut off, MXF", Make: []string{"-c:v mpeg2video -q:v 2 -c:a pcm_s16le a.mxf"}, To: ".mov", Then: half, Refused: invalid, Says: "the file is cut off"},
		{Group: "containers", What: "cut off, ASF", Make: []string{"-c:v wmv2 -q:v 2 -c:a wmav2 a.wmv"}, To: ".mkv", Then: half, Refused: invalid, Says: "the file is cut off"},
		{Group: "sound", What: "µ-law, Matroska", Make: []string{"-c:a pcm_mulaw -ar 8000 a.mkv"}},
		{Group: "sound", What: "A-law, MOV to Matroska", Make: []string{"-c:a pcm_alaw -ar 8000 a.mov"}, To: ".mkv"},
		{Group: "sound", What: "ADPCM (IMA), WAV's, Matroska", Make: []string{"-c:a adpcm_ima_wav a.mkv"}},
		{Group: "sound", What: "ADPCM (IMA), QuickTime's, MOV", Make: []string{"-c:a adpcm_ima_qt a.mov"}},
		{Group: "sound", What: "G.726, Matroska", Make: []string{"-c:a g726 -ar 8000 a.mkv"}},
		{Group: "sound", What: "PCM, big-endian, MOV to Matroska", Make: []string{"-c:a pcm_s24be a.mov"}, To: ".mkv"},
	}
}

// Name is what a case's test is called.
func (c Case) Name() string { return c.Group + "/" + c.What }

// Written makes the case's file in a folder with the ffmpeg of Debian, and with our own
// build, and returns it.
func (c Case) Written(folder, own string) (source string, err error) {
	helpers, err := writeHelpers(folder)
	if err != nil {
		return "", err
	}
	for _, line := range c.Make {
		program := "ffmpeg"
		if rest, ok := strings.CutPrefix(line, "own "); ok {
			program, line = own, rest
		}
		words := strings.Fields(line)
		name := words[len(words)-1]
		source = filepath.Join(folder, name)
		args := []string{"-v", "error", "-nostdin", "-y"}
		if !generated(words) {
			args = append(args, strings.Fields(picture+" "+tone)...)
			words = beforeOutput(words)
		}
		for _, w := range words {
			args = append(args, helpers.Replace(w))
		}
		cmd := exec.Command(program, args...)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, out)
		}
	}
	if c.Then == nil {
		return source, nil
	}
	body, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	return source, os.WriteFile(source, c.Then(body), 0o600)
}

// generated reports whether a line has a video of its own for an input.
func generated(words []string) bool {
	for i, w := range words {
		if w == "-i" && !strings.HasPrefix(words[i+1], "{") {
			return true
		}
	}
	return false
}

// beforeOutput puts the usual codecs before a line's own options, and after its inputs.
func beforeOutput(words []string) []string {
	inputs := 0
	for i, w := range words {
		if w == "-i" {
			inputs = i + 2
		}
	}
	out := append([]string{}, words[:inputs]...)
	return append(append(out, strings.Fields(usual)...), words[inputs:]...)
}

// writeHelpers writes what some of the lines name in braces.
func writeHelpers(folder string) (*strings.Replacer, error) {
	var names []string
	for name, body := range map[string]string{
		"texts.srt":    "1\n00:00:00,200 --> 00:00:00,900\nFirst\n\n2\n00:00:01,100 --> 00:00:01,800\nSecond, and café\n\n",
		"bitmaps.sup":  bitmaps(),
		"chapters.txt": ";FFMETADATA1\ntitle=Whole\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=800\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=800\nEND=2000\ntitle=Two\n",
		"font.ttf":     "no font, but who would look",
	} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			return nil, err
		}
		names = append(names, "{"+strings.TrimSuffix(name, filepath.Ext(name))+"}", path)
	}
	return strings.NewReplacer(names...), nil
}

// bitmaps is a subtitle in PGS, as Blu-ray discs have it: a small square, shown for
// a second.
func bitmaps() string {
	var out bytes.Buffer
	segment := func(at time90k, kind byte, body []byte) {
		out.WriteString("PG")
		binary.Write(&out, binary.BigEndian, uint32(at))
		binary.Write(&out, binary.BigEndian, uint32(0))
		out.WriteByte(kind)
		binary.Write(&out, binary.BigEndian, uint16(len(body)))
		out.Write(body)
	}
	const begin, end = time90k(27_000), time90k(117_000)
	window := []byte{1, 0, 0, 16, 0, 16, 0, 8, 0, 8}
	object := bytes.Repeat([]byte{1, 1, 1, 1, 1, 1, 1, 1, 0, 0}, 8) // eight pixels of colour 1, and the end of the row
	segment(begin, 0x16, []byte{0x01, 0x40, 0x00, 0xb4, 0x10, 0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 16, 0, 16})
	segment(begin, 0x17, window)
	segment(begin, 0x14, []byte{0, 0, 1, 200, 128, 128, 255})
	segment(begin, 0x15, append([]byte{0, 0, 0, 0xc0, 0, 0, byte(len(object) + 4), 0, 8, 0, 8}, object...))
	segment(begin, 0x80, nil)
	segment(end, 0x16, []byte{0x01, 0x40, 0x00, 0xb4, 0x10, 0, 2, 0, 0, 0, 0})
	segment(end, 0x17, window)
	segment(end, 0x80, nil)
	return out.String()
}

type time90k uint32

// dolbyVision has a box of a sample entry say that the video is of that kind.
func dolbyVision(body []byte) []byte {
	at := bytes.Index(body, []byte("btrt"))
	copy(body[at:], "dvcC\x01\x00\x0a\x35\x10\x00\x00\x00\x00\x00\x00\x00")
	return body
}

// dynamicHDR makes two of the message that x265 has on itself: one as SMPTE ST 2094-40
// has it, of one window and with no curve for its tones, and what is left of x265's.
func dynamicHDR(body []byte) []byte {
	const windows = "\xb5\x00\x3c\x00\x01\x04\x01UUUQUUUUUUUU\x41U\x15"
	text := bytes.Index(body, []byte("\x2c\xa2\xde\x09\xb5\x17\x47\xdb\xbb\x55\xa4\xfe\x7f\xc2\xfc\x4e"))
	kind := text - 2
	for body[kind] == 0xff { // the length: 255 for each of these, and the last byte
		kind--
	}
	end := text + 255*(text-kind-2) + int(body[text-1])
	// A longer first message has the second begin later, until its length can be said.
	for first := len(windows); ; first++ {
		begin := kind + 2 + first
		long := (end - begin - 2) / 256
		if length := end - begin - 2 - long; length/255 == long {
			copy(body[kind:], "\x04"+string(rune(first))+windows) // user_data_registered_itu_t_t35
			copy(body[begin:], "\x05"+strings.Repeat("\xff", long)+string([]byte{byte(length % 255)}))
			return body
		}
	}
}

// private has a transport stream say of none of its streams what it is: of each that it is
// private data, with no descriptor (ISO/IEC 13818-1, 2.4.4.8).
func private(body []byte) []byte { return declared(body, 0x06, 0x06) }

// unknown has a transport stream say of its sound that it is of a type of somebody's own.
func unknown(body []byte) []byte { return declared(body, 0x02, 0x82) }

// declared has a transport stream say of its video and of all else of which types they are,
// with no descriptor.
func declared(body []byte, video, other byte) []byte {
	const pid, header, loop = 0x1000, 5, 12
	for at := 0; at+188 <= len(body); at += 188 {
		packet := body[at:][:188]
		if binary.BigEndian.Uint16(packet[1:])&0x1fff != pid {
			continue
		}
		table := packet[header:]
		end := 3 + int(binary.BigEndian.Uint16(table[1:])&0xfff) - 4 // its checksum
		in := loop + int(binary.BigEndian.Uint16(table[10:])&0xfff)
		out := in
		for kind := video; in < end; kind = other {
			descriptors := int(binary.BigEndian.Uint16(table[in+3:]) & 0xfff)
			copy(table[out:], []byte{kind, table[in+1], table[in+2], 0xf0, 0x00})
			in, out = in+5+descriptors, out+5
		}
		binary.BigEndian.PutUint16(table[1:], 0xb000|uint16(out+4-3))
		binary.BigEndian.PutUint32(table[out:], checksum(table[:out]))
		for i := out + 4; i < len(table); i++ {
			table[i] = 0xff
		}
	}
	return body
}

// checksum is that of tables in transport streams (ISO/IEC 13818-1, annex A).
func checksum(table []byte) uint32 {
	sum := ^uint32(0)
	for _, b := range table {
		sum ^= uint32(b) << 24
		for range 8 {
			if sum>>31 == 1 {
				sum = sum<<1 ^ 0x04c11db7
			} else {
				sum <<= 1
			}
		}
	}
	return sum
}

// longer has the file say that it lasts for hours.
func longer(body []byte) []byte {
	at := bytes.Index(body, []byte("mvhd"))
	binary.BigEndian.PutUint32(body[at+20:], 100_000_000)
	return body
}

func half(body []byte) []byte { return body[:len(body)/2] }

// late cuts a transport stream so that it begins in the middle of a group of pictures.
func late(body []byte) []byte {
	tables := 3 * 188
	return append(bytes.Clone(body[:tables]), body[20*188:]...)
}

// unheard leaves the packets of the sound out of a transport stream that ffmpeg made.
func unheard(body []byte) []byte {
	var kept []byte
	for ; len(body) >= 188; body = body[188:] {
		if binary.BigEndian.Uint16(body[1:])&0x1fff != 0x101 {
			kept = append(kept, body[:188]...)
		}
	}
	return kept
}

// emptied has the last track of an MP4 have no samples.
func emptied(body []byte) []byte {
	track := bytes.LastIndex(body, []byte("trak"))
	for _, table := range []string{"stts", "stss", "ctts", "stsc", "stco", "stsz"} {
		at := bytes.Index(body[track:], []byte(table))
		if at < 0 {
			continue
		}
		at += track + 8
		if table == "stsz" { // which has the size of all of them first
			at += 4
		}
		clear(body[at : at+4])
	}
	return body
}

// overcounted has the last box of an MP4 end after the file does.
func overcounted(body []byte) []byte {
	at := bytes.LastIndex(body, []byte("mdat")) - 4
	binary.BigEndian.PutUint32(body[at:], binary.BigEndian.Uint32(body[at:])+12)
	return body
}

// captions makes closed captions of the messages that withMessage adds (ATSC A/53 Part 4,
// 6.2.3), others for each picture.
func captions(body []byte) []byte {
	const size = 44
	id := []byte("\x08\x6f\x36\x93\xb7\xb3\x4f\x2c\x96\x53\x21\x49\x2f\xee\xe5\xb8")
	for n, at := 0, 0; ; n++ {
		next := bytes.Index(body[at:], id)
		if next < 0 {
			return body
		}
		at += next
		const count = (size - 11) / 3
		message := append([]byte("\xb5\x00\x31GA94\x03"), 0x40|count, 0xff)
		for k := range count {
			message = append(message, 0xfc, byte(0x20+n%90), byte(0x20+(7*n+k)%90))
		}
		body[at-2] = 4 // user_data_registered_itu_t_t35
		copy(body[at:], append(message, 0xff))
		at += size
	}
}

// sphere has the sample entry of an MP4's video say that its pictures are of all around
// (Google, Spherical Video V2 RFC). The index is behind the samples, so they stay.
func sphere(body []byte) []byte {
	box := func(kind string, content ...[]byte) []byte {
		all := bytes.Join(content, nil)
		return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(all))), kind...), all...)
	}
	zeros := make([]byte, 20)
	added := box("sv3d", box("svhd", zeros[:4], []byte("camera\x00")),
		box("proj", box("prhd", zeros[:16]), box("equi", zeros)))
	at := bytes.Index(body, []byte("btrt")) - 4
	size := bytes.LastIndex(body, []byte("moov")) - 4
	for _, kind := range []string{"moov", "trak", "mdia", "minf", "stbl", "stsd", "avc1"} {
		size += bytes.Index(body[size:], []byte(kind)) - 4
		binary.BigEndian.PutUint32(body[size:], binary.BigEndian.Uint32(body[size:])+uint32(len(added)))
	}
	return slices.Concat(body[:at], added, body[at:])
}
