package main

import (
	"encoding/json"
	"io"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/internal/terminal"
	"github.com/mosaicd/mosaicd/jobs"
)

// A progress shows a person or a program how far the work is.
type progress struct {
	bar  bool
	json *json.Encoder
	out  io.Writer

	current jobs.Phase
	shown   *progressbar.ProgressBar
}

// newProgress shows in the given way: auto, bar, json or none.
func newProgress(way string, out io.Writer) *progress {
	p := &progress{out: out}
	switch way {
	case "auto":
		p.bar = isTerminal(out)
	case "bar":
		p.bar = true
	case "json":
		p.json = json.NewEncoder(terminal.JSON(out))
	}
	return p
}

var stepNames = map[jobs.Phase]string{
	jobs.PhaseDetect: "looking for faces",
	jobs.PhaseEncode: "covering, encoding",
	jobs.PhaseVerify: "looking for faces in the output",
	jobs.PhaseReport: "drawing what was covered",
}

func (p *progress) step(s jobs.Phase, at ffmpeg.Progress) {
	if p.json != nil {
		_ = p.json.Encode(struct { // nobody reads any more: not a reason to stop
			Step jobs.Phase `json:"step"`
			ffmpeg.Progress
		}{s, at})
	}
	if !p.bar {
		return
	}
	if s != p.current || p.shown == nil {
		p.end()
		p.current = s
		// In milliseconds of video; a file that doesn't say how long it is gets a
		// spinner.
		total := int64(-1)
		if at.Duration > 0 {
			total = int64(at.Duration * 1000)
		}
		p.shown = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(p.out),
			progressbar.OptionSetDescription(stepNames[s]),
			progressbar.OptionSetWidth(30),
			progressbar.OptionSetElapsedTime(true),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionFullWidth(),
		)
	}
	position := int64(at.Position * 1000)
	if limit := p.shown.GetMax64(); limit > 0 {
		position = min(position, limit)
	}
	_ = p.shown.Set64(position)
}

// leave is end for what isn't done.
func (p *progress) leave() {
	if p.shown != nil {
		_, _ = io.WriteString(p.out, "\n")
		p.shown = nil
	}
}

// done is end, or leave where the work ended with an error.
func (p *progress) done(err error) {
	if err != nil {
		p.leave()
	}
	p.end()
}

// end leaves the terminal's line to what is printed next.
func (p *progress) end() {
	if p.shown == nil {
		return
	}
	if p.shown.GetMax64() > 0 {
		_ = p.shown.Finish()
	}
	_, _ = io.WriteString(p.out, "\n")
	p.shown = nil
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
