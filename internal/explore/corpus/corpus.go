// Package corpus is a collection of small scenarios with and without bugs, for tests of whatever looks for
// bugs: what it should find, how often, and how many orders there are. Drivers in it call the routines of
// irql and irp as real ones do.
//
// Ours are named for what they do. Those with an Origin have their idea, and nothing else, from a published
// benchmark: the kernels of GoBench (Yuan et al., CGO 2021) and the programs of SCTBench (Thomson, Donaldson,
// Betts, TOPC 2016) that make sense with locks and events. A channel is a pair of semaphores there. A lock
// that is held while others are taken is a semaphore too: the order of mutexes is watched, and reported even
// where nothing goes wrong.
package corpus

import (
	"slices"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// Scenario is a few threads and what they do.
type Scenario struct {
	Name   string
	Origin string // whose idea it is; "" for ours
	Bug    string // what goes wrong in some schedules; "" when nothing does in any
	Orders uint64 // partial orders of its steps, by a closed form; 0 where there is none
	Timers bool   // needs ke.Config.TimersRace
	Build  func(l *Lab)
}

// All lists every scenario. Names differ.
func All() []Scenario {
	return slices.Concat(counting(), waiting(), requests(), routines(), sctBench(), goKer(), goKerChannels())
}

// Find gives a scenario by name.
func Find(name string) (Scenario, bool) {
	all := All()
	i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return Scenario{}, false
	}
	return all[i], true
}

// Config adds to the options of a machine those that the scenario needs.
func (s *Scenario) Config(c ke.Config) ke.Config {
	c.TimersRace = c.TimersRace || s.Timers
	return c
}

// Run runs the scenario on a machine as new, and says what went wrong: "" when nothing did or when the
// scheduler cut the run.
func (s *Scenario) Run(m *ke.Machine) string {
	l := &Lab{m: m, driver: m.NewImage("corpus.sys")}
	s.Build(l)
	m.Run(nil)
	m.RunEndChecks()
	return l.verdict()
}

// Lab is one machine with one driver whose routines run in threads.
type Lab struct {
	m      *ke.Machine
	driver *ke.Image
	wrong  string
	checks []func() string
}

// setUp runs fn before everything else, for what must be initialised.
func (l *Lab) setUp(fn func(k *irql.K)) {
	l.thread("set-up", fn)
	l.m.Run(nil)
}

// thread starts a routine of the driver in a thread of its own. For the checks at the end it is a callback:
// one that waits for ever is a deadlock.
func (l *Lab) thread(name string, fn func(k *irql.K)) { l.threadOf(l.driver, name, fn) }

func (l *Lab) threadOf(img *ke.Image, name string, fn func(k *irql.K)) {
	l.m.NewThread(name, nil, func(k *irql.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameWorkItem, Image: img})
		fn(k)
		ke.Pop(k)
	})
}

// threads starts one routine n times.
func (l *Lab) threads(n int, fn func(k *irql.K, i int)) {
	for i := range n {
		l.thread(string(rune('a'+i)), func(k *irql.K) { fn(k, i) })
	}
}

// fail says that something went wrong. The first to say so counts.
func (l *Lab) fail(what string) {
	if l.wrong == "" {
		l.wrong = what
	}
}

// failIf is fail under a condition.
func (l *Lab) failIf(wrong bool, what string) {
	if wrong {
		l.fail(what)
	}
}

// after has something checked when the run is over and everybody has ended.
func (l *Lab) after(check func() string) { l.checks = append(l.checks, check) }

func (l *Lab) verdict() string {
	if l.m.WasCut() {
		return ""
	}
	for i := range l.m.Findings() {
		if f := &l.m.Findings()[i]; f.Severity() > verify.Note {
			return f.Rule.String() + ": " + f.Headline
		}
	}
	for _, check := range l.checks {
		l.fail(check())
	}
	return l.wrong
}
