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
)

const disable = wsk.WSK_EVENT_DISABLE

// onListener makes a socket that listens, with a table, and calls fn.
func onListener(fn func(r *rig, k *irql.K, h *house)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		h := newHouse(r, k)
		h.open(k)
		fn(r, k, h)
		r.closeAll(k, h.l)
	}
}

// asked expects an answer of SO_WSK_EVENT_CALLBACK on a listening socket.
func asked(mask uint32, want ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
	return onListener(func(r *rig, k *irql.K, h *house) {
		assert.Equal(r, want.String(), events(k, h.l, mask).String())
	})
}

// at runs a conversation: the events are enabled, somebody connects, and his socket has been delivered.
func at(prepare func(r *rig, k *irql.K, h *house), talk func(r *rig, k *irql.K, h *house, c,
	a *wsk.WSK_SOCKET),
) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		h := newHouse(r, k)
		prepare(r, k, h)
		enabled(r, k, h)
		c := r.connection(k)
		r.ok(connect(k, c, server))
		await(k, h.came)
		a := h.accepted[0]
		talk(r, k, h, c, a)
		r.closeAll(k, c, a, h.l)
	}
}

func nothingBefore(*rig, *irql.K, *house) {}

// Rule: WSK-160
// Near miss: WSK-160
func TestEvents_TooEarly(t *testing.T) {
	tripIn(t, verify.WSK_160, func(r *rig, k *irql.K) {
		h := newHouse(r, k)
		s := r.socketWith(k, wsk.WSK_FLAG_CONNECTION_SOCKET, h, &h.connect)
		assert.Equal(r, ids, events(k, s, wsk.WSK_EVENT_RECEIVE))
		r.closeAll(k, s)
	})
	missIn(t, asked(wsk.WSK_EVENT_ACCEPT, good))
}

// Rule: WSK-161
// Near miss: WSK-161
func TestEvents_OfAnotherCategory(t *testing.T) {
	tripIn(t, verify.WSK_161, asked(wsk.WSK_EVENT_RECEIVE_FROM, invalid))
	tripIn(t, verify.WSK_161, func(r *rig, k *irql.K) {
		s := r.socket(k, wsk.WSK_FLAG_BASIC_SOCKET)
		assert.Equal(r, ntstatus.STATUS_NOT_SUPPORTED, events(k, s, wsk.WSK_EVENT_RECEIVE))
		r.closeAll(k, s)
	})
	missIn(t, asked(wsk.WSK_EVENT_ACCEPT|wsk.WSK_EVENT_DISCONNECT, good))
}

// Rule: WSK-162
// Near miss: WSK-162
func TestEvents_DisableSeveral(t *testing.T) {
	tripIn(t, verify.WSK_162, at(nothingBefore, func(r *rig, k *irql.K, _ *house, _, a *wsk.WSK_SOCKET) {
		assert.Equal(r, invalid, events(k, a, wsk.WSK_EVENT_RECEIVE|wsk.WSK_EVENT_DISCONNECT|disable))
	}))
	tripIn(t, verify.WSK_162, asked(disable, invalid))
	missIn(t, at(nothingBefore, func(r *rig, k *irql.K, _ *house, _, a *wsk.WSK_SOCKET) {
		assert.Equal(r, good, events(k, a, wsk.WSK_EVENT_RECEIVE|disable))
		assert.Equal(r, good, events(k, a, wsk.WSK_EVENT_DISCONNECT|disable))
	}))
}

// Rule: WSK-163
// Near miss: WSK-163
func TestEvents_StaticChanged(t *testing.T) {
	body := func(mask uint32, want ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			assert.Equal(r, good, r.static(k, mask))
			asked(wsk.WSK_EVENT_ACCEPT|disable, want)(r, k)
		}
	}
	tripIn(t, verify.WSK_163, body(wsk.WSK_EVENT_ACCEPT, invalid))
	missIn(t, body(wsk.WSK_EVENT_RECEIVE, good))
}

// Rule: WSK-164
// Near miss: WSK-164
func TestEvents_DisableOnTheListener(t *testing.T) {
	tripIn(t, verify.WSK_164, asked(wsk.WSK_EVENT_RECEIVE|disable, invalid))
	missIn(t, asked(wsk.WSK_EVENT_ACCEPT|disable, good))
}

