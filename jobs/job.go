package jobs

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

// Kinds of steps, and of the messages that ask for one.
const (
	KindMosaic    = routes.Mosaic
	KindTranscode = routes.Transcode
	KindRemux     = routes.Remux

	KindFacesAdd    = event.KindFacesAdd
	KindFacesList   = event.KindFacesList
	KindFacesRemove = event.KindFacesRemove
)

// kinds are those of the steps that this release can do.
var kinds = []string{KindMosaic, KindTranscode, KindRemux, KindFacesAdd, KindFacesList, KindFacesRemove}

// A Job is one source and what is to be done with it, step by step: each step
// reads what the one before it wrote. Its ID follows from what caused it, so that
// the same event, however often and in whichever form it is delivered, is the
// same job.
type Job struct {
	ID     string         `json:"id"`
	Route  string         `json:"route,omitempty"`
	Source event.Location `json:"source"`
	ETag   string         `json:"etag,omitempty"` // that the source must have; empty: any
	// Sequencer orders the uploads of one key; empty where no upload caused the job.
	Sequencer string `json:"sequencer,omitempty"`
	Steps     []Step `json:"steps"`
	// Asked is set where a person asked, who is owed a result whatever the source
	// is.
	Asked           bool         `json:"asked,omitempty"`
	PublishIgnored  bool         `json:"publishIgnored,omitempty"`
	PublishProgress bool         `json:"publishProgress,omitempty"`
	After           routes.After `json:"after,omitzero"`
	// Extra is what a sidecar said beyond what mosaicd reads.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
	// Request is the digest of an operator's message that brought its own token: the
	// token can't be used for another request.
	Request string `json:"request,omitempty"`
	// Refused is why the job can't be done: it is only published.
	Refused *ResultError `json:"refused,omitempty"`

	seen *Identity // the source, where it was looked up before the job is claimed
}

// A Step is one thing to do, every setting resolved.
type Step struct {
	Kind string `json:"kind"`
	// Destination is the object to write, or of a transcode the folder, whose key
	// is empty or ends with a slash; no Bucket: the folder that the names of the
	// source and of the job file make.
	Destination event.Location `json:"destination,omitzero"`
	// Base is the key of a destination that nobody chose, without the extension for the
	// container: the output goes there, with another extension, where the container of
	// Destination has no place for something that the source has. Empty: Destination is
	// the only one.
	Base string `json:"base,omitempty"`
	// Overwrite replaces whatever is at the destination: a person asked for that.
	Overwrite  bool             `json:"overwrite,omitempty"`
	Settings   Settings         `json:"settings,omitzero"`    // of a mosaic; of a remux those that it has
	Detections []event.Location `json:"detections,omitempty"` // pages of a Rekognition result
	Regions    json.RawMessage  `json:"regions,omitempty"`    // what a person says of the covers: see faces.ParseRegions
	// Fallback has the built-in detector look where Rekognition doesn't.
	Fallback bool `json:"fallback,omitempty"`
	// Review holds an output back in which faces are still found.
	Review    bool      `json:"review,omitempty"`
	Transcode Transcode `json:"transcode,omitzero"`
	People    People    `json:"people,omitzero"`
}

// People is what a step asks of a collection of faces.
type People struct {
	Collection string           `json:"collection"`
	ExternalID string           `json:"externalId,omitempty"` // whose faces
	Images     []event.Location `json:"images,omitempty"`     // of one face each
}

// Transcode is what a step asks of MediaConvert.
type Transcode struct {
	routes.TranscodeOptions
	// Own is set where the settings, the template or the document are the
	// message's own, and not those of a route.
	Own      bool            `json:"own,omitempty"`
	Document json.RawMessage `json:"document,omitempty"` // a job file that came in the message
	Clips    []event.Clip    `json:"clips,omitempty"`
}

