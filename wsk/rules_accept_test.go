package wsk_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// Rule: WSK-180
// Near miss: WSK-180
func TestAcceptEvent_AddressKept(t *testing.T) {
	var kept ws2def.SOCKADDR
	body := func(use func()) func(r *rig, k *irql.K) {
		return at(func(r *rig, _ *irql.K, h *house) {
			h.accept = func(k *irql.K, _ any, _ wsk.EventFlags, _, remote ws2def.SOCKADDR, s *wsk.WSK_SOCKET,
				context *any, table **wsk.WSK_CLIENT_CONNECTION_DISPATCH) ntstatus.NTSTATUS {
				kept = remote
				own := ws2def.Copy(remote)
				assert.Equal(r, ws2def.AF_INET, own.Family())
				return h.take(k, s, context, table)
			}
		}, func(*rig, *irql.K, *house, *wsk.WSK_SOCKET, *wsk.WSK_SOCKET) { use() })
	}
	late := func() { ws2def.AddrPort(kept) }
	tripIn(t, verify.WSK_180, func(r *rig, k *irql.K) {
		limit := -int64(ke.Second)
		body(func() {
			irql.KeDelayExecutionThread(k, irql.KernelMode, false, &limit)
			late()
		})(r, k)
	})
	missIn(t, body(func() {}))
}

// turned refuses a connection and then does something with its socket.
func turned(st ntstatus.NTSTATUS, then func(r *rig, k *irql.K, s *wsk.WSK_SOCKET)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		h := newHouse(r, k)
		var offered *wsk.WSK_SOCKET
		h.accept = func(k *irql.K, _ any, _ wsk.EventFlags, _, _ ws2def.SOCKADDR, s *wsk.WSK_SOCKET,
			context *any,
			table **wsk.WSK_CLIENT_CONNECTION_DISPATCH) ntstatus.NTSTATUS {
			h.take(k, s, context, table)
			offered = s
			return st
		}
		enabled(r, k, h)
		c := r.connection(k)
		r.ok(connect(k, c, server))
		await(k, h.came)
		limit := -int64(ke.Second)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &limit)
		then(r, k, offered)
		r.closeAll(k, c, h.l)
	}
}

// Rule: WSK-182
// Near miss: WSK-182
func TestAcceptEvent_RejectedSocketUsed(t *testing.T) {
	closes := func(r *rig, k *irql.K, s *wsk.WSK_SOCKET) {
		q := newRequest(k)
		if basic(s).WskCloseSocket(k, s, q.p) == ntstatus.STATUS_PENDING {
			q.wait(k)
		}
		q.free(k)
	}
	tripIn(t, verify.WSK_182, turned(ntstatus.STATUS_REQUEST_NOT_ACCEPTED, closes))
	missIn(t, turned(good, closes))
}

// Rule: WSK-183
// Near miss: WSK-183
func TestAcceptEvent_TableMissing(t *testing.T) {
	body := func(table bool) func(r *rig, k *irql.K) {
		return at(func(r *rig, _ *irql.K, h *house) {
			h.accept = func(k *irql.K, _ any, _ wsk.EventFlags, _, _ ws2def.SOCKADDR, s *wsk.WSK_SOCKET,
				context *any, dispatch **wsk.WSK_CLIENT_CONNECTION_DISPATCH) ntstatus.NTSTATUS {
				st := h.take(k, s, context, dispatch)
				if !table {
					*dispatch = nil
				}
				return st
			}
		}, func(*rig, *irql.K, *house, *wsk.WSK_SOCKET, *wsk.WSK_SOCKET) {})
	}
	tripIn(t, verify.WSK_183, body(false))
	missIn(t, body(true))
}

// Rule: WSK-044
// Near miss: WSK-044
// Rule: WSK-045
// Near miss: WSK-045
// Rule: WSK-046
// Near miss: WSK-046
func TestWskControlClient_StaticEvents(t *testing.T) {
	body := func(mask uint32, irpToo, late bool, want ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			if late {
				r.closeAll(k, r.socket(k, wsk.WSK_FLAG_BASIC_SOCKET))
			}
			q := newRequest(k)
			p := q.p
			if !irpToo {
				p = nil
			}
			ctl := irp.StackVar[wsk.WSK_EVENT_CALLBACK_CONTROL](k)
			*ctl.Get() = wsk.WSK_EVENT_CALLBACK_CONTROL{NpiId: &wsk.NPI_WSK_INTERFACE_ID, EventMask: mask}
			assert.Equal(r, want, r.npi.Dispatch.WskControlClient(k, r.npi.Client,
				wsk.WSK_SET_STATIC_EVENT_CALLBACKS, wsk.SizeofEventCallbackControl, ctl.Handle(), 0, nil,
				nil, p))
			q.free(k)
		}
	}
	tripIn(t, verify.WSK_044, body(wsk.WSK_EVENT_ACCEPT, true, false, invalid))
	tripIn(t, verify.WSK_045, body(wsk.WSK_EVENT_ACCEPT, false, true, ids))
	tripIn(t, verify.WSK_046, body(wsk.WSK_EVENT_ACCEPT|disable, false, false, invalid))
	missIn(t, body(wsk.WSK_EVENT_ACCEPT, false, false, good))
}
