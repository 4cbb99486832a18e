package report

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/mosaicd/mosaicd/internal/browser"
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
		if page.Title != "Mosaic of "+r.Source || page.Script {
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
