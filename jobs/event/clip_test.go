package event_test

import (
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/jobs/event"
)

func TestValidateClips(t *testing.T) {
	t.Parallel()
	type clips = []event.Clip
	a, b := event.Location{Bucket: "uploads", Key: "a.mp4"}, event.Location{Bucket: "uploads", Key: "b.mp4"}
	for name, c := range map[string]struct {
		clips clips
		want  string // empty where it is allowed
	}{
		"none":                        {nil, ""},
		"one":                         {clips{{Start: "00:00:10:00", End: "00:00:10:01"}}, ""},
		"one frame":                   {clips{{Start: "00:00:10:00", End: "00:00:10:00"}}, "clips[0].end: must be after start"},
		"from the beginning":          {clips{{End: "00:00:10:00"}}, ""},
		"to the end":                  {clips{{Start: "23:59:59:99"}}, ""},
		"to the end in digits":        {clips{{Start: "00:00:10:00", End: "00:00:00:00"}}, ""},
		"all of it":                   {clips{{End: "00:00:00;00"}}, "clips[0]: must have a start, an end or another video"},
		"all of another":              {clips{{Source: a}}, ""},
		"joined whole":                {clips{{Source: a}, {}, {Source: b}}, ""},
		"all of it twice":             {clips{{}, {}}, "clips[1].start: must be after the end of the clip before it"},
		"after each other":            {clips{{End: "00:00:10:00"}, {Start: "00:00:10:01", End: "00:00:20:00"}, {Start: "00:01:00:00"}}, ""},
		"the frame that both have":    {clips{{End: "00:00:10:00"}, {Start: "00:00:10:00"}}, "clips[1].start: must be after"},
		"the frame, as drop-frame":    {clips{{End: "00:00:10;00"}, {Start: "00:00:10:00"}}, "clips[1].start: must be after"},
		"drop-frame":                  {clips{{End: "00:00:10;29"}, {Start: "00:00:11;00"}}, ""},
		"after the end":               {clips{{Source: a, Start: "00:00:10:00"}, {Source: a, Start: "00:00:20:00"}}, "clips[1].start: must be after"},
		"the beginning again":         {clips{{End: "00:00:10:00"}, {End: "00:00:20:00"}}, "clips[1].start: must be after"},
		"another in between":          {clips{{Start: "00:01:00:00"}, {Source: a}, {End: "00:00:20:00"}}, ""},
		"third of a source":           {clips{{Source: a}, {Source: b, End: "00:00:10:00"}, {Source: b, Start: "00:00:05:00"}}, "clips[2].start: must be after"},
		"backwards":                   {clips{{Start: "01:00:00:00", End: "00:59:59:24"}}, "clips[0].end: must be after start"},
		"hour 24":                     {clips{{Start: "24:00:00:00"}}, "clips[0].start: must be a timecode"},
		"minute 60":                   {clips{{End: "00:60:00:00"}}, "clips[0].end: must be a timecode"},
		"second 60":                   {clips{{End: "00:00:60:00"}}, "clips[0].end: must be a timecode"},
		"no frames":                   {clips{{End: "00:00:10"}}, "clips[0].end: must be a timecode"},
		"three digits":                {clips{{End: "00:00:10:000"}}, "clips[0].end: must be a timecode"},
		"a dot":                       {clips{{End: "00:00:10.00"}}, "clips[0].end: must be a timecode"},
		"a source with a version":     {clips{{Source: event.Location{Bucket: "uploads", Key: "a", VersionID: "1"}}}, "clips[0].source: must not have a version"},
		"a source without its bucket": {clips{{Source: event.Location{Key: "a"}}}, "clips[0].source: bucket must have"},
	} {
		err := event.ValidateClips(c.clips)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		case err != nil:
			checkError(t, nil, err)
		}
	}
}
