package wsk_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

const (
	ids     = ntstatus.STATUS_INVALID_DEVICE_STATE
	invalid = ntstatus.STATUS_INVALID_PARAMETER
)

// Rule: WSK-042
// Near miss: WSK-042
func TestWskBind_ReservedFlags(t *testing.T) {
	body := func(flags uint32) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			s := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
			do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return connected(s).WskBind(k, s, any4, flags, p) })
			r.closeAll(k, s)
		}
	}
	tripIn(t, verify.WSK_042, body(1))
	missIn(t, body(0))
}

// state makes a test that calls fn on a connection socket brought to one state, and expects
// STATUS_INVALID_DEVICE_STATE.
func refused(t *testing.T, rule verify.RuleID, fn func(r *rig, k *irql.K) ntstatus.NTSTATUS) {
	t.Helper()
	tripIn(t, rule, func(r *rig, k *irql.K) {
		assert.Equal(r, ids.String(), fn(r, k).String())
		r.closeAll(k, r.made...)
	})
}

// stream makes a stream socket.
func (r *rig) stream(k *irql.K) (*wsk.WSK_SOCKET, *wsk.WSK_PROVIDER_STREAM_DISPATCH) {
	s := r.socket(k, wsk.WSK_FLAG_STREAM_SOCKET)
	return s, s.Dispatch.(*wsk.WSK_PROVIDER_STREAM_DISPATCH)
}

// Rule: WSK-101
// Near miss: WSK-101
func TestWskBind_Twice(t *testing.T) {
	refused(t, verify.WSK_101, func(r *rig, k *irql.K) ntstatus.NTSTATUS {
		return bind(k, r.connection(k),
			any4).Status
	})
	missIn(t, func(r *rig, k *irql.K) {
		l := r.listener(k, server)
		s := r.socket(k, wsk.WSK_FLAG_LISTEN_SOCKET)
		assert.Equal(r, ntstatus.STATUS_ADDRESS_ALREADY_EXISTS, bind(k, s, server).Status)
		r.closeAll(k, l)
		r.ok(bind(k, s, server)) // a failed bind leaves the socket unbound
		r.closeAll(k, s)
	})
}

// Rule: WSK-102
// Near miss: WSK-102
func TestWskConnect_Unbound(t *testing.T) {
	refused(t, verify.WSK_102, func(r *rig, k *irql.K) ntstatus.NTSTATUS {
		q := newRequest(k)
		s := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
		assert.Equal(r, ids, connected(s).WskConnect(k, s, server, 0, q.p), "the answer comes inline")
		st := q.wait(k)
		q.free(k)
		return st.Status
	})
	missIn(t, func(r *rig, k *irql.K) {
		s := r.connection(k)
		assert.Equal(r, ntstatus.STATUS_CONNECTION_REFUSED, connect(k, s, server).Status)
		r.closeAll(k, s)
	})
}

// Rule: WSK-103
// Near miss: WSK-103
func TestWskAccept_NotListening(t *testing.T) {
	refused(t, verify.WSK_103, func(r *rig, k *irql.K) ntstatus.NTSTATUS {
		l := r.socket(k, wsk.WSK_FLAG_LISTEN_SOCKET)
		return do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return listening(l).WskAccept(k, l, 0, nil, nil,
				nil, nil, p)
		}).Status
	})
	missIn(t, accepting(func(*rig, *irql.K, *request) {}))
}

// Rule: WSK-104
// Near miss: WSK-104
func TestWskSend_NotConnected(t *testing.T) {
	refused(t, verify.WSK_104, func(r *rig, k *irql.K) ntstatus.NTSTATUS {
		return send(k, r.connection(k),
			"x").Status
	})
	refused(t, verify.WSK_104, func(r *rig, k *irql.K) ntstatus.NTSTATUS {
		return disconnect(k,
			r.connection(k), 0).Status
	})
	missIn(t, func(r *rig, k *irql.K) {
		c, a, l := r.pair(k)
		r.ok(send(k, c, "x"))
		r.closeAll(k, c, a, l)
	})
}

