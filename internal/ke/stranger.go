package ke

import (
	"fmt"
	"runtime"
	"strings"

	"calloutsim/internal/ddi"
)

// A goroutine that a driver starts is no context of the machine: nothing orders what it does, and a panic in
// it would end the whole process.

// isForeign reports whether another goroutine runs than the one of the context that has the baton. Contexts
// of `ksim race` run on several.
func (m *Machine) isForeign() bool { return !GoRaces && currentG() != m.onG }

// ownGoroutines are in the stacks of goroutines that may use a machine: those of contexts, of tests and of
// the harness.
var ownGoroutines = [...]string{"calloutsim/internal/ke.(*stack)", "calloutsim/internal/ke.(*Machine).Run(",
	"testing.tRunner(", "testing.runFuzzing(", "calloutsim/sim.(*Machine)", "calloutsim/sim.(*worker)",
	"calloutsim/sim.(*explorer)", "calloutsim/sim.apart", "main.main("}

// stranger ends the goroutine that uses k if a driver or test has started it, and notes who: the machine goes
// on, and whoever drives it is told.
func (m *Machine) stranger(k *K, d ddi.ID) {
	b := make([]byte, 64<<10)
	text := string(b[:runtime.Stack(b, false)])
	for _, own := range ownGoroutines {
		if strings.Contains(text, own) {
			return
		}
	}
	_, by, ok := strings.Cut(text, "\ncreated by ")
	if !ok || strings.HasPrefix(by, "iter.Pull") {
		return
	}
	name, rest, _ := strings.Cut(by, " in goroutine")
	_, place, _ := strings.Cut(rest, "\n\t")
	place, _, _ = strings.Cut(place, " ")
	m.foreign = fmt.Sprintf("a goroutine calls %v with the K of %q. %s started it with go, at %s: a driver "+
		"starts no goroutines, since nothing decides when they run. Use PsCreateSystemThread, a work item "+
		"or a DPC",
		d, k.name, shortFunc(name), strings.TrimSpace(place[strings.LastIndexByte(place, '/')+1:]))
	runtime.Goexit()
}

// Stranger says which goroutine that is no context of the machine has used it, "" if none has, and forgets
// it.
func (m *Machine) Stranger() string {
	s := m.foreign
	m.foreign = ""
	return s
}
