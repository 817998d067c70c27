package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Bytes that nobody wrote: in memory that is handed out uninitialised, and in the system buffer of a request.

// uninit is a scenario with 32 bytes of which nothing is written yet.
func uninit(fn func(k *irql.K, b *irp.Buffer)) func(l *lab) {
	return does(func(k *irql.K) {
		b := irp.ExAllocatePool2(k, nonPaged|irp.POOL_FLAG_UNINITIALIZED, 32, tag)
		fn(k, b)
		free(k, b)
	})
}

// Rule: POOL-014
func TestPOOL014_NeverWritten(t *testing.T) {
	f := trips(t, verify.POOL_014, uninit(func(_ *irql.K, b *irp.Buffer) { b.Load32(8) }))
	assert.Equal(t, verify.Warning, f.Severity())
	assert.Contains(t, f.Headline, "pool#1+0x8 is read")
	f = trips(t, verify.POOL_014, uninit(func(_ *irql.K, b *irp.Buffer) { // one byte of a range
		b.Fill(0, 20, 1)
		b.Store8(21, 1)
		b.CopyFrom(22, make([]byte, 10))
		b.CopyTo(0, make([]byte, 32))
		b.Load8(20) // once a block
	}))
	assert.Contains(t, f.Headline, "pool#1+0x14 is read")
	trips(t, verify.POOL_014, uninit(func(_ *irql.K, b *irp.Buffer) { // the bytes a view sees are the block's
		b.Slice(0, 8).Store64(0, 1)
		b.Slice(4, 8).Load64(0)
	}))
	trips(t, verify.POOL_014, uninit(func(k *irql.K, b *irp.Buffer) { // and so are those of a mapping
		mdl := built(k, b)
		irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping).Load8(31)
		irp.IoFreeMdl(k, mdl)
	}))
	trips(t, verify.POOL_014, does(func(k *irql.K) { // an older routine
		b := irp.ExAllocatePoolUninitialized(k, irp.PagedPool, 13, tag)
		b.Fill(0, 12, 0)
		b.Load8(12)
		free(k, b)
	}))
}

// Near miss: POOL-014
func TestPOOL014_Written(t *testing.T) {
	passes(t, does(func(k *irql.K) { // zeroed
		b := alloc(k, 32)
		b.Load64(24)
		free(k, b)
	}))
	passes(t, uninit(func(k *irql.K, b *irp.Buffer) {
		b.Store8(0, 1)
		b.Store16(1, 2)
		b.Store32(3, 3)
		b.Store64(7, 4)
		b.CopyFrom(15, make([]byte, 7))
		b.Fill(22, 9, 0xCD)
		b.CopyTo(0, make([]byte, 31)) // the last byte is not read
		mdl := built(k, b.Slice(0, 31))
		irp.MmGetSystemAddressForMdlSafe(k, mdl, mapping).Load64(20)
		irp.IoFreeMdl(k, mdl)
	}))
	passes(t, uninit(func(_ *irql.K, b *irp.Buffer) { // through a slice anything may have been written
		b.Slice(0, 16).Bytes()[3] = 1
		b.Load64(8)
	}))
	passes(t, does(func(k *irql.K) { // a local variable is judged by the compiler
		irp.StackBuffer(k, 8).Load64(0)
	}))
}

// answering is a driver that writes some bytes of its output and says n.
func answering(n uint64, s ntstatus.NTSTATUS, write func(b *irp.Buffer)) func(l *lab) {
	return func(l *lab) {
		(&control{act: func(k *irql.K, _ *control, p *irp.IRP) ntstatus.NTSTATUS {
			write(p.AssociatedIrp().SystemBuffer)
			p.IoStatus().Information = n
			return complete(k, p, s)
		}}).load(l)
		l.app(func(k *irql.K, p *ke.Process) {
			r := ioctlRequest
			r.In, r.Out = []byte{1, 2}, make([]byte, 16)
			openIt(l.t, k, p).Begin(k, &r)
		})
	}
}

// Rule: POOL-014
func TestPOOL014_CopiedToTheProgram(t *testing.T) {
	f := trips(t, verify.POOL_014, answering(16, ok, func(b *irp.Buffer) { b.Store64(0, 1) }))
	assert.Equal(t, "control.sys", f.Driver)
	assert.Contains(t, f.Headline, "nothing was written to offset 8")
	trips(t, verify.POOL_014, answering(3, ntstatus.STATUS_BUFFER_OVERFLOW, func(*irp.Buffer) {}))
}

// Near miss: POOL-014
func TestPOOL014_NotCopiedToTheProgram(t *testing.T) {
	passes(t, answering(8, ok, func(b *irp.Buffer) { b.Store64(0, 1) }))
	passes(t, answering(2, ok, func(*irp.Buffer) {})) // the input comes back
	passes(t, answering(16, ok, func(b *irp.Buffer) { copy(b.Bytes(), "anything") }))
	// An error copies nothing.
	passes(t, answering(16, ntstatus.STATUS_INVALID_PARAMETER, func(*irp.Buffer) {}))
}

// TestPOOL014_InSpecialPool: the books are the same there.
func TestPOOL014_InSpecialPool(t *testing.T) {
	trips(t, verify.POOL_014, func(l *lab) {
		pool.OptionsOf(l.m).SpecialPool = true
		uninit(func(_ *irql.K, b *irp.Buffer) {
			b.Fill(0, 16, 0)
			b.Load64(8)
			b.Load64(16)
		})(l)
	})
}
