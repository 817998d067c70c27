package sim

import (
	"errors"
	"strings"
)

// ExploreScenario is Explore for a scenario that ksim knows by name, without a test. What was set by flags
// and environment does not count, but for the shard.
func ExploreScenario(s Scenario, o ExploreOptions) (Result, error) {
	err := o.complete(true)
	if err == nil {
		err = o.check()
	}
	if err == nil {
		o.shard, o.shards, err = o.Resolve()
	}
	if err != nil {
		return Result{}, err
	}
	tb := &runTB{name: s.Name}
	e := explorerOf(&s, tb, o)
	if err := e.spread(nil); err != nil {
		return Result{}, err
	}
	interrupts.enter()
	r := e.explore()
	interrupts.leave()
	if tb.failed {
		return r, errors.New(strings.Join(tb.messages, "; "))
	}
	return r, nil
}

// explorerOf prepares an exploration of a scenario.
func explorerOf(s *Scenario, tb TB, o ExploreOptions) *explorer {
	return &explorer{tb: tb, o: o, fn: s.Run, name: s.Name, scenario: s.hash(), noKeep: true,
		repeat: s.repeat}
}
