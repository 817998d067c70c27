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

// UseColor says whether output to f should be coloured: only on a terminal, and never with NO_COLOR in the environment.
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

// lane is the column of one context.
type lane struct {
	ctx   uint16
	name  string
	depth int
	live  bool
}

// layout is a timeline while it is printed.
type layout struct {
	w      *bufio.Writer
	t      *Timeline
	names  *Names
	lanes  []lane
	left   int // columns before the first lane
	step   int
	width  int
	seqLen int
	timLen int
	last   uint16 // context of the line before
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
		if quiet(e) || p.find(e.Ctx) != nil {
			continue
		}
		p.lanes = append(p.lanes, lane{ctx: e.Ctx, name: p.names.context(e.Ctx)})
	}
	p.left = p.seqLen + 1 + p.timLen + 1 + len("cpu irql  ")
	n := max(len(p.lanes)-1, 1)
	p.step = min(max((p.width-p.left-minText)/n, minStep), maxStep)
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

// header prints the titles: in one line if they fit between the lanes, else one line for each lane.
func (p *layout) header() {
	title := fmt.Sprintf("%*s %-*s cpu irql  ", p.seqLen, "#", p.timLen, "time")
	fit := true
	for i, l := range p.lanes {
		fit = fit && (i == len(p.lanes)-1 || len(l.name) < p.step)
	}
	if fit {
		for _, l := range p.lanes {
			title += fmt.Sprintf("%-*s", p.step, l.name)
		}
		p.line(title)
		return
	}
	for i, l := range p.lanes {
		if i > 0 {
			title = strings.Repeat(" ", p.left)
		}
		p.line(title + strings.Repeat("|"+strings.Repeat(" ", p.step-1), i) + l.name)
	}
}

// event prints one event in the lane of its context.
func (p *layout) event(seq uint64, e *trace.Event) {
	switch {
	case e.What == trace.Switch:
		p.switched(seq, e)
		return
	case quiet(e):
		p.across(fmt.Sprintf("%s %s", When(e.Time-p.names.Start), Line(e, p.names)), "-")
		return
	}
	l := p.find(e.Ctx)
	p.last = e.Ctx
	l.live = true
	if e.What == trace.Leave && l.depth > 0 {
		l.depth--
	}
	text := strings.Repeat("  ", l.depth) + Line(e, p.names)
	if e.What == trace.Enter {
		l.depth++
	}
	prefix := fmt.Sprintf("%*s %*s %3d %-4s  ", p.seqLen, "#"+strconv.FormatUint(seq, 10), p.timLen,
		When(e.Time-p.names.Start), e.CPU, Level(e.IRQL))
	mark := p.mark(seq, e)
	p.row(prefix, l, text, mark, e.What == trace.Finding)
	if e.What == trace.End {
		l.live = false
	}
}

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
	text := p.names.context(e.Ctx) + " goes on"
	if r := ask(p.names.Remark, seq); r != "" {
		text += " (" + r + ")"
	}
	p.across(text, "-")
}

// across prints a line over all lanes.
func (p *layout) across(text, fill string) {
	s := strings.Repeat(" ", p.left) + strings.Repeat(fill, 6) + " " + text + " "
	if n := min(p.width, p.left+72) - len(s); n > 0 {
		s += strings.Repeat(fill, n)
	}
	p.coloured("\x1b[2m", s)
}

// row prints one event: bars for the lanes left of it, its text, bars for the lanes that the text does not reach.
func (p *layout) row(prefix string, at *lane, text, mark string, bad bool) {
	b := []byte(prefix)
	done := false
	for i := range p.lanes {
		l := &p.lanes[i]
		col := p.left + i*p.step
		switch {
		case l == at:
			b = append(pad(b, col), p.fit(text, mark, col)...)
			done = true
		case l.live && !done:
			b = append(pad(b, col), '|')
		case l.live && len(b) < col:
			b = append(pad(b, col), '|')
		}
	}
	if bad {
		p.coloured("\x1b[31m", string(b))
		return
	}
	p.line(string(b))
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