// resultID is the id of the result of the nth step, from 0.
func (j Job) resultID(n int) string { return j.ID + "-" + strconv.Itoa(n+1) }

// kind is that of the first step.
func (j Job) kind() string {
	if len(j.Steps) == 0 {
		return ""
	}
	return j.Steps[0].Kind
}

// refusedFor is j, or a job that only says why j can't be done. It takes only a
// *Failure for a reason.
func (j Job) refusedFor(kind string, reason error) Job {
	var f *Failure
	if errors.As(reason, &f) {
		j.Steps, j.Refused = []Step{{Kind: kind}}, newResultError(f.Code, f.Error())
	}
	return j
}

// title is what people call the source: its name without folder and extension.
func (j Job) title() string {
	name := path.Base(j.Source.Key)
	return withoutTokens(cmp.Or(strings.TrimSuffix(name, path.Ext(name)), name))
}

// withoutTokens keeps MediaConvert from expanding what only looks like $dt$.
func withoutTokens(s string) string { return strings.ReplaceAll(s, "$", "_") }

// fromUpload is the job of an object that was created. The id doesn't depend on
// the route: an event that comes twice is one job, also where the routes were
// changed in between.
func fromUpload(e event.ObjectCreated, r *routes.Route, c Config) (Job, error) {
	job := Job{
		ID:     uploadID(e),
		Source: e.Location(),
		ETag:   e.ETag, Sequencer: e.Sequencer,
	}
	return job, job.follow(r, e.Time, c)
}

// follow sets what a route says.
func (j *Job) follow(r *routes.Route, at time.Time, c Config) error {
	j.Route = r.Name
	j.PublishIgnored, j.PublishProgress, j.After = r.PublishIgnored, r.PublishProgress, r.After
	tokens := j.tokens(at)
	if r.After.Move != "" {
		to, err := routes.Expand(r.After.Move, tokens)
		if err != nil {
			return failf(CodeInvalidRoute, "route %s: after.move: %w", r.Name, err)
		}
		j.After.Move = to
	}
	for _, s := range r.Steps {
		step := Step{Kind: s.Kind, Fallback: s.Fallback, Review: s.Review, Transcode: Transcode{TranscodeOptions: s.Transcode}}
		switch s.Kind {
		case KindMosaic:
			step.Settings = c.Settings.with(s.Options)
		case KindRemux:
			step.Settings = c.Settings.ofRemux().with(s.Options)
		}
		if s.Destination != "" {
			if s.Kind == KindTranscode {
				tokens.Key = withoutTokens(tokens.Key)
			}
			to, err := expand(s.Destination, tokens)
			if err != nil {
				return failf(CodeInvalidRoute, "route %s: destination of the %s: %w", r.Name, s.Kind, err)
			}
			step.Destination = to
		}
		j.Steps = append(j.Steps, step)
	}
	j.fill(c)
	return nil
}

func (j *Job) tokens(at time.Time) routes.Tokens {
	if at.IsZero() {
		at = time.Now()
	}
	return routes.Tokens{Bucket: j.Source.Bucket, Key: j.Source.Key, Job: j.ID, Date: at}
}

// fill gives the steps that write one object a destination where nobody did.
func (j *Job) fill(c Config) {
	key, base := j.Source.Key, j.Source.Key
	for i := range j.Steps {
		s := &j.Steps[i]
		if s.Kind == KindRemux {
			key += ".mp4" // a.ts and a.mp4 stay apart
		}
		if s.Destination.Bucket != "" || s.Kind == KindTranscode {
			continue
		}
		prefix := c.OutputPrefix
		if s.Kind == KindRemux {
			prefix = c.RemuxPrefix
		}
		s.Destination, s.Base = event.Location{Bucket: c.OutputBucket, Key: prefix + outputName(key)}, prefix+base
	}
}

