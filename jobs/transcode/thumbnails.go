package transcode

import (
	"fmt"
	"regexp"
	"strconv"
)

// maxInferred is how many thumbnails are named by their last alone. More of them
// are for Measure to find.
const maxInferred = 10_000

// numbered are the names of frame captures: 7 digits, from 0000000.
var numbered = regexp.MustCompile(`(?s)^(.*\.)([0-9]{7})(\.jpe?g)$`)

func thumbnail(n int, extension string) string { return fmt.Sprintf(".%07d%s", n, extension) }

func isThumbnail(uri string) bool { return numbered.MatchString(uri) }

// thumbnails are all up to the last.
func thumbnails(last Output) []Output {
	name := numbered.FindStringSubmatch(last.URI)
	last.Kind, last.Prefix = KindThumbnail, name[1]
	n, err := strconv.Atoi(name[2])
	if err != nil || n >= maxInferred {
		return []Output{last}
	}
	all := make([]Output, n+1)
	for i := range all {
		all[i] = last
		all[i].URI = name[1] + fmt.Sprintf("%07d", i) + name[3]
	}
	return all
}
