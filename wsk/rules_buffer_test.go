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

// receiving leaves a WskReceive into m pending, runs body, and ends everything.
func receiving(body func(r *rig, k *irql.K, m *memory)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		c, a, l := r.pair(k)
		m := newMemory(k, 16)
		q := newRequest(k)
		connected(c).WskReceive(k, c, m.buf(), 0, q.p)
		body(r, k, m)
		r.ok(send(k, a, "0123456789"))
		assert.EqualValues(r, 10, r.ok(q.wait(k)).Information)
		assert.Equal(r, "0123456789", string(m.b.Bytes()[:10]))
		q.free(k)
		m.free(k)
		r.closeAll(k, c, a, l)
	}
}

// sending sends what buf makes and returns the status.
func sending(buf func(k *irql.K) (*wsk.WSK_BUF, func()), want ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		c, a, l := r.pair(k)
		b, free := buf(k)
		s := do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return connected(c).WskSend(k, c, b, 0, p) })
		assert.Equal(r, want.String(), s.Status.String())
		free()
		r.closeAll(k, c, a, l)
	}
}

// Rule: WSK-130
// Near miss: WSK-130
func TestBuffer_GoneOrChanged(t *testing.T) {
	tripIn(t, verify.WSK_130, receiving(func(r *rig, k *irql.K, m *memory) { irp.IoFreeMdl(k, m.mdl) }))
	tripIn(t, verify.WSK_130, receiving(func(r *rig, k *irql.K,
		m *memory) {
		irp.ExFreePoolWithTag(k, m.b, tag)
	}))
	tripIn(t, verify.WSK_130, func(r *rig, k *irql.K) {
		c, a, l := r.pair(k)
		m := text(k, "hello")
		q := newRequest(k)
		r.calmly(func() {
			connected(c).WskSend(k, c, m.buf(), 0, q.p)
			m.b.Store8(0, 'j') // data on its way must not change
		})
		q.wait(k)
		q.free(k)
		m.free(k)
		r.closeAll(k, c, a, l)
	})
	missIn(t, receiving(func(*rig, *irql.K, *memory) {}))
}

// Rule: WSK-131
// Near miss: WSK-131
func TestBuffer_BeyondTheChain(t *testing.T) {
	body := func(n uint64) func(k *irql.K) (*wsk.WSK_BUF, func()) {
		return func(k *irql.K) (*wsk.WSK_BUF, func()) {
			x, y := text(k, "0123456789"), text(k, "abcdef")
			x.mdl.Next = y.mdl
			return &wsk.WSK_BUF{Mdl: x.mdl, Offset: 4, Length: n}, func() { x.free(k); y.free(k) }
		}
	}
	tripIn(t, verify.WSK_131, sending(body(13), invalid))
	missIn(t, sending(body(12), good))
}

// Rule: WSK-132
// Near miss: WSK-132
func TestBuffer_OffsetOutsideTheFirstMdl(t *testing.T) {
	body := func(off uint32) func(k *irql.K) (*wsk.WSK_BUF, func()) {
		return func(k *irql.K) (*wsk.WSK_BUF, func()) {
			x, y := newMemory(k, 16), newMemory(k, 16)
			x.mdl.Next = y.mdl
			return &wsk.WSK_BUF{Mdl: x.mdl, Offset: off, Length: 4}, func() { x.free(k); y.free(k) }
		}
	}
	tripIn(t, verify.WSK_132, sending(body(20), invalid))
	missIn(t, sending(body(14), good))
}

// Rule: WSK-133
// Near miss: WSK-133
func TestBuffer_LengthWithoutMdl(t *testing.T) {
	body := func(n uint64) func(k *irql.K) (*wsk.WSK_BUF, func()) {
		return func(*irql.K) (*wsk.WSK_BUF, func()) { return &wsk.WSK_BUF{Length: n}, func() {} }
	}
	tripIn(t, verify.WSK_133, sending(body(10), invalid))
	missIn(t, sending(body(0), good))
}

// Rule: WSK-134
// Near miss: WSK-134
func TestBuffer_MdlNotBuilt(t *testing.T) {
	body := func(build bool) func(k *irql.K) (*wsk.WSK_BUF, func()) {
		return func(k *irql.K) (*wsk.WSK_BUF, func()) {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 8, tag)
			mdl := irp.IoAllocateMdl(k, b, 8, false, false, nil)
			if build {
				irp.MmBuildMdlForNonPagedPool(k, mdl)
			}
			return &wsk.WSK_BUF{Mdl: mdl, Length: 8}, func() { (&memory{b, mdl}).free(k) }
		}
	}
	tripIn(t, verify.WSK_134, sending(body(false), invalid))
	missIn(t, sending(body(true), good))
}

// Rule: WSK-135
// Near miss: WSK-135
func TestBuffer_LockedForReading(t *testing.T) {
	body := func(op irp.LOCK_OPERATION) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			c, a, l := r.pair(k)
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_PAGED, 16, tag)
			mdl := irp.IoAllocateMdl(k, b, 16, false, false, nil)
			irp.MmProbeAndLockPages(k, mdl, 0, op)
			r.ok(send(k, a, "x"))
			do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return connected(c).WskReceive(k, c, &wsk.WSK_BUF{Mdl: mdl, Length: 16}, 0, p)
			})
			irp.MmUnlockPages(k, mdl)
			(&memory{b, mdl}).free(k)
			r.closeAll(k, c, a, l)
		}
	}
	tripIn(t, verify.WSK_135, body(irp.IoReadAccess))
	missIn(t, body(irp.IoWriteAccess))
}