// expand reads a destination with tokens: an object, or a folder.
func expand(template string, t routes.Tokens) (event.Location, error) {
	uri, err := routes.Expand(template, t)
	if err != nil {
		return event.Location{}, err
	}
	return location(uri), nil
}

// location reads an s3:// URI that was judged before. Its key may be empty.
func location(uri string) event.Location {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	return event.Location{Bucket: bucket, Key: key}
}

// RequestID is the id of the job of an operator's message: the message's token, or
// where it has none what follows from the id of the SQS message.
func RequestID(r event.Request, messageID string) string {
	switch {
	case r.Decides():
		return r.Job
	case r.Token != "":
		return r.Token
	case r.Kind == KindFacesAdd || r.Kind == KindFacesList || r.Kind == KindFacesRemove:
		return id("request", r.Kind, r.Options.Collection, r.ExternalID, fmt.Sprint(r.Images), messageID)
	}
	return id("request", r.Kind, r.Source.String(), r.Source.VersionID, r.Destination.String(), messageID)
}

// digest tells requests apart that have the same token.
func digest(r event.Request) string {
	if r.Token == "" {
		return ""
	}
	r.Token = ""
	body, err := json.Marshal(r)
	if err != nil {
		return "" // it was read, and so it can be written
	}
	return id(string(body))
}

// conflicts reports whether a stored job of the same id was asked for by another
// request. A worker of an older release forgets the digest.
func (j Job) conflicts(stored Job) bool {
	return j.Request != stored.Request && (stored.Request != "" || j.Source != stored.Source)
}

// fromRequest is the job of an operator's message. Sent twice without a token, it is
// done twice: only a message that is delivered twice is one job.
func fromRequest(r event.Request, messageID string, c Config) Job {
	job := Job{ID: RequestID(r, messageID), Source: r.Source, Asked: true, Request: digest(r)}
	step := Step{Kind: r.Kind, Destination: r.Destination, Overwrite: r.Overwrite}
	switch r.Kind {
	case KindFacesAdd, KindFacesList, KindFacesRemove:
		return ofPeople(r, job)
	case KindTranscode:
		step.Transcode.Own = r.Settings.Bucket != "" || r.Template != "" || r.Document != nil
		step.Transcode.Template, step.Transcode.Document, step.Transcode.Clips = r.Template, r.Document, r.Clips
		if r.Settings.Bucket != "" {
			step.Transcode.Settings = r.Settings.String()
		}
	case KindMosaic:
		step.Detections, step.Settings, step.Regions = r.Detections, c.Settings.with(r.Options), r.Regions
	}
	job.Steps = []Step{step}
	job.fill(c)
	return job
}

// ofPeople is the job of a message about a collection. Its source is the first
// picture, where there is one.
func ofPeople(r event.Request, job Job) Job {
	job.Steps = []Step{{Kind: r.Kind, People: People{r.Options.Collection, r.ExternalID, r.Images}}}
	if len(r.Images) > 0 {
		job.Source = r.Images[0]
	}
	return job
}

