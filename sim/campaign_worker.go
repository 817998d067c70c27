package sim

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"strings"
)

// loop makes runs until there are none left. A run that ends this goroutine (FailNow) costs no more than a
// new one.
func (w *worker) loop() {
	w.ended = true
	finished := false
	defer func() {
		if finished {
			return
		}
		defer w.goOn(recover()) // also if what is left of the run ends the goroutine again
		if w.exits = true; !w.ended {
			w.finish()
		}
	}()
	for {
		run, ok := w.e.take()
		if !ok {
			break
		}
		w.measure(run)
		src, ok := w.source(run)
		if !ok {
			w.e.noMore()
			break
		}
		w.begin(run, src)
		w.e.fn(w.m)
		w.finish()
	}
	finished = true
	w.ke.Close()
	w.e.wg.Done()
}

// goOn continues on a new goroutine after this one was ended by a run.
func (w *worker) goOn(value any) {
	if value != nil {
		w.e.mu.Lock()
		w.e.broken = fmt.Sprintf("%v\n\nin run %d of %s:\n%s", value, w.run, w.e.name, debug.Stack())
		w.e.mu.Unlock()
	}
	if !w.ended {
		w.tb.failed = true
		w.judge()
	}
	go w.loop()
}

func (w *worker) begin(run uint64, src chooser) {
	o := w.e.o.Options
	o.Seed, o.Collect, o.src, o.trail = run, false, src.src, src.trail
	if w.tb == nil {
		w.tb, w.m = &runTB{name: w.e.name}, &Machine{}
	}
	w.tb.again()
	w.run, w.ended, w.exits, w.before = run, false, false, w.e.tb.Failed()
	o.keep = o.keep || w.e.remembers(run)
	startIn(w.m, w.ke, w.tb, o, w.e.name, w.e.scenario, nil, true)
	w.m.pooled, w.m.repeat = true, w.e.repeat
}

// measure makes the boring run to learn what it takes, unless this worker has made it, or is about to.
func (w *worker) measure(run uint64) {
	if w.knows {
		return
	}
	w.knows = true
	if run == 1 || w.e.hunt != nil {
		return
	}
	w.learn(1, w.unjudged(chooser{w.choose.Boring(), w.choose.Trail()}))
	w.choose.Measured()
}

// finish calls what the run registered and judges it.
func (w *worker) finish() {
	w.tb.cleanup()
	w.judge()
}

func (w *worker) judge() {
	w.ended = true
	m, e := w.m, w.e
	if w.run == 1 {
		w.choose.Measured()
	}
	if e.hunt != nil && !e.searched(m) {
		return
	}
	w.count()
	// What a run says through the test itself and not through its machine can be told from what others say
	// at the same time only if it ends the run.
	failed := w.tb.failed || e.tb.Failed() && (w.exits && !w.tb.skipped || !w.before && e.o.Workers == 1)
	var failure *Failure
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults.Learn(w.run, m.ke.Choices())
	e.faults.Judged(w.run)
	defer func() { e.book.note(w.run, m, e.kind(m), failure) }()
	if e.remembers(w.run) {
		e.note(m, failed)
	}
	e.loads.add(e.loads.learns(m))
	e.busy = e.busy || m.ke.Log().Len() > 0
	e.result.Runs++
	e.result.Steps += m.Steps()
	if e.book == nil { // which does not keep them all
		e.hashes.add(e.kind(m))
	}
	if hs := m.hazards(); len(hs) > 0 && (!failed || len(m.failures()) == 0) {
		for _, f := range hs {
			sig := hazardKind(&f)
			if h, ok := e.hazards[sig]; !ok || w.run < h.run {
				e.hazards[sig] = hazard{w.run, f}
			}
		}
	}
	if !failed {
		return
	}
	f := e.failure(m, w.tb)
	f.Run = w.run
	if e.lowest == 0 || w.run < e.lowest {
		e.lowest = w.run
	}
	if failure = &f; e.book == nil {
		e.failed(f)
	}
}

// failure words a run that failed.
func (e *explorer) failure(m *Machine, tb *runTB) Failure {
	f := Failure{Token: m.Token(), Headline: m.headline()}
	if f.Rules = numbers(m.failures()); len(f.Rules) == 0 {
		f.Rules = numbers(m.hazards()) // the best there is to say why
	}
	if f.Headline == "" {
		f.Headline, _, _ = strings.Cut(strings.Join(tb.messages, "\n"), "\n")
		f.Headline = cmp.Or(f.Headline, "the scenario failed the test")
	}
	if f.signature = strings.Join(groups(m.failures()), "\n"); f.signature == "" {
		f.signature = same(f.Headline)
	}
	return f
}

// take gives the number of the next run worth making. Runs above the lowest that failed are not.
func (e *explorer) take() (run uint64, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h := e.hunt; h != nil && h.split && e.lowest == 0 {
		e.refine()
	}
	over := e.planned || e.hunt != nil && e.hunt.ended
	if e.next >= e.mine.n || e.broken != nil || over || e.limit.reached() || interrupts.signal() != nil {
		return 0, false
	}
	run = e.mine.at(e.next)
	if e.lowest != 0 && run > e.lowest && !e.o.KeepGoing {
		return 0, false
	}
	e.next++
	return run, true
}