// Rule: WSK-165
// Near miss: WSK-165
func TestEvents_NoRoutine(t *testing.T) {
	without := func(r *rig, _ *irql.K, h *house) { h.connect.WskSendBacklogEvent = nil }
	tripIn(t, verify.WSK_165, at(without, func(r *rig, k *irql.K, _ *house, _, a *wsk.WSK_SOCKET) {
		assert.Equal(r, invalid, events(k, a, wsk.WSK_EVENT_SEND_BACKLOG))
	}))
	with := func(r *rig, _ *irql.K, h *house) {
		h.connect.WskSendBacklogEvent = func(*irql.K, any, uint64) ntstatus.NTSTATUS { return good }
	}
	missIn(t, at(with, func(r *rig, k *irql.K, _ *house, c, a *wsk.WSK_SOCKET) {
		assert.Equal(r, good, events(k, a, wsk.WSK_EVENT_SEND_BACKLOG))
		r.ok(send(k, a, "x"))
	}))
}

// Rule: WSK-166
// Near miss: WSK-166
func TestEvents_EnableWithIrp(t *testing.T) {
	tripIn(t, verify.WSK_166, onListener(func(r *rig, k *irql.K, h *house) {
		r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return eventsWith(k, h.l, wsk.WSK_EVENT_ACCEPT, &wsk.NPI_WSK_INTERFACE_ID, p)
		}))
	}))
	missIn(t, onListener(func(r *rig, k *irql.K, h *house) { // to disable
		r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return eventsWith(k, h.l, wsk.WSK_EVENT_ACCEPT|disable, &wsk.NPI_WSK_INTERFACE_ID, p)
		}))
	}))
}

// Rule: WSK-169
// Near miss: WSK-169
func TestEvents_NpiId(t *testing.T) {
	tripIn(t, verify.WSK_169, onListener(func(r *rig, k *irql.K, h *house) {
		assert.Equal(r, invalid, eventsWith(k, h.l, wsk.WSK_EVENT_ACCEPT, nil, nil))
	}))
	missIn(t, asked(wsk.WSK_EVENT_ACCEPT, good))
}

// answering makes WskReceiveEvent return st, and leaves the accepted socket with what was sent.
func answering(st ntstatus.NTSTATUS, then func(r *rig, k *irql.K, h *house, a *wsk.WSK_SOCKET),
) func(r *rig, k *irql.K) {
	return at(func(r *rig, _ *irql.K, h *house) {
		h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, _ uint64, _ *uint64) ntstatus.NTSTATUS {
			h.kept = append(h.kept, d)
			irql.KeSetEvent(k, h.heard, 0, false)
			return st
		}
	}, func(r *rig, k *irql.K, h *house, c, a *wsk.WSK_SOCKET) {
		m, q := text(k, "hello"), newRequest(k)
		connected(c).WskSend(k, c, m.buf(), 0, q.p)
		await(k, h.heard)
		h.receive = nil
		then(r, k, h, a)
		r.ok(q.wait(k))
		q.free(k)
		m.free(k)
	})
}

// drain receives what was not accepted.
func drain(r *rig, k *irql.K, _ *house, a *wsk.WSK_SOCKET) { receive(k, a, 10) }

func released(r *rig, k *irql.K, h *house, a *wsk.WSK_SOCKET) {
	assert.Equal(r, good, connected(a).WskRelease(k, a, h.kept[0]))
}

// Rule: WSK-170
// Near miss: WSK-170
func TestEvents_Status(t *testing.T) {
	tripIn(t, verify.WSK_170, answering(ntstatus.STATUS_UNSUCCESSFUL, drain))
	missIn(t, answering(ntstatus.STATUS_DATA_NOT_ACCEPTED, drain))
}

// Rule: WSK-171
// Near miss: WSK-171
func TestIndication_Kept(t *testing.T) {
	tripIn(t, verify.WSK_171, answering(good, func(r *rig, k *irql.K, h *house, _ *wsk.WSK_SOCKET) {
		h.kept[0].Buffer()
	}))
	missIn(t, answering(ntstatus.STATUS_PENDING, func(r *rig, k *irql.K, h *house, a *wsk.WSK_SOCKET) {
		h.kept[0].Buffer()
		released(r, k, h, a)
	}))
	tripIn(t, verify.WSK_171, memoryKept(func(mdl *irp.MDL, _ *irp.Buffer) { mdl.MdlFlags() }))
	tripIn(t, verify.WSK_171, memoryKept(func(_ *irp.MDL, b *irp.Buffer) { b.Load8(0) }))
	missIn(t, memoryKept(func(*irp.MDL, *irp.Buffer) {}))
}

