package report

import (
	"fmt"
	"strconv"
	"strings"

	"calloutsim/internal/verify"
)

// measure finds the widest names of all stacks.
func (p *printer) measure() {
	stacks := [][]verify.Frame{p.f.Stack}
	for _, l := range p.f.Places {
		stacks = append(stacks, l.Stack)
	}
	for _, st := range stacks {
		for _, s := range st {
			p.driverWidth = max(p.driverWidth, len(s.Driver))
			p.funcWidth = max(p.funcWidth, len(s.Func))
		}
	}
}

// stack prints one frame per line, innermost first.
func (p *printer) stack(st []verify.Frame) {
	for _, s := range st {
		p.line(fmt.Sprintf("  %-*s  %-*s      %s", p.driverWidth, s.Driver, p.funcWidth, s.Func, at(s)))
	}
}

// at gives "file.go:88" with the base name of the file, whichever system's separators it has; "" without a
// file.
func at(s verify.Frame) string {
	if s.File == "" {
		return ""
	}
	return base(s.File) + ":" + strconv.Itoa(s.Line)
}

func base(file string) string { return file[strings.LastIndexAny(file, `/\`)+1:] }

// when prints virtual time in milliseconds after the start: "+1.250ms", with a fourth digit only for odd
// hundreds of nanoseconds.
func when(t int64) string {
	sign := "+"
	if t < 0 {
		sign, t = "-", -t
	}
	if t%10 != 0 {
		return fmt.Sprintf("%s%d.%04dms", sign, t/10_000, t%10_000)
	}
	return fmt.Sprintf("%s%d.%03dms", sign, t/10_000, t%10_000/10)
}

// level prints an IRQL with its name (x64 numbering).
func level(irql uint8) string {
	name := ""
	switch {
	case irql == 0:
		name = "PASSIVE_LEVEL"
	case irql == 1:
		name = "APC_LEVEL"
	case irql == 2:
		name = "DISPATCH_LEVEL"
	case irql <= 12:
		name = "DIRQL"
	case irql == 13:
		name = "CLOCK_LEVEL"
	case irql == 14:
		name = "IPI_LEVEL"
	case irql == 15:
		name = "HIGH_LEVEL"
	default:
		return strconv.Itoa(int(irql))
	}
	return strconv.Itoa(int(irql)) + " (" + name + ")"
}

// verdict gives the severity, and says when nothing can go on after the act.
func verdict(id verify.RuleID) string {
	if id.Fatal() {
		return id.Severity().String() + ", fatal"
	}
	return id.Severity().String()
}

// wrap breaks a text at spaces so that no line is longer than width, unless a single word is.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
