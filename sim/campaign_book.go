package sim

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
	"calloutsim/sim/results"
)

// checkpoint is how often the results of an exploration that goes on are written down.
const checkpoint = time.Second

// open makes the book, or takes up the one that an interrupted exploration has left.
func (e *explorer) open() error {
	b := &book{dir: e.o.Out, mine: e.mine, pending: map[uint64]entry{}, written: time.Now(),
		every:    cmp.Or(e.o.checkpoint, checkpoint),
		findings: map[string]results.Finding{}, rules: map[string]bool{}, loads: attempts{}}
	b.shard.Header = results.Header{Schema: results.Schema, Plan: e.plan(), Shard: e.o.shard,
		Build: buildHash()}
	b.shard.Counters.State = results.Running
	path := filepath.Join(b.dir, b.shard.Header.FileName())
	var err error
	if b.lock, err = results.TakeLock(path); err != nil {
		return err
	}
	e.book = b
	switch old, err := results.Load(path); {
	case errors.Is(err, fs.ErrNotExist):
		return b.save() // a directory that cannot be written is told before the first run
	case err != nil:
		return err
	default:
		if why := b.resume(old); why != "" {
			return fmt.Errorf("%s: %s; remove it, or name another directory", path, why)
		}
	}
	b.had = b.shard.Counters.Runs
	if e.next = b.had; b.shard.Counters.State == results.Stopped {
		e.next = e.mine.n
	}
	return nil
}

// release lets others write the file.
func (b *book) release() {
	if b != nil {
		b.lock.Release()
	}
}

// resume takes up what an interrupted exploration has left, or says why it cannot.
func (b *book) resume(old *results.Shard) (why string) {
	h := &b.shard.Header
	if d := h.Differs(&old.Header.Plan); d != "" {
		return "the results there are of other runs: they differ in " + d
	}
	if h.Build != old.Header.Build {
		return "the test or what it tests was changed since these results were made"
	}
	old.Findings = slices.DeleteFunc(old.Findings, func(f results.Finding) bool { return f.Kept != "" })
	for _, f := range old.Findings {
		if _, err := ParseToken(f.Token); err != nil {
			return err.Error()
		}
		if len(f.Rules) == 0 && f.Severity != results.Error {
			return "a hazard without a rule"
		}
		b.findings[f.Signature] = f
	}
	for _, r := range old.Coverage.Rules {
		b.rules[r] = true
	}
	b.loads.add(old.Coverage.Drivers)
	b.shard = *old
	if b.shard.Counters.State != results.Stopped {
		b.shard.Counters.State = results.Running
	}
	return ""
}

// plan says what the exploration was asked to do.
func (e *explorer) plan() results.Plan {
	o := e.o
	if o.exhaustive != nil && o.Processors == 0 {
		o.Processors = Unbounded
	}
	p := results.Plan{Package: testPackage(), Test: e.name, Scenario: fmt.Sprintf("%08x", e.scenario),
		Strategy: o.Strategy, Options: o.inWords(), Master: o.Master, First: o.Seed0, Asked: o.Runs,
		KeepGoing: o.KeepGoing, Collect: o.Collect, Shards: o.shards, Search: o.exhaustive != nil}
	if o.exhaustive != nil {
		p.Options += fmt.Sprintf(", answers <= %d, faults <= %d", o.answerBound(), o.faultBound())
	} else {
		p.Options += o.without()
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		p.Module = info.Main.Path
	}
	return p
}

// inWords lists every option that changes what runs do or what is found in them.
func (o *Options) inWords() string {
	s := o.conditions()
	if o.Notes {
		s += ", notes"
	}
	if f := cmp.Or(o.FailOn, "error"); f != "error" {
		s += ", fails on " + f
	}
	if o.MaxSteps != 0 {
		s += fmt.Sprintf(", %d steps", o.MaxSteps)
	}
	if o.MaxTime != 0 {
		s += fmt.Sprintf(", %v of virtual time", o.MaxTime)
	}
	return s
}

