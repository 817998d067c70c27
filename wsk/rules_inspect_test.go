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

// guard is a listening socket with conditional accept.
type guard struct {
	r       *rig
	table   wsk.WSK_CLIENT_LISTEN_DISPATCH
	l       *wsk.WSK_SOCKET
	action  wsk.WSK_INSPECT_ACTION
	ids     []wsk.WSK_INSPECT_ID
	kept    *wsk.WSK_INSPECT_ID
	aborted []wsk.WSK_INSPECT_ID
	asked   *irql.KEVENT
	gone    *irql.KEVENT
}

func newGuard(r *rig, k *irql.K, action wsk.WSK_INSPECT_ACTION) *guard {
	g := &guard{r: r, action: action, asked: new(irql.KEVENT), gone: new(irql.KEVENT)}
	irql.KeInitializeEvent(k, g.asked, irql.NotificationEvent, false)
	irql.KeInitializeEvent(k, g.gone, irql.NotificationEvent, false)
	g.table = wsk.WSK_CLIENT_LISTEN_DISPATCH{WskInspectEvent: g.inspect, WskAbortEvent: g.abort}
	g.l = r.socketWith(k, wsk.WSK_FLAG_LISTEN_SOCKET, g, &g.table)
	return g
}

func (g *guard) inspect(k *irql.K, _ any, _, remote ws2def.SOCKADDR,
	id *wsk.WSK_INSPECT_ID) wsk.WSK_INSPECT_ACTION {
	assert.Equal(g.r, ws2def.AF_INET, remote.Family())
	g.ids, g.kept = append(g.ids, *id), id
	irql.KeSetEvent(k, g.asked, 0, false)
	return g.action
}

func (g *guard) abort(k *irql.K, _ any, id *wsk.WSK_INSPECT_ID) ntstatus.NTSTATUS {
	g.aborted = append(g.aborted, *id)
	irql.KeSetEvent(k, g.gone, 0, false)
	return good
}

func conditional(k *irql.K, s *wsk.WSK_SOCKET) ntstatus.NTSTATUS {
	m := newMemory(k, 4)
	m.b.Store32(0, 1)
	st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return basic(s).WskControlSocket(k, s, wsk.WskSetOption, ws2def.SO_CONDITIONAL_ACCEPT,
			ws2def.SOL_SOCKET, 4, m.b, 0, nil, nil, p)
	})
	m.free(k)
	return st.Status
}

// open makes the guard listen.
func (g *guard) open(k *irql.K) *guard {
	assert.Equal(g.r, good, conditional(k, g.l))
	g.r.ok(bind(k, g.l, server))
	return g
}

func (g *guard) complete(k *irql.K, id *wsk.WSK_INSPECT_ID, action wsk.WSK_INSPECT_ACTION) ntstatus.NTSTATUS {
	return do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return listening(g.l).WskInspectComplete(k, g.l, id, action, p)
	}).Status
}

func (g *guard) accept(k *irql.K) *wsk.WSK_SOCKET {
	return g.r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return listening(g.l).WskAccept(k, g.l, 0, nil, nil, nil, nil, p)
	})).Pointer.(*wsk.WSK_SOCKET)
}

// guarded is a client that asks for a connection of a guard.
func guarded(action wsk.WSK_INSPECT_ACTION, then func(r *rig, k *irql.K, g *guard, c *wsk.WSK_SOCKET,
	q *request)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		g := newGuard(r, k, action).open(k)
		c := r.connection(k)
		q := newRequest(k)
		connected(c).WskConnect(k, c, server, 0, q.p)
		await(k, g.asked)
		then(r, k, g, c, q)
		q.wait(k)
		q.free(k)
		r.closeAll(k, c, g.l)
	}
}

