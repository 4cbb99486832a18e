package routes

import (
	"slices"
	"strings"
)

// Like reports whether a text is as a pattern says, in which * stands for any
// characters.
func Like(pattern, text string) bool { return like(pattern, text) }

// Takes reports whether uploads to a bucket may start a job: whether a route with
// steps is for it. A route that names no bucket is for every bucket.
func (r *Routes) Takes(bucket string) bool {
	return slices.ContainsFunc(r.Routes, func(r Route) bool {
		return (len(r.Steps) > 0 || r.Sidecar.On) && r.Match.Bucket(bucket)
	})
}

// Named returns the buckets that routes with steps name, as patterns: those of the
// uploads, and those of job files. A pattern that stands for every bucket names none.
func (r *Routes) Named() []string {
	var names []string
	for _, r := range r.Routes {
		if len(r.Steps) == 0 && !r.Sidecar.On {
			continue
		}
		names = append(names, r.Match.named()...)
		for _, s := range r.Steps {
			for _, file := range s.Transcode.files() {
				if bucket, _, ok := cutURI(file); ok {
					names = append(names, bucket)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Destinations returns the buckets that the destinations of the steps name, as
// patterns. What stands for {bucket} are the route's own buckets.
func (r *Routes) Destinations() []string {
	var names []string
	for _, r := range r.Routes {
		for _, s := range r.Steps {
			bucket, _, ok := cutURI(s.Destination)
			switch {
			case !ok || strings.Contains(strings.ReplaceAll(bucket, "{bucket}", ""), "{"):
			case strings.Contains(bucket, "{bucket}"):
				for _, own := range r.Match.named() {
					names = append(names, strings.ReplaceAll(bucket, "{bucket}", own))
				}
			default:
				names = append(names, bucket)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// named are the buckets of a match but for a pattern that says nothing.
func (m Match) named() []string {
	var names []string
	for _, b := range m.Buckets {
		if strings.Trim(b, "*") != "" {
			names = append(names, b)
		}
	}
	return names
}

// files are the job files that the options name.
func (o TranscodeOptions) files() []string {
	files := []string{o.Settings, o.JobFiles.From}
	for _, file := range o.Ladder {
		if strings.HasSuffix(file, ".json") {
			files = append(files, file)
		}
	}
	return files
}

// cutURI takes an s3:// URI apart.
func cutURI(uri string) (bucket, key string, ok bool) {
	rest, ok := strings.CutPrefix(uri, "s3://")
	bucket, key, _ = strings.Cut(rest, "/")
	return bucket, key, ok && bucket != ""
}
