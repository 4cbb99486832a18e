package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs/event"
)

type dlqCommand struct {
	DeadLetterURL string `name:"dead-letter-url" placeholder:"URL" help:"SQS queue of the dead letters. Required." env:"MOSAICD_DEAD_LETTER_URL"`

	List   dlqListCommand   `cmd:"" help:"List the dead letters, and why each is one."`
	Show   dlqShowCommand   `cmd:"" help:"Print one of them, whole."`
	Replay dlqReplayCommand `cmd:"" help:"Send them back to the queue that is worked, and take them out of this one."`
}

// Help is what --help says beyond the flags.
func (dlqCommand) Help() string {
	return `Examples:

    mosaicd dlq list
    mosaicd dlq show 5fea7756-0ea4-451a-a703-a558b933e274
    mosaicd dlq replay 5fea7756-0ea4-451a-a703-a558b933e274
    mosaicd dlq replay --all

Looking at the letters hides them from others for a minute. Mend what "reason" says before you replay: a message that nobody understands comes straight back.`
}

// A letter is one dead letter.
type letter struct {
	types.Message
	sent     time.Time
	receives int
	reason   string
}

// reasonAttribute is what the worker says of a message that it rejects.
const reasonAttribute = "reason"

// letterAttributes are the worker's own, which a replayed message has no more.
var letterAttributes = []string{reasonAttribute, "source_message_id"}

func newLetter(m types.Message) letter {
	l := letter{Message: m}
	if ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		l.sent = time.UnixMilli(ms).UTC()
	}
	l.receives, _ = strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]) // SQS's own
	l.reason = "it was tried too often: look for its id in the log"
	if reason, ok := m.MessageAttributes[reasonAttribute]; ok {
		l.reason = aws.ToString(reason.StringValue)
	}
	return l
}

// about says in a few words what a message asks for.
func (l letter) about() string {
	events, err := event.Decode([]byte(aws.ToString(l.Body)))
	if err != nil {
		return "not understood"
	}
	var all []string
	for _, e := range events {
		switch e := e.(type) {
		case event.ObjectCreated:
			all = append(all, e.Location().String())
		case event.Unreadable:
			all = append(all, "not understood")
		case event.Request:
			all = append(all, e.Kind+" "+e.Source.Key)
		case event.MediaConvertChanged:
			all = append(all, "MediaConvert job "+e.JobID)
		case event.FaceSearchEnded:
			all = append(all, "Rekognition job "+e.JobID)
		default:
			all = append(all, strings.TrimPrefix(fmt.Sprintf("%T", e), "event."))
		}
	}
	return strings.Join(all, ", ")
}

const (
	// lookTime is how long the letters are hidden while they are looked at.
	lookTime = time.Minute
	// mostLetters is how many are looked at: more is no work for a person.
	mostLetters = 10_000
)

// letters takes all that can be seen, oldest first. The caller gives them back.
func (c *dlqCommand) letters(ctx context.Context, client *sqs.Client) ([]letter, error) {
	if err := checkQueue("--dead-letter-url", c.DeadLetterURL, " of the dead letters"); err != nil {
		return nil, err
	}
	var all []letter
	for len(all) < mostLetters {
		out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &c.DeadLetterURL, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, VisibilityTimeout: int32(lookTime.Seconds()),
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		if err != nil {
			return all, fmt.Errorf("read %s: %w", c.DeadLetterURL, err)
		}
		if len(out.Messages) == 0 {
			break
		}
		for _, m := range out.Messages {
			l := newLetter(m)
			if i := slices.IndexFunc(all, func(o letter) bool { return aws.ToString(o.MessageId) == aws.ToString(m.MessageId) }); i >= 0 {
				all[i] = l // delivered twice: the later handle is the good one
			} else {
				all = append(all, l)
			}
		}
	}
	slices.SortFunc(all, func(a, b letter) int { return a.sent.Compare(b.sent) })
	return all, nil
}

// giveBack lets others see the letters again at once, also when ctx has ended.
func (c *dlqCommand) giveBack(ctx context.Context, client *sqs.Client, all []letter) error {
	ctx = context.WithoutCancel(ctx)
	var first error
	hidden := 0
	for _, l := range all {
		_, err := client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
			QueueUrl: &c.DeadLetterURL, ReceiptHandle: l.ReceiptHandle, VisibilityTimeout: 0,
		})
		if err != nil {
			hidden++
			first = cmp.Or(first, err)
		}
	}
	if first != nil {
		return fmt.Errorf("%d of the letters stay hidden for up to %s: %w", hidden, lookTime, first)
	}
	return nil
}

type dlqListCommand struct {
	JSON bool `name:"json" help:"Print a JSON object a line."`
}

func (c *dlqListCommand) Run(ctx context.Context, std streams, dlq *dlqCommand) error {
	return dlq.look(ctx, func(all []letter) error {
		if c.JSON {
			for _, l := range all {
				if err := l.print(std, ""); err != nil {
					return err
				}
			}
			return nil
		}
		w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
		for _, l := range all {
			terminal.Fprintf(w, "%s\t%s\t%d×\t%s\t%s\n", aws.ToString(l.MessageId), l.sent.Format(time.DateTime), l.receives, l.about(), l.reason)
		}
		return w.Flush()
	})
}

