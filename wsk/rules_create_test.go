package wsk_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// make calls WskSocket with these arguments and closes what comes of it.
func (r *rig) make(k *irql.K, typ uint16, protocol uint32, flags wsk.SocketFlags, context, dispatch,
	sd any) ntstatus.NTSTATUS {
	s := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return r.npi.Dispatch.WskSocket(k, r.npi.Client, ws2def.AF_INET, typ, protocol, flags, context,
			dispatch, nil, nil, sd, p)
	})
	if s.Status == good {
		r.closeAll(k, s.Pointer.(*wsk.WSK_SOCKET))
	}
	return s.Status
}

// Rule: WSK-030
// Near miss: WSK-030
func TestWskSocket_ForeignClient(t *testing.T) {
	tripIn(t, verify.WSK_030, func(r *rig, k *irql.K) {
		q := newRequest(k)
		st := r.npi.Dispatch.WskSocket(k, nil, ws2def.AF_INET, ws2def.SOCK_STREAM, ws2def.IPPROTO_TCP, 0,
			nil, nil, nil, nil, nil, q.p)
		assert.Equal(r, ntstatus.STATUS_INVALID_HANDLE, st)
		q.free(k) // the IRP was never taken
	})
	missIn(t, func(r *rig, k *irql.K) { r.make(k, 1, 6, 0, nil, nil, nil) })
}

// Rule: WSK-031
// Near miss: WSK-031
func TestWskSocket_SeveralCategories(t *testing.T) {
	tripIn(t, verify.WSK_031, func(r *rig, k *irql.K) {
		assert.Equal(r, invalid, r.make(k, 1, 6, wsk.WSK_FLAG_LISTEN_SOCKET|wsk.WSK_FLAG_CONNECTION_SOCKET,
			nil, nil, nil))
	})
	missIn(t, func(r *rig, k *irql.K) {
		for _, f := range []wsk.SocketFlags{0, 1, 2, 8} {
			assert.Equal(r, good, r.make(k, 1, 6, f, nil, nil, nil))
		}
		assert.Equal(r, good, r.make(k, 2, 17, wsk.WSK_FLAG_DATAGRAM_SOCKET, nil, nil, nil))
		assert.Equal(r, ntstatus.STATUS_NOT_SUPPORTED, r.make(k, 3, 255, wsk.WSK_FLAG_DATAGRAM_SOCKET, nil,
			nil, nil)) // raw
	})
}

// Rule: WSK-032
// Near miss: WSK-032
func TestWskSocket_WrongTable(t *testing.T) {
	tripIn(t, verify.WSK_032, func(r *rig, k *irql.K) {
		r.make(k, 1, 6, wsk.WSK_FLAG_LISTEN_SOCKET, nil, &wsk.WSK_CLIENT_CONNECTION_DISPATCH{}, nil)
	})
	missIn(t, func(r *rig, k *irql.K) {
		r.make(k, 1, 6, wsk.WSK_FLAG_LISTEN_SOCKET, nil, &wsk.WSK_CLIENT_LISTEN_DISPATCH{}, nil)
	})
}

// Rule: WSK-033
// Near miss: WSK-033
func TestWskSocket_BasicWithContext(t *testing.T) {
	tripIn(t, verify.WSK_033, func(r *rig, k *irql.K) {
		r.make(k, 1, 6, wsk.WSK_FLAG_BASIC_SOCKET, r, nil,
			nil)
	})
	missIn(t, func(r *rig, k *irql.K) { r.make(k, 1, 6, wsk.WSK_FLAG_CONNECTION_SOCKET, r, nil, nil) })
}

// Rule: WSK-034
// Near miss: WSK-034
func TestWskSocket_ListeningDatagram(t *testing.T) {
	tripIn(t, verify.WSK_034, func(r *rig, k *irql.K) {
		s := r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return r.npi.Dispatch.WskSocket(k, r.npi.Client, ws2def.AF_INET, ws2def.SOCK_DGRAM,
				ws2def.IPPROTO_UDP,
				wsk.WSK_FLAG_LISTEN_SOCKET, nil, nil, nil, nil, nil, p)
		})).Pointer.(*wsk.WSK_SOCKET)
		assert.Equal(r, ntstatus.STATUS_NOT_IMPLEMENTED, bind(k, s, server).Status)
		r.closeAll(k, s)
	})
	missIn(t, func(r *rig, k *irql.K) { r.make(k, 1, 6, wsk.WSK_FLAG_LISTEN_SOCKET, nil, nil, nil) })
}

// Rule: WSK-037
// Near miss: WSK-037
func TestWskSocket_UncachedDescriptor(t *testing.T) {
	tripIn(t, verify.WSK_037, func(r *rig, k *irql.K) {
		r.make(k, 1, 6, wsk.WSK_FLAG_LISTEN_SOCKET, nil, nil,
			r)
	})
	missIn(t, func(r *rig, k *irql.K) { r.make(k, 1, 6, wsk.WSK_FLAG_LISTEN_SOCKET, nil, nil, nil) })
}

type shared struct {
	table wsk.WSK_CLIENT_CONNECTION_DISPATCH
}

// held makes a socket whose context and table lie in a block, frees the block when it is told to and closes
// the socket.
func held(flags uint64, when string, table bool) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		x := irp.New[shared](k, flags, tag)
		var context, dispatch any = x, nil
		if table {
			context, dispatch = nil, &x.Get().table
		}
		s := r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return r.npi.Dispatch.WskSocket(k, r.npi.Client, ws2def.AF_INET, 1, 6,
				wsk.WSK_FLAG_CONNECTION_SOCKET, context,
				dispatch, nil, nil, nil, p)
		})).Pointer.(*wsk.WSK_SOCKET)
		if when == "before close" {
			irp.Free(k, x, tag)
		}
		q := newRequest(k)
		r.calmly(func() {
			connected(s).WskCloseSocket(k, s, q.p)
			if when == "during close" {
				irp.Free(k, x, tag)
			}
		})
		r.ok(q.wait(k))
		q.free(k)
		if when == "after close" {
			irp.Free(k, x, tag)
		}
	}
}

// Rule: WSK-035
// Near miss: WSK-035
func TestContext_PagedOrGone(t *testing.T) {
	tripIn(t, verify.WSK_035, held(irp.POOL_FLAG_PAGED, "after close", false))
	tripIn(t, verify.WSK_035, held(irp.POOL_FLAG_NON_PAGED, "before close", false))
	missIn(t, held(irp.POOL_FLAG_NON_PAGED, "after close", false))
}

// Rule: WSK-036
// Near miss: WSK-036
func TestClientTable_Gone(t *testing.T) {
	tripIn(t, verify.WSK_036, held(irp.POOL_FLAG_NON_PAGED, "before close", true))
	missIn(t, held(irp.POOL_FLAG_NON_PAGED, "after close", true))
}

// Rule: WSK-243
// Near miss: WSK-243
func TestClose_ContextFreedBeforeItCompletes(t *testing.T) {
	tripIn(t, verify.WSK_243, held(irp.POOL_FLAG_NON_PAGED, "during close", false))
	tripIn(t, verify.WSK_243, held(irp.POOL_FLAG_NON_PAGED, "during close", true))
	missIn(t, held(irp.POOL_FLAG_NON_PAGED, "after close", false))
}
