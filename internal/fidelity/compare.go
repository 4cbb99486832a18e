package fidelity

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// ofWriter are tags that a muxer or an encoder writes of itself.
var ofWriter = []string{
	"encoder", "major_brand", "minor_version", "compatible_brands", "vendor_id", "handler_name", "duration", "creation_time", "alpha_mode",
	"bps", "number_of_frames", "number_of_bytes", "_statistics_writing_app", "_statistics_writing_date_utc", "_statistics_tags", "timecode", "stereo_mode", "service_name", "service_provider", "encoding_tool", "software", "variant_bitrate",
	// MXF's, of the program that wrote it and of that very file
	"application_platform", "company_name", "generation_uid", "material_package_umid", "file_package_umid", "operational_pattern_ul",
	"product_name", "product_uid", "product_version", "product_version_num", "toolkit_version_num", "uid", "modification_date",
}

// dependent are dispositions that say how a player came to a stream, and not what it is.
var dependent = []string{"still_image", "non_diegetic", "captions", "descriptions", "metadata", "dependent", "multilayer"}

// editList is how far a time may be off for that of an edit list, in units of 1/90000
// second, to be rounded.
const editList = 6e-6

// A comparison collects what is not as it was.
type comparison struct {
	before, after File
	// shift is how much later the output begins, in seconds, all streams alike.
	shift float64
	moved bool // the output is of another container
	// grain is how far a time may be off: the output's container may have coarser
	// ones, as Matroska has milliseconds.
	grain float64
	found []string
}

func (c *comparison) say(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

// Compare returns what of a video is not as in its source, but for the codec of its
// pictures: nothing where it is as it should be. Streams that the source has and the
// output was said to leave out are given by their indexes.
func Compare(source, output File, dropped []int) []string {
	c := comparison{before: source, after: output, grain: editList}
	if c.before.video() == nil || c.after.video() == nil {
		return []string{"no video"}
	}
	if strings.Contains(c.after.Format.Name, "matroska") && !strings.Contains(c.before.Format.Name, "matroska") {
		c.grain = 0.0005 + editList
	}
	c.moved = c.before.Format.Name != c.after.Format.Name
	if len(c.before.Frames) > 0 && len(c.after.Frames) > 0 {
		first, _ := seconds(c.before.Frames[0].PTS)
		then, _ := seconds(c.after.Frames[0].PTS)
		if c.shift = then - first; math.Abs(c.shift) <= c.grain {
			c.shift = 0
		} else if c.after.Format.Name != "mpegts" { // they begin where their muxer wants
			c.say("everything %.3f s later", c.shift)
		}
	}
	c.frames()
	c.look(*c.before.video(), *c.after.video())
	c.others(dropped)
	c.tags("the file", c.before.Format.Tags, c.after.Format.Tags)
	c.timecode()
	c.captions()
	c.chapters()
	return c.found
}

// near reports whether a time of the output is that of the source.
func (c *comparison) near(before, after string) bool {
	b, inBefore := seconds(before)
	a, inAfter := seconds(after)
	return inBefore == inAfter && math.Abs(a-b-c.shift) <= c.grain
}

func (c *comparison) frames() {
	before, after := c.before.Frames, c.after.Frames
	if len(before) != len(after) {
		c.say("%d frames, not %d", len(after), len(before))
		return
	}
	for i := range before {
		b, a := before[i], after[i]
		switch {
		case timed(b) && !c.near(b.PTS, a.PTS): // AVI has no times of its last B-frames
			c.say("frame %d at %s, not %s", i, a.PTS, b.PTS)
			return
		case b.Interlaced != a.Interlaced || b.Interlaced == 1 && b.TopFirst != a.TopFirst:
			c.say("frame %d: interlaced %d, top first %d; not %d, %d", i, a.Interlaced, a.TopFirst, b.Interlaced, b.TopFirst)
			return
		}
	}
}

func timed(f Frame) bool { _, ok := seconds(f.PTS); return ok }

// look compares what tells a player how to show the pictures.
func (c *comparison) look(before, after Stream) {
	for _, f := range []struct{ name, before, after string }{
		{"size", fmt.Sprintf("%dx%d", before.Width, before.Height), fmt.Sprintf("%dx%d", after.Width, after.Height)},
		// The old names of formats in full range are of 8 bit only.
		{"pixel format", strings.Replace(before.PixelFormat, "yuvj", "yuv", 1), strings.Replace(after.PixelFormat, "yuvj", "yuv", 1)},
		{"range", known(before.Range, "tv"), known(after.Range, "tv")},
		{"matrix", known(before.Space, ""), known(after.Space, "")},
		{"transfer", known(before.Transfer, ""), known(after.Transfer, "")},
		{"primaries", known(before.Primaries, ""), known(after.Primaries, "")},
		{"chroma location", known(before.ChromaLocation, "left"), known(after.ChromaLocation, "left")},
		{"field order", known(before.FieldOrder, "progressive"), known(after.FieldOrder, "progressive")},
		{"sample aspect ratio", square(before.AspectRatio), square(after.AspectRatio)},
		{"side data", c.before.lookOf(before), c.after.lookOf(after)},
	} {
		if f.before != f.after {
			c.say("%s %s, not %s", f.name, f.after, f.before)
		}
	}
	c.about("the video", before, after)
}

func known(value, usual string) string {
	if value == "" || value == "unknown" || value == "unspecified" {
		return usual
	}
	return value
}

func square(ratio string) string {
	if ratio == "" || ratio == "0:1" || ratio == "N/A" {
		return "1:1"
	}
	return ratio
}

// lookOf is what a stream, or else its first frame, says of how it was mastered and
// is to be turned.
func (f File) lookOf(s Stream) string {
	all := map[string]string{}
	add := func(data map[string]any) {
		kind := fmt.Sprint(data["side_data_type"])
		switch kind {
		case "Display Matrix", "3x3 displaymatrix", "Mastering display metadata", "Content light level metadata", "Stereo 3D", "Spherical Mapping":
		default:
			return
		}
		if kind == "3x3 displaymatrix" { // as a frame calls it
			kind = "Display Matrix"
		}
		var values []string
		for _, key := range slices.Sorted(maps.Keys(data)) {
			if key != "side_data_type" {
				values = append(values, fmt.Sprintf("%s=%s", key, decimal(data[key])))
			}
		}
		all[kind] = strings.Join(values, " ")
	}
	if len(f.Frames) > 0 {
		for _, data := range f.Frames[0].SideData {
			add(data)
		}
	}
	for _, data := range s.SideData {
		add(data)
	}
	var lines []string
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		lines = append(lines, kind+": "+all[kind])
	}
	return strings.Join(lines, "; ")
}

