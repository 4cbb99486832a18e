package mp4box

import (
	"bytes"
	"encoding/binary"
	"io"
	"reflect"
	"strings"
	"testing"
)

// A memory is a file.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m memory) WriteAt(p []byte, off int64) (int, error) { return copy(m[off:], p), nil }

func handler(kind string) Box { return New("hdlr", make([]byte, 8), []byte(kind), make([]byte, 13)) }

func item(name, text string, kind uint32) Box {
	return New(name, New("data", binary.BigEndian.AppendUint32(nil, kind), make([]byte, 4), []byte(text)))
}

func track(id byte, more ...[]byte) []byte {
	entry := New("avc1", append([][]byte{make([]byte, visualEntry), New("avcC", []byte("config"))}, more...)...)
	head := make([]byte, 84)
	head[15] = id
	return New("trak", New("tkhd", head), New("mdia", New("minf", New("stbl", New("stsd", make([]byte, 8), entry), New("stsz", make([]byte, 12))))))
}

// file is one as libav leaves it, with a place for so much.
func file(room int) memory {
	list := New("ilst", item("\xa9nam", "Title", 1), item("ldes", Filler(room), 1))
	user := New("udta", New("meta", make([]byte, 4), handler("mdir"), list))
	moov := New("moov", New("mvhd", make([]byte, 100)), track(1), track(2), user)
	return memory(bytes.Join([][]byte{New("ftyp", []byte("isom")), moov, New("mdat", []byte("samples"))}, nil))
}

var (
	keys = New("meta", make([]byte, 4), handler("mdta"),
		New("keys", make([]byte, 7), []byte{1}, New("mdta", []byte("com.acme.colour"))),
		New("ilst", item("\x00\x00\x00\x01", "red", 1)))
	movie = Notes{Keys: keys, User: []Box{New("\xa9xyz", []byte("+1+2/"))}}
	views = Track{Boxes: []Box{New("uuid", []byte(sphere+"<xml/>"))}, Entry: []Box{New("st3d", []byte("\x00\x00\x00\x00\x01"))}}
)

func TestWriteAndRead(t *testing.T) {
	t.Parallel()
	tracks := []Track{{}, views}
	f := file(Room(movie, tracks))
	size := len(f)
	if err := Write(f, int64(size), movie, tracks); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(f, New("mdat", []byte("samples"))) || bytes.Contains(f, []byte(mark)) || !bytes.Contains(f, []byte("Title")) {
		t.Errorf("the file is now %q", []byte(f))
	}
	m, err := Read(f, int64(size))
	if err != nil {
		t.Fatal(err)
	}
	if m.Movie.ITunes == nil || !bytes.Contains(m.Movie.ITunes, []byte("Title")) {
		t.Errorf("the title is gone: %q", m.Movie.ITunes)
	}
	m.Movie.ITunes = nil
	if !reflect.DeepEqual(m.Movie, movie) || !reflect.DeepEqual(m.Tracks, map[uint32]Track{1: {}, 2: views}) || len(m.Lost) > 0 {
		t.Errorf("read %v, lost %q", m, m.Lost)
	}
}

func TestWriteWithoutRoom(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]memory{"no place": file(0)[:40], "too little": file(40)} {
		if err := Write(f, int64(len(f)), movie, []Track{views}); err == nil {
			t.Errorf("%s: there is no error", name)
		}
	}
}

// TestReadLeavesPicturesOut: what may show somebody is named, and not carried.
func TestReadLeavesPicturesOut(t *testing.T) {
	t.Parallel()
	jpeg := "\xff\xd8\xff\xe0"
	list := New("ilst", item("\xa9nam", "Title", 1), item("covr", jpeg, 13), item("\xa9too", "Writer", 1), item("\xa9cmt", "see "+jpeg, 1), item("desc", "bits", 27))
	user := New("udta", New("meta", make([]byte, 4), handler("mdir"), list), New("thmb", []byte("?")), New("\xa9inf", []byte("data:image/jpeg;base64,/9j/4AAQ")),
		New("XMP_", []byte("<x/>")), New("\xa9day", make([]byte, maxBox+1)))
	body := memory(New("moov", track(1), user, New("uuid", make([]byte, 16))))
	m, err := Read(body, int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"desc: it holds a picture", "thmb: it may hold", "uuid: nobody knows", "©cmt: it holds", "©day: it is of 65537 bytes", "©inf: it holds"}
	for i, w := range want {
		if len(m.Lost) != len(want) || !strings.HasPrefix(m.Lost[i], "the file: its metadata "+w) {
			t.Fatalf("lost: %q", m.Lost)
		}
	}
	if all := string(m.Movie.ITunes); strings.Contains(all, jpeg) || strings.Contains(all, "Writer") || !strings.Contains(all, "Title") || len(m.Movie.User) != 1 {
		t.Errorf("carried: %q, %q", m.Movie.ITunes, m.Movie.User)
	}
}

// TestReadOfDamage: whatever is cut or overwritten, nothing crashes.
func TestReadOfDamage(t *testing.T) {
	t.Parallel()
	tracks := []Track{views, views}
	whole := file(Room(movie, tracks))
	if err := Write(whole, int64(len(whole)), movie, tracks); err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		_, _ = Read(whole[:i], int64(i))
		for _, b := range []byte{0, 1, 0xff} {
			spoilt := bytes.Clone(whole)
			spoilt[i] = b
			if m, err := Read(memory(spoilt), int64(len(spoilt))); err == nil {
				Room(m.Movie, tracks)
			}
		}
	}
}