func TestInspect_Decisions(t *testing.T) {
	missIn(t, guarded(wsk.WskInspectAccept, func(r *rig, k *irql.K, g *guard, _ *wsk.WSK_SOCKET, q *request) {
		r.ok(q.wait(k))
		r.closeAll(k, g.accept(k))
		assert.Empty(r, g.aborted)
	}))
	missIn(t, guarded(wsk.WskInspectReject, func(r *rig, k *irql.K, g *guard, _ *wsk.WSK_SOCKET, q *request) {
		assert.Equal(r, ntstatus.STATUS_CONNECTION_REFUSED, q.wait(k).Status)
		assert.Empty(r, g.aborted)
	}))
	pended := func(action wsk.WSK_INSPECT_ACTION, want ntstatus.NTSTATUS) {
		missIn(t, guarded(wsk.WskInspectPend, func(r *rig, k *irql.K, g *guard, _ *wsk.WSK_SOCKET,
			q *request) {
			assert.Equal(r, good, g.complete(k, &g.ids[0], action))
			assert.Equal(r, want.String(), q.wait(k).Status.String())
			if action == wsk.WskInspectAccept {
				r.closeAll(k, g.accept(k))
			}
		}))
	}
	pended(wsk.WskInspectAccept, good)
	pended(wsk.WskInspectReject, ntstatus.STATUS_CONNECTION_REFUSED)
}

// An opener that gives up is an abort event; to complete its inspection comes too late and is no mistake.
func TestInspect_OpenerGivesUp(t *testing.T) {
	missIn(t, guarded(wsk.WskInspectPend, func(r *rig, k *irql.K, g *guard, _ *wsk.WSK_SOCKET, q *request) {
		assert.Equal(r, ntstatus.STATUS_IO_TIMEOUT.String(), q.wait(k).Status.String())
		await(k, g.gone)
		assert.Equal(r, g.ids, g.aborted)
		assert.Equal(r, invalid, g.complete(k, &g.ids[0], wsk.WskInspectAccept))
	}))
}

// Rule: WSK-190
// Near miss: WSK-190
func TestConditional_Late(t *testing.T) {
	tripIn(t, verify.WSK_190, func(r *rig, k *irql.K) {
		g := newGuard(r, k, wsk.WskInspectAccept)
		r.ok(bind(k, g.l, server))
		assert.Equal(r, ids, conditional(k, g.l))
		r.closeAll(k, g.l)
	})
	tripIn(t, verify.WSK_190, func(r *rig, k *irql.K) {
		s := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
		assert.Equal(r, ntstatus.STATUS_NOT_SUPPORTED, conditional(k, s))
		r.closeAll(k, s)
	})
	missIn(t, func(r *rig, k *irql.K) {
		g := newGuard(r, k, wsk.WskInspectAccept).open(k)
		r.closeAll(k, g.l)
	})
}

// Rule: WSK-191
// Near miss: WSK-191
func TestConditional_WithoutRoutines(t *testing.T) {
	tripIn(t, verify.WSK_191, func(r *rig, k *irql.K) {
		g := newGuard(r, k, wsk.WskInspectAccept)
		g.table.WskAbortEvent = nil
		assert.Equal(r, invalid, conditional(k, g.l))
		r.closeAll(k, g.l)
	})
	missIn(t, func(r *rig, k *irql.K) {
		g := newGuard(r, k, wsk.WskInspectAccept)
		assert.Equal(r, good, conditional(k, g.l))
		r.closeAll(k, g.l)
	})
}

// Rule: WSK-192
// Near miss: WSK-192
func TestInspect_Forgotten(t *testing.T) {
	body := func(complete bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			g := newGuard(r, k, wsk.WskInspectPend).open(k)
			c := r.connection(k)
			q := newRequest(k)
			connected(c).WskConnect(k, c, server, 0, q.p)
			await(k, g.asked)
			if complete {
				assert.Equal(r, good, g.complete(k, &g.ids[0], wsk.WskInspectReject))
			}
		}
	}
	tripRig(t, openEnd, verify.WSK_192, body(false), nil)
	missRig(t, openEnd, body(true), nil)
}

