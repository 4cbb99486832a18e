package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mosaicd/mosaicd/jobs"
)

// A call is one request of a worker that changed something, and was granted.
type call struct {
	at     time.Time // when it was answered
	asked  time.Time
	worker int
	what   string // put, publish, delete, create
	about  string // key, result id, source of a message
	body   string // of what was published
}

// A record is every such call, in order of the answers.
type record struct {
	mu      sync.Mutex
	calls   []call
	handles map[string]string // receipt handle → what its message is about

	throttled atomic.Bool   // every request is refused: too many
	delay     time.Duration // before each request is passed on
}

func (r *record) add(c call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
}

func (r *record) all() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]call(nil), r.calls...)
}

// observe serves the AWS at target to one worker, and records what that does. It
// returns the address.
func (r *record) observe(target string, worker int) (string, func(), error) {
	to, err := url.Parse(target)
	if err != nil {
		return "", nil, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(p *httputil.ProxyRequest) { p.SetURL(to); p.Out.Host = p.In.Host },
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway) // the worker was killed, most likely
		},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		if r.throttled.Load() {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"__type":"ThrottlingException","message":"Rate exceeded"}`)
			return
		}
		time.Sleep(r.delay)
		asked := time.Now()
		var body []byte
		if !strings.HasPrefix(in.URL.Path, "/results/mosaic/") { // videos are passed on as they come
			body, _ = io.ReadAll(in.Body)
			in.Body = io.NopCloser(bytes.NewReader(body))
		}
		answer := &noted{ResponseWriter: w, status: http.StatusOK, keep: in.Header.Get("X-Amz-Target") == "AmazonSQS.ReceiveMessage"}
		proxy.ServeHTTP(answer, in)
		if answer.status < 300 {
			r.note(call{asked: asked, at: time.Now(), worker: worker}, in, body, answer.body.Bytes())
		}
	})}
	go func() { _ = server.Serve(listener) }() // it ends with Close
	return "http://" + listener.Addr().String(), func() { server.Close() }, nil
}

// A noted response remembers how it was answered.
type noted struct {
	http.ResponseWriter
	status int
	keep   bool
	body   bytes.Buffer
}

func (n *noted) WriteHeader(status int) { n.status = status; n.ResponseWriter.WriteHeader(status) }
func (n *noted) Write(p []byte) (int, error) {
	if n.keep {
		n.body.Write(p)
	}
	return n.ResponseWriter.Write(p)
}

var keyInMessage = regexp.MustCompile(`\\?"key\\?":\s*\\?"([^"\\]+)|mosaicd-job\\?":\\?"([0-9a-f]{32})`)

func (r *record) note(c call, in *http.Request, body, answer []byte) {
	switch target := in.Header.Get("X-Amz-Target"); {
	case target == "AmazonSQS.ReceiveMessage":
		var out struct {
			Messages []struct{ ReceiptHandle, Body string }
		}
		if json.Unmarshal(answer, &out) != nil {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, m := range out.Messages {
			about := ""
			if found := keyInMessage.FindStringSubmatch(m.Body); found != nil {
				about = found[1] + found[2]
			}
			r.handles[m.ReceiptHandle] = about
		}
	case target == "AmazonSQS.DeleteMessage":
		var asked struct{ ReceiptHandle string }
		_ = json.Unmarshal(body, &asked) // it was granted
		r.mu.Lock()
		c.what, c.about = "delete", r.handles[asked.ReceiptHandle]
		r.mu.Unlock()
		r.add(c)
	case target != "":
	case in.Method == http.MethodPost && in.URL.Path == "/2017-08-29/jobs":
		var asked struct{ UserMetadata map[string]string }
		_ = json.Unmarshal(body, &asked)
		c.what, c.about = "create", asked.UserMetadata["input"]
		r.add(c)
	case in.Method == http.MethodPost && in.URL.Path == "/":
		form, err := url.ParseQuery(string(body))
		if err != nil || form.Get("Action") != "Publish" {
			return
		}
		var result jobs.Result
		_ = json.Unmarshal([]byte(form.Get("Message")), &result)
		c.what, c.about, c.body = "publish", result.ID, form.Get("Message")
		r.add(c)
	case in.Method == http.MethodPut && strings.HasPrefix(in.URL.Path, "/results/mosaic/") && !in.URL.Query().Has("partNumber"),
		in.Method == http.MethodPost && strings.HasPrefix(in.URL.Path, "/results/mosaic/") && in.URL.Query().Has("uploadId"):
		c.what, c.about = "put", strings.TrimPrefix(in.URL.Path, "/results/mosaic/")
		r.add(c)
	}
}

func (c call) String() string {
	return fmt.Sprintf("%s worker %d %s %s", c.at.Format("15:04:05.000"), c.worker, c.what, c.about)
}
