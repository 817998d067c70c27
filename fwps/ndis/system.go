package ndis

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// sim has the routines that the simulator's other packages need of this one. They are no routines of Windows,
// and drivers have no use for them, so they stand apart.
type sim struct{}

// Sim is for the simulator's own packages.
var Sim sim

// Indicate makes the list a callout gets for a packet: one buffer over b, whose data begins at offset. What
// it carries comes back from About.
func (sim) Indicate(k *irql.K, b []byte, offset int, about any) *NET_BUFFER_LIST {
	s := state.Of(k)
	nbl := s.blank(k, ddi.None)
	nbl.about = about
	nb := &NET_BUFFER{of: nbl, offset: uint32(offset), length: uint32(len(b) - offset)}
	nbl.first = nb
	nb.own = pool.Alloc(k, &pool.Request{Kind: pool.NonPaged, Size: len(b), Tag: tagNbl, System: true})
	if nb.own == nil {
		panic("internal error: no memory for a packet")
	}
	pool.Put(k, nb.own, b)
	nb.chain = irp.Sim.SystemMdl(k, nb.own)
	nb.settle()
	nb.chainWas = mdls(nb.chain)
	s.keep(nbl)
	return nbl
}

// tagNbl is the tag of packets.
const tagNbl = 0x206c624e // "Nbl "

// Done says that the stack needs an indicated list no more: it goes when the last loan is back.
func (sim) Done(k *irql.K, nbl *NET_BUFFER_LIST) {
	nbl.uses(ke.W)
	nbl.let = true
	nbl.letGo(k)
}

// Held reports whether somebody has a clone of, or a reference to, an indicated list.
func (sim) Held(nbl *NET_BUFFER_LIST) bool { return nbl.children > 0 || len(nbl.refs) > 0 }

// Looked reports whether a driver has looked into a list.
func (sim) Looked(nbl *NET_BUFFER_LIST) bool { return nbl.looked }

// WasInjected reports whether a list has been injected, with success.
func (sim) WasInjected(nbl *NET_BUFFER_LIST) bool { return nbl.injectSeq != 0 && nbl.failSeq == 0 }

// About is what a list carries; a clone carries what its parent does.
func (sim) About(nbl *NET_BUFFER_LIST) any { return nbl.about }

// Known reports whether a pointer is a list of this machine.
func (sim) Known(nbl *NET_BUFFER_LIST) bool { return nbl != nil && nbl.m != nil }

// Offset is where the data of the first buffer begins, and how long it is.
func (sim) Offset(nbl *NET_BUFFER_LIST) (offset, length uint32) {
	if nbl.first == nil {
		return 0, 0
	}
	return nbl.first.offset, nbl.first.length
}

// Restore undoes what was done to where the data of an indicated list begins.
func (sim) Restore(nbl *NET_BUFFER_LIST, offset, length uint32) {
	nb := nbl.first
	nb.chain = nb.chainWas[0]
	nb.offset, nb.length = offset, length
	nb.settle()
}

// Memory are the bytes of an indicated list, from the start of its memory on.
func (sim) Memory(k *irql.K, nbl *NET_BUFFER_LIST) []byte { return pool.Raw(k, nbl.first.own) }

// Data are the bytes of each buffer of a list.
func (sim) Data(k *irql.K, nbl *NET_BUFFER_LIST) (out [][]byte) {
	for nb := nbl.first; nb != nil; nb = nb.next {
		out = append(out, nb.bytes(k))
	}
	return out
}

// Prepend puts bytes of the engine's own in front of the data of a buffer; they go with the buffer.
func (sim) Prepend(k *irql.K, d ddi.ID, nb *NET_BUFFER, b []byte) bool {
	if nb.current == nil || int(nb.inside) > size(nb.current) {
		return false
	}
	a, s := nb.more(k, d, uint32(len(b)), nil)
	if s != NDIS_STATUS_SUCCESS {
		return false
	}
	a.system = true
	pool.Put(k, a.mem, b)
	// What lies in front of the data is passed over: the chain goes on where the data begins.
	rest := irp.Sim.SystemMdl(k, irp.Sim.MdlBuffer(nb.current).Slice(int(nb.inside),
		irp.Sim.MdlBuffer(nb.current).Len()-int(nb.inside)))
	rest.Next = nb.current.Next
	a.mdl.Next = rest
	nb.added = append(nb.added, addition{mdl: rest, system: true}, a)
	nb.chain, nb.offset = a.mdl, 0
	nb.length += uint32(len(b))
	nb.settle()
	return true
}

