package report

import (
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"time"

	"github.com/mosaicd/mosaicd/jobs/faces"
)

//go:embed page.html
var pageText string

//go:embed page.js
var pageScript string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// maxRows is how many tracks the page draws and lists: more say nothing more.
const maxRows = 200

// WriteHTML writes one page that holds everything it shows.
func (r Report) WriteHTML(w io.Writer) error {
	if err := pageTemplate.Execute(w, r.page()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// A page is what the template shows.
type page struct {
	Report
	Size     string
	Length   string
	Good     bool // nothing is still found, and somebody looked
	Before   bool // it shows pictures of the source
	Ticks    []tick
	Rows     []row
	More     int // tracks that are not shown
	Limits   []bar
	Residual []link
	Shots    []shot
	Data     pageData
	Script   template.JS
	Hash     string // of the script: the page runs no other
}

// A pageData is what the script knows beside the page: regions in the form that
// faces.ParseRegions reads.
type pageData struct {
	Duration float64        `json:"duration"` // seconds
	Add      []regionForm   `json:"add"`
	Only     []regionForm   `json:"only"`
	Except   []regionForm   `json:"except"`
	Tracks   [][]regionForm `json:"tracks"` // what leaves each of the tracks out
}

// A regionForm is a rectangle or a span of time, in ratios of the picture and seconds.
type regionForm struct {
	Left   *float64 `json:"left,omitempty"`
	Top    *float64 `json:"top,omitempty"`
	Width  *float64 `json:"width,omitempty"`
	Height *float64 `json:"height,omitempty"`
	Start  float64  `json:"start"`
	End    *float64 `json:"end,omitempty"` // nil: to the end
}

func newSpanForm(s faces.Span) regionForm {
	f := regionForm{Start: s.Start.Seconds()}
	if s.End < 24*time.Hour { // a longer one is that of no video
		f.End = new(s.End.Seconds())
	}
	return f
}

func newRegionForms(all []faces.Region) []regionForm {
	forms := make([]regionForm, 0, len(all))
	for _, r := range all {
		f := newSpanForm(r.Span)
		f.Left, f.Top, f.Width, f.Height = fine(r.Left), fine(r.Top), fine(r.Width), fine(r.Height)
		forms = append(forms, f)
	}
	return forms
}

// fine is a ratio to a hundred thousandth of the picture.
func fine(v float64) *float64 { return new(math.Round(v*1e5) / 1e5) }

func (r Report) data() pageData {
	d := pageData{
		Duration: r.Duration.Seconds(), Add: newRegionForms(r.Regions.Add), Except: newRegionForms(r.Regions.Except),
		Only: []regionForm{}, Tracks: [][]regionForm{},
	}
	for _, s := range r.Regions.Only {
		d.Only = append(d.Only, newSpanForm(s))
	}
	for _, t := range r.Tracks[:min(len(r.Tracks), maxRows)] {
		d.Tracks = append(d.Tracks, newRegionForms(t.Exceptions()))
	}
	return d
}

// A tick is a label of the time line.
type tick struct {
	Percent float64
	Label   string
}

// A bar is a span of the time line.
type bar struct{ From, Width float64 }

// A row is one track or region.
type row struct {
	Label       string
	Own         bool // a person's region
	Index       int  // of the track or region
	Bar         bar
	First, Last string
	Seconds     string
	Link        string
}

type link struct {
	Percent    float64
	At, Target string
}

type shot struct {
	ID, At        string
	Seconds       float64
	Before, After template.URL
	Covers, Left  []mark
}

// A mark is a box on a picture, in percent.
type mark struct {
	Left, Top, Width, Height float64
	Label                    string
	High                     bool // there is no room for the label above it
	Own                      bool // a person's region
	Index                    int  // of the track or region
	Where                    string
	JSON                     string // a cover of it, in ratios
}

func (r Report) page() page {
	p := page{
		Report: r, Size: fmt.Sprintf("%d×%d", r.Width, r.Height), Length: clock(r.Duration),
		Good: r.Verified && len(r.Residual) == 0, Ticks: ticks(r.Duration),
		Data: r.data(), Script: template.JS(pageScript),
	}
	sum := sha256.Sum256([]byte(pageScript))
	p.Hash = "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	for i, t := range r.Tracks {
		if i == maxRows {
			p.More = len(r.Tracks) - maxRows
			break
		}
		p.Rows = append(p.Rows, r.row(i, t[0].At, t[len(t)-1].At, false))
	}
	for i, a := range r.Regions.Add {
		p.Rows = append(p.Rows, r.row(i, a.Start, a.End, true))
	}
	for _, s := range r.Regions.Only {
		p.Limits = append(p.Limits, r.bar(s.Start, s.End))
	}
	for i, f := range r.Residual {
		if i > 0 && f.At == r.Residual[i-1].At {
			continue
		}
		p.Residual = append(p.Residual, link{r.percent(f.At), clock(f.At), r.nearest(f.At)})
	}
	for _, m := range r.Moments {
		p.Before = p.Before || m.Before != nil
		p.Shots = append(p.Shots, shot{
			ID: anchor(m.At), At: clock(m.At), Seconds: m.At.Seconds(), Before: data(m.Before), After: data(m.After),
			Covers: marks(r.covers(m.At)), Left: marks(r.left(m.At)),
		})
	}
	return p
}

func (r Report) row(index int, from, to time.Duration, own bool) row {
	to = min(to, r.Duration)
	label := fmt.Sprintf("face %d", index+1)
	if own {
		label = fmt.Sprintf("region %d", index+1)
	}
	return row{
		Label: label, Own: own, Index: index, Bar: r.bar(from, to), First: clock(from), Last: clock(to),
		Seconds: fmt.Sprintf("%.2f", (to - from).Seconds()), Link: r.nearest(from + (to-from)/2),
	}
}

func (r Report) bar(from, to time.Duration) bar {
	start := r.percent(from)
	return bar{start, max(r.percent(to)-start, 0.2)}
}

func (r Report) percent(at time.Duration) float64 {
	if r.Duration <= 0 {
		return 0
	}
	return 100 * min(max(at.Seconds()/r.Duration.Seconds(), 0), 1)
}

// nearest is the anchor of the moment nearest to a time.
func (r Report) nearest(at time.Duration) string {
	best, distance := "", time.Duration(1<<62)
	for _, m := range r.Moments {
		if d := (m.At - at).Abs(); d < distance {
			best, distance = anchor(m.At), d
		}
	}
	return best
}

func anchor(at time.Duration) string { return fmt.Sprintf("at-%d", at.Milliseconds()) }

// data is a picture in the page itself.
func data(jpeg []byte) template.URL {
	if jpeg == nil {
		return ""
	}
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(jpeg))
}

