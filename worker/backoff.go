package worker

import (
	"context"
	"time"
)

// backoff returns how long to wait after the given number of tries: a random
// part, more than 0, of base doubled with each try after the first and capped at
// limit. random is in [0, 1).
//
// https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("full jitter")
func backoff(base, limit time.Duration, tries int, random float64) time.Duration {
	longest := limit
	if doublings := max(tries-1, 0); doublings < 63 && base <= limit>>doublings {
		longest = base << doublings
	}
	return longest - time.Duration(random*float64(longest))
}

// jitter returns d moved by up to a tenth either way. random is in [0, 1).
func jitter(d time.Duration, random float64) time.Duration {
	return d + time.Duration((random-0.5)*0.2*float64(d))
}

// sleep waits for d and reports whether it did: false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
