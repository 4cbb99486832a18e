package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/internal/fidelity"
	"github.com/mosaicd/mosaicd/internal/judge"
)

var update = flag.Bool("update", false, "write the table of what is kept to docs/fidelity.md")

// leastPSNR is that of pictures outside the covers, at CRF 18, in dB. The test picture
// has edges of one pixel, which chroma at half the resolution blurs at any quality.
const leastPSNR = 40

// TestFidelity has mosaicd cover a box in every kind of video, and holds the output
// against the source: all else is to be as it was. It remuxes each of them as well.
func TestFidelity(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a minute or two")
	}
	needFFmpeg(t)
	own, err := judge.Path()
	if err != nil {
		t.Fatal(err)
	}
	cases := fidelity.Cases()
	rows := make([]string, len(cases))
	t.Run("all", func(t *testing.T) {
		limit := make(chan struct{}, 4) // each runs programs with threads of their own
		for i, c := range cases {
			t.Run(c.Name(), func(t *testing.T) {
				t.Parallel()
				limit <- struct{}{}
				defer func() { <-limit }()
				rows[i] = faithful(t, c, own)
			})
		}
	})
	if t.Failed() || slices.Contains(rows, "") { // -run chose some of them
		return
	}
	table := "| | source | result |\n| --- | --- | --- |\n" + strings.Join(rows, "")
	t.Logf("%d videos:\n%s", len(cases), table)
	holdTable(t, "../../docs/fidelity.md", "TestFidelity", table)
}

func needFFmpeg(t *testing.T) {
	t.Helper()
	for _, program := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs Debian's ffmpeg: apt-get install ffmpeg (%v)", err)
		}
	}
}

// box is covered in each of them: left, top, right and bottom, in ratios of the
// picture as shown. It is in no way symmetric.
var box = [4]float64{0.125, 0.25, 0.5, 0.5}

// coverBox covers box, and nothing else.
func coverBox(t *testing.T, source, output string, flags ...string) (code int, stderr string) {
	t.Helper()
	regions, err := json.Marshal(map[string]any{"add": []map[string]float64{{"left": box[0], "top": box[1], "width": box[2] - box[0], "height": box[3] - box[1]}}})
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"mosaic", "--detector", "none", "--regions", write(t, "regions.json", string(regions)), "--style", "fill", "--progress", "none"}, flags...)
	code, _, stderr = call(t, nil, append(args, source, output)...)
	return code, stderr
}

// faithful makes a case's video, covers it, compares, and returns a row of the table.
func faithful(t *testing.T, c fidelity.Case, own string) string {
	t.Helper()
	folder := t.TempDir()
	source, err := c.Written(folder, own)
	if err != nil {
		t.Fatal(err)
	}
	output := filepath.Join(folder, "out"+cmp.Or(c.To, filepath.Ext(source)))
	code, stderr := coverBox(t, source, output, append([]string{"--preset", "veryfast", "--crf", "18"}, c.Flags...)...)
	row := fmt.Sprintf("| %s | %s | ", c.Group, c.What)
	if c.Refused != "" {
		if c.Says == "" || code != exitFailed || !strings.Contains(stderr, c.Says) || strings.Count(stderr, "\n") != 1 {
			t.Fatalf("exit code %d, want it refused with %q:\n%s", code, c.Says, stderr)
		}
		_, reason, _ := strings.Cut(strings.TrimSpace(stderr), ": ")
		_, reason, _ = strings.Cut(reason, ": ") // cover FILE
		// How long a file is depends on who made it.
		return row + "refused: " + regexp.MustCompile(`\d{4,}`).ReplaceAllString(reason, "…") + " |\n"
	}
	if code != exitDone || !strings.Contains(stderr, c.Says) || c.Says == "" && stderr != "" {
		t.Fatalf("exit code %d, want %q said:\n%s", code, c.Says, stderr)
	}
	before, after := read(t, source), read(t, output)
	if differs := fidelity.Compare(before, after, c.Dropped); !slices.Equal(differs, append(slices.Clone(c.Differs), c.Encoded...)) {
		t.Errorf("differs by\n\t%s", strings.Join(differs, "\n\t"))
	}
	most := math.MaxInt32
	if c.Pictures > 0 {
		most = c.Pictures
	}
	p, err := fidelity.ComparePictures(before, after, box, most)
	if err != nil {
		t.Fatal(err)
	}
	if p.PSNR < cmp.Or(c.PSNR, leastPSNR) || p.Uncovered > 0.01 || p.Compared == 0 {
		t.Errorf("of %d pictures: %.1f dB outside the box, %.0f %% of it not covered (%.0f %% black before)", p.Compared, p.PSNR, 100*p.Uncovered, 100*p.Black)
	}
	t.Logf("%d pictures, %.1f dB outside the box, %.2f %% of it not covered, %.0f %% black before", p.Compared, p.PSNR, 100*p.Uncovered, 100*p.Black)
	if !c.Untimed {
		remuxed(t, c, before)
	}
	switch {
	case c.Why != "":
		row += c.Why
	case c.Says != "":
		_, left, _ := strings.Cut(strings.TrimSpace(stderr), "left out: ")
		row += "kept, without " + left
	default:
		row += "kept"
	}
	return row + " |\n"
}

