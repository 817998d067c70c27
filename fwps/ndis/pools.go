package ndis

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	siteListPool = ke.Site{Name: "fault/NdisAllocateNetBufferListPool", Alts: faultAlts, Spec: "wfp.md 16"}
	sitePool     = ke.Site{Name: "fault/NdisAllocateNetBufferPool", Alts: faultAlts, Spec: "wfp.md 16"}
	siteList     = ke.Site{Name: "fault/NET_BUFFER_LIST", Alts: faultAlts, Spec: "wfp.md 19.5"}
	siteObject   = ke.Site{Name: "fault/NdisAllocateGenericObject", Alts: faultAlts, Spec: "wfp.md 16"}
)

var faultAlts = []string{"succeeds", "no memory"}

// object is what a handle names. Its memory is a block of pool in the name of the driver, so that a leak is
// found like any other.
type object struct {
	what  string // "a pool of lists"
	block *irp.Buffer
	lists NET_BUFFER_LIST_POOL_PARAMETERS
	bufs  NET_BUFFER_POOL_PARAMETERS
	out   int // lists or buffers of it that are not freed
	gone  bool
}

const (
	poolOfLists   = "a pool of lists"
	poolOfBuffers = "a pool of buffers"
	genericObject = "a generic object"
)

// make makes an object; 0 when there is no memory.
func (s *subsystem) make(k *irql.K, d ddi.ID, site *ke.Site, tag uint32, o object) NDIS_HANDLE {
	if ke.Fails(k, site) {
		ke.CallStatus(k, d, 0, uint32(NDIS_STATUS_RESOURCES))
		return 0
	}
	o.block = pool.Alloc(k, &pool.Request{DDI: d, Kind: pool.NonPaged, Size: 64, Tag: tag})
	if o.block == nil {
		return 0
	}
	return s.handle(&o)
}

// object finds what a handle names, nil after a report when that is gone or something else.
func (s *subsystem) object(k *irql.K, d ddi.ID, h NDIS_HANDLE, what string) *object {
	o, _ := s.find(h).(*object)
	switch {
	case o == nil || o.what != what:
		ke.Report(k, verify.Finding{Rule: verify.POOL_007, Case: "", Obj: d.String(),
			Headline: fmt.Sprintf("%v gets %#x, which is not %s", d, uint64(h), what)})
	case o.gone:
		ke.Report(k, verify.Finding{Rule: verify.POOL_013, Obj: o.block.ID().String(),
			Headline: fmt.Sprintf("%v gets %s that is freed", d, what)})
	default:
		return o
	}
	return nil
}

// end frees an object.
func (s *subsystem) end(k *irql.K, d ddi.ID, h NDIS_HANDLE, what string) {
	o := s.object(k, d, h, what)
	if o == nil {
		return
	}
	ke.Point(k, ke.Writes(o.block.ID()))
	if nbl := s.leftOf(h); nbl != nil {
		nbl.told = true
		f := nbl.leak("frees its pool")
		f.Also = []verify.RuleID{verify.POOL_025}
		ke.Report(k, f)
	} else if o.out > 0 {
		ke.Report(k, verify.Finding{Rule: verify.POOL_025, Obj: o.block.ID().String(),
			Headline: fmt.Sprintf("%v: %s is freed and %d of it are in use", d, what, o.out),
			Fix:      "free every list and buffer first."})
	}
	o.gone = true
	pool.Free(k, d, o.block, 0)
}

// leftOf is a list of a pool that is not freed.
func (s *subsystem) leftOf(h NDIS_HANDLE) *NET_BUFFER_LIST {
	for _, nbl := range s.lists {
		if nbl.pool == h && nbl.owner != nil && nbl.injected == 0 {
			return nbl
		}
	}
	return nil
}

// NdisAllocateNetBufferListPool makes a pool of lists. It returns 0 when memory is short.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the driver frees it, behind everything allocated from it.
// Returns: the handle; 0 when memory is short or a parameter is wrong.
// Rules: IRQL-001, POOL-001 at unload when it is left.
// Not modelled: checks of Header beyond its type, and what ProtocolId and Flags are for.
// Reference: nblapi/nf-nblapi-ndisallocatenetbufferlistpool.
func NdisAllocateNetBufferListPool(k *irql.K, ndisHandle NDIS_HANDLE,
	parameters *NET_BUFFER_LIST_POOL_PARAMETERS) NDIS_HANDLE {
	const d = ddi.NdisAllocateNetBufferListPool
	ke.Enter(k, d)
	if parameters == nil || parameters.Header.Type != NDIS_OBJECT_TYPE_DEFAULT ||
		parameters.DataSize != 0 && !parameters.FAllocateNetBuffer {
		return 0
	}
	return state.Of(k).make(k, d, &siteListPool, parameters.PoolTag,
		object{what: poolOfLists, lists: *parameters})
}

