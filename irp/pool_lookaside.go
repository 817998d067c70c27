package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// ALLOCATE_FUNCTION_EX makes an entry for a lookaside list that brings its own memory; nil when it has none.
//
// IRQL: that of ExAllocateFromLookasideListEx.
// Reference: wdm/nc-wdm-allocate_function_ex.
type ALLOCATE_FUNCTION_EX func(k *irql.K, poolType POOL_TYPE, numberOfBytes uint64, tag uint32,
	list *LOOKASIDE_LIST_EX) *Buffer

// FREE_FUNCTION_EX takes back an entry of a lookaside list that brings its own memory.
//
// IRQL: that of ExFreeToLookasideListEx.
// Reference: wdm/nc-wdm-free_function_ex.
type FREE_FUNCTION_EX func(k *irql.K, entry *Buffer, list *LOOKASIDE_LIST_EX)

// LOOKASIDE_LIST_EX is a list of blocks of one size that are kept for reuse. It lies in nonpaged driver
// memory. Every entry it hands out is a block of its own here, so that a driver that keeps using one it
// gave back is caught.
type LOOKASIDE_LIST_EX struct {
	run      ke.Stamp
	id       trace.ID
	owner    *ke.Image
	allocate ALLOCATE_FUNCTION_EX
	free     FREE_FUNCTION_EX
	calls    [2]uintptr // code of the driver's two routines, for its frames
	poolType POOL_TYPE
	size     uint64
	tag      uint32
	raises   bool      // an allocation that fails does
	out      []*Buffer // entries handed out
	live     bool
	goneRule verify.RuleID
	initSeq  uint64
}

// lookasides are the live lists of one machine.
type lookasides struct{ live []*LOOKASIDE_LIST_EX }

var lookasideState = ke.NewSlot(func(m *ke.Machine) *lookasides {
	s := &lookasides{}
	m.AtUnload(s.checkUnload)
	return s
})

var siteLookaside = ke.Site{Name: "fault/ExAllocateFromLookasideListEx", Alts: faultAlts, Spec: "irp.md 19.2"}

// lookasideMinimum is the smallest entry: the list links entries through their first bytes.
const lookasideMinimum = 8

// ID returns the id reports use for the list.
func (l *LOOKASIDE_LIST_EX) ID() trace.ID { return l.id }

// Busy says why the memory of the list must not go, "" when it may.
func (l *LOOKASIDE_LIST_EX) Busy() string {
	if l.live {
		return "is a lookaside list that was not deleted"
	}
	return ""
}

// Gone tells the list that its memory is no more.
func (l *LOOKASIDE_LIST_EX) Gone(rule verify.RuleID, _ uint64) { l.goneRule = rule }

func (l *LOOKASIDE_LIST_EX) report(k *irql.K, cause, headline string) {
	f := verify.Finding{Rule: verify.POOL_021, Case: cause, Obj: l.id.String(), Headline: headline,
		Args: verify.Params(nil, l.id)}
	if l.initSeq != 0 && l.run.Of(k) {
		f.Places = []verify.Place{{Label: "INITIALISED", Seq: l.initSeq}}
	}
	if l.goneRule != verify.NoRule {
		f.Rule, f.Case, f.Headline = l.goneRule, "", headline+": its memory is gone"
	}
	ke.Report(k, f)
}

// usable reports a list that is not initialised; false means that the routine has no effect.
func (l *LOOKASIDE_LIST_EX) usable(k *irql.K, d ddi.ID) bool {
	ke.Alive(k, l.id)
	if l.live && l.run.Of(k) && l.goneRule == verify.NoRule {
		return true
	}
	l.report(k, "never initialised",
		fmt.Sprintf("%v on a lookaside list that is not initialised", d))
	return false
}

// Flags of ExInitializeLookasideListEx, of which one may be given.
const (
	EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL uint32 = 1
	EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE uint32 = 2
)

