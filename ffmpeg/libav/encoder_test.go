package libav

import (
	"testing"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// What an encoder is told about its preset has to fit with the rest of the preset.
func TestEveryPresetOpens(t *testing.T) {
	t.Parallel()
	for _, name := range []string{x264, x265} {
		for _, preset := range append([]string{""}, ffmpeg.Presets...) {
			for _, width := range []int{640, 1920} {
				e, err := newEncoder(name, pictureFormat{width, width * 9 / 16, astiav.PixelFormatYuv420P}, astiav.NewRational(1, 25))
				if err != nil {
					t.Fatal(err)
				}
				if err := e.open(ffmpeg.Video{Preset: preset, CRF: 20}, true); err != nil {
					t.Errorf("%s, preset %q, %d pixels wide: %v", name, preset, width, err)
				}
				e.Close()
			}
		}
	}
}
