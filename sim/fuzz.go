package sim

import (
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
		m.ke.Config().Source = &ke.Bytes{B: choices}
		t.Logf("sim: the choices are %d bytes: %x", len(choices), choices)
	}
	return m
}
