package ndis

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/ntstatus"
)

// NET_BUFFER_LIST is one packet, or several of one flow, with what is known about it.
type NET_BUFFER_LIST struct {
	m      *ke.Machine
	id     trace.ID
	owner  *ke.Image // who allocated it; nil is the stack
	pool   NDIS_HANDLE
	next   *NET_BUFFER_LIST
	first  *NET_BUFFER
	status ntstatus.NTSTATUS
	about  any // what it carries, for the filter engine

	// Invariant: children and references are loans on the list: its memory stays until they are back.
	parent   *NET_BUFFER_LIST
	children int
	refs     []reference
	let      bool // the stack is done with an indicated list
	freed    bool
	injected trace.ID // the handle it is under way by; 0 when it is not
	told     bool     // that it is left is reported

	// what was last done to it
	madeSeq, injectSeq, doneSeq, failSeq, freeSeq uint64
	madeTime                                      int64
	looked                                        bool // a driver has looked into it
}

// reference is one of FwpsReferenceNetBufferList0.
type reference struct {
	by  *ke.Image
	seq uint64
	at  int64
}

// ID is the id reports use for the list.
func (nbl *NET_BUFFER_LIST) ID() trace.ID {
	if nbl == nil {
		return 0
	}
	return nbl.id
}

// touch notices that a driver looks at a list that is not its to look at.
func (nbl *NET_BUFFER_LIST) touch(what string) {
	if nbl.m == nil {
		return
	}
	k := nbl.m.Current()
	if k == nil {
		return
	}
	ke.Accesses(k, ke.Reads(nbl.id))
	nbl.looked = true
	nbl.mine(k, what)
}

// mine reports an act on a list that is gone or under way; false means that it was one.
func (nbl *NET_BUFFER_LIST) mine(k *ke.K, what string) bool {
	f := verify.Finding{Obj: nbl.id.String(), Places: nbl.places()}
	switch {
	case nbl.freed:
		f.Rule = verify.POOL_013
		f.Headline = fmt.Sprintf("%s: %v is freed already", what, nbl.id)
	case nbl.let && nbl.owner == nil && len(nbl.refs) == 0 && nbl.children == 0:
		f.Rule, f.Also = verify.WFP_054, []verify.RuleID{verify.POOL_013}
		f.Headline = fmt.Sprintf("%s: %v was lent to a classifyFn that has returned", what, nbl.id)
		f.Fix = "clone the list, or call FwpsReferenceNetBufferList0, before classifyFn returns."
	case nbl.injected != 0 && ke.Acting(k) != nil:
		f.Rule = verify.WFP_166
		f.Headline = fmt.Sprintf("%s: %v is injected and its completionFn has not been called", what, nbl.id)
	default:
		return true
	}
	ke.Report(k, f)
	return false
}

// places are the events a report about the list cites.
func (nbl *NET_BUFFER_LIST) places() (out []verify.Place) {
	for _, p := range [...]verify.Place{{Label: "ALLOCATED", Seq: nbl.madeSeq},
		{Label: "INJECTION_FAILED", Seq: nbl.failSeq}, {Label: "INJECTED", Seq: nbl.injectSeq},
		{Label: "COMPLETED", Seq: nbl.doneSeq}, {Label: "FREED", Seq: nbl.freeSeq}} {
		if p.Seq != 0 {
			out = append(out, p)
		}
	}
	return out
}

func (nbl *NET_BUFFER_LIST) uses(how ke.Access) { nbl.m.AddsOn(ke.Use{Obj: nbl.id, How: how}) }

// Next is the C field of that name. Rules: WFP-054, WFP-166, POOL-013.
func (nbl *NET_BUFFER_LIST) Next() *NET_BUFFER_LIST {
	nbl.touch("Next")
	return nbl.next
}

// SetNext assigns Next. Rules: as Next.
func (nbl *NET_BUFFER_LIST) SetNext(next *NET_BUFFER_LIST) {
	nbl.touch("Next")
	for n := next; n != nil; n = n.next {
		if n == nbl {
			circle(nbl.m, nbl.id)
			return
		}
	}
	nbl.next = next
}

// circle reports a chain that leads back to itself, which whoever follows it never leaves.
func circle(m *ke.Machine, id trace.ID) {
	if m == nil || m.Current() == nil {
		return
	}
	ke.Report(m.Current(), verify.Finding{Kind: "livelock", Obj: id.String(),
		Headline: fmt.Sprintf("Next of %v leads back to itself: who follows the chain comes to no end", id),
		Fix:      "end a chain with NULL."})
}

// FirstNetBuffer is the C field of that name. Rules: as Next.
func (nbl *NET_BUFFER_LIST) FirstNetBuffer() *NET_BUFFER {
	nbl.touch("FirstNetBuffer")
	return nbl.first
}

// ParentNetBufferList is the C field of that name: what a clone was made of. Rules: as Next.
func (nbl *NET_BUFFER_LIST) ParentNetBufferList() *NET_BUFFER_LIST {
	nbl.touch("ParentNetBufferList")
	return nbl.parent
}