// localAddress reads the local address of a bound socket into a, and frees a too early if it is told to.
func localAddress(flags uint64, early bool) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		s := r.connection(k)
		a := irp.New[ws2def.SOCKADDR_STORAGE](k, flags, tag)
		q := newRequest(k)
		r.calmly(func() {
			connected(s).WskGetLocalAddress(k, s, a.Get(), q.p)
			if early {
				irp.Free(k, a, tag)
			}
		})
		r.ok(q.wait(k))
		q.free(k)
		if !early {
			assert.EqualValues(r, 49152, ws2def.AddrPort(a.Get()).Port())
			irp.Free(k, a, tag)
		}
		r.closeAll(k, s)
	}
}

// Rule: WSK-136
// Near miss: WSK-136
func TestAddress_Gone(t *testing.T) {
	tripIn(t, verify.WSK_136, localAddress(irp.POOL_FLAG_NON_PAGED, true))
	missIn(t, localAddress(irp.POOL_FLAG_NON_PAGED, false))
}

// Rule: WSK-138
// Near miss: WSK-138
func TestAddress_Paged(t *testing.T) {
	tripIn(t, verify.WSK_138, localAddress(irp.POOL_FLAG_PAGED, false))
	missIn(t, localAddress(irp.POOL_FLAG_NON_PAGED, false))
}

// Rule: WSK-137
// Near miss: WSK-137
func TestAddress_TooSmall(t *testing.T) {
	body := func(a ws2def.SOCKADDR) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			s := r.connection(k)
			do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return connected(s).WskGetLocalAddress(k, s, a, p) })
			r.closeAll(k, s)
		}
	}
	tripIn(t, verify.WSK_137, body(new(ws2def.SOCKADDR_IN6)))
	missIn(t, body(new(ws2def.SOCKADDR_IN)))
}

// Rule: WSK-139
// Near miss: WSK-139
func TestAddress_WrongFamily(t *testing.T) {
	body := func(a string, want ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			s := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
			assert.Equal(r, want, bind(k, s, addr(a)).Status)
			r.closeAll(k, s)
		}
	}
	tripIn(t, verify.WSK_139, body("[::]:0", invalid))
	missIn(t, body("0.0.0.0:0", good))
}

// flagged posts a receive with flags and length on a connection whose peer has sent "abc" and finished.
func flagged(flags wsk.ReceiveFlags, n uint64, want ntstatus.NTSTATUS, info uint64) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		c, a, l := r.pair(k)
		r.ok(send(k, a, "abc"))
		r.ok(disconnect(k, a, 0))
		m := newMemory(k, 16)
		s := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return connected(c).WskReceive(k, c, &wsk.WSK_BUF{Mdl: m.mdl, Length: n}, flags, p)
		})
		assert.Equal(r, want.String(), s.Status.String())
		assert.Equal(r, info, s.Information)
		m.free(k)
		r.closeAll(k, c, a, l)
	}
}

// Rule: WSK-140
// Near miss: WSK-140
func TestWskReceive_WaitallAndDrain(t *testing.T) {
	tripIn(t, verify.WSK_140, flagged(wsk.WSK_FLAG_WAITALL|wsk.WSK_FLAG_DRAIN, 0, invalid, 0))
	missIn(t, flagged(wsk.WSK_FLAG_WAITALL, 16, good, 3))
	missIn(t, flagged(1<<5, 16, ntstatus.STATUS_NOT_SUPPORTED, 0))
}

// Rule: WSK-141
// Near miss: WSK-141
func TestWskReceive_DrainWithLength(t *testing.T) {
	tripIn(t, verify.WSK_141, flagged(wsk.WSK_FLAG_DRAIN, 16, invalid, 0))
	missIn(t, flagged(wsk.WSK_FLAG_DRAIN, 0, good, 0))
}

// Rule: WSK-143
// Near miss: WSK-143
func TestWskDisconnect_AbortiveWithBuffer(t *testing.T) {
	body := func(flags wsk.DisconnectFlags) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			c, a, l := r.pair(k)
			m := text(k, "bye")
			s := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return connected(c).WskDisconnect(k, c, m.buf(),
					flags, p)
			})
			if r.ok(s); flags == 0 {
				got, _ := receive(k, a, 10)
				assert.Equal(r, "bye", got)
			}
			m.free(k)
			r.closeAll(k, c, a, l)
		}
	}
	tripIn(t, verify.WSK_143, body(wsk.WSK_FLAG_ABORTIVE))
	missIn(t, body(0))
}

// A machine that goes on answers a bad argument as Windows would: the call fails, and changes nothing.
func TestArguments_OfAMachineThatGoesOn(t *testing.T) {
	r := newRig(t, 1)
	r.m.Reset(ke.Config{Events: -1, Continue: true})
	r.driver(func(k *irql.K) {
		s := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
		flagged := func(p *irp.IRP) ntstatus.NTSTATUS { return connected(s).WskBind(k, s, any4, 1, p) }
		assert.Equal(t, invalid, bind(k, s, addr("[::]:0")).Status)
		assert.Equal(t, invalid, do(k, flagged).Status)
		r.ok(bind(k, s, any4))
		assert.Equal(t, invalid, connect(k, s, addr("[::1]:80")).Status)
		small := new(ws2def.SOCKADDR_IN6)
		assert.Equal(t, invalid, do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return connected(s).WskGetLocalAddress(k, s, small, p)
		}).Status)
		assert.Zero(t, *small)
		r.closeAll(k, s)
	})
	var rules []verify.RuleID
	for _, f := range r.m.Findings() {
		rules = append(rules, f.Rule)
	}
	assert.Equal(t, []verify.RuleID{verify.WSK_139, verify.WSK_042, verify.WSK_139, verify.WSK_137}, rules)
}
