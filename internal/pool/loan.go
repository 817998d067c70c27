package pool

import (
	"fmt"
	"hash/crc32"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// Loan says for what an operation needs a driver's memory.
type Loan struct {
	Owner    trace.ID      // the operation: a WSK request, an IRP, an MDL, a classify
	Rule     verify.RuleID // broken when the memory goes or changes meanwhile; NoRule: POOL-025 and MDL-014
	What     string        // what the memory is to the operation: "the data buffer of WskSend"
	Returns  bool          // the operation ends by giving the memory back to a routine of the driver: no leak
	Writable bool          // the contents may change while it is lent, by whomever
	Seq      uint64        // event of the lending call; 0: the last one
	BugCheck uint32
	Code     verify.Arg // first argument of the bug check when the memory goes
	Fix      string
}

// loan is a Loan of one view.
type loan struct {
	Loan
	off, n int
	sum    uint32
}

func (b *block) extra() *extra {
	if b.ext == nil {
		b.ext = new(extra)
	}
	return b.ext
}

// Lend marks memory as in use by owner: it must not be freed, and unless writable not be changed, before
// Return.
func Lend(k *ke.K, v *Buffer, owner trace.ID, writable bool) {
	LendAs(k, v, Loan{Owner: owner, Writable: writable})
}

// LendAs is Lend with everything said.
func LendAs(k *ke.K, v *Buffer, l Loan) {
	b := v.blk
	b.uses(ke.W)
	if b.guard&gGone != 0 {
		v.touchGone(k, 0, false)
		return
	}
	if l.Seq == 0 {
		l.Seq = b.h.m.Log().Len()
	}
	rec := loan{Loan: l, off: int(v.off), n: v.Len()}
	if !l.Writable && b.c != nil {
		b.guard |= gLent
		if !b.h.opt.NoChecksum {
			rec.sum = checksum(v.data)
		}
	}
	x := b.extra()
	x.loans = append(x.loans, rec)
}

// Return ends the loan of the view to owner, and checks that what was lent unchanged is unchanged. It does
// nothing when there is no such loan, as after a continued violation.
func Return(k *ke.K, v *Buffer, owner trace.ID) {
	b := v.blk
	b.uses(ke.W)
	if b.ext == nil {
		return
	}
	for i := range b.ext.loans {
		l := b.ext.loans[i]
		if l.Owner != owner || l.off != int(v.off) || l.n != v.Len() {
			continue
		}
		b.ext.loans = list.Cut(b.ext.loans, i)
		b.relent()
		if !l.Writable && b.c != nil && !b.h.opt.NoChecksum && checksum(v.data) != l.sum {
			b.changedWhileLent(k, &l, "was changed through a pointer")
		}
		return
	}
}

// Lent reports whether somebody uses the memory.
func Lent(v *Buffer) bool {
	v.blk.uses(ke.R)
	return v.blk.ext != nil && len(v.blk.ext.loans) > 0
}

// relent sets gLent from the loans that are left.
func (b *block) relent() {
	b.guard &^= gLent
	for i := range b.ext.loans {
		if !b.ext.loans[i].Writable && b.c != nil {
			b.guard |= gLent
		}
	}
}

func checksum(p []byte) uint32 { return crc32.Update(0, crc32.MakeTable(crc32.Castagnoli), p) }

// use says what the memory is needed for: "the data buffer of WskSend (irp#7)".
func (l *Loan) use() string {
	if l.What == "" {
		return l.Owner.String()
	}
	return l.What + " (" + l.Owner.String() + ")"
}

// gravest is the loan to report when the memory goes: that of an operation before that of an MDL that only
// describes it.
func (x *extra) gravest() *loan {
	for i := range x.loans {
		if x.loans[i].Rule != verify.MDL_018 {
			return &x.loans[i]
		}
	}
	return &x.loans[0]
}

// goneWhileLent reports that memory goes although somebody uses it; act is the predicate.
func (b *block) goneWhileLent(k *ke.K, act string) {
	l := b.ext.gravest()
	f := verify.Finding{Rule: l.Rule, BugCheck: l.BugCheck, Args: [4]verify.Arg{l.Code}, Fix: l.Fix,
		Headline: fmt.Sprintf("%s %s while it is in use: %s", b.describe(), act, l.use()),
		Places:   []verify.Place{{Label: "LENT", Seq: l.Seq}}}
	general := verify.POOL_025
	if b.kind == Stack {
		general = verify.POOL_026
	}
	if f.Rule == verify.NoRule {
		f.Rule, f.Case = general, "lent"
	} else {
		f.Also = append(f.Also, general)
	}
	for i := range b.ext.loans {
		if r := b.ext.loans[i].Rule; r == verify.MDL_018 && f.Rule != r {
			f.Also = append(f.Also, r)
			break
		}
	}
	b.report(k, f)
}

// writeLent reports a store into memory whose contents an operation needs unchanged.
func (b *block) writeLent(k *ke.K, off, n int) {
	for i := range b.ext.loans {
		l := &b.ext.loans[i]
		if !l.Writable && off < l.off+l.n && l.off < off+n {
			b.changedWhileLent(k, l, "is written")
			if !b.h.opt.NoChecksum {
				l.sum = 0
				l.Writable = true // collected once
			}
		}
	}
}

func (b *block) changedWhileLent(k *ke.K, l *loan, act string) {
	f := verify.Finding{Rule: l.Rule, BugCheck: l.BugCheck, Fix: l.Fix,
		Headline: fmt.Sprintf("%v %s while it is in use: %s", b.id, act, l.use()),
		Places:   []verify.Place{{Label: "LENT", Seq: l.Seq}}}
	if b.owner != nil {
		f.Driver = b.owner.Name
	}
	if f.Rule == verify.NoRule || f.Rule == verify.MDL_018 {
		f.Rule = verify.MDL_014
	}
	b.report(k, f)
}

// Take makes a block the system's: it is no leak of its driver any more, and the driver's touching or
// freeing it breaks l.Rule (POOL-025 if none is given). The system frees it with FreeTaken.
func Take(k *ke.K, v *Buffer, l Loan) {
	b := v.blk
	b.uses(ke.W)
	if b.guard&gGone != 0 {
		v.touchGone(k, 0, false)
		return
	}
	if l.Seq == 0 {
		l.Seq = b.h.m.Log().Len()
	}
	b.extra().taken = &l
	b.guard |= gTaken
}

// GiveBack undoes Take.
func GiveBack(k *ke.K, v *Buffer) {
	v.blk.uses(ke.W)
	if v.blk.ext != nil {
		v.blk.ext.taken = nil
		v.blk.guard &^= gTaken
	}
}

// Taken reports whether the block is the system's, and whose there.
func Taken(v *Buffer) (trace.ID, bool) {
	v.blk.uses(ke.R)
	if x := v.blk.ext; x != nil && x.taken != nil {
		return x.taken.Owner, true
	}
	return 0, false
}

// FreeTaken frees a block the system took; no tag is checked. A block that was not taken, or is gone, is
// left alone.
func FreeTaken(k *ke.K, v *Buffer) {
	b := v.blk
	b.uses(ke.W)
	if b.ext == nil || b.ext.taken == nil || b.guard&gGone != 0 {
		return
	}
	b.end(k, ddi.None)
}

func (b *block) touchTaken(k *ke.K) {
	l := b.ext.taken
	f := verify.Finding{Rule: l.Rule, BugCheck: l.BugCheck, Fix: l.Fix,
		Headline: fmt.Sprintf("%s is touched or freed although it was given away: %s", b.describe(), l.use()),
		Places:   []verify.Place{{Label: "GIVEN_AWAY", Seq: l.Seq}}}
	if f.Rule == verify.NoRule {
		f.Rule = verify.POOL_025
	} else {
		f.Also = []verify.RuleID{verify.POOL_006, verify.POOL_013}
	}
	b.report(k, f)
}
