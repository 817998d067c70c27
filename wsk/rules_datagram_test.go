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

// Rule: WSK-105
// Near miss: WSK-105
func TestDatagram_Unbound(t *testing.T) {
	refused(t, verify.WSK_105, func(r *rig, k *irql.K) ntstatus.NTSTATUS {
		return sendTo(k, r.socket(k, wsk.WSK_FLAG_DATAGRAM_SOCKET), "x", dns).Status
	})
	missIn(t, func(r *rig, k *irql.K) {
		s := r.dgram(k, any4)
		r.ok(sendTo(k, s, "x", dns))
		r.closeAll(k, s)
	})
}

// mismatched sends with a length and control data that do not belong together.
func mismatched(length uint32, given bool, want ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		s, m := r.dgram(k, any4), text(k, "x")
		control := ws2def.AppendCMSG(nil, ws2def.IPPROTO_IP, ws2def.IP_TTL, []byte{9, 0, 0, 0})
		c := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, uint64(len(control)), tag)
		c.CopyFrom(0, control)
		info := c
		if !given {
			info = nil
		}
		st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return datagrams(s).WskSendTo(k, s, m.buf(), 0, dns, length, info, p)
		})
		assert.Equal(r, want, st.Status)
		irp.ExFreePoolWithTag(k, c, tag)
		m.free(k)
		r.closeAll(k, s)
	}
}

// Rule: WSK-145
// Near miss: WSK-145
func TestWskSendTo_ControlLength(t *testing.T) {
	tripIn(t, verify.WSK_145, mismatched(32, false, invalid))
	tripIn(t, verify.WSK_145, mismatched(0, true, invalid))
	missIn(t, mismatched(24, true, good))
	missIn(t, mismatched(0, false, good))
}

// Rule: WSK-146
// Near miss: WSK-146
func TestWskReceiveFrom_ControlInfoWithoutLength(t *testing.T) {
	body := func(sized bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			a, m := r.dgram(k, dns), newMemory(k, 10)
			c := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, tag)
			n := irp.New[uint32](k, irp.POOL_FLAG_NON_PAGED, tag)
			*n.Get() = 64
			length := n.Get()
			if !sized {
				length = nil
			}
			r.ok(sendTo(k, a, "x", dns))
			r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return datagrams(a).WskReceiveFrom(k, a, m.buf(), 0, nil, length, c, nil, p)
			}))
			irp.ExFreePoolWithTag(k, c, tag)
			irp.Free(k, n, tag)
			m.free(k)
			r.closeAll(k, a)
		}
	}
	tripIn(t, verify.WSK_146, body(false))
	missIn(t, body(true))
}

// Rule: WSK-147
// Near miss: WSK-147
func TestWskReceiveFrom_ControlLengthGone(t *testing.T) {
	body := func(early bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			a, m, q := r.dgram(k, dns), newMemory(k, 10), newRequest(k)
			n := irp.New[uint32](k, irp.POOL_FLAG_NON_PAGED, tag)
			datagrams(a).WskReceiveFrom(k, a, m.buf(), 0, nil, n.Get(), nil, nil, q.p)
			if early {
				irp.Free(k, n, tag)
			}
			r.ok(sendTo(k, a, "x", dns))
			r.ok(q.wait(k))
			if !early {
				irp.Free(k, n, tag)
			}
			q.free(k)
			m.free(k)
			r.closeAll(k, a)
		}
	}
	tripIn(t, verify.WSK_147, body(true))
	missIn(t, body(false))
}

// Rule: WSK-148
// Near miss: WSK-148
func TestWskSendTo_ControlInfoGone(t *testing.T) {
	body := func(early bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			s, m, q := r.dgram(k, any4), text(k, "x"), newRequest(k)
			control := ws2def.AppendCMSG(nil, ws2def.IPPROTO_IP, ws2def.IP_TTL, []byte{9, 0, 0, 0})
			c := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 24, tag)
			c.CopyFrom(0, control)
			r.calmly(func() {
				datagrams(s).WskSendTo(k, s, m.buf(), 0, dns, 24, c, q.p)
				if early {
					irp.ExFreePoolWithTag(k, c, tag)
				}
			})
			r.ok(q.wait(k))
			if !early {
				irp.ExFreePoolWithTag(k, c, tag)
			}
			q.free(k)
			m.free(k)
			r.closeAll(k, s)
		}
	}
	tripIn(t, verify.WSK_148, body(true))
	missIn(t, body(false))
}

