package sim

import (
	"runtime/debug"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
)

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
