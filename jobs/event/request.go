package event

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// RequestVersion is the version of a Request's JSON form. A field that is added
// makes a new version, as older workers refuse what they don't know.
const RequestVersion = 1

// KindMosaic asks for a video whose faces are covered.
const KindMosaic = "mosaic"

// A Request is a person's own message. It is written as one flat JSON object, of
// which version, kind, source and destination must be there:
//
//	{
//	  "version": 1,
//	  "kind": "mosaic",
//	  "source": "s3://uploads/a.mp4",
//	  "destination": "s3://covered/a.mp4",
//	  "versionId": "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY",
//	  "detections": ["s3://uploads/a.faces.json"],
//	  "style": "blur",
//	  "blocks": 8,
//	  "margin": 0.15,
//	  "preset": "medium",
//	  "crf": 20
//	}
//
// Reading refuses unknown fields, fields that come twice, and null.
type Request struct {
	Version     int      // RequestVersion
	Kind        string   // KindMosaic
	Source      Location // its VersionID is the field versionId
	Destination Location // not the source; without a VersionID
	// Detections are the pages of one Rekognition result in their order, JSON as
	// `aws rekognition get-face-detection` prints it. Where there are none, the
	// worker looks for faces itself.
	Detections []Location
	Options    Options
}

// Options are how the faces are covered and the video is encoded. What is not set
// is the worker's own setting.
type Options struct {
	Style  string   // mosaic, blur or fill
	Blocks *int     // cells across the longer side of a box, 2 to 64
	Margin *float64 // how much a box grows on every side, as a fraction of its size, 0 to 2
	Preset string   // x264's, ultrafast to placebo
	CRF    *int     // x264's constant rate factor, 0 (best) to 51
}

var (
	styles  = []string{"mosaic", "blur", "fill"}
	presets = []string{"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"}
)

// A requestField is one field of the JSON form. It only reads; Validate judges.
type requestField struct {
	name     string
	required bool
	read     func(*Request, field) error
}

// requestHead says what a message is, requestBody what it says.
var (
	requestHead = []requestField{
		{"version", true, func(r *Request, f field) error { return f.integer(&r.Version) }},
		{"kind", true, func(r *Request, f field) error { return f.text(&r.Kind) }},
	}
	requestBody = []requestField{
		{"source", true, func(r *Request, f field) error { return f.location(&r.Source) }},
		{"destination", true, func(r *Request, f field) error { return f.location(&r.Destination) }},
		// After the source, as reading that replaces it whole.
		{"versionId", false, func(r *Request, f field) error { return f.filled(&r.Source.VersionID) }},
		{"detections", false, func(r *Request, f field) error { return f.locations(&r.Detections) }},
		{"style", false, func(r *Request, f field) error { return f.filled(&r.Options.Style) }},
		{"blocks", false, func(r *Request, f field) error { r.Options.Blocks = new(int); return f.integer(r.Options.Blocks) }},
		{"margin", false, func(r *Request, f field) error { r.Options.Margin = new(float64); return f.number(r.Options.Margin) }},
		{"preset", false, func(r *Request, f field) error { return f.filled(&r.Options.Preset) }},
		{"crf", false, func(r *Request, f field) error { r.Options.CRF = new(int); return f.integer(r.Options.CRF) }},
	}
)

// isRequest also recognises a message whose kind was forgotten.
func isRequest(message object) bool {
	return message.has("kind") || message.has("destination")
}

func decodeRequest(message object) ([]Event, error) {
	r, err := readRequest(message)
	if err != nil {
		return nil, err
	}
	return []Event{r}, nil
}

func readRequest(message object) (Request, error) {
	var r Request
	if err := r.read(message, requestHead); err != nil {
		return r, err
	}
	// Of another version or kind nothing else can be judged.
	if err := r.validateHead(); err != nil {
		return r, err
	}
	// Before what is missing: it may be there, misspelt.
	var known []string
	for _, f := range slices.Concat(requestHead, requestBody) {
		known = append(known, f.name)
	}
	for _, key := range message.keys {
		if !slices.Contains(known, key) {
			return r, &InvalidError{quoteName(key), "unknown field, known are " + strings.Join(known, ", "), ""}
		}
	}
	if err := r.read(message, requestBody); err != nil {
		return r, err
	}
	return r, r.Validate()
}

