package awslocal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go/middleware"
	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/internal/awsclient"
)

const (
	// Region is the region of every resource.
	Region = "us-east-1"
	// AccountID is the account that owns every resource.
	AccountID = "000000000000"

	accessKeyID     = "local"
	secretAccessKey = "local"

	// closeTimeout bounds how long Close waits for requests that are being
	// answered before it cuts their connections.
	closeTimeout = 2 * time.Second
)

// Config says how a Server listens.
type Config struct {
	// Addr is a TCP address, of a loopback address unless AnyInterface is set. Defaults to
	// 127.0.0.1:0, a free port.
	Addr string
	// AnyInterface lets Addr be one that is not loopback. Nobody is asked who they
	// are: only for a network that is nobody else's, such as one of containers.
	AnyInterface bool
	// Log receives what goaws and gofakes3 log, at debug level. Defaults to
	// none.
	Log *zap.Logger
	// Pace is how long MediaConvert's jobs stay in each of their states. Defaults
	// to no time at all.
	Pace time.Duration
	// Media gives the bytes of the files that those jobs write, by their extension
	// with its dot. Defaults to a line of text that says that nothing is transcoded.
	Media func(extension string) []byte
	// Faces looks for the faces in a video for Rekognition, and returns JSON with
	// Faces and VideoMetadata as GetFaceDetection has them. Without it Rekognition's
	// jobs fail.
	Faces func(ctx context.Context, video []byte) ([]byte, error)
	// People tells faces apart for Rekognition's collections. Without it indexing and
	// searching fail.
	People People
}

// A Server answers SQS, SNS, S3, MediaConvert and Rekognition requests from memory,
// and the little of STS and IAM that says who somebody is. Make one with Start.
type Server struct {
	url        string
	account    *account
	objects    *objects
	buckets    http.Handler
	transcoder *transcoder
	searcher   *searcher
	identity   identity
	client     *http.Client // used by AWSConfig, so that Close can close its connections
	close      func() error
}

// Start serves SQS, SNS, S3, MediaConvert and Rekognition on cfg.Addr until ctx ends or Close is called.
// It fails if the address is not a loopback address or cannot be listened on.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	addr, err := net.ResolveTCPAddr("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("resolve address: %w", err)
	}
	if !cfg.AnyInterface && !addr.IP.IsLoopback() {
		return nil, fmt.Errorf("address %s is not a loopback address", cfg.Addr)
	}
	ln, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}

	url := "http://" + ln.Addr().String()
	if addr.IP.IsUnspecified() {
		url = fmt.Sprintf("http://127.0.0.1:%d", ln.Addr().(*net.TCPAddr).Port) // where this machine finds it
	}
	s := &Server{
		url:     url,
		account: newAccount(url, cfg.Log),
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	s.objects = newObjects(s.account.send, cfg.Log)
	s.buckets = newBuckets(s.objects, cfg.Log)

	serving, cancel := context.WithCancel(ctx)
	s.transcoder = newTranscoder(serving, url, cfg, s.objects, s.account.send)
	s.searcher = newSearcher(serving, cfg, s.objects, sns.NewFromConfig(s.AWSConfig()))
	hs := &http.Server{
		Handler:     http.HandlerFunc(s.route),
		BaseContext: func(net.Listener) context.Context { return serving },
		ErrorLog:    zap.NewStdLog(cfg.Log),
	}
	served := make(chan error, 1)
	go func() { served <- hs.Serve(ln) }()
	s.close = sync.OnceValue(func() error {
		cancel() // ends long polls
		grace, done := context.WithTimeout(context.Background(), closeTimeout)
		defer done()
		if hs.Shutdown(grace) != nil {
			hs.Close()
		}
		s.client.CloseIdleConnections()
		s.transcoder.running.Wait()
		s.searcher.running.Wait()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	context.AfterFunc(serving, func() { s.close() })
	return s, nil
}

// Close ends long polls, lets other requests finish for at most two seconds,
// and frees the address. What was stored is lost. Calling it again does
// nothing.
func (s *Server) Close() error { return s.close() }

// URL returns the endpoint of all services, such as http://127.0.0.1:40123.
func (s *Server) URL() string { return s.url }

// AWSConfig returns a configuration whose clients talk to s. They need no
// further option: the SDK uses path-style S3 requests with an IP address.
func (s *Server) AWSConfig() aws.Config {
	return aws.Config{
		Region:       Region,
		BaseEndpoint: aws.String(s.url),
		Credentials:  credentials.NewStaticCredentialsProvider(accessKeyID, secretAccessKey, ""),
		HTTPClient:   s.client,
		APIOptions:   []func(*middleware.Stack) error{awsclient.PlainBodies},
		// As in the SDK's default configuration, which a bare Config is not.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}
}

// Environ returns the variables, as NAME=value, that make the AWS SDKs and the
// AWS CLI of a process with default configuration talk to s. Version 1 of the
// CLI ignores AWS_ENDPOINT_URL for SQS: there, `aws sqs` needs --endpoint-url,
// and without it calls AWS itself with these credentials, which AWS refuses.
func (s *Server) Environ() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.url,
		"AWS_REGION=" + Region,
		"AWS_DEFAULT_REGION=" + Region,
		"AWS_ACCESS_KEY_ID=" + accessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + secretAccessKey,
		"AWS_SESSION_TOKEN=",
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// Notify sends a notification for every object that is created from now on and
// that n selects. The queue has it before the request that creates the object
// is answered, and never before the object can be read.
func (s *Server) Notify(n Notification) { s.objects.events.notify(n) }

// route tells the services apart by how their protocols address an operation:
// SQS by a header, SNS by a form posted to the root, MediaConvert by the service
// that the request is signed for or by its path, S3 by the path.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	switch {
	case strings.HasPrefix(target, sqsTarget):
		s.account.serveSQS(w, r)
	case strings.HasPrefix(target, rekognitionTarget):
		s.searcher.ServeHTTP(w, r)
	case target != "":
		writeSQSError(w, &apiError{status: http.StatusBadRequest, code: "UnknownOperationException",
			message: fmt.Sprintf("%s is not served here; known are SQS, SNS, S3, MediaConvert and Rekognition", target)})
	case isMediaConvert(r):
		s.transcoder.ServeHTTP(w, r)
	case r.Method == http.MethodPost && r.URL.Path == "/":
		s.serveForm(w, r)
	default:
		s.buckets.ServeHTTP(w, r)
	}
}

// serveForm tells apart the services whose requests are forms.
func (s *Server) serveForm(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		writeSNSError(w, errInvalidTopicParameter("read form: "+err.Error()))
		return
	}
	switch r.PostForm.Get("Action") {
	case actionCallerIdentity, actionGetRole:
		s.identity.serve(w, r.PostForm)
	default:
		s.account.serveSNS(w, r)
	}
}

// isMediaConvert goes by the signature: 2017-08-29 could be a bucket.
func isMediaConvert(r *http.Request) bool {
	_, scope, signed := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	if !signed {
		return strings.HasPrefix(r.URL.Path, mediaConvertPath)
	}
	parts := strings.Split(scope, "/") // key/date/region/service/aws4_request
	return len(parts) > 3 && parts[3] == "mediaconvert"
}