// memoryKept keeps the memory of a list.
func memoryKept(use func(mdl *irp.MDL, b *irp.Buffer)) func(r *rig, k *irql.K) {
	var mdl *irp.MDL
	var b *irp.Buffer
	return at(func(r *rig, _ *irql.K, h *house) {
		h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, _ uint64, _ *uint64) ntstatus.NTSTATUS {
			mdl = d.Buffer().Mdl
			b = irp.MmGetSystemAddressForMdlSafe(k, mdl, irp.NormalPagePriority)
			irql.KeSetEvent(k, h.heard, 0, false)
			return good
		}
	}, func(r *rig, k *irql.K, h *house, c, _ *wsk.WSK_SOCKET) {
		r.ok(send(k, c, "hello"))
		await(k, h.heard)
		limit := -int64(ke.Second)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &limit)
		use(mdl, b)
	})
}

// Rule: WSK-172
// Near miss: WSK-172
func TestWskRelease_NotRetained(t *testing.T) {
	tripIn(t, verify.WSK_172, answering(good, func(r *rig, k *irql.K, h *house, a *wsk.WSK_SOCKET) {
		assert.Equal(r, invalid, connected(a).WskRelease(k, a, h.kept[0]))
	}))
	tripIn(t, verify.WSK_172, answering(ntstatus.STATUS_PENDING, func(r *rig, k *irql.K, h *house,
		a *wsk.WSK_SOCKET) {
		released(r, k, h, a)
		assert.Equal(r, invalid, connected(a).WskRelease(k, a, h.kept[0]))
	}))
	missIn(t, answering(ntstatus.STATUS_PENDING, released))
}

// Rule: WSK-174
// Near miss: WSK-174
func TestClose_WithAList(t *testing.T) {
	tripIn(t, verify.WSK_174, answering(ntstatus.STATUS_PENDING, func(r *rig, k *irql.K, _ *house,
		a *wsk.WSK_SOCKET) {
		closeSocket(k, a)
	}))
	missIn(t, answering(ntstatus.STATUS_PENDING, released))
}

// Rule: WSK-175
// Near miss: WSK-175
func TestWskRelease_Part(t *testing.T) {
	two := ke.Pin{Site: "env/WskReceiveEvent/list", Alt: 1}
	tripIn(t, verify.WSK_175, answering(ntstatus.STATUS_PENDING, func(r *rig, k *irql.K, h *house,
		a *wsk.WSK_SOCKET) {
		second := h.kept[0].Next()
		assert.Equal(r, good, connected(a).WskRelease(k, a, second))
		assert.Equal(r, good, connected(a).WskRelease(k, a, h.kept[0]))
	}), two)
	missIn(t, answering(ntstatus.STATUS_PENDING, released), two)
}

// accepts makes WskReceiveEvent set *BytesAccepted.
func accepts(n uint64, st ntstatus.NTSTATUS, then func(r *rig, k *irql.K, h *house, a *wsk.WSK_SOCKET),
) func(r *rig, k *irql.K) {
	return at(func(r *rig, _ *irql.K, h *house) {
		h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, _ uint64, taken *uint64) ntstatus.NTSTATUS {
			*taken = n
			irql.KeSetEvent(k, h.heard, 0, false)
			return st
		}
	}, func(r *rig, k *irql.K, h *house, c, a *wsk.WSK_SOCKET) {
		m, q := text(k, "hello"), newRequest(k)
		connected(c).WskSend(k, c, m.buf(), 0, q.p)
		await(k, h.heard)
		then(r, k, h, a)
		limit := -int64(ke.Second)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &limit)
		r.ok(q.wait(k))
		q.free(k)
		m.free(k)
	})
}

// Rule: WSK-176
// Near miss: WSK-176
func TestEvents_BytesAccepted(t *testing.T) {
	tripIn(t, verify.WSK_176, accepts(200, good, func(*rig, *irql.K, *house, *wsk.WSK_SOCKET) {}))
	tripIn(t, verify.WSK_176, accepts(2, ntstatus.STATUS_DATA_NOT_ACCEPTED, drain))
	missIn(t, accepts(2, good, drain))
}

