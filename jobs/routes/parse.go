package routes

import (
	_ "embed" // the built-in routes
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"github.com/mosaicd/mosaicd/internal/text"
	"github.com/mosaicd/mosaicd/jobs/event"
)

// MaxBytes is the size of the largest routes file that Parse reads.
const MaxBytes = 1 << 20

//go:embed default.yaml
var builtIn []byte

// Default returns what is done without routes: each video gets its mosaic.
func Default() *Routes {
	r, err := Parse("default.yaml", builtIn)
	if err != nil {
		panic(err) // it is part of the program, and a test parses it
	}
	return r
}

// Parse reads a routes file: YAML, strictly. The name is for errors, which are of
// type *Error: the first mistake and where it is.
func Parse(name string, body []byte) (*Routes, error) {
	if len(body) > MaxBytes {
		return nil, &Error{File: name, Problem: fmt.Sprintf("larger than %d bytes", MaxBytes)}
	}
	body, err := text.UTF8(body)
	if err != nil {
		return nil, &Error{File: name, Problem: err.Error()}
	}
	file, err := parser.ParseBytes(body, 0)
	if err != nil {
		return nil, syntaxError(name, err)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, &Error{File: name, Problem: fmt.Sprintf("must hold one YAML document (got %d)", len(file.Docs))}
	}
	top := node{name, "", file.Docs[0].Body}
	var d document
	if err := mapping(top, &d, documentReaders); err != nil {
		return nil, err
	}
	switch {
	case d.version != 1:
		return nil, top.errorf("version: missing, must be 1")
	case len(d.Routes.Routes) == 0:
		return nil, top.errorf("routes: missing, or none of them")
	}
	return &d.Routes, nil
}

func syntaxError(name string, err error) error {
	e := &Error{File: name, Problem: err.Error()}
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		e.Problem = syntax.Message
		if p := syntax.Token; p != nil && p.Position != nil {
			e.Line, e.Column = p.Position.Line, p.Position.Column
		}
	}
	e.Problem = "not YAML: " + strings.Join(strings.Fields(e.Problem), " ")
	return e
}

type document struct {
	version int
	Routes
}

var documentReaders = []reader[document]{
	{"version", func(d *document, n node) error { return n.integer(&d.version, 1, 1) }},
	{"routes", func(d *document, n node) error {
		all, err := n.items()
		if err != nil {
			return err
		}
		for _, item := range all {
			var r Route
			if err := mapping(item, &r, routeReaders); err != nil {
				return err
			}
			if r.Name == "" {
				return item.errorf("name: missing")
			}
			if err := d.place(item, r); err != nil {
				return err
			}
		}
		return nil
	}},
}

// place adds a route where it can be reached.
func (d *document) place(n node, r Route) error {
	for _, before := range d.Routes.Routes {
		switch {
		case before.Name == r.Name:
			return n.errorf("there are two routes of the name %s", r.Name)
		case before.Match.everything():
			return n.errorf("route %s is never reached: %s before it takes everything", r.Name, before.Name)
		}
	}
	d.Routes.Routes = append(d.Routes.Routes, r)
	return nil
}

var routeName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

var routeReaders = []reader[Route]{
	{"name", func(r *Route, n node) error {
		if err := n.text(&r.Name); err != nil {
			return err
		}
		if !routeName.MatchString(r.Name) {
			return n.errorf("must have 1 to 64 lower-case letters, digits and hyphens (got %s)", n.show())
		}
		return nil
	}},
	{"match", func(r *Route, n node) error {
		if err := mapping(n, &r.Match, matchReaders); err != nil {
			return err
		}
		if r.Match.MaxBytes > 0 && r.Match.MaxBytes < r.Match.MinBytes {
			return n.errorf("maxBytes: must not be less than minBytes")
		}
		return nil
	}},
	{"sidecar", readSidecar},
	{"steps", readSteps},
	{"ignored", func(r *Route, n node) error { return n.word(&r.PublishIgnored, "publish") }},
	{"progress", func(r *Route, n node) error { return n.word(&r.PublishProgress, "publish") }},
	{"after", readAfter},
}

