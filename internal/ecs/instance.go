package ecs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// An Instance of EC2 says when it will go: a Spot instance two minutes before, and
// one of an Auto Scaling group when the group has chosen it, for as long as a
// lifecycle hook holds it.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html
type Instance struct {
	url    string // of the metadata service
	client *http.Client
	every  time.Duration
}

// MetadataURL is where EC2 answers.
const MetadataURL = "http://169.254.169.254"

// NewInstance returns one that asks the metadata service at url.
func NewInstance(url string) *Instance {
	return &Instance{url: url, client: &http.Client{Timeout: 2 * time.Second}, every: 5 * time.Second}
}

// Wait returns true when the instance will be stopped, and false when ctx ends.
// Where nothing answers, it goes on asking.
func (i *Instance) Wait(ctx context.Context) bool {
	tick := time.NewTicker(i.every)
	defer tick.Stop()
	for {
		if going, err := i.ask(ctx); err == nil && going {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func (i *Instance) ask(ctx context.Context) (bool, error) {
	token, _, err := i.call(ctx, http.MethodPut, "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
	if err != nil {
		return false, err
	}
	_, status, err := i.call(ctx, http.MethodGet, "/latest/meta-data/spot/instance-action", "X-aws-ec2-metadata-token", token)
	if err != nil || status == http.StatusOK { // 404: no notice
		return err == nil, err
	}
	target, status, err := i.call(ctx, http.MethodGet, "/latest/meta-data/autoscaling/target-lifecycle-state", "X-aws-ec2-metadata-token", token)
	return status == http.StatusOK && target == "Terminated", err // 404: of no group
}

func (i *Instance) call(ctx context.Context, method, path, header, value string) (body string, status int, err error) {
	request, err := http.NewRequestWithContext(ctx, method, i.url+path, nil)
	if err != nil {
		return "", 0, err
	}
	request.Header.Set(header, value)
	answer, err := i.client.Do(request)
	if err != nil {
		return "", 0, fmt.Errorf("ask the metadata service: %w", err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	return string(said), answer.StatusCode, err
}
