package event

import "strings"

// A vodRequest is what people send to the usual Lambda of a video-on-demand
// watch folder.
type vodRequest struct{ bucketFrom, bucketTo, filename, start, end string }

var vodReaders = []reader[vodRequest]{
	{"BucketFrom", true, func(v *vodRequest, f field) error { return f.bucket(&v.bucketFrom) }},
	{"BucketTo", true, func(v *vodRequest, f field) error { return f.bucket(&v.bucketTo) }},
	{"Filename", true, func(v *vodRequest, f field) error { return f.key(&v.filename) }},
	{"StartTimecode", false, func(v *vodRequest, f field) error { return f.timecode(&v.start) }},
	{"EndTimecode", false, func(v *vodRequest, f field) error { return f.endTimecode(&v.end) }},
}

func isVOD(message object) bool { return message.has("BucketFrom") || message.has("BucketTo") }

func decodeVOD(message object) ([]Event, error) {
	var v vodRequest
	if err := readStrict(&v, message, vodReaders); err != nil {
		return nil, err
	}
	if !inOrder(v.start, v.end) {
		return nil, &InvalidError{"EndTimecode", "must be after StartTimecode", quote(v.end)}
	}
	folder := "encoded/" + v.filename[:strings.LastIndexByte(v.filename, '/')+1]
	if len(folder) > MaxKey {
		return nil, &InvalidError{"Filename", "its folder must have at most 1016 bytes", quote(v.filename)}
	}
	r := Request{
		Version:     RequestVersion,
		Kind:        KindTranscode,
		Source:      Location{Bucket: v.bucketFrom, Key: v.filename},
		Destination: Location{Bucket: v.bucketTo, Key: folder},
	}
	if v.start != "" || v.end != "" {
		r.Clips = []Clip{{Start: v.start, End: v.end}}
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return []Event{r}, nil
}
