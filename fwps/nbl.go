package fwps

import (
	"fmt"
	"net/netip"

	"calloutsim/fwps/ndis"
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// FwpsAllocateNetBufferAndNetBufferList0 makes a list with a buffer over a chain of MDLs, which stays the
// driver's.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the driver's, who frees it with FwpsFreeNetBufferList0.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for a pool without buffers or a context that is not
// aligned; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-001, WFP-165, WFP-167.
// Not modelled: contexts of lists.
// Reference: fwpsk/nf-fwpsk-fwpsallocatenetbufferandnetbufferlist0.
func FwpsAllocateNetBufferAndNetBufferList0(k *irql.K, poolHandle ndis.NDIS_HANDLE, contextSize,
	contextBackFill uint16, mdlChain *irp.MDL, dataOffset uint32, dataLength uint64,
	netBufferList **ndis.NET_BUFFER_LIST) ntstatus.NTSTATUS {
	const d = ddi.FwpsAllocateNetBufferAndNetBufferList0
	ke.Enter(k, d)
	if netBufferList == nil || contextSize%memoryAlignment != 0 || contextBackFill%memoryAlignment != 0 {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	nbl := ndis.Sim.Allocate(k, d, poolHandle, mdlChain, dataOffset, dataLength)
	if nbl == nil {
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	*netBufferList = nbl
	return ntstatus.STATUS_SUCCESS
}

// memoryAlignment is MEMORY_ALLOCATION_ALIGNMENT.
const memoryAlignment = 16

// FwpsFreeNetBufferList0 frees what FwpsAllocateNetBufferAndNetBufferList0 made; the MDLs stay.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: gone.
// Rules: WFP-001, WFP-166, WFP-167, WFP-172.
// Reference: fwpsk/nf-fwpsk-fwpsfreenetbufferlist0.
func FwpsFreeNetBufferList0(k *irql.K, netBufferList *ndis.NET_BUFFER_LIST) {
	ke.Enter(k, ddi.FwpsFreeNetBufferList0)
	ndis.Sim.Free(k, ddi.FwpsFreeNetBufferList0, netBufferList)
}

// FwpsAllocateCloneNetBufferList0 makes a list that shares the memory of another one and begins where that
// begins now: retreat to the header that is wanted, clone, advance back.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the driver's, who frees it with FwpsFreeCloneNetBufferList0. The parent stays until then.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER in a callout with
// FWP_CALLOUT_FLAG_ALLOW_L2_BATCH_CLASSIFY or with flags; STATUS_INSUFFICIENT_RESOURCES when memory is short.
// Rules: WFP-001, WFP-054, WFP-166, WFP-172, WFP-173, WFP-175.
// Reference: fwpsk/nf-fwpsk-fwpsallocateclonenetbufferlist0.
func FwpsAllocateCloneNetBufferList0(k *irql.K, originalNetBufferList *ndis.NET_BUFFER_LIST,
	netBufferListPoolHandle, netBufferPoolHandle ndis.NDIS_HANDLE, allocateCloneFlags uint32,
	netBufferList **ndis.NET_BUFFER_LIST) ntstatus.NTSTATUS {
	const d = ddi.FwpsAllocateCloneNetBufferList0
	ke.Enter(k, d)
	if netBufferList == nil || allocateCloneFlags != 0 || batches(k, d) {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	nbl := ndis.Sim.Clone(k, d, originalNetBufferList, netBufferListPoolHandle, netBufferPoolHandle)
	if nbl == nil {
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	*netBufferList = nbl
	state.Of(k).cloned(k, originalNetBufferList, nbl)
	return ntstatus.STATUS_SUCCESS
}

// batches reports a routine that callouts which take chains of lists must not call (wfp.md 2.1).
func batches(k *irql.K, d ddi.ID) bool {
	cl := callOf(k)
	if cl == nil || cl.reg.flags&FWP_CALLOUT_FLAG_ALLOW_L2_BATCH_CLASSIFY == 0 {
		return false
	}
	cl.found(k, verify.WFP_175, fmt.Sprintf("%v is called in a callout registered with "+
		"FWP_CALLOUT_FLAG_ALLOW_L2_BATCH_CLASSIFY", d), "")
	return true
}

// FwpsFreeCloneNetBufferList0 frees a clone. What was changed of its chain has to be undone before.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: gone.
// Rules: WFP-001, WFP-166, WFP-167, WFP-171, WFP-172, WFP-175.
// Reference: fwpsk/nf-fwpsk-fwpsfreeclonenetbufferlist0.
func FwpsFreeCloneNetBufferList0(k *irql.K, netBufferList *ndis.NET_BUFFER_LIST, freeCloneFlags uint32) {
	const d = ddi.FwpsFreeCloneNetBufferList0
	ke.Enter(k, d)
	batches(k, d)
	ndis.Sim.FreeClone(k, d, netBufferList)
}

// FwpsReferenceNetBufferList0 keeps the list of a classifyFn beyond its return. With intendToModify
// FWPS_RIGHT_ACTION_WRITE is to be cleared.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the list may be used until FwpsDereferenceNetBufferList0.
// Rules: WFP-001, WFP-054, WFP-172, WFP-173, WFP-174, WFP-175.
// Not modelled: that the stack moves where the data of a blocked packet begins.
// Reference: fwpsk/nf-fwpsk-fwpsreferencenetbufferlist0.
func FwpsReferenceNetBufferList0(k *irql.K, netBufferList *ndis.NET_BUFFER_LIST, intendToModify bool) {
	const d = ddi.FwpsReferenceNetBufferList0
	ke.Enter(k, d)
	if !ndis.Sim.Known(netBufferList) {
		return
	}
	ke.Point(k, ke.Writes(netBufferList.ID()))
	if batches(k, d) || !ndis.Sim.Mine(k, netBufferList, d.String()) {
		return
	}
	if cl := callOf(k); cl != nil && intendToModify && cl.data == any(netBufferList) {
		cl.modifies = true
	}
	ndis.Sim.Reference(k, netBufferList, ke.Call(k, d, netBufferList.ID()))
}

// FwpsDereferenceNetBufferList0 undoes FwpsReferenceNetBufferList0. dispatchLevel may be TRUE where the
// caller knows to run at DISPATCH_LEVEL.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the list must not be used any more.
// Rules: WFP-001, WFP-172, WFP-173, WFP-175, and IRQL-002 for dispatchLevel.
// Reference: fwpsk/nf-fwpsk-fwpsdereferencenetbufferlist0.
func FwpsDereferenceNetBufferList0(k *irql.K, netBufferList *ndis.NET_BUFFER_LIST, dispatchLevel bool) {
	const d = ddi.FwpsDereferenceNetBufferList0
	ke.Enter(k, d)
	if !ndis.Sim.Known(netBufferList) {
		return
	}
	ke.Point(k, ke.Frees(netBufferList.ID()))
	if batches(k, d) {
		return
	}
	if !ndis.Sim.Dereference(k, netBufferList) {
		ke.Report(k, verify.Finding{Rule: verify.WFP_172, Obj: netBufferList.ID().String(),
			Headline: fmt.Sprintf("%v: nobody has a reference to %v", d, netBufferList.ID()),
			Fix:      "dereference once for each FwpsReferenceNetBufferList0."})
		return
	}
	ke.Call(k, d, netBufferList.ID())
}

// FwpsConstructIpHeaderForTransportPacket0 puts an IP header in front of a list that begins with a transport
// header, or with headerIncludeHeaderLength replaces the one it begins with, and makes all checksums right.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: unchanged; the header goes with the list.
// Returns: STATUS_SUCCESS; STATUS_INVALID_PARAMETER for a list of several buffers with a header to replace,
// an address that is missing, or bytes that are no packet; STATUS_INSUFFICIENT_RESOURCES when memory is
// short.
// Rules: WFP-001, WFP-054, WFP-166.
// Not modelled: options, control data, flags, interfaces.
// Reference: fwpsk/nf-fwpsk-fwpsconstructipheaderfortransportpacket0.
func FwpsConstructIpHeaderForTransportPacket0(k *irql.K, netBufferList *ndis.NET_BUFFER_LIST,
	headerIncludeHeaderLength uint32, addressFamily ws2def.ADDRESS_FAMILY, sourceAddress,
	remoteAddress *irp.Buffer, nextProtocol uint8, endpointHandle uint64, controlData *irp.Buffer,
	controlDataLength, flags uint32, reserved any, interfaceIndex, subInterfaceIndex uint32,
) ntstatus.NTSTATUS {
	const d = ddi.FwpsConstructIpHeaderForTransportPacket0
	ke.Enter(k, d)
	if !ndis.Sim.Known(netBufferList) || !ndis.Sim.Mine(k, netBufferList, d.String()) {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	src, okSrc := addressIn(sourceAddress, addressFamily)
	dst, okDst := addressIn(remoteAddress, addressFamily)
	data := ndis.Sim.Data(k, netBufferList)
	if !okSrc || !okDst || headerIncludeHeaderLength > 0 && len(data) != 1 {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	s := ntstatus.STATUS_SUCCESS
	for i, nb := 0, netBufferList.FirstNetBuffer(); nb != nil; i, nb = i+1, nb.Next() {
		if int(headerIncludeHeaderLength) > len(data[i]) {
			return ntstatus.STATUS_INVALID_PARAMETER
		}
		p, err := packet.Under(nextProtocol, src, dst, usualTTL, data[i][headerIncludeHeaderLength:])
		if err != nil {
			return ntstatus.STATUS_INVALID_PARAMETER
		}
		b, transport, _ := p.Marshal()
		if headerIncludeHeaderLength > 0 {
			ndis.Sim.Skip(k, nb, headerIncludeHeaderLength)
		}
		ndis.Sim.Overwrite(k, nb, b[transport:])
		if !ndis.Sim.Prepend(k, d, nb, b[:transport]) {
			s = ntstatus.STATUS_INSUFFICIENT_RESOURCES
			break
		}
	}
	ke.CallStatus(k, d, netBufferList.ID(), uint32(s))
	return s
}

// usualTTL is the hop limit of what the stack sends.
const usualTTL = 128

// addressIn reads an address in network order.
func addressIn(b *irp.Buffer, f ws2def.ADDRESS_FAMILY) (netip.Addr, bool) {
	n := 4
	if f == ws2def.AF_INET6 {
		n = 16
	}
	if b == nil || b.Len() < n {
		return netip.Addr{}, false
	}
	var raw [16]byte
	b.CopyTo(0, raw[:n])
	a, ok := netip.AddrFromSlice(raw[:n])
	return a, ok
}
