package main

import (
	"encoding/json"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mosaicd/mosaicd/internal/browser"
	"github.com/mosaicd/mosaicd/internal/judge"
	"github.com/mosaicd/mosaicd/internal/sample"
)

// TestOutputPlays plays outputs in a real browser, as the people do who will see
// them: time goes on, and the picture has its size, its length and its sound.
func TestOutputPlays(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it looks at what others make")
	}
	ctx := browser.Start(t)
	scene := sample.Default
	scene.Length = 3 * time.Second
	turned := judge.Make(t, "turned.mp4", "-display_rotation", "90", "-i", video(t, scene), "-map", "0", "-c", "copy")
	for _, tt := range []struct {
		name, source  string
		width, height int
	}{
		{"upright", video(t, scene), 1280, 720},
		{"turned", turned, 720, 1280},
	} {
		output := filepath.Join(t.TempDir(), "out.mp4")
		if code, out, stderr := call(t, nil, "mosaic", "--preset", "ultrafast", tt.source, output); code != exitDone {
			t.Fatalf("%s: %s%s", tt.name, out, stderr)
		}
		page := write(t, tt.name+".html", `<video muted src="file://`+output+`"></video>`)
		if err := chromedp.Do(ctx, chromedp.Navigate("file://"+page)); err != nil {
			t.Fatal(err)
		}
		// Played until it has ended, or an error says why not.
		said, err := chromedp.Run(ctx, chromedp.Evaluate[string](`new Promise((done) => {
			const v = document.querySelector("video"), at = [];
			const say = (error) => done(JSON.stringify({error, at, width: v.videoWidth, height: v.videoHeight, duration: v.duration,
				frames: v.getVideoPlaybackQuality().totalVideoFrames, sound: v.webkitAudioDecodedByteCount}));
			v.ontimeupdate = () => at.push(v.currentTime);
			v.onended = () => say("");
			v.onerror = () => say(v.error.message);
			setTimeout(() => say("it did not end"), 60000);
			v.play().catch((e) => say(String(e)));
		})`, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		var played struct {
			Error         string
			At            []float64
			Width, Height int
			Duration      float64
			Frames, Sound int
		}
		if err := json.Unmarshal([]byte(said), &played); err != nil {
			t.Fatal(err)
		}
		last := 0.0
		for _, at := range played.At {
			if at < last {
				t.Errorf("%s: time goes back: %v", tt.name, played.At)
				break
			}
			last = at
		}
		if played.Error != "" || played.Width != tt.width || played.Height != tt.height || math.Abs(played.Duration-3) > 0.1 || math.Abs(last-played.Duration) > 0.1 || played.Frames == 0 || played.Sound == 0 {
			t.Errorf("%s: %s", tt.name, said)
		}
	}
}
