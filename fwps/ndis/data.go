package ndis

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// NdisRetreatNetBufferDataStart makes the data of a buffer begin delta bytes earlier: in what lies in front
// of it, or in an MDL more, which the handler makes, or the system.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: unchanged; an MDL more goes with NdisAdvanceNetBufferDataStart, or with the buffer.
// Returns: NDIS_STATUS_SUCCESS; NDIS_STATUS_RESOURCES when there is no memory for an MDL more.
// Rules: IRQL-001, WFP-054, WFP-058 when classifyFn returns, WFP-166.
// Reference: nblapi/nf-nblapi-ndisretreatnetbufferdatastart.
func NdisRetreatNetBufferDataStart(k *irql.K, netBuffer *NET_BUFFER, dataOffsetDelta, dataBackFill uint32,
	allocateMdlHandler NET_BUFFER_ALLOCATE_MDL_HANDLER) NDIS_STATUS {
	const d = ddi.NdisRetreatNetBufferDataStart
	ke.Enter(k, d)
	if netBuffer == nil {
		null(k, d)
		return NDIS_STATUS_RESOURCES
	}
	return netBuffer.retreat(k, d, dataOffsetDelta, dataBackFill, allocateMdlHandler)
}

func (nb *NET_BUFFER) retreat(k *irql.K, d ddi.ID, delta, backFill uint32,
	handler NET_BUFFER_ALLOCATE_MDL_HANDLER) NDIS_STATUS {
	nb.moves(k, d)
	if delta > nb.offset {
		if uint64(delta)+uint64(backFill)+uint64(nb.length) > 1<<31 {
			return NDIS_STATUS_RESOURCES
		}
		a, s := nb.more(k, d, delta-nb.offset+backFill, handler)
		if s != NDIS_STATUS_SUCCESS {
			return s
		}
		nb.prepend(a)
	}
	nb.offset -= delta
	nb.length += delta
	nb.settle()
	return NDIS_STATUS_SUCCESS
}

// moves says that the step under way moves where the data begins.
func (nb *NET_BUFFER) moves(k *irql.K, d ddi.ID) {
	if nb.of != nil && nb.of.m != nil {
		nb.of.touch(d.String())
		nb.of.uses(ke.W)
	}
}

// more makes an MDL of n bytes to put in front of a chain.
func (nb *NET_BUFFER) more(k *irql.K, d ddi.ID, n uint32,
	handler NET_BUFFER_ALLOCATE_MDL_HANDLER) (a addition, s NDIS_STATUS) {
	if handler != nil {
		room := n
		if a.mdl = handler(k, &room); a.mdl == nil || room < n || uint32(size(a.mdl)) < n {
			return a, NDIS_STATUS_RESOURCES
		}
		return a, NDIS_STATUS_SUCCESS
	}
	if ke.Fails(k, &siteRetreat) {
		return a, NDIS_STATUS_RESOURCES
	}
	a.mem = pool.Alloc(k, &pool.Request{DDI: d, Kind: pool.NonPaged, Size: int(n), System: true})
	if a.mem == nil {
		return a, NDIS_STATUS_RESOURCES
	}
	a.mdl = irp.Sim.SystemMdl(k, a.mem)
	return a, NDIS_STATUS_SUCCESS
}

var siteRetreat = ke.Site{Name: "fault/NdisRetreatNetBufferDataStart", Alts: faultAlts, Spec: "wfp.md 16.2"}

// prepend puts an MDL in front of the chain.
func (nb *NET_BUFFER) prepend(a addition) {
	a.mdl.Next = nb.chain
	nb.chain = a.mdl
	nb.offset += uint32(size(a.mdl))
	nb.added = append(nb.added, a)
}

