package sim

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"calloutsim/internal/ke"
)

// FromChoices is New for fuzz tests: the bytes are the choices of the run, one each, two where there are more
// than 256 alternatives, taken modulo their number. Where the bytes have run out the answer is the boring
// one, so that a shorter input is valid, too. Options.Seed means nothing here, and a token given by
// -sim.replay wins over the bytes.
func FromChoices(t testing.TB, choices []byte, opts ...Options) *Machine {
	t.Helper()
	m := New(t, opts...)
	if m.replay == nil {
		m.keeps = false // the fuzzer keeps what fails
		m.chooses(&ke.Bytes{B: choices})
		t.Logf("sim: the choices are %d bytes: %x", len(choices), choices)
	}
	return m
}

// Fuzz is for fuzz tests: it runs a scenario with the bytes as choices, as FromChoices does, and then with 16
// variations of them that the bytes themselves determine, since a run is much cheaper than the way to it
// through the fuzzer (scheduling.md 7.2). The first run that fails is reported as Explore does it, its
// simplest form included; while the fuzzer works on an input it is only reported, and kept by the fuzzer.
func Fuzz(t testing.TB, choices []byte, scenario func(m *Machine), opts ...Options) {
	t.Helper()
	o := onlyOptions(t, "Fuzz", opts)
	number := nextMachine(t)
	token, err := o.fromFlags()
	if err == nil {
		err = o.check()
	}
	if err != nil {
		t.Fatalf("sim.Fuzz: %v", err)
	}
	e := &explorer{tb: t, o: ExploreOptions{Options: o, Runs: variations + 1}, fn: scenario, name: t.Name(),
		scenario: hashName(t.Name(), number), noKeep: true, noShrink: fuzzing(),
		repeat: func(token string) []string { return goTest(t.Name(), token) }}
	if token = tokenFor(t, token, t.Name(), number); token != nil {
		e.repeatOnly(token)
		return
	}
	p := newProber(e, o.bits())
	defer func() { p.ke.Close() }()
	for i := range variations + 1 {
		m, tb := p.make(&ke.Bytes{B: vary(choices, i)}, nil)
		if !tb.failed {
			continue
		}
		f := Failure{Run: uint64(i + 1), Token: m.Token(), Headline: m.headline()}
		if f.Headline == "" {
			f.Headline, _, _ = strings.Cut(strings.TrimSpace(strings.Join(tb.messages, "\n")), "\n")
		}
		e.again(&f)
		t.Fatalf("\n%s", f.Report)
	}
}

// variations is how many schedules are derived from each input.
const variations = 16

// fuzzing reports whether the fuzzer is at work, rather than a test that repeats its inputs.
func fuzzing() bool {
	f := flag.Lookup("test.fuzzworker")
	return f != nil && f.Value.String() == "true"
}

// vary gives variation i of an input, which is the input itself for 0. Beyond the end of the input the
// choices are the boring ones; variations reach there, too.
func vary(choices []byte, i int) []byte {
	if i == 0 {
		return choices
	}
	seed := uint64(14695981039346656037) // FNV-1a
	for _, b := range choices {
		seed = (seed ^ uint64(b)) * 1099511628211
	}
	r := ke.NewRandom(seed, uint64(i))
	out := slices.Clone(choices)
	below := func(n int) int { return int(r.Next() >> 33 % uint64(n)) }
	for range 1 + below(4) {
		at := below(max(2*len(out), minVaried) >> (2 * below(3))) // early choices matter more often
		for len(out) <= at {
			out = append(out, 0)
		}
		switch below(4) {
		case 0:
			out[at] = 0
		case 1:
			out = slices.Delete(out, at, at+1)
		case 2:
			out = slices.Insert(out, at, byte(1+below(3)))
		default:
			out[at] = byte(1 + below(3))
		}
	}
	return out
}

// minVaried is how far into a run variations of short inputs reach.
const minVaried = 64
