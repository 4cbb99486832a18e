// Package ecs speaks to what runs the worker: the agent of ECS, which can be asked
// not to stop a task, and the metadata service of EC2, which says when an instance
// will go.
package ecs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A Protection keeps ECS from choosing this task when it scales in or deploys. It
// may be used by several goroutines at once.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html
type Protection struct {
	url    string
	client *http.Client
	now    func() time.Time

	mu sync.Mutex
	on bool
	at time.Time // when it was asked for last
}

const (
	// protectedFor is how long ECS holds to it when nothing more is heard: the agent
	// takes 1 to 2,880 minutes. A worker that died must not hold up a deployment for
	// longer.
	protectedFor = 20 * time.Minute
	// answerTime is how long the agent may take.
	answerTime = 3 * time.Second
)

// NewProtection returns one that asks the agent at uri, as ECS_AGENT_URI has it.
func NewProtection(uri string) *Protection {
	return &Protection{
		url:    strings.TrimSuffix(uri, "/") + "/task-protection/v1/state",
		client: &http.Client{Timeout: answerTime}, now: time.Now,
	}
}

// Protect asks for protection, or gives it up. It asks only where that changes
// something, or half of the time has passed.
func (p *Protection) Protect(ctx context.Context, on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on == p.on && (!on || p.now().Sub(p.at) < protectedFor/2) {
		return nil
	}
	if err := p.ask(ctx, on); err != nil {
		return fmt.Errorf("ask ECS for scale-in protection: %w", err)
	}
	p.on, p.at = on, p.now()
	return nil
}

// Renew asks again as long as there is protection, until ctx ends: a long job has no
// receive that would.
func (p *Protection) Renew(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(protectedFor / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.mu.Lock()
			on := p.on
			p.mu.Unlock()
			if on {
				if err := p.Protect(ctx, true); err != nil {
					failed(err)
				}
			}
		}
	}
}

func (p *Protection) ask(ctx context.Context, on bool) error {
	in := map[string]any{"ProtectionEnabled": on}
	if on {
		in["ExpiresInMinutes"] = int(protectedFor.Minutes())
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, p.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil {
		return err
	}
	var out struct {
		Error   *struct{ Code, Message string }  `json:"error"`
		Failure *struct{ Reason, Detail string } `json:"failure"`
	}
	_ = json.Unmarshal(said, &out) // the status says as much
	switch {
	case out.Error != nil:
		return fmt.Errorf("%s: %s", out.Error.Code, out.Error.Message)
	case out.Failure != nil:
		return fmt.Errorf("%s: %s", out.Failure.Reason, out.Failure.Detail)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("status %s", answer.Status)
	}
	return nil
}
