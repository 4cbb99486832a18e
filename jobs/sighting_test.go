package jobs

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mosaicd/mosaicd/jobs/faces"
)

func TestSightings(t *testing.T) {
	t.Parallel()
	every := faces.DetectorEvery
	left := faces.Box{Left: 0.1, Top: 0.2, Width: 0.1, Height: 0.2}
	near := faces.Box{Left: 0.15, Top: 0.2, Width: 0.1, Height: 0.2}
	right := faces.Box{Left: 0.7, Top: 0.1, Width: 0.1, Height: 0.1}
	face := func(looks int, b faces.Box) faces.Detection {
		return faces.Detection{At: time.Duration(looks) * every, Box: b}
	}
	looks := int(time.Hour / every)
	found := []faces.Detection{face(0, left), face(0, right), face(1, near), face(3, near), face(8, near), face(looks, right)}
	var got []string
	for _, s := range Sightings(found, 850*time.Millisecond) {
		got = append(got, s.String())
	}
	to := func(looks int) string { return seekTime((time.Duration(looks)*every + 850*time.Millisecond).Seconds()) }
	want := []string{
		fmt.Sprintf("from 0:00.85 to %s, 15 %% × 20 %% of the picture, 10 %% from the left and 20 %% from the top", to(3)),
		"at 0:00.85, 10 % × 10 % of the picture, 70 % from the left and 10 % from the top",
		fmt.Sprintf("at %s, 10 %% × 20 %% of the picture, 15 %% from the left and 20 %% from the top", to(8)),
		"at 1:00:00.85, 10 % × 10 % of the picture, 70 % from the left and 10 % from the top",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	if got := Sightings(nil, 0); len(got) != 0 {
		t.Errorf("nothing is found %v", got)
	}
}