// NdisAdvanceNetBufferDataStart makes the data of a buffer begin delta bytes later. With freeMdl MDLs that
// lie wholly in front of it and were made by a retreat are freed.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: unchanged.
// Rules: IRQL-001, WFP-054, WFP-058 when classifyFn returns, WFP-166.
// Reference: nblapi/nf-nblapi-ndisadvancenetbufferdatastart.
func NdisAdvanceNetBufferDataStart(k *irql.K, netBuffer *NET_BUFFER, dataOffsetDelta uint32, freeMdl bool,
	freeMdlHandler NET_BUFFER_FREE_MDL_HANDLER) {
	const d = ddi.NdisAdvanceNetBufferDataStart
	ke.Enter(k, d)
	if netBuffer == nil {
		null(k, d)
		return
	}
	netBuffer.advance(k, d, dataOffsetDelta, freeMdl, freeMdlHandler)
}

func (nb *NET_BUFFER) advance(k *irql.K, d ddi.ID, delta uint32, freeMdl bool,
	handler NET_BUFFER_FREE_MDL_HANDLER) {
	nb.moves(k, d)
	if delta > nb.length {
		ke.Report(k, verify.Finding{Rule: verify.WFP_058, Obj: nb.name(),
			Headline: fmt.Sprintf("%v by %d bytes in a buffer of %d", d, delta, nb.length),
			Fix:      "advance by what was retreated."})
		return
	}
	nb.offset += delta
	nb.length -= delta
	for freeMdl && len(nb.added) > 0 {
		a := nb.added[len(nb.added)-1]
		n := uint32(size(a.mdl))
		if a.mdl != nb.chain || n > nb.offset {
			break
		}
		nb.chain, a.mdl.Next = a.mdl.Next, nil
		nb.offset -= n
		nb.added = nb.added[:len(nb.added)-1]
		a.end(k, handler)
	}
	nb.settle()
}

func (nb *NET_BUFFER) name() string {
	if nb.of != nil {
		return nb.of.id.String()
	}
	return "a buffer"
}

// NdisRetreatNetBufferListDataStart is NdisRetreatNetBufferDataStart for every buffer of a list; if one fails
// none is changed.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: unchanged.
// Returns: NDIS_STATUS_SUCCESS; NDIS_STATUS_RESOURCES when there is no memory for an MDL more.
// Rules: as NdisRetreatNetBufferDataStart.
// Reference: nblapi/nf-nblapi-ndisretreatnetbufferlistdatastart.
func NdisRetreatNetBufferListDataStart(k *irql.K, netBufferList *NET_BUFFER_LIST, dataOffsetDelta,
	dataBackFill uint32, allocateMdlHandler NET_BUFFER_ALLOCATE_MDL_HANDLER,
	freeMdlHandler NET_BUFFER_FREE_MDL_HANDLER) NDIS_STATUS {
	const d = ddi.NdisRetreatNetBufferListDataStart
	ke.Enter(k, d)
	if netBufferList == nil {
		null(k, d)
		return NDIS_STATUS_RESOURCES
	}
	for nb := netBufferList.first; nb != nil; nb = nb.next {
		s := nb.retreat(k, d, dataOffsetDelta, dataBackFill, allocateMdlHandler)
		if s == NDIS_STATUS_SUCCESS {
			continue
		}
		for back := netBufferList.first; back != nb; back = back.next {
			back.advance(k, d, dataOffsetDelta, true, freeMdlHandler)
		}
		return s
	}
	return NDIS_STATUS_SUCCESS
}

// NdisAdvanceNetBufferListDataStart is NdisAdvanceNetBufferDataStart for every buffer of a list.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: unchanged.
// Rules: as NdisAdvanceNetBufferDataStart.
// Reference: nblapi/nf-nblapi-ndisadvancenetbufferlistdatastart.
func NdisAdvanceNetBufferListDataStart(k *irql.K, netBufferList *NET_BUFFER_LIST, dataOffsetDelta uint32,
	freeMdl bool, freeMdlMdlHandler NET_BUFFER_FREE_MDL_HANDLER) {
	const d = ddi.NdisAdvanceNetBufferListDataStart
	ke.Enter(k, d)
	if netBufferList == nil {
		null(k, d)
		return
	}
	for nb := netBufferList.first; nb != nil; nb = nb.next {
		nb.advance(k, d, dataOffsetDelta, freeMdl, freeMdlMdlHandler)
	}
}

