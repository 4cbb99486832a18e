package awslocal

import (
	"bytes"
	"cmp"
	"fmt"
	"mime"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// duration of every placeholder, as the events have it, in milliseconds.
const placeholderDuration = 1000

// thumbnails is how many pictures a frame capture makes.
const thumbnails = 3

// A groupWriter writes the placeholders of one output group, under the names that
// MediaConvert would give them.
// https://docs.aws.amazon.com/mediaconvert/latest/ug/output-file-names-and-paths.html
type groupWriter struct {
	t       *transcoder
	group   types.OutputGroup
	base    string // s3:// URI without modifier and extension
	tokens  *strings.Replacer
	event   outputGroupEvent
	details types.OutputGroupDetail
	err     error
}

func newGroupWriter(t *transcoder, j *cloudJob, g types.OutputGroup) *groupWriter {
	at := j.CreatedAt.UTC()
	tokens := strings.NewReplacer("$fn$", title(j), "$dt$", at.Format("20060102T150405"), "$d$", at.Format("20060102"), "$t$", at.Format("150405"))
	base := tokens.Replace(destination(g))
	if strings.HasSuffix(base, "/") {
		base += title(j)
	}
	return &groupWriter{t: t, group: g, base: base, tokens: tokens}
}

func (w *groupWriter) write() outputGroupEvent {
	w.event.Type = strings.TrimSuffix(string(w.group.OutputGroupSettings.Type), "_SETTINGS")
	for _, o := range w.group.Outputs {
		name := w.base + w.tokens.Replace(aws.ToString(o.NameModifier))
		var paths []string
		switch w.event.Type {
		case "FILE_GROUP":
			paths = w.file(name, o)
		case "HLS_GROUP":
			w.playlist(name+".m3u8", path.Base(name)+"_00001.ts")
			w.media(name + "_00001.ts")
			paths = []string{name + ".m3u8"}
		case "DASH_ISO_GROUP":
			w.media(name + "init.mp4")
			w.media(name + "_000000001.mp4")
		case "CMAF_GROUP":
			w.playlist(name+".m3u8", path.Base(name)+"_000000001.cmfv")
			w.media(name + "init.cmfv")
			w.media(name + "_000000001.cmfv")
		case "MS_SMOOTH_GROUP":
			w.media(name + ".ismv")
			paths = []string{name + ".ismv"}
		}
		w.output(o, paths)
	}
	w.playlists()
	return w.event
}

// playlists are those that lead to all of a group.
func (w *groupWriter) playlists() {
	var extensions []string
	switch w.event.Type {
	case "HLS_GROUP":
		extensions = []string{".m3u8"}
	case "DASH_ISO_GROUP":
		extensions = []string{".mpd"}
	case "CMAF_GROUP":
		extensions = []string{".mpd", ".m3u8"}
	case "MS_SMOOTH_GROUP":
		extensions = []string{".ism", ".ismc"}
	}
	for _, extension := range extensions {
		switch extension {
		case ".m3u8":
			text := "#EXTM3U\n#EXT-X-VERSION:3\n"
			for _, o := range w.group.Outputs {
				text += "#EXT-X-STREAM-INF:BANDWIDTH=1000000\n" + path.Base(w.base) + w.tokens.Replace(aws.ToString(o.NameModifier)) + ".m3u8\n"
			}
			w.put(w.base+extension, []byte(text))
		default:
			w.put(w.base+extension, []byte("<!-- a placeholder: nothing is transcoded here -->\n"))
		}
		if extension != ".ismc" {
			w.event.Playlists = append(w.event.Playlists, w.base+extension)
		}
	}
}

// extensions of the files of a file group, by their container.
var extensions = map[types.ContainerType]string{
	types.ContainerTypeMp4: ".mp4", types.ContainerTypeMov: ".mov", types.ContainerTypeM2ts: ".m2ts", types.ContainerTypeMxf: ".mxf",
	types.ContainerTypeWebm: ".webm", types.ContainerTypeGif: ".gif", types.ContainerTypeOgg: ".ogg",
}

func (w *groupWriter) file(name string, o types.Output) []string {
	if v := o.VideoDescription; v != nil && v.CodecSettings != nil && v.CodecSettings.Codec == types.VideoCodecFrameCapture {
		last := ""
		for i := range thumbnails {
			last = fmt.Sprintf("%s.%07d.jpg", name, i)
			w.media(last)
		}
		return []string{last} // MediaConvert names only the last
	}
	extension := ".mp4"
	if o.ContainerSettings != nil {
		extension = cmp.Or(extensions[o.ContainerSettings.Container], extension)
	}
	if e := aws.ToString(o.Extension); e != "" {
		extension = "." + e
	}
	w.media(name + extension)
	return []string{name + extension}
}

// output says of itself what the settings say, or what the demo's source is.
func (w *groupWriter) output(o types.Output, paths []string) {
	e := outputEvent{Paths: paths, Duration: placeholderDuration}
	d := types.OutputDetail{DurationInMs: aws.Int32(placeholderDuration)}
	if v := o.VideoDescription; v != nil {
		e.Video = &outputVideoDetail{int(cmp.Or(aws.ToInt32(v.Width), 1280)), int(cmp.Or(aws.ToInt32(v.Height), 720)), 7.5}
		d.VideoDetails = &types.VideoDetail{WidthInPx: aws.Int32(int32(e.Video.Width)), HeightInPx: aws.Int32(int32(e.Video.Height))}
	}
	w.event.Outputs = append(w.event.Outputs, e)
	w.details.OutputDetails = append(w.details.OutputDetails, d)
}

func (w *groupWriter) playlist(uri, segment string) {
	w.put(uri, fmt.Appendf(nil, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:%d,\n%s\n#EXT-X-ENDLIST\n",
		placeholderDuration/1000, placeholderDuration/1000, segment))
}

func (w *groupWriter) media(uri string) { w.put(uri, w.t.media(path.Ext(uri))) }

// put writes an object as MediaConvert's role would.
func (w *groupWriter) put(uri string, body []byte) {
	if w.err != nil {
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	meta := map[string]string{
		eventHeader: eventPut, "Content-Type": cmp.Or(mime.TypeByExtension(path.Ext(key)), "application/octet-stream"),
		"Last-Modified": time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"),
	}
	_, w.err = w.t.objects.PutObject(bucket, key, meta, bytes.NewReader(body), int64(len(body)), nil)
}
