package awslocal_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestBatches(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.queue(t, "jobs", map[string]string{"VisibilityTimeout": "300"})
	sent, err := e.sqs.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("a"), MessageBody: aws.String("A")},
		{Id: aws.String("big"), MessageBody: aws.String(strings.Repeat("x", 1<<20+1))},
		{Id: aws.String("b"), MessageBody: aws.String("B")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(sent.Successful) != 2 || len(sent.Failed) != 1 || *sent.Failed[0].Id != "big" || !sent.Failed[0].SenderFault {
		t.Fatalf("got %+v", sent)
	}
	got := e.poll(t, url, 0)
	if len(got) != 2 || *got[1].MessageId != *sent.Successful[1].MessageId {
		t.Fatalf("received %d messages", len(got))
	}
	changed, err := e.sqs.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{
		QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("a"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 0},
			{Id: aws.String("x"), ReceiptHandle: aws.String("x"), VisibilityTimeout: 0},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(changed.Successful) != 1 || len(changed.Failed) != 1 || *changed.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Fatalf("got %+v", changed)
	}
	deleted, err := e.sqs.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: aws.String("b"), ReceiptHandle: got[1].ReceiptHandle},
	}})
	if err != nil || len(deleted.Successful) != 1 {
		t.Fatalf("got %+v, %v", deleted, err)
	}
	if got := e.counts(t, url); got != "1 visible 0 in flight 0 delayed" {
		t.Fatal(got)
	}
	_, err = e.sqs.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("a"), MessageBody: aws.String("1")}, {Id: aws.String("a"), MessageBody: aws.String("2")},
	}})
	wantAs[*types.BatchEntryIdsNotDistinct](t, err)
}
