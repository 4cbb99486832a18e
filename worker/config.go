package worker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Defaults of Config's fields.
const (
	DefaultConcurrency = 1
	DefaultVisibility  = 120 * time.Second
	DefaultDrain       = 90 * time.Second
	DefaultMaxTime     = 11*time.Hour + 30*time.Minute
	DefaultBackoffBase = 5 * time.Second
	DefaultBackoffCap  = 15 * time.Minute
)

const (
	maxConcurrency = 64
	minVisibility  = 30 * time.Second
	minHeartbeat   = time.Second
	minMaxTime     = time.Minute
	maxMaxTime     = 11*time.Hour + 45*time.Minute
	maxDrain       = 12 * time.Hour
)

// maxHold is how long SQS lets one receive keep a message invisible, however
// often it is extended. A request for more than what is left of it is refused,
// not shortened.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
const maxHold = 12 * time.Hour

// A Protection is told before each receive that a message may come of it, and after
// one of which none came, with no other in hand, that nothing is lost by a stop. It
// is asked often, and should answer within a few seconds: the queue waits.
type Protection interface {
	Protect(ctx context.Context, on bool) error
}

// Config says how a Worker works its queue. The zero value of a field means its
// default.
type Config struct {
	// QueueURL is the address of a standard queue, as GetQueueUrl gives it. Required.
	QueueURL string

	// DeadLetterURL is the queue that rejected messages are sent to at once. It
	// must be a standard queue, since a FIFO queue wants a group for each
	// message. Its retention should be at least that of the queue.
	//
	// Defaults to none: a rejected message is then returned like a failed one,
	// and the queue's own redrive policy moves it after maxReceiveCount.
	DeadLetterURL string

	// Concurrency is how many messages are worked at once, 1 to 64.
	//
	// Defaults to 1.
	Concurrency int

	// Protection keeps whoever runs this worker from stopping it while it may have
	// a message.
	//
	// Defaults to none.
	Protection Protection

	// Gate is asked before each receive. While it says no, none is made.
	//
	// Defaults to one that is always open.
	Gate Gate

	// Visibility is how long a message stays invisible to others when nothing
	// more is heard of this worker, 30 s to 12 h in whole seconds. It is also
	// how long a message waits after its worker was killed.
	//
	// Defaults to 120 s.
	Visibility time.Duration

	// Heartbeat is the time between two extensions of a message's visibility,
	// 1 s to a third of Visibility. Each is moved by up to 10 % either way, so
	// that messages that came together do not beat together.
	//
	// Defaults to a quarter of Visibility.
	Heartbeat time.Duration

	// Drain is how long handlers may go on once Run's context has ended, more
	// than 0 to 12 h. Leave some 30 s between it and the stop timeout of the
	// container or unit, for the last calls to SQS.
	//
	// Defaults to 90 s.
	Drain time.Duration

	// MaxTime is how long a handler may work one message, 1 min to 11 h 45 min.
	// SQS takes a message back 12 h after it was received, whatever its
	// heartbeat.
	//
	// Defaults to 11 h 30 min.
	MaxTime time.Duration

	// BackoffBase is the longest time that a message waits after its first
	// failure, more than 0 to BackoffCap. It doubles with each further receive,
	// and the wait is a random part of it. SQS counts whole seconds, so a wait
	// is rounded up to the next.
	//
	// Defaults to 5 s, or to BackoffCap if that is less.
	BackoffBase time.Duration

	// BackoffCap is where the doubling of BackoffBase ends, more than 0 to 12 h.
	//
	// Defaults to 15 min.
	BackoffCap time.Duration
}

func (c Config) withDefaults() Config {
	setDefault(&c.Concurrency, DefaultConcurrency)
	setDefault(&c.Visibility, DefaultVisibility)
	setDefault(&c.Heartbeat, c.Visibility/4)
	setDefault(&c.Drain, DefaultDrain)
	setDefault(&c.MaxTime, DefaultMaxTime)
	setDefault(&c.BackoffCap, DefaultBackoffCap)
	setDefault(&c.BackoffBase, min(DefaultBackoffBase, c.BackoffCap))
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports every field that is out of range, with the value it has; zero values
// stand for their defaults.
func (c Config) Validate() error { return c.withDefaults().validate() }

// validate reports every field that is out of range, with the value it has.
func (c Config) validate() error {
	return errors.Join(
		checkQueue("QueueURL", c.QueueURL),
		c.checkDeadLetterURL(),
		check("Concurrency", c.Concurrency, c.Concurrency >= 1 && c.Concurrency <= maxConcurrency,
			"must be 1 to 64"),
		check("Visibility", c.Visibility, c.Visibility >= minVisibility && c.Visibility <= maxHold,
			"must be 30s to 12h"),
		check("Visibility", c.Visibility, c.Visibility%time.Second == 0,
			"must be whole seconds"),
		check("Heartbeat", c.Heartbeat, c.Heartbeat >= minHeartbeat && c.Heartbeat <= c.Visibility/3,
			"must be 1s to a third of Visibility"),
		check("Drain", c.Drain, c.Drain > 0 && c.Drain <= maxDrain,
			"must be more than 0 and at most 12h"),
		check("MaxTime", c.MaxTime, c.MaxTime >= minMaxTime && c.MaxTime <= maxMaxTime,
			"must be 1m to 11h45m"),
		check("BackoffBase", c.BackoffBase, c.BackoffBase > 0 && c.BackoffBase <= c.BackoffCap,
			"must be more than 0 and at most BackoffCap"),
		check("BackoffCap", c.BackoffCap, c.BackoffCap > 0 && c.BackoffCap <= maxHold,
			"must be more than 0 and at most 12h"),
	)
}

func (c Config) checkDeadLetterURL() error {
	const field = "DeadLetterURL"
	if c.DeadLetterURL == "" {
		return nil
	}
	return errors.Join(
		checkQueue(field, c.DeadLetterURL),
		check(field, c.DeadLetterURL, c.DeadLetterURL != c.QueueURL, "must not be QueueURL"),
	)
}

func checkQueue(field, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return check(field, value, false, "must be an http or https URL")
	}
	return check(field, value, !IsFIFO(value), "must be a standard queue and not FIFO, to which S3 sends no events")
}

// IsFIFO reports whether the queue with this URL, or the topic with this ARN, is FIFO: the
// name of each such one ends with .fifo, and no other's does. A message for one needs a group,
// and waits for all others of its group.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html (QueueName)
func IsFIFO(name string) bool { return strings.HasSuffix(strings.TrimRight(name, "/"), ".fifo") }

func check(field string, value any, ok bool, rule string) error {
	if ok {
		return nil
	}
	if s, isString := value.(string); isString {
		return fmt.Errorf("%s: %s (got %q)", field, rule, s)
	}
	return fmt.Errorf("%s: %s (got %v)", field, rule, value)
}