// NdisFreeNetBufferListPool frees a pool of lists.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: gone.
// Rules: IRQL-001, POOL-007, POOL-013, POOL-025.
// Reference: nblapi/nf-nblapi-ndisfreenetbufferlistpool.
func NdisFreeNetBufferListPool(k *irql.K, poolHandle NDIS_HANDLE) {
	ke.Enter(k, ddi.NdisFreeNetBufferListPool)
	state.Of(k).end(k, ddi.NdisFreeNetBufferListPool, poolHandle, poolOfLists)
}

// NdisAllocateNetBufferPool makes a pool of buffers. It returns 0 when memory is short.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the driver frees it, behind everything allocated from it.
// Returns: the handle; 0 when memory is short or a parameter is wrong.
// Rules: IRQL-001.
// Not modelled: checks of Header beyond its type.
// Reference: nblapi/nf-nblapi-ndisallocatenetbufferpool.
func NdisAllocateNetBufferPool(k *irql.K, ndisHandle NDIS_HANDLE,
	parameters *NET_BUFFER_POOL_PARAMETERS) NDIS_HANDLE {
	const d = ddi.NdisAllocateNetBufferPool
	ke.Enter(k, d)
	if parameters == nil || parameters.Header.Type != NDIS_OBJECT_TYPE_DEFAULT {
		return 0
	}
	return state.Of(k).make(k, d, &sitePool, parameters.PoolTag,
		object{what: poolOfBuffers, bufs: *parameters})
}

// NdisFreeNetBufferPool frees a pool of buffers.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: gone.
// Rules: IRQL-001, POOL-007, POOL-013, POOL-025.
// Reference: nblapi/nf-nblapi-ndisfreenetbufferpool.
func NdisFreeNetBufferPool(k *irql.K, poolHandle NDIS_HANDLE) {
	ke.Enter(k, ddi.NdisFreeNetBufferPool)
	state.Of(k).end(k, ddi.NdisFreeNetBufferPool, poolHandle, poolOfBuffers)
}

// NdisAllocateGenericObject makes what a driver that is no miniport gives NDIS as NdisHandle.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the driver frees it.
// Returns: the handle; 0 when memory is short.
// Rules: IRQL-001.
// Not modelled: the object in C is a structure; here it is a handle.
// Reference: ndis/nf-ndis-ndisallocategenericobject.
func NdisAllocateGenericObject(k *irql.K, driverObject *irp.DRIVER_OBJECT, tag uint32,
	size uint16) NDIS_HANDLE {
	const d = ddi.NdisAllocateGenericObject
	ke.Enter(k, d)
	return state.Of(k).make(k, d, &siteObject, tag, object{what: genericObject})
}

// NdisFreeGenericObject frees what NdisAllocateGenericObject made.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: gone.
// Rules: IRQL-001, POOL-007, POOL-013.
// Reference: ndis/nf-ndis-ndisfreegenericobject.
func NdisFreeGenericObject(k *irql.K, ndisObject NDIS_HANDLE) {
	ke.Enter(k, ddi.NdisFreeGenericObject)
	state.Of(k).end(k, ddi.NdisFreeGenericObject, ndisObject, genericObject)
}

// counts notes that n more of a pool are in use. Who frees the pool looks at that.
func (s *subsystem) counts(o *object, n int) {
	s.m.AddsOn(ke.Use{Obj: o.block.ID(), How: ke.Count})
	o.out += n
}

// newList makes a list for a driver; nil when there is no memory.
func (s *subsystem) newList(k *irql.K, d ddi.ID, h NDIS_HANDLE, o *object) *NET_BUFFER_LIST {
	if ke.Fails(k, &siteList) {
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_INSUFFICIENT_RESOURCES))
		return nil
	}
	nbl := s.blank(k, d)
	nbl.owner, nbl.pool = ke.Acting(k), h
	if o != nil {
		s.counts(o, 1)
	}
	s.keep(nbl)
	return nbl
}
