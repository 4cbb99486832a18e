package awslocal

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Admiral-Piett/goaws/app/gosns"
	"github.com/Admiral-Piett/goaws/app/models"
)

// topicOperations are the SNS operations that are served.
var topicOperations = map[string]operation{
	"CreateTopic":               gosns.CreateTopicV1,
	"DeleteTopic":               gosns.DeleteTopicV1,
	"GetSubscriptionAttributes": gosns.GetSubscriptionAttributesV1,
	"ListSubscriptions":         gosns.ListSubscriptionsV1,
	"ListSubscriptionsByTopic":  gosns.ListSubscriptionsByTopicV1,
	"ListTopics":                gosns.ListTopicsV1,
	"Publish":                   gosns.PublishV1,
	"PublishBatch":              gosns.PublishBatchV1,
	"SetSubscriptionAttributes": gosns.SetSubscriptionAttributesV1,
	"Subscribe":                 gosns.SubscribeV1,
	"Unsubscribe":               gosns.UnsubscribeV1,
}

// serveSNS answers a request whose form has been read.
func (a *account) serveSNS(w http.ResponseWriter, r *http.Request) {
	unlock := a.lock()
	defer unlock()
	name := r.PostForm.Get("Action")
	if name == "GetTopicAttributes" {
		a.topicAttributes(w, r.PostForm.Get("TopicArn"))
		return
	}
	op, ok := topicOperations[name]
	if !ok {
		writeSNSError(w, &apiError{status: http.StatusBadRequest, code: "InvalidAction",
			message: fmt.Sprintf("%q is not served here; SQS is served over its JSON protocol", name)})
		return
	}
	if err := checkTopicRequest(name, r.PostForm); err != nil {
		writeSNSError(w, err)
		return
	}
	status, out := op(r)
	if failed, ok := out.(models.ErrorResponse); ok {
		writeSNSError(w, topicError(failed.Result))
		return
	}
	var messageID string
	if published, ok := out.(models.PublishResponse); ok {
		messageID = published.Result.MessageId
	}
	if err := a.completePublished(messageID); err != nil {
		writeSNSError(w, err)
		return
	}
	a.wake()
	writeXML(w, status, out)
}

// topicAttributes answers GetTopicAttributes, which goaws does not have. The caller
// holds the lock.
func (a *account) topicAttributes(w http.ResponseWriter, arn string) {
	for _, t := range a.topics {
		if t.Arn != arn {
			continue
		}
		type entry struct {
			Key   string `xml:"key"`
			Value string `xml:"value"`
		}
		writeXML(w, http.StatusOK, struct {
			XMLName xml.Name `xml:"GetTopicAttributesResponse"`
			Entries []entry  `xml:"GetTopicAttributesResult>Attributes>entry"`
		}{Entries: []entry{{"TopicArn", arn}, {"SubscriptionsConfirmed", strconv.Itoa(len(t.Subscriptions))}}})
		return
	}
	writeSNSError(w, &apiError{status: http.StatusNotFound, code: "NotFound", message: "Topic does not exist"})
}

// checkTopicRequest refuses what goaws would silently take for something else,
// and HTTP subscriptions, to which it posts while it holds the lock.
func checkTopicRequest(name string, form url.Values) error {
	if err := checkPublishedSize(name, form); err != nil {
		return err
	}
	attrs := map[string]string{form.Get("AttributeName"): form.Get("AttributeValue")}
	if name == "Subscribe" {
		if p := form.Get("Protocol"); p != string(models.ProtocolSQS) {
			return errInvalidTopicParameter(fmt.Sprintf("Invalid parameter: Protocol %q is not served here; known is sqs", p))
		}
		for i := 1; form.Has(fmt.Sprintf("Attributes.entry.%d.key", i)); i++ {
			attrs[form.Get(fmt.Sprintf("Attributes.entry.%d.key", i))] = form.Get(fmt.Sprintf("Attributes.entry.%d.value", i))
		}
	}
	if policy := attrs["FilterPolicy"]; policy != "" {
		var exact map[string][]string
		if err := json.Unmarshal([]byte(policy), &exact); err != nil {
			return errInvalidTopicParameter("Invalid parameter: FilterPolicy: only lists of whole strings are served here: " + err.Error())
		}
	}
	if scope := attrs["FilterPolicyScope"]; scope != "" && scope != "MessageAttributes" {
		return errInvalidTopicParameter(fmt.Sprintf("Invalid parameter: FilterPolicyScope %q is not served here", scope))
	}
	return nil
}