// stays leaves everything open: the run ends while the driver waits for data.
func stays(then func(r *rig, k *irql.K, h *house, c, a *wsk.WSK_SOCKET)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		h := newHouse(r, k)
		h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, n uint64, taken *uint64) ntstatus.NTSTATUS {
			*taken = 0
			irql.KeSetEvent(k, h.heard, 0, false)
			return good
		}
		enabled(r, k, h)
		c := r.connection(k)
		r.ok(connect(k, c, server))
		await(k, h.came)
		m, q := text(k, "hello"), newRequest(k)
		connected(c).WskSend(k, c, m.buf(), 0, q.p)
		await(k, h.heard)
		then(r, k, h, c, h.accepted[0])
	}
}

// openEnd plays a body after which the driver stays as it is.
func openEnd(r *rig, body func(k *irql.K)) *rig {
	irp.Sim.LoadDriver(r.m, "proxy.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
		r.open(k)
		body(k)
		return good
	})
	r.m.Run(nil)
	r.m.RunEndChecks()
	return r
}

// Rule: WSK-177
// Near miss: WSK-177
func TestEvents_NotResumed(t *testing.T) {
	tripRig(t, openEnd, verify.WSK_177, stays(func(*rig, *irql.K, *house, *wsk.WSK_SOCKET,
		*wsk.WSK_SOCKET) {
	}), nil)
	missRig(t, openEnd, stays(func(r *rig, k *irql.K, h *house, _, a *wsk.WSK_SOCKET) {
		for got := 0; got < 5; {
			s, st := receive(k, a, 10)
			r.ok(st)
			got += len(s)
		}
	}), nil)
}

// Rule: WSK-179
// Near miss: WSK-179
func TestIndication_ReleasedLate(t *testing.T) {
	asap := ke.Pin{Site: "env/WskReceiveEvent/flags", Alt: 1}
	after := func(d int64) func(r *rig, k *irql.K) {
		return answering(ntstatus.STATUS_PENDING, func(r *rig, k *irql.K, h *house, a *wsk.WSK_SOCKET) {
			d := -d
			irql.KeDelayExecutionThread(k, irql.KernelMode, false, &d)
			released(r, k, h, a)
		})
	}
	tripIn(t, verify.WSK_179, after(2*ke.Second), asap)
	missIn(t, after(ke.Millisecond), asap)
}

// Rule: WSK-184
// Near miss: WSK-184
func TestEvents_Slow(t *testing.T) {
	body := func(us uint32) func(r *rig, k *irql.K) {
		return at(func(r *rig, _ *irql.K, h *house) {
			h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, _ uint64, _ *uint64) ntstatus.NTSTATUS {
				irql.KeStallExecutionProcessor(k, us)
				h.read(k, d)
				return good
			}
		}, func(r *rig, k *irql.K, h *house, c, _ *wsk.WSK_SOCKET) {
			r.ok(send(k, c, "hello"))
			await(k, h.heard)
		})
	}
	tripIn(t, verify.WSK_184, body(2000), high)
	missIn(t, body(20), high)
}

// taken takes a connection with WskAccept from a listening socket that has events enabled.
func taken(then func(r *rig, k *irql.K, c, a *wsk.WSK_SOCKET)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		h := newHouse(r, k)
		h.open(k)
		assert.Equal(r, good, events(k, h.l, wsk.WSK_EVENT_RECEIVE))
		c := r.connection(k)
		r.ok(connect(k, c, server))
		a := r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return listening(h.l).WskAccept(k, h.l, 0, h, &h.connect, nil, nil, p)
		})).Pointer.(*wsk.WSK_SOCKET)
		r.ok(send(k, c, "hello"))
		then(r, k, c, a)
	}
}

// Rule: WSK-186
// Near miss: WSK-186
func TestWskAccept_EventsNotEnabled(t *testing.T) {
	tripRig(t, openEnd, verify.WSK_186, taken(func(*rig, *irql.K, *wsk.WSK_SOCKET, *wsk.WSK_SOCKET) {}), nil)
	missRig(t, openEnd, taken(func(r *rig, k *irql.K, _, a *wsk.WSK_SOCKET) {
		assert.Equal(r, good, events(k, a, wsk.WSK_EVENT_RECEIVE))
	}), nil)
}
