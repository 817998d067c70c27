package explore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// starter is a driver whose device does one thing at a time; it ends a request in a DPC.
type starter struct {
	image *ke.Image
	dev   *irp.DEVICE_OBJECT
	dpc   irql.KDPC
	queue irp.KDEVICE_QUEUE
	links [3]irp.KDEVICE_QUEUE_ENTRY
	look  irp.NPAGED_LOOKASIDE_LIST
	addr  any
	drv   *irp.DRIVER_OBJECT
}

func (s *starter) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	s.image, s.drv = drv.Image(), drv
	drv.MajorFunction[irp.IRP_MJ_READ] = s.plain
	drv.MajorFunction[irp.IRP_MJ_WRITE] = s.cancelable
	drv.DriverStartIo = s.start
	drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
	irql.KeInitializeDpc(k, &s.dpc, s.done, nil)
	irp.KeInitializeDeviceQueue(k, &s.queue)
	irp.ExInitializeNPagedLookasideList(k, &s.look, nil, nil, irp.POOL_NX_ALLOCATION, 16, irp.Tag("Test"), 0)
	s.addr = irp.MmAllocateMappingAddress(k, 4096, irp.Tag("Test"))
	return irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &s.dev)
}

func (s *starter) plain(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	irp.IoStartPacket(k, dev, p, nil, s.cancelled)
	return ntstatus.STATUS_PENDING
}

func (s *starter) cancelable(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	key := uint32(7)
	irp.IoStartPacket(k, dev, p, &key, s.cancelled)
	return ntstatus.STATUS_PENDING
}

func (s *starter) start(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
	var old irql.KIRQL
	irp.IoAcquireCancelSpinLock(k, &old)
	if p.Cancel() {
		irp.IoReleaseCancelSpinLock(k, old)
		irp.IoStartNextPacket(k, dev, true)
		finish(k, p, ntstatus.STATUS_CANCELLED)
		return
	}
	irp.IoSetCancelRoutine(k, p, nil)
	irp.IoReleaseCancelSpinLock(k, old)
	irql.KeInsertQueueDpc(k, &s.dpc, nil, nil)
}

func (s *starter) done(k *irql.K, _ *irql.KDPC, _, _, _ any) {
	p := s.dev.CurrentIrp()
	irp.IoStartNextPacket(k, s.dev, true)
	finish(k, p, ntstatus.STATUS_SUCCESS)
}

func (s *starter) cancelled(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP) {
	mine := p != dev.CurrentIrp() && irp.KeRemoveEntryDeviceQueue(k, &dev.DeviceQueue, p.DeviceQueueEntry())
	irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
	if mine {
		finish(k, p, ntstatus.STATUS_CANCELLED)
	}
}

// ask sends a request and waits for its end.
func (s *starter) ask(k *irql.K, major uint8, cancel bool) {
	var event irql.KEVENT
	irql.KeInitializeEvent(k, &event, irql.NotificationEvent, false)
	p := irp.IoAllocateIrp(k, 1, false)
	irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(major)
	irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP, ctx any,
	) ntstatus.NTSTATUS {
		irql.KeSetEvent(k, ctx.(*irql.KEVENT), 0, false)
		return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
	}, &event, true, true, true)
	irp.IoCallDriver(k, s.dev, p)
	if cancel {
		irp.IoCancelIrp(k, p)
	}
	irql.KeWaitForSingleObject(k, &event, irql.Executive, irql.KernelMode, false, nil)
	ke.Sees(k, uint64(p.IoStatus().Status))
	irp.IoFreeIrp(k, p)
}

// raised runs fn as the driver at DISPATCH_LEVEL.
func (s *starter) raised(k *irql.K, fn func()) {
	as(k, s.image, func(k *irql.K) {
		var old irql.KIRQL
		irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
		fn()
		irql.KeLowerIrql(k, old)
	})
}

// insert puts the first entry that is in no queue into the driver's own.
func (s *starter) insert(k *irql.K, i int) {
	s.raised(k, func() {
		if !irp.KeRemoveEntryDeviceQueue(k, &s.queue, &s.links[i]) {
			ke.Sees(k, bit(irp.KeInsertByKeyDeviceQueue(k, &s.queue, &s.links[i], uint32(i))))
		}
	})
}

// starts are what a thread of a program over such a driver can do.
var starts = []act[starter]{
	{"ask", func(k *irql.K, s *starter) { s.ask(k, irp.IRP_MJ_READ, false) }},
	{"asklater", func(k *irql.K, s *starter) { s.ask(k, irp.IRP_MJ_WRITE, false) }},
	{"cancel", func(k *irql.K, s *starter) { s.ask(k, irp.IRP_MJ_READ, true) }},
	{"insert0", func(k *irql.K, s *starter) { s.insert(k, 0) }},
	{"insert1", func(k *irql.K, s *starter) { s.insert(k, 1) }},
	{"first", func(k *irql.K, s *starter) {
		s.raised(k, func() { ke.Sees(k, bit(irp.KeRemoveDeviceQueue(k, &s.queue) != nil)) })
	}},
	{"current", func(k *irql.K, s *starter) { ke.Sees(k, bit(s.dev.CurrentIrp() != nil)) }},
	{"attributes", func(k *irql.K, s *starter) { irp.IoSetStartIoAttributes(k, s.dev, true, false) }},
	{"extend", func(k *irql.K, s *starter) {
		var b *irp.Buffer
		ke.Sees(k, uint64(irp.IoAllocateDriverObjectExtension(k, s.drv, s, 8, &b)))
	}},
	{"extension", func(k *irql.K, s *starter) {
		ke.Sees(k, bit(irp.IoGetDriverObjectExtension(k, s.drv, s) != nil))
	}},
	{"look", func(k *irql.K, s *starter) {
		as(k, s.image, func(k *irql.K) {
			irp.ExFreeToNPagedLookasideList(k, &s.look, irp.ExAllocateFromNPagedLookasideList(k, &s.look))
		})
	}},
	{"lowest", func(k *irql.K, s *starter) {
		irp.ObDereferenceObject(k, irp.IoGetDeviceAttachmentBaseRef(k, s.dev))
	}},
}

// TestSearch_RandomStartIoLosesNoOutcome is TestSearch_RandomProgramsLoseNoOutcome for device queues and
// StartIo.
//
// Reference: scheduling.md 17 (reduction oracle).
func TestSearch_RandomStartIoLosesNoOutcome(t *testing.T) {
	o := oracle{names: names(starts), limit: 1000, samples: 200, size: 4}
	o.run(t, 19, 40, func(p program, _ *ke.Random) scene {
		return func(m *ke.Machine) {
			s := &starter{}
			irp.Sim.LoadDriver(m, "starter.sys", s.entry)
			m.Run(nil)
			img := m.NewImage("tester.sys")
			for _, list := range p {
				m.NewThread("t", nil, func(k *irql.K) {
					as(k, img, func(k *irql.K) {
						for _, a := range list {
							starts[a].do(k, s)
						}
					})
				})
			}
		}
	})
	require.Greater(t, o.compared+o.sampled, 20)
}
