package faces

import (
	"strings"
	"testing"
	"time"
)

func TestFits(t *testing.T) {
	t.Parallel()
	const second = time.Second
	video := Video{Duration: 4 * second, Whole: 4500 * time.Millisecond, Width: 320, Height: 180, FrameRate: 25}
	face := func(at time.Duration) []Detection { return []Detection{{At: at, Box: Box{0.4, 0.3, 0.2, 0.3}}} }
	for name, ca := range map[string]struct {
		d    Detections
		says string // empty: it fits
	}{
		"says nothing":             {Detections{Faces: face(3 * second)}, ""},
		"the same":                 {Detections{Video: video, Faces: face(3 * second)}, ""},
		"turned":                   {Detections{Video: Video{Width: 180, Height: 320}}, ""},
		"padded":                   {Detections{Video: Video{Width: 320, Height: 192}}, ""},
		"as long as its sound":     {Detections{Video: Video{Duration: 4500 * time.Millisecond}}, ""},
		"a last frame not counted": {Detections{Video: Video{Duration: 3960 * time.Millisecond}}, ""},
		"29.97 of 30":              {Detections{Video: Video{FrameRate: 25.7}}, ""},
		"half of it":               {Detections{Video: Video{Duration: 2 * second}}, "they are of 2.00 s, the video has 4.00 s"},
		"twice as long":            {Detections{Video: Video{Duration: 8 * second}}, "they are of 8.00 s, the video has 4.00 s"},
		"past the end":             {Detections{Faces: append(face(0), face(90*second)...)}, "1 of their times, up to 90.00 s, are after the video's end at 4.00 s"},
		"person past the end":      {Detections{Faces: face(0), Present: map[int][]time.Duration{1: {90 * second}}}, "up to 90.00 s"},
		"another size":             {Detections{Video: Video{Width: 1920, Height: 1080}}, "pictures of 1920x1080 pixels, the video's have 320x180"},
		"another rate":             {Detections{Video: Video{FrameRate: 30}}, "30.000 frames/s, the video has 25.000"},
		"less than a pixel":        {Detections{Faces: []Detection{{Box: Box{0.1, 0.1, 0.001, 0.1}}}}, "smaller than a pixel"},
		"several":                  {Detections{Video: Video{Duration: 2 * second, Width: 10, Height: 10}}, "; they are of pictures of 10x10"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := ca.d.Fits(video)
			if ca.says == "" && err != nil || ca.says != "" && (err == nil || !strings.Contains(err.Error(), ca.says)) {
				t.Errorf("error is %v, want %q", err, ca.says)
			}
			if err := ca.d.Fits(Video{}); err != nil {
				t.Errorf("of a video that says nothing: %v", err)
			}
		})
	}
	if err := (Detections{Video: Video{Duration: 4 * second}}).Reach(8 * second); err == nil {
		t.Error("half of what was counted was taken")
	}
	if err := (Detections{Video: Video{Duration: 4 * second}}).Reach(3 * second); err != nil {
		t.Error(err)
	}
}
