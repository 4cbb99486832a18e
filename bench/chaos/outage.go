package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// troubles are what a network and AWS do to a worker. Two are none of toxiproxy's
// toxics: nobody answers, and everything is refused.
var troubles = []struct{ name, toxic string }{
	{"slow", `{"name":"x","type":"latency","stream":"downstream","attributes":{"latency":1000,"jitter":500}}`},
	{"reset", `{"name":"x","type":"reset_peer","stream":"downstream","attributes":{"timeout":0}}`},
	{"cut short", `{"name":"x","type":"limit_data","stream":"downstream","attributes":{"bytes":400}}`},
	{"silent", `{"name":"x","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`},
	{"down", ""},
	{"throttled", ""},
}

// outages puts AWS out of a worker's reach in each way: it stays, it doesn't run hot,
// it says that it is well, and it goes on when AWS is back.
func outages(ctx context.Context, o options) (string, error) {
	var longest, silent time.Duration
	hottest := 0.0
	c, err := within(ctx, o.binary, 1, func(ctx context.Context, w *world, nodes []*node) error {
		n := nodes[0]
		server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
		proxy := toxiproxy.NewProxy(server, "aws", "127.0.0.1:0", strings.TrimPrefix(n.endpoint, "http://"))
		if err := proxy.Start(); err != nil {
			return err
		}
		defer proxy.Stop()
		n.endpoint = "http://" + proxy.Listen
		health, err := free()
		if err != nil {
			return err
		}
		n.health = health
		if err := n.start(); err != nil {
			return err
		}
		for i, trouble := range troubles {
			for k := range 2 {
				if err := w.upload(ctx, fmt.Sprintf("outage-%d-%d", i, k)); err != nil {
					return err
				}
			}
			time.Sleep(time.Duration(o.random.IntN(800)) * time.Millisecond)
			switch trouble.name {
			case "down":
				proxy.Stop()
			case "throttled":
				w.record.throttled.Store(true)
			default:
				if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(trouble.toxic)); err != nil {
					return err
				}
			}
			before, err := n.cpu()
			if err != nil {
				return err
			}
			time.Sleep(o.outage)
			after, err := n.cpu()
			if err != nil {
				return fmt.Errorf("%s: the worker is gone: %w", trouble.name, err)
			}
			if trouble.name != "slow" { // then it works
				hottest = max(hottest, (after-before).Seconds()/o.outage.Seconds())
			}
			answer, err := http.Get("http://" + health + "/healthz")
			if err != nil {
				return fmt.Errorf("%s: %w", trouble.name, err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: the worker says that it is not well: %s", trouble.name, answer.Status)
			}
			switch trouble.name {
			case "down":
				err = proxy.Start()
			case "throttled":
				w.record.throttled.Store(false)
			default:
				err = proxy.Toxics.RemoveToxic(ctx, "x")
			}
			if err != nil {
				return err
			}
			back := time.Now()
			if err := w.settle(ctx, 10*time.Minute); err != nil {
				return fmt.Errorf("%s: %w", trouble.name, err)
			}
			took := time.Since(back)
			if trouble.name == "silent" {
				silent = took
			}
			longest = max(longest, took)
		}
		_, err = n.stop()
		return err
	})
	return fmt.Sprintf("%d of %s: all was done %.0f s later at the most (%.0f s after silence), %.1f %% of a core at the most meanwhile: %d uploads, %d results, %d of them published again",
		len(troubles), o.outage, longest.Seconds(), silent.Seconds(), 100*hottest, c.uploads, c.results, c.again), err
}

// free is an address that nobody listens on.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// cpu is what the worker has used, without the engines it has waited for.
func (n *node) cpu() (time.Duration, error) {
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(body[bytes.LastIndexByte(body, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("/proc/PID/stat is too short")
	}
	user, err1 := strconv.Atoi(string(fields[11]))
	system, err2 := strconv.Atoi(string(fields[12]))
	const tick = time.Second / 100 // USER_HZ
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}
