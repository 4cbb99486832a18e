package event

import (
	"fmt"
	"slices"
	"strings"
)

// Options are how the faces are covered and the video is encoded. What is not set
// is the worker's own setting.
type Options struct {
	Style  string   // mosaic, blur or fill
	Blocks *int     // cells across the longer side of a box, 2 to MaxBlocks, or to 64 with AllowWeak
	Margin *float64 // how much a box grows on every side, as a fraction of its size, 0 to 2
	Codec  string   // of the output: auto, h264 or hevc
	Preset string   // the encoder's, ultrafast to placebo
	CRF    *int     // the encoder's constant rate factor, 0 (best) to 51
	// AllowWeak takes more than MaxBlocks.
	AllowWeak bool
	Cover     string // all, strangers or listed: who is covered, by the matches of a face search
	// Similarity is the least with which a face counts as one of the collection, 1 to
	// 100 percent.
	Similarity *float64
	Collection string // of Rekognition, whose faces are searched for
	// DropStreams allows to leave out sound and subtitles that the output's container can't
	// hold.
	DropStreams bool
	// Subtitles says what becomes of text subtitles that the output's container can't hold:
	// keep, and thus none, or convert.
	Subtitles string
	// Sheet asks for a picture beside the output that shows what was covered.
	Sheet bool
}

// MaxBlocks is how many cells a mosaic may have across the longer side of a face.
// From finer ones a face can be made out again.
const MaxBlocks = 8

var (
	codecs    = []string{"auto", "h264", "hevc"}
	subtitles = []string{"keep", "convert"}
	covers    = []string{"all", "strangers", "listed"}
	styles    = []string{"mosaic", "blur", "fill"}
	presets   = []string{"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"}
)

// optionReaders read the Options of a T.
func optionReaders[T any](of func(*T) *Options) []reader[T] {
	return []reader[T]{
		{"style", false, func(t *T, f field) error { return f.filled(&of(t).Style) }},
		{"blocks", false, func(t *T, f field) error { of(t).Blocks = new(int); return f.integer(of(t).Blocks) }},
		{"margin", false, func(t *T, f field) error { of(t).Margin = new(float64); return f.number(of(t).Margin) }},
		{"codec", false, func(t *T, f field) error { return f.filled(&of(t).Codec) }},
		{"preset", false, func(t *T, f field) error { return f.filled(&of(t).Preset) }},
		{"crf", false, func(t *T, f field) error { of(t).CRF = new(int); return f.integer(of(t).CRF) }},
		{"allowWeak", false, func(t *T, f field) error { return f.truth(&of(t).AllowWeak) }},
		{"cover", false, func(t *T, f field) error { return f.filled(&of(t).Cover) }},
		{"similarity", false, func(t *T, f field) error { of(t).Similarity = new(float64); return f.number(of(t).Similarity) }},
		{"collection", false, func(t *T, f field) error { return f.filled(&of(t).Collection) }},
		{"dropStreams", false, func(t *T, f field) error { return f.truth(&of(t).DropStreams) }},
		{"subtitles", false, func(t *T, f field) error { return f.filled(&of(t).Subtitles) }},
		{"sheet", false, func(t *T, f field) error { return f.truth(&of(t).Sheet) }},
	}
}

func (o Options) validate() error {
	switch {
	case o.Style != "" && !slices.Contains(styles, o.Style):
		return &InvalidError{"style", "must be one of " + strings.Join(styles, ", "), quote(o.Style)}
	case o.Blocks != nil && (*o.Blocks < 2 || *o.Blocks > 64):
		return &InvalidError{"blocks", "must be 2 to 64", fmt.Sprint(*o.Blocks)}
	case o.Blocks != nil && *o.Blocks > MaxBlocks && !o.AllowWeak:
		return &InvalidError{"blocks", fmt.Sprintf("must be 2 to %d, as a face can be made out again from finer cells; \"allowWeak\": true takes them", MaxBlocks), fmt.Sprint(*o.Blocks)}
	case o.Margin != nil && !(*o.Margin >= 0 && *o.Margin <= 2): // NaN is neither
		return &InvalidError{"margin", "must be 0 to 2", fmt.Sprint(*o.Margin)}
	case o.Codec != "" && !slices.Contains(codecs, o.Codec):
		return &InvalidError{"codec", "must be one of " + strings.Join(codecs, ", "), quote(o.Codec)}
	case o.Preset != "" && !slices.Contains(presets, o.Preset):
		return &InvalidError{"preset", "must be one of " + strings.Join(presets, ", "), quote(o.Preset)}
	case o.CRF != nil && (*o.CRF < 0 || *o.CRF > 51):
		return &InvalidError{"crf", "must be 0 to 51", fmt.Sprint(*o.CRF)}
	case o.Cover != "" && !slices.Contains(covers, o.Cover):
		return &InvalidError{"cover", "must be one of " + strings.Join(covers, ", "), quote(o.Cover)}
	case o.Subtitles != "" && !slices.Contains(subtitles, o.Subtitles):
		return &InvalidError{"subtitles", "must be one of " + strings.Join(subtitles, ", "), quote(o.Subtitles)}
	case o.Similarity != nil && !(*o.Similarity >= 1 && *o.Similarity <= 100):
		return &InvalidError{"similarity", "must be 1 to 100", fmt.Sprint(*o.Similarity)}
	case o.Collection != "" && !collectionID.MatchString(o.Collection):
		return &InvalidError{"collection", collectionReason, quote(o.Collection)}
	}
	return nil
}
