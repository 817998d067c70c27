package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"calloutsim/sim/results"
)

// One defect fails many runs, on many ways. Runs are told apart by the defects they show: rule, driver and
// the driver's innermost function (verify.Finding.Group), or the headline of what the test itself said.

// failed takes up a run that failed.
func (e *explorer) failed(f Failure) {
	old, ok := e.failures[f.signature]
	if ok && old.Run < f.Run {
		f = old
	}
	f.Runs = old.Runs + 1
	e.failures[f.signature] = f
}

// hazardKind tells hazards apart, from each other and from what fails a run by the same rule.
func hazardKind(f *Finding) string { return f.Severity().String() + "|" + f.Group() }

// like says how many runs failed like this one.
func (f *Failure) like() string {
	if f.Runs < 2 {
		return ""
	}
	return fmt.Sprintf("It is the first of %d runs that failed like it.\n", f.Runs)
}

// kinds gives the failures to report, by run: the first one, or where the exploration goes on behind it each
// that shows something that none before it does.
func (e *explorer) kinds() []Failure {
	byRun := func(a, b Failure) int { return cmp.Compare(a.Run, b.Run) }
	all := slices.SortedFunc(maps.Values(e.failures), byRun)
	if len(all) == 0 {
		return nil
	}
	if !e.o.KeepGoing {
		all[0].Runs = 1 // how many more there are was not looked for
		return all[:1]
	}
	signatures := make([]string, len(all))
	for i := range all {
		signatures[i] = all[i].signature
	}
	var kept []Failure
	at := map[int]int{}
	for i, into := range results.Cover(signatures) {
		if into == i {
			at[i] = len(kept)
			kept = append(kept, all[i])
		} else {
			kept[at[into]].Runs += all[i].Runs
		}
	}
	return kept
}
