package wsk_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

var forced = ke.Pin{Site: "env/Wsk/forced", Alt: 1}

// code makes a control request without an IRP.
func code(k *irql.K, s *wsk.WSK_SOCKET, c uint32, out *irp.Buffer, p *irp.IRP) ntstatus.NTSTATUS {
	n := irp.StackVar[uint64](k)
	size := uint64(0)
	if out != nil {
		size = uint64(out.Len())
	}
	return basic(s).WskControlSocket(k, s, wsk.WskIoctl, c, 0, 0, nil, size, out, n.Get(), p)
}

// on calls fn with a basic socket and memory.
func on(fn func(r *rig, k *irql.K, s *wsk.WSK_SOCKET, m *memory)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		s, m := r.socket(k, wsk.WSK_FLAG_BASIC_SOCKET), newMemory(k, 256)
		fn(r, k, s, m)
		m.free(k)
		r.closeAll(k, s)
	}
}

// Rule: WSK-092
// Near miss: WSK-092
// Rule: WSK-201
// Near miss: WSK-201
func TestAddressList_Query(t *testing.T) {
	query := func(r *rig, k *irql.K, s *wsk.WSK_SOCKET, m *memory) {
		assert.Equal(r, good, code(k, s, wsk.SIO_ADDRESS_LIST_QUERY, m.b, nil))
		assert.EqualValues(r, 1, m.b.Load32(0))
		at := m.b.Load64(8) - m.b.Address()
		a := ws2def.StorageFromBytes(m.b.Bytes()[at : at+16])
		assert.Equal(r, "192.0.2.10:0", ws2def.AddrPort(&a).String())
		assert.Equal(r, ntstatus.STATUS_BUFFER_OVERFLOW, code(k, s, wsk.SIO_ADDRESS_LIST_QUERY,
			m.b.Slice(0, 8), nil))
	}
	tripIn(t, verify.WSK_092, on(func(r *rig, k *irql.K, s *wsk.WSK_SOCKET, m *memory) {
		atDispatch(k, func() { code(k, s, wsk.SIO_ADDRESS_LIST_QUERY, m.b, nil) })
	}))
	tripIn(t, verify.WSK_201, on(func(r *rig, k *irql.K, s *wsk.WSK_SOCKET, m *memory) {
		assert.Equal(r, invalid, do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return code(k, s, wsk.SIO_ADDRESS_LIST_QUERY, m.b, p)
		}).Status)
	}))
	missIn(t, on(query))
}

// Rule: WSK-210
// Near miss: WSK-210
func TestAddressList_Change(t *testing.T) {
	body := func(change bool) func(r *rig, k *irql.K) {
		return on(func(r *rig, k *irql.K, s *wsk.WSK_SOCKET, _ *memory) {
			q := newRequest(k)
			assert.Equal(r, ntstatus.STATUS_PENDING, basic(s).WskControlSocket(k, s, wsk.WskIoctl,
				wsk.SIO_ADDRESS_LIST_CHANGE, 0, 0, nil, 0, nil, nil, q.p))
			if change {
				tcpip.Of(k).SetLocal(ws2def.AddrPort(addr("192.0.2.11:0")).Addr())
			}
			r.ok(q.wait(k))
			q.free(k)
		})
	}
	tripIn(t, verify.WSK_210, body(false))
	missIn(t, body(true))
}

// fast sets the fast path for loopback.
func fast(k *irql.K, s *wsk.WSK_SOCKET) irp.IO_STATUS_BLOCK {
	m := newMemory(k, 4)
	m.b.Store32(0, 1)
	st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return basic(s).WskControlSocket(k, s, wsk.WskIoctl, wsk.SIO_LOOPBACK_FAST_PATH, 0, 4, m.b, 0,
			nil, nil, p)
	})
	m.free(k)
	return st
}

