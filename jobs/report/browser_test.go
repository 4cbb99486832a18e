package report

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/mosaicd/mosaicd/internal/browser"
	"github.com/mosaicd/mosaicd/jobs/faces"
)

// TestPageInABrowser looks at the page as people do: on a wide and on a narrow
// window.
func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	ctx := browser.Start(t)
	r := example(t)
	path := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.WriteHTML(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	complaints := make(chan string, 100)
	err = chromedp.Listen(ctx, func(e any) {
		switch e := e.(type) {
		case *runtime.EventConsoleAPICalled:
			complaints <- fmt.Sprint(e.Type)
		case *runtime.EventExceptionThrown:
			complaints <- e.ExceptionDetails.Text
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		Title    string    `json:"title"`
		Images   int       `json:"images"`
		Shown    int       `json:"shown"`
		Bars     []float64 `json:"bars"` // widths
		Left     float64   `json:"left"` // of the first cover, in shares of its picture
		Top      float64   `json:"top"`
		Width    float64   `json:"width"`
		Height   float64   `json:"height"`
		Overflow float64   `json:"overflow"`
		Script   bool      `json:"script"`
		Targets  bool      `json:"targets"`
	}
	const look = `(() => {
		const images = [...document.images], cover = document.querySelector('.before .box'), shot = cover.parentElement.getBoundingClientRect(), box = cover.getBoundingClientRect();
		return {
			title: document.title, images: images.length, shown: images.filter(i => i.complete && i.naturalWidth > 0).length,
			bars: [...document.querySelectorAll('.bar')].map(b => b.getBoundingClientRect().width),
			left: (box.left - shot.left) / shot.width, top: (box.top - shot.top) / shot.height, width: box.width / shot.width, height: box.height / shot.height,
			overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
			script: document.scripts.length > 0,
			targets: [...document.querySelectorAll('a[href^="#"]')].every(a => document.querySelector(a.hash)),
		}
	})()`
	for _, width := range []int64{1600, 360} {
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate("file://"+path)); err != nil {
			t.Fatal(err)
		}
		page, err := chromedp.Run(ctx, chromedp.Evaluate[seen](look))
		if err != nil {
			t.Fatal(err)
		}
		picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(90))
		if err != nil {
			t.Fatal(err)
		}
		if page.Title != "Mosaic of "+r.Source || !page.Script {
			t.Errorf("title is %q", page.Title)
		}
		if page.Images != 2*len(r.Moments) || page.Shown != page.Images {
			t.Errorf("%d of %d pictures are shown", page.Shown, page.Images)
		}
		if len(page.Bars) != 3 || min(page.Bars[0], page.Bars[1], page.Bars[2]) < 3 {
			t.Errorf("bars are %v pixels wide", page.Bars)
		}
		near := func(a, b float64) bool { return a-b < 0.02 && b-a < 0.02 }
		if !near(page.Left, 0.1) || !near(page.Top, 0.2) || !near(page.Width, 0.2) || !near(page.Height, 0.4) {
			t.Errorf("the first cover is at %.3f, %.3f, %.3f, %.3f", page.Left, page.Top, page.Width, page.Height)
		}
		if page.Overflow > 0 {
			t.Errorf("at %d pixels the page is %g too wide", width, page.Overflow)
		}
		if !page.Targets {
			t.Error("a link leads nowhere")
		}
		if len(picture) < 10_000 {
			t.Errorf("the page's picture has %d bytes", len(picture))
		}
		if folder := os.Getenv("MOSAICD_SCREENSHOTS"); folder != "" {
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("report-%d.jpg", width)), picture, 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	select {
	case said := <-complaints:
		t.Errorf("the console says %s", said)
	default:
	}
}

// A rectangle on the screen, in CSS pixels of the window.
type rectangle struct {
	X, Y, Width, Height float64
}

// seek scrolls what a selector names into view, and returns where it is then.
func seek(ctx context.Context, t *testing.T, selector string) rectangle {
	t.Helper()
	r, err := chromedp.Run(ctx, chromedp.Evaluate[rectangle](fmt.Sprintf(`(() => {
		const el = document.querySelector(%q);
		el.scrollIntoView({block: "center"});
		const {x, y, width, height} = el.getBoundingClientRect();
		return {X: x, Y: y, Width: width, Height: height};
	})()`, selector)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPageMakesRegions: a person draws on the page, strikes a cover out, takes a face
// that is still found, and saves what a mosaic reads.
func TestPageMakesRegions(t *testing.T) {
	t.Parallel()
	ctx := browser.Start(t)
	r := example(t)
	r.Regions.Only = []faces.Span{{Start: 0, End: 9 * time.Second}}
	path := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.WriteHTML(f), f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1200, 900), chromedp.Navigate("file://"+path)); err != nil {
		t.Fatal(err)
	}
	// A rectangle from a quarter to a half of a picture at a known time, from its lower right corner.
	shown := seek(ctx, t, "#at-4250 .shot.after")
	at := func(x, y float64) (float64, float64) { return shown.X + x*shown.Width, shown.Y + y*shown.Height }
	fromX, fromY := at(0.5, 0.4)
	toX, toY := at(0.25, 0.1)
	if err := browser.Drag(ctx, fromX, fromY, toX, toY); err != nil {
		t.Fatal(err)
	}
	said, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector("#at-4250 .after ~ figcaption output").textContent`))
	if err != nil || said != "left 0.250, top 0.100, width 0.250, height 0.300" {
		t.Errorf("while it is drawn the page says %q, %v", said, err)
	}
	// The face that is still found, and the first cover, struck out by a click on it; the
	// region by the keyboard.
	for _, selector := range []string{"#at-4250 .box.left", "#at-4250 .before [data-track='0']"} {
		box := seek(ctx, t, selector)
		if err := browser.Drag(ctx, box.X+box.Width/2, box.Y+box.Height/2, box.X+box.Width/2, box.Y+box.Height/2); err != nil {
			t.Fatal(err)
		}
	}
	struck, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => {
		document.querySelector("button[aria-label='strike out region 1']").click();
		const end = document.querySelector("#drawn tr:nth-child(2) [data-field=end]");
		end.value = "7.5";
		end.dispatchEvent(new Event("input"));
		return [...document.querySelectorAll(".struck")].map((e) => e.textContent).join() + "; " + document.getElementById("summary").textContent;
	})()`))
	if err != nil || !strings.Contains(struck, "face 1") || strings.Contains(struck, "face 2") || !strings.Contains(struck, "2 drawn, 2 struck out") {
		t.Errorf("struck out are %q, %v", struck, err)
	}
	body := browser.Download(ctx, t, "regions.json", chromedp.Click(chromedp.CSS("#save")))
	regions, err := faces.ParseRegions(body)
	if err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	near := func(got, want faces.Region) bool {
		ok := got.Start-want.Start < 2*time.Millisecond && want.Start-got.Start < 2*time.Millisecond && got.End-want.End < 2*time.Millisecond && want.End-got.End < 2*time.Millisecond
		for _, d := range []float64{got.Left - want.Left, got.Top - want.Top, got.Width - want.Width, got.Height - want.Height} {
			ok = ok && math.Abs(d) < 0.005
		}
		return ok
	}
	span := func(from, to int) faces.Span {
		return faces.Span{Start: time.Duration(from) * time.Millisecond, End: time.Duration(to) * time.Millisecond}
	}
	if len(regions.Add) != 2 ||
		!near(regions.Add[0], faces.Region{Box: faces.Box{Left: 0.25, Top: 0.1, Width: 0.25, Height: 0.3}, Span: span(3250, 5250)}) ||
		!near(regions.Add[1], faces.Region{Box: faces.Box{Left: 0.485, Top: 0.47, Width: 0.13, Height: 0.26}, Span: span(3250, 7500)}) {
		t.Errorf("added are %+v", regions.Add)
	}
	if len(regions.Only) != 1 || regions.Only[0] != r.Regions.Only[0] {
		t.Errorf("only is %+v", regions.Only)
	}
	// The struck face is covered no more, the other one as before.
	rest := faces.Regions{Except: regions.Except}.Apply(r.Tracks)
	if len(regions.Except) == 0 || len(rest) != 1 || !reflect.DeepEqual(rest[0], r.Tracks[1]) {
		t.Errorf("except is %+v, which leaves %+v", regions.Except, rest)
	}
	if folder := os.Getenv("MOSAICD_SCREENSHOTS"); folder != "" {
		picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(90))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, "report-drawn.jpg"), picture, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
}
