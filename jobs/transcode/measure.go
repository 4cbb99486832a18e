package transcode

import (
	"maps"
	"slices"
	"strings"
)

// Prefixes are the s3:// URIs whose listings Measure wants, as few as hold all
// outputs.
func Prefixes(outputs []Output) []string {
	all := make([]string, len(outputs))
	for i, o := range outputs {
		all[i] = o.Prefix
	}
	slices.Sort(all)
	var few []string
	for _, p := range all {
		if p != "" && (len(few) == 0 || !strings.HasPrefix(p, few[len(few)-1])) {
			few = append(few, p)
		}
	}
	return few
}

// Measure fills in the sizes of outputs by a listing: bytes by s3:// URI. It
// returns the outputs, which are others where the listing has thumbnails: those
// that are there take the place of those that were inferred.
//
// An object belongs to the output with the longest prefix of its own, so that
// what begins with _high2 doesn't count for _high.
func Measure(outputs []Output, objects map[string]int64) []Output {
	measured := make([]Output, 0, len(outputs))
	seen := map[string]bool{} // prefixes of thumbnails
	for _, o := range outputs {
		if o.Kind != KindThumbnail {
			measured = append(measured, o)
			continue
		}
		if seen[o.Prefix] {
			continue
		}
		seen[o.Prefix] = true
		found := listed(o, objects)
		if found == nil {
			found = slices.DeleteFunc(slices.Clone(outputs), func(other Output) bool {
				return other.Kind != KindThumbnail || other.Prefix != o.Prefix
			})
		}
		measured = append(measured, found...)
	}
	var sized []*Output
	for i := range measured {
		if measured[i].Kind != KindThumbnail {
			sized = append(sized, &measured[i])
		}
	}
	for uri, bytes := range objects {
		if o := owner(sized, uri); o != nil {
			o.Bytes += bytes
		}
	}
	return measured
}

// listed are the thumbnails that a listing has, in their order.
func listed(like Output, objects map[string]int64) []Output {
	var found []Output
	for _, uri := range slices.Sorted(maps.Keys(objects)) {
		if strings.HasPrefix(uri, like.Prefix) && isThumbnail(uri) && !strings.Contains(uri[len(like.Prefix):], "/") {
			o := like
			o.URI, o.Bytes = uri, objects[uri]
			found = append(found, o)
		}
	}
	return found
}

// owner is the output that an object belongs to, or nil.
func owner(outputs []*Output, uri string) *Output {
	var best *Output
	for _, o := range outputs {
		one := o.Prefix == o.URI
		if !strings.HasPrefix(uri, o.Prefix) || one && uri != o.URI {
			continue
		}
		if best == nil || len(o.Prefix) > len(best.Prefix) {
			best = o
		}
	}
	return best
}
