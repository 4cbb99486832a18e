package routes

import (
	"cmp"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// Tokens are what stands for {bucket}, {key} and so on.
type Tokens struct {
	Bucket, Key string // of the source
	Job         string // id
	Date        time.Time
}

// example is an object for which every token has a value.
var example = Tokens{Bucket: "bucket", Key: "folder/name.mp4", Job: strings.Repeat("0", 32)}

// Expand replaces the tokens of an s3:// URI: {bucket}, {key}, {name} (the last
// part of the key without its extension), {dir} (the key up to its last slash),
// {date} (YYYY-MM-DD, UTC) and {job}. Where there is no folder, {dir}/ is nothing.
// The result is an object, or a folder that ends with a slash. It is an error if
// it can't be either.
func Expand(template string, t Tokens) (string, error) {
	name := path.Base(t.Key)
	title := cmp.Or(strings.TrimSuffix(name, path.Ext(name)), name) // .mp4 is a name, too
	dir := ""
	if i := strings.LastIndexByte(t.Key, '/'); i >= 0 {
		dir = t.Key[:i]
	}
	values := map[string]string{
		"bucket": t.Bucket, "key": t.Key, "name": title,
		"dir": dir, "date": t.Date.UTC().Format(time.DateOnly), "job": t.Job,
	}
	var out strings.Builder
	for rest := template; ; {
		before, after, open := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return "", fmt.Errorf("a } without its { (in %q)", template)
		}
		out.WriteString(before)
		if !open {
			break
		}
		token, behind, closed := strings.Cut(after, "}")
		value, known := values[token]
		if !closed || !known {
			return "", fmt.Errorf("unknown token {%s, known are {bucket}, {key}, {name}, {dir}, {date}, {job} (in %q)", token+strings.Repeat("}", btoi(closed)), template)
		}
		if token == "dir" && value == "" {
			behind = strings.TrimPrefix(behind, "/")
		}
		out.WriteString(value)
		rest = behind
	}
	uri := out.String()
	parse := event.ParseLocation
	if strings.HasSuffix(template, "/") {
		parse = event.ParseFolder
	}
	if _, err := parse(uri); err != nil {
		return "", err
	}
	return uri, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
