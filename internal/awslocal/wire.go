package awslocal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// wire is a value as restJson1 has it: the names of fields begin in lower case,
// times are seconds, and what is not set is left out.
// https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
func wire(v any) any { return wireValue(reflect.ValueOf(v)) }

func wireValue(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return wireValue(v.Elem())
	case reflect.Slice:
		all := make([]any, v.Len())
		for i := range all {
			all[i] = wireValue(v.Index(i))
		}
		return all
	case reflect.Map:
		all := make(map[string]any, v.Len())
		for pairs := v.MapRange(); pairs.Next(); {
			all[pairs.Key().String()] = wireValue(pairs.Value())
		}
		return all
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return float64(t.UnixMilli()) / 1000
		}
		all := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && f.Name != "ResultMetadata" && !v.Field(i).IsZero() {
				all[lowerFirst(f.Name)] = wireValue(v.Field(i))
			}
		}
		return all
	}
	return v.Interface()
}

func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

// unwire reads a request strictly into one of the SDK's own types.
func unwire(body []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("the request is not valid: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the request is not valid: more than one document")
	}
	return judgeEnums("", reflect.ValueOf(to))
}

// judgeEnums looks for values that the types don't know.
func judgeEnums(path string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return judgeEnums(path, v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			if err := judgeEnums(fmt.Sprintf("%s[%d]", path, i), v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for pairs := v.MapRange(); pairs.Next(); {
			if err := judgeEnums(path+"/"+pairs.Key().String(), pairs.Value()); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				if err := judgeEnums(path+"/"+lowerFirst(f.Name), v.Field(i)); err != nil {
					return err
				}
			}
		}
	case reflect.String:
		values := v.MethodByName("Values")
		if v.String() == "" || !values.IsValid() {
			return nil
		}
		var known []string
		for all, i := values.Call(nil)[0], 0; i < all.Len(); i++ {
			known = append(known, all.Index(i).String())
		}
		if !slices.Contains(known, v.String()) {
			return fmt.Errorf("%s: %q is none of %s", path, v.String(), strings.Join(known, ", "))
		}
	}
	return nil
}