func marks(boxes []labelled) []mark {
	var all []mark
	for _, b := range boxes {
		const margin = faces.DefaultMargin // as the cover of a detected face has it
		body, _ := json.Marshal(map[string]*float64{
			"left": fine(b.Left - margin*b.Width), "top": fine(b.Top - margin*b.Height),
			"width": fine(b.Width * (1 + 2*margin)), "height": fine(b.Height * (1 + 2*margin)),
		})
		all = append(all, mark{
			Left: 100 * b.Left, Top: 100 * b.Top, Width: 100 * b.Width, Height: 100 * b.Height,
			Label: b.Label, High: b.Top < 0.1,
			Own: b.own, Index: b.index, JSON: string(body),
			Where: fmt.Sprintf("left %.3f, top %.3f, width %.3f, height %.3f", b.Left, b.Top, b.Width, b.Height),
		})
	}
	return all
}

// ticks are five to ten round times.
func ticks(video time.Duration) []tick {
	var all []tick
	for _, step := range []time.Duration{100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_200_000, 3_600_000} {
		if step *= time.Millisecond; video/step > 10 && step < time.Hour {
			continue
		}
		for at := time.Duration(0); at <= video; at += step {
			label := fmt.Sprintf("%d:%02d", int(at.Minutes()), int((at % time.Minute).Seconds()))
			if step < time.Second {
				label = fmt.Sprintf("%.1f s", at.Seconds())
			}
			all = append(all, tick{100 * at.Seconds() / max(video.Seconds(), 0.001), label})
			if len(all) > 100 {
				break
			}
		}
		break
	}
	return all
}

// Samples are how often the detector saw a face.
func (r Report) Samples() int { return len(r.Faces) }
