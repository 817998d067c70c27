package wsk

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

// Control codes of WskControlClient.
const (
	WSK_SET_STATIC_EVENT_CALLBACKS uint32 = 7
)

// PFN_WSK_CONTROL_CLIENT is the function WskControlClient, for what concerns a client and not a socket.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the buffers may go when the call returns. A cached security descriptor is the client's until
// WSK_RELEASE_SD.
// Returns: STATUS_SUCCESS; STATUS_PENDING for WSK_TRANSPORT_LIST_CHANGE, whose IRP is completed with
// STATUS_CANCELLED; STATUS_BUFFER_OVERFLOW for a list that does not fit, with the size needed in
// *outputSizeReturned; STATUS_INVALID_PARAMETER for arguments that do not fit;
// STATUS_INVALID_DEVICE_STATE for what comes before the first socket, and does not;
// STATUS_NOT_SUPPORTED for a code that is not modelled; STATUS_INSUFFICIENT_RESOURCES when memory is short;
// STATUS_INVALID_HANDLE for a client that has no
// provider.
// Rules: WSK-015, WSK-030, WSK-038, WSK-044 to WSK-047, WSK-090, WSK-161, WSK-169, WSK-202, WSK-266; later
// WSK-039, WSK-048.
// Not modelled: WSK_TDI_DEVICENAME_MAPPING (STATUS_NOT_SUPPORTED); transports that come and go.
// Reference: wsk/nc-wsk-pfn_wsk_control_client.
type PFN_WSK_CONTROL_CLIENT func(k *irql.K, client *WSK_CLIENT, controlCode uint32, inputSize uint64,
	inputBuffer *irp.Buffer, outputSize uint64, outputBuffer *irp.Buffer, outputSizeReturned *uint64,
	p *irp.IRP) ntstatus.NTSTATUS

// The page says only that there are other status codes; this one is INFERRED.
var siteClient = ke.Site{Name: "fault/WskControlClient",
	Alts: []string{"succeeds", "STATUS_INSUFFICIENT_RESOURCES"}, Spec: "wsk.md 18"}

// clientRequest is one WskControlClient.
type clientRequest struct {
	c    *client
	code uint32
	control
}

// wskControlClient is PFN_WSK_CONTROL_CLIENT.
func wskControlClient(k *irql.K, cl *WSK_CLIENT, controlCode uint32, inputSize uint64,
	inputBuffer *irp.Buffer, outputSize uint64, outputBuffer *irp.Buffer, outputSizeReturned *uint64,
	p *irp.IRP) ntstatus.NTSTATUS {
	const id, name = ddi.PFN_WSK_CONTROL_CLIENT, "WskControlClient"
	c, st := captured(k, id, name, cl)
	if c == nil {
		return st
	}
	q := &clientRequest{c: c, code: controlCode, control: control{in: inputBuffer, inSize: inputSize,
		out: outputBuffer, outSize: outputSize, returned: outputSizeReturned, p: p}}
	ke.Adds(k, ke.Writes(c.id))
	switch {
	case ke.Fails(k, &siteClient):
		st = ntstatus.STATUS_INSUFFICIENT_RESOURCES
	case controlCode == WSK_SET_STATIC_EVENT_CALLBACKS:
		st = q.staticEvents(k)
	default:
		st = q.other(k)
	}
	ke.CallStatus(k, id, c.id, uint32(st))
	return st
}

// bad collects a request that the documentation forbids.
func (q *clientRequest) bad(k *irql.K, rule verify.RuleID, st ntstatus.NTSTATUS, what string,
	args ...any) ntstatus.NTSTATUS {
	ke.Collect(k, verify.Finding{Rule: rule, Obj: q.c.id.String(), Headline: "WskControlClient: " +
		fmt.Sprintf(what, args...)})
	return st
}

// staticEvents is WSK_SET_STATIC_EVENT_CALLBACKS (wsk.md 11.4).
func (q *clientRequest) staticEvents(k *irql.K) ntstatus.NTSTATUS {
	const invalid = ntstatus.STATUS_INVALID_PARAMETER
	in := (*WSK_EVENT_CALLBACK_CONTROL)(nil)
	if q.in != nil {
		in = pool.Holds[WSK_EVENT_CALLBACK_CONTROL](q.in)
	}
	switch {
	case q.p != nil:
		return q.bad(k, verify.WSK_044, invalid, "WSK_SET_STATIC_EVENT_CALLBACKS takes no IRP")
	case q.c.made || q.c.making > 0:
		return q.bad(k, verify.WSK_045, ntstatus.STATUS_INVALID_DEVICE_STATE,
			"WSK_SET_STATIC_EVENT_CALLBACKS comes after the first socket of %v", q.c.id)
	case q.inSize != SizeofEventCallbackControl || in == nil:
		return q.bad(k, verify.WSK_202, invalid,
			"WSK_SET_STATIC_EVENT_CALLBACKS takes a WSK_EVENT_CALLBACK_CONTROL, not %d bytes", q.inSize)
	case in.NpiId == nil || *in.NpiId != NPI_WSK_INTERFACE_ID:
		return q.bad(k, verify.WSK_169, invalid, "NpiId is not NPI_WSK_INTERFACE_ID")
	case in.EventMask&WSK_EVENT_DISABLE != 0:
		return q.bad(k, verify.WSK_046, invalid, "WSK_EVENT_DISABLE in the mask 0x%x of static events",
			in.EventMask)
	case in.EventMask&^(connectionEvents|WSK_EVENT_ACCEPT|WSK_EVENT_RECEIVE_FROM) != 0:
		return q.bad(k, verify.WSK_161, invalid, "0x%x names no events", in.EventMask)
	}
	q.c.static = in.EventMask
	return ntstatus.STATUS_SUCCESS
}
