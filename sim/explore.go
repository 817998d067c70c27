package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/sim/report"
)

// Explore runs a scenario again and again, each time on a machine as new, with other choices. scenario sets
// up the machine it is given and runs it; what it checks afterwards it checks with require or assert on the
// machine itself (require.Equal(m, …)) or on t. The first violation, by run number, is repeated with all
// events and stacks recorded and compared with the run it repeats. Then the simplest run that fails in the
// same way is looked for (scheduling.md 13), written to testdata/sim of the package, and fails the test with
// its report. Runs that were written earlier are repeated first. With Options.Collect nothing is written, and
// the test looks at the Result itself.
func Explore(t testing.TB, o ExploreOptions, scenario func(m *Machine)) Result {
	t.Helper()
	number := nextMachine(t)
	token, err := o.fromFlags()
	if err == nil {
		err = o.check()
	}
	if err != nil {
		t.Fatalf("sim.Explore: %v", err)
	}
	e := &explorer{tb: t, o: o, fn: scenario, name: t.Name(), scenario: hashName(t.Name(), number),
		repeat: func(token string) []string { return goTest(t.Name(), token) }}
	if err := e.spread(token); err != nil {
		t.Fatalf("sim.Explore: %v", err)
	}
	if token = tokenFor(t, token, t.Name(), number); token != nil {
		token.withStory(e.name)
		return e.repeatOnly(token)
	}
	kept := e.repeatKept()
	before := t.Failed()
	r := e.afterKept(kept)
	if t.Failed() && !before && len(r.Failures) == 0 && !e.idle {
		t.Log("sim: some run failed the test. To know which, let the scenario check through its machine, " +
			"as in require.Equal(m, …), or use one worker")
	}
	if len(r.Failures) > 0 && !o.Collect {
		for _, f := range r.Failures {
			if f.Run > 0 {
				attr(t, "sim.seed", fmt.Sprint(f.Run))
			}
			for _, rule := range f.Rules {
				attr(t, "sim.rule", rule)
			}
			t.Errorf("\n%s", f.Report)
		}
		t.FailNow()
	}
	return r
}

// explore makes the runs, repeats those that failed and gives the result.
func (e *explorer) explore() Result {
	e.tb.Helper()
	defer e.book.release()
	e.failures, e.hazards, e.loads = map[string]Failure{}, map[string]hazard{}, attempts{}
	if err := e.startSearch(); err != nil {
		e.tb.Errorf("sim.Explore: %v", err)
		return Result{Strategy: e.o.Strategy}
	}
	e.faults = e.o.strategy.Faults(e.o.planned)
	for range min(e.o.Workers, e.mine.n) {
		e.wg.Add(1)
		w := &worker{e: e, ke: &ke.Machine{}, choose: e.o.strategy.Chooser()}
		go w.loop()
	}
	e.wg.Wait()
	if e.broken != nil {
		panic(e.broken)
	}
	e.result.Traces = e.hashes.size()
	e.settle()
	r := e.result
	for _, f := range e.kinds() {
		e.again(&f)
		r.Failures = append(r.Failures, f)
	}
	e.tellFaults(&r)
	e.covered(&r)
	e.emptyRuns(&r)
	e.tellRepeats(&r)
	e.tellCoverage(&r)
	if err := e.book.finish(e, &r); err != nil {
		e.tb.Errorf("sim.Explore: the results are not kept: %v", err)
	}
	var hs []hazard
	for _, h := range e.hazards {
		hs = append(hs, h)
	}
	slices.SortFunc(hs, func(a, b hazard) int {
		return cmp.Or(cmp.Compare(a.run, b.run), cmp.Compare(a.f.Seq, b.f.Seq),
			strings.Compare(a.f.Headline, b.f.Headline))
	})
	for _, h := range hs {
		r.Hazards = append(r.Hazards, h.f)
		line := report.Line(&h.f, subsystems.Rule(h.f.Rule))
		told := slices.ContainsFunc(r.Failures, func(f Failure) bool {
			return strings.Contains(f.Report, line)
		})
		if !e.o.Collect && !told {
			e.tb.Logf("sim: run %d: %s", h.run, line)
		}
	}
	return r
}

// spread prepares the part of the exploration that is made here. Repeating a token is none of that.
func (e *explorer) spread(token *Token) error {
	plan := e.plan()
	e.mine.first, e.mine.n = plan.Part(e.o.shard)
	e.mine.step = uint64(plan.Shards)
	if plan.Search { // shards divide the tree, not the numbers
		e.mine.step = 1
	}
	if token != nil {
		return nil
	}
	if e.o.Out != "" {
		if err := e.open(); err != nil {
			return err
		}
	}
	if e.o.Budget > 0 {
		e.limit.at = time.Now().Add(e.o.Budget)
	}
	return nil
}

// settle completes the result after the last run.
func (e *explorer) settle() {
	why := ""
	switch {
	case e.next >= e.mine.n || e.lowest != 0 && !e.o.KeepGoing:
	case interrupts.signal() != nil:
		why = "interrupted"
	case e.limit.hit:
		why = "budget"
	}
	e.result.Incomplete = why
	e.book.settle(e)
	if why != "" {
		e.tb.Logf("sim: incomplete (%s): %d of %d runs made", why, e.result.Runs, e.mine.n)
	}
}