// fromSidecar is the job of a video that a clip.json names. The sidecar's own
// ETag is in the id: changed and uploaded again, it is another job.
func fromSidecar(e event.ObjectCreated, s event.Sidecar, source event.Location, r *routes.Route, c Config) (Job, error) {
	job := Job{
		ID:     sidecarID(e),
		Source: source,
		Asked:  true,
		Extra:  s.Extra,
	}
	if !slices.IsSortedFunc(s.Steps, func(a, b string) int { return slices.Index(inOrder, a) - slices.Index(inOrder, b) }) || len(slices.Compact(slices.Clone(s.Steps))) != len(s.Steps) {
		return job, failf(CodeInvalidRequest, "steps: must be in the order %s, each at most once", strings.Join(inOrder, ", "))
	}
	if err := cmp.Or(permit(s, r), permitSteps(s.Steps, r)); err != nil {
		return job, err
	}
	route := *r
	route.Steps = chosen(s.Steps, r.Steps)
	if err := job.follow(&route, e.Time, c); err != nil {
		return job, err
	}
	transcodes := false
	for i := range job.Steps {
		step := &job.Steps[i]
		has := *step
		if err := step.override(s, source.Bucket, e.Key); err != nil {
			return job, err
		}
		if step.Kind == KindMosaic {
			if err := permitCover(has, *step, r); err != nil {
				return job, err
			}
		}
		transcodes = transcodes || job.Steps[i].Kind == KindTranscode
	}
	switch {
	case len(job.Steps) == 0:
		return job, failf(CodeInvalidRequest, "steps: missing, and route %s has none", r.Name)
	case s.Regions != nil && !slices.ContainsFunc(job.Steps, func(s Step) bool { return s.Kind == KindMosaic }):
		return job, failf(CodeInvalidRequest, "regions are for a mosaic, and there is none in the steps: add it to \"steps\"")
	case !transcodes && (s.Clips != nil || s.Template != "" || s.Settings.Bucket != ""):
		return job, failf(CodeInvalidRequest, "clips, template and settings are for a transcode, and there is none in the steps: add it to \"steps\"")
	}
	if s.Destination != "" { // of what comes last
		to := location(s.Destination)
		last := &job.Steps[len(job.Steps)-1]
		if folder := to.Key == "" || strings.HasSuffix(to.Key, "/"); folder && last.Kind != KindTranscode {
			if last.Base != "" {
				last.Base = to.Key + path.Base(last.Base)
			}
			to.Key += path.Base(last.Destination.Key)
		} else if !folder && last.Kind == KindTranscode {
			return job, failf(CodeInvalidRequest, "destination: must end with a slash, as a transcode writes many objects (got %q)", s.Destination)
		} else {
			last.Base = ""
		}
		if err := job.permitDestination(to, *last, r, e.Time, c); err != nil {
			return job, err
		}
		last.Destination = to
	}
	return job, job.judgeClips()
}

// permitDestination judges the destination that a sidecar names for the last step.
func (j *Job) permitDestination(to event.Location, last Step, r *routes.Route, at time.Time, c Config) error {
	var region event.Location
	if r.Sidecar.Destination != "" {
		var err error
		if region, err = expand(r.Sidecar.Destination, j.tokens(at)); err != nil {
			return failf(CodeInvalidRoute, "route %s: sidecar.destination: %w", r.Name, err)
		}
	}
	has := last.Destination
	if has.Bucket == "" {
		has = event.Location{Bucket: c.OutputBucket, Key: c.TranscodePrefix + c.apart(last.title(*j)) + "/"}
	}
	return c.permitDestination(to, has, region, r)
}

// inOrder are the kinds of steps in the only order that makes sense: renditions
// are made of what is covered.
var inOrder = []string{KindRemux, KindMosaic, KindTranscode}

// chosen are the steps of those kinds, with the options that the route has for
// them.
func chosen(kinds []string, of []routes.Step) []routes.Step {
	if kinds == nil {
		return of
	}
	steps := make([]routes.Step, len(kinds))
	for i, kind := range kinds {
		steps[i].Kind = kind
		for _, s := range of {
			if s.Kind == kind {
				steps[i] = s
			}
		}
	}
	return steps
}

// override sets what a sidecar says of a step.
func (s *Step) override(by event.Sidecar, bucket, sidecar string) error {
	if s.Kind == KindMosaic {
		s.Settings, s.Regions = s.Settings.with(by.Options), by.Regions
	}
	if s.Kind != KindTranscode {
		return nil
	}
	t := &s.Transcode
	if by.Template != "" || by.Settings.Bucket != "" {
		t.Own, t.Ladder, t.Settings, t.Template = true, nil, "", by.Template
		if by.Settings.Bucket != "" {
			if _, err := own("settings", bucket, sidecar, by.Settings.String()); err != nil {
				return err
			}
			t.Settings = by.Settings.String()
		}
	}
	for i, clip := range by.Clips {
		c := event.Clip{Start: clip.Start, End: clip.End}
		if clip.SrcVideo != "" {
			var err error
			if c.Source, err = own(fmt.Sprintf("clips[%d].srcVideo", i), bucket, sidecar, clip.SrcVideo); err != nil {
				return err
			}
		}
		t.Clips = append(t.Clips, c)
	}
	if err := event.ValidateClips(t.Clips); err != nil {
		return &Failure{Code: CodeInvalidRequest, Err: err}
	}
	return nil
}

