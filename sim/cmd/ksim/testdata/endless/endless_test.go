package endless

import (
	"testing"

	"calloutsim/internal/ke"
	"calloutsim/sim"
)

func TestInterrupted(t *testing.T) {
	sim.Explore(t, sim.ExploreOptions{}, func(m *sim.Machine) {
		m.Thread("a", func(k *ke.K) { ke.Yield(k) })
		m.Thread("b", func(k *ke.K) { ke.Yield(k) })
		m.Run()
	})
}
