//go:build !race

package irp_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// TestIrp_AMillionOutstandingFitInAGigabyte: a million requests with one to three locations, all sent and
// held pending at the same time, cost less than 1 GB, everything the machine records about them included.
func TestIrp_AMillionOutstandingFitInAGigabyte(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds and most of a gigabyte")
	}
	const million = 1_000_000
	before := heapInUse()
	l := newLab(t, ke.Config{MaxSteps: 1 << 62, Events: 512})
	held := make([]*irp.IRP, 0, million)
	st := l.stack(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
		irp.IoMarkIrpPending(k, p)
		held = append(held, p)
		return pending
	})
	dev := st[0].dev
	l.as(l.image, func(k *irql.K) {
		for i := range million {
			p := irp.IoAllocateIrp(k, int8(1+i%3), false)
			prepare(k, p, freeIt, nil)
			irp.IoCallDriver(k, dev, p)
		}
	})
	l.m.Run(nil)
	require.Len(t, held, million)
	used := heapInUse() - before
	t.Logf("%d MB, %d bytes per IRP", used>>20, used/million)
	assert.Less(t, used, uint64(1<<30))
	l.as(st[0].obj.Image(), func(k *irql.K) {
		for i, p := range held {
			complete(k, p, ok)
			held[i] = nil
		}
	})
	l.rest()
	l.silent()
}

// heapInUse is the memory of the heap after a collection, with what its pages waste.
func heapInUse() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapInuse
}
