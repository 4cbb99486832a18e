package awslocal

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Names of what a Stack has.
const (
	UploadsBucket = "uploads"
	ResultsBucket = "results"
	// Role is the ARN of the role that MediaConvert is given, SearchRole of Rekognition's.
	Role       = "arn:aws:iam::" + AccountID + ":role/mediaconvert"
	SearchRole = "arn:aws:iam::" + AccountID + ":role/rekognition"
)

// A Stack is what a mosaicd needs of an account.
type Stack struct {
	QueueURL      string // that it works; S3 and MediaConvert tell it what happened
	DeadLetterURL string
	TopicARN      string // that it publishes results to
	InboxURL      string // of a queue that is subscribed to the topic, as a customer's would be
	SearchTopic   string // ARN of the topic by which Rekognition reports; the queue is subscribed to it
}

// Environ returns the variables by which mosaicd finds the stack.
func (s Stack) Environ() []string {
	return []string{
		"MOSAICD_QUEUE_URL=" + s.QueueURL, "MOSAICD_DEAD_LETTER_URL=" + s.DeadLetterURL,
		"MOSAICD_TOPIC_ARN=" + s.TopicARN, "MOSAICD_OUTPUT_BUCKET=" + ResultsBucket, "MOSAICD_MEDIACONVERT_ROLE=" + Role,
		"MOSAICD_SOURCE_BUCKETS=" + UploadsBucket + "," + ResultsBucket,
		"MOSAICD_REKOGNITION_TOPIC_ARN=" + s.SearchTopic, "MOSAICD_REKOGNITION_ROLE=" + SearchRole,
	}
}

// Provision makes the queues, topics, buckets and roles of a Stack. A server has one.
func (s *Server) Provision(ctx context.Context) (Stack, error) {
	const (
		queue    = "mosaicd"
		dead     = "mosaicd-dead"
		topic    = "mosaicd-results"
		inbox    = "mosaicd-inbox"
		searched = "AmazonRekognitionDone" // Rekognition's managed policy wants the prefix
	)
	var stack Stack
	cfg := s.AWSConfig()
	queues, topics, buckets := sqs.NewFromConfig(cfg), sns.NewFromConfig(cfg), s3.NewFromConfig(cfg)
	redrive := `{"deadLetterTargetArn":"arn:aws:sqs:` + Region + ":" + AccountID + ":" + dead + `","maxReceiveCount":10}`
	for _, q := range []struct {
		name       string
		url        *string
		attributes map[string]string
	}{
		{dead, &stack.DeadLetterURL, map[string]string{"MessageRetentionPeriod": "1209600"}},
		{queue, &stack.QueueURL, map[string]string{"RedrivePolicy": redrive}},
		{inbox, &stack.InboxURL, nil},
	} {
		out, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &q.name, Attributes: q.attributes})
		if err != nil {
			return stack, fmt.Errorf("create queue %s: %w", q.name, err)
		}
		*q.url = aws.ToString(out.QueueUrl)
	}
	for _, name := range []string{UploadsBucket, ResultsBucket} {
		if _, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
			return stack, fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	for _, t := range []struct {
		name, queue string
		raw         string
		arn         *string
	}{
		{topic, stack.InboxURL, "true", &stack.TopicARN},
		{searched, stack.QueueURL, "false", &stack.SearchTopic},
	} {
		made, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: &t.name})
		if err != nil {
			return stack, fmt.Errorf("create topic %s: %w", t.name, err)
		}
		*t.arn = aws.ToString(made.TopicArn)
		attributes, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &t.queue, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
		})
		if err != nil {
			return stack, fmt.Errorf("look up the ARN of queue %s: %w", t.queue, err)
		}
		_, err = topics.Subscribe(ctx, &sns.SubscribeInput{
			TopicArn: t.arn, Protocol: aws.String("sqs"),
			Endpoint:   aws.String(attributes.Attributes[string(types.QueueAttributeNameQueueArn)]),
			Attributes: map[string]string{"RawMessageDelivery": t.raw},
		})
		if err != nil {
			return stack, fmt.Errorf("subscribe %s: %w", t.queue, err)
		}
	}
	s.AddRole("mediaconvert", "mediaconvert.amazonaws.com")
	s.AddRole("rekognition", "rekognition.amazonaws.com")
	s.Notify(Notification{Bucket: UploadsBucket, QueueURL: stack.QueueURL})
	s.NotifyJobs(stack.QueueURL)
	return stack, nil
}
