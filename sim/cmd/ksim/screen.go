package main

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	simtrace "calloutsim/sim/trace"
)

// colours is --color.
type colours string

// The values of --color.
const (
	colorAuto   colours = "auto" // on a terminal, unless NO_COLOR says otherwise
	colorAlways colours = "always"
	colorNever  colours = "never"
)

// String gives the value, for the flag.
func (c *colours) String() string { return string(*c) }

// Type names the type, for the flag.
func (c *colours) Type() string { return "colours" }

// Set reads the value.
func (c *colours) Set(s string) error {
	switch v := colours(s); v {
	case colorAuto, colorAlways, colorNever:
		*c = v
		return nil
	}
	return strconv.ErrSyntax
}

// on says whether what is written to w has colours.
func (c colours) on(w io.Writer) bool {
	f := fileOf(w)
	return c == colorAlways || c != colorNever && f != nil && simtrace.UseColor(f)
}

// terminalWidth is how many columns the terminal has that f is; 0 when it is none.
func terminalWidth(f *os.File) int {
	if f == nil || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if n, _, err := term.GetSize(int(f.Fd())); err == nil {
		return n
	}
	return 0
}

// wrapper breaks lines that are longer than the screen at a space; what follows is indented like the line,
// and a little more. Lines that are there to be copied stay whole.
type wrapper struct {
	to    io.Writer
	width int
	line  []byte // that has not ended
}

// Write writes all lines that have ended.
func (w *wrapper) Write(p []byte) (int, error) {
	w.line = append(w.line, p...)
	for {
		i := bytes.IndexByte(w.line, '\n')
		if i < 0 {
			return len(p), nil
		}
		if _, err := io.WriteString(w.to, wrap(string(w.line[:i]), w.width)+"\n"); err != nil {
			return 0, err
		}
		w.line = w.line[i+1:]
	}
}

// Flush writes the last line if nothing ended it.
func (w *wrapper) Flush() {
	if len(w.line) > 0 {
		_, _ = w.to.Write(w.line) // who reads has gone, or gets it
		w.line = nil
	}
}

// toCopy are words of lines that people copy into a shell.
var toCopy = []string{"REPLAY:", "go test -run", "--replay", "kcs2:", "::error"}

// wrap breaks one line.
func wrap(line string, width int) string {
	if width < minWidth/2 || visible(line) <= width || strings.Contains(line, "\x1b[") {
		return line
	}
	for _, s := range toCopy {
		if strings.Contains(line, s) {
			return line
		}
	}
	indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
	if at := strings.Index(line[len(indent):], ":  "); at > 0 && at < 16 { // "RULE:           IRP-001 …"
		rest := line[len(indent)+at+1:]
		indent = strings.Repeat(" ", len(line)-len(strings.TrimLeft(rest, " ")))
	} else {
		indent += "  "
	}
	if len(indent) > width/2 {
		indent = "  "
	}
	var out []string
	for visible(line) > width {
		cut := strings.LastIndex(string([]rune(line)[:width]), " ")
		if cut <= len(indent) {
			break // a word that is longer than the screen
		}
		out = append(out, strings.TrimRight(line[:cut], " "))
		line = indent + strings.TrimLeft(line[cut:], " ")
	}
	return strings.Join(append(out, line), "\n")
}

// visible is how many columns a line takes.
func visible(line string) int { return utf8.RuneCountInString(line) }
