package ndis

import (
	"fmt"
	"slices"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// NdisAllocateCloneNetBufferList makes a list that shares the memory of another one. Its data begins where
// that of the parent begins now.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the driver's, who frees it with NdisFreeCloneNetBufferList. The parent stays until then.
// Returns: the clone; NULL when memory is short.
// Rules: IRQL-001, WFP-054, WFP-166, WFP-172.
// Not modelled: the flags that ask for MDLs of the clone's own.
// Reference: nblapi/nf-nblapi-ndisallocateclonenetbufferlist.
func NdisAllocateCloneNetBufferList(k *irql.K, originalNetBufferList *NET_BUFFER_LIST,
	netBufferListPoolHandle, netBufferPoolHandle NDIS_HANDLE, allocateCloneFlags uint32) *NET_BUFFER_LIST {
	const d = ddi.NdisAllocateCloneNetBufferList
	ke.Enter(k, d)
	return Sim.Clone(k, d, originalNetBufferList, netBufferListPoolHandle, netBufferPoolHandle)
}

// NdisFreeCloneNetBufferList frees a clone. What was changed of it, and of what it shares with its parent,
// has to be undone before.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: gone.
// Rules: IRQL-001, WFP-166, WFP-167, WFP-171, WFP-172.
// Reference: nblapi/nf-nblapi-ndisfreeclonenetbufferlist.
func NdisFreeCloneNetBufferList(k *irql.K, cloneNetBufferList *NET_BUFFER_LIST, freeCloneFlags uint32) {
	ke.Enter(k, ddi.NdisFreeCloneNetBufferList)
	Sim.FreeClone(k, ddi.NdisFreeCloneNetBufferList, cloneNetBufferList)
}

// Clone makes a clone for the routine d; nil when it cannot be.
func (sim) Clone(k *irql.K, d ddi.ID, of *NET_BUFFER_LIST, lists, buffers NDIS_HANDLE) *NET_BUFFER_LIST {
	if of == nil || of.m == nil {
		null(k, d)
		return nil
	}
	s := state.Of(k)
	ke.Point(k, ke.Writes(of.id))
	if !of.mine(k, d.String()) {
		return nil
	}
	var o *object
	if lists != 0 {
		if o = s.object(k, d, lists, poolOfLists); o == nil {
			return nil
		}
	}
	if buffers != 0 && s.object(k, d, buffers, poolOfBuffers) == nil {
		return nil
	}
	nbl := s.newList(k, d, lists, o)
	if nbl == nil {
		return nil
	}
	nbl.parent, nbl.about = of, of.about
	of.children++
	at := &nbl.first
	for nb := of.first; nb != nil; nb = nb.next {
		*at = buffer(nbl, buffers, nb.chain, nb.offset, nb.length)
		(*at).chainWas = mdls(nb.chain)
		at = &(*at).next
	}
	return nbl
}

// FreeClone frees a clone for the routine d.
func (sim) FreeClone(k *irql.K, d ddi.ID, nbl *NET_BUFFER_LIST) {
	if nbl == nil || nbl.m == nil {
		null(k, d)
		return
	}
	s := state.Of(k)
	ke.Point(k, ke.Frees(nbl.id))
	if !nbl.mayFree(k, d, true) {
		return
	}
	if nbl.children > 0 {
		ke.Report(k, verify.Finding{Rule: verify.WFP_172, Obj: nbl.id.String(), Places: nbl.places(),
			Headline: fmt.Sprintf("%v: %v is freed and has %d clones", d, nbl.id, nbl.children),
			Fix:      "free the clones first."})
	}
	nbl.undone(k, d)
	for nb := nbl.first; nb != nil; nb = nb.next {
		nb.end(k, d)
	}
	s.drop(nbl)
	s.m.Ends(nbl.id)
	nbl.freed, nbl.freeSeq = true, ke.Call(k, d, nbl.id)
	if nbl.parent.owner == nil {
		nbl.parent.kept(k, nbl.madeTime)
	}
	nbl.parent.uses(ke.W)
	nbl.parent.children--
	nbl.parent.letGo(k)
}

// undone checks that the chains of a clone are those it was made with, unless the engine has changed them.
func (nbl *NET_BUFFER_LIST) undone(k *irql.K, d ddi.ID) {
	for nb := nbl.first; nb != nil; nb = nb.next {
		chain := mdls(nb.chain)
		own := slices.ContainsFunc(nb.added, func(a addition) bool { return a.system })
		if !own && !slices.Equal(chain, nb.chainWas) {
			ke.Report(k, verify.Finding{Rule: verify.WFP_171, Obj: nbl.id.String(), Places: nbl.places(),
				Headline: fmt.Sprintf("%v: the MDL chain of %v is not as it was when it was cloned: %d "+
					"MDLs, then %d", d, nbl.id, len(chain), len(nb.chainWas))})
			return
		}
	}
}

// letGo frees an indicated list when the stack is done with it and the last loan is back.
func (nbl *NET_BUFFER_LIST) letGo(k *irql.K) {
	if nbl.owner != nil || !nbl.let || nbl.children > 0 || len(nbl.refs) > 0 || nbl.freed {
		return
	}
	nbl.freed = true
	state.Of(k).forget(nbl)
	for nb := nbl.first; nb != nil; nb = nb.next {
		nb.end(k, ddi.None)
	}
	nbl.m.Ends(nbl.id)
	nbl.freeSeq = nbl.m.Log().Len()
}
