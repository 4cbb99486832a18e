package transcode

import (
	"cmp"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// FromTemplate makes a Document of a job template that MediaConvert has. Its jobs
// name the template, and repeat the template's inputs and output groups, as a job's
// own take the place of the template's: so their files can be replaced. Queue,
// priority, acceleration and the like are left to MediaConvert.
//
// Name is the Document's; it names the template too where the template itself
// doesn't. The error is a *SettingsError.
func FromTemplate(name string, t *types.JobTemplate) (*Document, error) {
	p := problems{name: name}
	if t == nil || t.Settings == nil {
		p.add("", "the job template has no settings")
		return nil, p.err()
	}
	if len(t.Settings.OutputGroups) == 0 {
		p.add("", "the job template has no output groups")
		return nil, p.err()
	}
	// Unlike what MediaConvert is sent, this is read by nothing but decode, for
	// which null and a missing field are the same.
	raw, err := json.Marshal(map[string]any{
		"JobTemplate": cmp.Or(deref(t.Name), name),
		"Settings": map[string]any{
			"Inputs":       t.Settings.Inputs,
			"OutputGroups": t.Settings.OutputGroups,
		},
	})
	if err != nil {
		p.add("", "job template: %v", err)
		return nil, p.err()
	}
	d := &Document{Name: name, Raw: raw}
	in, err := d.decode()
	if err != nil {
		p.add("", "job template: %v", err)
		return nil, p.err()
	}
	// Its fields and enums need no judging: MediaConvert wrote them, and may know
	// more of them than the SDK.
	judgeJob(&p, "Settings", in)
	for i, g := range in.Settings.OutputGroups {
		if err := (Rewrite{}).relocate(g.OutputGroupSettings); err != nil && p.none() {
			p.add(item("Settings.OutputGroups", i), "%v", err)
		}
	}
	if !p.none() {
		return nil, p.err()
	}
	return d, nil
}