func (r *Request) read(message object, fields []requestField) error {
	for _, f := range fields {
		switch {
		case message.has(f.name):
			if err := f.read(r, message.field(f.name)); err != nil {
				return err
			}
		case f.required:
			return &InvalidError{f.name, "missing", ""}
		}
	}
	return nil
}

// Validate returns the error that Decode would return for r's JSON form: an
// *UnknownError for the version and the kind, else an *InvalidError that names
// the first field that can't be.
func (r Request) Validate() error {
	if err := r.validateHead(); err != nil {
		return err
	}
	if err := r.Source.validate("source"); err != nil {
		return err
	}
	if err := r.Destination.validateCurrent("destination"); err != nil {
		return err
	}
	if r.Destination.Bucket == r.Source.Bucket && r.Destination.Key == r.Source.Key {
		return &InvalidError{"destination", "must not be the source", quote(r.Destination.String())}
	}
	if reason := opaqueReason(r.Source.VersionID); reason != "" {
		return &InvalidError{"versionId", reason, quote(r.Source.VersionID)}
	}
	for i, page := range r.Detections {
		if err := page.validateCurrent(fmt.Sprintf("detections[%d]", i)); err != nil {
			return err
		}
	}
	return r.Options.validate()
}

func (r Request) validateHead() error {
	switch {
	case r.Version != RequestVersion:
		return unknownf("unknown version %d: this worker knows %d", r.Version, RequestVersion)
	case r.Kind != KindMosaic:
		return unknownf("unknown message kind %s: this worker knows %s", quote(r.Kind), KindMosaic)
	}
	return nil
}

func (o Options) validate() error {
	switch {
	case o.Style != "" && !slices.Contains(styles, o.Style):
		return &InvalidError{"style", "must be one of " + strings.Join(styles, ", "), quote(o.Style)}
	case o.Blocks != nil && (*o.Blocks < 2 || *o.Blocks > 64):
		return &InvalidError{"blocks", "must be 2 to 64", fmt.Sprint(*o.Blocks)}
	case o.Margin != nil && !(*o.Margin >= 0 && *o.Margin <= 2): // NaN is neither
		return &InvalidError{"margin", "must be 0 to 2", fmt.Sprint(*o.Margin)}
	case o.Preset != "" && !slices.Contains(presets, o.Preset):
		return &InvalidError{"preset", "must be one of " + strings.Join(presets, ", "), quote(o.Preset)}
	case o.CRF != nil && (*o.CRF < 0 || *o.CRF > 51):
		return &InvalidError{"crf", "must be 0 to 51", fmt.Sprint(*o.CRF)}
	}
	return nil
}

// MarshalJSON writes the form that Decode reads. It returns Validate's error for
// a Request that Decode would refuse.
func (r Request) MarshalJSON() ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	form := struct {
		Version     int      `json:"version"`
		Kind        string   `json:"kind"`
		Source      string   `json:"source"`
		Destination string   `json:"destination"`
		VersionID   string   `json:"versionId,omitempty"`
		Detections  []string `json:"detections,omitempty"`
		Style       string   `json:"style,omitempty"`
		Blocks      *int     `json:"blocks,omitempty"`
		Margin      *float64 `json:"margin,omitempty"`
		Preset      string   `json:"preset,omitempty"`
		CRF         *int     `json:"crf,omitempty"`
	}{
		Version:     r.Version,
		Kind:        r.Kind,
		Source:      r.Source.String(),
		Destination: r.Destination.String(),
		VersionID:   r.Source.VersionID,
		Style:       r.Options.Style,
		Blocks:      r.Options.Blocks,
		Margin:      r.Options.Margin,
		Preset:      r.Options.Preset,
		CRF:         r.Options.CRF,
	}
	for _, page := range r.Detections {
		form.Detections = append(form.Detections, page.String())
	}
	return json.Marshal(form)
}

// UnmarshalJSON reads what MarshalJSON wrote, as strictly as Decode and with its
// errors. It leaves r alone when it fails.
func (r *Request) UnmarshalJSON(text []byte) error {
	message, err := parseObject(text)
	if err != nil {
		return err
	}
	read, err := readRequest(message)
	if err != nil {
		return err
	}
	*r = read
	return nil
}
