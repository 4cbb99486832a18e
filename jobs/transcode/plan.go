package transcode

import (
	"cmp"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// A Group is what the settings of a job say that one output group will write.
// It is kept as JSON until the job ends.
type Group struct {
	Name string `json:"name,omitempty"`
	Type string `json:"type"` // as in event.OutputGroup
	Base string `json:"base"` // s3:// URI of a file without modifier and extension; may hold $dt$ and such
	// Playlists are what follows Base in the names of the playlists and manifests
	// that lead to all outputs.
	Playlists []string `json:"playlists,omitempty"`
	// Outputs are in the order of the settings. There are none where MediaConvert
	// chooses the renditions itself.
	Outputs []PlannedOutput `json:"outputs"`
}

// A PlannedOutput is one output of a Group.
type PlannedOutput struct {
	Modifier string `json:"modifier,omitempty"` // may hold $h$ and such
	// Extension is what follows the modifier in the name of one of its files: of
	// its playlist, where it has one. It is empty where that isn't known.
	Extension  string `json:"extension,omitempty"`
	Thumbnails bool   `json:"thumbnails,omitempty"`
	AudioOnly  bool   `json:"audioOnly,omitempty"`
	// Width and Height are 0 where they follow from the source.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
}

// Types of output groups in events.
const (
	fileGroup   = "FILE_GROUP"
	hlsGroup    = "HLS_GROUP"
	dashGroup   = "DASH_ISO_GROUP"
	cmafGroup   = "CMAF_GROUP"
	smoothGroup = "MS_SMOOTH_GROUP"
)

// Plan says what a job with such settings will write. $fn$ is expanded, as the
// name of the first input is known; other tokens are left.
// https://docs.aws.amazon.com/mediaconvert/latest/ug/output-file-names-and-paths.html
func Plan(s *types.JobSettings) []Group {
	source := ""
	if s != nil && len(s.Inputs) > 0 {
		source = sourceName(deref(s.Inputs[0].FileInput))
	}
	var groups []Group
	for _, g := range deref(s).OutputGroups {
		groups = append(groups, planGroup(g, source))
	}
	return groups
}

// sourceName is the name that MediaConvert gives to what has no name of its own.
func sourceName(uri string) string {
	name := uri[strings.LastIndexByte(uri, '/')+1:]
	return strings.TrimSuffix(name, path.Ext(name))
}

func planGroup(g types.OutputGroup, source string) Group {
	settings := deref(g.OutputGroupSettings) // a copy, as destinationOf may set what is missing
	planned := Group{
		Name: cmp.Or(deref(g.CustomName), deref(g.Name)),
		Type: strings.TrimSuffix(string(settings.Type), "_SETTINGS"),
	}
	if to, _ := destinationOf(&settings); to != nil {
		planned.Base = deref(*to)
	}
	if strings.HasSuffix(planned.Base, "/") {
		planned.Base += source
	}
	planned.Base = expand(planned.Base, source)
	planned.Playlists = playlists(settings)
	if g.AutomatedEncodingSettings != nil {
		return planned
	}
	for _, o := range g.Outputs {
		planned.Outputs = append(planned.Outputs, planOutput(o, settings, source))
	}
	return planned
}

func expand(s, source string) string { return strings.ReplaceAll(s, "$fn$", source) }

// playlists are the names that lead to all outputs of a group, after its base.
func playlists(s types.OutputGroupSettings) []string {
	switch s.Type {
	case types.OutputGroupTypeHlsGroupSettings:
		if s.HlsGroupSettings.OutputSelection == types.HlsOutputSelectionSegmentsOnly {
			return nil
		}
		names := []string{".m3u8"}
		for _, m := range s.HlsGroupSettings.AdditionalManifests {
			names = append(names, deref(m.ManifestNameModifier)+".m3u8")
		}
		return names
	case types.OutputGroupTypeDashIsoGroupSettings:
		names := []string{".mpd"}
		for _, m := range s.DashIsoGroupSettings.AdditionalManifests {
			names = append(names, deref(m.ManifestNameModifier)+".mpd")
		}
		return names
	case types.OutputGroupTypeCmafGroupSettings:
		return cmafPlaylists(s.CmafGroupSettings)
	case types.OutputGroupTypeMsSmoothGroupSettings:
		names := []string{".ism"}
		for _, m := range s.MsSmoothGroupSettings.AdditionalManifests {
			names = append(names, deref(m.ManifestNameModifier)+".ism")
		}
		return names
	}
	return nil
}

func cmafPlaylists(s *types.CmafGroupSettings) []string {
	modifiers := []string{""}
	for _, m := range s.AdditionalManifests {
		modifiers = append(modifiers, deref(m.ManifestNameModifier))
	}
	var names []string
	for _, m := range modifiers {
		if s.WriteHlsManifest != types.CmafWriteHLSManifestDisabled {
			names = append(names, m+".m3u8")
		}
		if s.WriteDashManifest != types.CmafWriteDASHManifestDisabled {
			names = append(names, m+".mpd")
		}
	}
	return names
}

func planOutput(o types.Output, group types.OutputGroupSettings, source string) PlannedOutput {
	planned := PlannedOutput{
		Modifier:   expand(deref(o.NameModifier), source),
		Thumbnails: capturesFrames(o),
		AudioOnly:  o.VideoDescription == nil && len(o.AudioDescriptions) > 0 && o.Preset == nil,
	}
	planned.Extension = extension(o, group, planned.AudioOnly)
	if v := o.VideoDescription; v != nil && exact(v) {
		planned.Width, planned.Height = int(deref(v.Width)), int(deref(v.Height))
	}
	return planned
}

// exact reports whether a video comes out in the size that its settings say. With
// one side the other is scaled, and to fit may be to leave one side shorter.
func exact(v *types.VideoDescription) bool {
	fits := v.ScalingBehavior == types.ScalingBehaviorFit || v.ScalingBehavior == types.ScalingBehaviorFitNoUpscale
	return v.Width != nil && v.Height != nil && !fits
}
