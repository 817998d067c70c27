package explore

import "calloutsim/internal/ke"

// Conflict reports whether the order of two accesses by different actors can make a difference: they use
// one object, and the pair does not commute (scheduling.md 9.4). What may use anything conflicts with
// everything but what only says whose step it is.
//
// Two waits for one notification event would commute too. A Use does not tell the kind of event, so they
// count as conflicting, as do two atomic operations on a reference count that stays above zero.
func Conflict(a, b ke.Use) bool {
	switch {
	case a.Obj == 0:
		return !private(b)
	case b.Obj == 0:
		return !private(a)
	case a.Obj != b.Obj:
		return false
	}
	return a.How != b.How || a.How != ke.R && a.How != ke.Count
}

// conflicting is Conflict for whole footprints. One that is empty uses nothing.
func conflicting(a, b []ke.Use) bool {
	for _, x := range a {
		for _, y := range b {
			if Conflict(x, y) {
				return true
			}
		}
	}
	return false
}