// Rule: WSK-075
// Near miss: WSK-075
func TestWskConnect_BindStillPending(t *testing.T) {
	body := func(wait bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			l := r.listener(k, server)
			s := r.connection(k)
			q := newRequest(k)
			r.calmly(func() {
				connected(s).WskConnect(k, s, server, 0, q.p)
				if wait {
					r.ok(q.wait(k))
				}
				send(k, s, "x")
			})
			r.ok(q.wait(k))
			q.free(k)
			r.closeAll(k, s, l)
		}
	}
	tripIn(t, verify.WSK_075, body(false))
	missIn(t, body(true))
}

// Rule: WSK-106
// Near miss: WSK-106
func TestWskGetAddress_TooEarly(t *testing.T) {
	a := new(ws2def.SOCKADDR_STORAGE)
	local := func(k *irql.K, s *wsk.WSK_SOCKET) ntstatus.NTSTATUS {
		return do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return connected(s).WskGetLocalAddress(k, s, a,
				p)
		}).Status
	}
	remote := func(k *irql.K, s *wsk.WSK_SOCKET) ntstatus.NTSTATUS {
		return do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return connected(s).WskGetRemoteAddress(k, s, a,
				p)
		}).Status
	}
	refused(t, verify.WSK_106, func(r *rig, k *irql.K) ntstatus.NTSTATUS {
		return local(k, r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET))
	})
	refused(t, verify.WSK_106, func(r *rig, k *irql.K) ntstatus.NTSTATUS {
		return remote(k,
			r.connection(k))
	})
	missIn(t, func(r *rig, k *irql.K) {
		c, b, l := r.pair(k)
		assert.Equal(r, good, local(k, c))
		assert.EqualValues(r, 49152, ws2def.AddrPort(a).Port())
		assert.Equal(r, good, remote(k, c))
		assert.Equal(r, ws2def.AddrPort(server), ws2def.AddrPort(a))
		r.closeAll(k, c, b, l)
	})
}

// Rule: WSK-107
// Rule: WSK-108
// Near miss: WSK-107
// Near miss: WSK-108
func TestStream_Roles(t *testing.T) {
	listen := func(k *irql.K, s *wsk.WSK_SOCKET, d *wsk.WSK_PROVIDER_STREAM_DISPATCH) ntstatus.NTSTATUS {
		return do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return d.WskListen(k, s, p) }).Status
	}
	connectTo := func(k *irql.K, s *wsk.WSK_SOCKET, d *wsk.WSK_PROVIDER_STREAM_DISPATCH) ntstatus.NTSTATUS {
		return do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return d.WskConnect(k, s, server, 0, p) }).Status
	}
	bound := func(r *rig, k *irql.K, a ws2def.SOCKADDR) (*wsk.WSK_SOCKET, *wsk.WSK_PROVIDER_STREAM_DISPATCH) {
		s, d := r.stream(k)
		r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return d.WskBind(k, s, a, 0, p) }))
		return s, d
	}
	refused(t, verify.WSK_108, func(r *rig, k *irql.K) ntstatus.NTSTATUS {
		s, d := r.stream(k)
		return listen(k, s, d)
	})
	refused(t, verify.WSK_107, func(r *rig, k *irql.K) ntstatus.NTSTATUS {
		s, d := bound(r, k, server)
		assert.Equal(r, good, listen(k, s, d))
		return connectTo(k, s, d)
	})
	missIn(t, func(r *rig, k *irql.K) {
		l, ld := bound(r, k, server)
		assert.Equal(r, good, listen(k, l, ld))
		c, cd := bound(r, k, any4)
		assert.Equal(r, good, connectTo(k, c, cd))
		a := r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return ld.WskAccept(k, l, 0, nil, nil, nil, nil,
				p)
		}))
		r.closeAll(k, c, a.Pointer.(*wsk.WSK_SOCKET), l)
	})
}

