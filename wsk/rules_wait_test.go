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

var (
	low    = ke.Pin{Site: "env/WskEvent/irql", Alt: 1}
	high   = ke.Pin{Site: "env/WskEvent/irql", Alt: 0}
	silent = ke.Pin{Site: "env/WskEvent/flag", Alt: 1}
)

func second(k *irql.K) {
	limit := -int64(ke.Second)
	irql.KeDelayExecutionThread(k, irql.KernelMode, false, &limit)
}

// Rule: WSK-076
// Near miss: WSK-076
func TestIrp_SignalledOnlyIfPending(t *testing.T) {
	body := func(look bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			s := r.connection(k)
			q := newRequest(k)
			irp.IoSetCompletionRoutine(k, q.p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
				context any) ntstatus.NTSTATUS {
				if p.PendingReturned() {
					irql.KeSetEvent(k, context.(*irql.KEVENT), 0, false)
				}
				return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
			}, q.event, true, true, true)
			st := connected(s).WskGetLocalAddress(k, s, new(ws2def.SOCKADDR_STORAGE), q.p)
			if !look || st == ntstatus.STATUS_PENDING {
				q.wait(k)
			}
			q.free(k)
			r.closeAll(k, s)
		}
	}
	tripIn(t, verify.WSK_076, body(false), answers("WskGetLocalAddress", 1))
	missIn(t, body(true), answers("WskGetLocalAddress", 1))
}

// Rule: WSK-079
// Near miss: WSK-079
func TestEvents_WaitInside(t *testing.T) {
	body := func(wait bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			q := newRequest(k)
			m := text(k, "answer")
			at(func(r *rig, _ *irql.K, h *house) {
				h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, _ uint64,
					_ *uint64) ntstatus.NTSTATUS {
					a := h.accepted[0]
					connected(a).WskSend(k, a, m.buf(), 0, q.p)
					if wait {
						q.wait(k)
					}
					h.read(k, d)
					return good
				}
			}, func(r *rig, k *irql.K, h *house, c, _ *wsk.WSK_SOCKET) {
				r.ok(send(k, c, "hello"))
				await(k, h.heard)
				r.ok(q.wait(k))
			})(r, k)
			q.free(k)
			m.free(k)
		}
	}
	pended := answers("WskSend", 0)
	tripIn(t, verify.WSK_079, body(true), low, pended)
	missIn(t, body(false), low, pended)
}

// Rule: WSK-096
// Near miss: WSK-096
func TestEvents_LevelNotTold(t *testing.T) {
	body := func(act func(k *irql.K)) func(r *rig, k *irql.K) {
		return at(func(r *rig, _ *irql.K, h *house) {
			h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, _ uint64, _ *uint64) ntstatus.NTSTATUS {
				act(k)
				h.read(k, d)
				return good
			}
		}, func(r *rig, k *irql.K, h *house, c, _ *wsk.WSK_SOCKET) {
			r.ok(send(k, c, "hello"))
			await(k, h.heard)
		})
	}
	tripIn(t, verify.WSK_096, body(func(k *irql.K) { irp.IoDeleteSymbolicLink(k, "x") }), high, silent)
	missIn(t, body(func(k *irql.K) { irql.KeGetCurrentIrql(k) }), high, silent)
}

// Rule: WSK-119
// Near miss: WSK-119
func TestWskDisconnect_NeverEnds(t *testing.T) {
	stall := ke.Pin{Site: "env/WskDisconnect/end", Alt: 1}
	body := func(recover bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			c, a, l := r.pair(k)
			q := newRequest(k)
			connected(c).WskDisconnect(k, c, nil, 0, q.p)
			if recover {
				limit := -int64(ke.Second)
				irql.KeWaitForSingleObject(k, q.event, irql.Executive, irql.KernelMode, false, &limit)
				r.ok(disconnect(k, c, wsk.WSK_FLAG_ABORTIVE))
			}
			assert.Equal(r, ntstatus.STATUS_CONNECTION_ABORTED, q.wait(k).Status)
			q.free(k)
			r.closeAll(k, c, a, l)
		}
	}
	tripIn(t, verify.WSK_119, body(false), stall)
	missIn(t, body(true), stall)
}

// closes makes WskDisconnectEvent close its socket.
func closes(wait bool) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		h := newHouse(r, k)
		q := newRequest(k)
		h.connect.WskDisconnectEvent = func(k *irql.K, _ any, _ wsk.EventFlags) ntstatus.NTSTATUS {
			a := h.accepted[0]
			connected(a).WskCloseSocket(k, a, q.p)
			if wait {
				q.wait(k)
			}
			return good
		}
		enabled(r, k, h)
		c := r.connection(k)
		r.ok(connect(k, c, server))
		await(k, h.came)
		disconnect(k, c, 0) // it may be reset meanwhile
		r.ok(q.wait(k))
		q.free(k)
		r.closeAll(k, c, h.l)
	}
}

// Rule: WSK-244
// Near miss: WSK-244
func TestEvents_CloseAwaitedInside(t *testing.T) {
	f := tripIn(t, verify.WSK_244, closes(true), low)
	assert.Contains(t, f.Also, verify.WSK_079)
	missIn(t, closes(false), low)
}

// quitting disables the receive event while its callback runs.
func quitting(then func(r *rig, k *irql.K, h *house, a *wsk.WSK_SOCKET)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 8, tag)
		at(func(r *rig, _ *irql.K, h *house) {
			h.buffer = b
			h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, _ uint64, _ *uint64) ntstatus.NTSTATUS {
				h.read(k, d)
				second(k)
				b.Store8(0, 1)
				irql.KeSetEvent(k, h.left, 0, false)
				return good
			}
		}, func(r *rig, k *irql.K, h *house, c, a *wsk.WSK_SOCKET) {
			r.ok(send(k, c, "hello"))
			await(k, h.heard)
			assert.Equal(r, ntstatus.STATUS_EVENT_PENDING, events(k, a, wsk.WSK_EVENT_RECEIVE|disable))
			then(r, k, h, a)
		})(r, k)
		irp.ExFreePoolWithTag(k, b, tag)
	}
}

// Rule: WSK-167
// Near miss: WSK-167
func TestEvents_FreedAfterEventPending(t *testing.T) {
	tripIn(t, verify.WSK_167, quitting(func(r *rig, k *irql.K, h *house, _ *wsk.WSK_SOCKET) {
		irp.ExFreePoolWithTag(k, h.buffer, tag)
		second(k)
		second(k)
	}), low)
	missIn(t, quitting(func(r *rig, k *irql.K, h *house, _ *wsk.WSK_SOCKET) { await(k, h.left) }), low)
}

// Rule: WSK-168
// Near miss: WSK-168
func TestEvents_WaitAfterEventPending(t *testing.T) {
	tripIn(t, verify.WSK_168, quitting(func(r *rig, k *irql.K, h *house, _ *wsk.WSK_SOCKET) {
		never := new(irql.KEVENT)
		irql.KeInitializeEvent(k, never, irql.NotificationEvent, false)
		await(k, never)
	}), low)
	missIn(t, quitting(func(r *rig, k *irql.K, h *house, _ *wsk.WSK_SOCKET) { await(k, h.left) }), low)
}
