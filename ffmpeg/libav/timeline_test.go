package libav

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/judge"
)

func TestTimeline(t *testing.T) {
	t.Parallel()
	const step = 40
	for name, c := range map[string]struct {
		line     timeline
		times    []int64
		want     []int64
		repaired int64
		refused  bool
	}{
		"good":                  {times: []int64{0, 40, 80, 120}, want: []int64{0, 40, 80, 120}},
		"not even":              {times: []int64{0, 1, 80, 10_000, 10_001}, want: []int64{0, 1, 80, 10_000, 10_001}},
		"one equal":             {times: []int64{0, 40, 40, 120}, want: []int64{0, 40, 80, 120}, repaired: 1},
		"one equal, no gap":     {times: []int64{0, 40, 40, 80}, want: []int64{0, 40, 60, 80}, repaired: 1},
		"equal is fine":         {line: timeline{equal: true}, times: []int64{0, 40, 40, 80}, want: []int64{0, 40, 40, 80}},
		"one back":              {times: []int64{0, 40, 3, 120, 160}, want: []int64{0, 40, 80, 120, 160}, repaired: 1},
		"one ahead":             {times: []int64{0, 40, 5000, 120, 160}, want: []int64{0, 40, 80, 120, 160}, repaired: 1},
		"the first ahead":       {times: []int64{5000, 40, 80}, want: []int64{0, 40, 80}, repaired: 1},
		"the first two equal":   {times: []int64{40, 40, 120}, want: []int64{40, 80, 120}, repaired: 1},
		"the last back":         {times: []int64{0, 40, 80, 7}, want: []int64{0, 40, 80, 120}, repaired: 1},
		"one of many":           {times: []int64{7}, want: []int64{7}},
		"all the same":          {times: []int64{0, 0, 0, 0}, want: []int64{0, 0, 0, 40}, repaired: 1, refused: true},
		"some back, sound":      {line: timeline{most: 16}, times: []int64{0, 40, -900, -860, -820, 200, 240}, want: []int64{0, 40, 80, 120, 160, 200, 240}, repaired: 3},
		"back for good, sound":  {line: timeline{most: 3}, times: []int64{1000, 1040, 1080, 0, 40, 80, 120, 160}, want: []int64{1000, 1040, 1080, 1120, 1160, 80, 120, 160}, repaired: 2, refused: true},
		"back and ends, sound":  {line: timeline{most: 16}, times: []int64{1000, 1040, 0, 40}, want: []int64{1000, 1040, 1080, 1120}, repaired: 2, refused: true},
		"every other one equal": {times: []int64{0, 0, 80, 80, 160, 160, 240, 240}, want: []int64{0, 40, 80, 120, 160, 200, 240, 280}, repaired: 4, refused: true},
	} {
		line := c.line
		var got []int64
		for i, at := range c.times {
			last := i == len(c.times)-1
			next := int64(0)
			if !last {
				next = c.times[i+1]
			}
			got = append(got, line.settle(at, next, step, last))
		}
		if !slices.Equal(got, c.want) || line.repaired != c.repaired {
			t.Errorf("%s: %v (%d repaired), not %v (%d)", name, got, line.repaired, c.want, c.repaired)
		}
		odd := line.repaired
		if line.most > 0 {
			odd = line.faults
		}
		if err := line.verdict(0, astiav.NewRational(1, 1000), odd); (codeOf(err) == ffmpeg.CodeInvalid) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMosaicOfOneOddTime: a single time that does not fit is repaired, by a frame at most,
// and reported; of the video and of the sound, whether the video is encoded or copied.
func TestMosaicOfOneOddTime(t *testing.T) {
	t.Parallel()
	good := testPattern(t, "good.mkv", "-bf", "0")
	for name, c := range map[string]struct {
		change string
		stream int
	}{
		"video, equal": {"v:setts=ts=TS-eq(N\\,25)*40", 0},
		"sound, equal": {"a:setts=ts=TS-eq(N\\,25)*23", 1},
	} {
		on, change, _ := strings.Cut(c.change, ":")
		source := judge.Make(t, "odd.mkv", "-i", good, "-map", "0", "-c", "copy", "-bsf:"+on, change)
		for _, to := range []string{"out.mp4", "out.ts"} {
			output, report := mosaic(t, source, to, still{box})
			copied := filepath.Join(t.TempDir(), to)
			again, err := Remux(context.Background(), specOf(source, copied), nil)
			if err != nil {
				t.Fatalf("%s to %s: %v", name, to, err)
			}
			for path, repaired := range map[string][]ffmpeg.Repair{output: report.Repaired, copied: again.Repaired} {
				if len(repaired) != 1 || repaired[0].Stream != c.stream || repaired[0].Timestamps != 1 || !strings.Contains(repaired[0].What, "1 of its timestamps") {
					t.Errorf("%s to %s: repaired: %+v", name, to, repaired)
				}
				if got, want := len(judge.Packets(t, path, "0:a")), len(judge.Packets(t, good, "0:a")); got != want {
					t.Errorf("%s to %s: %d packets of sound, not %d", name, to, got, want)
				}
				times := judge.Times(judge.Frames(t, path))
				if len(slices.Compact(slices.Clone(times))) != 38 {
					t.Errorf("%s to %s: frames at %v", name, to, times)
				}
			}
		}
	}
}
