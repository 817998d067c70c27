// Package explored has tests that fail, for the commands that explore and repeat tests.
package explored

import (
	"testing"

	irppassthrough "calloutsim/docs/examples/irp-passthrough"
	"calloutsim/docs/examples/irp-passthrough/scenario"
	"calloutsim/irql"
	"calloutsim/sim"
)

// lost is a scenario in which an update is lost in some schedules.
func lost(m *sim.Machine) {
	n := 0
	var lock irql.KSPIN_LOCK
	m.Thread("init.sys", func(k *irql.K) { irql.KeInitializeSpinLock(k, &lock) })
	m.Run()
	add := func(k *irql.K) {
		v := n
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, &lock, &old)
		irql.KeReleaseSpinLock(k, &lock, old)
		n = v + 1
	}
	m.Thread("a.sys", add)
	m.Thread("b.sys", add)
	m.Run()
	if n != 2 {
		m.Errorf("counter is %d", n)
		m.FailNow()
	}
}

func TestClean(t *testing.T) {
	sim.Explore(t, sim.ExploreOptions{Runs: 100}, scenario.Stack(irppassthrough.None))
}

func TestLost(t *testing.T) { sim.Explore(t, sim.ExploreOptions{}, lost) }

func TestSub(t *testing.T) {
	t.Run("lost (again)", func(t *testing.T) { sim.Explore(t, sim.ExploreOptions{}, lost) })
}

func TestRule(t *testing.T) {
	sim.Explore(t, sim.ExploreOptions{}, scenario.Stack(irppassthrough.TouchedAfterSend))
}

func TestCollects(t *testing.T) {
	o := sim.ExploreOptions{Options: sim.Options{Collect: true}}
	if r := sim.Explore(t, o, scenario.Stack(irppassthrough.TouchedAfterSend)); len(r.Failures) == 0 {
		t.Error("nothing found")
	}
}

func TestPlain(t *testing.T) {}

func TestUnlucky(t *testing.T) { t.Error("no luck") }

func TestFault(t *testing.T) { panic("internal error: made up") }
