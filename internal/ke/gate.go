package ke

import "calloutsim/internal/trace"

// NewGate makes a gate: what contexts at DISPATCH_LEVEL spin at until somebody opens it for all of them. It
// is a SpinLock that nobody owns.
func NewGate(id trace.ID) *SpinLock { return &SpinLock{ID: id, held: true} }

// OpenGate lets everybody through who spins at l or comes later.
func OpenGate(k *K, l *SpinLock) {
	Adds(k, Releases(l.ID))
	l.held = false
	Released(k, l)
}

// PassGate keeps the processor of k busy until l is open.
func PassGate(k *K, l *SpinLock) {
	Adds(k, Acquires(l.ID))
	spinOn(k, l)
	Adds(k, Acquires(l.ID))
	OrderedAfter(k, l)
}

// RunHere runs fn as a DPC on the processor of k, at once.
func RunHere(k *K, fn func(k *K)) {
	past := uint64(0)
	if tr := k.m.trail; tr != nil {
		past = tr.newName(uint64(trace.DPC))
	}
	k.m.borrow(k.cpu, k, k.actor, past, fn)
}
