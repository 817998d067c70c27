package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// IRPs in memory that their driver provides.

// irpBytes is what a driver allocates for an IRP of n locations.
func irpBytes(n int8) uint64 { return uint64(irp.IoSizeOfIrp(n)) }

// sendFrom initialises the IRP in p and sends it to a driver, and waits if that pends it.
func sendFrom(k *irql.K, p *irp.IRP, d *driver) ntstatus.NTSTATUS {
	event := irql.OnStack[irql.KEVENT](k)
	irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
	irp.IoInitializeIrp(k, p, irp.IoSizeOfIrp(1), 1)
	prepare(k, p, signalIfPended, event)
	s := irp.IoCallDriver(k, d.dev, p)
	if s == pending {
		waitFor(k, event)
	}
	return p.IoStatus().Status
}

// start sends the IRP in p to a driver that keeps it.
func start(k *irql.K, p *irp.IRP, d *driver) {
	irp.IoInitializeIrp(k, p, irp.IoSizeOfIrp(1), 1)
	prepare(k, p, stopIt, nil)
	irp.IoCallDriver(k, d.dev, p)
}

// memories are the kinds of memory that an IRP may lie in: each gives act one, and takes it back.
var memories = []named[func(k *irql.K, act func(p *irp.IRP))]{
	{"pool bytes", func(k *irql.K, act func(p *irp.IRP)) {
		b := alloc(k, irpBytes(1))
		act(irp.As[irp.IRP](b))
		free(k, b)
	}},
	{"typed pool", func(k *irql.K, act func(p *irp.IRP)) {
		mem := irp.New[irp.IRP](k, nonPaged, tag)
		act(mem.Get())
		irp.Free(k, mem, tag)
	}},
	{"member", func(k *irql.K, act func(p *irp.IRP)) {
		type context struct {
			_ int
			p irp.IRP
		}
		mem := irp.New[context](k, nonPaged, tag)
		act(&mem.Get().p)
		irp.Free(k, mem, tag)
	}},
	{"lookaside entry", func(k *irql.K, act func(p *irp.IRP)) {
		var l irp.NPAGED_LOOKASIDE_LIST
		irp.ExInitializeNPagedLookasideList(k, &l, nil, nil, irp.POOL_NX_ALLOCATION, irpBytes(1), tag, 0)
		b := irp.ExAllocateFromNPagedLookasideList(k, &l)
		act(irp.As[irp.IRP](b))
		irp.ExFreeToNPagedLookasideList(k, &l, b)
		irp.ExDeleteNPagedLookasideList(k, &l)
	}},
	{"lookaside entry of a newer list", func(k *irql.K, act func(p *irp.IRP)) {
		var l irp.LOOKASIDE_LIST_EX
		irp.ExInitializeLookasideListEx(k, &l, nil, nil, irp.NonPagedPoolNx, 0, irpBytes(1), tag, 0)
		b := irp.ExAllocateFromLookasideListEx(k, &l)
		act(irp.As[irp.IRP](b))
		irp.ExFreeToLookasideListEx(k, &l, b)
		irp.ExDeleteLookasideListEx(k, &l)
	}},
	{"global", func(_ *irql.K, act func(p *irp.IRP)) { act(new(irp.IRP)) }},
}

func TestIoInitializeIrp_InEveryKindOfMemory(t *testing.T) {
	for _, c := range memories {
		for _, low := range []dispatch{completes(ok), pends(failed)} {
			passes(t, func(l *lab) {
				st := l.stack(low)
				l.run(func(k *irql.K) {
					c.do(k, func(p *irp.IRP) {
						for range 2 {
							sendFrom(k, p, st[0])
						}
						irp.IoReuseIrp(k, p, ok)
					})
				})
			})
		}
	}
}

// TestIoInitializeIrp_MemoryGoesWhileInFlight: what goes is reported, whatever it is.
func TestIoInitializeIrp_MemoryGoesWhileInFlight(t *testing.T) {
	for _, c := range memories {
		if c.name == "global" {
			continue
		}
		f := tripsEach(t, verify.POOL_018, func(l *lab) {
			st := l.stack(keeps)
			l.run(func(k *irql.K) { c.do(k, func(p *irp.IRP) { start(k, p, st[0]) }) })
		})
		assert.Contains(t, f.Headline, "irp#1, which is an IRP in use", c.name)
	}
}

func TestIoInitializeIrp_FreedWithIoFreeIrp(t *testing.T) {
	for _, c := range memories {
		tripsEach(t, verify.IRP_033, does(func(k *irql.K) {
			c.do(k, func(p *irp.IRP) {
				irp.IoInitializeIrp(k, p, irp.IoSizeOfIrp(1), 1)
				irp.IoFreeIrp(k, p)
			})
		}))
	}
}

