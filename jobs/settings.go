package jobs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

// A Detector says who looks for faces.
type Detector string

const (
	// DetectorBuiltin looks for faces in the engine, in a pass of its own.
	DetectorBuiltin Detector = "builtin"
	// DetectorRekognition asks Amazon Rekognition, which says by a message when it
	// is done.
	DetectorRekognition Detector = "rekognition"
	// DetectorNone looks for none: nothing is covered.
	DetectorNone Detector = "none"
)

// What becomes of text subtitles that the container of the output can't hold.
const (
	SubtitlesKeep    = "keep"    // they are not changed
	SubtitlesConvert = "convert" // they are turned into the kind that it can
)

// Settings say how faces are covered and how the video is encoded.
type Settings struct {
	Style   string  `json:"style"`             // mosaic, blur or fill. Defaults to mosaic.
	Blocks  int     `json:"blocks"`            // cells across the longer side of a box, 2 to 8, or to 64 with AllowWeak. Defaults to 8.
	Margin  float64 `json:"margin"`            // how much a box grows on every side, as a fraction of its size, 0 to 2. Defaults to 0.15.
	Codec   string  `json:"codec,omitempty"`   // of the output: auto (HEVC of HEVC, H.264 of all else), h264 or hevc. Defaults to auto.
	Preset  string  `json:"preset"`            // the encoder's, ultrafast to placebo. Defaults to medium.
	CRF     int     `json:"crf"`               // the encoder's constant rate factor, 0 (best) to 51. Defaults to 20.
	Threads int     `json:"threads,omitempty"` // of the encoder and of the decoder; 0 is one for each core. Defaults to 0.
	// AllowWeak takes more than event.MaxBlocks cells.
	AllowWeak bool `json:"allowWeak,omitempty"`
	// Cover says who is covered, by the matches of a face search: all, strangers or
	// listed. Defaults to all.
	Cover string `json:"cover,omitempty"`
	// Similarity is the least with which a face counts as one of the collection, 1
	// to 100 percent. Defaults to 80.
	Similarity float64 `json:"similarity,omitempty"`
	// Collection is the one of Rekognition whose faces are searched for; empty: only
	// where faces are is asked, and not whose they are.
	Collection string `json:"collection,omitempty"`
	// DropStreams allows to leave out sound and subtitles that the output's container can't
	// hold. Of a remux as well.
	DropStreams bool `json:"dropStreams,omitempty"`
	// Subtitles says what becomes of text subtitles that the output's container can't hold:
	// keep, by which the job fails, or convert. Defaults to keep. Of a remux as well.
	Subtitles string `json:"subtitles,omitempty"`
	// Sheet writes a picture beside the output that shows what was covered.
	Sheet bool `json:"sheet,omitempty"`
}

// covers are how detections become tracks.
func (s Settings) covers() faces.Options {
	return faces.Options{Margin: s.Margin, Cover: s.Cover, Similarity: s.Similarity}
}

// all reports whether everybody is covered.
func (s Settings) all() bool { return s.Cover == "" || s.Cover == faces.CoverAll }

// DefaultSettings returns the Settings of somebody who asked for nothing.
func DefaultSettings() Settings {
	return Settings{Style: "mosaic", Blocks: 8, Margin: faces.DefaultMargin, Preset: "medium", CRF: 20}
}

// Validate returns an error that names the first field out of its range.
func (s Settings) Validate() error {
	styles := []string{"mosaic", "blur", "fill"}
	switch {
	case !slices.Contains(styles, s.Style):
		return fmt.Errorf("style: must be one of %s (got %q)", strings.Join(styles, ", "), s.Style)
	case s.Blocks < 2 || s.Blocks > 64:
		return fmt.Errorf("blocks: must be 2 to 64 (got %d)", s.Blocks)
	case s.Blocks > event.MaxBlocks && !s.AllowWeak:
		return fmt.Errorf("blocks: must be 2 to %d, as a face can be made out again from finer cells; allow-weak takes them (got %d)", event.MaxBlocks, s.Blocks)
	case !(s.Margin >= 0 && s.Margin <= 2):
		return fmt.Errorf("margin: must be 0 to 2 (got %v)", s.Margin)
	case s.Codec != "" && !slices.Contains(ffmpeg.Codecs, s.Codec):
		return fmt.Errorf("codec: must be one of %s (got %q)", strings.Join(ffmpeg.Codecs, ", "), s.Codec)
	case !slices.Contains(ffmpeg.Presets, s.Preset):
		return fmt.Errorf("preset: must be one of %s (got %q)", strings.Join(ffmpeg.Presets, ", "), s.Preset)
	case s.CRF < 0 || s.CRF > 51:
		return fmt.Errorf("crf: must be 0 to 51 (got %d)", s.CRF)
	case s.covers().Validate() != nil:
		return s.covers().Validate()
	case s.Collection != "" && event.ValidateCollection(s.Collection) != nil:
		return event.ValidateCollection(s.Collection)
	case s.Subtitles != "" && s.Subtitles != SubtitlesKeep && s.Subtitles != SubtitlesConvert:
		return fmt.Errorf("subtitles: must be %s or %s (got %q)", SubtitlesKeep, SubtitlesConvert, s.Subtitles)
	case s.Threads < 0 || s.Threads > 256:
		return fmt.Errorf("threads: must be 0 to 256 (got %d)", s.Threads)
	}
	return nil
}
