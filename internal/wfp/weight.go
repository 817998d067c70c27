package wfp

// AutomaticWeight gives a filter without a weight of its own one in [0, 2^60): more conditions weigh more, a
// condition on an exact value more than one on a set of values. How Windows computes it is not stated beyond
// the range.
func AutomaticWeight(conditions []Condition) uint64 {
	w := uint64(0)
	for i := range conditions {
		w += 2
		if conditions[i].Match == MatchEqual && conditions[i].Value.Type < V4AddrMask {
			w++
		}
	}
	return min(w<<40, 1<<60-1)
}

// WeightInRange places an automatic weight in one of the sixteen ranges an 8-bit weight stands for.
func WeightInRange(r uint8, conditions []Condition) uint64 {
	return uint64(r)<<60 | AutomaticWeight(conditions)
}
