// Package report turns findings into text and JSON, and rules into pages.
//
// Modelled: the layout of ux.md section 3, which follows the shape of the debugger's !analyze output: a
// position that editors and CI can link, a boxed title, name and code of the bug check, its arguments, then
// KEY: blocks. The same finding gives the same bytes: object ids and virtual time only, base names of
// files, no addresses. Not modelled here: what !irp and the event lines look like; they arrive formatted.
package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"calloutsim/internal/verify"
)

// Options say how much to print. The zero Options is the full report of a violation without a replay line.
type Options struct {
	Unordered []string // what could have come in the other order
	Choices   []string // what failed, and the answers that were not the boring ones
	Replay    []string // the command that repeats the run, and remarks below it
	Short     bool     // the form of hazards for violations as well: no box, arguments, dumps or events
}

// Layout of a report, in columns.
const (
	keyWidth  = 16 // KEY: and what follows it
	textWidth = 79 // paragraphs and the box
	boxTitle  = "Bugcheck Analysis (simulated)"
)

// Text prints one finding. Violations get the full form, hazards (warnings and notes) the short one. Write
// errors are dropped: the writers used are buffers and terminals.
func Text(w io.Writer, f *verify.Finding, rec verify.Record, opt Options) {
	p := printer{row: verify.Rule(f.Rule), rec: rec, f: f}
	p.measure()
	full := f.Severity() == verify.Error && !opt.Short
	p.line(Line(f, rec))
	p.line("")
	if full {
		p.box()
		p.title()
	}
	p.paragraph(cmp.Or(f.Text, rec.Why))
	if full {
		p.arguments()
	}
	p.gap()
	p.facts()
	p.line("")
	if len(f.Stack) > 0 {
		p.key("STACK_TEXT", "(now)")
		p.stack(f.Stack)
	}
	p.places()
	if full {
		p.block("", f.Dump)
		p.block("BLOCKED", f.Blocked)
		p.events()
		p.block("UNORDERED", opt.Unordered)
	}
	p.gap()
	if full {
		p.list("CHOICES", opt.Choices)
	}
	if fix := cmp.Or(f.Fix, rec.Fix); fix != "" {
		p.key("LIKELY_FIX", fix)
	}
	if f.Rule != verify.NoRule {
		p.key("EXPLAIN", "ksim explain "+f.Rule.String())
	}
	p.list("REPLAY", opt.Replay)
	_, _ = w.Write(p.b.Bytes())
}

// Line is the first line of a report: place, rule and headline.
func Line(f *verify.Finding, rec verify.Record) string {
	p := printer{rec: rec, f: f}
	return p.position() + p.name() + ": " + f.Headline
}

// printer collects one report.
type printer struct {
	b   bytes.Buffer
	f   *verify.Finding
	rec verify.Record
	row verify.Row
	// widest driver and function name of all stacks, so that the columns of all blocks agree
	driverWidth, funcWidth int
}

func (p *printer) line(s string) {
	p.b.WriteString(strings.TrimRight(s, " "))
	p.b.WriteByte('\n')
}

// gap ends a block with one empty line.
func (p *printer) gap() {
	if !bytes.HasSuffix(p.b.Bytes(), []byte("\n\n")) {
		p.line("")
	}
}

// key prints "KEY:" and a text; a key longer than its column moves the text to the next multiple of four.
func (p *printer) key(key, text string) {
	key += ":"
	width := keyWidth
	for width < len(key)+2 {
		width += 4
	}
	p.line(fmt.Sprintf("%-*s%s", width, key, text))
}

// list prints lines one below the other, the first beside its key.
func (p *printer) list(key string, lines []string) {
	for i, l := range lines {
		if i == 0 {
			p.key(key, l)
		} else {
			p.line(strings.Repeat(" ", keyWidth) + l)
		}
	}
}

// name gives "IRP-001 irp/DoubleCompletion".
func (p *printer) name() string {
	return strings.TrimSpace(p.f.Name() + " " + p.rec.FullName())
}

// position gives "file.go:88: " of where the finding is.
func (p *printer) position() string {
	if s := p.f.Place(); s.File != "" {
		return at(s) + ": "
	}
	return ""
}

func (p *printer) box() {
	inner := textWidth - 2
	left := (inner - len(boxTitle)) / 2
	stars := strings.Repeat("*", textWidth)
	p.line(stars)
	p.line("*" + strings.Repeat(" ", left) + boxTitle + strings.Repeat(" ", inner-left-len(boxTitle)) + "*")
	p.line(stars)
	p.line("")
}

// title prints name and code of the bug check, or the rule's name where Windows has none for the act.
func (p *printer) title() {
	if p.f.BugCheck == 0 {
		p.line(cmp.Or(p.rec.FullName(), p.f.Name()))
		return
	}
	p.line(strings.TrimSpace(fmt.Sprintf("%s (%x)", verify.BugCheckName(p.f.BugCheck), p.f.BugCheck)))
}

