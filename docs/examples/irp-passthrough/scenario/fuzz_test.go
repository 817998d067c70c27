package scenario_test

import (
	"testing"

	irppassthrough "calloutsim/docs/examples/irp-passthrough"
	"calloutsim/docs/examples/irp-passthrough/scenario"
	"calloutsim/sim"
)

// FuzzStack lets the correct drivers run with the fuzzer's bytes as choices. No rule may be broken.
func FuzzStack(f *testing.F) {
	f.Fuzz(func(t *testing.T, choices []byte) {
		sim.Fuzz(t, choices, scenario.Stack(irppassthrough.None))
	})
}