// Rule: WSK-109
// Near miss: WSK-109
func TestWskSend_AfterDisconnect(t *testing.T) {
	refused(t, verify.WSK_109, func(r *rig, k *irql.K) ntstatus.NTSTATUS {
		c, _, _ := r.pair(k)
		r.ok(disconnect(k, c, 0))
		return send(k, c, "x").Status
	})
	missIn(t, func(r *rig, k *irql.K) {
		c, a, l := r.pair(k)
		r.ok(disconnect(k, c, 0))
		r.ok(send(k, a, "x")) // the other direction stays open
		got, _ := receive(k, c, 10)
		assert.Equal(r, "x", got)
		r.ok(disconnect(k, a, 0))
		r.closeAll(k, c, a, l)
	})
}

// Rule: WSK-110
// Near miss: WSK-110
func TestWskSend_AfterAbort(t *testing.T) {
	tripIn(t, verify.WSK_110, func(r *rig, k *irql.K) {
		c, a, l := r.pair(k)
		r.ok(disconnect(k, c, wsk.WSK_FLAG_ABORTIVE))
		assert.Equal(r, ntstatus.STATUS_CONNECTION_ABORTED, send(k, c, "x").Status)
		r.closeAll(k, c, a, l)
	})
	missIn(t, func(r *rig, k *irql.K) { // the peer learns of the reset
		c, a, l := r.pair(k)
		r.ok(disconnect(k, c, wsk.WSK_FLAG_ABORTIVE))
		_, s := receive(k, a, 10)
		assert.Equal(r, ntstatus.STATUS_CONNECTION_RESET, s.Status)
		r.closeAll(k, c, a, l)
	})
}

// Rule: WSK-115
// Near miss: WSK-115
func TestWskCloseSocket_WithDataOnItsWay(t *testing.T) {
	body := func(wait bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			c, a, l := r.pair(k)
			m := text(k, "hello")
			q := newRequest(k)
			r.calmly(func() {
				connected(c).WskSend(k, c, m.buf(), 0, q.p)
				if wait {
					q.wait(k)
				}
				r.closeAll(k, c)
			})
			r.closeAll(k, a, l)
			q.wait(k)
			q.free(k)
			m.free(k)
		}
	}
	tripIn(t, verify.WSK_115, body(false))
	missIn(t, body(true))
}

// Rule: WSK-116
// Near miss: WSK-116
func TestWskReceive_AfterTheEnd(t *testing.T) {
	body := func(n int) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			c, a, l := r.pair(k)
			r.ok(disconnect(k, a, 0))
			for range n {
				_, s := receive(k, c, 10)
				assert.Zero(r, r.ok(s).Information)
			}
			r.ok(disconnect(k, c, 0))
			r.closeAll(k, c, a, l)
		}
	}
	f := tripIn(t, verify.WSK_116, body(3))
	assert.Equal(t, verify.Warning, f.Severity())
	missIn(t, body(1))
}

// Rule: WSK-117
// Near miss: WSK-117
func TestWskAccept_Two(t *testing.T) {
	body := func(n int) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			l := r.listener(k, server)
			var qs []*request
			for range n {
				q := newRequest(k)
				listening(l).WskAccept(k, l, 0, nil, nil, nil, nil, q.p)
				qs = append(qs, q)
			}
			r.closeAll(k, l)
			for _, q := range qs {
				assert.Equal(r, ntstatus.STATUS_CANCELLED, q.wait(k).Status)
				q.free(k)
			}
		}
	}
	f := tripIn(t, verify.WSK_117, body(2))
	assert.Equal(t, verify.Note, f.Severity())
	avoids(t, verify.WSK_117, body(1))
}

// Rule: WSK-240
// Near miss: WSK-240
func TestWskCloseSocket_WhileAFunctionRuns(t *testing.T) {
	tripIn(t, verify.WSK_240, func(r *rig, k *irql.K) {
		s := r.connection(k)
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
		inside, closed := new(irql.KEVENT), new(irql.KEVENT)
		irql.KeInitializeEvent(k, inside, irql.NotificationEvent, false)
		irql.KeInitializeEvent(k, closed, irql.NotificationEvent, false)
		var h irql.HANDLE
		irql.PsCreateSystemThread(k, &h, irql.THREAD_ALL_ACCESS, nil, 0, nil, func(k *irql.K, _ any) {
			p := irp.IoAllocateIrp(k, 1, false)
			irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP,
				_ any) ntstatus.NTSTATUS {
				irql.KeSetEvent(k, inside, 0, false)
				irql.KeWaitForSingleObject(k, closed, irql.Executive, 0, false, nil)
				return more
			}, nil, true, true, true)
			getOptionOf(k, s, ws2def.SO_KEEPALIVE, ws2def.SOL_SOCKET, b, p)
		}, nil)
		irql.KeWaitForSingleObject(k, inside, irql.Executive, 0, false, nil)
		closeSocket(k, s)
	}, answers("WskControlSocket", 1))
	missIn(t, accepting(func(*rig, *irql.K, *request) {})) // a pending IRP is no running function
}