// Rule: WSK-094
// Near miss: WSK-094
// Rule: WSK-212
// Near miss: WSK-212
// Rule: WSK-213
// Near miss: WSK-213
func TestLoopbackFastPath(t *testing.T) {
	tripIn(t, verify.WSK_094, func(r *rig, k *irql.K) {
		s, q := r.connection(k), newRequest(k)
		atDispatch(k, func() {
			basic(s).WskControlSocket(k, s, wsk.WskIoctl, wsk.SIO_LOOPBACK_FAST_PATH, 0, 0, nil, 0, nil,
				nil, q.p)
		})
	})
	tripIn(t, verify.WSK_212, func(r *rig, k *irql.K) {
		c, a, l := r.pair(k)
		assert.Equal(r, ids, fast(k, c).Status)
		r.closeAll(k, c, a, l)
	})
	early := func(r *rig, k *irql.K) {
		s := r.connection(k)
		r.ok(fast(k, s))
		r.closeAll(k, s)
	}
	missIn(t, early)
	tripIn(t, verify.WSK_213, early)
	avoids(t, verify.WSK_213, func(r *rig, k *irql.K) { r.closeAll(k, r.connection(k)) })
}

// Rule: WSK-111
// Near miss: WSK-111
// Rule: WSK-112
// Near miss: WSK-112
func TestDead(t *testing.T) {
	dies := func(r *rig, k *irql.K) *wsk.WSK_SOCKET {
		s := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
		assert.Equal(r, ntstatus.STATUS_FILE_FORCED_CLOSED, bind(k, s, any4).Status)
		return s
	}
	tripIn(t, verify.WSK_111, func(r *rig, k *irql.K) {
		s := dies(r, k)
		assert.Equal(r, ntstatus.STATUS_FILE_FORCED_CLOSED, bind(k, s, any4).Status)
		r.closeAll(k, s)
	}, forced)
	missIn(t, func(r *rig, k *irql.K) { r.closeAll(k, dies(r, k)) }, forced)
	tripRig(t, openEnd, verify.WSK_112, func(r *rig, k *irql.K) { dies(r, k) }, []ke.Pin{forced})
	missRig(t, openEnd, func(r *rig, k *irql.K) { r.closeAll(k, dies(r, k)) }, []ke.Pin{forced})
}

// Rule: WSK-181
// Near miss: WSK-181
func TestEvents_NullDereferenced(t *testing.T) {
	dead := ke.Pin{Site: "fault/WskEvent/dead", Alt: 1}
	body := func(look bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			h := newHouse(r, k)
			h.accept = func(k *irql.K, _ any, _ wsk.EventFlags, _, _ ws2def.SOCKADDR, s *wsk.WSK_SOCKET,
				context *any, table **wsk.WSK_CLIENT_CONNECTION_DISPATCH) ntstatus.NTSTATUS {
				irql.KeSetEvent(k, h.came, 0, false)
				if look && s == nil {
					return ntstatus.STATUS_REQUEST_NOT_ACCEPTED
				}
				basic(s)
				return h.take(k, s, context, table)
			}
			enabled(r, k, h)
			c := r.connection(k)
			r.ok(connect(k, c, server))
			await(k, h.came)
			r.closeAll(k, c, h.l)
		}
	}
	tripIn(t, verify.WSK_181, body(false), dead)
	missIn(t, body(true), dead)
}

// silenced makes a connection silent that does not go over loopback.
func silenced(then func(r *rig, k *irql.K, s *wsk.WSK_SOCKET)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		tcpip.Of(k).AddHost(ws2def.AddrPort(far).Addr(), tcpip.Echo())
		s := r.connection(k)
		r.ok(connect(k, s, far))
		r.ok(silent1(k, s))
		then(r, k, s)
		r.closeAll(k, s)
	}
}

func silent1(k *irql.K, s *wsk.WSK_SOCKET) irp.IO_STATUS_BLOCK {
	return do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return basic(s).WskControlSocket(k, s, wsk.WskIoctl, wsk.SIO_WSK_SET_TCP_SILENT_MODE, 0, 0, nil,
			0, nil, nil,
			p)
	})
}