// word reads the only value that a field may have.
func (n node) word(to *bool, word string) error {
	var s string
	if err := n.oneOf(&s, []string{word}); err != nil {
		return err
	}
	*to = true
	return nil
}

var matchReaders = []reader[Match]{
	{"bucket", func(m *Match, n node) error { return n.texts(&m.Buckets) }},
	{"prefix", func(m *Match, n node) error { return n.texts(&m.Prefixes) }},
	{"suffix", func(m *Match, n node) error { return n.texts(&m.Suffixes) }},
	{"minBytes", func(m *Match, n node) error { return n.size(&m.MinBytes) }},
	{"maxBytes", func(m *Match, n node) error { return n.size(&m.MaxBytes) }},
	{"contentType", func(m *Match, n node) error { return n.texts(&m.ContentTypes) }},
}

// order is the only one in which steps make sense: what is streamed is made of
// what is covered.
var order = []string{Remux, Mosaic, Transcode}

func readSteps(r *Route, n node) error {
	all, err := n.items()
	if err != nil {
		return err
	}
	for _, item := range all {
		s, err := readStep(item)
		if err != nil {
			return err
		}
		for _, before := range r.Steps {
			switch b, s := slices.Index(order, before.Kind), slices.Index(order, s.Kind); {
			case b == s:
				return item.errorf("%s comes twice", before.Kind)
			case b == slices.Index(order, Transcode) && s == slices.Index(order, Mosaic):
				return item.errorf("mosaic after transcode: what is streamed would not be covered; put mosaic first")
			case b > s:
				return item.errorf("%s must come after %s", before.Kind, order[s])
			}
		}
		r.Steps = append(r.Steps, s)
	}
	return nil
}

// readStep reads a bare word, or a mapping of it to its options.
func readStep(n node) (s Step, err error) {
	if word, ok := plain(n.Node); ok {
		if !slices.Contains(order, word) {
			return s, n.errorf("unknown step %s, known are %s", n.show(), strings.Join(order, ", "))
		}
		return Step{Kind: word}, nil
	}
	readers := make([]reader[Step], len(order))
	for i, kind := range order {
		readers[i] = reader[Step]{kind, func(s *Step, n node) error {
			if s.Kind != "" {
				return n.errorf("a step is one of %s: begin another with a hyphen", strings.Join(order, ", "))
			}
			s.Kind = kind
			if _, null := n.Node.(*ast.NullNode); null {
				return nil
			}
			if err := mapping(n, s, stepReaders[kind]); err != nil {
				return err
			}
			return s.judge(n)
		}}
	}
	if err := mapping(n, &s, readers); err != nil {
		return s, err
	}
	if s.Kind == "" {
		return s, n.errorf("must be one of %s", strings.Join(order, ", "))
	}
	return s, nil
}

