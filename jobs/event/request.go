package event

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// RequestVersion is the version of a Request's JSON form. Workers refuse fields
// and kinds that they don't know.
const RequestVersion = 1

// Kinds of requests.
const (
	KindMosaic    = "mosaic"    // a video whose faces are covered
	KindTranscode = "transcode" // renditions that MediaConvert makes
	// Of a collection of faces that Rekognition keeps.
	KindFacesAdd    = "faces-add"
	KindFacesList   = "faces-list"
	KindFacesRemove = "faces-remove"
	// Of a job whose output waits for a person's review.
	KindApprove  = "approve"  // the job goes on with the output
	KindReject   = "reject"   // the job fails
	KindRerender = "rerender" // the output is made anew
)

var kinds = []string{KindMosaic, KindTranscode, KindFacesAdd, KindFacesList, KindFacesRemove, KindApprove, KindReject, KindRerender}

// A Request is a person's own message. It is written as one flat JSON object, of
// which version, kind, source and, of a mosaic, destination must be there:
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
//	{
//	  "version": 1,
//	  "kind": "transcode",
//	  "source": "s3://uploads/a.mp4",
//	  "destination": "s3://streams/a/",
//	  "settings": "s3://uploads/jobs/hls.json",
//	  "start": "00:00:10:00",
//	  "end": "00:01:00:00"
//	}
//
// A transcode has either settings, which may be the job file itself in place of
// its URI, or template; and either start and end, or clips:
//
//	"template": "ladder-1080p",
//	"clips": [
//	  {"source": "s3://uploads/intro.mp4"},
//	  {"start": "00:00:10:00", "end": "00:01:00:00"}
//	]
//
// A message about a collection of faces has no source:
//
//	{
//	  "version": 1,
//	  "kind": "faces-add",
//	  "collection": "staff",
//	  "externalId": "anna",
//	  "images": ["s3://portraits/anna-1.jpg", "s3://portraits/anna-2.jpg"]
//	}
//
// A message about a job whose output waits for a review names the job:
//
//	{
//	  "version": 1,
//	  "kind": "rerender",
//	  "job": "fde3c882ec9929fc026df4df2cad7755",
//	  "regions": {"add": [{"left": 0.4, "top": 0.1, "width": 0.1, "height": 0.2}]}
//	}
//
// Reading refuses unknown fields, fields that come twice, and null.
type Request struct {
	Version int    // RequestVersion
	Kind    string // KindMosaic, …
	// Token is the sender's own name for this request: 32 lower-case hexadecimal
	// digits. It is the id of the job, so that a request that is sent again with the
	// same token is the same job. Empty: the id follows from the message.
	Token  string   `json:",omitempty"`
	Source Location // its VersionID, of a mosaic, is the field versionId; MediaConvert reads the current one
	// Destination has no VersionID. Of a mosaic it is the object to write, which is
	// not the source. Of a transcode it is a folder, whose key is empty or ends with
	// a slash; without a Bucket it is left to the worker.
	Destination Location

	// Overwrite, of a mosaic, lets it replace whatever is at the destination: also what
	// was made of another source or of a newer upload, and what mosaicd did not write.
	Overwrite bool `json:",omitempty"`

	// Detections, of a mosaic, are the pages of one Rekognition result in their
	// order, JSON as `aws rekognition get-face-detection` prints it. Where there are
	// none, the worker looks for faces itself.
	Detections []Location
	Options    Options // of a mosaic
	// Regions, of a mosaic or of a rerender, are rectangles and spans of time, a JSON
	// object that package faces reads; nil: none given.
	Regions json.RawMessage

	// Job, of KindApprove and the like, is the id of the job: 32 lower-case hexadecimal
	// digits. People may write the id of one of its results.
	Job string `json:",omitempty"`
	// Reason, of the same, is why: 1 to 1,000 printable characters, which only
	// KindReject must have.
	Reason string `json:",omitempty"`
	// KeepOutput, of KindReject, leaves the output where it is.
	KeepOutput bool `json:",omitempty"`

	// Options.Collection, of KindFacesAdd and the like, is the one that is meant.
	ExternalID string     // whose the faces are, by the customer's own name for that person
	Images     []Location // of KindFacesAdd, pictures of one face each

	// Settings, Document and Template, of a transcode, exclude each other. Without
	// any the worker chooses.
	Settings Location        // MediaConvert job file; without a VersionID; empty Bucket: none given
	Document json.RawMessage // MediaConvert job file itself, a JSON object; nil: none given
	Template string          // MediaConvert job template, name or ARN; empty: none given
	// Clips, of a transcode, are cut and joined in their order; nil: all of the
	// source. ValidateClips says what they must be.
	Clips []Clip
}

