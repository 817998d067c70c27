package pool

import (
	"fmt"
	"slices"
	"unsafe"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// explainFault makes a finding of a fault in the pages of a block or behind them. Rules: POOL-011,
// POOL-013, POOL-026.
func (h *heap) explainFault(_ *ke.K, value any) (verify.Finding, bool) {
	fault, ok := value.(interface{ Addr() uintptr })
	if !ok {
		return verify.Finding{}, false
	}
	b, off := specialOf(h.m).find(fault.Addr())
	if b == nil {
		return verify.Finding{}, false
	}
	f := b.faulted(off)
	f.Obj, f.Places = b.id.String(), b.story()
	return f, true
}

// find gives the block that a host address belongs to, and the offset in it.
func (s *special) find(addr uintptr) (*block, int) {
	for _, a := range s.arenas {
		start := uintptr(unsafe.Pointer(unsafe.SliceData(a.mem)))
		if addr < start || addr >= start+uintptr(a.used) {
			continue
		}
		at := int(addr - start)
		i, exact := slices.BinarySearchFunc(a.spots, at, func(p spot, at int) int { return p.start - at })
		if !exact {
			i--
		}
		if i < 0 {
			return nil, 0
		}
		p := a.spots[i]
		return p.b, at - (p.end - int(p.b.size))
	}
	return nil, 0
}

// faulted words an access to off that the host's memory protection stopped. Whether it was a read or a
// write is not known.
func (b *block) faulted(off int) verify.Finding {
	where, through := fmt.Sprintf("%v%+#x", b.id, off), "a slice kept from Bytes"
	if b.typed() != nil {
		through = "a pointer kept from Get"
	}
	switch {
	case b.guard&gGone == 0:
		return verify.Finding{Rule: verify.POOL_011, Case: "through a slice",
			Headline: fmt.Sprintf("memory behind %s is touched, %d bytes from its start", b.describe(), off),
			Args:     verify.Params(where, "?")}
	case b.kind == Stack:
		return verify.Finding{Rule: verify.POOL_026,
			Headline: fmt.Sprintf("%s is touched through %s, but the routine whose stack it was on has "+
				"returned", where, through),
			Args: verify.Params(where)}
	}
	return verify.Finding{Rule: verify.POOL_013,
		Headline: fmt.Sprintf("%s is touched after it was freed, through %s (%s)", where, through,
			b.describe()),
		Args: verify.Params(where, "?"), Case: through}
}
