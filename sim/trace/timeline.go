package trace

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"calloutsim/internal/trace"
)

// DefaultWidth is the width of a timeline that is not printed to a terminal.
const DefaultWidth = 120

// Timeline prints events top down, one lane per context, callbacks indented inside their lane.
type Timeline struct {
	Width int  // 0 means DefaultWidth
	Color bool // escape sequences for switches and findings; decide with UseColor
	Names *Names
	From  uint64 // first event to print; 0 is the first
}

// UseColor says whether output to f should be coloured: only on a terminal, and never with NO_COLOR in the
// environment.
func UseColor(f *os.File) bool {
	if os.Getenv("NO_COLOR") != "" {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

const (
	minText = 44 // columns left for the text of the last lane
	maxStep = 26 // columns between two lanes
	minStep = 3
)

// lane is where one context is printed. Contexts that live one after the other share a column.
type lane struct {
	ctx         uint16
	col         int
	name        string
	first, last uint64 // first and last event
	depth       int
	live        bool // has begun and has events left
}

// layout is a timeline while it is printed.
type layout struct {
	w      *bufio.Writer
	t      *Timeline
	names  *Names
	lanes  []lane
	titled bool // all lanes are named in the heading; otherwise each is where it begins
	left   int  // columns before the first lane
	step   int
	width  int
	seqLen int
	timLen int
	last   uint16 // context of the line before
	idle   bool   // time has passed since
}

// Print writes the timeline of everything the log still has.
func (t *Timeline) Print(w io.Writer, log *trace.Log) error {
	p := &layout{w: bufio.NewWriter(w), t: t, names: t.Names, width: t.Width}
	if p.names == nil {
		p.names = &Names{}
	}
	if p.width <= 0 {
		p.width = DefaultWidth
	}
	first := max(t.From, log.First())
	p.measure(log, first)
	p.header()
	if first > 1 {
		fmt.Fprintf(p.w, "%*s (%d earlier events)\n", p.seqLen, "...", first-1)
	}
	for seq := first; seq <= log.Len(); seq++ {
		p.event(seq, log.At(seq))
	}
	return p.w.Flush()
}

// measure finds the contexts, in order of appearance, and the widths of the columns.
func (p *layout) measure(log *trace.Log, first uint64) {
	p.seqLen = max(len(strconv.FormatUint(log.Len(), 10))+1, 3)
	p.timLen = len("+0.000ms")
	for seq := first; seq <= log.Len(); seq++ {
		e := log.At(seq)
		p.timLen = max(p.timLen, len(When(e.Time-p.names.Start)))
		if quiet(e) || unseen(e) {
			continue
		}
		l := p.find(e.Ctx)
		if l == nil {
			p.lanes = append(p.lanes, lane{ctx: e.Ctx, name: p.names.context(e.Ctx), first: seq})
			l = &p.lanes[len(p.lanes)-1]
		}
		l.last = seq
	}
	n := p.columns()
	p.left = p.seqLen + 1 + p.timLen + 1 + len("cpu irql  ")
	p.step = min(max((p.width-p.left-minText)/max(n-1, 1), minStep), maxStep)
	p.titled = n == len(p.lanes)
	for _, l := range p.lanes {
		p.titled = p.titled && (l.col == n-1 || len(l.name) < p.step)
	}
}

// columns gives every lane the leftmost column that is free while it lives, and returns how many there are.
func (p *layout) columns() int {
	var until []uint64 // last event of the lane that has the column
	for i := range p.lanes {
		l := &p.lanes[i]
		for l.col = 0; l.col < len(until) && until[l.col] > l.first; l.col++ {
		}
		if l.col == len(until) {
			until = append(until, 0)
		}
		until[l.col] = l.last
	}
	return len(until)
}

// unseen events say that an idle processor begins or ends to serve a DPC, which its own lines show.
func unseen(e *trace.Event) bool {
	return (e.What == trace.Start || e.What == trace.End) && e.Obj == 0
}

// quiet events have no lane of their own to stand in.
func quiet(e *trace.Event) bool {
	return e.What == trace.Clock || e.What == trace.Switch || e.What == trace.Wake ||
		e.What == trace.Finding && e.Ctx == 0
}

func (p *layout) find(ctx uint16) *lane {
	for i := range p.lanes {
		if p.lanes[i].ctx == ctx {
			return &p.lanes[i]
		}
	}
	return nil
}

// header prints the titles of the columns.
func (p *layout) header() {
	title := fmt.Sprintf("%*s %-*s cpu irql  ", p.seqLen, "#", p.timLen, "time")
	if p.titled {
		for _, l := range p.lanes {
			title += fmt.Sprintf("%-*s", p.step, l.name)
		}
	}
	p.line(title)
}

// event prints one event in the lane of its context.
func (p *layout) event(seq uint64, e *trace.Event) {
	switch {
	case e.What == trace.Switch:
		p.switched(seq, e)
		return
	case unseen(e):
		return
	case e.What == trace.Wake && !p.idle && p.last != 0:
		p.row(p.prefix(seq, e), p.find(p.last), p.find(p.last).indent()+Line(e, p.names), "", false)
		return
	case quiet(e):
		p.idle = p.idle || e.What == trace.Clock
		mark := strings.TrimPrefix(p.mark(seq, e), "  ")
		p.across(When(e.Time-p.names.Start)+" "+Line(e, p.names)+mark, e.What == trace.Finding)
		return
	}
	l := p.find(e.Ctx)
	p.last, p.idle = e.Ctx, false
	if !l.live && !p.titled {
		p.row("", l, "["+l.name+"]", "", false)
	}
	l.live = true
	if e.What == trace.Leave && l.depth > 0 {
		l.depth--
	}
	text := l.indent() + Line(e, p.names)
	if e.What == trace.Enter {
		l.depth++
	}
	p.row(p.prefix(seq, e), l, text, p.mark(seq, e), e.What == trace.Finding)
	l.live = seq < l.last
}

// prefix is what stands left of the lanes.
func (p *layout) prefix(seq uint64, e *trace.Event) string {
	return fmt.Sprintf("%*s %*s %3d %-4s  ", p.seqLen, "#"+strconv.FormatUint(seq, 10), p.timLen,
		When(e.Time-p.names.Start), e.CPU, Level(e.IRQL))
}

func (l *lane) indent() string { return strings.Repeat("  ", l.depth) }

func (p *layout) mark(seq uint64, e *trace.Event) string {
	m := ask(p.names.Marks, seq)
	if m == "" && e.What == trace.Finding {
		m = "here"
	}
	if m == "" {
		return ""
	}
	return "   <-- " + m
}

// switched prints the line between two contexts, unless nothing was to be seen of another one.
func (p *layout) switched(seq uint64, e *trace.Event) {
	if p.last == 0 || p.last == e.Ctx {
		return
	}
	r := ask(p.names.Remark, seq)
	if l := p.find(e.Ctx); r == "" && !p.titled && l != nil && !l.live {
		return // its title says that it begins
	}
	text := p.names.context(e.Ctx) + " goes on"
	if r != "" {
		text += " (" + r + ")"
	}
	p.across(text, false)
}

// across prints a line over all lanes.
func (p *layout) across(text string, bad bool) {
	s := strings.Repeat(" ", p.left) + "------ " + text + " "
	if n := min(p.width, p.left+72) - len(s); n > 0 {
		s += strings.Repeat("-", n)
	}
	if bad {
		p.coloured("\x1b[31m", s)
		return
	}
	p.coloured("\x1b[2m", s)
}

// row prints a text in its lane: bars for the live lanes left of it, the text, bars for the live lanes it
// does not reach.
func (p *layout) row(prefix string, at *lane, text, mark string, bad bool) {
	b := []byte(prefix)
	for col := 0; ; col++ {
		x := p.left + col*p.step
		live, more := p.at(col)
		switch {
		case !more && col > at.col:
			if bad {
				p.coloured("\x1b[31m", string(b))
			} else {
				p.line(string(b))
			}
			return
		case col == at.col:
			b = append(pad(b, x), p.fit(text, mark, x)...)
		case live && len(b) <= x:
			b = append(pad(b, x), '|')
		}
	}
}

// at reports whether a column has a live lane, and whether there are columns from it on.
func (p *layout) at(col int) (live, more bool) {
	for i := range p.lanes {
		l := &p.lanes[i]
		live = live || l.col == col && l.live
		more = more || l.col >= col
	}
	return live, more
}

// fit cuts a text so that it ends at the right edge; the mark behind it always stays.
func (p *layout) fit(text, mark string, col int) string {
	room := max(p.width-col-len(mark), 16)
	if len(text) > room {
		text = text[:room-2] + ".."
	}
	return text + mark
}

func pad(b []byte, col int) []byte {
	for len(b) < col {
		b = append(b, ' ')
	}
	return b
}

func (p *layout) line(s string) {
	p.w.WriteString(strings.TrimRight(s, " "))
	p.w.WriteByte('\n')
}

func (p *layout) coloured(code, s string) {
	if !p.t.Color {
		p.line(s)
		return
	}
	p.w.WriteString(code + strings.TrimRight(s, " ") + "\x1b[0m\n")
}

// Level abbreviates an IRQL to at most four letters.
func Level(irql uint8) string {
	switch irql {
	case 0:
		return "PASS"
	case 1:
		return "APC"
	case 2:
		return "DISP"
	case 15:
		return "HIGH"
	}
	return strconv.Itoa(int(irql))
}
