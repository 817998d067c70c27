package irp_test

import (
	"flag"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/ntstatus"
)

// modelCases is how many random cases plain `go test` tries; -rapid.checks asks for another number.
const modelCases = 2000

// statuses are one or two of each class a request can end with.
var statuses = []ntstatus.NTSTATUS{ok, failed, ntstatus.STATUS_OBJECT_NAME_EXISTS,
	ntstatus.STATUS_BUFFER_OVERFLOW, 0x00000001, ntstatus.STATUS_CANCELLED, 0x7FFFFFFF, 0xC0000000}

// TestModel_DriversSeeWhatTheSpecificationSays: well-behaved drivers in random stacks, under random
// schedules, are called in the order and with the values that a model written from irp.md 2 to 5 gives, and
// break no rule.
func TestModel_DriversSeeWhatTheSpecificationSays(t *testing.T) {
	cases(t)
	m := ke.New(ke.Config{Subsystems: subsystems.All()})
	t.Cleanup(m.Close)
	rapid.Check(t, func(t *rapid.T) { playBoth(t, m, drawPlan(t)) })
}

// cases sets the number of cases unless the command line does.
func cases(t *testing.T) {
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if asked {
		return
	}
	f := flag.Lookup("rapid.checks")
	before := f.Value.String()
	n := modelCases
	if testing.Short() {
		n /= 4
	}
	f.Value.Set(strconv.Itoa(n))
	t.Cleanup(func() { f.Value.Set(before) })
}

// playBoth plays a plan over package irp and over the model and compares.
func playBoth(t *rapid.T, m *ke.Machine, p *plan) {
	cfg := ke.Config{Processors: p.Processors, Events: -1}
	if p.Seed != 0 {
		cfg.Source = trial.NoFaults{Random: ke.NewRandom(p.Seed, 0)}
	}
	m.Reset(cfg)
	s := &realStack{m: m}
	s.build(len(p.Levels))
	for i := range p.Requests {
		s.start(&realRun{run: newRun(p, &p.Requests[i])})
	}
	m.Run(nil)
	m.RunEndChecks()
	for _, f := range m.Findings() {
		if f.Severity() == verify.Error {
			t.Fatalf("well-behaved drivers break %v: %s\n%v", f.Rule, f.Headline, f.Dump)
		}
	}
	for i, r := range s.runs {
		if !r.ended {
			t.Fatalf("the creator of request %d waits for ever", i)
		}
		if d := irp.Sim.DumpIRP(m, r.id); d != nil {
			t.Fatalf("the IRP of request %d is left:\n%v", i, d)
		}
		want := expected(p, r, s)
		if d := cmp.Diff(want, &r.rec); d != "" {
			t.Fatalf("request %d, cancelled after %d steps, %v: -model +irp\n%s", i, r.cancelAt,
				r.cancelledHere, d)
		}
	}
}

// expected is what the model says about a request, given what in it depended on the schedule.
func expected(p *plan, r *realRun, s *realStack) *modelRecord {
	r.cancelAt = s.cancelledAfter(r.id)
	q := newRun(p, r.req)
	q.cancelAt, q.yielded, q.cancelledHere = r.cancelAt, r.yielded, r.cancelledHere
	w := &modelWorld{r: q}
	q.create(w)
	w.work(func() bool { return false })
	return &q.rec
}

// --- random plans ---

func drawPlan(t *rapid.T) *plan {
	p := &plan{Processors: rapid.IntRange(1, 3).Draw(t, "processors"),
		Seed: rapid.Uint64().Draw(t, "schedule")}
	n := rapid.IntRange(1, 6).Draw(t, "devices")
	for lv := range n {
		p.Levels = append(p.Levels, drawLevel(t, lv == n-1))
	}
	waits := false
	for lv := n - 1; lv >= 0; lv-- {
		l := &p.Levels[lv]
		if waits && l.Do == sendsAgain && l.In != inWorkItem {
			l.In = inThread // a driver below waits: it may not be called at DISPATCH_LEVEL
		}
		waits = waits || l.Do == waitsForIt
	}
	for range rapid.IntRange(1, 3).Draw(t, "requests") {
		p.Requests = append(p.Requests, drawRequest(t))
	}
	return p
}

func drawLevel(t *rapid.T, last bool) levelPlan {
	do := rapid.IntRange(0, int(numBehaviours)-1)
	if last {
		do = rapid.IntRange(0, int(lastEnding))
	}
	l := levelPlan{Do: behaviour(do.Draw(t, "behaviour")),
		Status: rapid.SampledFrom(statuses).Draw(t, "status"),
		In:     context(rapid.IntRange(0, int(numContexts)-1).Draw(t, "context")), On: always}
	switch l.Do {
	case propagates, marksAndRewrites:
		l.On = invoke{rapid.Bool().Draw(t, "success"), rapid.Bool().Draw(t, "error"),
			rapid.Bool().Draw(t, "cancel")}
	case sendsAgain:
		l.Times = rapid.IntRange(0, 2).Draw(t, "times")
	}
	l.Rewrite = rapid.Bool().Draw(t, "rewrite")
	return l
}

func drawRequest(t *rapid.T) requestPlan {
	q := requestPlan{Bound: rapid.Bool().Draw(t, "bound"), Cancel: rapid.Bool().Draw(t, "cancel"), Rounds: 1}
	if q.Bound {
		q.Look = rapid.Bool().Draw(t, "look")
		return q
	}
	q.Own = rapid.Bool().Draw(t, "own location")
	if !q.Cancel {
		q.Wait = rapid.Bool().Draw(t, "wait")
	}
	if q.Wait {
		q.Rounds = rapid.IntRange(1, 3).Draw(t, "rounds")
	}
	return q
}
