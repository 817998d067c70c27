package results

import "strings"

// Cover says which of some failures, given by their signatures in the order of their runs, are worth a
// report. A signature has one line for each defect that the run shows. A run that shows none that is new
// counts to the first that shows the first of its defects: into gives that one, or the failure itself.
func Cover(signatures []string) (into []int) {
	first := map[string]int{}
	for i, s := range signatures {
		to := -1
		for line := range strings.SplitSeq(s, "\n") {
			before, known := first[line]
			switch {
			case !known:
				first[line], to = i, i
			case to < 0:
				to = before
			}
		}
		into = append(into, to)
	}
	return into
}

// cover leaves those findings that are worth a report; they are in order.
func cover(findings []Finding) []Finding {
	fails := 0
	var signatures []string
	for fails < len(findings) && findings[fails].Severity == Error {
		signatures = append(signatures, findings[fails].Signature)
		fails++
	}
	kept := []Finding{}
	at := map[int]int{}
	for i, into := range Cover(signatures) {
		if into == i {
			at[i] = len(kept)
			kept = append(kept, findings[i])
		} else {
			kept[at[into]].Failing += findings[i].Failing
		}
	}
	return append(kept, findings[fails:]...)
}
