package ke

import (
	"runtime"

	"calloutsim/internal/list"
)

// The compiler copies a small function into its callers. Such a call has no frame, but the run-time library
// knows of every address which functions it was copied from, and at which lines those were called.

// inlineCalls are the calls that the address lies in to which f[at] returns. They are looked up once for each
// address, since that takes long.
func (m *Machine) inlineCalls(f []goFrame, at int) []inlineCall {
	if calls, ok := m.knownInline(f[at].ret); ok {
		return calls
	}
	calls := inlineCallsOf(f, at)
	m.inlines = list.Add(m.inlines, []inlinePC{{f[at].ret, calls}})
	return calls
}

func (m *Machine) knownInline(pc uintptr) (calls []inlineCall, ok bool) {
	for i := range m.inlines {
		if m.inlines[i].pc == pc {
			return m.inlines[i].calls, true
		}
	}
	return nil, false
}

// inlineCallsOf finds f[at].ret among the addresses that runtime.Callers gives. Between it and the address
// that the next frame returns to lie those of the calls without a frame.
func inlineCallsOf(f []goFrame, at int) []inlineCall {
	pcs := make([]uintptr, 4*len(f)+64)
	pcs = pcs[:runtime.Callers(0, pcs)]
	from, to := -1, len(pcs)
	for i, next := 0, 0; i < min(at+2, len(f)); i++ {
		for j := next; j < len(pcs); j++ {
			if pcs[j] != f[i].ret {
				continue
			}
			next = j + 1
			switch i {
			case at:
				from = j
			case at + 1:
				to = j
			}
			break
		}
	}
	if from < 0 {
		return nil
	}
	var calls []inlineCall
	for _, pc := range pcs[from:to] {
		frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
		calls = list.Add(calls, []inlineCall{{frame.Function, frame.Line}})
	}
	return calls
}

// inlined reports whether the code that f[at] returns to was compiled into a caller of its function.
func (m *Machine) inlined(f []goFrame, at int) bool {
	return framesOnly && len(m.inlineCalls(f, at)) > 1
}

// sameInline reports whether the frame that f[at] returns to is still in the call that returned to then. Two
// calls of one function by one line are the same here.
func (m *Machine) sameInline(then uintptr, f []goFrame, at int) bool {
	a, _ := m.knownInline(then)
	b := m.inlineCalls(f, at)
	more := len(b) - len(a)
	if more < 0 {
		return len(b) == 0 // not known
	}
	for i := range a {
		if a[i].fn != b[more+i].fn || i > 0 && a[i].line != b[more+i].line {
			return false
		}
	}
	return true
}
