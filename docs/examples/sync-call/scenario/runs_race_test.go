//go:build race

package scenario_test

// runs is smaller where the race detector slows everything down.
const runs = 100
