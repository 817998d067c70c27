package ke

import (
	"cmp"
	"fmt"
	"runtime"
	"strings"

	"calloutsim/internal/verify"
)

// DriverPanic is a panic value: simulated code panicked. The harness reports it like a bug check, unless it
// was a program.
type DriverPanic struct {
	Value  any
	Ctx    string // name of the context
	Driver string // whose code ran, "" for the system
	// Program is the image of the process whose program ran, outside of the kernel; "" when none did.
	Program string
	CPU     uint8
	IRQL    uint8
	Time    int64  // virtual time since the start, 100 ns units
	Seq     uint64 // events before it
	// Stack holds the frames from the place of the panic outwards: those of the simulator up to the first
	// of a driver, and from there on those of drivers and programs.
	Stack []verify.Frame
}

// Error names whose code panicked; the context that it ran in may be anybody's.
func (p DriverPanic) Error() string {
	return fmt.Sprintf("%s panicked in %s: %v", p.Who(), p.Ctx, p.Value)
}

// Who names whose code panicked.
func (p *DriverPanic) Who() string { return cmp.Or(p.Program, p.Driver, "the system") }

// driverPanicked turns a panic that left a context into what it is: a fault of ours, of the harness, or of
// the driver. It is called while the frames that panicked are still on the stack.
func (m *Machine) driverPanicked(v any, stack []byte) {
	if m.explained(v) {
		m.dead, m.cur = true, nil
		return
	}
	var pcs [64]uintptr
	st, ours := panicFrames(pcs[:runtime.Callers(3, pcs[:])])
	p := DriverPanic{Value: v, Time: m.Uptime(), Seq: m.log.Len(), Stack: st}
	if k := m.cur; k != nil {
		p.Ctx, p.CPU, p.IRQL = k.name, k.cpu.num, k.irql
		if img := Acting(k); img != nil {
			p.Driver = img.Name
		}
		if top := Top(k); top != nil && top.Kind == FrameUser && k.t.Process != nil {
			p.Program = k.t.Process.Image
		}
		if len(k.frames) > 0 {
			p.Stack = attribute(k, p.Stack, false)
		}
	}
	for i := range min(ours, len(p.Stack)) {
		p.Stack[i].Driver = Simulator
	}
	m.crash = p
	switch x := v.(type) {
	case Misuse:
		m.crash = x + Misuse(p.where())
	case string:
		if strings.HasPrefix(x, "internal error") {
			m.crash = x + "\n\n" + string(stack)
		}
	}
	m.dead, m.cur = true, nil
}

// explained keeps the finding that a panic is, by what the packages above know or as an access through NULL.
func (m *Machine) explained(v any) bool {
	if m.cur == nil {
		return false
	}
	for _, fn := range m.Explain {
		if f, ok := fn(m.cur, v); ok {
			keep(m.cur, &f)
			return true
		}
	}
	if f, ok := nullDereferenced(m.cur, v); ok {
		keep(m.cur, &f)
		return true
	}
	return false
}

// Simulator stands for the driver in frames of our own code, shown where a panic happened inside it.
const Simulator = "(simulator)"

// where says in words where simulated code was.
func (p *DriverPanic) where() string {
	for _, f := range p.Stack {
		if f.File != "" && f.Driver != Simulator {
			return fmt.Sprintf(" (in %s, %s:%d)", p.Ctx, f.File, f.Line)
		}
	}
	if p.Ctx == "" {
		return ""
	}
	return " (in " + p.Ctx + ")"
}
