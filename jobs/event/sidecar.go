package event

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// SidecarName is the last part of a sidecar's key.
const SidecarName = "clip.json"

// MaxSidecar is the size in bytes of the largest sidecar that DecodeSidecar
// reads.
const MaxSidecar = 64 << 10

// A Sidecar is an object named clip.json in a bucket of videos. It says what is
// to be done with one of them:
//
//	{
//	  "srcVideo": "a.mp4",
//	  "steps": ["mosaic", "transcode"],
//	  "style": "blur",
//	  "template": "ladder-1080p",
//	  "clips": [{"srcVideo": "intro.mp4"}, {"start": "00:00:10:00", "end": "00:01:00:00"}],
//	  "destination": "s3://streams/a/",
//	  "customer": 4711
//	}
//
// Only srcVideo must be there.
type Sidecar struct {
	SrcVideo    string   // as written: s3://bucket/key, or a key
	Steps       []string // kinds of steps, in their order; nil: those of the route
	Template    string   // MediaConvert job template
	Settings    Location // MediaConvert job file; empty Bucket: none given
	Clips       []SidecarClip
	Destination string // s3:// URI; of a folder when it ends with a slash
	Options     Options
	Regions     json.RawMessage // as in a Request
	// Fields are those of the other fields that are there, in the order of SidecarFields.
	Fields []string
	// Extra is every field that is not mosaicd's own. It goes into the result as
	// it is.
	Extra map[string]json.RawMessage
}

// A SidecarClip is a Clip whose video is as the sidecar writes it.
type SidecarClip struct {
	SrcVideo   string // empty: the sidecar's own
	Start, End string
}

var (
	sidecarReaders = append([]reader[Sidecar]{
		{"srcVideo", true, func(s *Sidecar, f field) error { return f.srcVideo(&s.SrcVideo) }},
		{"steps", false, func(s *Sidecar, f field) error { return f.steps(&s.Steps) }},
		{"template", false, func(s *Sidecar, f field) error { return f.filled(&s.Template) }},
		{"settings", false, func(s *Sidecar, f field) error { return f.location(&s.Settings) }},
		{"clips", false, func(s *Sidecar, f field) error { return readList(&s.Clips, f, sidecarClipReaders) }},
		{"destination", false, func(s *Sidecar, f field) error { return f.destination(&s.Destination) }},
		{"regions", false, func(s *Sidecar, f field) error { return f.regions(&s.Regions) }},
	}, optionReaders(func(s *Sidecar) *Options { return &s.Options })...)

	sidecarClipReaders = []reader[SidecarClip]{
		{"srcVideo", false, func(c *SidecarClip, f field) error { return f.srcVideo(&c.SrcVideo) }},
		{"start", false, func(c *SidecarClip, f field) error { return f.timecode(&c.Start) }},
		{"end", false, func(c *SidecarClip, f field) error { return f.endTimecode(&c.End) }},
	}

	sidecarSteps = []string{KindMosaic, KindTranscode, "remux"}
)

// SidecarFields returns the names of all fields but srcVideo.
func SidecarFields() []string { return names(sidecarReaders)[1:] }

// IsSidecar reports whether an object of that key is a sidecar.
func IsSidecar(key string) bool { return key[strings.LastIndexByte(key, '/')+1:] == SidecarName }

// DecodeSidecar reads a sidecar. Errors are of the same types as Decode's. The
// clips are judged one by one: ValidateClips says whether they go together, once
// it is known which videos they mean.
func DecodeSidecar(body []byte) (Sidecar, error) {
	if len(body) > MaxSidecar {
		return Sidecar{}, unknownf("%s of %d bytes: at most %d are read", SidecarName, len(body), MaxSidecar)
	}
	message, err := parseObject(body)
	if err != nil {
		return Sidecar{}, err
	}
	var s Sidecar
	if err := read(&s, message, sidecarReaders); err != nil {
		return Sidecar{}, err
	}
	if err := s.validate(); err != nil {
		return Sidecar{}, err
	}
	for _, name := range SidecarFields() {
		if message.has(name) {
			s.Fields = append(s.Fields, name)
		}
	}
	s.Extra = message.beyond(names(sidecarReaders))
	return s, nil
}

// validate judges what one field alone doesn't tell.
func (s Sidecar) validate() error {
	if s.Template != "" && s.Settings.Bucket != "" {
		return &InvalidError{"template", templateReason, quote(s.Template)}
	}
	if err := validateTemplate(s.Template); err != nil {
		return err
	}
	for i, c := range s.Clips {
		if !inOrder(c.Start, c.End) {
			return &InvalidError{fmt.Sprintf("clips[%d].end", i), orderReason, quote(c.End)}
		}
	}
	return s.Options.validate()
}

// beyond returns the fields that are not known, nil where there are none.
func (o object) beyond(known []string) map[string]json.RawMessage {
	var extra map[string]json.RawMessage
	for _, key := range o.keys {
		if slices.Contains(known, key) {
			continue
		}
		if extra == nil {
			extra = map[string]json.RawMessage{}
		}
		extra[key] = o.values[key]
	}
	return extra
}

// srcVideo reads s3://bucket/key, or a key. To S3 two dots in a key are only two
// dots: whoever writes them to leave a folder means another object.
func (f field) srcVideo(to *string) error {
	if err := f.text(to); err != nil {
		return err
	}
	if strings.HasPrefix(*to, scheme) {
		return f.location(new(Location))
	}
	if strings.Contains(*to, "://") {
		return f.invalid("must be s3://bucket/key or a key")
	}
	if slices.Contains(strings.Split(*to, "/"), "..") {
		return f.invalid(`must not have ".." in it: write s3://bucket/key`)
	}
	if reason := keyReason(strings.TrimPrefix(*to, "/")); reason != "" {
		return f.invalid(reason)
	}
	return nil
}

func (f field) steps(to *[]string) error {
	values, err := f.list()
	if err != nil {
		return err
	}
	if len(values) == 0 {
		return f.invalid("must not be empty")
	}
	*to = make([]string, len(values))
	for i, value := range values {
		step := field{fmt.Sprintf("%s[%d]", f.name, i), value}
		if err := step.text(&(*to)[i]); err != nil {
			return err
		}
		if !slices.Contains(sidecarSteps, (*to)[i]) {
			return step.invalid("must be one of " + strings.Join(sidecarSteps, ", "))
		}
	}
	return nil
}

// destination reads the URI of an object or of a folder.
func (f field) destination(to *string) error {
	if err := f.text(to); err != nil {
		return err
	}
	if strings.HasSuffix(*to, "/") {
		return f.folder(new(Location))
	}
	return f.location(new(Location))
}
