package awslocal

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"

	"github.com/Admiral-Piett/goaws/app/models"
)

// apiError is an error as a client of AWS sees it.
type apiError struct {
	status  int
	code    string // the name of the shape, such as QueueDoesNotExist
	query   string // SQS only: the code of the older protocol, if it differs
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// asAPIError returns err as a client sees it: what is not an apiError is a
// fault of this package.
func asAPIError(err error) *apiError {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	return &apiError{status: http.StatusInternalServerError, code: "InternalFailure", message: err.Error()}
}

func errQueueDoesNotExist() error {
	return &apiError{http.StatusBadRequest, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue",
		"The specified queue does not exist."}
}

func errMessageNotInflight() error {
	return &apiError{http.StatusBadRequest, "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight",
		"The message referred to isn't in flight."}
}

func errReceiptHandle() error {
	return &apiError{http.StatusBadRequest, "ReceiptHandleIsInvalid", "", "The input receipt handle is invalid."}
}

func errInvalidParameter(message string) error {
	return &apiError{http.StatusBadRequest, "InvalidParameterValue", "", message}
}

// sqsError gives an error of goaws the name that SQS has for it.
func sqsError(e models.ErrorResult) error {
	switch e.Type {
	case "Not Found":
		return errQueueDoesNotExist()
	case "MessageNotInFlight":
		return errMessageNotInflight()
	case "InvalidAttributeValue":
		return &apiError{http.StatusBadRequest, e.Type, "", e.Message}
	}
	return errInvalidParameter(e.Message)
}

// writeSQSError answers as SQS does, so that the SDKs find the error's type:
// https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
func writeSQSError(w http.ResponseWriter, err error) {
	e := asAPIError(err)
	query := e.query
	if query == "" {
		query = e.code
	}
	fault := "Sender"
	if e.status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("X-Amzn-Query-Error", query+";"+fault)
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(map[string]string{ // the client has gone if this fails
		"__type": "com.amazonaws.sqs#" + e.code, "message": e.message,
	})
}

// writeSNSError answers as SNS does:
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
func writeSNSError(w http.ResponseWriter, err error) {
	e := asAPIError(err)
	type detail struct{ Type, Code, Message string }
	writeXML(w, e.status, struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Error     detail
		RequestID string `xml:"RequestId"`
	}{Error: detail{"Sender", e.code, e.message}, RequestID: requestID()})
}

// writeS3Error answers as S3 does:
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func writeS3Error(w http.ResponseWriter, e *apiError) {
	writeXML(w, e.status, struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
	}{Code: e.code, Message: e.message})
}

func writeXML(w http.ResponseWriter, status int, v any) {
	body, err := xml.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(append([]byte(xml.Header), body...)) // the client has gone if this fails
}
