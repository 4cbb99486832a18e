package transcode

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// timecodes are those that MediaConvert takes.
var timecodes = regexp.MustCompile(`^([01][0-9]|2[0-4]):[0-5][0-9]:[0-5][0-9][:;][0-9]{2}$`)

// A cut is one input of a job: a source and which parts of it.
type cut struct {
	source    string // s3:// URI
	clippings []types.InputClipping
}

// cuts arranges clips as inputs. Parts of one source stay together as long as
// each begins after the end of the one before, as MediaConvert wants of the
// clippings of one input.
func cuts(clips []event.Clip, input string) ([]cut, error) {
	var found []cut
	for i, c := range clips {
		for _, timecode := range []string{c.Start, c.End} {
			if timecode != "" && !timecodes.MatchString(timecode) {
				return nil, fmt.Errorf("clip %d: %s is no timecode: write HH:MM:SS:FF, or HH:MM:SS;FF for drop-frame", i+1, quote(timecode))
			}
		}
		source := input
		if c.Source.Bucket != "" {
			source = c.Source.String()
		}
		part, partial := clipping(c.Start, c.End)
		if last := len(found) - 1; partial && last >= 0 && found[last].source == source && follows(found[last].clippings, part) {
			found[last].clippings = append(found[last].clippings, part)
			continue
		}
		next := cut{source: source}
		if partial {
			next.clippings = []types.InputClipping{part}
		}
		found = append(found, next)
	}
	return found, nil
}

// clipping is a part of a source, and false for all of it. An end at zero is that
// of the source.
func clipping(start, end string) (types.InputClipping, bool) {
	if isZero(end) {
		end = ""
	}
	if end == "" && isZero(start) {
		start = ""
	}
	var c types.InputClipping
	if start != "" {
		c.StartTimecode = &start
	}
	if end != "" {
		c.EndTimecode = &end
	}
	return c, start != "" || end != ""
}

func isZero(timecode string) bool { return sortable(timecode) == "00:00:00:00" }

// sortable makes the order of timecodes that of texts.
func sortable(timecode string) string { return strings.ReplaceAll(timecode, ";", ":") }

// follows reports whether a part begins after the last of others.
func follows(earlier []types.InputClipping, c types.InputClipping) bool {
	if len(earlier) == 0 { // all of it
		return false
	}
	end := earlier[len(earlier)-1].EndTimecode
	return end != nil && c.StartTimecode != nil && sortable(*end) < sortable(*c.StartTimecode)
}

// tidy leaves out clippings that don't clip, which editors write and
// MediaConvert refuses.
func tidy(clippings []types.InputClipping) []types.InputClipping {
	var kept []types.InputClipping
	for _, c := range clippings {
		if part, ok := clipping(deref(c.StartTimecode), deref(c.EndTimecode)); ok {
			kept = append(kept, part)
		}
	}
	return kept
}
