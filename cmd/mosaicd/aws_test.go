package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// TestConnectionsAreImpatient: a peer that says nothing more is given up, one that
// is only slow is not.
func TestConnectionsAreImpatient(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := &impatient{near, 500 * time.Millisecond}
	go func() {
		for range 4 { // longer than the silence in all
			time.Sleep(200 * time.Millisecond)
			_, _ = far.Write([]byte("x"))
		}
	}()
	for range 4 {
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading from the silent peer: %v", err)
	}
	if _, err := c.Write([]byte("nobody reads this")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing to the silent peer: %v", err)
	}
}

// TestAnswersMayComeEarly: the SDK closes a request's body when it has the answer, and
// net/http looks once more for what is left of it. It must find nothing, and no error.
func TestAnswersMayComeEarly(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "mine")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	cfg, err := awsConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough was seen")
	looks := 0
	cfg.RetryMaxAttempts = 1
	cfg.HTTPClient = smithyhttp.ClientDoFunc(func(r *http.Request) (*http.Response, error) {
		looks++
		if _, err := io.ReadFull(r.Body, make([]byte, r.ContentLength)); err != nil {
			t.Errorf("%s %s: reading the body: %v", r.Method, r.URL, err)
		}
		r.Body.Close()
		if n, err := io.Copy(io.Discard, r.Body); n != 0 || err != nil {
			t.Errorf("%s %s: after its end the body gives %d bytes, %v", r.Method, r.URL, n, err)
		}
		return nil, enough
	})
	if _, err := sqs.NewFromConfig(cfg).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String("https://sqs.us-east-1.amazonaws.com/111122223333/q")}); !errors.Is(err, enough) {
		t.Error(err)
	}
	f, err := os.Open(write(t, "a.txt", "of a file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := s3.NewFromConfig(cfg).PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Body: f}); !errors.Is(err, enough) {
		t.Error(err)
	}
	if looks != 2 {
		t.Errorf("%d requests", looks)
	}
}
