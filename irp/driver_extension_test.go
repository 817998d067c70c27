package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// counters is what a driver of these tests keeps in its context area.
type counters struct {
	requests int
	_        irql.KTIMER
}

func TestDriverObjectExtension(t *testing.T) {
	var name, other int
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			var mem, again *irp.Buffer
			assert.Nil(t, irp.IoGetDriverObjectExtension(k, l.client, &name))
			assert.Equal(t, ok, irp.IoAllocateDriverObjectExtension(k, l.client, &name, 32, &mem))
			assert.Equal(t, make([]byte, 32), mem.Bytes())
			irp.As[counters](mem).requests++
			assert.Equal(t, ntstatus.STATUS_OBJECT_NAME_COLLISION,
				irp.IoAllocateDriverObjectExtension(k, l.client, &name, 32, &again))
			assert.Nil(t, again)
			assert.Equal(t, ok, irp.IoAllocateDriverObjectExtension(k, l.client, &other, 8, &again))
			assert.NotSame(t, mem, again)
			found := irp.IoGetDriverObjectExtension(k, l.client, &name)
			assert.Same(t, mem, found)
			assert.Equal(t, 1, irp.As[counters](found).requests)
		})
		irp.Sim.UnloadDriver(l.m, l.client) // frees both, and nothing is said to have been left
		l.m.Run(nil)
	})
}

func TestDriverObjectExtension_WhenMemoryIsShort(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			var name int
			var mem *irp.Buffer
			assert.Equal(t, ntstatus.STATUS_INSUFFICIENT_RESOURCES,
				irp.IoAllocateDriverObjectExtension(k, l.client, &name, 32, &mem))
			assert.Nil(t, irp.IoGetDriverObjectExtension(k, l.client, &name))
		})
	}, ke.Pin{Site: "fault/IoAllocateDriverObjectExtension", Name: "fails"})
}

// TestDriverObjectExtension_FreedByTheDriver: that is for the I/O manager to do.
func TestDriverObjectExtension_FreedByTheDriver(t *testing.T) {
	var name int
	f := tripsEach(t, verify.POOL_007, func(l *lab) {
		l.run(func(k *irql.K) {
			var mem *irp.Buffer
			irp.IoAllocateDriverObjectExtension(k, l.client, &name, 32, &mem)
			irp.ExFreePool(k, mem)
		})
	})
	assert.Contains(t, f.Headline, "memory that the system frees")
}

// TestDriverObjectExtension_KeptBeyondTheUnload: another driver has the address.
func TestDriverObjectExtension_KeptBeyondTheUnload(t *testing.T) {
	var name int
	tripsEach(t, verify.POOL_013, func(l *lab) {
		other := l.stack(completes(ok))[0]
		var mem *irp.Buffer
		l.begin(func(k *irql.K) { irp.IoAllocateDriverObjectExtension(k, l.client, &name, 32, &mem) })
		irp.Sim.UnloadDriver(l.m, l.client)
		l.m.Run(nil)
		other.later(func(*irql.K) { mem.Load8(0) })
		l.m.Run(nil)
	})
}
