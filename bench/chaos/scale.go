package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// dispatches has MediaConvert transcode everything: a worker waits for AWS and does
// next to nothing, so that two cores are enough for four of them.
const dispatches = "{version: 1, routes: [{name: all, match: {suffix: .mp4}, steps: [transcode]}]}"

// callDelay is added to each call of a worker, as a network adds it.
const callDelay = 20 * time.Millisecond

// scale gives the same jobs to one worker, to two, to three and to four; and to
// four of which two are stopped (SIGTERM) when half is done.
func scale(ctx context.Context, o options) (string, error) {
	run := func(workers, stopped int) (perSecond float64, err error) {
		_, err = at(ctx, place{binary: o.binary, workers: workers, routes: dispatches, steps: 1, delay: callDelay}, func(ctx context.Context, w *world, nodes []*node) error {
			for i := range o.scale {
				if err := w.upload(ctx, fmt.Sprintf("scale-%d", i)); err != nil {
					return err
				}
			}
			started := time.Now()
			for _, n := range nodes {
				if err := n.start(); err != nil {
					return err
				}
			}
			for deadline := started.Add(10 * time.Minute); w.ended() < o.scale; time.Sleep(20 * time.Millisecond) {
				if stopped > 0 && w.ended() >= o.scale/2 {
					for _, n := range nodes[:stopped] {
						if _, err := n.stop(); err != nil {
							return err
						}
					}
					stopped = 0
				}
				if time.Now().After(deadline) {
					return fmt.Errorf("%d of %d jobs have ended", w.ended(), o.scale)
				}
			}
			perSecond = float64(o.scale) / time.Since(started).Seconds()
			return nil
		})
		return perSecond, err
	}
	var said strings.Builder
	fmt.Fprintf(&said, "%d jobs, each call %d ms later:", o.scale, callDelay.Milliseconds())
	one := 0.0
	for workers := 1; workers <= 4; workers++ {
		rate, err := run(workers, 0)
		if err != nil {
			return "", fmt.Errorf("%d workers: %w", workers, err)
		}
		if workers == 1 {
			one = rate
		}
		fmt.Fprintf(&said, "\n  %d workers %6.1f jobs/s  %4.2f×  %s", workers, rate, rate/one, strings.Repeat("█", int(10*rate/one)))
	}
	rate, err := run(4, 2)
	if err != nil {
		return "", fmt.Errorf("scale-in: %w", err)
	}
	fmt.Fprintf(&said, "\n  4 workers, 2 of them stopped halfway: %.1f jobs/s, each job done once", rate)
	return said.String(), nil
}
