package transcode

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// Powers are what a job file can decide beyond what its renditions are like.
const (
	PowerRole         = "role"         // with which MediaConvert reads and writes
	PowerQueue        = "queue"        // also those it hops to
	PowerPriority     = "priority"     // in the queue
	PowerAcceleration = "acceleration" // which costs more
	PowerTags         = "tags"         // and by which of them AWS bills
	PowerInputs       = "inputs"       // after the first, and any other object or address
	PowerTemplate     = "template"     // job template, by its name
	PowerStorage      = "storage"      // access, encryption and class of what is written
)

// Powers returns all of them.
func Powers() []string {
	return []string{
		PowerRole, PowerQueue, PowerPriority, PowerAcceleration,
		PowerTags, PowerInputs, PowerTemplate, PowerStorage,
	}
}

// A Use is where a job file makes use of a power.
type Use struct {
	Power string
	Path  string // in JSON, as in Settings.Inputs[1]
	Value string // as it is written; empty where it is no text or number
}

// Uses returns every use of a power. Of the file of the first input and of the
// destinations of the output groups there is none: both are replaced.
func (d *Document) Uses() ([]Use, error) {
	in, err := d.decode()
	if err != nil {
		return nil, err
	}
	var u uses
	u.text(PowerRole, "Role", deref(in.Role))
	u.text(PowerQueue, "Queue", deref(in.Queue))
	for i, hop := range in.HopDestinations {
		u.add(PowerQueue, item("HopDestinations", i), deref(hop.Queue))
	}
	if in.SimulateReservedQueue != types.SimulateReservedQueueDisabled {
		u.text(PowerQueue, "SimulateReservedQueue", string(in.SimulateReservedQueue))
	}
	if in.Priority != nil {
		u.add(PowerPriority, "Priority", fmt.Sprint(*in.Priority))
	}
	if a := in.AccelerationSettings; a != nil {
		u.add(PowerAcceleration, "AccelerationSettings", string(a.Mode))
	}
	for _, key := range slices.Sorted(maps.Keys(in.Tags)) {
		u.add(PowerTags, field("Tags", key), in.Tags[key])
	}
	if in.BillingTagsSource != types.BillingTagsSourceJob {
		u.text(PowerTags, "BillingTagsSource", string(in.BillingTagsSource))
	}
	u.text(PowerTemplate, "JobTemplate", deref(in.JobTemplate))
	u.settings(in)
	return u.found, nil
}

type uses struct {
	found    []Use
	replaced map[string]bool // paths of what a job gets another value for
}

func (u *uses) add(power, path, value string) { u.found = append(u.found, Use{power, path, value}) }

// text adds a text that is there.
func (u *uses) text(power, path, value string) {
	if value != "" {
		u.add(power, path, value)
	}
}

func (u *uses) settings(in *mediaconvert.CreateJobInput) {
	const at = "Settings"
	u.replaced = map[string]bool{field(item(field(at, "Inputs"), 0), "FileInput"): true}
	for i := range in.Settings.Inputs {
		if i > 0 {
			u.add(PowerInputs, item(field(at, "Inputs"), i), "")
		}
	}
	for i, g := range in.Settings.OutputGroups {
		if g.OutputGroupSettings == nil {
			continue
		}
		if to, name := destinationOf(g.OutputGroupSettings); to != nil {
			path := field(item(field(at, "OutputGroups"), i), "OutputGroupSettings")
			u.replaced[field(field(path, name), "Destination")] = true
		}
	}
	u.walk(at, reflect.ValueOf(in.Settings))
}

// walk looks at every text of the settings, so that what MediaConvert learns to read
// from elsewhere is found too.
func (u *uses) walk(at string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			u.walk(at, v.Elem())
		}
	case reflect.Struct:
		if s, ok := v.Interface().(types.S3DestinationSettings); ok {
			u.storage(at, s)
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				u.walk(field(at, f.Name), v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			u.walk(item(at, i), v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			u.walk(field(at, key.String()), v.MapIndex(key))
		}
	case reflect.String:
		if isAddress(at, v.String()) && !u.replaced[at] {
			u.add(PowerInputs, at, v.String())
		}
	}
}

// isAddress reports whether a text names an object or something else to be read or
// written. Schemes of metadata and documents in XML only look like it.
func isAddress(path, s string) bool {
	return strings.Contains(s, "://") && !strings.HasSuffix(path, "SchemeIdUri") &&
		!strings.HasPrefix(strings.TrimSpace(s), "<")
}

// storage adds what is not as S3 does it by itself.
func (u *uses) storage(at string, s types.S3DestinationSettings) {
	if s.AccessControl != nil {
		u.text(PowerStorage, field(at, "AccessControl"), string(s.AccessControl.CannedAcl))
	}
	if e := s.Encryption; e != nil && e.EncryptionType != types.S3ServerSideEncryptionTypeServerSideEncryptionS3 {
		u.add(PowerStorage, field(at, "Encryption"), string(e.EncryptionType))
	}
	if s.StorageClass != types.S3StorageClassStandard {
		u.text(PowerStorage, field(at, "StorageClass"), string(s.StorageClass))
	}
}
