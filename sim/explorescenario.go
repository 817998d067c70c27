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
	e := &explorer{tb: tb, o: o, fn: s.Run, name: s.Name,
		scenario: hashName("scenario/"+s.Name, 1), noKeep: true,
		repeat: func(token string) []string {
			return []string{"ksim run " + s.Name + " --replay " + token}
		}}
	if err := e.spread(nil); err != nil {
		return Result{}, err
	}
	r := e.explore()
	if tb.failed {
		return r, errors.New(strings.Join(tb.messages, "; "))
	}
	return r, nil
}