// Mine reports an act on a list that is not the driver's now; false means that there was one.
func (sim) Mine(k *irql.K, nbl *NET_BUFFER_LIST, what string) bool { return nbl.mine(k, what) }

// Allocate makes a list with a buffer for the routine d; nil when it cannot be.
func (sim) Allocate(k *irql.K, d ddi.ID, h NDIS_HANDLE, chain *irp.MDL, offset uint32,
	length uint64) *NET_BUFFER_LIST {
	s := state.Of(k)
	o := s.object(k, d, h, poolOfLists)
	if o == nil {
		return nil
	}
	return s.withBuffer(k, d, h, o, chain, offset, length)
}

// Free frees a list that is no clone, for the routine d.
func (sim) Free(k *irql.K, d ddi.ID, nbl *NET_BUFFER_LIST) { state.Of(k).free(k, d, nbl) }

// Inject hands a list to the stack: it and its memory are the stack's until Injected.
func (sim) Inject(k *irql.K, nbl *NET_BUFFER_LIST, by trace.ID, seq uint64) {
	nbl.uses(ke.W)
	nbl.injected, nbl.injectSeq, nbl.failSeq = by, seq, 0
	nbl.eachMdl(func(m *irp.MDL) {
		irp.Sim.LendMdl(k, m, pool.Loan{Owner: nbl.id, Rule: verify.WFP_166, Writable: nbl.parent != nil,
			What: "the data of an injected list", Seq: seq,
			Fix: "free the memory in completionFn."})
	})
}

// Refused notes that an injection failed: the list stays the driver's.
func (sim) Refused(nbl *NET_BUFFER_LIST, seq uint64) {
	nbl.uses(ke.W)
	nbl.failSeq = seq
}

// Injected gives a list back to the driver, with what became of it.
func (sim) Injected(k *irql.K, nbl *NET_BUFFER_LIST, s ntstatus.NTSTATUS) {
	nbl.uses(ke.W)
	nbl.eachMdl(func(m *irp.MDL) { irp.Sim.ReturnMdl(k, m, nbl.id) })
	nbl.injected, nbl.status, nbl.doneSeq = 0, s, nbl.m.Log().Len()
}

// eachMdl calls fn for the MDLs of drivers in the list.
func (nbl *NET_BUFFER_LIST) eachMdl(fn func(m *irp.MDL)) {
	for nb := nbl.first; nb != nil; nb = nb.next {
		for _, m := range mdls(nb.chain) {
			if nbl.parent == nil {
				fn(m)
			}
		}
	}
}

// Reference keeps an indicated list beyond classifyFn.
func (sim) Reference(k *irql.K, nbl *NET_BUFFER_LIST, seq uint64) {
	nbl.uses(ke.W)
	nbl.refs = append(nbl.refs, reference{ke.Acting(k), seq, nbl.m.Now()})
}

// Dereference undoes Reference; false when there is none left.
func (sim) Dereference(k *irql.K, nbl *NET_BUFFER_LIST) bool {
	nbl.uses(ke.W)
	if len(nbl.refs) == 0 {
		return false
	}
	nbl.kept(k, nbl.refs[0].at)
	nbl.refs = nbl.refs[1:]
	nbl.letGo(k)
	return true
}

// keepLimit is how long a driver may keep what is the stack's. Windows states no number; lower layers wait
// for their memory meanwhile (INFERRED: the five minutes of IRP-027 are those of a user who waits, a network
// adaptor runs out of buffers long before).
const keepLimit = 60 * ke.Second

// kept reports a loan that was kept too long.
func (nbl *NET_BUFFER_LIST) kept(k *irql.K, since int64) {
	if t := nbl.m.Now() - since; t > keepLimit && !nbl.m.ClockRaces() {
		ke.Report(k, verify.Finding{Rule: verify.WFP_173, Obj: nbl.id.String(), Places: nbl.places(),
			Headline: fmt.Sprintf("%v, or a clone of it, was kept for %d s", nbl.id, t/ke.Second)})
	}
}

// Skip moves where the data of a buffer begins by n bytes.
func (sim) Skip(k *irql.K, nb *NET_BUFFER, n uint32) { nb.advance(k, ddi.None, n, false, nil) }

// Overwrite writes b over the data of a buffer.
func (sim) Overwrite(k *irql.K, nb *NET_BUFFER, b []byte) { nb.put(k, 0, b) }

// Indicated reports whether a list is one that was indicated, and no driver's.
func (sim) Indicated(nbl *NET_BUFFER_LIST) bool { return nbl.owner == nil }