// paragraph breaks a text at textWidth; line ends of the text stay.
func (p *printer) paragraph(text string) {
	if text == "" {
		return
	}
	for l := range strings.SplitSeq(text, "\n") {
		for _, part := range wrap(l, textWidth) {
			p.line(part)
		}
	}
}

// arguments prints the four parameters of a bug check; without one, the arguments that were given.
func (p *printer) arguments() {
	if p.f.BugCheck == 0 && p.f.Args == [4]verify.Arg{} {
		return
	}
	p.line("Arguments:")
	for i, a := range p.f.Args {
		if p.f.BugCheck == 0 && a == (verify.Arg{}) {
			continue
		}
		l := "Arg" + strconv.Itoa(i+1) + ": " + cmp.Or(a.Value, "0")
		if a.Meaning != "" {
			l += ", " + a.Meaning
		}
		p.line(l)
	}
}

// facts prints the RULE block.
func (p *printer) facts() {
	f := p.f
	rule := p.name() + ", " + verdict(f.Rule)
	if f.Rule == verify.NoRule {
		rule = "none, no catalogue has a number for it; " + f.Severity().String()
	}
	if known := p.known(); known != "" {
		rule += "   (" + known + ")"
	}
	p.key("RULE", rule)
	if f.Driver != "" {
		p.key("DRIVER", f.Driver)
	}
	irql := level(f.IRQL)
	if p.limited() {
		irql += "      allowed <= " + strconv.Itoa(int(f.AllowedIRQL))
	}
	p.key("CURRENT_IRQL", irql)
	processor := fmt.Sprintf("%-9d", f.CPU)
	if f.Ctx != "" {
		processor += "CONTEXT: " + f.Ctx + "        "
	}
	p.key("PROCESSOR", fmt.Sprintf("%sTIME: %s (event %d)", processor, when(f.Time), f.Seq))
}

// known says under which names Microsoft's tools look for the same act.
func (p *printer) known() string {
	var parts []string
	switch {
	case len(p.row.SDV) > 0:
		parts = append(parts, "static rule "+p.row.SDV[0])
	case len(p.row.Static) > 0:
		parts = append(parts, "static rule "+p.row.Static[0])
	}
	if o := p.option(); o != "" {
		parts = append(parts, "Driver Verifier: "+o)
	}
	return strings.Join(parts, "; ")
}

// option gives the verifier option that makes the check: that of the sub-code, else I/O verification for
// acts on IRPs that end in a bug check, else DDI compliance checking, which goes by the names of the static
// rules.
func (p *printer) option() string {
	switch {
	case p.rec.BugCheck == 0xC4 && p.rec.SubCode() != 0:
		s, _ := verify.VerifierC4(p.rec.SubCode())
		return s.Option
	case len(p.row.C9) > 0, p.f.Rule.Family() == "IRP" && len(p.row.BugChecks) > 0:
		return "I/O verification"
	case len(p.row.C4) > 0:
		s, _ := verify.VerifierC4(p.row.C4[0])
		return s.Option
	case len(p.row.SDV) > 0:
		return "DDI compliance checking"
	}
	return ""
}

// limited reports whether AllowedIRQL is worth printing: a zero may just have been left out, unless it is the
// claim of the rule that something is for PASSIVE_LEVEL, or that a routine has a maximum.
func (p *printer) limited() bool {
	if p.f.AllowedIRQL == verify.AnyIRQL {
		return false
	}
	if p.f.AllowedIRQL > 0 {
		return true
	}
	return p.f.IRQL > 0 && (p.f.Rule == verify.IRQL_001 || strings.Contains(p.row.Claim, "PASSIVE"))
}

// places prints one block for each further point of the run.
func (p *printer) places() {
	for _, l := range p.f.Places {
		label := strings.ToUpper(strings.ReplaceAll(l.Label, " ", "_"))
		if label == "NOW" {
			continue // STACK_TEXT is that place
		}
		text := fmt.Sprintf("%s (event %d), processor %d, IRQL %d", when(l.Time), l.Seq, l.CPU, l.IRQL)
		if l.Ctx != "" {
			text += ", " + l.Ctx
		}
		p.key(label, text)
		if l.Event != "" {
			p.line("  " + strings.TrimLeft(l.Event, " "))
		}
		p.stack(l.Stack)
	}
}

// block prints lines as they are, below a key when there is one.
func (p *printer) block(key string, lines []string) {
	if len(lines) == 0 {
		return
	}
	p.gap()
	if key != "" {
		p.key(key, "")
	}
	for _, l := range lines {
		p.line(l)
	}
}

// events prints the last events, which come with their own marks.
func (p *printer) events() {
	n := len(p.f.Events)
	if n == 0 {
		return
	}
	p.gap()
	about := ""
	if p.f.Obj != "" {
		about = p.f.Obj + " and what it waits for; "
	}
	p.key("LAST_EVENTS", fmt.Sprintf("(%s%d of %d)", about, n, p.f.Seq))
	for _, e := range p.f.Events {
		p.line("  " + strings.TrimLeft(e, " "))
	}
}