// decimal is a value, with fractions to four significant digits: containers have
// denominators of their own.
func decimal(value any) string {
	var over, under float64
	if n, err := fmt.Sscanf(fmt.Sprint(value), "%g/%g", &over, &under); n == 2 && err == nil && under != 0 {
		return fmt.Sprintf("%.4g", over/under)
	}
	return fmt.Sprint(value)
}

// others compares the streams beside the video.
func (c *comparison) others(dropped []int) {
	pick := func(f File, dropped []int) []Stream {
		return slices.DeleteFunc(slices.Clone(f.Streams), func(s Stream) bool {
			return s.Index == f.video().Index || s.Tag == "tmcd" || slices.Contains(dropped, s.Index)
		})
	}
	before, after := pick(c.before, dropped), pick(c.after, nil)
	if len(before) != len(after) {
		c.say("%d streams beside the video, not %d", len(after), len(before))
		return
	}
	for i := range before {
		c.copied(before[i], after[i])
	}
}

// copied compares a stream that nobody was to touch.
func (c *comparison) copied(before, after Stream) {
	name := fmt.Sprintf("stream %d (%s)", before.Index, before.Codec)
	if before.Codec != after.Codec || before.SampleRate != after.SampleRate || before.Channels != after.Channels || layoutOf(before) != layoutOf(after) {
		c.say("%s is %s, %s Hz, %s", name, after.Codec, after.SampleRate, after.Layout)
	}
	c.about(name, before, after)
	b, a := before.Packets, after.Packets
	if before.Type == "subtitle" { // mov_text fills the gaps with empty ones
		b, a = withText(b), withText(a)
	}
	if len(b) != len(a) {
		// Each demuxer cuts uncompressed sound as it likes.
		if !strings.HasPrefix(before.Codec, "pcm_") || !sameBytes(c.before, before, c.after, after) {
			c.say("%s: %d packets, not %d", name, len(a), len(b))
		}
		return
	}
	// AAC without a header apart, as transport streams have it, gets or loses one for
	// each packet.
	framed := before.Codec == "aac" && (before.ExtraSize == 0) != (after.ExtraSize == 0)
	for i := range b {
		switch {
		case b[i].Hash != a[i].Hash && !framed:
			c.say("%s: packet %d differs", name, i)
			return
		case !c.near(b[i].PTS, a[i].PTS):
			c.say("%s: packet %d at %s, not %s", name, i, a[i].PTS, b[i].PTS)
			return
		case !c.moved && skipped(b[i]) != skipped(a[i]): // each container has its own way
			c.say("%s: of packet %d %s is skipped, not %s", name, i, skipped(a[i]), skipped(b[i]))
			return
		}
	}
}

