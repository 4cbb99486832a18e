package ffmpeg

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"sync"
	"unicode/utf8"
)

// A message is one JSON line from the child; one field is set.
type message struct {
	Progress *Progress `json:"progress,omitempty"`
	Report   *Report   `json:"report,omitempty"`
	Error    *Error    `json:"error,omitempty"`
}

// What a child may say. A file that took it over could go on for ever.
const (
	// MaxMessageBytes is the length of the longest message: a report with detections.
	// It holds those of half a million faces.
	MaxMessageBytes = 64 << 20
	// maxProgressBytes is that of a message on the way.
	maxProgressBytes = 4 << 10
	// maxSpokenBytes is what all messages may have together. Progress comes four times
	// a second at most, in some hundred bytes: in a day that is 35 MB.
	maxSpokenBytes = MaxMessageBytes + 64<<20
	// maxTextBytes is what is kept of an error, or of what a stream is called.
	maxTextBytes = 4 << 10
	// maxDropped is how many streams can be missing in an output.
	maxDropped = 256
)

// errTooMuch says that a child says more than it may.
var errTooMuch = errors.New("it says more than an engine has to say")

// listen reads the child's messages to the end and returns the one that ends
// the conversation.
func listen(r io.Reader, progress func(Progress)) (message, error) {
	lines := bufio.NewReaderSize(r, maxProgressBytes)
	var last message
	for spoken := 0; ; {
		line, err := readLine(lines, MaxMessageBytes)
		if spoken += len(line); err == nil && spoken > maxSpokenBytes {
			err = errTooMuch
		}
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return last, nil
		case errors.Is(err, io.EOF):
			return last, io.ErrUnexpectedEOF
		case err != nil:
			return last, err
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			return last, err
		}
		switch {
		case last.Report != nil || last.Error != nil:
			return message{}, errors.New("it goes on after its last word")
		case m.Progress == nil:
			if last = m.bounded(); last.Report != nil && !last.Report.plausible() {
				return message{}, errors.New("its report has numbers that no video has")
			}
		case len(line) > maxProgressBytes:
			return last, errTooMuch
		case progress != nil:
			progress(*m.Progress)
		}
	}
}

// readLine returns a line of at most limit bytes, with its end, and io.EOF where that
// is missing. The line may be overwritten by the next call.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	long := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(long) > limit {
			return nil, errTooMuch
		}
		line, err = r.ReadSlice('\n')
		long = append(long, line...)
	}
	return long, err
}

// bounded is m with its texts cut.
func (m message) bounded() message {
	if m.Error != nil {
		m.Error = &Error{Code: m.Error.Code, Message: cut(m.Error.Message)}
		if !codeShape.MatchString(string(m.Error.Code)) {
			m.Error.Code = CodeEngine
		}
	}
	if m.Report == nil {
		return m
	}
	r := *m.Report
	r.Dropped = slices.Clone(r.Dropped[:min(len(r.Dropped), maxDropped)])
	for i, d := range r.Dropped {
		r.Dropped[i] = cut(d)
	}
	for _, media := range []*Media{&r.Source, &r.Output} {
		for _, text := range []*string{&media.Format, &media.Codec, &media.Pixels} {
			*text = cut(*text)
		}
	}
	m.Report = &r
	return m
}

// codeShape is that of a Code.
var codeShape = regexp.MustCompile(`^[a-z][a-z_]{0,63}$`)

// plausible reports whether what reads r can rely on its numbers.
func (r *Report) plausible() bool {
	const longest = 1 << 16 // pixels of a side
	for _, m := range []Media{r.Source, r.Output} {
		if min(m.Width, m.Height, m.Streams) < 0 || max(m.Width, m.Height) > longest {
			return false
		}
	}
	return min(r.Frames, r.FramesCovered, r.DecodeErrors) >= 0
}

// cut returns the beginning of a text, whole characters of it.
func cut(text string) string {
	if len(text) <= maxTextBytes {
		return text
	}
	const more = "…"
	end := maxTextBytes - len(more)
	for !utf8.RuneStart(text[end]) && end > 0 {
		end--
	}
	return text[:end] + more
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
