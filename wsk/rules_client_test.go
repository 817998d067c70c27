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

const overflow = ntstatus.STATUS_BUFFER_OVERFLOW

// control makes a request of WskControlClient.
func (r *rig) control(k *irql.K, code uint32, in, out *irp.Buffer, returned *uint64,
	p *irp.IRP) ntstatus.NTSTATUS {
	size := func(v *irp.Buffer) uint64 {
		if v == nil {
			return 0
		}
		return uint64(v.Len())
	}
	return r.npi.Dispatch.WskControlClient(k, r.npi.Client, code, size(in), in, size(out), out, returned, p)
}

// Reference: wsk.md 18
func TestTransportList(t *testing.T) {
	r := newRig(t, 1)
	r.driver(func(k *irql.K) {
		var size uint64
		assert.Equal(r, overflow, r.control(k, wsk.WSK_TRANSPORT_LIST_QUERY, nil, nil, &size, nil))
		assert.EqualValues(r, 4*wsk.SizeofTransport, size)
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, size, tag)
		r.want(good, r.control(k, wsk.WSK_TRANSPORT_LIST_QUERY, nil, b, &size, nil))
		assert.Equal(r, []byte{0, 1, 2, 0, 17, 0, 0, 0, 2, 0}, b.Bytes()[28:38], "UDP of IPv4")
		irp.ExFreePoolWithTag(k, b, tag)
		one := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
		one.Store32(0, wsk.WSK_TDI_BEHAVIOR_BYPASS_TDI)
		r.want(good, r.control(k, wsk.WSK_TDI_BEHAVIOR, one, nil, nil, nil))
		one.Store32(0, 2)
		r.want(invalid, r.control(k, wsk.WSK_TDI_BEHAVIOR, one, nil, nil, nil))
		irp.ExFreePoolWithTag(k, one, tag)
		r.want(ntstatus.STATUS_NOT_SUPPORTED, r.control(k, 6, nil, nil, nil, nil))
	}).clean()
}

func (r *rig) want(want, got ntstatus.NTSTATUS) {
	r.Helper()
	assert.Equal(r, want.String(), got.String())
}

// TestTransportListChange: nothing changes, so the IRP ends when it is cancelled, or WskDeregister is called.
func TestTransportListChange(t *testing.T) {
	for _, cancel := range []bool{true, false} {
		missRig(t, (*rig).bare, func(r *rig, k *irql.K) {
			r.open(k)
			q := newRequest(k)
			r.want(ntstatus.STATUS_PENDING, r.control(k, wsk.WSK_TRANSPORT_LIST_CHANGE, nil, nil, nil, q.p))
			if cancel {
				irp.IoCancelIrp(k, q.p)
			}
			wsk.WskReleaseProviderNPI(k, &r.reg)
			wsk.WskDeregister(k, &r.reg)
			r.want(ntstatus.STATUS_CANCELLED, q.wait(k).Status)
			q.free(k)
		}, nil)
	}
}

// Rule: WSK-044
// Rule: WSK-045
// Rule: WSK-047
// Near miss: WSK-044
// Near miss: WSK-045
// Near miss: WSK-047
func TestWskControlClient_Arguments(t *testing.T) {
	query := func(irp, sized bool, want ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			q, size := newRequest(k), new(uint64)
			if !irp {
				q.free(k)
				q.p = nil
			}
			if !sized {
				size = nil
			}
			r.want(want, r.control(k, wsk.WSK_TRANSPORT_LIST_QUERY, nil, nil, size, q.p))
			if irp {
				q.free(k)
			}
		}
	}
	tripIn(t, verify.WSK_044, query(true, true, invalid))
	tripIn(t, verify.WSK_044, func(r *rig, k *irql.K) {
		r.want(invalid, r.control(k, wsk.WSK_TRANSPORT_LIST_CHANGE, nil, nil, nil, nil))
	})
	tripIn(t, verify.WSK_047, query(false, false, invalid))
	missIn(t, query(false, true, overflow))
	behavior := func(late bool, want ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
			if late {
				r.closeAll(k, r.socket(k, wsk.WSK_FLAG_BASIC_SOCKET))
			}
			r.want(want, r.control(k, wsk.WSK_TDI_BEHAVIOR, b, nil, nil, nil))
			irp.ExFreePoolWithTag(k, b, tag)
		}
	}
	tripIn(t, verify.WSK_045, behavior(true, ids))
	missIn(t, behavior(false, good))
}

// Rule: WSK-048
// Near miss: WSK-048
func TestTransportList_OverflowIsNoData(t *testing.T) {
	body := func(reads bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED|irp.POOL_FLAG_UNINITIALIZED, 28, tag)
			var size uint64
			r.want(overflow, r.control(k, wsk.WSK_TRANSPORT_LIST_QUERY, nil, b, &size, nil))
			if reads {
				b.Load16(2)
			}
			irp.ExFreePoolWithTag(k, b, tag)
		}
	}
	tripIn(t, verify.WSK_048, body(true))
	missIn(t, body(false))
}

