package explore

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

const ms = int64(ke.Millisecond)

// poll is a thread that looks at a flag until it is set, and does something in between.
func poll(m *ke.Machine, flag *bool, between func(k *ke.K)) {
	m.NewThread("poller", nil, func(k *ke.K) {
		for {
			ke.Point(k, ke.Reads(trace.MakeID(trace.Var, 1)))
			if *flag {
				return
			}
			between(k)
		}
	})
}

// set is a thread that sets a flag after some steps.
func set(m *ke.Machine, flag *bool) {
	m.NewThread("setter", nil, func(k *ke.K) {
		for range 10 {
			ke.Point(k, ke.Writes(trace.MakeID(trace.Var, 2)))
		}
		ke.Point(k, ke.Writes(trace.MakeID(trace.Var, 1)))
		*flag = true
	})
}

// polls are the ways of polling a driver may choose.
var polls = map[string]func(k *ke.K){
	"yields":  ke.Yield,
	"sleeps":  func(k *ke.K) { ke.Sleep(k, -ms) },
	"stalls":  func(k *ke.K) { ke.Stall(k, ke.Microsecond) },
	"nothing": func(*ke.K) {},
}

// Two drivers poll for what a third does. Whatever the strategy, every run ends long before the limit of
// steps, also where time may pass at any moment. Reference: scheduling.md 8.2.
func TestStrategies_PollingEnds(t *testing.T) {
	for way, between := range polls {
		for _, races := range []bool{false, true} {
			for _, name := range append([]string{"default"}, sampled...) {
				if name == "default" && (way == "nothing" || races) {
					continue // it goes on with who goes on
				}
				flag, most := false, uint64(0)
				scenario := func(m *ke.Machine) {
					flag = false
					poll(m, &flag, between)
					poll(m, &flag, between)
					set(m, &flag)
					m.Run(nil)
				}
				l := startLane(t, name, way == "nothing", ke.Config{TimersRace: races, MaxSteps: 100_000},
					scenario)
				for run := uint64(2); run < 200; run++ {
					l.make(0, run)
					most = max(most, l.m.Steps())
					assert.Empty(t, l.m.Threads(), "%s, %s, run %d", name, way, run)
				}
				assert.Less(t, most, uint64(20_000), "%s, %s, timers race: %v", name, way, races)
			}
		}
	}
}

// startLane is newLane. endless says that the boring run would never end: then it is not made, and the
// strategy knows nothing.
func startLane(t *testing.T, strategy string, endless bool, cfg ke.Config, run func(m *ke.Machine)) *lane {
	t.Helper()
	if !endless {
		return newLane(t, strategy, cfg, run)
	}
	l := newLane(t, strategy, cfg, func(*ke.Machine) {})
	l.run = run
	return l
}