// Rule: WSK-193
// Near miss: WSK-193
func TestInspect_IDKept(t *testing.T) {
	body := func(id func(g *guard) *wsk.WSK_INSPECT_ID) func(r *rig, k *irql.K) {
		return guarded(wsk.WskInspectPend, func(r *rig, k *irql.K, g *guard, _ *wsk.WSK_SOCKET, q *request) {
			second(k)
			assert.Equal(r, good, g.complete(k, id(g), wsk.WskInspectReject))
		})
	}
	tripIn(t, verify.WSK_193, body(func(g *guard) *wsk.WSK_INSPECT_ID { return g.kept }))
	missIn(t, body(func(g *guard) *wsk.WSK_INSPECT_ID { return &g.ids[0] }))
}

// Rule: WSK-194
// Near miss: WSK-194
func TestInspect_CompletedTwice(t *testing.T) {
	body := func(twice bool) func(r *rig, k *irql.K) {
		return guarded(wsk.WskInspectPend, func(r *rig, k *irql.K, g *guard, _ *wsk.WSK_SOCKET, q *request) {
			assert.Equal(r, good, g.complete(k, &g.ids[0], wsk.WskInspectReject))
			if twice {
				assert.Equal(r, invalid, g.complete(k, &g.ids[0], wsk.WskInspectReject))
			}
		})
	}
	tripIn(t, verify.WSK_194, body(true))
	missIn(t, body(false))
}

// Rule: WSK-195
// Near miss: WSK-195
func TestInspect_Action(t *testing.T) {
	tripIn(t, verify.WSK_195, guarded(wsk.WskInspectPend, func(r *rig, k *irql.K, g *guard, _ *wsk.WSK_SOCKET,
		_ *request) {
		assert.Equal(r, invalid, g.complete(k, &g.ids[0], wsk.WskInspectPend))
		assert.Equal(r, good, g.complete(k, &g.ids[0], wsk.WskInspectReject))
	}))
	missIn(t, guarded(wsk.WskInspectPend, func(r *rig, k *irql.K, g *guard, _ *wsk.WSK_SOCKET, _ *request) {
		assert.Equal(r, good, g.complete(k, &g.ids[0], wsk.WskInspectReject))
	}))
}

// Rule: WSK-196
// Near miss: WSK-196
func TestInspect_Unconditional(t *testing.T) {
	tripIn(t, verify.WSK_196, func(r *rig, k *irql.K) {
		g := newGuard(r, k, wsk.WskInspectAccept)
		r.ok(bind(k, g.l, server))
		assert.Equal(r, ids, g.complete(k, &wsk.WSK_INSPECT_ID{Key: 1}, wsk.WskInspectAccept))
		r.closeAll(k, g.l)
	})
	missIn(t, guarded(wsk.WskInspectPend, func(r *rig, k *irql.K, g *guard, _ *wsk.WSK_SOCKET, _ *request) {
		assert.Equal(r, good, g.complete(k, &g.ids[0], wsk.WskInspectReject))
	}))
}

// vanishes lets the opener go between the decision and the end of the handshake.
func vanishes(limit *int64) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		g := newGuard(r, k, wsk.WskInspectPend).open(k)
		c := r.connection(k)
		q, a := newRequest(k), newRequest(k)
		connected(c).WskConnect(k, c, server, 0, q.p)
		await(k, g.asked)
		r.closeAll(k, c)
		g.complete(k, &g.ids[0], wsk.WskInspectAccept)
		listening(g.l).WskAccept(k, g.l, 0, nil, nil, nil, nil, a.p)
		irql.KeWaitForSingleObject(k, a.event, irql.Executive, irql.KernelMode, false, limit)
		r.closeAll(k, g.l)
		assert.Equal(r, ntstatus.STATUS_CANCELLED, a.wait(k).Status)
		q.wait(k)
		q.free(k)
		a.free(k)
	}
}

// Rule: WSK-197
// Near miss: WSK-197
func TestInspect_AcceptedAndGone(t *testing.T) {
	limit := -int64(ke.Second)
	tripIn(t, verify.WSK_197, vanishes(nil))
	missIn(t, vanishes(&limit))
}
