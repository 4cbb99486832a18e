package routes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// String is the step and those of its options that are set.
func (s Step) String() string {
	words := []string{s.Kind}
	say := func(name, value string) {
		if value != "" {
			words = append(words, name+"="+value)
		}
	}
	say("destination", s.Destination)
	say("style", s.Options.Style)
	say("blocks", deref(s.Options.Blocks))
	say("margin", deref(s.Options.Margin))
	say("cover", s.Options.Cover)
	say("similarity", deref(s.Options.Similarity))
	say("collection", s.Options.Collection)
	say("codec", s.Options.Codec)
	say("preset", s.Options.Preset)
	say("crf", deref(s.Options.CRF))
	if s.Options.AllowWeak {
		say("allowWeak", "true")
	}
	if s.Options.DropStreams {
		say("dropStreams", "true")
	}
	say("subtitles", s.Options.Subtitles)
	if s.Options.Sheet {
		say("sheet", "true")
	}
	if s.Fallback {
		say("fallback", "builtin")
	}
	if s.Review {
		say("residual", "review")
	}
	t := s.Transcode
	say("settings", t.Settings)
	say("template", t.Template)
	for _, height := range slices.Sorted(maps.Keys(t.Ladder)) {
		say(fmt.Sprintf("ladder[%d]", height), t.Ladder[height])
	}
	switch {
	case t.JobFiles.None:
		say("jobFiles", "none")
	default:
		say("jobFiles.from", t.JobFiles.From)
		say("jobFiles.allow", strings.Join(t.JobFiles.Allow, ","))
	}
	say("queue", t.Queue)
	say("role", t.Role)
	say("priority", deref(t.Priority))
	say("acceleration", t.Acceleration)
	say("statusInterval", t.StatusInterval)
	return strings.Join(words, " ")
}

func deref[T any](p *T) string {
	if p == nil {
		return ""
	}
	return fmt.Sprint(*p)
}

// String says what becomes of the source; empty: nothing.
func (a After) String() string {
	switch {
	case a.Tag != nil:
		var tags []string
		for _, key := range slices.Sorted(maps.Keys(a.Tag)) {
			tags = append(tags, key+"="+a.Tag[key])
		}
		return "tag " + strings.Join(tags, " ")
	case a.Move != "":
		return "move to " + a.Move
	case a.Delete:
		return "delete"
	}
	return ""
}