// layoutOf is how a stream's channels are to be heard; Matroska has only their number.
func layoutOf(s Stream) string {
	usual := map[int]string{1: "mono", 2: "stereo"}
	return known(s.Layout, usual[s.Channels])
}

// sameBytes reports whether two streams have the same payload, however it is cut.
func sameBytes(before File, b Stream, after File, a Stream) bool {
	sum := func(f File, s Stream) string {
		out, err := run("ffmpeg", "-v", "error", "-i", f.Path, "-map", fmt.Sprintf("0:%d", s.Index), "-c", "copy", "-f", "md5", "-")
		if err != nil {
			return err.Error()
		}
		return string(out)
	}
	return sum(before, b) == sum(after, a)
}

// withText are the packets that say something.
func withText(all []Packet) []Packet {
	empty := map[string]bool{"MD5:c4103f122d27677c9db144cae1394a66": true} // two zeros: a text of no length
	return slices.DeleteFunc(slices.Clone(all), func(p Packet) bool { return empty[p.Hash] })
}

// skipped is how much sound at the ends of a packet is not to be heard.
func skipped(p Packet) string {
	for _, data := range p.SideData {
		if data["side_data_type"] == "Skip Samples" {
			return fmt.Sprintf("%v+%v", data["skip_samples"], data["discard_padding"])
		}
	}
	return "nothing"
}

// about compares what a stream says of itself.
func (c *comparison) about(name string, before, after Stream) {
	c.tags(name, before.Tags, after.Tags)
	for _, key := range slices.Sorted(maps.Keys(before.Disposition)) {
		if key == "default" && c.moved { // not all containers have it
			continue
		}
		if !slices.Contains(dependent, key) && before.Disposition[key] != after.Disposition[key] {
			c.say("%s: disposition %s is %d, not %d", name, key, after.Disposition[key], before.Disposition[key])
		}
	}
}

func (c *comparison) tags(name string, before, after map[string]string) {
	lower := func(tags map[string]string) map[string]string {
		all := map[string]string{}
		for key, value := range tags {
			key, _, _ = strings.Cut(strings.ToLower(key), "-eng") // Matroska's own statistics come with a language
			if !slices.Contains(ofWriter, key) && !(key == "language" && value == "und") && key != "rotate" {
				all[key] = value
			}
		}
		return all
	}
	b, a := lower(before), lower(after)
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if a[key] != b[key] {
			c.say("%s: tag %s is %q, not %q", name, key, a[key], b[key])
		}
	}
}

// timecode compares that of the first picture, wherever the container has it.
func (c *comparison) timecode() {
	of := func(f File) string {
		for _, s := range f.Streams {
			for key, value := range s.Tags {
				if strings.EqualFold(key, "timecode") {
					return value
				}
			}
		}
		for key, value := range f.Format.Tags {
			if strings.EqualFold(key, "timecode") {
				return value
			}
		}
		return ""
	}
	if b, a := of(c.before), of(c.after); a != b {
		c.say("timecode %q, not %q", a, b)
	}
}

// captions compares those that are in the pictures.
func (c *comparison) captions() {
	b, a := c.before.Captions, c.after.Captions
	if len(b) != len(a) {
		c.say("closed captions in %d frames, not %d", len(a), len(b))
		return
	}
	for i := range b {
		if b[i].Hash != a[i].Hash {
			c.say("closed captions of frame %d differ", i)
			return
		}
	}
}

func (c *comparison) chapters() {
	if len(c.before.Chapters) != len(c.after.Chapters) {
		c.say("%d chapters, not %d", len(c.after.Chapters), len(c.before.Chapters))
		return
	}
	for i, b := range c.before.Chapters {
		a := c.after.Chapters[i]
		start, _ := seconds(b.Start)
		then, _ := seconds(a.Start)
		if math.Abs(start-then) > 0.001 || b.Tags["title"] != a.Tags["title"] {
			c.say("chapter %d is %q at %s, not %q at %s", i, a.Tags["title"], a.Start, b.Tags["title"], b.Start)
		}
	}
}
