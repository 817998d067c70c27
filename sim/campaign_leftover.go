package sim

import (
	"fmt"
	"slices"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	simtrace "calloutsim/sim/trace"
)

// Every run has to begin as if there had been none before it, and to go the same way whenever it is made.
// What an exploration says is worth nothing otherwise, so it makes its first run, the boring one, once more
// when it has made all others.

// remember takes a run down, of which all events were kept.
func remember(m *Machine, failed bool) *firstRun {
	r := &firstRun{hash: m.Hash(), contexts: map[uint16]string{}, deviations: m.Token().Deviations,
		failed: failed}
	log, names := m.ke.Log(), m.names()
	for seq := uint64(1); seq <= log.Len(); seq++ {
		e := log.At(seq)
		if _, ok := r.contexts[e.Ctx]; !ok {
			r.contexts[e.Ctx] = names.Context(e.Ctx)
		}
		r.events = append(r.events, *e)
	}
	for _, img := range m.ke.Images() {
		r.images = append(r.images, img.Name)
	}
	return r
}

// line words an event; behind the last one there is the end of the run.
func (r *firstRun) line(i int) string {
	if i >= len(r.events) {
		return "the end of the run"
	}
	return simtrace.Full(uint64(i)+1, &r.events[i], &simtrace.Names{
		Start:   -ke.Since(0),
		Context: func(num uint16) string { return r.contexts[num] },
		Driver: func(num uint16) string {
			if n := int(num); n >= 1 && n <= len(r.images) {
				return r.images[n-1]
			}
			return ""
		},
		Func:   ke.FuncName,
		Rule:   func(id uint64) string { return verify.RuleID(id).String() },
		Source: func(uint64) string { return "" },
		Remark: func(uint64) string { return "" },
		Marks:  func(uint64) string { return "" },
	})
}

// differs gives the first event in which another run differs, -1 if there is none.
func (r *firstRun) differs(o *firstRun) int {
	if r.hash == o.hash {
		return -1
	}
	hashed := func(e *trace.Event) [2]uint64 {
		return [2]uint64{trace.Where(e.What, e.Code, e.Ctx, e.CPU, e.IRQL),
			trace.About(e.Obj, e.Obj2, e.Status, e.A, e.B)}
	}
	for i := range min(len(r.events), len(o.events)) {
		if hashed(&r.events[i]) != hashed(&o.events[i]) {
			return i
		}
	}
	return min(len(r.events), len(o.events))
}

// remembers reports whether a run is the one to remember: the first one, if everything in it is boring.
func (e *explorer) remembers(run uint64) bool { return run == 1 && !ke.GoRaces }

// note remembers run 1, unless it has been or something in it is not boring.
func (e *explorer) note(m *Machine, failed bool) {
	odd := func(c ke.Choice) bool { return c.Pick != 0 && !c.Pinned }
	if e.first == nil && !slices.ContainsFunc(m.ke.Choices(), odd) {
		e.first = remember(m, failed)
	}
}

// boringAgain makes the boring run once more. nil says that the scenario panics.
func (e *explorer) boringAgain() *firstRun {
	o := e.o.Options
	o.Seed, o.Collect, o.src, o.trail, o.keep = 1, true, ke.Boring{}, nil, true
	tb := &runTB{name: e.name}
	k := &ke.Machine{}
	defer k.Close()
	var m *Machine
	fault := apart(tb, func() {
		m = start(k, tb, o, e.name, e.scenario, nil, true)
		m.pooled = true
		e.fn(m)
	})
	if fault != nil {
		return nil
	}
	return remember(m, tb.failed)
}

// tellRepeats says whether the boring run still is what it was at first.
func (e *explorer) tellRepeats(r *Result) {
	e.tb.Helper()
	if e.first == nil || r.Runs < 2 {
		return
	}
	again := e.boringAgain()
	at := 0
	if again != nil {
		at = e.first.differs(again)
	}
	if at < 0 {
		return
	}
	why, now := leftOver, "a panic of the scenario"
	if again != nil {
		now = again.line(at)
		if third := e.boringAgain(); third != nil && again.differs(third) >= 0 {
			why = "the driver or the test is not deterministic (math/rand, time, map order, a goroutine?), " +
				"or every run changes something that outlives it"
		}
	}
	r.Complete = false
	r.Unrepeatable = fmt.Sprintf("the boring run was made once more at the end, and is not what it was as "+
		"run 1: %s. They differ first at event %d:\n  run 1: %s\n  now:   %s", why, at+1, e.first.line(at),
		now)
	if e.o.Collect {
		e.tb.Logf("sim: %s", r.Unrepeatable)
		return
	}
	e.tb.Errorf("sim: %s", r.Unrepeatable)
}

// leftOver is what makes a run go another way than before although two in a row agree.
const leftOver = "something is left over from one run to the next (a driver object or a variable made " +
	"outside the scenario, a package variable)"

// leftover says so of a failing run that is the boring one although run 1 passed; "" of any other.
func (e *explorer) leftover(f *Failure) string {
	if e.first == nil || e.first.failed || f.Run == 1 ||
		!slices.Equal(f.Minimal.Deviations, e.first.deviations) {
		return ""
	}
	return "This is the boring run, as run 1 was, and run 1 passed: " + leftOver + ".\n"
}
