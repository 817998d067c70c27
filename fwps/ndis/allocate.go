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
)

// blank makes a list without buffers.
func (s *subsystem) blank(k *irql.K, d ddi.ID) *NET_BUFFER_LIST {
	nbl := &NET_BUFFER_LIST{m: s.m, id: s.m.NewID(trace.NetBuffer), madeTime: s.m.Now()}
	if d != ddi.None {
		nbl.madeSeq = ke.Call(k, d, nbl.id)
	} else {
		nbl.madeSeq = s.m.Log().Len()
	}
	return nbl
}

// buffer makes a buffer over a chain.
func buffer(of *NET_BUFFER_LIST, h NDIS_HANDLE, chain *irp.MDL, offset, length uint32) *NET_BUFFER {
	nb := &NET_BUFFER{of: of, pool: h, chain: chain, offset: offset, length: length}
	nb.settle()
	return nb
}

// NdisAllocateNetBufferList makes a list without a buffer.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the driver's, who frees it with NdisFreeNetBufferList.
// Returns: the list; NULL when memory is short.
// Rules: IRQL-001, POOL-007, POOL-013, WFP-165.
// Not modelled: contexts of lists.
// Reference: nblapi/nf-nblapi-ndisallocatenetbufferlist.
func NdisAllocateNetBufferList(k *irql.K, poolHandle NDIS_HANDLE, contextSize,
	contextBackFill uint16) *NET_BUFFER_LIST {
	const d = ddi.NdisAllocateNetBufferList
	ke.Enter(k, d)
	s := state.Of(k)
	ke.Point(k, ke.Here(k))
	o := s.object(k, d, poolHandle, poolOfLists)
	if o == nil || contextSize%memoryAlignment != 0 || contextBackFill%memoryAlignment != 0 {
		return nil
	}
	return s.newList(k, d, poolHandle, o)
}

// memoryAlignment is MEMORY_ALLOCATION_ALIGNMENT.
const memoryAlignment = 16

// NdisAllocateNetBufferAndNetBufferList makes a list with a buffer over a chain of MDLs, which stays the
// driver's. In a pool with DataSize the chain has to be NULL and memory comes with the list.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the driver's, who frees it with NdisFreeNetBufferList.
// Returns: the list; NULL when memory is short, a parameter is wrong, or the pool gives no buffers.
// Rules: IRQL-001, POOL-007, POOL-013, WFP-165.
// Not modelled: contexts of lists.
// Reference: nblapi/nf-nblapi-ndisallocatenetbufferandnetbufferlist.
func NdisAllocateNetBufferAndNetBufferList(k *irql.K, poolHandle NDIS_HANDLE, contextSize,
	contextBackFill uint16, mdlChain *irp.MDL, dataOffset uint32, dataLength uint64) *NET_BUFFER_LIST {
	const d = ddi.NdisAllocateNetBufferAndNetBufferList
	ke.Enter(k, d)
	s := state.Of(k)
	o := s.object(k, d, poolHandle, poolOfLists)
	if o == nil || contextSize%memoryAlignment != 0 || contextBackFill%memoryAlignment != 0 {
		return nil
	}
	return s.withBuffer(k, d, poolHandle, o, mdlChain, dataOffset, dataLength)
}

func (s *subsystem) withBuffer(k *irql.K, d ddi.ID, h NDIS_HANDLE, o *object, chain *irp.MDL, offset uint32,
	length uint64) *NET_BUFFER_LIST {
	if !o.lists.FAllocateNetBuffer || o.lists.DataSize != 0 && chain != nil || length > 1<<31 {
		return nil
	}
	nbl := s.newList(k, d, h, o)
	if nbl == nil {
		return nil
	}
	nbl.first = buffer(nbl, 0, chain, offset, uint32(length))
	if o.lists.DataSize != 0 && !nbl.first.memory(k, d, int(o.lists.DataSize)) {
		s.drop(nbl)
		return nil
	}
	return nbl
}

// memory gives a buffer memory of its pool.
func (nb *NET_BUFFER) memory(k *irql.K, d ddi.ID, size int) bool {
	nb.own = pool.Alloc(k, &pool.Request{DDI: d, Kind: pool.NonPaged, Size: size, System: true})
	if nb.own == nil {
		return false
	}
	nb.chain = irp.Sim.SystemMdl(k, nb.own)
	nb.settle()
	return true
}

// drop takes a list from those that are there.
func (s *subsystem) drop(nbl *NET_BUFFER_LIST) {
	s.forget(nbl)
	if o, _ := s.find(nbl.pool).(*object); o != nil {
		s.counts(o, -1)
	}
}

// NdisFreeNetBufferList frees a list and the buffers that are on it; MDLs of the driver's own stay.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: gone.
// Rules: IRQL-001, WFP-054, WFP-166, WFP-167.
// Reference: nblapi/nf-nblapi-ndisfreenetbufferlist.
func NdisFreeNetBufferList(k *irql.K, netBufferList *NET_BUFFER_LIST) {
	ke.Enter(k, ddi.NdisFreeNetBufferList)
	state.Of(k).free(k, ddi.NdisFreeNetBufferList, netBufferList)
}

