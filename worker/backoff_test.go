package worker

import (
	"math"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	const base, limit = 5 * time.Second, 15 * time.Minute
	almostOne := math.Nextafter(1, 0)
	for _, tt := range []struct {
		tries    int
		shortest time.Duration // random just below 1
		half     time.Duration
		longest  time.Duration // random 0
	}{
		{tries: -1, half: 2500 * time.Millisecond, longest: 5 * time.Second},
		{tries: 0, half: 2500 * time.Millisecond, longest: 5 * time.Second},
		{tries: 1, half: 2500 * time.Millisecond, longest: 5 * time.Second},
		{tries: 2, half: 5 * time.Second, longest: 10 * time.Second},
		{tries: 3, half: 10 * time.Second, longest: 20 * time.Second},
		{tries: 7, half: 160 * time.Second, longest: 320 * time.Second},
		{tries: 8, half: 320 * time.Second, longest: 640 * time.Second},
		{tries: 9, half: 450 * time.Second, longest: limit},
		{tries: 63, half: 450 * time.Second, longest: limit},
		{tries: 64, half: 450 * time.Second, longest: limit},
		{tries: math.MaxInt, half: 450 * time.Second, longest: limit},
	} {
		if got := backoff(base, limit, tt.tries, 0); got != tt.longest {
			t.Errorf("backoff(%d tries, random 0) = %s, want %s", tt.tries, got, tt.longest)
		}
		if got := backoff(base, limit, tt.tries, 0.5); got != tt.half {
			t.Errorf("backoff(%d tries, random 0.5) = %s, want %s", tt.tries, got, tt.half)
		}
		if got := backoff(base, limit, tt.tries, almostOne); got <= 0 || got > time.Millisecond {
			t.Errorf("backoff(%d tries, random almost 1) = %s, want a little more than 0", tt.tries, got)
		}
	}
}

func TestJitter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		random float64
		want   time.Duration
	}{
		{0, 27 * time.Second},
		{0.5, 30 * time.Second},
		{0.75, 31500 * time.Millisecond},
	} {
		if got := jitter(30*time.Second, tt.random); got != tt.want {
			t.Errorf("jitter(30s, %v) = %s, want %s", tt.random, got, tt.want)
		}
	}
}

func TestSecondsRoundsUp(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int32{
		0: 0, 1: 1, 300 * time.Millisecond: 1, time.Second: 1, time.Second + 1: 2, 12 * time.Hour: 43200,
	} {
		if got := seconds(d); got != want {
			t.Errorf("seconds(%s) = %d, want %d", d, got, want)
		}
	}
}