// buildHash tells builds of the test apart. Results of two builds cannot be one.
var buildHash = sync.OnceValue(func() string {
	name, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
})

// note takes what one run contributes; hash tells it apart from others. The explorer holds its lock.
func (b *book) note(run uint64, m *Machine, hash uint64, failure *Failure) {
	if b == nil {
		return
	}
	en := entry{steps: m.Steps(), hash: hash, loads: b.loads.learns(m)}
	if failure != nil {
		en.failed = failure.signature
	}
	switch {
	case failure != nil && !b.known(failure.signature):
		en.findings = append(en.findings, asFinding(m, failure))
	case failure == nil:
		for _, f := range m.hazards() {
			if !b.known(hazardKind(&f)) {
				en.findings = append(en.findings, asHazard(run, m, f))
			}
		}
	}
	b.pending[run] = en
	b.fold()
	if time.Since(b.written) >= b.every {
		b.err = cmp.Or(b.err, b.save())
	}
}

// known reports whether a run with a lower number had the signature.
func (b *book) known(signature string) bool {
	_, ok := b.findings[signature]
	return ok
}

// fold takes up the runs that come next, as long as they have ended.
func (b *book) fold() {
	c := &b.shard.Counters
	for c.State == results.Running && c.Runs < b.mine.n {
		run := b.mine.at(c.Runs)
		en, ok := b.pending[run]
		if !ok {
			return
		}
		delete(b.pending, run)
		c.Runs++
		c.Steps += en.steps
		b.shard.Coverage.Traces.Add(en.hash)
		b.loads.add(en.loads)
		for _, f := range en.findings {
			for _, r := range f.Rules {
				b.rules[r] = true
			}
			if !b.known(f.Signature) {
				b.findings[f.Signature] = f
			}
		}
		if en.failed == "" {
			continue
		}
		if !b.shard.Header.KeepGoing { // how many more there are is not looked for
			c.State = results.Stopped
			continue
		}
		f := b.findings[en.failed]
		f.Failing++
		b.findings[en.failed] = f
	}
}

// asFinding words a run that failed. Its report is made when all runs have been.
func asFinding(m *Machine, f *Failure) results.Finding {
	r := results.Finding{Severity: results.Error, Rules: f.Rules, Signature: f.signature, Run: f.Run,
		Token: f.Token.String(), Headline: f.Headline, Replay: m.repeat(f.Token.String())[0]}
	if len(f.Rules) > 0 {
		r.Name = ruleName(f.Rules[0])
	}
	return r
}

// asHazard words a hazard.
func asHazard(run uint64, m *Machine, f Finding) results.Finding {
	token := m.Token().String()
	return results.Finding{Severity: f.Severity().String(), Rules: []string{f.Name()},
		Name: ruleName(f.Name()), Signature: hazardKind(&f), Run: run, Token: token, Headline: f.Headline,
		Replay: m.repeat(token)[0]}
}

// save writes the file.
func (b *book) save() error {
	b.shard.Findings = slices.Collect(maps.Values(b.findings))
	results.SortFindings(b.shard.Findings)
	b.shard.Coverage.Rules = slices.AppendSeq([]string{}, maps.Keys(b.rules))
	slices.Sort(b.shard.Coverage.Rules)
	b.shard.Coverage.Drivers = b.loads
	if b.hunt != nil && b.hunt.now != nil {
		b.shard.Counters.Search = b.hunt.save()
	}
	b.keptFirst()
	err := b.shard.Save(b.dir)
	b.written = time.Now()
	return err
}

// keptFirst puts the kept runs that still fail before the findings of this exploration, in place of those
// that are alike.
func (b *book) keptFirst() {
	for i := len(b.kept) - 1; i >= 0; i-- {
		k := b.kept[i]
		alike := func(f results.Finding) bool { return f.Signature == k.Signature }
		fs := slices.DeleteFunc(b.shard.Findings, alike)
		b.shard.Findings = slices.Insert(fs, 0, k)
	}
}

