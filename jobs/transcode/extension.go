package transcode

import (
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// extension is what follows the modifier in the name of an output's file, or
// nothing where that can't be known, as with presets.
func extension(o types.Output, group types.OutputGroupSettings, audioOnly bool) string {
	captions := o.VideoDescription == nil && len(o.AudioDescriptions) == 0
	switch group.Type {
	case types.OutputGroupTypeFileGroupSettings:
		return fileExtension(o)
	case types.OutputGroupTypeHlsGroupSettings:
		return ".m3u8"
	case types.OutputGroupTypeMsSmoothGroupSettings:
		return ".ismv"
	case types.OutputGroupTypeDashIsoGroupSettings:
		if captions { // a segmented file or a plain one, by their format
			return ""
		}
		return fragments("mp4", group.DashIsoGroupSettings.SegmentControl == types.DashIsoSegmentControlSingleFile)
	case types.OutputGroupTypeCmafGroupSettings:
		s := group.CmafGroupSettings
		single := s.SegmentControl == types.CmafSegmentControlSingleFile
		switch {
		case s.WriteHlsManifest != types.CmafWriteHLSManifestDisabled:
			return ".m3u8"
		case captions:
			return ""
		case audioOnly:
			return fragments("cmfa", single)
		}
		return fragments("cmfv", single)
	}
	return ""
}

// fragments is the end of the name of the file that a player opens first, of a
// rendition without a playlist of its own.
func fragments(extension string, single bool) string {
	if single {
		return "." + extension
	}
	return "init." + extension
}

func fileExtension(o types.Output) string {
	if e := strings.TrimPrefix(deref(o.Extension), "."); e != "" {
		return "." + e
	}
	switch container := deref(o.ContainerSettings).Container; container {
	case "":
		return ""
	case types.ContainerTypeRaw:
		return rawExtension(o)
	default:
		return "." + strings.ToLower(string(container))
	}
}

// rawExtension is that of a file without a container, which is called after its
// codec.
func rawExtension(o types.Output) string {
	codec := ""
	switch {
	case capturesFrames(o):
		return ".jpg"
	case o.VideoDescription != nil:
		codec = string(deref(o.VideoDescription.CodecSettings).Codec)
	case len(o.AudioDescriptions) > 0:
		codec = string(deref(o.AudioDescriptions[0].CodecSettings).Codec)
	case len(o.CaptionDescriptions) > 0:
		return captionExtension(deref(o.CaptionDescriptions[0].DestinationSettings).DestinationType)
	}
	if codec == "" {
		return ""
	}
	return "." + strings.ToLower(strings.ReplaceAll(codec, "_", ""))
}

func captionExtension(t types.CaptionDestinationType) string {
	switch t {
	case types.CaptionDestinationTypeSrt:
		return ".srt"
	case types.CaptionDestinationTypeWebvtt:
		return ".vtt"
	case types.CaptionDestinationTypeTtml:
		return ".ttml"
	case types.CaptionDestinationTypeScc:
		return ".scc"
	case types.CaptionDestinationTypeSmi:
		return ".smi"
	}
	return ""
}

// mediaType is that of a file by its name.
func mediaType(uri string, audioOnly bool) string {
	extension := strings.ToLower(path.Ext(uri))
	if audioOnly && (extension == ".mp4" || extension == ".webm" || extension == ".ogg") {
		return "audio/" + extension[1:]
	}
	switch extension {
	case ".m3u8":
		return "application/vnd.apple.mpegurl"
	case ".mpd":
		return "application/dash+xml"
	case ".ism", ".ismc":
		return "application/vnd.ms-sstr+xml"
	case ".mp4", ".m4v", ".cmfv", ".ismv":
		return "video/mp4"
	case ".cmfa", ".isma", ".m4a":
		return "audio/mp4"
	case ".mov":
		return "video/quicktime"
	case ".ts", ".m2ts":
		return "video/mp2t"
	case ".mxf":
		return "application/mxf"
	case ".webm":
		return "video/webm"
	case ".ogg":
		return "video/ogg"
	case ".f4v":
		return "video/x-f4v"
	case ".gif":
		return "image/gif"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".aac":
		return "audio/aac"
	case ".mp3", ".mp2":
		return "audio/mpeg"
	case ".wav":
		return "audio/wav"
	case ".aiff":
		return "audio/aiff"
	case ".flac":
		return "audio/flac"
	case ".ac3":
		return "audio/ac3"
	case ".eac3":
		return "audio/eac3"
	case ".h264":
		return "video/h264"
	case ".h265":
		return "video/h265"
	case ".vtt":
		return "text/vtt"
	case ".srt":
		return "application/x-subrip"
	case ".ttml":
		return "application/ttml+xml"
	}
	return "application/octet-stream"
}
