package libav

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg/mp4box"
)

// A carriage is what an MP4 or MOV gets besides what its muxer writes.
type carriage struct {
	movie  mp4box.Notes
	tracks map[int]mp4box.Track // by index of the source's stream
}

// isISO reports whether a format is of the family of MP4 and MOV.
func isISO(format string) bool { return format == "mp4" || format == "mov" }

// carry finds out what the source says of itself that the muxer has no place for, and
// makes room for it. The video is encoded, or copied as it is.
func (o *output) carry(in *input, encoded bool) error {
	o.said = tagsOf(in.fc.Metadata())
	if !isISO(o.format) {
		o.dropLook(in)
		return nil
	}
	o.extra = carriage{tracks: map[int]mp4box.Track{}}
	if isMOVInput(in.fc) {
		if err := o.extra.read(in, encoded, o); err != nil {
			return err
		}
	} else {
		o.extra.movie.Keys = keysBox(unwritten(o.said, o.format))
		if place := o.said[locationTag(o.said)]; place != "" && o.format == "mp4" {
			// The muxer's own way has no altitude.
			size := binary.BigEndian.AppendUint16(nil, uint16(len(place)))
			const english = "\x15\xc7"
			o.extra.movie.User = []mp4box.Box{mp4box.New("\xa9xyz", size, []byte(english+place))}
		}
		t := mp4box.Track{Entry: lookBoxes(in.video.CodecParameters())}
		o.extra.tracks[in.video.Index()] = t
		if !encoded && hasDolbyVision(in.video.CodecParameters()) {
			o.drop(in.video, "that it is Dolby Vision, which "+o.format+" takes over from MP4 and MOV alone")
		}
		if look := lookOf(in.video.CodecParameters()); look.stereo > 0 && look.stereoMode() < 0 {
			o.drop(in.video, "its two views, which lie in a way that "+o.format+" has no name for")
		}
	}
	room := mp4box.Room(o.extra.movie, o.extra.all(o.routes, nil))
	if room == 0 {
		return nil
	}
	// A text of the metadata keeps the place: the muxer moves all samples behind the
	// index once it knows how long that is.
	key := "xmp"
	if o.format == "mp4" {
		key = "synopsis"
		for _, other := range []string{"lyrics", "grouping", "network"} {
			if _, taken := o.said[key]; taken {
				key = other
			}
		}
	}
	d := astiav.NewDictionary()
	if has := o.fc.Metadata(); has != nil {
		if err := has.Copy(d, 0); err != nil {
			d.Free()
			return fmt.Errorf("copy metadata: %w", err)
		}
	}
	if err := d.Set(key, mp4box.Filler(room), 0); err != nil {
		d.Free()
		return fmt.Errorf("make room for metadata: %w", err)
	}
	replaceMetadata(o.fc, d)
	o.carries = true
	return nil
}

// locationTag is how the tags call the place, in whatever case.
func locationTag(tags map[string]string) string {
	for key := range tags {
		if strings.EqualFold(key, "location") {
			return key
		}
	}
	return ""
}

func isMOVInput(fc *astiav.FormatContext) bool {
	return strings.HasPrefix(fc.InputFormat().Name(), "mov,")
}

// read takes it from another MP4 or MOV.
func (c *carriage) read(in *input, encoded bool, o *output) error {
	f, err := os.Open(in.path)
	if err != nil {
		return fmt.Errorf("read metadata: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read metadata: %w", err)
	}
	m, err := mp4box.Read(f, info.Size())
	if err != nil {
		return fmt.Errorf("read metadata: %w", err)
	}
	c.movie = m.Movie
	o.dropped = append(o.dropped, m.Lost...)
	for _, s := range in.fc.Streams() {
		t, ok := m.Tracks[uint32(s.ID())]
		if !ok || o.routes[s.Index()] == nil {
			continue
		}
		if s.Index() == in.video.Index() && encoded {
			t.Entry = slices.DeleteFunc(t.Entry, func(b mp4box.Box) bool {
				// Of Dolby Vision addEncoded has told.
				return b.Kind()[:2] == "dv" || t.Layers && (b.Kind() == "vexu" || b.Kind() == "hfov")
			})
			if t.Layers {
				o.drop(s, "its second view, which the output codec has not")
				dropStereo(o.routes[s.Index()].stream.CodecParameters())
			}
		}
		c.tracks[s.Index()] = t
	}
	return nil
}

// all are the tracks in the order of the output's, but for those that have no packets,
// which the muxer leaves out. Without a tally there are all.
func (c carriage) all(routes map[int]*route, has func(*route) bool) []mp4box.Track {
	order := make([]int, 0, len(routes))
	for source, r := range routes {
		if has == nil || has(r) {
			order = append(order, source)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return routes[a].stream.Index() - routes[b].stream.Index() })
	var tracks []mp4box.Track
	for _, source := range order {
		tracks = append(tracks, c.tracks[source])
	}
	return tracks
}

