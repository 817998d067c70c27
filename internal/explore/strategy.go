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

// Estimate is what the boring run of a scenario took. Strategies that need it take it from that run and no
// other, so that run k depends on no run before it.
type Estimate struct {
	Decisions int              // with two options or more
	Steps     map[ke.Actor]int // of those, how many each actor took
}

// Strategy says how the choices of numbered runs are made. Run 1 is always the boring one.
type Strategy struct {
	Name string
	make func() maker // one for each worker
}

// maker gives the source of one run; the source is good until the next call.
type maker func(master, run uint64, e *Estimate) ke.Source

// strategies are those that sample, by name.
var strategies = []Strategy{
	{"default", func() maker { return func(uint64, uint64, *Estimate) ke.Source { return ke.Boring{} } }},
	{"random", newRandom},
	{"portfolio", newRandom},
}

func newRandom() maker {
	r := &ke.Random{}
	return func(master, run uint64, _ *Estimate) ke.Source {
		r.Seed(master, run)
		return r
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
	return Strategy{}, fmt.Errorf("strategy %q is not known; there are %s", name, list[2:])
}

// Chooser makes the sources of one worker's runs.
type Chooser struct {
	make maker
	est  Estimate
	meas *Measure
}

// Chooser returns a chooser of its own for one worker.
func (s *Strategy) Chooser() *Chooser { return &Chooser{make: s.make(), meas: &Measure{}} }

// Boring gives the source of run 1, which also measures what the other runs need to know. Call Measured when
// the run is over.
func (c *Chooser) Boring() ke.Source {
	c.meas.reset()
	return c.meas
}

// Measured takes up what the boring run has shown.
func (c *Chooser) Measured() { c.est = c.meas.Estimate }

// Source gives the source of a run from number 2 on, after Measured.
func (c *Chooser) Source(master, run uint64) ke.Source { return c.make(master, run, &c.est) }

// Measure is the boring schedule, which it counts.
type Measure struct{ Estimate }

func (m *Measure) reset() { m.Estimate = Estimate{Steps: map[ke.Actor]int{}} }

// Choose returns 0.
func (m *Measure) Choose(*ke.Site, int) int { return 0 }

// Pick returns 0.
func (m *Measure) Pick(_ *ke.Machine, at *ke.Moment) int {
	m.Decisions++
	m.Steps[at.Options[0].Actor]++
	return 0
}
