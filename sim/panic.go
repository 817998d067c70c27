package sim

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	simtrace "calloutsim/sim/trace"
)

// writePanic prints a panic of simulated code in the shape of a bug check. That of a program is none.
func (m *Machine) writePanic(b *bytes.Buffer) {
	p := m.panicked
	at := "?"
	for _, f := range p.Stack {
		if f.File != "" {
			at = f.File + ":" + strconv.Itoa(f.Line)
		}
		if _, raised := p.Value.(irql.Exception); f.File != "" && !(raised && f.Driver == ke.Simulator) {
			break // what a routine raised is the matter of the line that called it
		}
	}
	fmt.Fprintf(b, "%s: %s panicked: %v\n\n", at, p.Who(), p.Value)
	if p.Program != "" {
		b.WriteString("This is a panic of the test's own program, not of the kernel or of a driver: on " +
			"Windows the\nprocess would end with an unhandled exception.\n\n")
	} else {
		writeException(b, p, at)
	}
	fmt.Fprintf(b, "%-16s%v\n", "PANIC:", p.Value)
	switch {
	case p.Program != "":
		fmt.Fprintf(b, "%-16s%s\n", "PROGRAM:", p.Program)
	case p.Driver != "":
		fmt.Fprintf(b, "%-16s%s\n", "DRIVER:", p.Driver)
	}
	fmt.Fprintf(b, "%-16s%d (%s)\n", "CURRENT_IRQL:", p.IRQL, ke.LevelName(p.IRQL))
	fmt.Fprintf(b, "%-16s%-9dCONTEXT: %s        TIME: %s (event %d)\n\n", "PROCESSOR:", p.CPU, p.Ctx,
		simtrace.When(p.Time), p.Seq)
	b.WriteString("STACK_TEXT:\n")
	for _, f := range p.Stack {
		fmt.Fprintf(b, "  %-14s %-32s %s:%d\n", f.Driver, f.Func, f.File, f.Line)
	}
	log, n := m.ke.Log(), m.names()
	fmt.Fprintf(b, "\n%-16s(of %d)\n", "LAST_EVENTS:", p.Seq)
	for seq := max(log.First(), p.Seq-min(p.Seq, maxEvents)+1); seq <= p.Seq; seq++ {
		fmt.Fprintf(b, "  %s\n", simtrace.Full(seq, log.At(seq), n))
	}
	fmt.Fprintf(b, "\n%s%-16s%s\n", m.tellChoices(), "REPLAY:", m.repeatLines()[0])
}

// writeException is what Windows shows for an exception in the kernel.
func writeException(b *bytes.Buffer, p *ke.DriverPanic, at string) {
	stars := strings.Repeat("*", 79)
	fmt.Fprintf(b, "%s\n*%s*\n%s\n\n", stars, center("Bugcheck Analysis (simulated)", 77), stars)
	fmt.Fprintf(b, "%s (1e)\n", verify.BugCheckName(0x1E))
	b.WriteString("Code in the kernel raised an exception that nobody handles.")
	if x, ok := p.Value.(irql.Exception); ok {
		fmt.Fprintf(b, " %s raises a status\nwhere C has __try and __except; here a deferred recover "+
			"stands for them.\nArguments:\n", x.Routine)
		fmt.Fprintf(b, "Arg1: %#x, %v\nArg2: %s, where it was raised\nArg3: 0\nArg4: 0\n\n",
			uint32(x.Status), x.Status, at)
		return
	}
	b.WriteString(" Here it is a Go panic.\n")
	b.WriteString("Arguments:\n")
	code, meaning := exception(p.Value)
	fmt.Fprintf(b, "Arg1: %s, %s\nArg2: %s, where it was raised\nArg3: 0\nArg4: 0\n\n", code, meaning, at)
}

func center(s string, width int) string {
	left := (width - len(s)) / 2
	return strings.Repeat(" ", left) + s + strings.Repeat(" ", width-left-len(s))
}

// exception gives the code Windows would show for what Go calls a run-time error.
func exception(v any) (code, meaning string) {
	s := fmt.Sprint(v)
	switch {
	case strings.Contains(s, "nil pointer"), strings.Contains(s, "invalid memory address"):
		return "0xc0000005", "STATUS_ACCESS_VIOLATION"
	case strings.Contains(s, "out of range"), strings.Contains(s, "out of bounds"):
		return "0xc000008c", "STATUS_ARRAY_BOUNDS_EXCEEDED"
	case strings.Contains(s, "divide by zero"):
		return "0xc0000094", "STATUS_INTEGER_DIVIDE_BY_ZERO"
	}
	return "0", "the exception code; a Go panic has none"
}