// maxPublished is the size of the largest message with its attributes, and of all
// of a batch together, in bytes.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
// https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
const maxPublished = 262_144

// checkPublishedSize refuses what SNS would as too long: message, and name, type and
// value of each attribute, all of them in UTF-8.
func checkPublishedSize(name string, form url.Values) error {
	if name != "Publish" && name != "PublishBatch" {
		return nil
	}
	size := 0
	for field, values := range form {
		switch last := field[strings.LastIndexByte(field, '.')+1:]; {
		case last == "BinaryValue":
			size += base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(values[0], "=")))
		case last == "Message",
			strings.Contains(field, "MessageAttributes.") && slices.Contains([]string{"Name", "DataType", "StringValue"}, last):
			size += len(values[0])
		}
	}
	switch {
	case size <= maxPublished:
		return nil
	case name == "PublishBatch":
		return &apiError{status: http.StatusBadRequest, code: "BatchRequestTooLong",
			message: "The length of all the messages put together is more than the limit."}
	}
	return errInvalidTopicParameter("Invalid parameter: Message too long")
}

// topicError gives an error of goaws the name that SNS has for it.
func topicError(e models.ErrorResult) error {
	switch path.Ext(e.Code) {
	case ".NonExistentTopic", ".NonExistentSubscription":
		return &apiError{status: http.StatusNotFound, code: "NotFound", message: e.Message}
	}
	return errInvalidTopicParameter(e.Message)
}

func errInvalidTopicParameter(message string) error {
	return &apiError{status: http.StatusBadRequest, code: "InvalidParameter", message: message}
}

// An envelope is the body of a message that came from a topic without raw
// delivery:
// https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
type envelope struct {
	Type              string
	MessageID         string `json:"MessageId"`
	TopicArn          string
	Subject           string `json:",omitempty"`
	Message           string
	Timestamp         string
	SignatureVersion  string
	Signature         string
	SigningCertURL    string
	UnsubscribeURL    string
	MessageAttributes map[string]envelopeAttribute `json:",omitempty"`
}

type envelopeAttribute struct{ Type, Value string }

// completePublished gives the messages that goaws has just put into queues the
// time that it leaves out and the envelope that SNS writes. The envelope's id
// is the one that Publish returned, unless messageID is empty.
func (a *account) completePublished(messageID string) error {
	now := time.Now()
	for _, q := range a.queues {
		for i := range q.Messages {
			m := &q.Messages[i]
			if !m.SentTime.IsZero() {
				continue
			}
			m.SentTime = now
			if m.MD5OfMessageAttributes != "" { // which goaws sets with raw delivery only
				continue
			}
			body, err := reenvelop(m.MessageBody, messageID)
			if err != nil {
				return err
			}
			m.MessageBody = body
		}
	}
	return nil
}

func reenvelop(body, messageID string) (string, error) {
	var in models.SNSMessage
	if err := json.Unmarshal([]byte(body), &in); err != nil {
		return "", fmt.Errorf("decode envelope: %w", err)
	}
	out := envelope{
		Type: in.Type, MessageID: in.MessageId, TopicArn: in.TopicArn, Subject: in.Subject, Message: in.Message,
		Timestamp: in.Timestamp, SignatureVersion: in.SignatureVersion, Signature: in.Signature,
		SigningCertURL: in.SigningCertURL, UnsubscribeURL: in.UnsubscribeURL,
		MessageAttributes: make(map[string]envelopeAttribute),
	}
	if messageID != "" {
		out.MessageID = messageID
	}
	for name, attr := range in.MessageAttributes {
		value := attr.StringValue
		if strings.HasPrefix(attr.DataType, "Binary") {
			value = attr.BinaryValue
		}
		out.MessageAttributes[name] = envelopeAttribute{attr.DataType, value}
	}
	encoded, err := json.Marshal(out)
	if err != nil {
		return "", fmt.Errorf("encode envelope: %w", err)
	}
	return string(encoded), nil
}
