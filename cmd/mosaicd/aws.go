package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/mosaicd/mosaicd/internal/awsclient"
)

// silence is how long a connection may carry nothing before it is given up: longer
// than a long poll, and much shorter than a peer that is gone is noticed without.
const silence = 30 * time.Second

// awsConfig finds credentials, region and endpoints as the AWS CLI does. What the SDK has to say beside its errors is
// for the log of a daemon, and goes to --log-level debug there: see logSDK.
func awsConfig(ctx context.Context, options ...func(*config.LoadOptions) error) (aws.Config, error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		dial := t.DialContext
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &impatient{c, silence}, nil
		}
	})
	cfg, err := config.LoadDefaultConfig(ctx, append([]func(*config.LoadOptions) error{
		config.WithHTTPClient(client), config.WithLogger(logging.Nop{}),
		config.WithAPIOptions([]func(*middleware.Stack) error{awsclient.PlainBodies}),
	}, options...)...)
	if err != nil {
		return cfg, fmt.Errorf("AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return cfg, usagef("the AWS region is not known: set AWS_REGION")
	}
	return cfg, nil
}

// An impatient connection fails when nothing moves for a while. The SDK then tries
// again, of a download only the part that is missing.
type impatient struct {
	net.Conn
	silence time.Duration
}

func (c *impatient) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *impatient) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// newS3 returns a client of S3. Where the endpoint is not AWS's own, it names buckets
// in the path: no name server knows bucket.emulator.
func newS3(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil
		o.DisableLogOutputChecksumValidationSkipped = true // a line for each object that has none
	})
}