func read(t *testing.T, path string) fidelity.File {
	t.Helper()
	f, err := fidelity.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// remuxed puts a case's video into its container again with nothing encoded: it is to be
// the same to the last bit of each picture.
func remuxed(t *testing.T, c fidelity.Case, source fidelity.File) {
	t.Helper()
	output := filepath.Join(t.TempDir(), "out"+cmp.Or(c.To, filepath.Ext(source.Path)))
	if code, _, stderr := call(t, nil, "remux", source.Path, output); code != exitDone {
		t.Fatal(stderr)
	}
	after := read(t, output)
	if differs := fidelity.Compare(source, after, c.Dropped); !slices.Equal(differs, c.Differs) {
		t.Errorf("remuxed, it differs by\n\t%s", strings.Join(differs, "\n\t"))
	}
	if p, err := fidelity.ComparePictures(source, after, [4]float64{}, 10); err != nil || !math.IsInf(p.PSNR, 1) {
		t.Errorf("remuxed, %d pictures have %.1f dB: %v", p.Compared, p.PSNR, err)
	}
}

// TestFidelityOfRealFootage: where nothing is covered, what was filmed stays what it was.
func TestFidelityOfRealFootage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	source := hamilton(t)
	needFFmpeg(t)
	output := filepath.Join(t.TempDir(), "out.mp4")
	if code, stderr := coverBox(t, source, output, "--crf", "18", "--preset", "medium"); code != exitDone {
		t.Fatal(stderr)
	}
	before, after := read(t, source), read(t, output)
	if differs := fidelity.Compare(before, after, nil); len(differs) > 0 {
		t.Errorf("differs by %q", differs)
	}
	p, err := fidelity.ComparePictures(before, after, box, math.MaxInt32)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d pictures, %.2f dB outside the box", p.Compared, p.PSNR)
	if p.PSNR < 45 || p.Uncovered > 0.01 || p.Compared != 275 {
		t.Errorf("of %d pictures: %.2f dB outside the box, %.0f %% of it not covered", p.Compared, p.PSNR, 100*p.Uncovered)
	}
}

// holdTable holds a table of a document, which has the name of a test, against what that
// found.
func holdTable(t *testing.T, path, name, table string) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- begin: "+name+" -->\n", "<!-- end -->\n"
	head, rest, ok := strings.Cut(string(body), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Errorf("%s has no place for the table", path)
	case *update:
		if err := os.WriteFile(path, []byte(head+begin+table+end+tail), 0o644); err != nil {
			t.Error(err)
		}
	case old != table:
		t.Errorf("%s says\n%s\nand not what the test found: go test ./cmd/mosaicd -run %s -update", path, old, name)
	}
}
