package jobs

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// SNS is what a publisher calls. *sns.Client is one.
type SNS interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// A publisher tells the topic's subscribers what came of jobs. The attributes
// kind and status are there for subscription filters.
// https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
type publisher struct {
	sns   SNS
	topic string
}

func (p *publisher) publish(ctx context.Context, r Result) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("publish result: %w", err)
	}
	attribute := func(v string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &v}
	}
	_, err = p.sns.Publish(ctx, &sns.PublishInput{
		TopicArn: &p.topic,
		Message:  aws.String(string(body)),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"kind":   attribute(r.Kind),
			"status": attribute(string(r.Status)),
		},
	})
	if err != nil {
		return fmt.Errorf("publish result to %s: %w", p.topic, err)
	}
	return nil
}
