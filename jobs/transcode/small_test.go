package transcode_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/jobs/transcode"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]struct{ transient, unaccelerated bool }{
		0: {}, 1010: {}, 1040: {}, 1401: {}, 3400: {}, 3401: {}, 3457: {}, 1060: {},
		1041: {false, true}, 1042: {false, true}, 1043: {false, true}, 1550: {true, true},
		1999: {true, false}, 3408: {true, false}, 3450: {true, false}, 3451: {true, false}, 3999: {true, false},
		1404: {true, false}, 1056: {true, false}, 1432: {true, false}, 1433: {true, false}, 1434: {true, false}, 1076: {true, false},
	} {
		if transcode.Transient(code) != want.transient || transcode.NeedsNoAcceleration(code) != want.unaccelerated {
			t.Errorf("%d: transient %v, needs no acceleration %v", code, !want.transient, transcode.NeedsNoAcceleration(code))
		}
	}
}

func TestRung(t *testing.T) {
	t.Parallel()
	ladder := map[int]string{2160: "uhd", 1080: "hd", 720: "sd"}
	for _, c := range []struct {
		width, height int
		want          string
	}{
		{3840, 2160, "uhd"}, {4096, 2304, "uhd"}, {2560, 1440, "hd"}, {1920, 1080, "hd"}, {1920, 1079, "sd"},
		{1080, 1920, "hd"}, {720, 1280, "sd"}, {1000, 1000, "sd"}, {640, 360, "sd"}, {0, 1080, "hd"}, {0, 0, "sd"},
	} {
		if got := transcode.Rung(ladder, c.width, c.height); got != c.want {
			t.Errorf("%d x %d: got %s, want %s", c.width, c.height, got, c.want)
		}
	}
	if got := transcode.Rung(nil, 1920, 1080); got != "" {
		t.Errorf("no ladder: got %s", got)
	}
}

func TestUserMetadata(t *testing.T) {
	t.Parallel()
	numbered := func(from, to int) map[string]string {
		pairs := map[string]string{}
		for i := from; i < to; i++ {
			pairs["k"+strconv.Itoa(i)] = "v"
		}
		return pairs
	}
	for name, c := range map[string]struct{ document, ours, want map[string]string }{
		"both":      {map[string]string{"purpose": "clip"}, map[string]string{"job": "1"}, map[string]string{"purpose": "clip", "job": "1"}},
		"ours win":  {map[string]string{"job": "theirs"}, map[string]string{"job": "1"}, map[string]string{"job": "1"}},
		"charset":   {nil, map[string]string{"in put": "s3://b/ä 1+2=3_(x)\n.mp4"}, map[string]string{"in put": "s3://b/_ 1+2=3__x__.mp4"}},
		"reserved":  {map[string]string{"AWS:x": "1", "awsome": "2"}, nil, map[string]string{"AWS_x": "1", "awsome": "2"}},
		"empty":     {map[string]string{"": "1", "a": ""}, nil, map[string]string{}},
		"too long":  {nil, map[string]string{strings.Repeat("k", 129): strings.Repeat("v", 257)}, map[string]string{strings.Repeat("k", 128): strings.Repeat("v", 256)}},
		"collision": {map[string]string{"a!": "1", "a?": "2"}, nil, map[string]string{"a_": "1"}},
		"too many":  {numbered(0, 5), numbered(5, 12), func() map[string]string { m := numbered(5, 12); maps.Copy(m, numbered(0, 3)); return m }()},
		"nothing":   {nil, nil, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := transcode.UserMetadata(c.document, c.ours); !maps.Equal(got, c.want) {
				t.Errorf("got %v\nwant %v (keys %v)", got, c.want, slices.Sorted(maps.Keys(c.want)))
			}
		})
	}
}
