package wsk

import (
	"bytes"
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// siteReturned decides whether *OutputSizeReturned is written although the call returned STATUS_PENDING
// (wsk.md 25.1).
var siteReturned = ke.Site{Name: "doc/WskControlSocket/OutputSizeReturned",
	Alts: []string{"written", "untouched"},
	Spec: "wsk.md 25.1"}

// queried is what the last failing query of a socket left behind, for WSK-225.
type queried struct {
	code  uint32
	stale uint64 // value of the variable that was not written
	right uint64
}

func isRedirect(code uint32) bool {
	return code >= SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS &&
		code <= SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS
}

func codeName(code uint32) string {
	switch code {
	case SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS:
		return "SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS"
	case SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT:
		return "SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT"
	}
	return "SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS"
}

// redirectLevel: the three codes need PASSIVE_LEVEL. Rule: WSK-093.
func redirectLevel(k *irql.K, code uint32) {
	if ke.IRQL(k) == ke.Passive {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.WSK_093, Obj: codeName(code), AllowedIRQL: ke.Passive,
		Also: []verify.RuleID{verify.WSK_233, verify.WFP_123, verify.IRQL_001},
		Headline: fmt.Sprintf("%s at %s, allowed is only PASSIVE_LEVEL", codeName(code),
			ke.LevelName(ke.IRQL(k))),
		Fix: "move the call to a work item (IoQueueWorkItem): its routine runs at PASSIVE_LEVEL."})
}

// routineSet: an IRP of these codes needs a completion routine, also one passed down. Rules: WSK-221,
// WSK-235.
func routineSet(k *irql.K, p *irp.IRP, code uint32) {
	if irp.Sim.Holder(p) != ke.Acting(k) || p.CurrentLocation() <= 1 {
		return // submit finds that
	}
	l := irp.IoGetNextIrpStackLocation(k, p)
	switch {
	case l.Control()&0xE0 == 0 && !irp.Sim.Own(p):
		ke.Report(k, verify.Finding{Rule: verify.WSK_221, Obj: p.ID().String(),
			Headline: fmt.Sprintf("%s: %v was passed down and has no completion routine of this driver",
				codeName(code), p.ID()),
			Fix: "call IoSetCompletionRoutine, and propagate PendingReturned in the routine."})
	case l.Control()&0xE0 != 0 && l.Context() == nil:
		ke.Report(k, verify.Finding{Rule: verify.WSK_235, Obj: p.ID().String(),
			Headline: codeName(code) + ": the completion routine has no Context and cannot reach the buffer"})
	}
}

// unknownCode: a code that looks like one of the three. Rule: WSK-236.
func unknownCode(k *irql.K, o *socket, code uint32) {
	if n := code & 0xFF; code>>24&0x18 == 0x18 && n >= 0xDC && n <= 0xDE {
		ke.Collect(k, verify.Finding{Rule: verify.WSK_236, Obj: o.id.String(),
			Headline: fmt.Sprintf("control code 0x%08X is none of the redirect codes, which are 0x980000DC "+
				"to 0x980000DE", code),
			Fix: "use the constants of mstcpip.h: the queries carry the input direction bit."})
	}
}

// redirect is one of the three codes.
func (o *socket) redirect(k *irql.K, r *request, c *control) {
	r.name = codeName(c.code)
	if o.ep == nil {
		r.refuse(k, ntstatus.STATUS_NOT_SUPPORTED)
		return
	}
	if c.code == SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS {
		o.setRecords(k, r, c)
		return
	}
	switch {
	case c.inSize != 0 || c.in != nil:
		argument(k, verify.WSK_223, o, "%s takes no input", r.name)
	case c.outSize > 0 && c.out == nil:
		argument(k, verify.WSK_234, o, "%s: OutputSize is %d and OutputBuffer is NULL", r.name, c.outSize)
	default:
		o.query(k, r, c)
		return
	}
	r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
}

// query answers the two queries with either sizing strategy (wsk.md 14.3). Rules: WSK-222, WSK-231.
func (o *socket) query(k *irql.K, r *request, c *control) {
	o.staleSize(k, c)
	r.lendControl(k, c, verify.WSK_222)
	if st := o.ep.State(); !st.HasPeer() {
		ke.Report(k, verify.Finding{Rule: verify.WSK_231, Also: []verify.RuleID{verify.WFP_121},
			Obj: o.id.String(),
			Headline: fmt.Sprintf("%s on %v, which is %v: only an accepted, redirected connection has "+
				"records", r.name, o.id, st),
			Fix: "query the socket that WskAccept gave."})
		r.finish(k, ntstatus.STATUS_NOT_FOUND, 0, nil)
		return
	}
	var b []byte
	var st ntstatus.NTSTATUS
	if c.code == SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS {
		b, st = o.ep.QueryRecords(k)
	} else {
		b, st = o.ep.QueryContext(k)
	}
	transfer, n := false, uint64(0)
	if st == ntstatus.STATUS_SUCCESS {
		transfer, n, st = tcpip.Sizing(uint64(len(b)), c.outSize)
	}
	if transfer && c.out.Len() < int(n) {
		argument(k, verify.POOL_011, c.out.ID(), "%s: OutputSize is %d, the buffer has %d bytes", r.name,
			c.outSize, c.out.Len())
		transfer = false
	}
	r.fill = func(k *irql.K) { o.answer(k, c, b, transfer, n, st) }
	if transfer && c.code == SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS {
		ke.Adds(k, ke.Writes(registrations))
		o.sub.given = append(o.sub.given, b)
	}
	r.finish(k, st, n, nil)
}