// Validate returns the error that Decode would return for r's JSON form: an
// *UnknownError for the version and the kind, else an *InvalidError that names
// the first field that can't be.
func (r Request) Validate() error {
	if err := r.validateHead(); err != nil {
		return err
	}
	if r.Token != "" && !token.MatchString(r.Token) {
		return &InvalidError{"token", tokenReason, quote(r.Token)}
	}
	if err := r.refuseStrangers(); err != nil {
		return err
	}
	if r.aboutFaces() {
		return r.validateFaces()
	}
	if r.Decides() {
		return r.validateDecision()
	}
	if err := r.Source.validate("source"); err != nil {
		return err
	}
	if err := r.validateDestination(); err != nil {
		return err
	}
	if reason := opaqueReason(r.Source.VersionID); reason != "" {
		return &InvalidError{"versionId", reason, quote(r.Source.VersionID)}
	}
	for i, page := range r.Detections {
		if err := page.validateCurrent(fmt.Sprintf("detections[%d]", i)); err != nil {
			return err
		}
	}
	if err := r.Options.validate(); err != nil {
		return err
	}
	if r.Regions != nil && !isObject(r.Regions) {
		return &InvalidError{"regions", "must be a JSON object", show(r.Regions)}
	}
	if err := r.validateSettings(); err != nil {
		return err
	}
	return r.validateClips()
}

func (r Request) validateHead() error {
	switch {
	case r.Version != RequestVersion:
		return unknownf("unknown version %d: this worker knows %d", r.Version, RequestVersion)
	case requestBody[r.Kind] == nil:
		return unknownf("unknown message kind %s: this worker knows %s", quote(r.Kind), strings.Join(kinds, ", "))
	}
	return nil
}