// Rule: WSK-149
// Near miss: WSK-149
func TestWskSendTo_Nowhere(t *testing.T) {
	tripIn(t, verify.WSK_149, func(r *rig, k *irql.K) {
		s := r.dgram(k, any4)
		assert.Equal(r, invalid, sendTo(k, s, "x", nil).Status)
		r.closeAll(k, s)
	})
	missIn(t, func(r *rig, k *irql.K) {
		s := r.dgram(k, any4)
		r.ok(fixes(k, s, wsk.SIO_WSK_SET_SENDTO_ADDRESS, dns))
		r.ok(sendTo(k, s, "x", nil))
		r.closeAll(k, s)
	})
}

// Rule: WSK-150
// Near miss: WSK-150
func TestWskReceiveFrom_TruncationUnseen(t *testing.T) {
	body := func(room int, told bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			a, m := r.dgram(k, dns), newMemory(k, room)
			n := irp.New[uint32](k, irp.POOL_FLAG_NON_PAGED, tag)
			length, flags := n.Get(), (*uint32)(nil)
			*length = 0
			f := irp.New[uint32](k, irp.POOL_FLAG_NON_PAGED, tag)
			if told {
				flags = f.Get()
			}
			r.ok(sendTo(k, a, "0123456789", dns))
			do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return datagrams(a).WskReceiveFrom(k, a, m.buf(), 0, nil, length, nil, flags, p)
			})
			irp.Free(k, n, tag)
			irp.Free(k, f, tag)
			m.free(k)
			r.closeAll(k, a)
		}
	}
	tripIn(t, verify.WSK_150, body(5, false))
	missIn(t, body(5, true))
	missIn(t, body(10, false))
}

// Rule: WSK-151
// Near miss: WSK-151
func TestWskSendMessages_ListChanged(t *testing.T) {
	tripIn(t, verify.WSK_151, batchOf(func(l *wsk.WSK_BUF_LIST) { l.Next = nil }))
	missIn(t, batchOf(func(*wsk.WSK_BUF_LIST) {}))
	body := func(early bool) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			s, m, q := r.dgram(k, any4), text(k, "x"), newRequest(k)
			l := irp.New[wsk.WSK_BUF_LIST](k, irp.POOL_FLAG_NON_PAGED, tag)
			l.Get().Buffer = *m.buf()
			r.calmly(func() {
				datagrams(s).WskSendMessages(k, s, l.Get(), 0, dns, 0, nil, q.p)
				if early {
					irp.Free(k, l, tag)
				}
			})
			r.ok(q.wait(k))
			if !early {
				irp.Free(k, l, tag)
			}
			q.free(k)
			m.free(k)
			r.closeAll(k, s)
		}
	}
	tripIn(t, verify.WSK_151, body(true))
	missIn(t, body(false))
}

// Rule: WSK-208
// Near miss: WSK-208
func TestFixedAddress_TooEarly(t *testing.T) {
	refused(t, verify.WSK_208, func(r *rig, k *irql.K) ntstatus.NTSTATUS {
		return fixes(k, r.socket(k, wsk.WSK_FLAG_DATAGRAM_SOCKET), wsk.SIO_WSK_SET_REMOTE_ADDRESS, dns).Status
	})
	tripIn(t, verify.WSK_208, func(r *rig, k *irql.K) {
		s := r.connection(k)
		assert.Equal(r, ntstatus.STATUS_NOT_SUPPORTED,
			fixes(k, s, wsk.SIO_WSK_SET_SENDTO_ADDRESS, dns).Status)
		r.closeAll(k, s)
	})
	missIn(t, func(r *rig, k *irql.K) {
		s := r.dgram(k, any4)
		r.ok(fixes(k, s, wsk.SIO_WSK_SET_REMOTE_ADDRESS, dns))
		r.closeAll(k, s)
	})
}
