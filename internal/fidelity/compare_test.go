package fidelity

import (
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompare has each way in which tools spoil a video be found.
func TestCompare(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ffprobe"); err != nil {
		t.Skipf("needs Debian's ffmpeg: apt-get install ffmpeg (%v)", err)
	}
	folder := t.TempDir()
	ffmpeg := func(name string, args ...string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if _, err := run("ffmpeg", append(append([]string{"-v", "error", "-nostdin", "-y"}, args...), path)...); err != nil {
			t.Fatal(err)
		}
		return path
	}
	args := func(line string) []string { return strings.Fields(line) }
	writeHelpers(folder)
	source := ffmpeg("source.mkv", args(picture+" "+tone+" -i "+folder+"/texts.srt -i "+folder+"/chapters.txt -map 0 -map 1 -map 2 -map_metadata 3 -map_chapters 3 "+
		"-metadata:s:a:0 language=fra -pix_fmt yuv420p10le -colorspace bt709 -vf setsar=4/3 -c:v libx264 -preset ultrafast -c:a aac -c:s srt")...)
	if found := Compare(read(t, source), read(t, source), nil); len(found) > 0 {
		t.Errorf("a file is not as itself: %q", found)
	}
	for name, c := range map[string]struct{ args, says string }{
		"sound encoded again":   {"-map 0 -c copy -c:a libmp3lame", "stream 1 (aac) is mp3"},
		"sound of another rate": {"-map 0 -c copy -c:a aac -b:a 64k", "stream 1 (aac): "},
		"sound late":            {"-itsoffset 0.1 -i {} -map 0:v -map 1:a -map 0:s -c copy", "stream 1 (aac): packet 0 at"},
		"no sound":              {"-map 0:v -map 0:s -c copy", "1 streams beside the video, not 2"},
		"language lost":         {"-map 0 -c copy -metadata:s:a:0 language=", `stream 1 (aac): tag language is "", not "fra"`},
		"title lost":            {"-map 0 -c copy -map_metadata:g -1", `the file: tag title is "", not "Whole"`},
		"chapters lost":         {"-map 0 -c copy -map_chapters -1", "0 chapters, not 2"},
		"subtitles late":        {"-itsoffset 0.1 -i {} -map 0:v -map 0:a -map 1:s -c copy", "stream 2 (subrip): packet 0 at"},
		"frames dropped":        {"-map 0 -c copy -c:v libx264 -preset ultrafast -r 20", " frames, not 50"},
		"frames moved":          {"-map 0 -c copy -c:v libx264 -preset ultrafast -vf setpts=PTS+eq(N\\,9)*0.01/TB -vsync passthrough -enc_time_base 1/1000", "frame 9 at"},
		"everything late":       {"-map 0 -c copy -output_ts_offset 0.5", "everything 0.500 s later"},
		"8 bit":                 {"-map 0 -c copy -c:v libx264 -preset ultrafast -pix_fmt yuv420p", "pixel format yuv420p, not yuv420p10le"},
		"colour lost":           {"-map 0 -c copy -bsf:v h264_metadata=matrix_coefficients=2", "matrix , not bt709"},
		"full range":            {"-map 0 -c copy -c:v libx264 -preset ultrafast -color_range pc", "range pc, not tv"},
		"square pixels":         {"-map 0 -c copy -c:v libx264 -preset ultrafast -vf setsar=1", "sample aspect ratio 1:1, not 4:3"},
		"interlaced":            {"-map 0 -c copy -c:v libx264 -preset ultrafast -flags +ildct+ilme", "interlaced 1"},
	} {
		words := args(strings.ReplaceAll(c.args, "{}", source))
		spoilt := ffmpeg(strings.ReplaceAll(name, " ", "-")+".mkv", append([]string{"-i", source}, words...)...)
		if found := Compare(read(t, source), read(t, spoilt), nil); !strings.Contains(strings.Join(found, "\n"), c.says) {
			t.Errorf("%s: found %q, want %q", name, found, c.says)
		}
	}
}

func read(t *testing.T, path string) File {
	t.Helper()
	f, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestComparePictures has covers in the wrong place and pictures of little quality be
// found.
func TestComparePictures(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skipf("needs Debian's ffmpeg: apt-get install ffmpeg (%v)", err)
	}
	folder := t.TempDir()
	make := func(name, line string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if _, err := run("ffmpeg", append(strings.Fields("-v error -nostdin -y "+picture+" "+line), path)...); err != nil {
			t.Fatal(err)
		}
		return path
	}
	box := [4]float64{0.125, 0.25, 0.5, 0.5}
	source := make("source.mp4", "-c:v libx264 -qp 0")
	compare := func(name, line string) Pictures {
		t.Helper()
		p, err := ComparePictures(read(t, source), read(t, make(name, line)), box, math.MaxInt32)
		if err != nil || p.Compared != 50 {
			t.Fatalf("%s: %d pictures, %v", name, p.Compared, err)
		}
		return p
	}
	const covered = "-vf drawbox=x=40:y=45:w=120:h=45:color=black:t=fill "
	if p := compare("right.mp4", covered+"-c:v libx264 -qp 0"); !math.IsInf(p.PSNR, 1) || p.Uncovered != 0 || p.Black > 0.1 {
		t.Errorf("covered without loss: %+v", p)
	}
	if p := compare("coarse.mp4", covered+"-c:v libx264 -crf 40"); p.PSNR > 35 {
		t.Errorf("covered, of low quality: %+v", p)
	}
	if p := compare("elsewhere.mp4", "-vf drawbox=x=160:y=90:w=120:h=45:color=black:t=fill -c:v libx264 -qp 0"); p.PSNR > 25 || p.Uncovered < 0.9 {
		t.Errorf("covered elsewhere: %+v", p)
	}
	if p := compare("narrow.mp4", "-vf drawbox=x=40:y=45:w=100:h=45:color=black:t=fill -c:v libx264 -qp 0"); p.Uncovered < 0.1 {
		t.Errorf("covered in part: %+v", p)
	}
	if _, err := ComparePictures(read(t, source), read(t, make("short.mp4", "-frames:v 49 -c:v libx264")), box, math.MaxInt32); err == nil {
		t.Error("49 of 50 pictures are found to be all")
	}
	if _, err := ComparePictures(read(t, make("short-source.mp4", "-frames:v 49 -c:v libx264")), read(t, source), box, math.MaxInt32); err == nil {
		t.Error("a picture too many is not found")
	}
}