// look shows the letters to somebody and gives them back.
func (c *dlqCommand) look(ctx context.Context, show func([]letter) error) error {
	cfg, err := awsConfig(ctx)
	if err != nil {
		return err
	}
	client := sqs.NewFromConfig(cfg)
	all, err := c.letters(ctx, client)
	if err == nil {
		err = show(all)
	}
	return errors.Join(err, c.giveBack(ctx, client, all))
}

type dlqShowCommand struct {
	ID string `arg:"" name:"ID" help:"Of the message, as the list has it."`
}

func (c *dlqShowCommand) Run(ctx context.Context, std streams, dlq *dlqCommand) error {
	return dlq.look(ctx, func(all []letter) error {
		for _, l := range all {
			if aws.ToString(l.MessageId) == c.ID {
				return l.print(std, "  ")
			}
		}
		return notThere(c.ID)
	})
}

func notThere(id string) error {
	return fmt.Errorf("no dead letter %s can be seen: it is gone, or somebody else looks at it just now", id)
}

// print writes a letter as JSON, its body as it is where that is JSON.
func (l letter) print(std streams, indent string) error {
	body := json.RawMessage(aws.ToString(l.Body))
	if !json.Valid(body) {
		quoted, err := json.Marshal(aws.ToString(l.Body))
		if err != nil {
			return err
		}
		body = quoted
	}
	attributes := map[string]string{}
	for name, v := range l.MessageAttributes {
		attributes[name] = aws.ToString(v.StringValue)
	}
	e := json.NewEncoder(terminal.JSON(std.out))
	e.SetIndent("", indent)
	return e.Encode(struct {
		MessageID  string            `json:"messageId"`
		SentAt     time.Time         `json:"sentAt"`
		Receives   int               `json:"receives"`
		About      string            `json:"about"`
		Reason     string            `json:"reason"`
		Attributes map[string]string `json:"attributes,omitempty"`
		Body       json.RawMessage   `json:"body"`
	}{aws.ToString(l.MessageId), l.sent, l.receives, l.about(), l.reason, attributes, body})
}

type dlqReplayCommand struct {
	IDs []string `arg:"" name:"ID" optional:"" help:"Of the messages, as the list has them."`
	All bool     `help:"Replay every one that can be seen."`
	To  string   `name:"queue-url" aliases:"to" placeholder:"URL" help:"SQS queue to send them to. Required." env:"MOSAICD_QUEUE_URL"`
}

func (c *dlqReplayCommand) Run(ctx context.Context, std streams, dlq *dlqCommand) error {
	if err := checkQueue("--queue-url", c.To, " to send them to"); err != nil {
		return err
	}
	switch {
	case c.To == dlq.DeadLetterURL:
		return usagef("--queue-url is the queue of the dead letters")
	case c.All == (len(c.IDs) > 0):
		return usagef("name the messages to replay, or give --all")
	}
	cfg, err := awsConfig(ctx)
	if err != nil {
		return err
	}
	client := sqs.NewFromConfig(cfg)
	all, err := dlq.letters(ctx, client)
	if err != nil {
		return errors.Join(err, dlq.giveBack(ctx, client, all))
	}
	left := slices.Clone(all)
	var failed []error
	wanted := slices.Clone(c.IDs)
	for _, l := range all {
		id := aws.ToString(l.MessageId)
		if !c.All && !slices.Contains(wanted, id) {
			continue
		}
		wanted = slices.DeleteFunc(wanted, func(w string) bool { return w == id })
		if err := dlq.replay(ctx, client, l, c.To); err != nil {
			failed = append(failed, err)
			continue
		}
		left = slices.DeleteFunc(left, func(o letter) bool { return aws.ToString(o.MessageId) == id })
		terminal.Fprintln(std.out, id)
	}
	for _, id := range wanted {
		failed = append(failed, notThere(id))
	}
	failed = append(failed, dlq.giveBack(ctx, client, left))
	return errors.Join(failed...)
}

// replay sends first and deletes then: what comes of a stop in between is a message
// too many, and not one too few.
func (c *dlqCommand) replay(ctx context.Context, client *sqs.Client, l letter, to string) error {
	attributes := map[string]types.MessageAttributeValue{}
	for name, v := range l.MessageAttributes {
		if !slices.Contains(letterAttributes, name) {
			attributes[name] = v
		}
	}
	if _, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &to, MessageBody: l.Body, MessageAttributes: attributes}); err != nil {
		return fmt.Errorf("replay %s: %w", aws.ToString(l.MessageId), err)
	}
	if _, err := client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &c.DeadLetterURL, ReceiptHandle: l.ReceiptHandle}); err != nil {
		return fmt.Errorf("%s was replayed, and is still a dead letter: %w", aws.ToString(l.MessageId), err)
	}
	return nil
}
