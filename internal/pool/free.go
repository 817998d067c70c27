package pool

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// Free gives a block back for the routine d; tag 0 is not checked.
//
// Rules: POOL-004 to POOL-009, POOL-011, POOL-012, POOL-018, POOL-025, and those of loans.
func Free(k *ke.K, d ddi.ID, v *Buffer, tag uint32) {
	if v == nil {
		freeNil(k, d)
		return
	}
	b := v.blk
	ke.Point(k, ke.Frees(b.id))
	if !b.mayFree(k, d, v) {
		return
	}
	if tag != 0 && tag != b.tag {
		b.wrongTag(k, d, tag)
	}
	ke.Touch(k, b.id, 0, int(b.size), ke.Free)
	b.end(k, d)
}

// mayFree checks what is given back and where; false means that there is nothing to free.
func (b *block) mayFree(k *ke.K, d ddi.ID, v *Buffer) bool {
	if b.ext != nil && b.ext.taken != nil {
		b.touchTaken(k)
		return false
	}
	switch {
	case v.alias != nil && v.alias.Own, !b.kind.Pool(), b.lookasid:
		b.notABlock(k, d, v)
		return false
	case b.guard&gGone != 0:
		b.report(k, verify.Finding{Rule: verify.POOL_006,
			Headline: fmt.Sprintf("%v: %s is freed already", d, b.describe()),
			Args:     verify.Params(nil, nil, "'"+TagName(b.tag)+"'", b.id)})
		return false
	case v.off != 0:
		b.report(k, verify.Finding{Rule: verify.POOL_008,
			Headline: fmt.Sprintf("%v: the address lies %d bytes inside %s", d, v.off, b.describe()),
			Args:     verify.Params(nil, fmt.Sprintf("%v+%#x", b.id, v.off), b.id)})
		return false
	}
	b.freeLevel(k, d)
	return true
}

// freeLevel reports POOL-004 and POOL-005.
func (b *block) freeLevel(k *ke.K, d ddi.ID) {
	rule, allowed := verify.POOL_005, uint8(ke.Dispatch)
	if b.kind.Pageable() {
		rule, allowed = verify.POOL_004, ke.APC
	}
	if ke.IRQL(k) <= allowed {
		return
	}
	b.report(k, verify.Finding{Rule: rule, AllowedIRQL: allowed,
		Headline: fmt.Sprintf("%v: %s is freed at %s", d, b.describe(), ke.LevelName(ke.IRQL(k))),
		Args:     verify.Params(nil, ke.IRQL(k), b.kind, b.id)})
}

// uses says that the step under way does something to the block.
func (b *block) uses(how ke.Access) { b.h.m.AddsOn(ke.Use{Obj: b.id, How: how}) }

func freeNil(k *ke.K, d ddi.ID) {
	ke.Report(k, verify.Finding{Rule: verify.POOL_007, Case: "NULL", Obj: d.String(),
		Headline: fmt.Sprintf("%v is called with NULL", d)})
}

func (b *block) notABlock(k *ke.K, d ddi.ID, v *Buffer) {
	what := b.kind.String()
	switch {
	case v.alias != nil && v.alias.Own:
		what = "the mapping of " + v.alias.Obj.String()
	case b.lookasid && b.owner == nil:
		what = "memory that the system frees"
	case b.lookasid:
		what = "an entry of a lookaside list"
	}
	b.report(k, verify.Finding{Rule: verify.POOL_007,
		Headline: fmt.Sprintf("%v: %v is %s, not a pool block", d, b.id, what),
		Args:     verify.Params(nil, b.id)})
}

func (b *block) wrongTag(k *ke.K, d ddi.ID, tag uint32) {
	b.report(k, verify.Finding{Rule: verify.POOL_009,
		Headline: fmt.Sprintf("%v: %v was allocated with tag '%s' and is freed with '%s'", d, b.id,
			TagName(b.tag), TagName(tag)),
		Args: verify.Params(nil, b.id, "'"+TagName(b.tag)+"'", "'"+TagName(tag)+"'")})
}

// end frees b after the checks that hold whoever frees.
func (b *block) end(k *ke.K, d ddi.ID) {
	b.uses(ke.Free)
	if b.ext != nil && len(b.ext.loans) > 0 {
		b.goneWhileLent(k, "is freed")
	}
	var inside *contents
	if v := b.typed(); v != nil {
		inside = v.contents()
		inside.uses(b.h.m)
		inside.check(k, b)
	}
	b.checkCanaries(k)
	if d == ddi.None {
		b.freeSeq = ke.Note(k, "freed by the system", b.id)
	} else {
		b.freeSeq = ke.Call(k, d, b.id)
	}
	inside.gone(b.h.m, verify.POOL_013, b.freeSeq)
	b.h.bury(b)
}

// checkCanaries looks for what was written beside the block by way of unsafe; everything else is caught at
// the access.
func (b *block) checkCanaries(k *ke.K) {
	if !b.intact() {
		b.report(k, b.canaryFinding())
	}
}

// intact reports whether both canaries are whole.
func (b *block) intact() bool {
	if b.c != nil && b.c.pages != nil {
		return b.c.slackIntact(int(b.size))
	}
	return b.c == nil || canaryOK(b.c.mem) && canaryOK(b.c.mem[canarySize+int(b.size):])
}

func (b *block) canaryFinding() verify.Finding {
	if b.c.pages != nil || !canaryOK(b.c.mem) {
		return verify.Finding{Rule: verify.POOL_012, Case: "found at the free",
			Headline: "bytes before " + b.describe() + " were overwritten", Args: verify.Params(b.id)}
	}
	return verify.Finding{Rule: verify.POOL_011, Case: "found at the free",
		Headline: "bytes behind " + b.describe() + " were overwritten", Args: verify.Params(b.id)}
}
