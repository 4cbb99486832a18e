package transcode

import (
	"maps"
	"slices"
	"strings"
)

// Limits of user metadata.
// https://docs.aws.amazon.com/mediaconvert/latest/ug/user-metadata-tags.html
const (
	maxPairs = 10
	maxKey   = 128 // characters
	maxValue = 256 // characters

	ownPrefix = "mosaicd-" // of keys by which a job is known again: no document has them
)

// UserMetadata joins a document's metadata and ours within MediaConvert's limits.
// Ours win; of the document's there are as many as there is room for, in the order
// of their keys. Characters that MediaConvert doesn't take become underscores, what
// is too long is cut, and what is empty is left out.
func UserMetadata(document, ours map[string]string) map[string]string {
	joined := map[string]string{}
	for i, pairs := range []map[string]string{ours, document} {
		for _, key := range slices.Sorted(maps.Keys(pairs)) {
			name, value := cleanKey(key), clean(pairs[key], maxValue)
			ours := strings.HasPrefix(name, ownPrefix) && i > 0
			if _, taken := joined[name]; !taken && !ours && name != "" && value != "" && len(joined) < maxPairs {
				joined[name] = value
			}
		}
	}
	return joined
}

// cleanKey is clean for keys, of which AWS has some for itself.
func cleanKey(s string) string {
	s = clean(s, maxKey)
	if len(s) >= 4 && strings.EqualFold(s[:4], "aws:") {
		s = s[:3] + "_" + s[4:]
	}
	return s
}

// clean keeps to ASCII: AWS speaks of letters and doesn't say which.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(" _.:/=+-@", r):
			return r
		}
		return '_'
	}, s)
	return s[:min(len(s), limit)]
}
