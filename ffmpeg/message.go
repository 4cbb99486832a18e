package ffmpeg

import (
	"encoding/json"
	"errors"
	"io"
	"sync"
)

// A message is one JSON line from the child; one field is set.
type message struct {
	Progress *Progress `json:"progress,omitempty"`
	Report   *Report   `json:"report,omitempty"`
	Error    *Error    `json:"error,omitempty"`
}

// A Conversation is the child's end of its pipes.
type Conversation struct {
	in  io.Reader
	mu  sync.Mutex
	out *json.Encoder
}

// NewConversation talks over the child's standard input and output.
func NewConversation(in io.Reader, out io.Writer) *Conversation {
	return &Conversation{in: in, out: json.NewEncoder(out)}
}

// Spec reads the work to do.
func (c *Conversation) Spec() (Spec, error) {
	var s Spec
	d := json.NewDecoder(c.in)
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, Errorf(CodeEngine, "read the work from standard input: %w", err)
	}
	return s, nil
}

// Progress tells the parent how far the work is. Safe for concurrent use.
func (c *Conversation) Progress(p Progress) { _ = c.send(message{Progress: &p}) } // a parent that is gone kills us soon

// End tells the parent how the work ended.
func (c *Conversation) End(r Report, err error) error {
	if err == nil {
		return c.send(message{Report: &r})
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: CodeEngine}
	}
	return c.send(message{Error: &Error{Code: e.Code, Message: err.Error()}})
}

func (c *Conversation) send(m message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Encode(m)
}
