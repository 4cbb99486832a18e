// Command autoscaling replays the arithmetic by which the template's service scales
// over a day of made-up uploads, beside fleets of fixed sizes, and draws it.
//
//	go run ./bench/autoscaling -png docs/autoscaling.png
//
// It is arithmetic, not a measurement: no task runs.
package main

import (
	"flag"
	"fmt"
	"image/color"
	"math/rand/v2"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

func main() {
	seed := flag.Uint64("seed", 1, "of the uploads")
	least := flag.Int("min", 1, "MinTasks")
	most := flag.Int("max", 20, "MaxTasks")
	target := flag.Float64("target", 2, "BacklogPerTask")
	picture := flag.String("png", "", "file to draw the day into")
	flag.Parse()
	if err := run(*seed, fleet{least: *least, most: *most, target: *target}, *picture); err != nil {
		fmt.Fprintln(os.Stderr, "autoscaling:", err)
		os.Exit(1)
	}
}

func run(seed uint64, scaled fleet, picture string) error {
	at, work := arrivals(rand.New(rand.NewPCG(seed, 0)))
	total := 0
	for _, w := range work {
		total += w
	}
	fmt.Printf("%d uploads in a day, %.1f hours of work; %d of them at 11:00 within five minutes; a job takes 3 minutes in the median\n\n", len(at), float64(total)/hour, burstUploads)
	fmt.Printf("%-26s %8s %8s %8s %8s %10s %6s\n", "", "wait p50", "p95", "longest", "tasks ≤", "task-hours", "busy")
	row := func(name string, f fleet) course {
		c := simulate(f, at, work)
		fmt.Printf("%-26s %4.1f min %4.1f min %4.1f min %8d %10.1f %5.0f%%\n", name, c.wait(0.5), c.wait(0.95), c.wait(1), c.peak, c.taskHours, 100*c.workHours/c.taskHours)
		return c
	}
	scaledDay := row(fmt.Sprintf("scaled, %d to %d, target %g", scaled.least, scaled.most, scaled.target), scaled)
	for _, target := range []float64{1, 4} {
		if target != scaled.target {
			row(fmt.Sprintf("scaled, %d to %d, target %g", scaled.least, scaled.most, target), fleet{least: scaled.least, most: scaled.most, target: target})
		}
	}
	row("the same, by running tasks", fleet{least: scaled.least, most: scaled.most, target: scaled.target, byRunning: true})
	for _, n := range []int{3, 5, 10, 20} {
		row(fmt.Sprintf("always %d", n), fleet{least: n, most: n})
	}
	if picture == "" {
		return nil
	}
	return drawDay(scaledDay, picture)
}

// drawDay draws backlog, tasks and wait, one above the other.
func drawDay(c course, path string) error {
	panels := []struct {
		title string
		lines []line
	}{
		{"Messages", []line{{"waiting", color.RGBA{214, 39, 40, 255}, func(m minuteOf) float64 { return m.backlog }}, {"in work", color.RGBA{31, 119, 180, 255}, func(m minuteOf) float64 { return m.working }}}},
		{"Tasks", []line{{"running", color.RGBA{44, 160, 44, 255}, func(m minuteOf) float64 { return m.tasks }}, {"in work", color.RGBA{31, 119, 180, 255}, func(m minuteOf) float64 { return m.working }}}},
		{"Age of the oldest message, minutes", []line{{"", color.RGBA{148, 103, 189, 255}, func(m minuteOf) float64 { return m.wait }}}},
	}
	plots := make([][]*plot.Plot, len(panels))
	for i, panel := range panels {
		p := plot.New()
		p.Title.Text = panel.title
		p.X.Min, p.X.Max, p.Y.Min = 0, 24, 0
		p.X.Tick.Marker = hours{}
		p.Add(plotter.NewGrid())
		p.Legend.Top = true
		for _, l := range panel.lines {
			points := plotter.XYs{}
			for n, m := range c.minutes[:min(len(c.minutes), 24*60)] {
				points = append(points, plotter.XY{X: float64(n) / 60, Y: l.of(m)})
			}
			drawn, err := plotter.NewLine(points)
			if err != nil {
				return fmt.Errorf("draw %s: %w", panel.title, err)
			}
			drawn.Color, drawn.Width = l.color, vg.Points(1.2)
			p.Add(drawn)
			if l.name != "" {
				p.Legend.Add(l.name, drawn)
			}
		}
		plots[i] = []*plot.Plot{p}
	}
	canvas := vgimg.NewWith(vgimg.UseWH(24*vg.Centimeter, 18*vg.Centimeter), vgimg.UseDPI(96))
	to := draw.New(canvas)
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadX: vg.Millimeter * 3, PadY: vg.Millimeter * 3, PadTop: vg.Millimeter * 2, PadBottom: vg.Millimeter * 2, PadLeft: vg.Millimeter * 2, PadRight: vg.Millimeter * 4}
	for i, row := range plot.Align(plots, tiles, to) {
		plots[i][0].Draw(row[0])
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(f); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}

type line struct {
	name  string
	color color.Color
	of    func(minuteOf) float64
}

// hours are the marks of a day.
type hours struct{}

func (hours) Ticks(_, _ float64) (all []plot.Tick) {
	for h := 0; h <= 24; h += 2 {
		all = append(all, plot.Tick{Value: float64(h), Label: fmt.Sprintf("%02d:00", h)})
	}
	return all
}