var (
	token = regexp.MustCompile(`^[0-9a-f]{32}$`)
	uuid  = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

const tokenReason = "must be a UUID, or its 32 hexadecimal digits"

// ParseToken returns the 32 lower-case hexadecimal digits of a token, which people
// write with the hyphens of a UUID or without them. The error is an *InvalidError.
func ParseToken(s string) (string, error) {
	digits := strings.ToLower(s)
	if uuid.MatchString(s) {
		digits = strings.ReplaceAll(digits, "-", "")
	}
	if !token.MatchString(digits) {
		return "", &InvalidError{"token", tokenReason, quote(s)}
	}
	return digits, nil
}

// Decides reports whether r says what becomes of a job that waits for a review.
func (r Request) Decides() bool {
	return r.Kind == KindApprove || r.Kind == KindReject || r.Kind == KindRerender
}

var resultID = regexp.MustCompile(`^([0-9a-f]{32})(-[0-9]+)*$`)

const (
	jobReason    = "must be the id of a job, 32 hexadecimal digits, or of one of its results"
	maxReason    = 1000
	reasonReason = "must be 1 to 1000 printable characters"
)

func (r Request) validateDecision() error {
	strange := func(c rune) bool { return !unicode.IsPrint(c) }
	switch {
	case !token.MatchString(r.Job):
		return &InvalidError{"job", jobReason, quote(r.Job)}
	case r.Kind == KindReject && r.Reason == "":
		return &InvalidError{"reason", reasonReason, quote(r.Reason)}
	case len(r.Reason) > maxReason || !utf8.ValidString(r.Reason) || strings.ContainsFunc(r.Reason, strange):
		return &InvalidError{"reason", reasonReason, quote(r.Reason)}
	case r.Regions != nil && !isObject(r.Regions):
		return &InvalidError{"regions", "must be a JSON object", show(r.Regions)}
	}
	return nil
}

func (r Request) aboutFaces() bool {
	return r.Kind == KindFacesAdd || r.Kind == KindFacesList || r.Kind == KindFacesRemove
}

// What Rekognition takes.
// https://docs.aws.amazon.com/rekognition/latest/APIReference/API_IndexFaces.html
var (
	collectionID = regexp.MustCompile(`^[a-zA-Z0-9_.\-]{1,255}$`)
	externalID   = regexp.MustCompile(`^[a-zA-Z0-9_.\-:]{1,255}$`)
)

const collectionReason = "must be 1 to 255 letters, digits, and . _ -"

// ValidateCollection returns an *InvalidError for what can't be the id of a
// collection.
func ValidateCollection(id string) error {
	if !collectionID.MatchString(id) {
		return &InvalidError{"collection", collectionReason, quote(id)}
	}
	return nil
}

// ValidateExternalID returns an *InvalidError for what can't be a person's name in
// a collection.
func ValidateExternalID(id string) error {
	if !externalID.MatchString(id) {
		return &InvalidError{"externalId", "must be 1 to 255 letters, digits, and . _ - :", quote(id)}
	}
	return nil
}

// maxImages is how many pictures one message may bring: more is a mistake more
// likely than a person.
const maxImages = 100

func (r Request) validateFaces() error {
	if err := ValidateCollection(r.Options.Collection); err != nil {
		return err
	}
	if r.Kind == KindFacesList {
		return nil
	}
	if err := ValidateExternalID(r.ExternalID); err != nil {
		return err
	}
	if r.Kind == KindFacesRemove {
		return nil
	}
	if n := len(r.Images); n == 0 || n > maxImages {
		return &InvalidError{"images", fmt.Sprintf("must be 1 to %d", maxImages), fmt.Sprint(n)}
	}
	for i, image := range r.Images {
		if err := image.validateCurrent(fmt.Sprintf("images[%d]", i)); err != nil {
			return err
		}
	}
	return nil
}

// refuseStrangers refuses what is of another kind.
func (r Request) refuseStrangers() error {
	known := requestNames(r.Kind)
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"source", r.Source != Location{}},
		{"destination", r.Destination != Location{}},
		{"versionId", r.Source.VersionID != ""},
		{"externalId", r.ExternalID != ""},
		{"images", len(r.Images) > 0},
		{"job", r.Job != ""},
		{"reason", r.Reason != ""},
		{"keepOutput", r.KeepOutput},
		{"overwrite", r.Overwrite},
		{"detections", len(r.Detections) > 0},
		{"style", r.Options.Style != ""},
		{"blocks", r.Options.Blocks != nil},
		{"margin", r.Options.Margin != nil},
		{"codec", r.Options.Codec != ""},
		{"preset", r.Options.Preset != ""},
		{"crf", r.Options.CRF != nil},
		{"allowWeak", r.Options.AllowWeak},
		{"cover", r.Options.Cover != ""},
		{"similarity", r.Options.Similarity != nil},
		{"collection", r.Options.Collection != ""},
		{"dropStreams", r.Options.DropStreams},
		{"subtitles", r.Options.Subtitles != ""},
		{"sheet", r.Options.Sheet},
		{"regions", r.Regions != nil},
		{"settings", r.Settings != Location{} || r.Document != nil},
		{"template", r.Template != ""},
		{"clips", len(r.Clips) > 0},
	} {
		if f.set && !slices.Contains(known, f.name) {
			return unknownField(f.name, known)
		}
	}
	return nil
}

func (r Request) validateDestination() error {
	if r.Kind == KindTranscode {
		if (r.Destination == Location{}) {
			return nil
		}
		return r.Destination.validateFolder("destination")
	}
	if err := r.Destination.validateCurrent("destination"); err != nil {
		return err
	}
	if r.Destination.Bucket == r.Source.Bucket && r.Destination.Key == r.Source.Key {
		return &InvalidError{"destination", "must not be the source", quote(r.Destination.String())}
	}
	return nil
}

func (r Request) validateSettings() error {
	settings := r.Settings != Location{}
	switch {
	case settings && r.Document != nil:
		return &InvalidError{"settings", "must not be a URI and an object", ""}
	case r.Template != "" && (settings || r.Document != nil):
		return &InvalidError{"template", templateReason, quote(r.Template)}
	case settings:
		return r.Settings.validateCurrent("settings")
	case r.Document != nil && !isObject(r.Document):
		return &InvalidError{"settings", "must be a JSON object", show(r.Document)}
	}
	return validateTemplate(r.Template)
}

const templateReason = "must not be there where settings are"

func validateTemplate(name string) error {
	strange := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(name) > 1024 || !utf8.ValidString(name) || strings.ContainsFunc(name, strange) {
		return &InvalidError{"template", "must be at most 1024 printable characters", quote(name)}
	}
	return nil
}

func (r Request) validateClips() error {
	own := Location{Bucket: r.Source.Bucket, Key: r.Source.Key}
	clips := slices.Clone(r.Clips)
	for i := range clips {
		if clips[i].Source == own {
			clips[i].Source = Location{}
		}
	}
	if !isFlat(clips) {
		return ValidateClips(clips)
	}
	if clips[0].whole() {
		return &InvalidError{"start", "must be set, or end: this is all of the video", ""}
	}
	return clips[0].validate("")
}
