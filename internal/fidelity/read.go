package fidelity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// A File is what ffprobe says of a video.
type File struct {
	Path     string `json:"-"`
	Format   Format
	Streams  []Stream
	Chapters []Chapter
	Frames   []Frame // of the first video that is no still picture
	// Captions are closed captions in its pictures: when, and a hash of them.
	Captions []Packet `json:"-"`
}

type Format struct {
	Name string            `json:"format_name"`
	Tags map[string]string `json:"tags"`
}

type Stream struct {
	Index          int               `json:"index"`
	Type           string            `json:"codec_type"`
	Codec          string            `json:"codec_name"`
	Tag            string            `json:"codec_tag_string"`
	Width          int               `json:"width"`
	Height         int               `json:"height"`
	PixelFormat    string            `json:"pix_fmt"`
	Range          string            `json:"color_range"`
	Space          string            `json:"color_space"`
	Transfer       string            `json:"color_transfer"`
	Primaries      string            `json:"color_primaries"`
	ChromaLocation string            `json:"chroma_location"`
	FieldOrder     string            `json:"field_order"`
	AspectRatio    string            `json:"sample_aspect_ratio"`
	SampleRate     string            `json:"sample_rate"`
	Layout         string            `json:"channel_layout"`
	Channels       int               `json:"channels"`
	ExtraSize      int               `json:"extradata_size"`
	Disposition    map[string]int    `json:"disposition"`
	Tags           map[string]string `json:"tags"`
	SideData       []map[string]any  `json:"side_data_list"`
	Packets        []Packet          `json:"-"`
}

// still reports whether a stream is a picture beside the video.
func (s Stream) still() bool {
	return s.Disposition["attached_pic"] == 1 || s.Disposition["timed_thumbnails"] == 1
}

type Packet struct {
	Stream   int              `json:"stream_index"`
	PTS      string           `json:"pts_time"`
	Hash     string           `json:"data_hash"`
	SideData []map[string]any `json:"side_data_list"`
}

type Chapter struct {
	Start string            `json:"start_time"`
	End   string            `json:"end_time"`
	Tags  map[string]string `json:"tags"`
}

type Frame struct {
	PTS        string           `json:"best_effort_timestamp_time"`
	Width      int              `json:"width"`
	Height     int              `json:"height"`
	Interlaced int              `json:"interlaced_frame"`
	TopFirst   int              `json:"top_field_first"`
	SideData   []map[string]any `json:"side_data_list"`
}

// seconds reads a time as ffprobe prints it; ok is false where there is none.
func seconds(s string) (v float64, ok bool) {
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// Read asks ffprobe what a file holds: its streams, each of their packets with a hash
// of its payload, and each frame of the video.
func Read(path string) (File, error) {
	var f struct {
		File
		Packets []Packet `json:"packets"`
	}
	if err := ffprobe(&f, path, "-show_format", "-show_streams", "-show_chapters", "-show_packets", "-show_data_hash", "MD5"); err != nil {
		return File{}, err
	}
	for _, p := range f.Packets {
		if p.Stream < len(f.Streams) {
			f.Streams[p.Stream].Packets = append(f.Streams[p.Stream].Packets, p)
		}
	}
	f.Path = path
	video := f.video()
	if video == nil {
		return f.File, nil
	}
	if err := ffprobe(&f.File, path, "-select_streams", strconv.Itoa(video.Index), "-show_frames"); err != nil {
		return File{}, err
	}
	captioned := slices.ContainsFunc(f.Frames, func(frame Frame) bool {
		return slices.ContainsFunc(frame.SideData, func(data map[string]any) bool {
			return strings.HasPrefix(fmt.Sprint(data["side_data_type"]), "ATSC A53")
		})
	})
	if !captioned {
		return f.File, nil
	}
	var texts struct {
		Packets []Packet `json:"packets"`
	}
	err := ffprobe(&texts, "movie='"+path+"'[out+subcc]", "-f", "lavfi", "-select_streams", "s", "-show_packets", "-show_data_hash", "MD5")
	f.Captions = texts.Packets
	return f.File, err
}

func ffprobe(to any, path string, args ...string) error {
	out, err := run("ffprobe", append([]string{"-v", "quiet", "-of", "json"}, append(args, path)...)...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, to); err != nil {
		return fmt.Errorf("read what ffprobe says of %s: %w", path, err)
	}
	return nil
}

func run(name string, args ...string) ([]byte, error) {
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %q: %w: %s", name, args, err, errs.Bytes())
	}
	return out.Bytes(), nil
}

func (f File) video() *Stream {
	for i, s := range f.Streams {
		if s.Type == "video" && !s.still() {
			return &f.Streams[i]
		}
	}
	return nil
}
