//go:build !race

package scenario_test

// runs is how many schedules the correct driver is tried with.
const runs = 1_000
