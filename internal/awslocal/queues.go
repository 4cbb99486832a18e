package awslocal

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Admiral-Piett/goaws/app/gosqs"
	"github.com/Admiral-Piett/goaws/app/models"
)

const (
	sqsTarget = "AmazonSQS."
	jsonType  = "application/x-amz-json-1.0"
)

// queueOperations are those of goaws that need no correction.
var queueOperations = map[string]operation{
	"DeleteQueue": gosqs.DeleteQueueV1,
	"GetQueueUrl": gosqs.GetQueueUrlV1,
	"ListQueues":  gosqs.ListQueuesV1,
	"PurgeQueue":  gosqs.PurgeQueueV1,
	"SendMessage": gosqs.SendMessageV1,
}

// queueName is what SQS allows, less FIFO queues.
var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// receiptHandle is what goaws makes: two UUIDs, the first of them the message's.
var receiptHandle = regexp.MustCompile(`^([0-9a-f-]{36})#[0-9a-f-]{36}$`)

func (a *account) serveSQS(w http.ResponseWriter, r *http.Request) {
	out, err := a.sqs(r)
	w.Header().Set("X-Amzn-Requestid", requestID())
	if err != nil {
		writeSQSError(w, err)
		return
	}
	w.Header().Set("Content-Type", jsonType)
	if out == nil {
		out = struct{}{}
	}
	_ = json.NewEncoder(w).Encode(out) // the client has gone if this fails
}

func (a *account) sqs(r *http.Request) (any, error) {
	name := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), sqsTarget)
	// Reading all of the body also lets the server notice that the client has
	// gone while it polls.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if name == "ReceiveMessage" {
		return a.receive(r.Context(), body)
	}
	unlock := a.lock()
	defer unlock()
	defer a.wake()
	if single, ok := strings.CutSuffix(name, "Batch"); ok {
		return a.batch(single, body)
	}
	return a.queueOperation(name, body)
}

// send puts body into the queue at url.
func (a *account) send(url, body string) error {
	unlock := a.lock()
	defer unlock()
	defer a.wake()
	in, err := json.Marshal(map[string]string{"QueueUrl": url, "MessageBody": body})
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	_, err = a.queueOperation("SendMessage", in)
	return err
}

// queueOperation runs one operation that does not wait. The caller holds the
// lock.
func (a *account) queueOperation(name string, body []byte) (any, error) {
	var in struct {
		QueueURL          *string `json:"QueueUrl"`
		QueueName         string
		ReceiptHandle     string
		VisibilityTimeout int
		Attributes        map[string]string
		AttributeNames    []string
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, &apiError{status: http.StatusBadRequest, code: "SerializationException", message: err.Error()}
	}
	var q *models.Queue
	if in.QueueURL != nil {
		if q = a.queue(*in.QueueURL); q == nil {
			return nil, errQueueDoesNotExist()
		}
	}
	switch name {
	case "CreateQueue":
		return a.createQueue(in.QueueName, in.Attributes)
	case "GetQueueAttributes":
		return queueAttributes(q, in.AttributeNames)
	case "SetQueueAttributes":
		return nil, setQueueAttributes(q, in.Attributes)
	case "ChangeMessageVisibility":
		return nil, changeVisibility(q, in.ReceiptHandle, in.VisibilityTimeout)
	case "DeleteMessage":
		return nil, deleteMessage(q, in.ReceiptHandle)
	}
	op, ok := queueOperations[name]
	if !ok {
		return nil, &apiError{status: http.StatusBadRequest, code: "UnsupportedOperation",
			query: "AWS.SimpleQueueService.UnsupportedOperation", message: name + " is not served here"}
	}
	out, err := call(op, json.RawMessage(body))
	if err != nil {
		return nil, err
	}
	return out.GetResult(), nil
}

// queue returns the queue at url, or nil.
func (a *account) queue(url string) *models.Queue { return a.queues[path.Base(url)] }

