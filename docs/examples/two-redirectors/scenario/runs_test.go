//go:build !race

package scenario

// runs is how many schedules the clean story is tried with; -sim.runs asks for another number.
const runs = 2_000