// Rule: WSK-113
// Near miss: WSK-113
// Rule: WSK-114
// Near miss: WSK-114
func TestSilent(t *testing.T) {
	tripIn(t, verify.WSK_113, silenced(func(r *rig, k *irql.K, s *wsk.WSK_SOCKET) {
		assert.Equal(r, ids, disconnect(k, s, 0).Status)
	}))
	missIn(t, silenced(func(*rig, *irql.K, *wsk.WSK_SOCKET) {}))
	tripIn(t, verify.WSK_114, func(r *rig, k *irql.K) {
		c, a, l := r.pair(k)
		assert.Equal(r, ids, silent1(k, c).Status)
		r.closeAll(k, c, a, l)
	})
}

// Rule: WSK-144
// Near miss: WSK-144
func TestWskConnectEx(t *testing.T) {
	body := func(n int, want ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			l, c, m := r.listener(k, server), r.connection(k), newMemory(k, n)
			st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return connected(c).WskConnectEx(k, c, server, m.buf(), 0, p)
			})
			assert.Equal(r, want, st.Status)
			if want == good {
				a := r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
					return listening(l).WskAccept(k, l, 0, nil, nil, nil, nil, p)
				})).Pointer.(*wsk.WSK_SOCKET)
				got, _ := receive(k, a, n)
				assert.Len(r, got, n)
				r.closeAll(k, a)
			}
			m.free(k)
			r.closeAll(k, c, l)
		}
	}
	tripIn(t, verify.WSK_144, body(70000, ntstatus.STATUS_BUFFER_OVERFLOW))
	missIn(t, body(100, good))
}

// Rule: WSK-198
// Near miss: WSK-198
func TestInspectID_Query(t *testing.T) {
	tripIn(t, verify.WSK_198, on(func(r *rig, k *irql.K, s *wsk.WSK_SOCKET, m *memory) {
		assert.Equal(r, ntstatus.STATUS_INVALID_DEVICE_REQUEST,
			code(k, s, wsk.SIO_WSK_QUERY_INSPECT_ID, m.b.Slice(0, 16), nil))
	}))
	missIn(t, guarded(wsk.WskInspectAccept, func(r *rig, k *irql.K, g *guard, _ *wsk.WSK_SOCKET, q *request) {
		r.ok(q.wait(k))
		a, m := g.accept(k), newMemory(k, 16)
		assert.Equal(r, good, code(k, a, wsk.SIO_WSK_QUERY_INSPECT_ID, m.b, nil))
		assert.Equal(r, g.ids[0].Key, m.b.Load64(0))
		m.free(k)
		r.closeAll(k, a)
	}))
}

// Rule: WSK-209
// Near miss: WSK-209
func TestBacklog_Query(t *testing.T) {
	ideal := func(k *irql.K, s *wsk.WSK_SOCKET, m *memory) ntstatus.NTSTATUS {
		return do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return basic(s).WskControlSocket(k, s, wsk.WskIoctl, wsk.SIO_WSK_QUERY_IDEAL_SEND_BACKLOG, 0,
				0, nil, 8,
				m.b, nil, p)
		}).Status
	}
	tripIn(t, verify.WSK_209, func(r *rig, k *irql.K) {
		s, m := r.connection(k), newMemory(k, 8)
		assert.Equal(r, ids, ideal(k, s, m))
		m.free(k)
		r.closeAll(k, s)
	})
	missIn(t, func(r *rig, k *irql.K) {
		c, a, l := r.pair(k)
		m := newMemory(k, 8)
		assert.Equal(r, good, ideal(k, c, m))
		assert.EqualValues(r, 65536, m.b.Load64(0))
		m.free(k)
		r.closeAll(k, c, a, l)
	})
}
