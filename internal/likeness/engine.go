package likeness

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"time"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

// Finder returns a detector for the embedded Rekognition: the built-in one, in a child
// of engine, with its files below scratch.
func Finder(engine jobs.Engine, scratch string) func(context.Context, []byte) ([]byte, error) {
	return func(ctx context.Context, video []byte) (_ []byte, err error) {
		folder, err := store(scratch, video)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
		return jobs.Detect(ctx, engine, filepath.Join(folder, "video"), 0, nil)
	}
}

// searchedEvery is how often Rekognition looks at a video.
const searchedEvery = 500 * time.Millisecond

// Open returns a Likeness that sees videos through a child of engine, with its files
// below scratch.
func Open(engine jobs.Engine, scratch string) (*Likeness, error) {
	return New(func(ctx context.Context, video []byte, show func(time.Duration, image.Image) error) (_ ffmpeg.Media, err error) {
		folder, err := store(scratch, video)
		if err != nil {
			return ffmpeg.Media{}, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
		pictures := filepath.Join(folder, "pictures")
		if err := os.Mkdir(pictures, 0o700); err != nil {
			return ffmpeg.Media{}, err
		}
		report, err := engine.Run(ctx, ffmpeg.Spec{
			Op: ffmpeg.OpPictures, Input: filepath.Join(folder, "video"), Output: pictures,
			Every: searchedEvery.Milliseconds(), MaxSide: faces.DetectorSide,
		}, nil)
		if err != nil {
			return ffmpeg.Media{}, err
		}
		for _, p := range report.Pictures {
			body, err := os.ReadFile(filepath.Join(pictures, filepath.Base(p.Name)))
			if err != nil {
				return ffmpeg.Media{}, err
			}
			picture, err := jpeg.Decode(bytes.NewReader(body))
			if err != nil {
				return ffmpeg.Media{}, err
			}
			if err := show(time.Duration(p.At)*time.Millisecond, picture); err != nil {
				return ffmpeg.Media{}, err
			}
		}
		return report.Source, nil
	})
}

// store returns a new folder with the video in it.
func store(scratch string, video []byte) (string, error) {
	folder, err := os.MkdirTemp(scratch, "searched-*")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(folder, "video"), video, 0o600); err != nil {
		return "", errors.Join(err, os.RemoveAll(folder))
	}
	return folder, nil
}
