package tcpip

import (
	"math"
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// The control codes of redirection: SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS, ..._CONTEXT and
// SIO_SET_..._RECORDS. The two queries carry the input direction bit although they return data (mstcpip.h).
const (
	QueryRecords uint32 = 0x980000DC
	QueryContext uint32 = 0x980000DD
	SetRecords   uint32 = 0x980000DE
)

// Records returns the chain of the redirected connection that e has accepted, nil when e accepted none. It
// is the chain of the program's own connection, so that both ends mean the same.
func (e *Endpoint) Records() Records {
	if e.Parent == 0 || e.st == Aborted || !e.st.HasPeer() {
		return nil
	}
	return e.flow.records()
}

// records gives the chain of a redirected flow, nil when it is none.
func (f *Flow) records() Records {
	r := f.Redirect
	if r == nil || !r.done || r.Records == nil || r.Records.Len() == 0 {
		return nil
	}
	return r.Records
}

// Carried returns the records that were set on the socket, nil when none were.
func (e *Endpoint) Carried() Records { return e.records }

// OriginalRemote returns where the peer of an accepted, redirected connection wanted to go.
func (e *Endpoint) OriginalRemote() (netip.AddrPort, bool) {
	if e.Records() == nil {
		return netip.AddrPort{}, false
	}
	return e.flow.Redirect.Original, true
}

// Accepted reports whether the endpoint came from a listening one, and from which.
func (e *Endpoint) Accepted() (listener trace.ID, ok bool) { return e.Parent, e.Parent != 0 }

// entitled checks who may ask: System always, an administrator, and the process the redirection named
// (wsk.md 14.4).
func (e *Endpoint) entitled(r Records) bool {
	if e.Process == nil || e.Process.Admin {
		return true
	}
	return e.Process.PID == e.stack.redirector.RedirectTarget(r)
}

// QueryRecords gives the opaque bytes that stand for the connection's records.
func (e *Endpoint) QueryRecords(k *ke.K) ([]byte, ntstatus.NTSTATUS) {
	e.looked()
	return e.formatted(e.Records())
}

// RecordsOf gives the opaque bytes that stand for the records of the flow a datagram came with. It is the
// same that QueryRecords gives for a connection (wsk.md 14.1).
func (e *Endpoint) RecordsOf(k *ke.K, d *Datagram) ([]byte, ntstatus.NTSTATUS) {
	e.looked()
	return e.formatted(d.flow.inbound())
}

// ContextOf gives the bytes a callout attached to the flow a datagram came with.
func (e *Endpoint) ContextOf(k *ke.K, d *Datagram) ([]byte, ntstatus.NTSTATUS) {
	e.looked()
	return e.contextOf(d.flow.inbound())
}

// inbound gives the chain of a redirected flow at its receiver; the sender has no use for it.
func (f *Flow) inbound() Records {
	if !f.Inbound {
		return nil
	}
	return f.records()
}

func (e *Endpoint) formatted(r Records) ([]byte, ntstatus.NTSTATUS) {
	switch {
	case r == nil:
		return nil, ntstatus.STATUS_NOT_FOUND
	case !e.entitled(r):
		return nil, ntstatus.STATUS_ACCESS_DENIED
	}
	return e.stack.redirector.FormatRecords(r), ntstatus.STATUS_SUCCESS
}

// QueryContext gives the bytes a callout attached to the connection.
func (e *Endpoint) QueryContext(k *ke.K) ([]byte, ntstatus.NTSTATUS) {
	e.looked()
	return e.contextOf(e.Records())
}

func (e *Endpoint) contextOf(r Records) ([]byte, ntstatus.NTSTATUS) {
	switch {
	case r == nil:
		return nil, ntstatus.STATUS_NOT_FOUND
	case !e.entitled(r):
		return nil, ntstatus.STATUS_ACCESS_DENIED
	}
	ctx, s := e.stack.redirector.ContextOf(r)
	if s != ntstatus.STATUS_SUCCESS {
		return nil, s
	}
	b := make([]byte, ctx.Size())
	return b[:ctx.CopyTo(b)], ntstatus.STATUS_SUCCESS
}

// SetRecords makes the socket carry records, so that its connection is known as that of a proxy. It has to
// come before connect; afterwards it is refused with STATUS_INVALID_DEVICE_STATE (INFERRED, wsk.md 8.6).
func (e *Endpoint) SetRecords(k *ke.K, size uint64, b []byte) ntstatus.NTSTATUS {
	switch {
	case size > math.MaxUint32:
		return ntstatus.STATUS_INTEGER_OVERFLOW
	case e.Process != nil && !e.Process.Admin:
		return ntstatus.STATUS_ACCESS_DENIED
	case e.st != Created && e.st != Bound:
		return ntstatus.STATUS_INVALID_DEVICE_STATE
	case e.stack.redirector == nil:
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	r, ok := e.stack.redirector.ParseRecords(b)
	if !ok {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	e.stack.w.use(e.ID, ke.W)
	e.records = r
	e.stack.w.note(k, "carries redirect records", e.ID)
	return ntstatus.STATUS_SUCCESS
}

// Sizing is the outcome of a query for required bytes with room for capacity: whether they are copied, and
// the count to report (wsk.md 14.3). A query that fits nothing copies nothing; a capacity of zero is the
// probe.
func Sizing(required, capacity uint64) (transfer bool, count uint64, s ntstatus.NTSTATUS) {
	switch {
	case capacity > math.MaxUint32 || required > math.MaxUint32:
		return false, 0, ntstatus.STATUS_INTEGER_OVERFLOW
	case required > capacity:
		return false, required, ntstatus.STATUS_BUFFER_TOO_SMALL
	}
	return true, required, ntstatus.STATUS_SUCCESS
}

// WantsRecords reports whether a connection of e to remote would be that of a proxy which forgot the
// records: e carries none, and a connection that wanted to go to remote has been redirected to the owner of
// e and is still open.
func (e *Endpoint) WantsRecords(remote netip.AddrPort) bool {
	if e.records != nil {
		return false
	}
	e.looked()
	for _, o := range e.stack.eps {
		o.looked()
		if a, ok := o.OriginalRemote(); ok && a == remote && o.Process == e.Process {
			return true
		}
	}
	return false
}
