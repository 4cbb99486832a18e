// Package ffmpeg says what is to be done with one media file and has a child
// process do it. The child is this very binary; libav lives only there, so a
// file that crashes or stalls it costs one job and not the worker. This package
// needs no C.
package ffmpeg

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// An Op is what the child does with its input.
type Op string

const (
	// OpProbe reads what the file says of itself.
	OpProbe Op = "probe"
	// OpDetect decodes the video and looks for faces in it.
	OpDetect Op = "detect"
	// OpMosaic decodes the video, covers the tracks and writes the output.
	OpMosaic Op = "mosaic"
	// OpRemux writes the output without decoding anything.
	OpRemux Op = "remux"
	// OpPictures decodes the video and writes some of its pictures as JPEG files.
	OpPictures Op = "pictures"
)

// Formats maps an output file's extension to the name of libav's muxer.
var Formats = map[string]string{
	".mp4": "mp4",
	".m4v": "mp4",
	".mov": "mov",
	".mkv": "matroska",
	".ts":  "mpegts",
}

// A Spec is one piece of work for the child. It reaches it as JSON on its
// standard input.
type Spec struct {
	Op    Op     `json:"op"`
	Input string `json:"input"` // a local file

	// Output and the fields below it are for OpMosaic, and the first four of them
	// for OpRemux. The child creates or
	// truncates Output; on failure it may leave a half-written file there. Of
	// OpPictures Output is an existing folder.
	Output string `json:"output,omitempty"`
	Format string `json:"format,omitempty"` // a value of Formats
	// Otherwise are the containers to take instead, in this order, where Format has no
	// place for something that the source has. The report says which it became.
	Otherwise []string `json:"otherwise,omitempty"`
	// DropStreams allows to leave out video, sound and subtitles that the container can't hold.
	DropStreams bool `json:"dropStreams,omitempty"`
	// ConvertSubtitles allows to turn text subtitles that the container can't hold into the
	// kind that it can.
	ConvertSubtitles bool `json:"convertSubtitles,omitempty"`
	// Tracks is what to cover when, as package faces wrote it. This package and
	// libav's hand it on unread.
	Tracks json.RawMessage `json:"tracks,omitempty"`
	Style  string          `json:"style,omitempty"`  // mosaic, blur or fill
	Blocks int             `json:"blocks,omitempty"` // cells across the longer side of a box, at least 1
	Video  Video           `json:"video"`

	// Every is, for OpDetect and OpPictures, the time between two looks, in
	// milliseconds.
	Every int64 `json:"everyMs,omitempty"`
	// At are, for OpPictures instead of Every, the times of the pictures, rising, in
	// milliseconds from the first frame. Each is of the first frame from then on; where
	// two would be of the same frame there is one.
	At []int64 `json:"atMs,omitempty"`
	// MaxSide is, for OpPictures, what the longer side is shrunk to, in pixels; 0: it
	// is not.
	MaxSide int `json:"maxSide,omitempty"`

	// Sandbox says how the child shuts itself in. Engine sets it.
	Sandbox Sandbox `json:"sandbox,omitzero"`
}

// reader reads s as JSON. The tracks, which can be hundreds of megabytes, are not copied.
func (s Spec) reader() (io.Reader, error) {
	tracks := s.Tracks
	s.Tracks = nil
	head, err := json.Marshal(s)
	if err != nil || tracks == nil {
		return bytes.NewReader(head), err
	}
	return io.MultiReader(
		bytes.NewReader(bytes.TrimSuffix(head, []byte("}"))), strings.NewReader(`,"tracks":`), bytes.NewReader(tracks), strings.NewReader("}"),
	), nil
}

// Sandbox is what the child may use up; 0 is no limit.
type Sandbox struct {
	Off         bool   `json:"off,omitempty"`         // it has no sandbox, only the limits
	MemoryBytes uint64 `json:"memoryBytes,omitempty"` // of address space
	CPUSeconds  uint64 `json:"cpuSeconds,omitempty"`  // of all threads together
	FileBytes   uint64 `json:"fileBytes,omitempty"`   // of a file that it writes
}

