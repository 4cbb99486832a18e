package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// usage is what a worker holds.
type usage struct{ megabytes, files, goroutines int }

func (u usage) String() string {
	return fmt.Sprintf("%d MB, %d open files, %d goroutines", u.megabytes, u.files, u.goroutines)
}

// soak gives one worker many jobs, and looks at what it holds after a tenth of them
// and after all.
func soak(ctx context.Context, o options) (string, error) {
	var early, late usage
	c, err := within(ctx, o.binary, 1, func(ctx context.Context, w *world, nodes []*node) error {
		n := nodes[0]
		var err error
		if n.health, err = free(); err != nil {
			return err
		}
		if err := n.start(); err != nil {
			return err
		}
		for i := range o.soak {
			for i-w.ended() > 8 {
				time.Sleep(20 * time.Millisecond)
			}
			if err := w.upload(ctx, fmt.Sprintf("soak-%d", i)); err != nil {
				return err
			}
			if i == max(o.soak/10, 1) {
				if err := w.settle(ctx, 10*time.Minute); err != nil {
					return err
				}
				if early, err = n.usage(); err != nil {
					return err
				}
			}
		}
		if err := w.settle(ctx, 10*time.Minute); err != nil {
			return err
		}
		late, err = n.usage()
		return err
	})
	if err == nil && (late.files > early.files+8 || late.goroutines > early.goroutines+16 || late.megabytes > 2*early.megabytes) {
		err = fmt.Errorf("it grew: after %d jobs %s, after all %s", max(o.soak/10, 1), early, late)
	}
	return fmt.Sprintf("%d jobs: after a tenth %s; after all %s; %d results", o.soak, early, late, c.results), err
}

var (
	resident   = regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)`)
	openFiles  = regexp.MustCompile(`(?m)^process_open_fds (\S+)`)
	goroutines = regexp.MustCompile(`(?m)^go_goroutines (\S+)`)
)

// usage is what the worker says that it holds: it hides from other processes of its user.
func (n *node) usage() (usage, error) {
	time.Sleep(3 * time.Second) // what is idle closes
	answer, err := http.Get("http://" + n.health + "/metrics")
	if err != nil {
		return usage{}, err
	}
	defer answer.Body.Close()
	metrics, err := io.ReadAll(answer.Body)
	if err != nil {
		return usage{}, err
	}
	value := func(of *regexp.Regexp) (float64, error) {
		m := of.FindSubmatch(metrics)
		if m == nil {
			return 0, fmt.Errorf("/metrics does not have %s", of)
		}
		return strconv.ParseFloat(string(m[1]), 64)
	}
	bytes, err1 := value(resident)
	files, err2 := value(openFiles)
	running, err3 := value(goroutines)
	return usage{int(bytes) >> 20, int(files), int(running)}, errors.Join(err1, err2, err3)
}