// Near miss: WSK-240
//
// Reference: wdk-ddi-src/content/wsk/nc-wsk-pfn_wsk_close_socket.md, Remarks: no calls in other threads.
func TestWskCloseSocket_InTheCompletionRoutineOfAnInlineBind(t *testing.T) {
	missBeside(t, verify.WSK_077, func(r *rig, k *irql.K) { // a hazard, of another kind
		s := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
		q, p := newRequest(k), irp.IoAllocateIrp(k, 1, false)
		irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
			_ any) ntstatus.NTSTATUS {
			irp.IoFreeIrp(k, p)
			basic(s).WskCloseSocket(k, s, q.p)
			return more
		}, nil, true, true, true)
		connected(s).WskBind(k, s, any4, 0, p)
		r.ok(q.wait(k))
		q.free(k)
	}, answers("WskBind", 1))
}

// Rule: WSK-241
// Near miss: WSK-241
func TestSocket_UsedAfterClose(t *testing.T) {
	tripIn(t, verify.WSK_241, func(r *rig, k *irql.K) {
		s := r.connection(k)
		r.closeAll(k, s)
		connect(k, s, server)
	})
	missIn(t, func(r *rig, k *irql.K) { r.closeAll(k, r.connection(k)) })
}

// Rule: WSK-242
// Near miss: WSK-242
func TestWskCloseSocket_Twice(t *testing.T) {
	tripIn(t, verify.WSK_242, func(r *rig, k *irql.K) {
		s := r.connection(k)
		r.closeAll(k, s, s)
	})
	missIn(t, func(r *rig, k *irql.K) { r.closeAll(k, r.connection(k), r.connection(k)) })
}

// Rule: WSK-245
// Near miss: WSK-245
func TestWskCloseSocket_NullIrp(t *testing.T) {
	tripIn(t, verify.WSK_245, func(r *rig, k *irql.K) {
		s := r.connection(k)
		assert.Equal(r, invalid, connected(s).WskCloseSocket(k, s, nil))
		r.closeAll(k, s)
	})
	missIn(t, func(r *rig, k *irql.K) { r.closeAll(k, r.connection(k)) })
}

func TestIoCancelIrp_ReceiveAndConnect(t *testing.T) {
	for run := uint64(1); run <= 60; run++ {
		r := newRig(t, run)
		r.driver(func(k *irql.K) {
			c, a, l := r.pair(k)
			m := newMemory(k, 100)
			q := newRequest(k)
			connected(c).WskReceive(k, c, m.buf(), wsk.WSK_FLAG_WAITALL, q.p)
			r.ok(send(k, a, "forty bytes, more or less"))
			irp.IoCancelIrp(k, q.p)
			s := q.wait(k)
			assert.Equal(r, ntstatus.STATUS_CANCELLED, s.Status)
			assert.EqualValues(r, 25, s.Information, "a cancelled WAITALL receive gives what it has")
			q.free(k)
			m.free(k)
			r.closeAll(k, c, a, l)
		})
		r.clean()
	}
}

// NULL for the address, which is stored when the request completes, is the driver's where it calls.
func TestWskGetLocalAddress_NULL(t *testing.T) {
	r := newRig(t, 1)
	r.driver(func(k *irql.K) {
		l := r.listener(k, server)
		do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return listening(l).WskGetLocalAddress(k, l, nil, p) })
	})
	f := r.m.Findings()
	require.Len(t, f, 1)
	assert.Equal(t, "PFN_WSK_GET_LOCAL_ADDRESS is given NULL where an address is to be stored", f[0].Headline)
}
