package wsk_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
)

// parts is memory with a locked MDL and a partial one of all of it, at the end of a chain.
type parts struct {
	b                 *irp.Buffer
	whole, part, head *irp.MDL
	first             *memory
}

func newParts(k *irql.K, n int, op irp.LOCK_OPERATION) *parts {
	m := &parts{b: irp.ExAllocatePool2(k, irp.POOL_FLAG_PAGED, uint64(n), tag), first: newMemory(k, 4)}
	m.b.Fill(0, n, 'x')
	m.whole = irp.IoAllocateMdl(k, m.b, uint32(n), false, false, nil)
	irp.MmProbeAndLockPages(k, m.whole, irql.KernelMode, op)
	m.part = irp.IoAllocateMdl(k, m.b, uint32(n), false, false, nil)
	m.build(k)
	m.head = m.first.mdl
	m.head.Next = m.part
	return m
}

func (m *parts) build(k *irql.K) { irp.IoBuildPartialMdl(k, m.whole, m.part, m.b, uint32(m.b.Len())) }

func (m *parts) buf() *wsk.WSK_BUF { return &wsk.WSK_BUF{Mdl: m.head, Length: uint64(m.b.Len() + 4)} }

func (m *parts) free(k *irql.K) {
	irp.IoFreeMdl(k, m.part)
	if m.whole.MdlFlags()&irp.MDL_PAGES_LOCKED != 0 {
		irp.MmUnlockPages(k, m.whole)
	}
	irp.IoFreeMdl(k, m.whole)
	irp.ExFreePoolWithTag(k, m.b, tag)
	m.first.free(k)
}

// under does something while data is received into, or sent from, a chain with a partial MDL.
func under(receive bool, act func(k *irql.K, m *parts)) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		c, a, l := r.pair(k)
		m := newParts(k, 12, irp.IoWriteAccess)
		q := newRequest(k)
		if receive {
			connected(c).WskReceive(k, c, m.buf(), wsk.WSK_FLAG_WAITALL, q.p)
			act(k, m)
			r.ok(send(k, a, "0123456789abcdef"))
		} else {
			r.calmly(func() {
				connected(c).WskSend(k, c, m.buf(), 0, q.p)
				act(k, m)
			})
		}
		assert.EqualValues(r, 16, r.ok(q.wait(k)).Information)
		q.free(k)
		m.free(k)
		r.closeAll(k, c, a, l)
	}
}

func TestBuffer_PartialMdlInUse(t *testing.T) {
	for _, receive := range []bool{false, true} {
		for _, act := range []func(k *irql.K, m *parts){
			func(k *irql.K, m *parts) { irp.MmUnlockPages(k, m.whole) },
			func(k *irql.K, m *parts) { irp.MmPrepareMdlForReuse(k, m.part) },
			func(k *irql.K, m *parts) { m.build(k) },
			func(k *irql.K, m *parts) { irp.IoFreeMdl(k, m.part) },
		} {
			tripIn(t, verify.WSK_130, under(receive, act))
		}
		missIn(t, under(receive, func(k *irql.K, m *parts) {
			again := irp.IoAllocateMdl(k, m.b, 4, false, false, nil)
			irp.MmProbeAndLockPages(k, again, irql.KernelMode, irp.IoReadAccess)
			irp.MmUnlockPages(k, again) // a lock of its own
			irp.IoFreeMdl(k, again)
		}))
	}
}

// A part of a part has the lock of the same source.
func TestBuffer_PartOfAPartInUse(t *testing.T) {
	tripIn(t, verify.WSK_130, func(r *rig, k *irql.K) {
		c, a, l := r.pair(k)
		m := newParts(k, 12, irp.IoWriteAccess)
		inner := irp.IoAllocateMdl(k, m.b, 4, false, false, nil)
		irp.IoBuildPartialMdl(k, m.part, inner, m.b, 4)
		q := newRequest(k)
		connected(c).WskReceive(k, c, &wsk.WSK_BUF{Mdl: inner, Length: 4}, 0, q.p)
		irp.MmUnlockPages(k, m.whole)
		r.closeAll(k, c, a, l)
	})
}

func TestBuffer_PartialMdlWithoutPages(t *testing.T) {
	body := func(unlock bool) func(k *irql.K) (*wsk.WSK_BUF, func()) {
		return func(k *irql.K) (*wsk.WSK_BUF, func()) {
			m := newParts(k, 8, irp.IoReadAccess)
			if unlock {
				irp.MmUnlockPages(k, m.whole)
			}
			return m.buf(), func() { m.free(k) }
		}
	}
	tripIn(t, verify.WSK_134, sending(body(true), invalid))
	missIn(t, sending(body(false), good))
}

// A partial MDL has the access that its source was locked for.
func TestBuffer_PartialMdlLockedForReading(t *testing.T) {
	body := func(op irp.LOCK_OPERATION) func(r *rig, k *irql.K) {
		return func(r *rig, k *irql.K) {
			c, a, l := r.pair(k)
			m := newParts(k, 8, op)
			r.ok(send(k, a, "x"))
			do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return connected(c).WskReceive(k, c, m.buf(), 0, p) })
			m.free(k)
			r.closeAll(k, c, a, l)
		}
	}
	tripIn(t, verify.WSK_135, body(irp.IoReadAccess))
	missIn(t, body(irp.IoWriteAccess))
}
