package transcode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"github.com/mosaicd/mosaicd/internal/text"
)

var (
	requestType  = reflect.TypeFor[mediaconvert.CreateJobInput]()
	settingsType = reflect.TypeFor[types.JobSettings]()
)

// A form is one of the ways in which job files are written.
type form int

const (
	bareSettings form = iota // types.JobSettings
	wholeRequest             // mediaconvert.CreateJobInput
	printedJob               // {"Job": types.Job}, as get-job prints it
)

// An opened document is valid JSON, of which nothing else is known yet.
type opened struct {
	form    form
	members []member // of the outermost object
	raw     json.RawMessage
}

// open finds out how a job file is written, or why it is none.
func open(body []byte) (opened, string) {
	body, err := text.UTF8(body)
	if err != nil {
		return opened{}, err.Error()
	}
	if !utf8.Valid(body) {
		return opened{}, "not UTF-8: save it as UTF-8"
	}
	var raw json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			line := 1 + bytes.Count(body[:min(int(syntax.Offset), len(body))], []byte("\n"))
			return opened{}, fmt.Sprintf("not JSON: line %d: %v", line, err)
		}
		return opened{}, fmt.Sprintf("not JSON: %v", err)
	}
	raw = bytes.TrimSpace(raw)
	if raw[0] != '{' {
		return opened{}, "must be an object, not " + kind(raw)
	}
	o := opened{raw: raw, members: members(raw)}
	o.form = o.guess()
	return o, ""
}

func (o opened) guess() form {
	some := func(known func(name string) bool) bool {
		return slices.ContainsFunc(o.members, func(m member) bool { return known(m.name) })
	}
	named := func(want string) bool { return some(func(name string) bool { return strings.EqualFold(name, want) }) }
	of := func(t reflect.Type) bool { return some(func(name string) bool { _, ok := lookUp(t, name); return ok }) }
	switch {
	case named("Settings") || named("JobTemplate"):
		return wholeRequest
	case of(settingsType):
		return bareSettings
	case named("Job"):
		return printedJob
	case of(requestType):
		return wholeRequest
	}
	return bareSettings
}

// settingsPath is where the settings are in the document.
func (o opened) settingsPath() string {
	return [...]string{bareSettings: "", wholeRequest: "Settings", printedJob: "Job.Settings"}[o.form]
}

// judge holds the document against the SDK's types.
func (o opened) judge(p *problems) {
	switch o.form {
	case bareSettings:
		judgeStruct(p, "", o.raw, settingsType, strict)
	case wholeRequest:
		judgeStruct(p, "", o.raw, requestType, strict)
	case printedJob:
		for i, m := range o.members {
			switch {
			case i > 0:
				p.add(field("", m.name), "one field too many: Job stands alone")
			case !strings.EqualFold(m.name, "Job"):
				p.add(field("", m.name), "unknown field")
			case m.value[0] != '{':
				p.add(m.name, "must be an object, not %s", kind(m.value))
			default:
				judgeStruct(p, m.name, m.value, requestType, lenient)
			}
		}
	}
}

// decode returns new structs each time, as their owners change them. They must
// never be marshalled again: the SDK's types have no tags, and what is not set
// would come out as null.
func (o opened) decode() (*mediaconvert.CreateJobInput, error) {
	var err error
	in := &mediaconvert.CreateJobInput{}
	switch o.form {
	case bareSettings:
		err = json.Unmarshal(o.raw, &in.Settings)
	case wholeRequest:
		err = json.Unmarshal(o.raw, in)
	case printedJob:
		err = json.Unmarshal(o.raw, &struct{ Job *mediaconvert.CreateJobInput }{in})
	}
	if err != nil {
		return nil, err
	}
	if in.Settings == nil {
		in.Settings = &types.JobSettings{}
	}
	in.ClientRequestToken = nil // of another job
	return in, nil
}

// decode is the document's own.
func (d *Document) decode() (*mediaconvert.CreateJobInput, error) {
	o, reason := open(d.Raw)
	if reason != "" {
		return nil, fmt.Errorf("job file %s: %s", d.Name, reason)
	}
	in, err := o.decode()
	if err != nil {
		return nil, fmt.Errorf("job file %s: %w", d.Name, err)
	}
	return in, nil
}