// answer stores the result of a query in the client's memory.
func (o *socket) answer(k *irql.K, c *control, b []byte, transfer bool, n uint64, st ntstatus.NTSTATUS) {
	if transfer {
		pool.Put(k, c.out, b)
	}
	o.probed = nil
	if c.returned == nil || st != ntstatus.STATUS_SUCCESS && st != ntstatus.STATUS_BUFFER_TOO_SMALL {
		return
	}
	if ke.Choose(k, &siteReturned, len(siteReturned.Alts)) == 0 {
		*c.returned = n
		return
	}
	if st == ntstatus.STATUS_BUFFER_TOO_SMALL {
		o.probed = &queried{code: c.code, stale: *c.returned, right: n}
	}
}

// staleSize: the size offered now is the value of a variable that was never written. Rule: WSK-225.
func (o *socket) staleSize(k *irql.K, c *control) {
	q := o.probed
	if q == nil || q.code != c.code || c.outSize != q.stale || c.outSize == q.right || c.out == nil {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.WSK_225, Obj: o.id.String(),
		Headline: fmt.Sprintf("the query is repeated with %d bytes, the old value of *OutputSizeReturned; "+
			"IoStatus.Information said %d",
			q.stale, q.right),
		Fix: "take the size from IoStatus.Information of the completed IRP."})
}

// setRecords makes the socket carry records. Rules: WSK-043, WSK-222, WSK-223, WSK-229, WSK-232.
func (o *socket) setRecords(k *irql.K, r *request, c *control) {
	if c.outSize != 0 || c.out != nil || c.returned != nil {
		argument(k, verify.WSK_223, o, "%s has no output", r.name)
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
		return
	}
	if c.in == nil || uint64(c.in.Len()) < min(c.inSize, 1<<32) {
		argument(k, verify.POOL_011, o, "%s: InputSize is %d and the buffer is shorter", r.name, c.inSize)
		r.refuse(k, ntstatus.STATUS_INVALID_PARAMETER)
		return
	}
	if !o.setInTime(k, r) {
		return
	}
	r.lendControl(k, c, verify.WSK_222)
	b := append([]byte(nil), pool.Raw(k, c.in)[:min(c.inSize, uint64(c.in.Len()))]...)
	st := o.ep.SetRecords(k, c.inSize, b)
	if st == ntstatus.STATUS_INVALID_PARAMETER {
		o.altered(k, b)
	}
	r.finish(k, st, 0, nil)
}

// setInTime judges when SET comes. Rules: WSK-043, WSK-229.
func (o *socket) setInTime(k *irql.K, r *request) bool {
	_, accepted := o.ep.Accepted()
	st := o.ep.State()
	switch {
	case o.joined:
		r.wrongState(k, verify.WSK_043, "was connected by WskSocketConnect: the records come before connect")
		return false
	case accepted:
		r.wrongState(k, verify.WSK_229, "was accepted: the records belong on the outbound socket")
		return false
	case st != tcpip.Created && st != tcpip.Bound:
		r.wrongState(k, verify.WSK_229, "is "+st.String()+" already: the records come before connect")
		return false
	case st == tcpip.Bound:
		ke.Report(k, verify.Finding{Rule: verify.WSK_229, Warning: true, Obj: o.id.String(),
			Headline: fmt.Sprintf("%s on %v after WskBind", r.name,
				o.id), Fix: "set the records before WskBind."})
	}
	return true
}

// altered: these bytes were given out by a query in another form. Rule: WSK-232.
func (o *socket) altered(k *irql.K, b []byte) {
	ke.Adds(k, ke.Reads(registrations))
	for _, g := range o.sub.given {
		n := min(len(g), len(b), 8)
		if !bytes.Equal(g[:n], b[:n]) && len(g) != len(b) {
			continue
		}
		ke.Collect(k, verify.Finding{Rule: verify.WSK_232, Obj: o.id.String(),
			Headline: fmt.Sprintf("the redirect records were changed between query and set: %d bytes "+
				"given, %d bytes set", len(g), len(b)),
			Fix: "treat the records as opaque and pass on exactly IoStatus.Information bytes."})
		return
	}
}