// settle writes what is carried into the finished file.
func (o *output) settle() error {
	if !o.carries {
		return nil
	}
	f, err := os.OpenFile(o.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	tracks := o.extra.all(o.routes, func(r *route) bool { return r.written.packets > 0 })
	if err := mp4box.Write(f, info.Size(), o.extra.movie, tracks); err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	return nil
}

// writtenTags are the tags of a file that libav's muxers have a place for.
var writtenTags = map[string][]string{
	"mp4": {
		"title", "artist", "album_artist", "composer", "album", "date", "encoding_tool", "comment", "genre",
		"copyright", "grouping",
		"lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "location", "creation_time",
	},
	"mov": {
		"title", "artist", "album", "date", "comment", "genre", "copyright", "make", "model", "location",
		"keywords", "creation_time",
	},
}

// unwritten are the tags that the muxer would pass over, but for those of a writer.
func unwritten(tags map[string]string, format string) map[string]string {
	rest := map[string]string{}
	for key, value := range tags {
		if !slices.Contains(writtenTags[format], strings.ToLower(key)) && !isOfWriter(key) {
			rest[key] = value
		}
	}
	return rest
}

// isOfWriter reports whether a tag says what wrote the source, how, or how much of it:
// it would be wrong in the output, or each container says it in its own way.
func isOfWriter(key string) bool {
	key = strings.ToLower(key)
	if slices.Contains(ofContainer, key) || strings.HasPrefix(key, "_statistics") {
		return true
	}
	key, _, _ = strings.Cut(key, "-") // Matroska's statistics come with a language
	return slices.Contains([]string{
		"handler_name", "vendor_id", "duration", "bps", "number_of_frames", "number_of_bytes", "rotate",
		"variant_bitrate",
		"stereo_mode", "encoding_tool", "software", "service_name", "service_provider",
		"source_id", "encoder_options", "writing_application",
		// MXF's, of the program that wrote it and of that very file
		"application_platform", "company_name", "generation_uid", "material_package_umid",
		"file_package_umid", "operational_pattern_ul",
		"product_name", "product_uid", "product_version", "product_version_num",
		"toolkit_version_num", "uid", "modification_date",
	}, key)
}

// tagsOf copies a dictionary, which may be nil.
func tagsOf(d *astiav.Dictionary) map[string]string {
	tags := map[string]string{}
	if d == nil {
		return tags
	}
	flags := astiav.NewDictionaryFlags(astiav.DictionaryFlagIgnoreSuffix)
	for e := d.Get("", nil, flags); e != nil; e = d.Get("", e, flags) {
		tags[e.Key()] = e.Value()
	}
	return tags
}

// keysBox holds tags as QuickTime's keys; nil where there are none. Matroska has the names
// of Apple's and Android's in capitals.
func keysBox(tags map[string]string) mp4box.Box {
	var names, items [][]byte
	for _, key := range sortedKeys(tags) {
		name := key
		if low := strings.ToLower(key); strings.HasPrefix(key, "COM.") {
			name = strings.Replace(low, "iso6709", "ISO6709", 1)
		}
		names = append(names, mp4box.New("mdta", []byte(name)))
		index := binary.BigEndian.AppendUint32(nil, uint32(len(names)))
		const text = "\x00\x00\x00\x01\x00\x00\x00\x00" // UTF-8, of no country
		items = append(items, mp4box.New(string(index), mp4box.New("data", []byte(text+tags[key]))))
	}
	if len(names) == 0 {
		return nil
	}
	count := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(len(names)))
	handler := append(append(make([]byte, 8), "mdta"...), make([]byte, 13)...)
	return mp4box.New("meta", make([]byte, 4), mp4box.New("hdlr", handler),
		mp4box.New("keys", append([][]byte{count}, names...)...), mp4box.New("ilst", items...))
}

func sortedKeys(tags map[string]string) []string {
	keys := make([]string, 0, len(tags))
	for key := range tags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// lostTags names the tags of before that after has not, whatever their case.
func lostTags(before, after map[string]string) []string {
	var lost []string
	for _, key := range sortedKeys(before) {
		if isOfWriter(key) || key == "language" && before[key] == "und" {
			continue
		}
		found := slices.ContainsFunc(sortedKeys(after), func(k string) bool { return strings.EqualFold(k, key) })
		if !found {
			lost = append(lost, key)
		}
	}
	return lost
}

// dropLook tells of what a container has no place for about how pictures are looked at.
func (o *output) dropLook(in *input) {
	look := lookOf(in.video.CodecParameters())
	if o.format != "mpegts" || look.stereo <= 0 && look.projection < 0 {
		return
	}
	o.drop(in.video, "how its pictures lie on a sphere or are of two views, which "+o.format+" has no place for")
}

// stereoMode is that of a st3d box: pictures of one view, one above the other, or side
// by side; -1 where it has no name for it.
func (l look) stereoMode() int {
	if l.inverted {
		return -1
	}
	switch l.stereo {
	case stereoNone:
		return 0
	case stereoTopBottom:
		return 1
	case stereoSideBySide:
		return 2
	}
	return -1
}

// lookBoxes say how pictures lie on a sphere and whether they are of two views (Google,
// Spherical Video V2 RFC).
func lookBoxes(p *astiav.CodecParameters) []mp4box.Box {
	l := lookOf(p)
	var boxes []mp4box.Box
	numbers := func(all ...uint32) []byte {
		var out []byte
		for _, n := range append([]uint32{0}, all...) { // version and flags first
			out = binary.BigEndian.AppendUint32(out, n)
		}
		return out
	}
	if mode := l.stereoMode(); l.stereo >= 0 && mode >= 0 {
		boxes = append(boxes, mp4box.New("st3d", numbers(), []byte{byte(mode)}))
	}
	var shape mp4box.Box
	switch l.projection {
	case sphereEquirectangular:
		shape = mp4box.New("equi", numbers(l.bounds[:]...))
	case sphereCube:
		shape = mp4box.New("cbmp", numbers(0, l.padding))
	default:
		return boxes
	}
	return append(boxes, mp4box.New("sv3d",
		mp4box.New("svhd", numbers(), []byte("mosaicd\x00")),
		mp4box.New("proj",
			mp4box.New("prhd", numbers(uint32(l.turn[0]), uint32(l.turn[1]), uint32(l.turn[2]))), shape)))
}