// stillFails takes up a kept run that still fails.
func (b *book) stillFails(m *Machine, f *Failure) {
	if b == nil {
		return
	}
	r := asFinding(m, f)
	r.Kept, r.Report, r.File, r.Line = f.Kept, f.Report, f.at.File, f.at.Line
	if !slices.ContainsFunc(b.kept, func(o results.Finding) bool { return o.Signature == r.Signature }) {
		b.kept = append(b.kept, r)
	}
}

// noRuns ends an exploration that stopped at a kept run.
func (b *book) noRuns() error {
	if b == nil {
		return nil
	}
	defer b.release()
	b.shard.Counters.State = results.Stopped
	return b.save()
}

// settle ends the runs: what the book has is the result, including what was made before an interruption.
func (b *book) settle(e *explorer) {
	if b == nil {
		return
	}
	c := &b.shard.Counters
	switch {
	case c.State != results.Running:
	case c.Runs == b.mine.n, e.planned, b.hunt != nil && b.hunt.ended && b.hunt.broken == nil:
		c.State = results.Complete
	case e.limit.hit:
		c.State = results.Budget
	}
	e.result.Runs, e.result.Steps = c.Runs, c.Steps
	e.result.Traces = int(b.shard.Coverage.Traces.Count())
	e.loads = b.loads
	e.failures, e.hazards = map[string]Failure{}, map[string]hazard{}
	for _, f := range b.findings {
		if f.Severity == results.Error {
			e.failures[f.Signature] = remembered(f)
			continue
		}
		h := Finding{Headline: f.Headline, Warning: f.Severity == verify.Warning.String(),
			Note: f.Severity == verify.Note.String()}
		if h.Rule, _ = verify.ByNumber(f.Rules[0]); h.Rule == verify.NoRule {
			h.Kind = f.Rules[0]
		}
		e.hazards[f.Signature] = hazard{f.Run, h}
	}
}

// remembered is the failure that a finding in a file stands for.
func remembered(f results.Finding) Failure {
	t, err := ParseToken(f.Token)
	if err != nil {
		panic(fmt.Sprintf("internal error: %v", err)) // resume has looked at it
	}
	return Failure{Run: f.Run, Runs: max(f.Failing, 1), Token: t, Headline: f.Headline, Rules: f.Rules,
		signature: f.Signature}
}

// finish adds the reports and writes the file for the last time.
func (b *book) finish(e *explorer, r *Result) error {
	if b == nil {
		return nil
	}
	if e.hunt != nil || e.o.strategy.Ends() {
		b.shard.Counters.Covered = r.Covered
	}
	if r.Coverage != nil {
		b.shard.Coverage.Outcomes, _ = r.Coverage.MarshalJSON() // which cannot fail
	}
	for _, f := range r.Failures {
		r := b.findings[f.signature]
		report := strings.Replace(f.Report, f.like(), "", 1) // shards add up how many there are
		r.Report, r.File, r.Line = strings.TrimSpace(report)+"\n", f.at.File, f.at.Line
		b.findings[f.signature] = r
	}
	return cmp.Or(b.err, b.save())
}

// ruleName is the full name of a rule, "" where no package has it.
func ruleName(number string) string {
	id, ok := verify.ByNumber(number)
	if !ok {
		return ""
	}
	rec := subsystems.Rule(id)
	return rec.FullName()
}

// place is the source line of what failed a run.
func (m *Machine) place() verify.Frame {
	for _, f := range m.failures() {
		if s := f.Place(); s.File != "" {
			return s
		}
	}
	if m.panicked != nil {
		for _, s := range m.panicked.Stack {
			if s.Driver != "" && s.File != "" {
				return s
			}
		}
	}
	if len(m.refusals) > 0 && m.toldRefused {
		return m.refusals[0].at
	}
	return m.saidAt
}
