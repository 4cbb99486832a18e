package main

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/ffmpeg/libav"
)

// placeholders makes what the embedded MediaConvert writes: a second of gray in
// the container that an extension asks for, and a gray picture.
func placeholders(dir string) (func(extension string) []byte, error) {
	made := map[string][]byte{}
	for _, extension := range []string{".mp4", ".ts", ".mov"} {
		path := filepath.Join(dir, "placeholder"+extension)
		if err := gray(path); err != nil {
			return nil, fmt.Errorf("make %s: %w", path, err)
		}
		body, err := os.ReadFile(path)
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil {
			return nil, fmt.Errorf("make %s: %w", path, err)
		}
		made[extension] = body
	}
	var picture bytes.Buffer
	if err := jpeg.Encode(&picture, grayPicture(), nil); err != nil {
		return nil, fmt.Errorf("make a placeholder picture: %w", err)
	}
	made[".jpg"] = picture.Bytes()
	return func(extension string) []byte {
		if body, ok := made[extension]; ok {
			return body
		}
		return made[".mp4"]
	}, nil
}

func grayPicture() *image.YCbCr {
	picture := image.NewYCbCr(image.Rect(0, 0, 320, 180), image.YCbCrSubsampleRatio420)
	for _, plane := range [][]byte{picture.Y, picture.Cb, picture.Cr} {
		for i := range plane {
			plane[i] = 128
		}
	}
	return picture
}

// gray writes a video of one second.
func gray(path string) error {
	const rate = 25
	picture := grayPicture()
	w, err := libav.NewWriter(path, ffmpeg.Formats[filepath.Ext(path)], picture.Rect.Size(), rate, ffmpeg.Video{Preset: "ultrafast", CRF: 30})
	if err != nil {
		return err
	}
	for range rate {
		if err := w.Picture(picture); err != nil {
			w.Close()
			return err
		}
	}
	if err := w.Sound(make([]float32, libav.SampleRate)); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}
