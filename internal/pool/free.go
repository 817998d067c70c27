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
	ke.Point(k, ke.Use{Obj: b.id, How: ke.Free})
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
		b.report(k, verify.Finding{Rule: verify.POOL_006, BugCheck: 0xC2,
			Headline: fmt.Sprintf("%v: %s is freed already", d, b.describe()),
			Args: [4]verify.Arg{arg("0x7", "the block is free already"), arg("0x0", "reserved"),
				arg("'"+TagName(b.tag)+"'", "tag"), arg(b.id, "the block")},
			Fix: "set the pointer to NULL after the free, and free on one path only."})
		return false
	case v.off != 0:
		b.report(k, verify.Finding{Rule: verify.POOL_008, BugCheck: 0xC4,
			Headline: fmt.Sprintf("%v: the address lies %d bytes inside %s", d, v.off, b.describe()),
			Args: [4]verify.Arg{arg("0x13e", "the address is not the start of a block"),
				arg(fmt.Sprintf("%v+%#x", b.id, v.off), "address given"), arg(b.id, "the block")},
			Fix: "keep the pointer that the allocation returned."})
		return false
	}
	b.freeLevel(k, d)
	return true
}

// freeLevel reports POOL-004 and POOL-005.
func (b *block) freeLevel(k *ke.K, d ddi.ID) {
	rule, sub, allowed := verify.POOL_005, "0x12", uint8(ke.Dispatch)
	if b.kind.Pageable() {
		rule, sub, allowed = verify.POOL_004, "0x11", ke.APC
	}
	if ke.IRQL(k) <= allowed {
		return
	}
	b.report(k, verify.Finding{Rule: rule, BugCheck: 0xC4, AllowedIRQL: allowed,
		Headline: fmt.Sprintf("%v: %s is freed at %s", d, b.describe(), ke.LevelName(ke.IRQL(k))),
		Args: [4]verify.Arg{arg(sub, "pool is freed at a wrong IRQL"), arg(ke.IRQL(k), "IRQL"), arg(b.kind,
			"pool type"),
			arg(b.id, "the block")}})
}

// uses says that the step under way does something to the block.
func (b *block) uses(how ke.Access) { b.h.m.AddsOn(ke.Use{Obj: b.id, How: how}) }

func freeNil(k *ke.K, d ddi.ID) {
	ke.Report(k, verify.Finding{Rule: verify.POOL_007, BugCheck: 0xC2, Obj: d.String(),
		Headline: fmt.Sprintf("%v is called with NULL", d),
		Args:     [4]verify.Arg{arg("0x46", "an address that is no pool block"), arg("0x0", "the address")},
		Fix:      "free only what an allocation returned."})
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
	b.report(k, verify.Finding{Rule: verify.POOL_007, BugCheck: 0xC4,
		Headline: fmt.Sprintf("%v: %v is %s, not a pool block", d, b.id, what),
		Args:     [4]verify.Arg{arg("0x10", "an address that is no pool block"), arg(b.id, "the address")},
		Fix:      "give memory back with the routine that belongs to the one it came from."})
}

func (b *block) wrongTag(k *ke.K, d ddi.ID, tag uint32) {
	b.report(k, verify.Finding{Rule: verify.POOL_009, BugCheck: 0xC2,
		Headline: fmt.Sprintf("%v: %v was allocated with tag '%s' and is freed with '%s'", d, b.id,
			TagName(b.tag), TagName(tag)),
		Args: [4]verify.Arg{arg("0xa", "freed with a wrong tag"), arg(b.id, "the block"),
			arg("'"+TagName(b.tag)+"'", "tag of the allocation"), arg("'"+TagName(tag)+"'", "tag given")},
		Fix: "use one constant for both."})
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
		return verify.Finding{Rule: verify.POOL_012, BugCheck: 0xC1,
			Headline: "bytes before " + b.describe() + " were overwritten",
			Args:     [4]verify.Arg{arg(b.id, "the block"), {}, {}, arg("0x23", "bytes before the block")}}
	}
	return verify.Finding{Rule: verify.POOL_011, BugCheck: 0xC1,
		Headline: "bytes behind " + b.describe() + " were overwritten",
		Args:     [4]verify.Arg{arg(b.id, "the block"), {}, {}, arg("0x24", "bytes behind the block")}}
}
