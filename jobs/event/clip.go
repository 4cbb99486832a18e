package event

import (
	"fmt"
	"regexp"
	"strings"
)

// A Clip is a part of a video, or all of it.
type Clip struct {
	Source Location `json:"source,omitzero"` // whose Bucket is empty: the job's own source
	// Start and End are timecodes, HH:MM:SS:FF, or HH:MM:SS;FF for drop-frame. The
	// frame at End is the last one of the clip. Empty: from the beginning, to the
	// end.
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
}

// ValidateClips returns an *InvalidError that names the first field, as in
// clips[2].end, that can't be. Clips of one source that follow each other must be
// in the order of time and not overlap, as MediaConvert takes them from one
// input; where another source is in between, they may be any. A single clip must
// not be all of the job's own source.
// https://docs.aws.amazon.com/mediaconvert/latest/ug/assembling-multiple-inputs-and-input-clips.html
func ValidateClips(clips []Clip) error {
	for i, c := range clips {
		path := fmt.Sprintf("clips[%d].", i)
		if err := c.validate(path); err != nil {
			return err
		}
		if i > 0 && c.Source == clips[i-1].Source && !c.follows(clips[i-1]) {
			return &InvalidError{path + "start", "must be after the end of the clip before it, which is of the same video", quote(c.Start)}
		}
	}
	if len(clips) == 1 && clips[0].whole() {
		return &InvalidError{"clips[0]", "must have a start, an end or another video: this is all of the video", ""}
	}
	return nil
}

// whole reports whether nothing is cut and nothing joined.
func (c Clip) whole() bool { return c.Source == Location{} && c.Start == "" && toEnd(c.End) }

// validate judges a clip by itself. path is that of its fields.
func (c Clip) validate(path string) error {
	if (c.Source != Location{}) {
		if err := c.Source.validateCurrent(path + "source"); err != nil {
			return err
		}
	}
	for _, f := range []struct{ name, timecode string }{{"start", c.Start}, {"end", c.End}} {
		if !isTimecode(f.timecode) {
			return &InvalidError{path + f.name, timecodeReason, quote(f.timecode)}
		}
	}
	if !inOrder(c.Start, c.End) {
		return &InvalidError{path + "end", orderReason, quote(c.End)}
	}
	return nil
}

// follows reports whether c begins after the last frame of before.
func (c Clip) follows(before Clip) bool {
	return !toEnd(before.End) && position(c.Start) > position(before.End)
}

const (
	timecodeReason = "must be a timecode, HH:MM:SS:FF or HH:MM:SS;FF"
	orderReason    = "must be after start"
)

// timecodeForm allows any two digits for frames: the frame rate isn't known here,
// and without a video they are hundredths of a second.
var timecodeForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][:;][0-9]{2}$`)

func isTimecode(s string) bool { return s == "" || timecodeForm.MatchString(s) }

// position is a timecode such that a later one is a greater string.
func position(timecode string) string { return strings.Replace(timecode, ";", ":", 1) }

// toEnd reports whether a clip with that end goes to the end of its video.
func toEnd(end string) bool { return end == "" || position(end) == "00:00:00:00" }

func inOrder(start, end string) bool { return toEnd(end) || position(end) > position(start) }

// timecode reads a start.
func (f field) timecode(to *string) error {
	if err := f.text(to); err != nil {
		return err
	}
	if !isTimecode(*to) {
		return f.invalid(timecodeReason)
	}
	return nil
}

// endTimecode reads an end. Of 00:00:00:00, as people write for the end of the
// video, it makes none.
func (f field) endTimecode(to *string) error {
	err := f.timecode(to)
	if toEnd(*to) {
		*to = ""
	}
	return err
}
