package libav

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

func TestSniff(t *testing.T) {
	t.Parallel()
	packet := func(size, lead int) []byte {
		p := make([]byte, size)
		p[lead] = 0x47
		return bytes.Repeat(p, 6)
	}
	for name, c := range map[string]struct {
		head []byte
		want string // the demuxer, or the end of the reason
	}{
		"mp4":            {[]byte("\x00\x00\x00\x20ftypisom"), "mov"},
		"old quicktime":  {[]byte("\x00\x00\x00\x08wide\x00\x00\x00\x00mdat"), "mov"},
		"matroska":       {[]byte("\x1a\x45\xdf\xa3\x01"), "matroska"},
		"flv":            {[]byte("FLV\x01\x05"), "flv"},
		"avi":            {[]byte("RIFF\x00\x00\x00\x00AVI LIST"), "avi"},
		"wave":           {[]byte("RIFF\x00\x00\x00\x00WAVEfmt "), "begins like this one"},
		"ts":             {packet(188, 0), "mpegts"},
		"m2ts":           {packet(192, 4), "mpegts"},
		"ts in garbage":  {append([]byte("garbage"), packet(188, 0)...), "mpegts"},
		"four packets":   {packet(188, 0)[:4*188], "begins like this one"},
		"asf":            {[]byte("\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c..."), "asf"},
		"ogg":            {[]byte("OggS\x00\x02"), "ogg"},
		"mpeg":           {[]byte("\x00\x00\x01\xba\x44"), "mpeg"},
		"dv":             {[]byte("\x1f\x07\x00\xbf"), "dv"},
		"mxf":            {[]byte("\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02\x04\x00"), "mxf"},
		"mxf, run-in":    {[]byte("run-in\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02\x04\x00"), "mxf"},
		"video alone":    {[]byte("\x00\x00\x01\xb3\x14"), "begins like this one"},
		"playlist":       {[]byte("\xef\xbb\xbf#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), "it is an HLS playlist"},
		"concat":         {[]byte("ffconcat version 1.0\nfile '/etc/passwd'\n"), "it is a script that joins files"},
		"dash":           {[]byte("<?xml version=\"1.0\"?><MPD/>"), "it is XML"},
		"sdp":            {[]byte("v=0\no=- 0 0 IN IP4 127.0.0.1\n"), "it is a session description"},
		"empty":          {nil, "it is empty"},
		"gif":            {[]byte("GIF89a"), "it is a GIF"},
		"one byte":       {[]byte("G"), "begins like this one"},
		"only the magic": {[]byte("\x1a\x45\xdf"), "begins like this one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.mp4")
			if err := os.WriteFile(path, c.head, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := sniff(path)
			var said *ffmpeg.Error
			switch {
			case err == nil:
				if got != c.want {
					t.Errorf("is given to %s", got)
				}
			case !errors.As(err, &said) || said.Code != ffmpeg.CodeNotVideo || !strings.HasSuffix(said.Message, c.want):
				t.Errorf("error is %v", err)
			}
		})
	}
}
