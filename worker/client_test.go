package worker

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"
)

// serve makes a real client of a server on loopback that speaks SQS's JSON
// protocol for the calls of Queue.
func serve(t *testing.T, h http.HandlerFunc) *sqs.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return sqs.New(sqs.Options{
		Region:       "eu-west-1",
		BaseEndpoint: &server.URL,
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:   server.Client(),
	})
}

// serveJSON answers one call with q. It reports what went wrong with a request.
func serveJSON(q *fakeQueue, rw http.ResponseWriter, r *http.Request) error {
	if got := r.Header.Get("Content-Type"); got != "application/x-amz-json-1.0" {
		return fmt.Errorf("content type is %q", got)
	}
	var out any
	var err error
	switch op := operation(r); op {
	case opReceive:
		var received *sqs.ReceiveMessageOutput
		received, err = answer(r, q.ReceiveMessage)
		if err == nil {
			for i, m := range received.Messages {
				received.Messages[i].MD5OfBody = aws.String(digest(*m.Body))
			}
		}
		out = received
	case opChange:
		out, err = answer(r, q.ChangeMessageVisibility)
	case opDelete:
		out, err = answer(r, q.DeleteMessage)
	case opSend:
		var sent *sqs.SendMessageOutput
		sent, err = answer(r, func(ctx context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
			out, err := q.SendMessage(ctx, in)
			if err == nil {
				out.MD5OfMessageBody = aws.String(digest(*in.MessageBody))
			}
			return out, err
		})
		out = sent
	default:
		return fmt.Errorf("unknown operation %q", op)
	}
	if err != nil {
		return err
	}
	rw.Header().Set("Content-Type", "application/x-amz-json-1.0")
	return json.NewEncoder(rw).Encode(out)
}

func operation(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
}

func answer[In, Out any](r *http.Request, call func(context.Context, *In, ...func(*sqs.Options)) (*Out, error)) (*Out, error) {
	in := new(In)
	if err := json.NewDecoder(r.Body).Decode(in); err != nil {
		return nil, err
	}
	return call(r.Context(), in)
}

func digest(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestWithRealClient(t *testing.T) {
	t.Parallel()
	q := newFakeQueue()
	q.wait = 50 * time.Millisecond
	q.put(`{"n":1}`, map[string]types.MessageAttributeValue{"trace": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}}})
	q.put("broken ✂", map[string]types.MessageAttributeValue{"colour": stringAttribute("red")})
	q.put("later", nil)

	deleted := make(chan struct{}, 3)
	client := serve(t, func(rw http.ResponseWriter, r *http.Request) {
		if err := serveJSON(q, rw, r); err != nil {
			t.Errorf("%s: %v", operation(r), err)
			http.Error(rw, err.Error(), http.StatusInternalServerError)
		}
		if operation(r) == opDelete {
			deleted <- struct{}{}
		}
	})
	w := start(t, client, func(_ context.Context, m types.Message) error {
		switch {
		case *m.MessageId == "m1":
			if got := m.MessageAttributes["trace"].BinaryValue; string(got) != "\x00\xff" {
				t.Errorf("attribute is %x", got)
			}
			return nil
		case *m.MessageId == "m2":
			return &rejection{"not_a_video"}
		case m.Attributes["ApproximateReceiveCount"] == "1":
			return &postponement{time.Second}
		default:
			return nil
		}
	}, Config{Concurrency: 3, DeadLetterURL: testDeadURL})

	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	for n := range 3 {
		select {
		case <-deleted:
		case <-timeout.C:
			t.Fatalf("%d of 3 messages deleted; log: %v", n, w.logs.All())
		}
	}
	w.stop()
	<-w.done

	if changes := q.called(opChange); len(changes) != 1 || changes[0].visibility != 1 {
		t.Errorf("visibility was changed by %+v, want once, to 1 s", changes)
	}
	for _, c := range q.called(opReceive) {
		if c.waits != 20 || c.visibility != 120 {
			t.Errorf("receive is %+v, want 20 s of waiting and 120 s of visibility", c)
		}
	}
	dead := q.deadLetters()
	if len(dead) != 1 || *dead[0].QueueUrl != testDeadURL || *dead[0].MessageBody != "broken ✂" {
		t.Fatalf("dead letters are %+v", dead)
	}
	for name, want := range map[string]string{"colour": "red", attributeReason: "not_a_video", attributeSource: "m2"} {
		if got := aws.ToString(dead[0].MessageAttributes[name].StringValue); got != want {
			t.Errorf("attribute %s is %q, want %q", name, got, want)
		}
	}
	if s := w.Status(); s.InFlight != 0 || s.ReceiveError != "" || s.LastReceive.IsZero() || !s.Draining {
		t.Errorf("status is %+v", s)
	}
}

