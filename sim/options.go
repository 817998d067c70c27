package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/verify"
)

// Options say how a machine behaves. The zero Options is what most tests want. A flag or an environment
// variable wins over the field it stands for.
type Options struct {
	Name       string   // tells several machines of one test apart in tokens; normally their order does
	Processors int      // 0 means 2 (exhaustive searches: Unbounded)
	Seed       uint64   // run number; 0 means 1, the boring run: nothing fails or interrupts (-sim.seed)
	Master     uint64   // other runs under the same numbers (-sim.master)
	Pins       []Pin    // choices fixed beforehand (-sim.fix); `ksim sites` lists what there is
	Continue   bool     // collect violations that leave a state to go on from, and go on as Windows does
	Continues  []string // the same for some rules only: numbers such as "IRP-011"
	Collect    bool     // findings do not fail the test: it looks at Findings itself
	Notes      bool     // report notes too (-sim.notes)
	FailOn     string   // "warning" or "note": hazards fail as well (-sim.failon); "" means "error"
	Memory     bool     // accesses to pool, IRPs and MDLs are scheduling points too
	TimersRace bool     // time may pass although somebody can run (-sim.timersrace)
	// ForcePending is Driver Verifier's option of that name: IoCallDriver may return STATUS_PENDING to a
	// driver although the request ends as usual (-sim.forcepending).
	ForcePending bool
	// Checked plays drivers as checked builds: a false NT_ASSERT is a finding, KdPrint prints (-sim.checked).
	Checked  bool
	Events   int           // events kept: 0 all, n > 0 the last n
	NoStacks bool          // record no call stack with each event
	MaxSteps uint64        // scheduling points before the run is given up; 0 means 250 000
	MaxTime  time.Duration // virtual time before the run is given up; 0 means an hour

	// SpecialPool gives every pool block pages of its own: stale slices fault (-sim.specialpool).
	SpecialPool bool
	// Races reports accesses to pool memory and irql.Var that nothing orders, in whatever order they came
	// (-sim.races).
	Races bool

	src   ke.Source // of Explore: who chooses, in place of what Seed says
	trail *ke.Trail // what an exhaustive search records
	keep  bool      // of Explore: keep the events although nobody prints them
}

// Unbounded as Options.Processors gives every thread and every act of the outside a processor of its own. It
// is the most hostile machine, and the one that exhaustive searches look at.
const Unbounded = ke.Unbounded

// defaultSteps is a hundred times what usual scenarios take; with all events and stacks recorded a run of
// that length still fits into memory.
const defaultSteps = 250_000

// Pin fixes a choice site (scheduling.md 7.6) to one alternative, by name or number; 0 is the boring one. In
// Site an asterisk stands for anything, so that {"doc/*", "0"} and {"env/*/answer", "inline"} fix many sites;
// those that have no alternative of the name stay free. What names one site counts more than such a pattern,
// and of two alike the later.
type Pin struct{ Site, Alternative string }

// String gives the form the flag takes.
func (p Pin) String() string { return p.Site + "=" + p.Alternative }

// parsePin reads SITE=ALTERNATIVE.
func parsePin(s string) (Pin, error) {
	site, alt, ok := strings.Cut(s, "=")
	if !ok || site == "" || alt == "" {
		return Pin{}, fmt.Errorf("%q is no SITE=ALTERNATIVE", s)
	}
	return Pin{site, alt}, nil
}

// kePins are the pins as the mechanism has them.
func (o *Options) kePins() (pins []ke.Pin) {
	for _, p := range o.Pins {
		pins = append(pins, p.ke())
	}
	return pins
}

func (p Pin) ke() ke.Pin {
	if n, err := strconv.Atoi(p.Alternative); err == nil {
		return ke.Pin{Site: p.Site, Alt: n}
	}
	return ke.Pin{Site: p.Site, Name: p.Alternative}
}

// check reports the first field that makes no sense.
func (o *Options) check() error {
	for _, r := range o.Continues {
		if _, ok := verify.ByNumber(r); !ok {
			return fmt.Errorf("Options.Continues: there is no rule %q", r)
		}
	}
	for _, p := range o.Pins {
		if err := p.check(); err != nil {
			return fmt.Errorf("Options.Pins: %w", err)
		}
	}
	switch {
	case o.Processors < Unbounded || o.Processors > 64:
		return fmt.Errorf("Options.Processors is %d; a machine has 1 to 64", o.Processors)
	case o.FailOn != "" && o.FailOn != "error" && o.FailOn != "warning" && o.FailOn != "note":
		return fmt.Errorf("Options.FailOn is %q; it is one of error, warning, note", o.FailOn)
	}
	return nil
}

// config is what the mechanism is told. quick leaves out what only reports need.
func (o *Options) config(src ke.Source, quick bool) ke.Config {
	c := ke.Config{Processors: o.Processors, Source: src, Races: o.Races, MemPoints: o.Memory,
		TimersRace: o.TimersRace, ForcePending: o.ForcePending, Checked: o.Checked, Trail: o.trail,
		Continue: o.Continue, Subsystems: subsystems.All(),
		MaxSteps: cmp.Or(o.MaxSteps, defaultSteps), MaxTime: int64(o.MaxTime / 100), Events: ke.Off}
	if quick && o.keep {
		c.Events, c.Callbacks = -1, true
	}
	if !quick {
		c.Events, c.Stacks = o.Events, !o.NoStacks
		c.Callbacks = true
		if c.Events == 0 {
			c.Events = -1
		}
	}
	c.Pins = o.kePins()
	if len(o.Continues) > 0 {
		set := map[verify.RuleID]bool{}
		for _, r := range o.Continues {
			id, _ := verify.ByNumber(r)
			set[id] = true
		}
		c.Continues = func(id verify.RuleID) bool { return set[id] }
	}
	return c
}

