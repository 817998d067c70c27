// Package explore holds the ways of choosing: strategies that sample schedules, one run at a time, and
// searches that go through all of them (scheduling.md 8, 9). It decides and nothing else: who makes machines
// and runs them is package sim.
//
// Modelled: the strategies of scheduling.md 8.1 by their names there. Not modelled: coverage guidance.
package explore

import (
	"fmt"

	"calloutsim/internal/ke"
)

// Strategy says how the choices of numbered runs are made. Run 1 is always the boring one.
type Strategy struct {
	Name   string
	make   func() maker   // one for each worker
	looks  bool           // at the Estimate
	faults func() *Faults // of the strategies that go through faults; they have no other runs

	NoFaults, NoAnswers bool // nothing fails; Windows gives none but its boring answers
}

// maker gives the source of one run; the source is good until the next call.
type maker func(master, run uint64, e *Estimate) ke.Source

// strategies are those that sample, by name.
var strategies = []Strategy{
	{Name: "default", make: newBoring},
	{Name: "random", make: newRandom},
	{Name: "pct2", make: func() maker { return newPCT(2) }, looks: true},
	{Name: "pct3", make: func() maker { return newPCT(3) }, looks: true},
	{Name: "pos", make: newPOS, looks: true},
	{Name: "urw", make: newURW, looks: true},
	{Name: "surw", make: newSURW, looks: true},
	{Name: "portfolio", make: newPortfolio, looks: true},
	{Name: "faults1", make: newBoring, faults: func() *Faults { return newFaults(false) }},
	{Name: "faults2", make: newBoring, faults: func() *Faults { return newFaults(true) }},
}

func newBoring() maker { return func(uint64, uint64, *Estimate) ke.Source { return ke.Boring{} } }

func newRandom() maker {
	r := &ke.Random{}
	return func(master, run uint64, _ *Estimate) ke.Source {
		r.Seed(master, run)
		return r
	}
}

// newPortfolio takes another strategy for every run, as no single one is the best for everything
// (scheduling.md 8.1).
func newPortfolio() maker {
	all := [...]maker{newRandom(), newPCT(2), newPCT(3), newURW(), newPOS()}
	return func(master, run uint64, e *Estimate) ke.Source {
		if run <= 1 {
			return ke.Boring{}
		}
		return all[(run-2)%uint64(len(all))](master, run, e)
	}
}

// Parse finds a strategy by name.
func Parse(name string) (Strategy, error) {
	list := ""
	for _, s := range strategies {
		if s.Name == name {
			return s, nil
		}
		list += ", " + s.Name
	}
	return Strategy{}, fmt.Errorf("strategy %q is not known; there are %s, dfs, dpor, preemptN, delayN", name,
		list[2:])
}

// Names lists the strategies, of both kinds, those with a number for a small one.
func Names() (names []string) {
	for _, s := range strategies {
		names = append(names, s.Name)
	}
	return append(names, "dfs", "dpor", "preempt1", "preempt2", "delay1", "delay2")
}

// Check says what is wrong with the name of a strategy of either kind.
func Check(name string) error {
	if _, ok, err := ParseExhaustive(name); ok || err != nil {
		return err
	}
	_, err := Parse(name)
	return err
}

// Faults plans the runs with faults of one exploration of so many runs. The portfolio lets everything fail
// once, in at most a third of its runs. nil means that the strategy has no such runs.
func (s *Strategy) Faults(runs int) *Faults {
	switch {
	case s.faults != nil:
		f := s.faults()
		f.none = s.NoFaults
		return f
	case s.Name == "portfolio" && !s.NoFaults:
		return FaultsBefore(runs / 3)
	}
	return nil
}

// Ends reports whether the strategy comes to an end by itself.
func (s *Strategy) Ends() bool { return s.faults != nil }

// Chooser makes the sources of one worker's runs.
type Chooser struct {
	make  maker
	est   Estimate
	meas  Measure
	looks bool      // at est
	trail *ke.Trail // until est is measured
	calm  calm      // what it leaves alone
}

// Chooser returns a chooser of its own for one worker.
func (s *Strategy) Chooser() *Chooser {
	c := &Chooser{make: s.make(), looks: s.looks, calm: calm{faults: s.NoFaults, answers: s.NoAnswers}}
	if s.looks {
		c.trail = &ke.Trail{}
	}
	return c
}

// Boring gives the source of run 1, which also measures what the other runs need to know. The machine is to
// have the Trail. Call Measured when the run is over.
func (c *Chooser) Boring() ke.Source {
	if !c.looks {
		return ke.Boring{}
	}
	c.meas = Measure{}
	return &c.meas
}

// Trail is what the machine of run 1 has to have for the measurement, nil if nothing is measured: with it a
// scheduler is asked at every step. It is nil when the measurement has been made.
func (c *Chooser) Trail() *ke.Trail { return c.trail }

// Measured takes up what the boring run has shown, the first time it is made.
func (c *Chooser) Measured() {
	if c.trail == nil { // measured already, or nothing to measure
		return
	}
	c.est, c.trail = c.meas.finish(), nil
}

// Source gives the source of a run from number 2 on, after Measured.
func (c *Chooser) Source(master, run uint64) ke.Source {
	src := c.make(master, run, &c.est)
	if !c.calm.faults && !c.calm.answers {
		return src
	}
	c.calm.Source = src
	if sched, ok := src.(ke.Scheduler); ok {
		return calmScheduler{&c.calm, sched}
	}
	return &c.calm
}

// calm lets nothing fail, or gives none but the boring answers, and leaves everything else to a Source.
type calm struct {
	ke.Source
	faults, answers bool
}

// Choose answers what it is there for, and passes all other questions on.
func (c *calm) Choose(s *ke.Site, n int) int {
	if kind := KindOf(s); c.faults && kind == Fault || c.answers && kind == World {
		return 0
	}
	return c.Source.Choose(s, n)
}

// calmScheduler is calm where the Source says who goes on, too.
type calmScheduler struct {
	*calm
	sched ke.Scheduler
}

// Pick passes the question on.
func (c calmScheduler) Pick(m *ke.Machine, at *ke.Moment) int { return c.sched.Pick(m, at) }
