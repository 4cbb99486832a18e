package transcode

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// Kinds of outputs.
const (
	KindPlaylist  = "playlist"  // leads to all renditions of its group
	KindRendition = "rendition" // one of several of the same, its segments with it
	KindFile      = "file"
	KindThumbnail = "thumbnail"
)

// An Output is one thing that a job wrote and that is opened by itself.
type Output struct {
	URI   string `json:"uri"` // s3://
	Kind  string `json:"kind,omitempty"`
	Group string `json:"group,omitempty"` // the output group's name, or its type in lower case
	// VersionID and ETag say which object was written, where that is known: not of what
	// MediaConvert wrote.
	VersionID string `json:"versionId,omitempty"`
	ETag      string `json:"etag,omitempty"` // without quotes

	MediaType       string  `json:"mediaType"`
	Bytes           int64   `json:"bytes,omitempty"` // of a rendition, with its segments
	DurationSeconds float64 `json:"durationSeconds,omitempty"`
	Width           int     `json:"width,omitempty"`
	Height          int     `json:"height,omitempty"`
	AverageBitrate  int     `json:"averageBitrate,omitempty"` // bits/s
	Quality         float64 `json:"quality,omitempty"`        // average QVBR score, 0 to 10

	// Prefix is the s3:// URI with which all of its objects begin. It is the URI
	// itself where there is but one.
	Prefix string `json:"-"`
}

// Outputs says what a job wrote: what MediaConvert reported and, where that leaves
// out what the settings planned, what that must be called. The outputs are in
// MediaConvert's order, in each group the playlists first.
//
// Reported groups are matched to planned ones by type and order, their outputs by
// order. Of thumbnails MediaConvert reports only the last: those before it are
// added, unless there are more than 10,000. Where it reports none, the first one
// stands for all until Measure finds them. What isn't reported and has a token in
// its name, such as $dt$, is left out.
func Outputs(reported []event.OutputGroup, planned []Group) []Output {
	outputs := []Output{}
	left := slices.Clone(planned)
	for _, r := range reported {
		g := Group{Type: r.Type}
		if i := slices.IndexFunc(left, func(g Group) bool { return g.Type == r.Type }); i >= 0 {
			g = left[i]
			left = slices.Delete(left, i, i+1)
		}
		outputs = append(outputs, g.merge(r)...)
	}
	for _, g := range left {
		outputs = append(outputs, g.merge(event.OutputGroup{})...)
	}
	return outputs
}

// merge is what a group wrote.
func (g Group) merge(reported event.OutputGroup) []Output {
	base := g.Base
	if unexpanded(base) {
		base = baseOf(reported.Playlists)
	}
	var outputs []Output
	for _, uri := range g.playlists(reported.Playlists, base) {
		outputs = append(outputs, g.output(KindPlaylist, uri, PlannedOutput{}))
	}
	leading := slices.Clone(outputs)
	for i := range max(len(reported.Outputs), len(g.Outputs)) {
		var detail event.OutputDetail
		var plan PlannedOutput
		if i < len(reported.Outputs) {
			detail = reported.Outputs[i]
		}
		if i < len(g.Outputs) {
			plan = g.Outputs[i]
		}
		for _, o := range g.details(detail, plan, base) {
			// A group with one output and no modifier has but one playlist.
			if !slices.ContainsFunc(leading, func(p Output) bool { return p.URI == o.URI }) {
				outputs = append(outputs, o)
			}
		}
	}
	return outputs
}

// baseOf takes the base from the name of a playlist, which has all tokens
// expanded.
func baseOf(playlists []string) string {
	if len(playlists) == 0 {
		return ""
	}
	return strings.TrimSuffix(playlists[0], path.Ext(playlists[0]))
}

func unexpanded(s string) bool { return strings.Contains(s, "$") }

func (g Group) playlists(reported []string, base string) []string {
	if len(reported) > 0 || base == "" {
		return reported
	}
	var uris []string
	for _, name := range g.Playlists {
		if !unexpanded(name) {
			uris = append(uris, base+name)
		}
	}
	return uris
}

// details are the files of one output.
func (g Group) details(detail event.OutputDetail, plan PlannedOutput, base string) []Output {
	uris := detail.Paths
	if len(uris) == 0 && base != "" && plan.Extension != "" && !unexpanded(plan.Modifier) {
		uris = []string{base + plan.Modifier + plan.first()}
	}
	var outputs []Output
	for _, uri := range uris {
		o := g.output(g.kind(), uri, plan)
		o.Width, o.Height = cmp.Or(detail.Width, plan.Width), cmp.Or(detail.Height, plan.Height)
		if isThumbnail(uri) {
			outputs = append(outputs, thumbnails(o)...)
			continue
		}
		o.DurationSeconds = detail.Duration.Seconds()
		o.AverageBitrate, o.Quality = detail.AverageBitrate, detail.Quality
		outputs = append(outputs, o)
	}
	return outputs
}

// first is the end of the name of the first file.
func (p PlannedOutput) first() string {
	if p.Thumbnails {
		return thumbnail(0, p.Extension)
	}
	return p.Extension
}

func (g Group) output(kind, uri string, plan PlannedOutput) Output {
	o := Output{URI: uri, Kind: kind, Group: cmp.Or(g.Name, strings.ToLower(g.Type)), MediaType: mediaType(uri, plan.AudioOnly), Prefix: uri}
	if kind == KindRendition {
		end := path.Ext(uri)
		if strings.HasSuffix(uri, plan.Extension) {
			end = cmp.Or(plan.Extension, end)
		}
		o.Prefix = strings.TrimSuffix(uri, end)
	}
	return o
}

// kind is that of the group's outputs.
func (g Group) kind() string {
	switch g.Type {
	case hlsGroup, dashGroup, cmafGroup, smoothGroup:
		return KindRendition
	}
	return KindFile
}
