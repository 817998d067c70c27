//go:build race && simraces

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/sim"
)

// racing are the scenarios whose defect is a race of the driver's own data as well.
var racing = map[string]bool{"echo-server-freed": true, "pend-firewall-stored-too-late": true}

// TestRaceScenarios runs every scenario under many schedules with Go's race detector on its drivers; what the
// detector reports fails the test.
func TestRaceScenarios(t *testing.T) {
	for _, s := range scenarios() {
		if racing[s.Name] {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			for seed := range uint64(50) {
				var o sim.RunOptions
				o.Seed = seed + 1
				out, err := sim.RunScenario(s, o)
				require.NoError(t, err)
				out.Close()
			}
		})
	}
}
