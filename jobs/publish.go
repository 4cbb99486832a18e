package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// SNS is what a publisher calls. *sns.Client is one.
type SNS interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// A publisher tells the topic's subscribers what came of jobs. The attributes
// kind, status and last are there for subscription filters.
// https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
type publisher struct {
	sns   SNS
	topic string
	full  func(job string) event.Location // where the whole result is
}

// maxPublished is how large a result may be, in bytes: SNS takes 256 KiB with the
// attributes.
// https://docs.aws.amazon.com/sns/latest/dg/sns-limits.html
const maxPublished = 250_000

func (p *publisher) publish(ctx context.Context, r Result) error {
	body, err := p.encode(r)
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
			"last":   attribute(strconv.FormatBool(r.last())),
		},
	})
	if err != nil {
		return fmt.Errorf("publish result to %s: %w", p.topic, err)
	}
	return nil
}

// encode leaves out the outputs and the faces for which there is no room, the last
// ones first.
func (p *publisher) encode(r Result) ([]byte, error) {
	outputs, faces := len(r.Outputs), len(r.Faces)
	for {
		body, err := json.Marshal(r)
		if err != nil || len(body) <= maxPublished || len(r.Outputs)+len(r.Faces) == 0 {
			return body, err
		}
		r.Outputs, r.Faces = r.Outputs[:len(r.Outputs)/2], r.Faces[:len(r.Faces)/2]
		r.OmittedOutputs, r.OmittedFaces = outputs-len(r.Outputs), faces-len(r.Faces)
		r.Full = p.full(r.Job).String()
	}
}

// last reports whether nothing more comes of the job.
func (r Result) last() bool {
	return r.Status != StatusProgressing && (r.Step >= r.Steps || r.Status != StatusSucceeded)
}
