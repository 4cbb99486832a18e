package routes

import (
	"fmt"
	"mime"
	"regexp"
	"slices"
	"strings"
)

// Match returns the first route that is for an object, nil where none is. The
// content type is asked for once at most, and only where a route needs it.
func (r *Routes) Match(o Object) (*Route, error) {
	asked, contentType := false, ""
	for i := range r.Routes {
		m := r.Routes[i].Match
		if !m.object(o) {
			continue
		}
		if m.ContentTypes != nil && !asked {
			var err error
			if contentType, err = o.ContentType(); err != nil {
				return nil, fmt.Errorf("ask for the content type of %s: %w", o.Location, err)
			}
			asked = true
		}
		if m.contentType(contentType) {
			return &r.Routes[i], nil
		}
	}
	return nil, nil
}

// object judges all but the content type.
func (m Match) object(o Object) bool {
	key := strings.ToLower(o.Key)
	return m.Bucket(o.Bucket) &&
		(m.Prefixes == nil || slices.ContainsFunc(m.Prefixes, func(p string) bool { return strings.HasPrefix(o.Key, p) })) &&
		(m.Suffixes == nil || slices.ContainsFunc(m.Suffixes, func(s string) bool { return strings.HasSuffix(key, strings.ToLower(s)) })) &&
		(o.Bytes < 0 || o.Bytes >= m.MinBytes && (m.MaxBytes == 0 || o.Bytes <= m.MaxBytes))
}

// Bucket reports whether objects of a bucket may match.
func (m Match) Bucket(name string) bool {
	return m.Buckets == nil || slices.ContainsFunc(m.Buckets, func(b string) bool { return like(b, name) })
}

func (m Match) contentType(of string) bool {
	if m.ContentTypes == nil {
		return true
	}
	if media, _, err := mime.ParseMediaType(of); err == nil {
		of = media // in lower case, without parameters
	}
	return slices.ContainsFunc(m.ContentTypes, func(t string) bool { return like(strings.ToLower(t), of) })
}

// like reports whether a text is as a pattern says, in which * stands for any
// characters.
func like(pattern, text string) bool {
	if !strings.Contains(pattern, "*") {
		return pattern == text
	}
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	ok, err := regexp.MatchString("(?s)^"+strings.Join(parts, ".*")+"$", text)
	return ok && err == nil
}

// everything reports whether no object is left for other routes.
func (m Match) everything() bool {
	return m.Buckets == nil && m.Prefixes == nil && m.Suffixes == nil && m.ContentTypes == nil && m.MinBytes == 0 && m.MaxBytes == 0
}