func TestIoInitializeIrp_UsedAfterItsMemory(t *testing.T) {
	tripsEach(t, verify.IRP_005, does(func(k *irql.K) {
		b := alloc(k, irpBytes(1))
		p := irp.As[irp.IRP](b)
		irp.IoInitializeIrp(k, p, irp.IoSizeOfIrp(1), 1)
		free(k, b)
		p.IoStatus()
	}))
	tripsEach(t, verify.POOL_013, does(func(k *irql.K) {
		b := alloc(k, irpBytes(1))
		free(k, b)
		irp.As[irp.IRP](b)
	}))
}

func TestIoInitializeIrp_Sizes(t *testing.T) {
	tripsEach(t, verify.POOL_011, does(func(k *irql.K) { // the memory is too small for the packet
		irp.IoInitializeIrp(k, irp.As[irp.IRP](alloc(k, irpBytes(1))), irp.IoSizeOfIrp(2), 2)
	}))
	f := tripsEach(t, verify.IRP_018, does(func(k *irql.K) { // the packet is too small for the locations
		irp.IoInitializeIrp(k, new(irp.IRP), irp.IoSizeOfIrp(1), 2)
	}))
	assert.Contains(t, f.Headline, "no room for")
	passes(t, does(func(k *irql.K) { // more than is needed
		b := alloc(k, irpBytes(3))
		irp.IoInitializeIrp(k, irp.As[irp.IRP](b), irp.IoSizeOfIrp(3), 2)
		free(k, b)
	}))
	tripsEach(t, verify.IRQL_018, does(func(k *irql.K) {
		irp.IoInitializeIrp(k, irp.As[irp.IRP](irp.ExAllocatePool2(k, paged, irpBytes(1), tag)),
			irp.IoSizeOfIrp(1), 1)
	}))
}

func TestIoInitializeIrp_OnTheStack(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(pends(ok))
		l.run(func(k *irql.K) {
			assert.Equal(t, ok, sendFrom(k, irp.StackVar[irp.IRP](k).Get(), st[0]))
		})
	})
	trips(t, verify.POOL_026, func(l *lab) {
		st := l.stack(keeps)
		l.run(func(k *irql.K) { start(k, irp.StackVar[irp.IRP](k).Get(), st[0]) })
	})
}

// ownExtension is a device extension with an IRP for the driver's own requests.
type ownExtension struct{ own irp.IRP }

// inExtension gives act a device with such an extension; size is what IoCreateDevice is asked for.
func inExtension(size uint32, low dispatch,
	act func(k *irql.K, dev *irp.DEVICE_OBJECT, d *driver)) func(l *lab) {
	return func(l *lab) {
		st := l.stack(low)
		l.run(func(k *irql.K) {
			var dev *irp.DEVICE_OBJECT
			irp.IoCreateDevice(k, l.client, size, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
			dev.DeviceExtension = &ownExtension{}
			dev.Flags &^= irp.DO_DEVICE_INITIALIZING
			act(k, dev, st[0])
		})
	}
}

func TestIoInitializeIrp_InTheDeviceExtension(t *testing.T) {
	const size = 512
	own := func(dev *irp.DEVICE_OBJECT) *irp.IRP { return &dev.DeviceExtension.(*ownExtension).own }
	passes(t, inExtension(size, pends(ok), func(k *irql.K, dev *irp.DEVICE_OBJECT, d *driver) {
		sendFrom(k, own(dev), d)
		irp.IoDeleteDevice(k, dev)
	}))
	tripsEach(t, verify.POOL_018, inExtension(size, keeps, func(k *irql.K, dev *irp.DEVICE_OBJECT,
		d *driver) {
		start(k, own(dev), d)
		irp.IoDeleteDevice(k, dev)
	}))
	passes(t, inExtension(size, keeps, func(k *irql.K, dev *irp.DEVICE_OBJECT, d *driver) {
		irp.ObReferenceObject(k, dev) // the device stays until the IRP is back
		start(k, own(dev), d)
		irp.IoDeleteDevice(k, dev)
		d.completeLater(d.kept, ok)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, new(int64(-10000)))
		irp.ObDereferenceObject(k, dev)
	}))
	tripsEach(t, verify.IRP_005, inExtension(size, completes(ok), func(k *irql.K, dev *irp.DEVICE_OBJECT,
		d *driver) {
		p := own(dev)
		sendFrom(k, p, d)
		irp.IoDeleteDevice(k, dev)
		p.IoStatus()
	}))
	passes(t, inExtension(0, keeps, func(k *irql.K, dev *irp.DEVICE_OBJECT, d *driver) { // a global, in C
		start(k, own(dev), d)
		irp.IoDeleteDevice(k, dev)
		d.completeLater(d.kept, ok)
	}))
}