// judgeClips refuses to join a video that nobody covers to one that is covered.
func (j Job) judgeClips() error {
	for i, s := range j.Steps {
		for _, c := range s.Transcode.Clips {
			if i > 0 && c.Source.Bucket != "" && c.Source != j.Source {
				return failf(CodeInvalidRequest, "clips: %s would be joined as it is to what the %s made of %s: cover it first and join the covered one", c.Source, j.Steps[i-1].Kind, j.Source)
			}
		}
	}
	return nil
}

// own is the object that a sidecar names: by a URI, by a key that begins with a slash,
// by a name in the sidecar's folder or, as other watch folders have it, by a key from
// the bucket's root. It must lie in the sidecar's own folder, whoever owns the others.
func own(field, bucket, sidecar, name string) (event.Location, error) {
	folder := folderOf(sidecar)
	var candidates []event.Location
	switch {
	case strings.HasPrefix(name, "s3://"):
		candidates = []event.Location{location(name)}
	case strings.HasPrefix(name, "/"):
		candidates = []event.Location{{Bucket: bucket, Key: name[1:]}}
	default:
		candidates = []event.Location{{Bucket: bucket, Key: folder + name}, {Bucket: bucket, Key: name}}
	}
	for _, at := range candidates {
		if at.Bucket == bucket && folderOf(at.Key) == folder && at.Key != folder && !climbs(at.Key) && at.Key != sidecar {
			return at, nil
		}
	}
	return event.Location{}, failf(CodeNotAllowed, "%s: %q is no other object in the folder of the %s, %s",
		field, name, event.SidecarName, event.Location{Bucket: bucket, Key: folder})
}

// folderOf is the part of a key up to its last slash, with it.
func folderOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// ofRemux are those settings that say something about a remux.
func (s Settings) ofRemux() Settings {
	return Settings{DropStreams: s.DropStreams, Subtitles: s.Subtitles}
}

// with is s with what somebody chose himself.
func (s Settings) with(o event.Options) Settings {
	s.Style, s.Codec, s.Preset = cmp.Or(o.Style, s.Style), cmp.Or(o.Codec, s.Codec), cmp.Or(o.Preset, s.Preset)
	s.AllowWeak = s.AllowWeak || o.AllowWeak
	override(&s.Blocks, o.Blocks)
	override(&s.Margin, o.Margin)
	override(&s.CRF, o.CRF)
	s.Cover, s.Collection = cmp.Or(o.Cover, s.Cover), cmp.Or(o.Collection, s.Collection)
	override(&s.Similarity, o.Similarity)
	s.DropStreams = s.DropStreams || o.DropStreams
	s.Subtitles = cmp.Or(o.Subtitles, s.Subtitles)
	s.Sheet = s.Sheet || o.Sheet
	return s
}

func override[T any](to *T, by *T) {
	if by != nil {
		*to = *by
	}
}

// id is 32 hexadecimal digits.
func id(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s,", len(p), p) // no two lists of parts look alike
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// outputName is the source's key where the output can be of the same container,
// and the key with .mp4 added where it can't: a.avi and a.mp4 stay apart.
func outputName(key string) string {
	if _, ok := ffmpeg.Formats[strings.ToLower(path.Ext(key))]; ok {
		return key
	}
	return key + ".mp4"
}
