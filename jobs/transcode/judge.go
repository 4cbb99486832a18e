package transcode

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// A member is one field of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// members returns the fields of an object in their order, also those that come
// twice. Raw must be valid.
func members(raw json.RawMessage) []member {
	d := json.NewDecoder(bytes.NewReader(raw))
	var found []member
	_, _ = d.Token()
	for d.More() {
		var m member
		name, _ := d.Token()
		m.name, _ = name.(string)
		if d.Decode(&m.value) != nil {
			break
		}
		found = append(found, m)
	}
	return found
}

// strictness says what becomes of fields that a type doesn't have.
type strictness bool

const (
	strict  strictness = true
	lenient strictness = false // they are left out
)

// judgeValue notes all in which a value is no t, as encoding/json says only the
// first thing and not where, and takes any text for an enum.
func judgeValue(p *problems, at string, raw json.RawMessage, t reflect.Type) {
	if p.full() {
		return
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	want, ok := "", true
	switch t.Kind() {
	case reflect.Struct:
		if want, ok = "an object", raw[0] == '{'; ok {
			judgeStruct(p, at, raw, t, strict)
		}
	case reflect.Map:
		if want, ok = "an object", raw[0] == '{'; ok {
			judgeMap(p, at, raw, t.Elem())
		}
	case reflect.Slice:
		if want, ok = "a list", raw[0] == '['; ok {
			judgeList(p, at, raw, t.Elem())
		}
	case reflect.String:
		if want, ok = "a string", raw[0] == '"'; ok {
			judgeText(p, at, raw, t)
		}
	case reflect.Bool:
		want, ok = "true or false", raw[0] == 't' || raw[0] == 'f'
	default:
		if want, ok = "a number", raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'; ok {
			judgeNumber(p, at, string(raw), t)
		}
	}
	if !ok {
		p.add(at, "must be %s, not %s", want, kind(raw))
	}
}

func judgeStruct(p *problems, at string, raw json.RawMessage, t reflect.Type, s strictness) {
	seen := map[string]string{}
	for _, m := range members(raw) {
		if p.full() {
			return
		}
		f, ok := lookUp(t, m.name)
		if !ok {
			if s == strict {
				p.add(field(at, m.name), "unknown field%s", suggest(m.name, fieldNames(t)))
			}
			continue
		}
		if earlier, ok := seen[f.Name]; ok {
			p.add(field(at, m.name), "comes twice%s", also(earlier, m.name))
			continue
		}
		seen[f.Name] = m.name
		if !isNull(m.value) { // null is a field that isn't there
			judgeValue(p, field(at, m.name), m.value, f.Type)
		}
	}
}

// judgeMap is judgeStruct for objects whose keys are people's own.
func judgeMap(p *problems, at string, raw json.RawMessage, t reflect.Type) {
	seen := map[string]bool{}
	for _, m := range members(raw) {
		path := at + "[" + quote(m.name) + "]"
		switch {
		case seen[m.name]:
			p.add(path, "comes twice")
		case isNull(m.value):
			p.add(path, "must not be null")
		default:
			judgeValue(p, path, m.value, t)
		}
		seen[m.name] = true
	}
}

func judgeList(p *problems, at string, raw json.RawMessage, t reflect.Type) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		p.add(at, "%v", err)
		return
	}
	for i, value := range items {
		if isNull(value) {
			p.add(item(at, i), "must not be null")
			continue
		}
		judgeValue(p, item(at, i), value, t)
	}
}

// judgeText holds an enum against its values. The empty one is what the SDK
// doesn't send.
func judgeText(p *problems, at string, raw json.RawMessage, t reflect.Type) {
	var s string
	known := enumValues(t)
	if err := json.Unmarshal(raw, &s); err != nil || known == nil || s == "" {
		return
	}
	for _, value := range known {
		if value == s {
			return
		}
	}
	const most = 24 // there are 190 languages
	list := strings.Join(known[:min(most, len(known))], ", ")
	if len(known) > most {
		list += ", …"
	}
	p.add(at, "%s is none of %s%s", quote(s), list, suggest(s, known))
}

func judgeNumber(p *problems, at, number string, t reflect.Type) {
	if len(number) > maxShown {
		p.add(at, "a number of %d digits", len(number))
		return
	}
	value, err := strconv.ParseFloat(number, 64)
	if t.Kind() == reflect.Float64 {
		if err != nil {
			p.add(at, "%s is too large", number)
		}
		return
	}
	if _, err := strconv.ParseInt(number, 10, t.Bits()); err == nil {
		return
	}
	limit := math.Exp2(float64(t.Bits() - 1))
	switch {
	case value >= limit || value < -limit:
		p.add(at, "%s is beyond what %d bits hold", number, t.Bits())
	case value == math.Trunc(value):
		p.add(at, "%s must be a whole number: write %.0f", number, value)
	default:
		p.add(at, "%s must be a whole number", number)
	}
}

// lookUp finds a struct's field as encoding/json does: case doesn't matter.
func lookUp(t reflect.Type, name string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && strings.EqualFold(f.Name, name) {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			names = append(names, f.Name)
		}
	}
	return names
}

// enumValues returns what an enum of the SDK can be; nil where t is an ordinary
// string.
func enumValues(t reflect.Type) []string {
	method := reflect.Zero(t).MethodByName("Values")
	if !method.IsValid() {
		return nil
	}
	list := method.Call(nil)[0]
	values := make([]string, list.Len())
	for i := range values {
		values[i] = list.Index(i).String()
	}
	return values
}

// suggest names what somebody may have meant: the same but for case and
// separators, or the beginning of it, or it and more.
func suggest(name string, known []string) string {
	bare := func(s string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(s))
	}
	near, distance := "", math.MaxInt
	for _, k := range known {
		a, b := bare(name), bare(k)
		if len(a) > len(b) {
			a, b = b, a
		}
		if len(a) >= 3 && strings.HasPrefix(b, a) && len(b)-len(a) < distance {
			near, distance = k, len(b)-len(a)
		}
	}
	if near == "" {
		return ""
	}
	return " (did you mean " + near + "?)"
}

// also names the other spelling of a field that comes twice.
func also(earlier, name string) string {
	if earlier == name {
		return ""
	}
	return ", also as " + earlier
}

func isNull(raw json.RawMessage) bool { return raw[0] == 'n' }

// kind is a JSON value for errors.
func kind(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}