var (
	codecs        = []string{"auto", "h264", "hevc"}
	covers        = []string{"all", "strangers", "listed"}
	styles        = []string{"mosaic", "blur", "fill"}
	presets       = []string{"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"}
	accelerations = values(types.AccelerationMode("").Values())
	intervals     = values(types.StatusUpdateInterval("").Values())

	destination = reader[Step]{"destination", func(s *Step, n node) error { return n.template(&s.Destination) }}

	dropStreams = reader[Step]{"dropStreams", func(s *Step, n node) error { return n.truth(&s.Options.DropStreams) }}

	subtitles = reader[Step]{"subtitles", func(s *Step, n node) error { return n.oneOf(&s.Options.Subtitles, []string{"keep", "convert"}) }}

	stepReaders = map[string][]reader[Step]{
		Remux: {destination, dropStreams, subtitles},
		Mosaic: {
			destination,
			dropStreams,
			subtitles,
			{"style", func(s *Step, n node) error { return n.oneOf(&s.Options.Style, styles) }},
			{"blocks", func(s *Step, n node) error { s.Options.Blocks = new(int); return n.integer(s.Options.Blocks, 2, 64) }},
			{"allowWeak", func(s *Step, n node) error { return n.truth(&s.Options.AllowWeak) }},
			{"margin", func(s *Step, n node) error { s.Options.Margin = new(float64); return n.number(s.Options.Margin, 0, 2) }},
			{"codec", func(s *Step, n node) error { return n.oneOf(&s.Options.Codec, codecs) }},
			{"preset", func(s *Step, n node) error { return n.oneOf(&s.Options.Preset, presets) }},
			{"cover", func(s *Step, n node) error { return n.oneOf(&s.Options.Cover, covers) }},
			{"similarity", func(s *Step, n node) error {
				s.Options.Similarity = new(float64)
				return n.number(s.Options.Similarity, 1, 100)
			}},
			{"collection", func(s *Step, n node) error {
				if err := n.text(&s.Options.Collection); err != nil {
					return err
				}
				if event.ValidateCollection(s.Options.Collection) != nil {
					return n.errorf("must be 1 to 255 letters, digits, and . _ - (got %s)", n.show())
				}
				return nil
			}},
			{"sheet", func(s *Step, n node) error { return n.truth(&s.Options.Sheet) }},
			{"residual", func(s *Step, n node) error { return n.word(&s.Review, "review") }},
			{"fallback", func(s *Step, n node) error { return n.word(&s.Fallback, "builtin") }},
			{"crf", func(s *Step, n node) error { s.Options.CRF = new(int); return n.integer(s.Options.CRF, 0, 51) }},
		},
		Transcode: {
			destination,
			{"settings", func(s *Step, n node) error {
				if err := n.text(&s.Transcode.Settings); err != nil {
					return err
				}
				if !strings.HasSuffix(s.Transcode.Settings, ".json") {
					return n.errorf("must be an s3:// URI or a path that ends with .json (got %s)", n.show())
				}
				return nil
			}},
			{"template", func(s *Step, n node) error { return n.text(&s.Transcode.Template) }},
			{"ladder", func(s *Step, n node) error { return n.ladder(&s.Transcode.Ladder) }},
			{"jobFiles", func(s *Step, n node) error { return n.jobFiles(&s.Transcode.JobFiles) }},
			{"queue", func(s *Step, n node) error { return n.text(&s.Transcode.Queue) }},
			{"role", func(s *Step, n node) error { return n.text(&s.Transcode.Role) }},
			{"priority", func(s *Step, n node) error {
				s.Transcode.Priority = new(int)
				return n.integer(s.Transcode.Priority, -50, 50)
			}},
			{"acceleration", func(s *Step, n node) error { return n.oneOf(&s.Transcode.Acceleration, accelerations) }},
			{"statusInterval", func(s *Step, n node) error { return n.oneOf(&s.Transcode.StatusInterval, intervals) }},
		},
	}
)

func values[T ~string](all []T) []string {
	var texts []string
	for _, v := range all {
		texts = append(texts, string(v))
	}
	return texts
}

// maxLadder is how many rungs a ladder may have.
const maxLadder = 32

func (n node) ladder(to *Ladder) error {
	m, ok := n.Node.(ast.MapNode)
	if !ok {
		return n.errorf("must be a mapping of heights to job templates or job files (got %s)", n.show())
	}
	*to = Ladder{}
	for pairs := m.MapRange(); pairs.Next(); {
		key := node{n.file, n.path, pairs.Key()}
		height, err := strconv.Atoi(strings.TrimSpace(pairs.Key().String()))
		if err != nil || height < 1 || height > 8192 {
			return key.errorf("must be a height in pixels, 1 to 8192 (got %s)", key.show())
		}
		if _, twice := (*to)[height]; twice {
			return key.errorf("%d comes twice", height)
		}
		var rung string
		if err := (node{n.file, join(n.path, strconv.Itoa(height)), pairs.Value()}).text(&rung); err != nil {
			return err
		}
		(*to)[height] = rung
	}
	if len(*to) == 0 || len(*to) > maxLadder {
		return n.errorf("must have 1 to %d heights (got %d)", maxLadder, len(*to))
	}
	return nil
}

