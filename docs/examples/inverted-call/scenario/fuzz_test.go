package scenario_test

import (
	"testing"

	invertedcall "calloutsim/docs/examples/inverted-call"
	"calloutsim/docs/examples/inverted-call/scenario"
	"calloutsim/sim"
)

// FuzzCalls lets the correct driver run with the fuzzer's bytes as choices. No rule may be broken.
func FuzzCalls(f *testing.F) {
	f.Fuzz(func(t *testing.T, choices []byte) {
		sim.Fuzz(t, choices, scenario.Calls(invertedcall.None))
	})
}