// A try again inside the client would be one more long poll after the stop.
func TestClientDoesNotRepeatAReceive(t *testing.T) {
	t.Parallel()
	receives := make(chan struct{}, 10)
	var w *running
	ready := make(chan struct{})
	client := serve(t, func(rw http.ResponseWriter, _ *http.Request) {
		<-ready
		receives <- struct{}{}
		w.stop()
		http.Error(rw, "{}", http.StatusServiceUnavailable)
	})
	w = start(t, client, nothing, Config{})
	close(ready)
	<-w.done
	if n := len(receives); n != 1 {
		t.Errorf("%d receives, want 1", n)
	}
	w.event(t, eventReceiveFailed)
	if s := w.Status(); !strings.Contains(s.ReceiveError, "503") {
		t.Errorf("status is %+v, want the response's code", s)
	}
}

func TestErrorsOfTheClient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, errorType, queryError string
		gone                        bool
		kind                        string
	}{
		{"not in flight", "com.amazonaws.sqs#MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight;Sender", true, "AWS.SimpleQueueService.MessageNotInflight"},
		{"not in flight, from an emulator", "com.amazonaws.sqs#MessageNotInflight", "", true, "MessageNotInflight"},
		{"bad handle", "com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid;Sender", true, "ReceiptHandleIsInvalid"},
		{"expired handle", "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue;Sender", true, "InvalidParameterValue"},
		{"expired handle, from an emulator", "InvalidParameterValueException", "", true, "InvalidParameterValueException"},
		{"no such queue", "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender", false, "AWS.SimpleQueueService.NonExistentQueue"},
		{"denied", "com.amazon.coral.service#AccessDeniedException", "AccessDenied;Sender", false, "AccessDenied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Type", "application/x-amz-json-1.0")
				if tt.queryError != "" {
					rw.Header().Set("X-Amzn-Query-Error", tt.queryError)
				}
				rw.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(rw, `{"__type":%q,"message":"no"}`, tt.errorType)
			})
			w, err := New(client, nothing, zap.NewNop(), Config{QueueURL: testQueueURL})
			if err != nil {
				t.Fatal(err)
			}
			d := delivery{message: types.Message{ReceiptHandle: aws.String("handle")}}
			err = w.setVisibility(t.Context(), d, time.Minute, callTimeout)
			if err == nil || isGone(err) != tt.gone {
				t.Errorf("isGone(%v) = %v, want %v", err, isGone(err), tt.gone)
			}
			if got := errorKind(err); got != tt.kind {
				t.Errorf("errorKind(%v) = %q, want %q", err, got, tt.kind)
			}
		})
	}
}

func TestErrorKindOfATimeout(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	stop := make(chan struct{})
	client := serve(t, func(http.ResponseWriter, *http.Request) { <-stop })
	_, err := client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: aws.String(testQueueURL), ReceiptHandle: aws.String("h")})
	close(stop)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error is %v", err)
	}
	if got := errorKind(err); got != context.DeadlineExceeded.Error() {
		t.Errorf("errorKind(%v) = %q", err, got)
	}
}
