package sim

import (
	"fmt"
	"testing"

	"calloutsim/internal/subsystems"
	"calloutsim/sim/coverage"
)

// RequireCoverage fails the test unless the runs, which ExploreOptions.Coverage had counted, covered what the
// level asks for. It names everything that is missing, and how to make it come up:
//
//	r := sim.Explore(t, sim.ExploreOptions{Runs: 1000, Coverage: true}, story)
//	r.RequireCoverage(t, sim.CoverageLevel{Faults: true, Env: true,
//		Except: []string{"WskDisconnect answer=inline"}})
func (r *Result) RequireCoverage(t testing.TB, level CoverageLevel) {
	t.Helper()
	if r.Coverage == nil {
		t.Fatal("RequireCoverage needs runs that were counted: set ExploreOptions.Coverage")
	}
	missing, err := r.Coverage.Missing(level)
	if err != nil {
		t.Fatalf("RequireCoverage: %v", err)
	}
	if len(missing) == 0 {
		return
	}
	text := ""
	for _, k := range missing {
		text += "\n  "
		if k.Image != "" {
			text += k.Image + ": "
		}
		text += k.String()
		switch fix := k.Fix(); {
		case fix != "" && r.Coverage.Asked(k):
			text += fmt.Sprintf("   (-sim.fix=%q brings it about)", fix)
		case fix != "":
			text += "   (the question never came up)"
		}
	}
	t.Errorf("%d outcomes never came up in %d runs:%s\nMake more runs, let the scenario do more, or name in "+
		"CoverageLevel.Except what cannot come up.", len(missing), r.Coverage.Runs, text)
}

// count counts the run of a worker that has ended, if that was asked for.
func (w *worker) count() {
	if !w.e.o.Coverage {
		return
	}
	if w.cover == nil {
		w.cover = coverage.New(subsystems.All())
		w.e.mu.Lock()
		w.e.covers = append(w.e.covers, w.cover)
		w.e.mu.Unlock()
	}
	w.cover.Run(w.m.ke)
}

// tellCoverage puts together what the workers counted and says it.
func (e *explorer) tellCoverage(r *Result) {
	if !e.o.Coverage {
		return
	}
	r.Coverage = &Coverage{}
	for _, c := range e.covers {
		r.Coverage.Merge(c.Set())
	}
	if !e.o.Collect {
		e.tb.Logf("sim: %v", r.Coverage)
	}
	attr(e.tb, "sim.coverage", r.Coverage.Summary())
}