// ChildRefCount is the C field of that name: how many clones there are. Rules: as Next.
func (nbl *NET_BUFFER_LIST) ChildRefCount() int32 {
	nbl.touch("ChildRefCount")
	return int32(nbl.children)
}

// Status is the C field of that name: what became of an injection. Rules: as Next.
func (nbl *NET_BUFFER_LIST) Status() NDIS_STATUS {
	nbl.touch("Status")
	return nbl.status
}

// SetStatus assigns Status. Rules: as Next.
func (nbl *NET_BUFFER_LIST) SetStatus(s NDIS_STATUS) {
	nbl.touch("Status")
	nbl.status = s
}

// NdisPoolHandle is the C field of that name. Rules: as Next.
func (nbl *NET_BUFFER_LIST) NdisPoolHandle() NDIS_HANDLE {
	nbl.touch("NdisPoolHandle")
	return nbl.pool
}

// NET_BUFFER is one packet: a chain of MDLs, and where in it the data begins.
//
// Invariant: current holds the byte at offset, inside bytes from its start.
type NET_BUFFER struct {
	of      *NET_BUFFER_LIST // whose buffer it is; nil for one that stands alone
	next    *NET_BUFFER
	pool    NDIS_HANDLE
	chain   *irp.MDL
	offset  uint32
	length  uint32
	current *irp.MDL
	inside  uint32

	chainWas []*irp.MDL // of a clone: the chain it was made with
	added    []addition // in front of the chain, by a retreat
	own      *irp.Buffer
	freed    bool
}

// addition is an MDL that a retreat has put in front of a chain.
type addition struct {
	mdl    *irp.MDL
	mem    *irp.Buffer // nil when the driver's handler made it
	system bool        // the filter engine did, and takes it away
}

func (nb *NET_BUFFER) touch(what string) {
	if nb.of != nil {
		nb.of.touch(what)
	}
}

// Next is the C field of that name. Rules: as Next of a list.
func (nb *NET_BUFFER) Next() *NET_BUFFER {
	nb.touch("Next")
	return nb.next
}

// SetNext assigns Next. Rules: as Next.
func (nb *NET_BUFFER) SetNext(next *NET_BUFFER) {
	nb.touch("Next")
	for n := next; n != nil; n = n.next {
		if n == nb {
			if nb.of != nil {
				circle(nb.of.m, nb.of.id)
			}
			return
		}
	}
	nb.next = next
}

// MdlChain is the C field of that name. Rules: as Next.
func (nb *NET_BUFFER) MdlChain() *irp.MDL {
	nb.touch("MdlChain")
	return nb.chain
}

// CurrentMdl is the C field of that name: the MDL that holds the first byte of the data. Rules: as Next.
func (nb *NET_BUFFER) CurrentMdl() *irp.MDL {
	nb.touch("CurrentMdl")
	return nb.current
}

// CurrentMdlOffset is the C field of that name. Rules: as Next.
func (nb *NET_BUFFER) CurrentMdlOffset() uint32 {
	nb.touch("CurrentMdlOffset")
	return nb.inside
}

// DataOffset is the C field of that name: where in the chain the data begins. Rules: as Next.
func (nb *NET_BUFFER) DataOffset() uint32 {
	nb.touch("DataOffset")
	return nb.offset
}

// DataLength is the C field of that name. Rules: as Next.
func (nb *NET_BUFFER) DataLength() uint32 {
	nb.touch("DataLength")
	return nb.length
}

// SetDataLength assigns DataLength. Rules: as Next.
func (nb *NET_BUFFER) SetDataLength(n uint32) {
	nb.touch("DataLength")
	nb.length = n
}

// settle finds the MDL that holds the first byte.
func (nb *NET_BUFFER) settle() {
	left := nb.offset
	nb.current = nb.chain
	for _, m := range mdls(nb.chain) {
		nb.current = m
		n := uint32(size(m))
		if left < n || m.Next == nil {
			break
		}
		left -= n
	}
	nb.inside = left
}

// size is how many bytes an MDL describes; a partial one that is not built describes none.
func size(m *irp.MDL) int {
	if b := irp.Sim.MdlBuffer(m); b != nil {
		return b.Len()
	}
	return 0
}

// maxChain is how far a chain of MDLs is followed: one that leads back to itself has no end.
const maxChain = 4096

// mdls lists a chain.
func mdls(m *irp.MDL) (out []*irp.MDL) {
	for ; m != nil && len(out) < maxChain; m = m.Next {
		out = append(out, m)
	}
	return out
}

// keep lists a list that may outlive whoever made it.
func (s *subsystem) keep(nbl *NET_BUFFER_LIST) { s.lists = append(s.lists, nbl) }

func (s *subsystem) forget(nbl *NET_BUFFER_LIST) {
	for i, o := range s.lists {
		if o == nbl {
			s.lists = list.Cut(s.lists, i)
			return
		}
	}
}