// jobFiles reads the word none, or a mapping.
func (n node) jobFiles(to *JobFiles) error {
	if _, ok := n.Node.(ast.MapNode); !ok {
		return n.word(&to.None, "none")
	}
	return mapping(n, to, jobFilesReaders)
}

var jobFilesReaders = []reader[JobFiles]{
	{"from", func(j *JobFiles, n node) error {
		if err := n.text(&j.From); err != nil {
			return err
		}
		if _, err := event.ParseFolder(j.From); err != nil {
			return n.errorf("%v", err)
		}
		return nil
	}},
	{"allow", func(j *JobFiles, n node) error { return n.fields(&j.Allow, powers) }},
}

// powers are those of package transcode.
var powers = []string{"role", "queue", "priority", "acceleration", "tags", "inputs", "template", "storage"}

// template reads a destination with tokens.
func (n node) template(to *string) error {
	if err := n.text(to); err != nil {
		return err
	}
	if _, err := Expand(*to, example); err != nil {
		return n.errorf("%v", err)
	}
	return nil
}

// judge judges what only the whole step shows.
func (s Step) judge(n node) error {
	folder := strings.HasSuffix(s.Destination, "/")
	switch {
	case s.Kind == Transcode && s.Destination != "" && !folder:
		return n.errorf("destination: must be a folder and end with a slash, as a transcode writes many objects")
	case s.Kind != Transcode && folder:
		return n.errorf("destination: must be an object and not end with a slash")
	case s.Kind != Transcode && s.Destination != "" && !container.MatchString(s.Destination):
		return n.errorf("destination: its extension says the container and must be .mp4, .m4v, .mov, .mkv or .ts, or come from {key}")
	}
	if b := s.Options.Blocks; b != nil && *b > event.MaxBlocks && !s.Options.AllowWeak {
		return n.errorf("blocks: must be 2 to %d, as a face can be made out again from finer cells; allowWeak: true takes them (got %d)", event.MaxBlocks, *b)
	}
	chosen := 0
	for _, set := range []bool{s.Transcode.Settings != "", s.Transcode.Template != "", s.Transcode.Ladder != nil} {
		if set {
			chosen++
		}
	}
	if chosen > 1 {
		return n.errorf("settings, template and ladder exclude each other")
	}
	return nil
}

var container = regexp.MustCompile(`(?i)(\.(mp4|m4v|mov|mkv|ts)|\{key\})$`)

func readAfter(r *Route, n node) error {
	if err := mapping(n, &r.After, afterReaders); err != nil {
		return err
	}
	chosen := 0
	for _, set := range []bool{r.After.Tag != nil, r.After.Move != "", r.After.Delete} {
		if set {
			chosen++
		}
	}
	if chosen > 1 {
		return n.errorf("tag, move and delete exclude each other")
	}
	return nil
}

var afterReaders = []reader[After]{
	{"tag", func(a *After, n node) error { return n.tags(&a.Tag) }},
	{"move", func(a *After, n node) error { return n.template(&a.Move) }},
	{"delete", func(a *After, n node) error { return n.truth(&a.Delete) }},
}

// tags reads what S3 takes.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
func (n node) tags(to *map[string]string) error {
	m, ok := n.Node.(ast.MapNode)
	if !ok {
		return n.errorf("must be a mapping of tags to their values (got %s)", n.show())
	}
	*to = map[string]string{}
	for pairs := m.MapRange(); pairs.Next(); {
		key := node{n.file, n.path, pairs.Key()}
		name, ok := plain(pairs.Key())
		if _, twice := (*to)[name]; !ok || twice || len([]rune(name)) > 128 || strings.HasPrefix(name, "aws:") {
			return key.errorf("must be a tag of 1 to 128 characters, once, without the prefix aws: (got %s)", key.show())
		}
		value := strings.Trim(strings.TrimSpace(pairs.Value().String()), `"'`)
		if len([]rune(value)) > 256 {
			return key.errorf("%s: must have at most 256 characters", name)
		}
		(*to)[name] = value
	}
	if len(*to) == 0 || len(*to) > 10 {
		return n.errorf("must be 1 to 10 tags (got %d)", len(*to))
	}
	return nil
}
