package pool

import "unsafe"

// pageable reports whether an address lies in a live block that may be paged out. The kernel asks for every
// object that a driver initialises, so it answers at once while no such block was ever made.
func (h *heap) pageable(p unsafe.Pointer) bool {
	if h.next[regionPaged] == regionBase[regionPaged] && h.next[regionUser] == regionBase[regionUser] {
		return false
	}
	for _, b := range h.live {
		if b.kind.Pageable() && b.contains(p) {
			return true
		}
	}
	return false
}
