package sim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"calloutsim/internal/explore"
	"calloutsim/internal/ke"
)

// shrink looks for the simplest run that fails as f does. It gives false where there is none: the run is the
// boring one, or how it failed cannot be told from outside.
func (e *explorer) shrink(f *Failure, m *Machine, tb *runTB) bool {
	f.Minimal = f.Token
	f.Shrinking.Proven = len(f.Token.Deviations) == 0 // simpler than boring there is none
	if ke.GoRaces || e.noShrink || len(f.Token.Deviations) == 0 || signatureOf(m, tb) == "" {
		return false
	}
	p := newProber(e, f.Token.Options)
	defer func() { p.ke.Close() }()
	s := explore.Shrink(f.Token.replay(), p.run)
	if s.From.Signature == "" {
		return false
	}
	f.Shrinking = shrinkingOf(&s)
	f.Minimal.Deviations = deviations(&s.To)
	p.run(f.Minimal.replay())
	f.Minimal.Trace = p.hash
	return true
}

// deviations gives those of a run as a token has them.
func deviations(t *explore.Trial) []Deviation {
	var ds []Deviation
	for _, d := range t.Deviations() {
		ds = append(ds, Deviation{d.Index, d.Pick})
	}
	return ds
}

func shrinkingOf(s *explore.Shrunk) Shrinking {
	return Shrinking{Runs: s.Runs, From: sizeOf(&s.From), To: sizeOf(&s.To), Proven: s.Searched,
		Tried: s.Schedules}
}

func sizeOf(t *explore.Trial) Size {
	s := Size{Choices: len(t.Deviations()), Interruptions: t.Interruptions()}
	for i := range t.Acts {
		if t.Acts[i].Kind == explore.Fault && t.Acts[i].Pick != 0 {
			s.Faults++
		}
	}
	return s
}

// prober makes quick runs, one after the other on the same mechanism.
type prober struct {
	e     *explorer
	ke    *ke.Machine
	trail ke.Trail
	bits  uint32
	hash  uint64 // of the last run
}

func newProber(e *explorer, bits uint32) *prober { return &prober{e: e, ke: &ke.Machine{}, bits: bits} }

// run makes one run for Shrink.
func (p *prober) run(src ke.Source) explore.Trial {
	rec := explore.NewRecorder(src, &p.trail)
	m, tb := p.make(rec, &p.trail)
	if m == nil {
		return explore.Trial{Cost: 1}
	}
	t := rec.Trial(p.ke.Choices())
	t.Cost = int(m.Steps())
	p.hash, t.Signature = m.Hash(), signatureOf(m, tb)
	return t
}

// make makes one run. Without a trail it may fail in any way; with one it is nil if the scenario panics,
// which is not what was looked for.
func (p *prober) make(src ke.Source, trail *ke.Trail) (*Machine, *runTB) {
	o := p.e.o.Options
	o.setBits(p.bits)
	o.Collect, o.src, o.trail = false, src, trail
	tb := &runTB{name: p.e.name}
	var m *Machine
	fault := apart(tb, func() {
		m = start(p.ke, tb, o, p.e.name, p.e.scenario, nil, true)
		m.repeat, m.pooled = p.e.repeat, true
		p.e.fn(m)
	})
	switch {
	case fault == nil:
	case trail == nil:
		panic(fault)
	default: // the mechanism is in an unknown state
		p.ke, m = &ke.Machine{}, nil
	}
	return m, tb
}

// varying are the numbers in a text that differ from run to run; lines of source do not.
var varying = regexp.MustCompile(`\.go:\d+|0x[0-9a-fA-F]+|\d+`)

// same gives a text with a mark for every number that differs from run to run.
func same(s string) string {
	return varying.ReplaceAllStringFunc(s, func(n string) string {
		if strings.HasPrefix(n, ".go:") {
			return n
		}
		return "#"
	})
}

// groups names the defects that fail a run, each once, in order.
func groups(failures []Finding) []string {
	var all []string
	for i := range failures {
		all = append(all, failures[i].Group())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// signatureOf identifies the way in which a run failed, whatever its schedule; "" when it did not fail, or
// only the test itself knows. All defects it shows are part of that, so that a simpler run shows them, too:
// the first exactly as it was, those behind it by what they are.
func signatureOf(m *Machine, tb *runTB) string {
	if fs := m.failures(); len(fs) > 0 {
		s := fs[0].Signature() + "|" + same(fs[0].Ctx)
		for _, g := range groups(fs) {
			s += "\n" + g
		}
		return s
	}
	switch {
	case m.panicked != nil && len(m.panicked.Stack) > 0:
		return "panic|" + m.panicked.Stack[0].Func + "|" + same(fmt.Sprint(m.panicked.Value))
	case m.panicked != nil:
		return "panic|" + same(fmt.Sprint(m.panicked.Value))
	case len(tb.messages) > 0:
		return "failed|" + same(tb.messages[0])
	}
	return ""
}

// words says what shrinking came to.
func (s *Shrinking) words() string {
	if s.Runs == 0 {
		return ""
	}
	proof := ""
	switch {
	case !s.Proven:
		proof = "; whether fewer interruptions would do is not known"
	case s.To.Interruptions > 0:
		proof = fmt.Sprintf("; with fewer interruptions it does not fail this way (all %d such schedules "+
			"were tried, everything else being equal)", s.Tried)
	}
	return fmt.Sprintf("What follows is the simplest run found that fails this way: %s in place of %s, "+
		"after %d runs%s.", s.To.words(), s.From.words(), s.Runs, proof)
}

func (z Size) words() string {
	if z.Choices == 0 {
		return "the boring one"
	}
	s := counted(z.Choices, "choice")
	if z.Interruptions > 0 {
		s += ", " + counted(z.Interruptions, "interruption")
	}
	if z.Faults > 0 {
		s += ", " + counted(z.Faults, "fault")
	}
	return s
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
