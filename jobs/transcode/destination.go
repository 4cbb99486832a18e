package transcode

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

const scheme = "s3://"

// destinationOf is where a group's destination is set, in settings that are made
// where there are none, and the name of those settings. It is nil for a type that
// isn't known.
func destinationOf(s *types.OutputGroupSettings) (to **string, in string) {
	switch s.Type {
	case types.OutputGroupTypeFileGroupSettings:
		return &made(&s.FileGroupSettings).Destination, "FileGroupSettings"
	case types.OutputGroupTypeHlsGroupSettings:
		return &made(&s.HlsGroupSettings).Destination, "HlsGroupSettings"
	case types.OutputGroupTypeDashIsoGroupSettings:
		return &made(&s.DashIsoGroupSettings).Destination, "DashIsoGroupSettings"
	case types.OutputGroupTypeCmafGroupSettings:
		return &made(&s.CmafGroupSettings).Destination, "CmafGroupSettings"
	case types.OutputGroupTypeMsSmoothGroupSettings:
		return &made(&s.MsSmoothGroupSettings).Destination, "MsSmoothGroupSettings"
	}
	return nil, ""
}

// settingsGiven are the types whose settings are there.
func settingsGiven(s *types.OutputGroupSettings) []types.OutputGroupType {
	var given []types.OutputGroupType
	add := func(t types.OutputGroupType, ok bool) {
		if ok {
			given = append(given, t)
		}
	}
	add(types.OutputGroupTypeFileGroupSettings, s.FileGroupSettings != nil)
	add(types.OutputGroupTypeHlsGroupSettings, s.HlsGroupSettings != nil)
	add(types.OutputGroupTypeDashIsoGroupSettings, s.DashIsoGroupSettings != nil)
	add(types.OutputGroupTypeCmafGroupSettings, s.CmafGroupSettings != nil)
	add(types.OutputGroupTypeMsSmoothGroupSettings, s.MsSmoothGroupSettings != nil)
	return given
}

// relocate puts a folder in the place of a destination's bucket. The path stays
// as it is, with its tokens.
func relocate(destination, folder string) string {
	_, path, _ := strings.Cut(strings.TrimPrefix(destination, scheme), "/")
	return folder + strings.TrimLeft(path, "/")
}

// made is what p points to, made where there is nothing.
func made[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// deref is what p points to, or the zero value.
func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
