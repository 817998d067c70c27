package pool

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/verify"
)

// TagName prints a tag as WinDbg does: its bytes in memory order.
func TagName(tag uint32) string {
	var c [4]byte
	for i := range c {
		c[i] = byte(tag >> (8 * i))
		if c[i] < 0x20 || c[i] > 0x7e {
			c[i] = '.'
		}
	}
	return string(c[:])
}

// describe says what a block is, for headlines: "pool#3 'Redr', 64 bytes of nonpaged pool".
func (b *block) describe() string {
	if !b.kind.Pool() {
		return fmt.Sprintf("%v, %d bytes of %v", b.id, b.size, b.kind)
	}
	return fmt.Sprintf("%v '%s', %d bytes of %v", b.id, TagName(b.tag), b.size, b.kind)
}

// story lists where the block came from and went.
func (b *block) story() []verify.Place {
	var out []verify.Place
	if b.allocSeq != 0 {
		out = append(out, verify.Place{Label: "ALLOCATED", Seq: b.allocSeq})
	}
	if b.freeSeq != 0 {
		label := "FREED"
		if b.kind == Stack {
			label = "ROUTINE_RETURNED"
		}
		out = append(out, verify.Place{Label: label, Seq: b.freeSeq})
	}
	return out
}

// report completes a finding about b and reports it.
func (b *block) report(k *ke.K, f verify.Finding) {
	f.Obj = b.id.String()
	f.Places = list.Add(b.story(), f.Places)
	ke.Report(k, f)
}

func arg(value any, meaning string) verify.Arg {
	return verify.Arg{Value: fmt.Sprint(value), Meaning: meaning}
}

func access(write bool) (verb string, code int) {
	if write {
		return "written", 1
	}
	return "read", 0
}

// touchGone reports an access to memory that is freed or was on the stack of a routine that has returned.
func (b *Buffer) touchGone(k *ke.K, off int, write bool) {
	if b.blk.ext != nil && b.blk.ext.taken != nil && ke.Acting(k) != nil {
		b.blk.touchTaken(k) // may be collected
		return
	}
	verb, code := access(write)
	where := fmt.Sprintf("%v+%#x", b.blk.id, int(b.off)+off)
	if b.blk.kind == Stack {
		b.blk.report(k, verify.Finding{Rule: verify.POOL_026,
			Headline: fmt.Sprintf("%s is %s, but the routine whose stack it was on has returned", where,
				verb),
			Args: verify.Params(where)})
		gone()
	}
	b.blk.report(k, verify.Finding{Rule: verify.POOL_013,
		Headline: fmt.Sprintf("%s is %s after it was freed (%s)", where, verb, b.blk.describe()),
		Args:     verify.Params(where, code), Fix: b.blk.goneFix(k)})
	gone()
}

// gone is where a run never gets: the rules about memory that does not exist are fatal.
func gone() { panic("internal error: a run went on after touching memory that is gone") }

func (b *Buffer) mappingEnded(k *ke.K) {
	end, label := "which has ended", "UNMAPPED"
	if b.alias.Unlocked {
		end, label = "whose pages are not locked any more", "SOURCE_UNLOCKED"
	}
	b.blk.report(k, verify.Finding{Rule: b.alias.endedRule(), BugCheck: 0xD5,
		Headline: fmt.Sprintf("%v is touched through the mapping of %v, %s", b.blk.id, b.alias.Obj, end),
		Places:   []verify.Place{{Label: label, Seq: b.alias.Ended}},
		Fix: "do not keep the address MmGetSystemAddressForMdlSafe returned beyond MmUnlockPages or " +
			"IoFreeMdl."})
	gone()
}

func (a *Alias) endedRule() verify.RuleID {
	if a.Rule != verify.NoRule {
		return a.Rule
	}
	return verify.MDL_016
}

// outside reports an access that does not lie in the view.
func (b *Buffer) outside(k *ke.K, off, n int, write bool) {
	verb, code := access(write)
	f := verify.Finding{Rule: verify.POOL_011}
	what := "the view"
	switch {
	case b.alias != nil:
		f.Rule, what = verify.MDL_019, "the mapping of "+b.alias.Obj.String()
	case off < 0:
		f.Rule = verify.POOL_012
	}
	if b.off == 0 && len(b.data) == int(b.blk.size) && b.alias == nil {
		what = "the block"
	}
	f.Headline = fmt.Sprintf("%d bytes at offset %d of %v are %s, but %s ends at %d", n, off, b.blk.id, verb,
		what, len(b.data))
	if off < 0 {
		f.Headline = fmt.Sprintf("%d bytes at offset %d of %v are %s: that is before the start of %s", n, off,
			b.blk.id, verb, what)
	}
	f.Args[0] = arg(fmt.Sprintf("%v%+#x", b.blk.id, int(b.off)+off), "memory referenced")
	f.Args[1] = arg(code, "0 read, 1 write")
	b.blk.report(k, f)
	gone()
}

func (b *block) touchPaged(k *ke.K, off int, write bool) {
	_, code := access(write)
	what := "pool"
	if b.kind == User {
		what = "a buffer of the program"
	}
	b.report(k, verify.Finding{Rule: verify.IRQL_008, AllowedIRQL: ke.APC,
		Headline: fmt.Sprintf("%s is touched at %s", b.describe(), ke.LevelName(ke.IRQL(k))),
		Args:     verify.Params(fmt.Sprintf("%v+%#x", b.id, off), ke.IRQL(k), code), Case: what})
}

func (b *Buffer) writeReadOnly(k *ke.K) {
	b.blk.report(k, verify.Finding{Rule: verify.POOL_024,
		Headline: fmt.Sprintf("%v is written through a read-only view", b.blk.id),
		Args:     verify.Params(b.blk.id)})
}
