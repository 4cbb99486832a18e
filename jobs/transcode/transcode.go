// Package transcode reads MediaConvert job files, makes jobs of them, and says
// what those jobs wrote. Pure: it calls no service.
package transcode

import (
	"bytes"
	_ "embed"
	"path"
	"strings"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// MaxBytes is the size of the largest job file that Parse reads.
const MaxBytes = 1 << 20

// A Document is a MediaConvert job file that was read and judged.
type Document struct {
	Name string // base name without extension
	Raw  []byte // as it was
}

// A Rewrite says what of a Document is replaced.
type Rewrite struct {
	Input string       // s3:// URI of the source
	Clips []event.Clip // in the order of the output; none: as the document has it
	// Destination is an s3:// URI that ends with a slash. It takes the place of
	// the bucket in the destination of every output group; the group's own path
	// follows it.
	Destination string
}

// Parse reads a job file: a Settings object, a whole job document with Settings,
// Queue, Role and so on (the input of `aws mediaconvert create-job`), or what
// `aws mediaconvert get-job` prints, of which the server's own fields are left
// out. Field names may begin with a capital or not. Name is for errors and for the
// Document's name; it may be a path or a URI.
//
// Body must be JSON in UTF-8 of at most MaxBytes. Fields and enum values that the
// SDK doesn't know, wrong types, fields that come twice, and settings that
// MediaConvert is known to refuse are errors. Every error is a *SettingsError.
func Parse(name string, body []byte) (*Document, error) {
	p := problems{name: name}
	if len(body) > MaxBytes {
		p.add("", "%d bytes: a job file has at most %d", len(body), MaxBytes)
		return nil, p.err()
	}
	doc, reason := open(body)
	if reason != "" {
		p.add("", "%s", reason)
		return nil, p.err()
	}
	doc.judge(&p)
	if in, err := doc.decode(); err == nil { // else the judge has said why
		judgeJob(&p, doc.settingsPath(), in)
	} else if p.none() {
		p.add("", "%v", err)
	}
	if !p.none() {
		return nil, p.err()
	}
	return &Document{Name: baseName(name), Raw: bytes.Clone(body)}, nil
}

//go:embed default.json
var builtIn []byte

// BuiltIn returns the Document of somebody who brought none: three H.264 and AAC
// renditions for HLS.
func BuiltIn() *Document { return &Document{Name: "hls", Raw: builtIn} }

// baseName is the last part of a path or URI, without its extension.
func baseName(name string) string {
	base := name[strings.LastIndexByte(name, '/')+1:]
	if stem := strings.TrimSuffix(base, path.Ext(base)); stem != "" {
		return stem
	}
	return "job"
}