// checkLookaside says what a list must not be made with. The page names the statuses, not the values; which
// pool types are valid is INFERRED from the header.
func checkLookaside(t POOL_TYPE, flags uint32) ntstatus.NTSTATUS {
	const known = PagedPool | NonPagedPoolCacheAligned | POOL_RAISE_IF_ALLOCATION_FAILURE |
		poolSession | POOL_COLD_ALLOCATION | NonPagedPoolNx
	switch {
	case t&^known != 0:
		return ntstatus.STATUS_INVALID_PARAMETER_4
	case flags > EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE:
		return ntstatus.STATUS_INVALID_PARAMETER_5
	}
	return ntstatus.STATUS_SUCCESS
}

// ExInitializeLookasideListEx initialises a list of entries of one size; nil callbacks mean pool memory.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the list's memory must stay until ExDeleteLookasideListEx.
// Returns: STATUS_SUCCESS.
// Rules: POOL-010, POOL-021, IRQL-001.
// Not modelled: depth, quotas.
// Reference: wdm/nf-wdm-exinitializelookasidelistex.
func ExInitializeLookasideListEx(k *irql.K, lookaside *LOOKASIDE_LIST_EX, allocate ALLOCATE_FUNCTION_EX,
	free FREE_FUNCTION_EX,
	poolType POOL_TYPE, flags uint32, size uint64, tag uint32, depth uint16) ntstatus.NTSTATUS {
	const d = ddi.ExInitializeLookasideListEx
	ke.Enter(k, d)
	if s := checkLookaside(poolType, flags); s != ntstatus.STATUS_SUCCESS {
		ke.CallStatus(k, d, 0, uint32(s))
		return s
	}
	l := LOOKASIDE_LIST_EX{allocate: allocate, free: free, size: size, tag: tag,
		calls: [2]uintptr{ke.CodeOf(allocate), ke.CodeOf(free)}, poolType: poolType}
	switch flags { // the allocation routine is told by a bit of the pool type
	case EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL:
		l.poolType |= POOL_RAISE_IF_ALLOCATION_FAILURE
		l.raises = allocate == nil
	case EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE:
		l.poolType |= POOL_QUOTA_FAIL_INSTEAD_OF_RAISE
	}
	lookaside.begin(k, d, l)
	return ntstatus.STATUS_SUCCESS
}

// begin is every routine that initialises a list; as says what it is to be.
func (l *LOOKASIDE_LIST_EX) begin(k *irql.K, d ddi.ID, as LOOKASIDE_LIST_EX) {
	if l.live && l.run.Of(k) {
		l.report(k, "initialised twice",
			fmt.Sprintf("%v is initialised a second time", l.id))
		return
	}
	*l = as
	l.run, l.id, l.owner, l.live = ke.StampOf(k), ke.Of(k).NewID(trace.Lookaside), ke.Acting(k), true
	if l.size < lookasideMinimum {
		l.report(k, "entries too small",
			fmt.Sprintf("%v: entries of %d bytes have no room for a link", l.id, l.size))
	}
	checkTag(k, d, l.tag)
	s := lookasideState.Of(k)
	s.live = append(s.live, l)
	ke.Of(k).Ends(l.id)
	l.initSeq = ke.Call(k, d, l.id)
}

// ExAllocateFromLookasideListEx takes an entry from the list; nil when there is no memory. Its contents are
// undefined.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller's until it gives the entry back to the same list.
// Rules: POOL-002, POOL-021, IRQL-001.
// Reference: wdm/nf-wdm-exallocatefromlookasidelistex.
func ExAllocateFromLookasideListEx(k *irql.K, lookaside *LOOKASIDE_LIST_EX) *Buffer {
	ke.Enter(k, ddi.ExAllocateFromLookasideListEx)
	return lookaside.take(k, ddi.ExAllocateFromLookasideListEx, &siteLookaside)
}

// take is every routine that takes an entry from a list.
func (l *LOOKASIDE_LIST_EX) take(k *irql.K, d ddi.ID, site *ke.Site) *Buffer {
	ke.Point(k, ke.Dequeues(l.id))
	if !l.usable(k, d) {
		return nil
	}
	r := pool.Request{DDI: d, Kind: l.poolType.kind(), Size: blockSize(l.size), Tag: l.tag,
		CacheAligned: l.poolType.cacheAligned(), Uninitialized: true}
	allocationLevel(k, &r)
	b := l.get(k, &r, site)
	if b == nil {
		return noPool(k, &r, l.raises)
	}
	ke.Adds(k, ke.Dequeues(l.id))
	l.out = append(l.out, b)
	return b
}

