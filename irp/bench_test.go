package irp_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// cycle is one IRP from allocation to free through a stack of drivers, all checks and the trace on: what a
// driver test pays for each request.
type cycle struct {
	m   *ke.Machine
	img *ke.Image
	top *irp.DEVICE_OBJECT
}

func newCycle(tb testing.TB, depth int) *cycle {
	tb.Helper()
	c := &cycle{m: ke.New(ke.Config{Subsystems: subsystems.All()})}
	tb.Cleanup(c.m.Close)
	c.reset(tb, depth)
	return c
}

// reset makes the machine as new, with the drivers loaded.
func (c *cycle) reset(tb testing.TB, depth int) {
	c.m.Reset(ke.Config{Subsystems: subsystems.All(), MaxSteps: 1 << 62})
	c.top = nil
	for i := range depth {
		fn := completeInline
		if i > 0 {
			below := c.top
			fn = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
				irp.IoCopyCurrentIrpStackLocationToNext(k, p)
				irp.IoSetCompletionRoutine(k, p, propagate, nil, true, true, true)
				return irp.IoCallDriver(k, below, p)
			}
		}
		c.add(tb, fmt.Sprintf("depth%d.sys", i), fn)
	}
	c.img = c.m.NewImage("client.sys")
}

func (c *cycle) add(tb testing.TB, name string, fn irp.DRIVER_DISPATCH) {
	drv := irp.Sim.LoadDriver(c.m, name, func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = fn
		target := c.top
		s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &c.top)
		if target != nil {
			irp.IoAttachDeviceToDeviceStack(k, c.top, target)
		}
		return s
	})
	c.m.Run(nil)
	s, done := drv.EntryStatus()
	require.True(tb, done)
	require.Equal(tb, ok, s)
}

func completeInline(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	io := p.IoStatus()
	io.Status, io.Information = ntstatus.STATUS_SUCCESS, 0
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return ntstatus.STATUS_SUCCESS
}

// once is the creator's side.
func (c *cycle) once(k *irql.K) {
	p := irp.IoAllocateIrp(k, c.top.StackSize, false)
	irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(irp.IRP_MJ_DEVICE_CONTROL)
	irp.IoSetCompletionRoutine(k, p, stopIt, nil, true, true, true)
	irp.IoCallDriver(k, c.top, p)
	irp.IoFreeIrp(k, p)
}

// inside runs fn in one thread of the client, over what earlier cycles left: the quarantine of freed IRPs,
// the ring of events and every pool of records are full.
func (c *cycle) inside(tb testing.TB, fn func(k *irql.K)) {
	c.m.NewThread("client", nil, func(k *ke.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: c.img})
		for range 600 {
			c.once(k)
		}
		fn(k)
		ke.Pop(k)
	})
	c.m.Run(nil)
	require.Empty(tb, c.m.Findings())
}

// TestIrpCycle_DoesNotAllocate: an IRP's life costs no memory, at any depth that is kept for reuse.
func TestIrpCycle_DoesNotAllocate(t *testing.T) {
	if ke.GoRaces {
		t.Skip("what Go's race detector is told costs memory")
	}
	for _, depth := range []int{1, 3, 8} {
		c := newCycle(t, depth)
		allocs := -1.0
		c.inside(t, func(k *irql.K) { allocs = testing.AllocsPerRun(200, func() { c.once(k) }) })
		require.Zero(t, allocs, "depth %d", depth)
	}
}

// batch is how many cycles one machine makes: the record of its choices, of which each allocation is one, is
// kept for the whole run, and runs are not longer than this.
const batch = 20000

func BenchmarkIrpCycle(b *testing.B) {
	for _, depth := range []int{1, 3, 8} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			c := newCycle(b, depth)
			b.ReportAllocs()
			b.StopTimer()
			for left := b.N; left > 0; left -= batch {
				c.reset(b, depth)
				c.inside(b, func(k *irql.K) {
					b.StartTimer()
					for range min(left, batch) {
						c.once(k)
					}
					b.StopTimer()
				})
			}
		})
	}
}
