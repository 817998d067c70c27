package wsk

import (
	"encoding/binary"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Control codes of WskControlClient (wsk.md 18).
const (
	WSK_TRANSPORT_LIST_QUERY  uint32 = 2
	WSK_TRANSPORT_LIST_CHANGE uint32 = 3
	WSK_CACHE_SD              uint32 = 4
	WSK_RELEASE_SD            uint32 = 5
	WSK_TDI_BEHAVIOR          uint32 = 8
)

// WSK_TDI_BEHAVIOR_BYPASS_TDI is the flag of WSK_TDI_BEHAVIOR: no TDI filter is to see what sockets do. There
// is none here.
const WSK_TDI_BEHAVIOR_BYPASS_TDI uint32 = 1

// WSK_TRANSPORT is what WSK_TRANSPORT_LIST_QUERY gives: a combination that WskSocket takes.
type WSK_TRANSPORT struct {
	Version       uint16
	SocketType    uint16
	Protocol      uint32
	AddressFamily ws2def.ADDRESS_FAMILY
	ProviderId    [16]byte
}

// SizeofTransport is sizeof(WSK_TRANSPORT).
const SizeofTransport = 28

// transports are the combinations that sockets can be made of here.
var transports = [...]WSK_TRANSPORT{
	{SocketType: ws2def.SOCK_STREAM, Protocol: ws2def.IPPROTO_TCP, AddressFamily: ws2def.AF_INET},
	{SocketType: ws2def.SOCK_DGRAM, Protocol: ws2def.IPPROTO_UDP, AddressFamily: ws2def.AF_INET},
	{SocketType: ws2def.SOCK_STREAM, Protocol: ws2def.IPPROTO_TCP, AddressFamily: ws2def.AF_INET6},
	{SocketType: ws2def.SOCK_DGRAM, Protocol: ws2def.IPPROTO_UDP, AddressFamily: ws2def.AF_INET6},
}

// bytes is the structure as it lies in memory.
func (t WSK_TRANSPORT) bytes() []byte {
	b := binary.LittleEndian.AppendUint16(nil, MAKE_WSK_VERSION(1, 0))
	b = binary.LittleEndian.AppendUint16(b, t.SocketType)
	b = binary.LittleEndian.AppendUint32(b, t.Protocol)
	b = binary.LittleEndian.AppendUint16(b, uint16(t.AddressFamily))
	b = append(b, 0, 0) // the GUID begins at a multiple of four
	return append(b, t.ProviderId[:]...)
}

// other makes a request other than that for static events.
func (q *clientRequest) other(k *irql.K) ntstatus.NTSTATUS {
	switch q.code {
	case WSK_TRANSPORT_LIST_QUERY:
		return q.listQuery(k)
	case WSK_TRANSPORT_LIST_CHANGE:
		return q.listChange(k)
	case WSK_CACHE_SD:
		return q.cacheCode(k)
	case WSK_RELEASE_SD:
		return q.releaseCode(k)
	case WSK_TDI_BEHAVIOR:
		return q.behavior(k)
	}
	return ntstatus.STATUS_NOT_SUPPORTED
}

// listQuery is WSK_TRANSPORT_LIST_QUERY. Rules: WSK-044, WSK-047, later WSK-048.
func (q *clientRequest) listQuery(k *irql.K) ntstatus.NTSTATUS {
	const invalid = ntstatus.STATUS_INVALID_PARAMETER
	switch {
	case q.p != nil:
		return q.bad(k, verify.WSK_044, invalid, "WSK_TRANSPORT_LIST_QUERY takes no IRP")
	case q.returned == nil:
		return q.bad(k, verify.WSK_047, invalid, "WSK_TRANSPORT_LIST_QUERY needs OutputSizeReturned")
	case q.outSize > 0 && (q.out == nil || uint64(q.out.Len()) < q.outSize):
		return q.bad(k, verify.WSK_202, invalid, "OutputSize is %d, OutputBuffer has %d bytes", q.outSize,
			lengthOf(q.out))
	}
	var b []byte
	for _, t := range transports {
		b = append(b, t.bytes()...)
	}
	*q.returned = uint64(len(b))
	if q.outSize < uint64(len(b)) {
		state.Of(k).leavesUnfilled(q.out, verify.WSK_048)
		return ntstatus.STATUS_BUFFER_OVERFLOW
	}
	pool.Put(k, q.out, b)
	return ntstatus.STATUS_SUCCESS
}

// opListChange is WSK_TRANSPORT_LIST_CHANGE, the one code that has an IRP.
var opListChange = sureOperation("WskControlClient", ddi.PFN_WSK_CONTROL_CLIENT, noRow)

// listChange is WSK_TRANSPORT_LIST_CHANGE. Transports neither come nor go here, so it waits until it is
// cancelled, by its owner or by WskDeregister. Rule: WSK-044.
func (q *clientRequest) listChange(k *irql.K) ntstatus.NTSTATUS {
	if q.p == nil {
		return q.bad(k, verify.WSK_044, ntstatus.STATUS_INVALID_PARAMETER,
			"WSK_TRANSPORT_LIST_CHANGE needs an IRP")
	}
	c := q.c
	return opListChange.asks(k, c, q.p, true, func(k *irql.K, r *request) {
		ke.Adds(k, ke.Writes(c.id))
		c.changes = append(c.changes, r)
		r.cancel = func(k *irql.K) bool {
			ke.Adds(k, ke.Writes(c.id))
			for i, o := range c.changes {
				if o == r {
					c.changes = list.Cut(c.changes, i)
					break
				}
			}
			r.finish(k, ntstatus.STATUS_CANCELLED, 0, nil)
			return true
		}
	})
}

// cancelChanges ends what waits for a change of the transports.
func (c *client) cancelChanges(k *irql.K) {
	waiting := c.changes
	c.changes = nil
	for _, r := range waiting {
		r.finish(k, ntstatus.STATUS_CANCELLED, 0, nil)
	}
}

// behavior is WSK_TDI_BEHAVIOR. Rules: WSK-044, WSK-045, WSK-202.
func (q *clientRequest) behavior(k *irql.K) ntstatus.NTSTATUS {
	const invalid = ntstatus.STATUS_INVALID_PARAMETER
	switch {
	case q.p != nil:
		return q.bad(k, verify.WSK_044, invalid, "WSK_TDI_BEHAVIOR takes no IRP")
	case q.c.made || q.c.making > 0:
		return q.bad(k, verify.WSK_045, ntstatus.STATUS_INVALID_DEVICE_STATE,
			"WSK_TDI_BEHAVIOR comes after the first socket of %v", q.c.id)
	case q.inSize != 4 || q.in == nil || q.in.Len() < 4 || q.outSize != 0:
		return q.bad(k, verify.WSK_202, invalid, "WSK_TDI_BEHAVIOR takes a ULONG, not %d bytes", q.inSize)
	case q.in.Load32(0)&^WSK_TDI_BEHAVIOR_BYPASS_TDI != 0:
		return invalid
	}
	return ntstatus.STATUS_SUCCESS
}

// mostUnfilled is how many buffers are remembered; of older ones the pool's own rule is reported.
const mostUnfilled = 256

// unfilled is memory in which a driver may look for what is not there.
type unfilled struct {
	block string
	rule  verify.RuleID
}

// leavesUnfilled notes that a buffer does not hold what its owner may take it to hold, from its start or from
// some byte on: where nothing was ever written, reading breaks the rule (POOL-014 otherwise).
func (s *subsystem) leavesUnfilled(v *irp.Buffer, rule verify.RuleID) {
	if v == nil || !pool.Unfilled(v) {
		return
	}
	id := v.ID().String()
	for i := range s.unfilled {
		if s.unfilled[i].block == id {
			s.unfilled[i].rule = rule
			return
		}
	}
	if len(s.unfilled) == mostUnfilled {
		s.unfilled = list.Cut(s.unfilled, 0)
	}
	s.unfilled = append(s.unfilled, unfilled{id, rule})
}

// readUnfilled is the rule of a read of bytes that nobody has written; NoRule for memory that WSK was not
// given.
func (s *subsystem) readUnfilled(block string) verify.RuleID {
	for i := range s.unfilled {
		if s.unfilled[i].block == block {
			return s.unfilled[i].rule
		}
	}
	return verify.NoRule
}
