package main

import (
	"io"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
	"github.com/muesli/roff"
	"github.com/posener/complete"
)

// completeCommandLine answers a shell that asks, by the variable COMP_LINE, what may
// come next, and then ends the parser's program. Otherwise it does nothing.
func completeCommandLine(parser *kong.Kong) {
	kongcompletion.Register(parser, kongcompletion.WithPredictor("file", complete.PredictFiles("*")))
}

// A completionCommand prints what a shell needs.
type completionCommand struct {
	Shell string `arg:"" name:"SHELL" enum:"bash,zsh,fish" help:"Your shell: bash, zsh or fish."`
}

// Help is what --help says beyond the flags.
func (completionCommand) Help() string {
	return `Prints code for the shell to run at its start. For this shell only:

    source <(mosaicd completion bash)
    source <(mosaicd completion zsh)
    mosaicd completion fish | source

For every shell to come, put the same line into ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish. "mosaicd" must be on the PATH.`
}

func (c *completionCommand) Run(command *kong.Context) error {
	return (&kongcompletion.Completion{Shell: c.Shell, Code: true}).Run(command)
}

type manCommand struct{}

// Help is what --help says beyond the flags.
func (manCommand) Help() string {
	return `Prints the manual page of this version in roff:

    mosaicd man > /usr/local/share/man/man1/mosaicd.1
    man mosaicd`
}

func (manCommand) Run(parser *kong.Kong, std streams) error {
	page := roff.NewDocument()
	page.Heading(1, strings.ToUpper(parser.Model.Name), parser.Model.Name+" "+version, time.Time{})
	page.Section("Name")
	page.Text(parser.Model.Name + " - cover the faces in videos, by hand or as a daemon")
	page.Section("Synopsis")
	page.TextBold(parser.Model.Name)
	page.Text(" COMMAND [flags]")
	page.Section("Description")
	writeText(page, parser.Model.Help)
	page.Section("Commands")
	for _, command := range parser.Model.Leaves(true) {
		writeCommand(page, command)
	}
	page.Section("Exit status")
	page.Text("0: done. 1: it failed. 2: the command line or a setting is wrong. 128 and the number of a signal: it was stopped by that.")
	page.Section("License")
	page.Text(license)
	_, err := io.WriteString(std.out, page.String()+"\n") // all of it is our own text, in lines
	return err
}

// writeCommand adds a command with its help, arguments and flags.
func writeCommand(page *roff.Document, command *kong.Node) {
	page.TaggedParagraph(-1)
	page.TextBold(command.FullPath())
	page.Text(strings.TrimPrefix(command.Summary(), command.Path()) + "\n")
	page.Text(command.Help)
	page.Indent(-1)
	writeText(page, command.Detail)
	for _, argument := range command.Positional {
		page.TaggedParagraph(-1)
		page.TextBold(argument.Summary())
		page.Text("\n" + argument.Help)
	}
	for _, flag := range command.Flags {
		if flag.Hidden {
			continue
		}
		page.TaggedParagraph(-1)
		page.TextBold(flag.Summary())
		page.Text("\n" + flag.Help)
		if len(flag.Envs) > 0 {
			page.Text(" Variable: " + flag.Envs[0] + ".")
		}
	}
	page.IndentEnd()
}

// writeText adds a help text: paragraphs, and examples whose lines stay lines.
func writeText(page *roff.Document, text string) {
	for paragraph := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n\n") {
		if paragraph == "" {
			continue
		}
		if !strings.HasPrefix(paragraph, "    ") {
			page.Paragraph()
			page.Text(paragraph)
			continue
		}
		page.Indent(4)
		for line := range strings.Lines(paragraph) {
			page.Paragraph()
			page.Text(strings.Join(strings.Fields(line), " "))
		}
		page.IndentEnd()
	}
}

// A versionFlag is --version, which people type before they find the command.
type versionFlag bool

// BeforeReset prints the version in place of what the rest of the line asks for.
func (versionFlag) BeforeReset(app *kong.Kong, std streams) error {
	if err := (versionCommand{}).Run(std); err != nil {
		return err
	}
	app.Exit(exitDone)
	return nil
}
