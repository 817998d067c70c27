package explore

import "calloutsim/internal/ke"

// maxOrder is the longest stretch of steps that is looked at for an order.
const maxOrder = 4000

// CouldSwap reports whether step j could have come before step i, which came first: no chain of steps leads
// from i to j in which each makes the next one possible, belongs to the same actor or uses the same
// thing. That i and j themselves use the same thing is no order: it is what makes theirs matter. An order
// that comes from a lock is one, although the lock could have been taken the other way round.
func CouldSwap(tr *ke.Trail, i, j int) bool {
	if i < 0 || j <= i || j >= len(tr.Steps) || j-i > maxOrder || tr.Steps[i].Actor == tr.Steps[j].Actor {
		return false
	}
	behind := []int{i} // steps that come after i, in order
	for k := i + 1; k <= j; k++ {
		for _, b := range behind {
			if leads(tr, b, k, b == i && k == j) {
				if k == j {
					return false
				}
				behind = append(behind, k)
				break
			}
		}
	}
	return true
}

// leads reports whether step k comes after b and cannot come before it. ends says that these are the two
// steps that are compared.
func leads(tr *ke.Trail, b, k int, ends bool) bool {
	x, y := &tr.Steps[b], &tr.Steps[k]
	if x.Actor == y.Actor || x.Alone || y.Alone {
		return true
	}
	for _, a := range tr.After(k) {
		if int(a) == b {
			return true
		}
	}
	for _, u := range tr.Uses(b) {
		for _, v := range tr.Uses(k) {
			if meet(u, v, ends) {
				return true
			}
		}
	}
	return false
}

// meet reports whether two accesses have an order. Of the two that are compared only those have one that
// can come in one order only.
func meet(u, v ke.Use, ends bool) bool {
	switch {
	case u == ke.Unknown || v == ke.Unknown:
		return true
	case u.Obj != v.Obj:
		return false
	case ends:
		return u.How == ke.Rel && v.How == ke.Acq || u.How == ke.Enq && v.How == ke.Deq
	}
	return u.How != ke.R || v.How != ke.R
}