// Rule: WSK-152
// Near miss: WSK-152
func TestWskReceiveFrom_ReadsBeyond(t *testing.T) {
	body := func(n int) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			a := r.dgram(k, dns)
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED|irp.POOL_FLAG_UNINITIALIZED, 100, tag)
			m := &memory{b: b, mdl: irp.IoAllocateMdl(k, b, 100, false, false, nil)}
			irp.MmBuildMdlForNonPagedPool(k, m.mdl)
			r.ok(sendTo(k, a, "hello", dns))
			r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return datagrams(a).WskReceiveFrom(k, a, m.buf(), 0, nil, nil, nil, nil, p)
			}))
			for i := range n {
				m.b.Load8(i)
			}
			m.free(k)
			r.closeAll(k, a)
		}
	}
	tripIn(t, verify.WSK_152, body(6))
	missIn(t, body(5))
}

// pointer is memory for a PSECURITY_DESCRIPTOR.
func pointer(k *irql.K, sd *wsk.SECURITY_DESCRIPTOR) *irp.Typed[*wsk.SECURITY_DESCRIPTOR] {
	p := irp.New[*wsk.SECURITY_DESCRIPTOR](k, irp.POOL_FLAG_NON_PAGED, tag)
	*p.Get() = sd
	return p
}

func (r *rig) cacheSD(k *irql.K) *wsk.SECURITY_DESCRIPTOR {
	in, out := pointer(k, &wsk.SECURITY_DESCRIPTOR{Revision: 1}), pointer(k, nil)
	r.want(good, r.control(k, wsk.WSK_CACHE_SD, in.Handle(), out.Handle(), nil, nil))
	sd := *out.Get()
	irp.Free(k, in, tag)
	irp.Free(k, out, tag)
	return sd
}

func (r *rig) releaseSD(k *irql.K, sd *wsk.SECURITY_DESCRIPTOR) ntstatus.NTSTATUS {
	in := pointer(k, sd)
	st := r.control(k, wsk.WSK_RELEASE_SD, in.Handle(), nil, nil, nil)
	irp.Free(k, in, tag)
	return st
}

func (r *rig) secured(k *irql.K, sd *wsk.SECURITY_DESCRIPTOR, p *irp.IRP) ntstatus.NTSTATUS {
	return r.npi.Dispatch.WskSocket(k, r.npi.Client, ws2def.AF_INET, ws2def.SOCK_DGRAM, ws2def.IPPROTO_UDP,
		wsk.WSK_FLAG_DATAGRAM_SOCKET, nil, nil, nil, nil, sd, p)
}

// Rule: WSK-038
// Near miss: WSK-038
// Rule: WSK-039
// Near miss: WSK-039
// Rule: WSK-266
// Near miss: WSK-266
func TestSecurityDescriptors(t *testing.T) {
	body := func(early bool, releases int, last ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			sd, q := r.cacheSD(k), newRequest(k)
			r.calmly(func() {
				r.secured(k, sd, q.p)
				if early {
					r.releaseSD(k, sd)
				}
			})
			s := r.ok(q.wait(k)).Pointer.(*wsk.WSK_SOCKET)
			q.free(k)
			r.closeAll(k, s)
			for i := range releases {
				st := r.releaseSD(k, sd)
				if i == releases-1 {
					r.want(last, st)
				}
			}
		}
	}
	tripIn(t, verify.WSK_038, body(true, 0, good))
	tripIn(t, verify.WSK_039, body(false, 0, good))
	tripIn(t, verify.WSK_266, body(false, 2, invalid))
	missIn(t, body(false, 1, good))
}

// Rule: WSK-211
// Near miss: WSK-211
func TestSecurityDescriptor_Asked(t *testing.T) {
	body := func(release bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			s, sd := r.socket(k, wsk.WSK_FLAG_DATAGRAM_SOCKET), r.cacheSD(k)
			in, out := pointer(k, sd), pointer(k, nil)
			r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return basic(s).WskControlSocket(k, s, wsk.WskSetOption, wsk.SO_WSK_SECURITY,
					ws2def.SOL_SOCKET, 8, in.Handle(), 0, nil, nil, p)
			}))
			r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return basic(s).WskControlSocket(k, s, wsk.WskGetOption, wsk.SO_WSK_SECURITY,
					ws2def.SOL_SOCKET, 0, nil, 8, out.Handle(), nil, p)
			}))
			assert.EqualValues(r, 1, (*out.Get()).Revision)
			if release {
				r.want(good, r.releaseSD(k, *out.Get()))
			}
			r.want(good, r.releaseSD(k, sd))
			irp.Free(k, in, tag)
			irp.Free(k, out, tag)
			r.closeAll(k, s)
		}
	}
	tripIn(t, verify.WSK_211, body(false))
	missIn(t, body(true))
}
