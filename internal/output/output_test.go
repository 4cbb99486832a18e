package output

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A bench is a folder with files, links and a linked folder.
type bench struct {
	*testing.T
	folder string
}

func newBench(t *testing.T) bench {
	b := bench{t, t.TempDir()}
	b.write("in.mp4", "input")
	b.write("old.html", "old")
	b.must(os.Mkdir(b.at("sub"), 0o700))
	b.must(os.Symlink(b.at("in.mp4"), b.at("soft.mp4")))
	b.must(os.Link(b.at("in.mp4"), b.at("hard.mp4")))
	b.must(os.Symlink("sub", b.at("linked")))
	b.must(os.Symlink("../new.html", b.at("sub/dangling.html"))) // new.html beside sub
	b.must(os.Symlink("loop", b.at("loop")))
	return b
}

func (b bench) at(name string) string { return filepath.Join(b.folder, name) }

func (b bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b bench) write(name, body string) {
	b.Helper()
	b.must(os.WriteFile(b.at(name), []byte(body), 0o600))
}

func (b bench) read(name string) string {
	b.Helper()
	body, err := os.ReadFile(b.at(name))
	b.must(err)
	return string(body)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, ca := range map[string]struct {
		outputs   []string // below the folder
		overwrite bool
		says      string // empty: they are taken
	}{
		"new ones":                      {[]string{"out.mp4", "page.html", "sub/out.mp4"}, false, ""},
		"the input":                     {[]string{"in.mp4"}, true, "is SRC: an input, like the source, is never overwritten"},
		"the input, spelt differently":  {[]string{"sub/../././in.mp4"}, true, "never overwritten"},
		"a link to the input":           {[]string{"soft.mp4"}, true, "never overwritten"},
		"a hard link to the input":      {[]string{"hard.mp4"}, true, "never overwritten"},
		"the second is the input":       {[]string{"out.mp4", "in.mp4"}, true, "--report "},
		"twice the same":                {[]string{"out.mp4", "./out.mp4"}, false, "are the same file"},
		"twice the same, old":           {[]string{"old.html", "old.html"}, true, "are the same file"},
		"through a linked folder":       {[]string{"sub/out.mp4", "linked/out.mp4"}, false, "are the same file"},
		"through a link to a new file":  {[]string{"new.html", "linked/dangling.html"}, false, "are the same file"},
		"in another case":               {[]string{"out.mp4", "OUT.MP4"}, false, "are the same file"},
		"the first and the third":       {[]string{"a", "b", "a"}, false, "are the same file"},
		"there already":                 {[]string{"old.html"}, false, "is there already: --overwrite replaces it"},
		"there already, to be replaced": {[]string{"old.html"}, true, ""},
		"a folder":                      {[]string{"sub"}, true, "is not a regular file"},
		"links in a ring":               {[]string{"loop"}, true, "links that lead to each other"},
		"no folder":                     {[]string{"missing/out.mp4"}, true, "its folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var outputs []Name
			for i, out := range ca.outputs {
				outputs = append(outputs, Name{[]string{"DST", "--report", "--sheet"}[i], b.folder + "/" + out})
			}
			inputs := []Name{{"SRC", b.at("in.mp4")}, {"--regions", b.at("missing")}}
			err := Check(inputs, outputs, ca.overwrite)
			if ca.says == "" && err != nil || ca.says != "" && (err == nil || !strings.Contains(err.Error(), ca.says)) {
				t.Errorf("error is %v, want %q", err, ca.says)
			}
			if refused := errors.As(err, new(*Refusal)); ca.says != "" && refused == (name == "no folder") {
				t.Errorf("%T", err)
			}
		})
	}
	for _, path := range []string{"", b.at("sub") + "/"} {
		if err := Check(nil, []Name{{"DST", path}}, true); err == nil {
			t.Errorf("%q was taken", path)
		}
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	say := func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }
	failed := errors.New("disk full")
	fail := func(w io.Writer) error { return errors.Join(say(w), failed) }
	for _, ca := range []struct {
		path      string
		overwrite bool
		write     func(io.Writer) error
		fails     bool
		holds     string // in the file that the path leads to; empty: there is none
	}{
		{"out.html", false, say, false, "new"},
		{"old.html", true, fail, true, "old"},
		{"old.html", false, say, true, "old"},
		{"old.html", true, say, false, "new"},
		{"fails.html", false, fail, true, ""},
		{"sub/dangling.html", false, say, false, "new"},
	} {
		err := Write(Name{"--report", b.at(ca.path)}, ca.overwrite, ca.write)
		if (err != nil) != ca.fails {
			t.Errorf("%+v: %v", ca, err)
		}
		if body, _ := os.ReadFile(b.at(ca.path)); string(body) != ca.holds {
			t.Errorf("%+v: it holds %q", ca, body)
		}
	}
	if b.read("new.html") != "new" {
		t.Error("the link was not followed")
	}
	for _, folder := range []string{"", "sub"} {
		if left, _ := filepath.Glob(filepath.Join(b.at(folder), ".*")); left != nil {
			t.Errorf("left over: %v", left)
		}
	}
}

// TestKeepReplacesNothing that was made while the file was written.
func TestKeepReplacesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f, err := Create(Name{"DST", b.at(strings.Repeat("ö", 120) + ".mp4")}, false)
	b.must(err)
	if filepath.Ext(f.Path) != ".mp4" || filepath.Dir(f.Path) != b.folder {
		t.Errorf("written to %s", f.Path)
	}
	b.write(strings.Repeat("ö", 120)+".mp4", "somebody else's")
	if err := f.Keep(); !errors.As(err, new(*Refusal)) {
		t.Errorf("kept: %v", err)
	}
	b.must(f.Discard())
	b.must(f.Discard())
	if b.read(strings.Repeat("ö", 120)+".mp4") != "somebody else's" {
		t.Error("it was replaced")
	}
	if _, err := os.Stat(f.Path); !os.IsNotExist(err) {
		t.Error("it was left over")
	}
}