func (l *LOOKASIDE_LIST_EX) get(k *irql.K, r *pool.Request, site *ke.Site) *Buffer {
	if l.allocate != nil {
		ke.Push(k, ke.Frame{Kind: ke.FrameQueue, Image: l.owner, Obj: l.id, Fn: l.calls[0]})
		b := l.allocate(k, l.poolType, l.size, l.tag, l)
		ke.Pop(k)
		return b
	}
	if ke.Fails(k, site) {
		return nil
	}
	b := pool.Alloc(k, r)
	if b != nil {
		pool.SetLookaside(b, true)
	}
	return b
}

// ExFreeToLookasideListEx gives an entry back to the list it came from.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: gone.
// Rules: POOL-004, POOL-006, POOL-021, POOL-025, IRQL-001.
// Reference: wdm/nf-wdm-exfreetolookasidelistex.
func ExFreeToLookasideListEx(k *irql.K, lookaside *LOOKASIDE_LIST_EX, entry *Buffer) {
	ke.Enter(k, ddi.ExFreeToLookasideListEx)
	lookaside.giveBack(k, ddi.ExFreeToLookasideListEx, entry)
}

// giveBack is every routine that gives an entry back.
func (l *LOOKASIDE_LIST_EX) giveBack(k *irql.K, d ddi.ID, entry *Buffer) {
	ke.Point(k, ke.Enqueues(l.id))
	if !l.usable(k, d) {
		return
	}
	if !l.takeBack(entry) {
		if entry == nil || pool.Gone(entry) {
			pool.Free(k, d, entry, 0) // reports POOL-007 or POOL-006
			return
		}
		l.report(k, "entry of another list",
			fmt.Sprintf("%v: %v did not come from %v", d, entry.ID(), l.id))
		return
	}
	if l.free != nil {
		ke.Push(k, ke.Frame{Kind: ke.FrameQueue, Image: l.owner, Obj: l.id, Fn: l.calls[1]})
		l.free(k, entry, l)
		ke.Pop(k)
		return
	}
	pool.SetLookaside(entry, false)
	pool.Free(k, d, entry, 0)
}

func (l *LOOKASIDE_LIST_EX) takeBack(entry *Buffer) bool {
	for i, b := range l.out {
		if b == entry {
			l.out = list.Cut(l.out, i)
			return true
		}
	}
	return false
}

// ExDeleteLookasideListEx ends a list. Entries that were not given back are lost.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the list's memory may go.
// Rules: POOL-021, IRQL-001.
// Reference: wdm/nf-wdm-exdeletelookasidelistex.
func ExDeleteLookasideListEx(k *irql.K, lookaside *LOOKASIDE_LIST_EX) {
	ke.Enter(k, ddi.ExDeleteLookasideListEx)
	lookaside.end(k, ddi.ExDeleteLookasideListEx)
}

// end is every routine that deletes a list.
func (l *LOOKASIDE_LIST_EX) end(k *irql.K, d ddi.ID) {
	ke.Point(k, ke.Writes(l.id))
	if !l.usable(k, d) {
		return
	}
	if n := len(l.out); n > 0 {
		l.report(k, "entries outstanding",
			fmt.Sprintf("%v is deleted while %d of its entries are handed out", l.id, n))
	}
	ke.Of(k).Ends(l.id)
	l.live = false
	s := lookasideState.Of(k)
	for i, o := range s.live {
		if o == l {
			s.live = list.Cut(s.live, i)
			break
		}
	}
	ke.Call(k, d, l.id)
}

// checkUnload reports lists a driver has left. Rules: UNLOAD-003.
func (s *lookasides) checkUnload(m *ke.Machine, img *ke.Image) {
	for _, l := range s.live {
		if l.owner != img {
			continue
		}
		m.ReportEnd(verify.Finding{Rule: verify.UNLOAD_003, Obj: l.id.String(), Driver: img.Name,
			Ctx:      "unload of " + img.Name,
			Headline: fmt.Sprintf("%s is unloaded and leaves the lookaside list %v", img.Name, l.id),
			Args:     verify.Params(img.Name), Places: []verify.Place{{Label: "INITIALISED",
				Seq: l.initSeq}}})
	}
}
