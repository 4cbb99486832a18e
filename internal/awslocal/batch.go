package awslocal

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// batchOperations are the operations that SQS also has for up to ten entries.
var batchOperations = map[string]bool{
	"ChangeMessageVisibility": true,
	"DeleteMessage":           true,
	"SendMessage":             true,
}

// batchFailure is how SQS reports an entry that failed:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_BatchResultErrorEntry.html
type batchFailure struct {
	ID          string `json:"Id"`
	Code        string
	Message     string
	SenderFault bool
}

// batch runs the operation name once for each entry of body. The batches of
// goaws lack one of the three and name their results as the older protocol
// does. The caller holds the lock.
func (a *account) batch(name string, body []byte) (any, error) {
	var in struct {
		QueueURL json.RawMessage `json:"QueueUrl"`
		Entries  []map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, &apiError{status: http.StatusBadRequest, code: "SerializationException", message: err.Error()}
	}
	if !batchOperations[name] {
		return nil, &apiError{status: http.StatusBadRequest, code: "UnsupportedOperation",
			query: "AWS.SimpleQueueService.UnsupportedOperation", message: name + "Batch is not served here"}
	}
	switch n := len(in.Entries); {
	case n == 0:
		return nil, &apiError{http.StatusBadRequest, "EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest",
			"The batch request doesn't contain any entries."}
	case n > maxMessages:
		return nil, &apiError{http.StatusBadRequest, "TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
			fmt.Sprintf("Maximum number of entries per request are %d. You have sent %d.", maxMessages, n)}
	}

	ids := make(map[string]bool)
	for _, entry := range in.Entries {
		ids[string(entry["Id"])] = true
	}
	if len(ids) != len(in.Entries) {
		return nil, &apiError{http.StatusBadRequest, "BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
			"Two or more batch entries in the request have the same Id."}
	}

	var out struct {
		Successful []map[string]json.RawMessage
		Failed     []batchFailure
	}
	for _, entry := range in.Entries {
		result, err := a.batchEntry(name, in.QueueURL, entry)
		if err != nil {
			e := asAPIError(err)
			failed := batchFailure{Code: e.code, Message: e.message, SenderFault: e.status < http.StatusInternalServerError}
			if err := json.Unmarshal(entry["Id"], &failed.ID); err != nil {
				return nil, &apiError{status: http.StatusBadRequest, code: "SerializationException", message: err.Error()}
			}
			out.Failed = append(out.Failed, failed)
			continue
		}
		out.Successful = append(out.Successful, result)
	}
	return out, nil
}

// batchEntry runs the operation for one entry and returns its result with the
// entry's id.
func (a *account) batchEntry(name string, queueURL json.RawMessage, entry map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	entry["QueueUrl"] = queueURL
	body, err := json.Marshal(entry)
	if err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	out, err := a.queueOperation(name, body)
	if err != nil {
		return nil, err
	}
	result := make(map[string]json.RawMessage)
	if out != nil {
		encoded, err := json.Marshal(out)
		if err != nil {
			return nil, fmt.Errorf("encode result: %w", err)
		}
		if err := json.Unmarshal(encoded, &result); err != nil {
			return nil, fmt.Errorf("decode result: %w", err)
		}
	}
	result["Id"] = entry["Id"]
	return result, nil
}
