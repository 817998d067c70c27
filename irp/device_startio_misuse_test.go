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

// careless does what is not sensible with device queues, StartIo and memory of its own, as a list of numbers
// says.
type careless struct {
	r      *ke.Random
	dev    *irp.DEVICE_OBJECT
	queue  [2]irp.KDEVICE_QUEUE
	link   [2]irp.KDEVICE_QUEUE_ENTRY
	p      [3]*irp.IRP
	mdl    [2]*irp.MDL
	own    [2]irp.MDL
	buf    [2]*irp.Buffer
	addr   [2]any
	depth  int
	starts bool // it has a StartIo routine
}

// entry is DriverEntry.
func (c *careless) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	for i := range drv.MajorFunction {
		drv.MajorFunction[i] = func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP) ntstatus.NTSTATUS {
			c.some(k)
			return pending
		}
	}
	if c.starts {
		drv.DriverStartIo = func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP) { c.some(k) }
	}
	for i := range c.queue {
		irp.KeInitializeDeviceQueue(k, &c.queue[i])
	}
	return irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &c.dev)
}

func (c *careless) pick(n int) int { return int(c.r.Next() % uint64(n)) }

func (c *careless) cancel() irp.DRIVER_CANCEL {
	if c.pick(2) == 0 {
		return nil
	}
	return func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
		if c.pick(4) > 0 {
			irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
		}
		c.some(k)
	}
}

func (c *careless) some(k *irql.K) {
	if c.depth++; c.depth < 20 {
		for range c.pick(3) {
			c.one(k)
		}
	}
	c.depth--
}

func (c *careless) one(k *irql.K) {
	i, key := c.pick(2), uint32(c.pick(3))
	p, q, dev := &c.p[c.pick(3)], &c.queue[i], c.dev
	e := &c.link[c.pick(2)]
	if c.pick(2) == 0 {
		q = &dev.DeviceQueue
	}
	if *p != nil && c.pick(2) == 0 {
		e = (*p).DeviceQueueEntry()
	}
	switch c.pick(24) {
	case 0:
		irp.KeInitializeDeviceQueue(k, q)
	case 1:
		irp.KeInsertDeviceQueue(k, q, e)
	case 2:
		irp.KeInsertByKeyDeviceQueue(k, q, e, key)
	case 3:
		irp.KeRemoveDeviceQueue(k, q)
	case 4:
		irp.KeRemoveByKeyDeviceQueue(k, q, key)
	case 5:
		irp.KeRemoveEntryDeviceQueue(k, q, e)
	case 6:
		irp.IoStartPacket(k, dev, *p, nil, c.cancel())
	case 7:
		irp.IoStartPacket(k, dev, *p, &key, c.cancel())
	case 8:
		irp.IoStartNextPacket(k, dev, c.pick(2) == 0)
	case 9:
		irp.IoStartNextPacketByKey(k, dev, c.pick(2) == 0, key)
	case 10:
		irp.IoSetStartIoAttributes(k, dev, c.pick(2) == 0, c.pick(2) == 0)
	case 11:
		if c.depth < 10 {
			*p = irp.IoAllocateIrp(k, 1, false)
			prepare(k, *p, stopIt, nil)
			irp.IoCallDriver(k, dev, *p)
		}
	case 12:
		irp.IoCancelIrp(k, *p)
	case 13:
		complete(k, *p, ok)
	case 14:
		irp.IoFreeIrp(k, *p)
	case 15:
		c.buf[i] = irp.ExAllocatePool2(k, nonPaged, 3*4096, tag)
		c.mdl[i] = mdlFor(k, c.buf[i])
	case 16:
		startCaught(func() { irp.MmProbeAndLockPages(k, c.mdl[i], irql.KernelMode, irp.IoWriteAccess) })
	case 17:
		irp.MmAdvanceMdl(k, c.mdl[i], uint32(c.pick(9000)))
	case 18:
		c.addr[i] = irp.MmAllocateMappingAddress(k, uint64(c.pick(3))*8192, tag)
	case 19:
		irp.MmMapLockedPagesWithReservedMapping(k, c.addr[i], tag, c.mdl[i], irp.MmCached)
	case 20:
		irp.MmUnmapReservedMapping(k, c.addr[c.pick(2)], tag, c.mdl[i])
	case 21:
		irp.MmFreeMappingAddress(k, c.addr[i], tag)
	case 22:
		irp.MmInitializeMdl(k, &c.own[i], c.buf[i], 4096)
		c.mdl[i] = &c.own[i]
	case 23:
		irp.IoFreeMdl(k, c.mdl[i])
	}
}

// startCaught runs fn in what is a try block in C.
func startCaught(fn func()) {
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(irql.Exception); !ok {
				panic(v)
			}
		}
	}()
	fn()
}

// TestStartIo_NoMistakeIsACrash: whatever a driver does with these routines is a finding or nothing, also in
// a run that goes on.
func TestStartIo_NoMistakeIsACrash(t *testing.T) {
	m := ke.New(ke.Config{Subsystems: subsystems.All()})
	t.Cleanup(m.Close)
	for seed := range uint64(400) {
		m.Reset(ke.Config{Subsystems: subsystems.All(), Continue: seed%4 != 0, Source: ke.NewRandom(2, seed),
			Events: ke.Off})
		c := &careless{r: ke.NewRandom(1, seed)}
		play := func() {
			c.starts = seed%3 > 0
			irp.Sim.LoadDriver(m, "careless.sys", c.entry)
			m.Run(nil)
			img := m.Images()[0]
			for range 2 {
				m.NewThread("t", nil, func(k *irql.K) {
					ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: img})
					for range 30 {
						level := irql.KeGetCurrentIrql(k)
						if c.pick(3) > 0 && level < irql.DISPATCH_LEVEL {
							irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &level)
							c.one(k)
							irql.KeLowerIrql(k, level)
						} else {
							c.one(k)
						}
					}
					ke.Pop(k)
				})
			}
			m.Run(nil)
			m.RunEndChecks()
		}
		require.NotPanics(t, play, fmt.Sprint("seed ", seed))
	}
}
