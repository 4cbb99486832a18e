package event

import (
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// The readers of a Request only read; Validate judges. requestHead says what a
// message is, requestBody what one of each kind says.
var (
	requestHead = []reader[Request]{
		{"version", true, func(r *Request, f field) error { return f.integer(&r.Version) }},
		{"kind", true, func(r *Request, f field) error { return f.text(&r.Kind) }},
		{"token", false, (*Request).readToken},
	}
	requestBody = map[string][]reader[Request]{
		KindMosaic: append([]reader[Request]{
			sourceReader,
			{"destination", true, func(r *Request, f field) error { return f.location(&r.Destination) }},
			// After the source, as reading that replaces it whole.
			{"versionId", false, func(r *Request, f field) error { return f.filled(&r.Source.VersionID) }},
			{"overwrite", false, func(r *Request, f field) error { return f.truth(&r.Overwrite) }},
			{"detections", false, func(r *Request, f field) error { return f.locations(&r.Detections) }},
			{"regions", false, func(r *Request, f field) error { return f.regions(&r.Regions) }},
		}, optionReaders(func(r *Request) *Options { return &r.Options })...),
		KindTranscode: {
			sourceReader,
			{"destination", false, func(r *Request, f field) error { return f.folder(&r.Destination) }},
			{"settings", false, (*Request).readSettings},
			{"template", false, func(r *Request, f field) error { return f.filled(&r.Template) }},
			{"start", false, func(r *Request, f field) error { return f.timecode(&r.flatClip().Start) }},
			{"end", false, func(r *Request, f field) error { return f.endTimecode(&r.flatClip().End) }},
			{"clips", false, (*Request).readClips}, // after start and end
		},
		KindFacesAdd: {
			collectionReader,
			externalIDReader,
			{"images", true, func(r *Request, f field) error { return f.locations(&r.Images) }},
		},
		KindFacesList:   {collectionReader},
		KindFacesRemove: {collectionReader, externalIDReader},
		KindApprove:     {jobReader, reasonReader},
		KindReject: {jobReader, reasonReader,
			{"keepOutput", false, func(r *Request, f field) error { return f.truth(&r.KeepOutput) }},
		},
		KindRerender: {jobReader, reasonReader,
			{"regions", false, func(r *Request, f field) error { return f.regions(&r.Regions) }},
		},
	}
	jobReader    = reader[Request]{"job", true, (*Request).readJob}
	reasonReader = reader[Request]{"reason", false, func(r *Request, f field) error { return f.filled(&r.Reason) }}

	collectionReader = reader[Request]{"collection", true, func(r *Request, f field) error { return f.filled(&r.Options.Collection) }}
	externalIDReader = reader[Request]{"externalId", true, func(r *Request, f field) error { return f.filled(&r.ExternalID) }}
	sourceReader     = reader[Request]{"source", true, func(r *Request, f field) error { return f.location(&r.Source) }}

	clipReaders = []reader[Clip]{
		{"source", false, func(c *Clip, f field) error { return f.location(&c.Source) }},
		{"start", false, func(c *Clip, f field) error { return f.timecode(&c.Start) }},
		{"end", false, func(c *Clip, f field) error { return f.endTimecode(&c.End) }},
	}
)

// isRequest also recognises a message whose kind was forgotten.
func isRequest(message object) bool {
	return message.has("kind") || message.has("destination") || message.has("version") && message.has("source")
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
	if err := read(&r, message, requestHead); err != nil {
		return r, err
	}
	// Of another version or kind nothing else can be judged.
	if err := r.validateHead(); err != nil {
		return r, err
	}
	// Before what is missing: it may be there, misspelt.
	if err := refuseUnknown(message, requestNames(r.Kind)); err != nil {
		return r, err
	}
	if err := read(&r, message, requestBody[r.Kind]); err != nil {
		return r, err
	}
	return r, r.Validate()
}

func requestNames(kind string) []string {
	return slices.Concat(names(requestHead), names(requestBody[kind]))
}

func (r *Request) readToken(f field) error {
	var text string
	err := f.text(&text)
	if err == nil {
		r.Token, err = ParseToken(text)
	}
	return err
}

func (r *Request) readJob(f field) error {
	var id string
	if err := f.text(&id); err != nil {
		return err
	}
	m := resultID.FindStringSubmatch(id)
	if m == nil {
		return f.invalid(jobReason)
	}
	r.Job = m[1]
	return nil
}

// readSettings reads the URI of a job file, or the job file. That becomes what
// encoding/json makes of it, so that it is the same when it was written and read
// again.
func (r *Request) readSettings(f field) (err error) {
	switch f.value[0] {
	case '"':
		return f.location(&r.Settings)
	case '{':
		r.Document, err = json.Marshal(f.value)
		return err
	}
	return f.invalid("must be s3://bucket/key or a job file, an object")
}

// regions reads an object, as readSettings does. What is in it is judged by
// package faces.
func (f field) regions(to *json.RawMessage) (err error) {
	if f.value[0] != '{' {
		return f.invalid("must be an object with the lists add and only")
	}
	*to, err = json.Marshal(f.value)
	return err
}

func isObject(value json.RawMessage) bool {
	return len(value) > 0 && value[0] == '{' && json.Valid(value) && utf8.Valid(value)
}

// isFlat reports whether clips are written as start and end of the message.
func isFlat(clips []Clip) bool { return len(clips) == 1 && clips[0].Source == Location{} }

func (r *Request) flatClip() *Clip {
	if r.Clips == nil {
		r.Clips = make([]Clip, 1)
	}
	return &r.Clips[0]
}

func (r *Request) readClips(f field) error {
	if r.Clips != nil {
		return &InvalidError{f.name, "must not be there where start or end is", ""}
	}
	return readList(&r.Clips, f, clipReaders)
}

type clipForm struct {
	Source string `json:"source,omitempty"`
	Start  string `json:"start,omitempty"`
	End    string `json:"end,omitempty"`
}

// MarshalJSON writes the form that Decode reads. It returns Validate's error for
// a Request that Decode would refuse.
func (r Request) MarshalJSON() ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	form := struct {
		Version     int             `json:"version"`
		Kind        string          `json:"kind"`
		Token       string          `json:"token,omitempty"`
		Job         string          `json:"job,omitempty"`
		Reason      string          `json:"reason,omitempty"`
		KeepOutput  bool            `json:"keepOutput,omitempty"`
		Source      string          `json:"source,omitempty"`
		Destination string          `json:"destination,omitempty"`
		VersionID   string          `json:"versionId,omitempty"`
		Overwrite   bool            `json:"overwrite,omitempty"`
		Detections  []string        `json:"detections,omitempty"`
		Style       string          `json:"style,omitempty"`
		Blocks      *int            `json:"blocks,omitempty"`
		Margin      *float64        `json:"margin,omitempty"`
		Codec       string          `json:"codec,omitempty"`
		Preset      string          `json:"preset,omitempty"`
		CRF         *int            `json:"crf,omitempty"`
		AllowWeak   bool            `json:"allowWeak,omitempty"`
		Cover       string          `json:"cover,omitempty"`
		Similarity  *float64        `json:"similarity,omitempty"`
		Collection  string          `json:"collection,omitempty"`
		DropStreams bool            `json:"dropStreams,omitempty"`
		Subtitles   string          `json:"subtitles,omitempty"`
		Sheet       bool            `json:"sheet,omitempty"`
		Regions     json.RawMessage `json:"regions,omitempty"`
		ExternalID  string          `json:"externalId,omitempty"`
		Images      []string        `json:"images,omitempty"`
		Settings    any             `json:"settings,omitempty"`
		Template    string          `json:"template,omitempty"`
		Start       string          `json:"start,omitempty"`
		End         string          `json:"end,omitempty"`
		Clips       []clipForm      `json:"clips,omitempty"`
	}{
		Version:     r.Version,
		Kind:        r.Kind,
		Token:       r.Token,
		Job:         r.Job,
		Reason:      r.Reason,
		KeepOutput:  r.KeepOutput,
		Source:      r.Source.uri(),
		Destination: r.Destination.uri(),
		VersionID:   r.Source.VersionID,
		Overwrite:   r.Overwrite,
		Style:       r.Options.Style,
		Blocks:      r.Options.Blocks,
		Margin:      r.Options.Margin,
		Codec:       r.Options.Codec,
		Preset:      r.Options.Preset,
		CRF:         r.Options.CRF,
		AllowWeak:   r.Options.AllowWeak,
		Cover:       r.Options.Cover,
		Similarity:  r.Options.Similarity,
		Collection:  r.Options.Collection,
		DropStreams: r.Options.DropStreams,
		Subtitles:   r.Options.Subtitles,
		Sheet:       r.Options.Sheet,
		Regions:     r.Regions,
		ExternalID:  r.ExternalID,
		Template:    r.Template,
	}
	for _, page := range r.Detections {
		form.Detections = append(form.Detections, page.String())
	}
	for _, image := range r.Images {
		form.Images = append(form.Images, image.String())
	}
	switch {
	case r.Document != nil:
		form.Settings = r.Document
	case r.Settings.Bucket != "":
		form.Settings = r.Settings.String()
	}
	if isFlat(r.Clips) {
		form.Start, form.End = r.Clips[0].Start, r.Clips[0].End
	} else {
		for _, c := range r.Clips {
			form.Clips = append(form.Clips, clipForm{c.Source.uri(), c.Start, c.End})
		}
	}
	return json.Marshal(form)
}

// uri is String for a Location that may be none.
func (l Location) uri() string {
	if l.Bucket == "" {
		return ""
	}
	return l.String()
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
