package main

import (
	"math/rand/v2"
	"testing"
)

// TestSimulate: whatever the fleet, every upload is worked once, and no more tasks
// run than may.
func TestSimulate(t *testing.T) {
	t.Parallel()
	at, work := arrivals(rand.New(rand.NewPCG(3, 0)))
	total := 0.0
	for _, w := range work {
		total += float64(w) / hour
	}
	for _, f := range []fleet{{least: 1, most: 20, target: 2}, {least: 1, most: 20, target: 2, byRunning: true}, {least: 2, most: 3, target: 4}, {least: 4, most: 4}} {
		c := simulate(f, at, work)
		if len(c.waits) != len(at) || c.peak > f.most || c.taskHours < c.workHours {
			t.Errorf("%+v: %d of %d uploads, at most %d tasks, %.1f task-hours for %.1f of work", f, len(c.waits), len(at), c.peak, c.taskHours, c.workHours)
		}
		// A job that is stopped would have to be worked again.
		if c.workHours < total-1 || c.workHours > total+1 {
			t.Errorf("%+v: worked %.1f hours of %.1f", f, c.workHours, total)
		}
		if c.waits[0] < 0 || c.wait(0.5) > c.wait(1) {
			t.Errorf("%+v: waits from %d, median %.1f, longest %.1f", f, c.waits[0], c.wait(0.5), c.wait(1))
		}
	}
	few, many := simulate(fleet{least: 3, most: 3}, at, work), simulate(fleet{least: 20, most: 20}, at, work)
	if few.wait(0.95) <= many.wait(0.95) || few.taskHours >= many.taskHours {
		t.Error("more tasks neither shorten the wait nor cost more")
	}
}

func TestDraw(t *testing.T) {
	t.Parallel()
	at, work := arrivals(rand.New(rand.NewPCG(3, 0)))
	if err := drawDay(simulate(fleet{least: 1, most: 20, target: 2}, at, work), t.TempDir()+"/day.png"); err != nil {
		t.Fatal(err)
	}
	if err := drawDay(simulate(fleet{least: 1, most: 20, target: 2}, at, work), "/proc/nowhere.png"); err == nil {
		t.Error("it was drawn into nowhere")
	}
}
