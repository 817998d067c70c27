package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// filled is memory with known contents.
func filled(k *irql.K, bytes ...byte) *irp.Buffer {
	b := alloc(k, uint64(len(bytes)))
	b.CopyFrom(0, bytes)
	return b
}

func TestRtlCopyMemory_AndItsKind(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			a, b := filled(k, 1, 2, 3, 4), filled(k, 9, 9, 9, 9)
			irp.RtlCopyMemory(k, b, a, 3)
			assert.Equal(t, []byte{1, 2, 3, 9}, b.Bytes())
			assert.True(t, irp.RtlEqualMemory(k, a, b, 3))
			assert.False(t, irp.RtlEqualMemory(k, a, b, 4))
			assert.Equal(t, uint64(3), irp.RtlCompareMemory(k, a, b, 4))
			irp.RtlMoveMemory(k, a.Slice(1, 3), a, 3)
			assert.Equal(t, []byte{1, 1, 2, 3}, a.Bytes())
			irp.RtlFillMemory(k, a, 2, 7)
			irp.RtlZeroMemory(k, a.Slice(2, 2), 1)
			assert.Equal(t, []byte{7, 7, 0, 3}, a.Bytes())
			assert.Same(t, a, irp.RtlSecureZeroMemory(k, a, 4))
			assert.Equal(t, make([]byte, 4), a.Bytes())
			irp.RtlCopyMemory(k, a, b, 0)
		})
	})
	assert.Equal(t, uint16(0x3412), irp.RtlUshortByteSwap(0x1234))
	assert.Equal(t, uint32(0x78563412), irp.RtlUlongByteSwap(0x12345678))
	assert.Equal(t, uint64(0xEFCDAB9078563412), irp.RtlUlonglongByteSwap(0x1234567890ABCDEF))
}

// Rule: POOL-011
func TestRtlCopyMemory_PastTheEnd(t *testing.T) {
	trips(t, verify.POOL_011, func(l *lab) {
		l.run(func(k *irql.K) {
			irp.RtlCopyMemory(k, filled(k, 1, 2), filled(k, 1, 2, 3), 3)
		})
	})
}

// Bytes that nobody has written are copied without a finding and stay unwritten: only who reads them uses
// them.
func TestRtlCopyMemory_CopiesWhatNobodyWrote(t *testing.T) {
	l := newLab(t, ke.Config{Pins: []ke.Pin{{Site: "fault/ExAllocatePool2"}}})
	l.run(func(k *irql.K) {
		const flags = irp.POOL_FLAG_NON_PAGED | irp.POOL_FLAG_UNINITIALIZED
		a := irp.ExAllocatePool2(k, flags, 16, irp.Tag("Test"))
		b := irp.ExAllocatePool2(k, flags, 32, irp.Tag("Test"))
		a.Store32(0, 1)
		irp.RtlCopyMemory(k, b, a, 16)
		assert.Equal(t, uint32(1), b.Load32(0))
		assert.Empty(t, l.found())
		b.Load32(8)
		assert.Len(t, l.findings(verify.POOL_014), 1)
		irp.ExFreePool(k, a)
		irp.ExFreePool(k, b)
	})
}

func TestRtlCopyMemory_Overlapping(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.run(func(k *irql.K) {
		a := filled(k, 1, 2, 3, 4)
		irp.RtlCopyMemory(k, a.Slice(2, 2), a, 2)
		assert.Empty(t, l.found())
		irp.RtlCopyMemory(k, a.Slice(1, 3), a, 3)
	})
	f := l.findings(verify.NoRule)
	require.Len(t, f, 1)
	assert.Equal(t, irp.OverlappingCopy, f[0].Name())
	assert.Equal(t, verify.Warning, f[0].Severity())
}
