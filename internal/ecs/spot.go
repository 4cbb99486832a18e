package ecs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A Spot watches for the notice that a Spot instance will be taken away, two
// minutes before.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
type Spot struct {
	url    string // of the metadata service
	client *http.Client
	every  time.Duration
}

// MetadataURL is where EC2 answers.
const MetadataURL = "http://169.254.169.254"

// NewSpot returns one that asks the metadata service at url.
func NewSpot(url string) *Spot {
	return &Spot{url: url, client: &http.Client{Timeout: 2 * time.Second}, every: 5 * time.Second}
}

// Wait returns true when the instance will be stopped, and false when ctx ends.
// Where nothing answers, it goes on asking.
func (s *Spot) Wait(ctx context.Context) bool {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		if going, err := s.ask(ctx); err == nil && going {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func (s *Spot) ask(ctx context.Context) (bool, error) {
	token, _, err := s.call(ctx, http.MethodPut, "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
	if err != nil {
		return false, err
	}
	_, status, err := s.call(ctx, http.MethodGet, "/latest/meta-data/spot/instance-action", "X-aws-ec2-metadata-token", token)
	return status == http.StatusOK, err // 404: no notice
}

func (s *Spot) call(ctx context.Context, method, path, header, value string) (body string, status int, err error) {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, nil)
	if err != nil {
		return "", 0, err
	}
	request.Header.Set(header, value)
	answer, err := s.client.Do(request)
	if err != nil {
		return "", 0, fmt.Errorf("ask the metadata service: %w", err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	return string(said), answer.StatusCode, err
}