// Video holds the settings of the video encoder: x264 or x265.
type Video struct {
	Codec   string `json:"codec,omitempty"`   // one of Codecs; empty is CodecAuto
	Preset  string `json:"preset,omitempty"`  // one of Presets; empty is the encoder's own (medium)
	CRF     int    `json:"crf"`               // constant rate factor, 0 (lossless in 8 bit) to 51
	Threads int    `json:"threads,omitempty"` // 0: one for each core
}

// Codecs of the video that the engine writes.
const (
	CodecAuto = "auto" // HEVC of HEVC and of what H.264 can't hold, and H.264 of all else
	CodecH264 = "h264"
	CodecHEVC = "hevc"
)

// Codecs are all of them.
var Codecs = []string{CodecAuto, CodecH264, CodecHEVC}

// Presets are those of x264 and of x265, fastest first.
var Presets = []string{
	"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
}

// Progress says how far the child has come. Counts never shrink.
type Progress struct {
	Frames   int64   `json:"frames"`                    // video frames written, or looked through
	Position float64 `json:"positionSeconds"`           // of the last one, from the start of the video
	Duration float64 `json:"durationSeconds,omitempty"` // of the video, as its container says; 0: it doesn't
}

// A Report is what the child did.
type Report struct {
	Source Media `json:"source"`
	Output Media `json:"output,omitzero"` // OpMosaic, OpRemux

	Frames        int64 `json:"frames"`        // video frames decoded; of OpRemux: packets
	FramesCovered int64 `json:"framesCovered"` // frames with at least one cover
	DecodeErrors  int64 `json:"decodeErrors"`  // packets that the decoder refused, and frames that it could not make whole
	// Dropped names each stream of the source that is not in the output, and why.
	Dropped []string `json:"dropped,omitempty"`
	// Repaired are the streams of which single timestamps were.
	Repaired []Repair `json:"repaired,omitempty"`
	// Detections is what OpDetect found, as package faces reads it.
	Detections json.RawMessage `json:"detections,omitempty"`
	// Pictures are what OpPictures wrote, in order of time.
	Pictures []Picture `json:"pictures,omitempty"`
}

// A Repair says which timestamps of a stream were made to fit those before and after them.
type Repair struct {
	Stream       int     `json:"stream"`
	Timestamps   int64   `json:"timestamps"`   // how many
	FirstSeconds float64 `json:"firstSeconds"` // the first of them, as it was
	What         string  `json:"what"`         // all that in words
}

// A Picture is one of a video.
type Picture struct {
	At   int64  `json:"atMs"` // from the first frame
	Name string `json:"name"` // of the file, in Output
}

// Media is what a file says of itself.
type Media struct {
	Format   string  `json:"format"`          // libav's name of the demuxer or muxer
	Duration float64 `json:"durationSeconds"` // of the video; 0 when the file doesn't say
	// FileDuration is that of the longest stream; 0 when the file doesn't say.
	FileDuration float64 `json:"fileDurationSeconds,omitempty"`
	// Start is when players show the first frame, in seconds; only OpDetect and OpPictures
	// tell.
	Start  float64 `json:"startSeconds,omitempty"`
	Codec  string  `json:"codec"`
	Pixels string  `json:"pixelFormat"`
	// Width and Height are as displayed: swapped where Rotation is 90 or 270.
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	Rotation  int     `json:"rotation,omitempty"` // degrees clockwise that a player turns the picture by
	FrameRate float64 `json:"frameRate,omitempty"`
	// VariableRate is set where FrameRate is only the average, or the frames are interlaced.
	VariableRate bool `json:"variableRate,omitempty"`
	Streams      int  `json:"streams"`
}
