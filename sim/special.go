package sim

import (
	"runtime/debug"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
)

// Option bits of what watches memory.
const (
	bitSpecialPool = 1 << 12 // level 2 of scheduling.md 11
	bitRaces       = 1 << 13 // the detector of scheduling.md 10.1
	bitsWatch      = bitSpecialPool | bitRaces
)

// checkedBits packs the options that say how closely memory is watched.
func (o *Options) checkedBits() uint32 {
	var b uint32
	if o.SpecialPool {
		b |= bitSpecialPool
	}
	if o.Races {
		b |= bitRaces
	}
	return b
}

// setCheckedBits takes them from a token. What is asked for outside stays: a run that is watched more closely
// may end earlier than the recorded one, but goes the same way up to there.
func (o *Options) setCheckedBits(b uint32) {
	o.SpecialPool = o.SpecialPool || b&bitSpecialPool != 0
	o.Races = o.Races || b&bitRaces != 0
}

// watch tells the packages below how closely memory is watched. Special pool makes stale accesses fault,
// in the test's own goroutine too; a panic says where, a crash of the process does not.
func (o *Options) watch(k *ke.Machine) {
	if o.SpecialPool {
		pool.OptionsOf(k).SpecialPool = true
		debug.SetPanicOnFault(true)
	}
}

// late reports whether the run found freed memory changed without knowing who did it.
func (m *Machine) late() bool {
	for _, f := range m.failures() {
		if pool.FoundLate(&f) {
			return true
		}
	}
	return false
}

// specially repeats a run that found freed memory changed with special pool, which knows who did it; nil
// where that shows nothing more. Up to the access the run goes the same way.
func (e *explorer) specially(t *Token) (*Machine, *runTB) {
	with := *t
	with.Options |= bitSpecialPool
	m, tb := e.runToken(&with, false)
	if m.late() || len(m.failures()) == 0 || len(tb.messages) == 0 {
		m.ke.Close()
		return nil, nil
	}
	return m, tb
}