// NdisGetDataBuffer gives the first bytes of the data as one piece of memory: as they lie there, where they
// do in one piece and as aligned as is asked for, or else copied into storage.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: unchanged; the address is good as long as the buffer is.
// Returns: the address; NULL when there are fewer bytes, or they are not in one piece and storage is NULL.
// Rules: IRQL-001, WFP-054, WFP-166.
// Reference: nblapi/nf-nblapi-ndisgetdatabuffer.
func NdisGetDataBuffer(k *irql.K, netBuffer *NET_BUFFER, bytesNeeded uint32, storage *irp.Buffer,
	alignMultiple, alignOffset uint32) *irp.Buffer {
	const d = ddi.NdisGetDataBuffer
	ke.Enter(k, d)
	if netBuffer == nil {
		null(k, d)
		return nil
	}
	netBuffer.touch(d.String())
	if bytesNeeded == 0 || netBuffer.length < bytesNeeded || netBuffer.current == nil {
		return nil
	}
	if int(netBuffer.inside)+int(bytesNeeded) <= size(netBuffer.current) {
		b := irp.Sim.MdlBuffer(netBuffer.current).Slice(int(netBuffer.inside), int(bytesNeeded))
		if alignMultiple <= 1 || b.Address()%uint64(alignMultiple) == uint64(alignOffset) {
			return b
		}
	}
	if storage == nil {
		return nil
	}
	all := netBuffer.bytes(k)
	if len(all) < int(bytesNeeded) { // DataLength says more than there is
		return nil
	}
	storage.CopyFrom(0, all[:bytesNeeded])
	return storage
}

// bytes are the data of a buffer, copied.
func (nb *NET_BUFFER) bytes(k *irql.K) []byte {
	out := make([]byte, 0, min(nb.length, 1<<20))
	from := int(nb.inside)
	for _, m := range mdls(nb.current) {
		if len(out) == int(nb.length) {
			break
		}
		if size(m) == 0 {
			continue
		}
		b := pool.Raw(k, irp.Sim.MdlBuffer(m))
		b = b[min(from, len(b)):]
		from = 0
		out = append(out, b[:min(len(b), int(nb.length)-len(out))]...)
	}
	return out
}

// put writes over the data from at on.
func (nb *NET_BUFFER) put(k *irql.K, at int, src []byte) (n int) {
	from := int(nb.inside) + at
	for _, m := range mdls(nb.current) {
		if n == len(src) {
			break
		}
		if from >= size(m) {
			from -= size(m)
			continue
		}
		v := irp.Sim.MdlBuffer(m)
		n += pool.Put(k, v.Slice(from, v.Len()-from), src[n:])
		from = 0
	}
	return n
}

// NdisCopyFromNetBufferToNetBuffer copies data of one buffer to another.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: unchanged.
// Returns: NDIS_STATUS_SUCCESS, and in bytesCopied how much there was and there was room for.
// Rules: IRQL-001, WFP-054, WFP-166.
// Reference: nblapi/nf-nblapi-ndiscopyfromnetbuffertonetbuffer.
func NdisCopyFromNetBufferToNetBuffer(k *irql.K, destination *NET_BUFFER, destinationOffset,
	bytesToCopy uint32, source *NET_BUFFER, sourceOffset uint32, bytesCopied *uint32) NDIS_STATUS {
	const d = ddi.NdisCopyFromNetBufferToNetBuffer
	ke.Enter(k, d)
	if destination == nil || source == nil || bytesCopied == nil {
		null(k, d)
		return NDIS_STATUS_RESOURCES
	}
	source.touch(d.String())
	destination.moves(k, d)
	*bytesCopied = 0
	if destinationOffset >= destination.length || sourceOffset >= source.length {
		return NDIS_STATUS_SUCCESS
	}
	n := min(bytesToCopy, destination.length-destinationOffset, source.length-sourceOffset)
	b := source.bytes(k)
	b = b[min(int(sourceOffset), len(b)):]
	*bytesCopied = uint32(destination.put(k, int(destinationOffset), b[:min(int(n), len(b))]))
	return NDIS_STATUS_SUCCESS
}
