package transcode

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// judgeJob notes what MediaConvert is known to refuse, or to do otherwise than
// anybody wants. At is the path of the settings.
func judgeJob(p *problems, at string, in *mediaconvert.CreateJobInput) {
	judgeInputs(p, field(at, "Inputs"), in.Settings.Inputs)
	groups := field(at, "OutputGroups")
	if len(in.Settings.OutputGroups) == 0 && deref(in.JobTemplate) == "" {
		p.add(groups, "missing: a job needs one, or a JobTemplate")
		return
	}
	for i, g := range in.Settings.OutputGroups {
		judgeGroup(p, item(groups, i), g)
	}
	if onlyFrames(in.Settings.OutputGroups) {
		p.add(groups, "nothing but FRAME_CAPTURE: MediaConvert wants an output with video or sound beside it")
	}
}

func judgeInputs(p *problems, at string, inputs []types.Input) {
	for i, in := range inputs {
		if i > 0 && deref(in.FileInput) == "" && in.VideoGenerator == nil {
			p.add(field(item(at, i), "FileInput"), "missing: only the first input is replaced by the source")
		}
		for k, c := range in.InputClippings {
			path := item(field(item(at, i), "InputClippings"), k)
			judgeTimecode(p, field(path, "StartTimecode"), deref(c.StartTimecode))
			judgeTimecode(p, field(path, "EndTimecode"), deref(c.EndTimecode))
		}
	}
}

func judgeTimecode(p *problems, at, timecode string) {
	if timecode != "" && !timecodes.MatchString(timecode) {
		p.add(at, "%s is no timecode: write HH:MM:SS:FF, or HH:MM:SS;FF for drop-frame", quote(timecode))
	}
}

func judgeGroup(p *problems, at string, g types.OutputGroup) {
	judgeDestination(p, field(at, "OutputGroupSettings"), g.OutputGroupSettings)
	outputs := field(at, "Outputs")
	if len(g.Outputs) == 0 {
		p.add(outputs, "missing: a group needs one")
	}
	first := map[string]int{}
	for i, o := range g.Outputs {
		modifier := deref(o.NameModifier)
		path := field(item(outputs, i), "NameModifier")
		earlier, taken := first[modifier]
		switch {
		case len(g.Outputs) > 1 && modifier == "":
			p.add(path, "missing: a group of several outputs needs one for each")
		case taken:
			p.add(path, "%s is that of Outputs[%d] too: they would overwrite each other", quote(modifier), earlier)
		default:
			first[modifier] = i
		}
		if g.AutomatedEncodingSettings == nil { // which finds the bitrates itself
			judgeBitrate(p, item(outputs, i), o)
		}
	}
}

func judgeDestination(p *problems, at string, s *types.OutputGroupSettings) {
	if s == nil || s.Type == "" {
		p.add(field(at, "Type"), "missing: must be one of %s", strings.Join(groupTypes(), ", "))
		return
	}
	copied := *s // destinationOf may set what is missing
	to, in := destinationOf(&copied)
	if to == nil {
		return // what reads the type says so
	}
	if given := settingsGiven(s); len(given) > 0 && !slices.Contains(given, s.Type) {
		p.add(field(at, "Type"), "%s has no settings, but %s has", s.Type, given[0])
		return
	}
	if d := deref(*to); d != "" && !strings.HasPrefix(d, scheme) {
		p.add(field(field(at, in), "Destination"), "%s must be an s3:// URI, or left out", quote(d))
	}
}

// groupTypes are those whose destination can be replaced.
func groupTypes() []string {
	var names []string
	for _, t := range types.OutputGroupType("").Values() {
		names = append(names, string(t))
	}
	return names
}

func judgeBitrate(p *problems, at string, o types.Output) {
	if o.VideoDescription == nil || o.VideoDescription.CodecSettings == nil {
		return
	}
	path := field(field(at, "VideoDescription"), "CodecSettings")
	const why = "missing: QVBR needs it"
	c := o.VideoDescription.CodecSettings
	if s := c.H264Settings; s != nil && s.RateControlMode == types.H264RateControlModeQvbr && s.MaxBitrate == nil {
		p.add(field(field(path, "H264Settings"), "MaxBitrate"), why)
	}
	if s := c.H265Settings; s != nil && s.RateControlMode == types.H265RateControlModeQvbr && s.MaxBitrate == nil {
		p.add(field(field(path, "H265Settings"), "MaxBitrate"), why)
	}
}

// onlyFrames reports whether all outputs are frame captures, which MediaConvert
// refuses.
// https://docs.aws.amazon.com/mediaconvert/latest/ug/file-group-with-frame-capture-output.html
func onlyFrames(groups []types.OutputGroup) bool {
	some := false
	for _, g := range groups {
		for _, o := range g.Outputs {
			if !capturesFrames(o) {
				return false
			}
			some = true
		}
	}
	return some
}

func capturesFrames(o types.Output) bool {
	v := o.VideoDescription
	return v != nil && v.CodecSettings != nil && v.CodecSettings.Codec == types.VideoCodecFrameCapture
}