// source is who makes the choices of run number o.Seed.
func (o *Options) source() ke.Source {
	if o.src != nil {
		return o.src
	}
	if o.Seed <= 1 {
		return ke.Boring{}
	}
	return ke.NewRandom(o.Master, o.Seed)
}

// fails reports whether a finding of this severity fails the test.
func (o *Options) fails(s verify.Severity) bool {
	switch o.FailOn {
	case "warning":
		return s >= verify.Warning
	case "note":
		return true
	}
	return s == verify.Error
}

// wanted reports whether a finding of this severity is reported at all.
func (o *Options) wanted(s verify.Severity) bool {
	return s > verify.Note || o.Notes || o.FailOn == "note"
}

// String lists the options that change the run, in words.
func (o *Options) String() string {
	s := fmt.Sprintf("run %d, ", max(o.Seed, 1)) + o.conditions()
	if o.Master != 0 {
		s += fmt.Sprintf(", master seed %d", o.Master)
	}
	return s
}

// conditions are the options that hold for a repeated run as well, which has no number.
func (o *Options) conditions() string {
	s := fmt.Sprintf("%d processors", o.processors())
	if o.Processors == Unbounded {
		s = "a processor for every thread"
	}
	if o.Memory {
		s += ", memory accesses are scheduling points"
	}
	if o.TimersRace {
		s += ", timers race"
	}
	if o.ForcePending {
		s += ", pending may be forced"
	}
	if o.Checked {
		s += ", checked builds"
	}
	if o.SpecialPool {
		s += ", special pool"
	}
	if o.Races {
		s += ", looks for data races"
	}
	if o.Continue {
		s += ", continues after violations"
	}
	if len(o.Continues) > 0 {
		s += ", continues after " + strings.Join(o.Continues, ", ")
	}
	for _, p := range o.Pins {
		s += ", " + p.String()
	}
	return s
}

func (o *Options) processors() int {
	if o.Processors == 0 {
		return 2
	}
	return o.Processors
}

// The option bits of a token (scheduling.md 7.3); all zero is the default.
const (
	bitsProcessors = 0xFF // number of processors, 0 for the default of 2, all ones for Unbounded
	bitMemory      = 1 << 8
	bitContinue    = 1 << 9
	bitTimersRace  = 1 << 10
	bitForce       = 1 << 11
	bitChecked     = 1 << 14
	bitsKnown      = bitsProcessors | bitMemory | bitContinue | bitTimersRace | bitForce | bitChecked |
		bitsWatch
)

// bits packs the options that change a run and that a token has to carry. Pins are choices like any other,
// and Continues, MaxSteps and MaxTime are part of the scenario.
func (o *Options) bits() uint32 {
	var b uint32
	if o.processors() != 2 {
		b = uint32(o.Processors) & bitsProcessors
	}
	if o.Memory {
		b |= bitMemory
	}
	if o.Continue {
		b |= bitContinue
	}
	if o.TimersRace {
		b |= bitTimersRace
	}
	if o.ForcePending {
		b |= bitForce
	}
	if o.Checked {
		b |= bitChecked
	}
	return b | o.checkedBits()
}

// setBits takes the options a token carries.
func (o *Options) setBits(b uint32) {
	if o.Processors = int(b & bitsProcessors); o.Processors == bitsProcessors {
		o.Processors = Unbounded
	}
	o.Memory, o.Continue, o.TimersRace = b&bitMemory != 0, b&bitContinue != 0, b&bitTimersRace != 0
	o.ForcePending, o.Checked = b&bitForce != 0, b&bitChecked != 0
	o.setCheckedBits(b)
}

// Option bits of what watches memory.
const (
	bitSpecialPool = 1 << 12 // level 2 of scheduling.md 11
	bitRaces       = 1 << 13 // the detector of scheduling.md 10.1
	bitsWatch      = bitSpecialPool | bitRaces
)

// check reports a pattern that fixes nothing, and an alternative that does not exist.
func (p Pin) check() error {
	pin := p.ke()
	sites := MatchSites(p.Site)
	if len(sites) == 0 {
		if pin.Pattern() {
			return fmt.Errorf("no choice site matches %q; `ksim sites` lists them", p.Site)
		}
		return nil // of a package that is not there; the run says it if the question does not come up
	}
	var names []string
	for _, s := range sites {
		if len(s.Alternatives) == 0 || pin.Name == "" && pin.Alt >= 0 && pin.Alt < len(s.Alternatives) ||
			slices.Contains(s.Alternatives, pin.Name) {
			return nil
		}
		for _, a := range s.Alternatives {
			if !slices.Contains(names, a) {
				names = append(names, a)
			}
		}
	}
	what := "site " + p.Site + " has"
	if pin.Pattern() {
		what = "no site that matches " + p.Site + " has an"
	} else {
		what += " no"
	}
	return fmt.Errorf("%s alternative %s; there are %s", what, p.Alternative, strings.Join(names, ", "))
}

// checkedBits packs the options that say how closely memory is watched.
func (o *Options) checkedBits() uint32 {
	var b uint32
	if o.SpecialPool {
		b |= bitSpecialPool
	}
	if o.Races {
		b |= bitRaces
	}
	return b
}

// setCheckedBits takes them from a token. What is asked for outside stays: a run that is watched more closely
// may end earlier than the recorded one, but goes the same way up to there.
func (o *Options) setCheckedBits(b uint32) {
	o.SpecialPool = o.SpecialPool || b&bitSpecialPool != 0
	o.Races = o.Races || b&bitRaces != 0
}
