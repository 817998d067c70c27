package ke

import "runtime"

// Standing says whose code a machine is in, for who watches it from another goroutine.
type Standing struct {
	Goroutine  uint64 // of the running context; 0: the hub's, which nobody has noted
	Context    string // "" in the hub
	Owner      string // the driver or program whose code runs
	Role       FrameKind
	Fn         uintptr // the callback
	CPU, IRQL  uint8
	Unwinding  bool // deferred calls of a run that is over
	Deviations []Deviation
}

// Progress is a number that changes whenever the machine has come back to the simulator: at a scheduling
// point, a callback, a move of the clock or another run. Unlike everything else here it may be asked for by
// another goroutine while the machine runs. It is read without an order, so that the machine need not publish
// anything; what it gives may be a little old.
//
//go:norace
//go:noinline
func (m *Machine) Progress() uint64 { return m.steps + m.frameNo + m.ticks + m.serial + uint64(m.ctxs) }

// Standing says where the machine is. It may be called by another goroutine, for a machine whose Progress has
// not changed for long: what it looks at lies still then.
//
//go:norace
//go:noinline
func (m *Machine) Standing() Standing {
	var s Standing
	for i := range m.choices {
		if c := &m.choices[i]; c.Pick != 0 {
			s.Deviations = append(s.Deviations, Deviation{i, int(c.Pick)})
		}
	}
	k := m.cur
	if in := m.in; in != nil {
		s.Goroutine = in.goroutine
		if k == nil && in.owner != nil {
			k, s.Unwinding = in.owner.active, true
		}
	}
	if k == nil {
		return s
	}
	s.Context, s.IRQL, s.CPU = k.name, k.irql, k.cpu.num
	if n := len(k.frames); n > 0 {
		f := &k.frames[n-1]
		s.Owner, s.Role, s.Fn = owner(k, f), f.Kind, f.Fn
	}
	return s
}

// Core reports whether a function is the simulator's, or of what a driver uses of the standard library:
// reports leave out its frames.
func Core(function, file string) bool { return core(runtime.Frame{Function: function, File: file}) }