func (a *account) createQueue(name string, attrs map[string]string) (any, error) {
	if !queueName.MatchString(name) {
		return nil, errInvalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	_, err := call(gosqs.CreateQueueV1, map[string]any{"QueueName": name, "Attributes": known(attrs)})
	if err != nil {
		return nil, err
	}
	q := a.queues[name]
	// The one that goaws makes has the region in front of its host, which for
	// an IP address is no host at all.
	q.URL = a.url + "/" + AccountID + "/" + name
	return map[string]string{"QueueUrl": q.URL}, nil
}

// setQueueAttributes changes those that are given. goaws would set the others
// to zero.
func setQueueAttributes(q *models.Queue, attrs map[string]string) error {
	all := map[string]string{
		"DelaySeconds":       strconv.Itoa(q.DelaySeconds),
		"MaximumMessageSize": strconv.Itoa(q.MaximumMessageSize),
		"VisibilityTimeout":  strconv.Itoa(q.VisibilityTimeout),
	}
	for name, value := range known(attrs) {
		all[name] = value
	}
	_, err := call(gosqs.SetQueueAttributesV1, map[string]any{"QueueUrl": q.Name, "Attributes": all})
	return err
}

// known returns attrs without those that goaws does not act on and fails to
// decode.
func known(attrs map[string]string) map[string]string {
	kept := make(map[string]string)
	for name, value := range attrs {
		if name != "Policy" && name != "RedriveAllowPolicy" {
			kept[name] = value
		}
	}
	return kept
}

func queueAttributes(q *models.Queue, names []string) (any, error) {
	attrs := make(map[string]string)
	if len(names) > 0 {
		out, err := call(gosqs.GetQueueAttributesV1, map[string]any{"QueueUrl": q.Name, "AttributeNames": names})
		if err != nil {
			return nil, err
		}
		for _, attr := range out.(models.GetQueueAttributesResponse).Result.Attrs {
			attrs[attr.Name] = attr.Value
		}
	}
	// goaws counts messages that are in flight or delayed as visible too.
	var visible, inFlight, delayed int
	for _, m := range q.Messages {
		switch {
		case m.ReceiptHandle != "":
			inFlight++
		case time.Now().Before(delayedUntil(m)):
			delayed++
		default:
			visible++
		}
	}
	for name, n := range map[string]int{
		"ApproximateNumberOfMessages":           visible,
		"ApproximateNumberOfMessagesNotVisible": inFlight,
		"ApproximateNumberOfMessagesDelayed":    delayed,
	} {
		if wanted(names, name) {
			attrs[name] = strconv.Itoa(n)
		}
	}
	return map[string]any{"Attributes": attrs}, nil
}

// changeVisibility fails as SQS does: with ReceiptHandleIsInvalid if handle
// never was one, InvalidParameterValue if the message is gone or somebody
// else's, and MessageNotInflight if it is visible again.
func changeVisibility(q *models.Queue, handle string, seconds int) error {
	if seconds < 0 || seconds > maxVisibility {
		return errInvalidParameter(fmt.Sprintf("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and %d.", seconds, maxVisibility))
	}
	parts := receiptHandle.FindStringSubmatch(handle)
	if parts == nil {
		return errReceiptHandle()
	}
	i := slices.IndexFunc(q.Messages, func(m models.SqsMessage) bool { return m.Uuid == parts[1] })
	switch {
	case i >= 0 && q.Messages[i].ReceiptHandle == "":
		return errMessageNotInflight()
	case i < 0 || q.Messages[i].ReceiptHandle != handle:
		return errInvalidParameter("Value " + handle + " for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.")
	}
	_, err := call(gosqs.ChangeMessageVisibilityV1, models.ChangeMessageVisibilityRequest{
		QueueUrl: q.Name, ReceiptHandle: handle, VisibilityTimeout: seconds,
	})
	return err
}

// deleteMessage succeeds without effect for a handle that is no longer the
// message's, as SQS does. goaws also takes an empty handle for that of the
// first visible message.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
func deleteMessage(q *models.Queue, handle string) error {
	if !receiptHandle.MatchString(handle) {
		return errReceiptHandle()
	}
	if !slices.ContainsFunc(q.Messages, func(m models.SqsMessage) bool { return m.ReceiptHandle == handle }) {
		return nil
	}
	_, err := call(gosqs.DeleteMessageV1, models.DeleteMessageRequest{QueueUrl: q.Name, ReceiptHandle: handle})
	return err
}

// wanted reports whether a list of names in a request selects name.
func wanted(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		prefix, isPrefix := strings.CutSuffix(n, ".*")
		return n == "All" || n == name || isPrefix && strings.HasPrefix(name, prefix)
	})
}

func requestID() string { return rand.Text() }
