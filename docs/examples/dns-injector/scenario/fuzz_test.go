package scenario_test

import (
	"testing"

	dnsinjector "calloutsim/docs/examples/dns-injector"
	"calloutsim/docs/examples/dns-injector/scenario"
	"calloutsim/sim"
)

// FuzzNames lets the correct driver run with the fuzzer's bytes as choices. No rule may be broken.
func FuzzNames(f *testing.F) {
	f.Fuzz(func(t *testing.T, choices []byte) {
		sim.Fuzz(t, choices, scenario.Story(dnsinjector.None))
	})
}
