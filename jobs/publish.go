package jobs

import (
	"bytes"
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

// encode returns a result as JSON that SNS takes, whatever is in the result. Where
// there is no room it halves the lists of outputs and faces until the rest fits,
// then drops one field after the other, and keeps at last only what says which
// step ended how. Full then says where all of it is.
func (p *publisher) encode(r Result) ([]byte, error) {
	body, err := encodeResult(r)
	if err != nil || len(body) <= maxPublished {
		return body, err
	}
	r.Full = p.full(r.Job).String()
	outputs, faces := len(r.Outputs), len(r.Faces)
	for len(r.Outputs)+len(r.Faces) > 0 {
		r.Outputs, r.Faces = r.Outputs[:len(r.Outputs)/2], r.Faces[:len(r.Faces)/2]
		r.OmittedOutputs, r.OmittedFaces = outputs-len(r.Outputs), faces-len(r.Faces)
		if body, err := encodeResult(r); err != nil || len(body) <= maxPublished {
			return body, err
		}
	}
	for _, drop := range []struct {
		field string
		from  func(*Result)
	}{
		{"cloud", func(r *Result) { r.Cloud = nil }},
		{"extra", func(r *Result) { r.Extra = nil }},
		{"stats", func(r *Result) { r.Stats = nil }},
		{"probe", func(r *Result) { r.Probe = nil }},
	} {
		drop.from(&r)
		r.OmittedFields = append(r.OmittedFields, drop.field)
		if body, err := encodeResult(r); err != nil || len(body) <= maxPublished {
			return body, err
		}
	}
	// What is left is text: no part of it may be so long by itself.
	const longest = 4 << 10
	r.Route, r.Source, r.SourceVersionID = cut(r.Route, longest), cut(r.Source, longest), cut(r.SourceVersionID, longest)
	if r.Error != nil {
		r.Error = newResultError(r.Error.Code, r.Error.Message)
	}
	return encodeResult(r)
}

// encodeResult leaves <, > and & as they are: escaped they take six bytes each.
func encodeResult(r Result) ([]byte, error) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

// last reports whether nothing more comes of the job.
func (r Result) last() bool {
	return r.Status != StatusProgressing && (r.Step >= r.Steps || r.Status != StatusSucceeded)
}
