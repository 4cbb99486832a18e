package main

import (
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"go.uber.org/zap"
)

// A daemonError ends a daemon that has begun to log: it is a line of that log, as every other.
type daemonError struct {
	error
	log *zap.Logger
}

func (e daemonError) Unwrap() error { return e.error }

// logSDK has the AWS SDK write into the log, and at level debug say why it tries a call again.
func logSDK(to *zap.Logger) func(*config.LoadOptions) error {
	return func(o *config.LoadOptions) error {
		o.Logger = sdkLogger{to}
		if to.Core().Enabled(zap.DebugLevel) {
			mode := aws.LogRetries // not requests: they hold signatures
			o.ClientLogMode = &mode
		}
		return nil
	}
}

// An sdkLogger writes what the AWS SDK says as lines of our log.
type sdkLogger struct{ log *zap.Logger }

func (l sdkLogger) Logf(of logging.Classification, format string, values ...any) {
	message := zap.String("message", fmt.Sprintf(format, values...))
	if of == logging.Debug {
		l.log.Debug("aws_sdk", message)
		return
	}
	l.log.Warn("aws_sdk", message)
}

// logLibraries has what libraries give to Go's standard logger written as lines of our log: net/http and the S3 transfer
// manager use it. It holds for the whole process.
func logLibraries(to *zap.Logger) {
	log.SetFlags(0)
	log.SetOutput(libraryLog{to})
}

type libraryLog struct{ log *zap.Logger }

var _ io.Writer = libraryLog{}

func (l libraryLog) Write(line []byte) (int, error) {
	l.log.Warn("library", zap.String("message", strings.TrimSpace(string(line))))
	return len(line), nil
}