// mayFree judges what a driver frees as clone, or as no clone; false after a report.
func (nbl *NET_BUFFER_LIST) mayFree(k *irql.K, d ddi.ID, clone bool) bool {
	f := verify.Finding{Obj: nbl.id.String(), Places: nbl.places()}
	switch {
	case nbl.freed && nbl.doneSeq != 0:
		f.Rule = verify.WFP_167
		f.Headline = fmt.Sprintf("%v: %v was injected and is freed already", d, nbl.id)
	case nbl.freed:
		f.Rule, f.Also = verify.WFP_167, []verify.RuleID{verify.POOL_006}
		f.Headline = fmt.Sprintf("%v: %v is freed already", d, nbl.id)
	case nbl.injected != 0:
		f.Rule = verify.WFP_166
		f.Headline = fmt.Sprintf("%v: %v is injected and its completionFn has not been called", d, nbl.id)
	case clone != (nbl.parent != nil), nbl.owner == nil:
		f.Rule = verify.WFP_172
		f.Headline = fmt.Sprintf("%v: %v is no list of that kind", d, nbl.id)
		f.Fix = "free clones with FwpsFreeCloneNetBufferList0 and what was allocated with the routine of " +
			"its kind; an indicated list is the stack's."
	default:
		return true
	}
	ke.Report(k, f)
	return false
}

// free frees a list that is no clone.
func (s *subsystem) free(k *irql.K, d ddi.ID, nbl *NET_BUFFER_LIST) {
	if nbl == nil || nbl.m == nil {
		null(k, d)
		return
	}
	ke.Point(k, ke.Frees(nbl.id))
	if !nbl.mayFree(k, d, false) {
		return
	}
	if nbl.children > 0 {
		ke.Report(k, verify.Finding{Rule: verify.WFP_172, Obj: nbl.id.String(), Places: nbl.places(),
			Headline: fmt.Sprintf("%v: %v is freed and has %d clones", d, nbl.id, nbl.children),
			Fix:      "free the clones first."})
	}
	for nb := nbl.first; nb != nil; nb = nb.next {
		nb.end(k, d)
	}
	s.drop(nbl)
	s.m.Ends(nbl.id)
	nbl.freed, nbl.freeSeq = true, ke.Call(k, d, nbl.id)
}

func null(k *irql.K, d ddi.ID) {
	ke.Report(k, verify.Finding{Rule: verify.POOL_007, Case: "NULL", Obj: d.String(),
		Headline: fmt.Sprintf("%v is called with NULL", d)})
}

// end frees what a buffer has of its own.
func (nb *NET_BUFFER) end(k *irql.K, d ddi.ID) {
	nb.freed = true
	if nb.own != nil {
		irp.Sim.FreeSystemMdl(k, nb.chain)
		pool.FreeFor(k, ddi.None, nb.own)
		nb.own = nil
	}
	for _, a := range nb.added {
		a.end(k, nil)
	}
	nb.added = nil
}

// end frees an MDL that a retreat made.
func (a *addition) end(k *irql.K, handler NET_BUFFER_FREE_MDL_HANDLER) {
	switch {
	case a.mem != nil:
		irp.Sim.FreeSystemMdl(k, a.mdl)
		pool.FreeFor(k, ddi.None, a.mem)
	case handler != nil:
		handler(k, a.mdl)
	}
}

// NdisAllocateNetBuffer makes a buffer over a chain of MDLs.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the driver's, who frees it with NdisFreeNetBuffer, or with the list it puts it on.
// Returns: the buffer; NULL when memory is short.
// Rules: IRQL-001, POOL-007, POOL-013.
// Reference: nblapi/nf-nblapi-ndisallocatenetbuffer.
func NdisAllocateNetBuffer(k *irql.K, poolHandle NDIS_HANDLE, mdlChain *irp.MDL, dataOffset uint32,
	dataLength uint64) *NET_BUFFER {
	const d = ddi.NdisAllocateNetBuffer
	ke.Enter(k, d)
	s := state.Of(k)
	o := s.object(k, d, poolHandle, poolOfBuffers)
	if o == nil || dataLength > 1<<31 || ke.Fails(k, &siteList) {
		return nil
	}
	nb := buffer(nil, poolHandle, mdlChain, dataOffset, uint32(dataLength))
	if o.bufs.DataSize != 0 && !nb.memory(k, d, int(o.bufs.DataSize)) {
		return nil
	}
	s.counts(o, 1)
	return nb
}

// NdisFreeNetBuffer frees a buffer that is on no list.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: gone.
// Rules: IRQL-001, POOL-006, POOL-007.
// Reference: nblapi/nf-nblapi-ndisfreenetbuffer.
func NdisFreeNetBuffer(k *irql.K, netBuffer *NET_BUFFER) {
	const d = ddi.NdisFreeNetBuffer
	ke.Enter(k, d)
	if netBuffer == nil {
		null(k, d)
		return
	}
	if netBuffer.freed {
		ke.Report(k, verify.Finding{Rule: verify.POOL_006, Obj: d.String(),
			Headline: fmt.Sprintf("%v: the buffer is freed already", d)})
		return
	}
	netBuffer.end(k, d)
	if s := state.Of(k); netBuffer.pool != 0 {
		s.counts(s.find(netBuffer.pool).(*object), -1)
	}
	ke.Call(k, d, 0)
}
