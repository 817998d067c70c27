package sim_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/sim"
)

// giver is a driver that hands a control request over to somebody who completes it, and looks once more.
type giver struct {
	dev  *irp.DEVICE_OBJECT
	item *irp.IO_WORKITEM
	dpc  irql.KDPC
	lock irql.KSPIN_LOCK
	work irql.KEVENT
	list irp.LIST_ENTRY
	give func(k *irql.K, g *giver, p *irp.IRP)
	look func(k *irql.K, s *seenBefore)
}

// seenBefore is what the driver has of its request when it gives that away.
type seenBefore struct {
	p   *irp.IRP
	loc *irp.IO_STACK_LOCATION
	buf *irp.Buffer
}

const giverCode = 0x222000

func finished(k *irql.K, p *irp.IRP) {
	p.IoStatus().Status = ntstatus.STATUS_SUCCESS
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
}

func (g *giver) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	done := func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
		finished(k, p)
		return ntstatus.STATUS_SUCCESS
	}
	drv.MajorFunction[irp.IRP_MJ_CREATE], drv.MajorFunction[irp.IRP_MJ_CLOSE] = done, done
	drv.MajorFunction[irp.IRP_MJ_CLEANUP] = done
	drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = g.control
	drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
		irql.KeFlushQueuedDpcs(k)
		irp.IoFreeWorkItem(k, g.item)
		irp.IoDeleteDevice(k, g.dev)
	}
	irql.KeInitializeSpinLock(k, &g.lock)
	irp.InitializeListHead(k, &g.list)
	s := irp.IoCreateDevice(k, drv, 0, `\Device\Giver`, irp.FILE_DEVICE_UNKNOWN, 0, false, &g.dev)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	if g.item = irp.IoAllocateWorkItem(k, g.dev); g.item == nil {
		irp.IoDeleteDevice(k, g.dev)
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	return s
}

func (g *giver) control(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	s := &seenBefore{p, irp.IoGetCurrentIrpStackLocation(k, p), p.AssociatedIrp().SystemBuffer}
	irp.IoMarkIrpPending(k, p)
	g.give(k, g, p)
	g.look(k, s)
	return ntstatus.STATUS_PENDING
}

func (g *giver) worker(k *irql.K, _ *irp.DEVICE_OBJECT, c any) { finished(k, c.(*irp.IRP)) }

// take completes what is in the list, and reports whether there was something.
func (g *giver) take(k *irql.K) bool {
	var old irql.KIRQL
	var p *irp.IRP
	irql.KeAcquireSpinLock(k, &g.lock, &old)
	if !irp.IsListEmpty(k, &g.list) {
		p = irp.CONTAINING_RECORD[irp.IRP](irp.RemoveHeadList(k, &g.list))
	}
	irql.KeReleaseSpinLock(k, &g.lock, old)
	if p != nil {
		finished(k, p)
	}
	return p != nil
}

var gives = map[string]func(k *irql.K, g *giver, p *irp.IRP){
	"work item": func(k *irql.K, g *giver, p *irp.IRP) {
		irp.IoQueueWorkItem(k, g.item, g.worker, irp.DelayedWorkQueue, p)
	},
	"DPC of another processor": func(k *irql.K, g *giver, p *irp.IRP) {
		irql.KeInitializeDpc(k, &g.dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) { finished(k, p) }, nil)
		irql.KeSetTargetProcessorDpc(k, &g.dpc, 1)
		irql.KeInsertQueueDpc(k, &g.dpc, nil, nil)
	},
	"list under a lock": func(k *irql.K, g *giver, p *irp.IRP) {
		irp.IoQueueWorkItem(k, g.item, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
			for later := int64(-10_000); !g.take(k); {
				irql.KeDelayExecutionThread(k, irql.KernelMode, false, &later)
			}
		}, irp.DelayedWorkQueue, nil)
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, &g.lock, &old)
		irp.InsertTailList(k, &g.list, p.ListEntry())
		irql.KeReleaseSpinLock(k, &g.lock, old)
	},
	"event": func(k *irql.K, g *giver, p *irp.IRP) {
		irql.KeInitializeEvent(k, &g.work, irql.NotificationEvent, false)
		irp.IoQueueWorkItem(k, g.item, func(k *irql.K, d *irp.DEVICE_OBJECT, c any) {
			irql.KeWaitForSingleObject(k, &g.work, irql.Executive, irql.KernelMode, false, nil)
			finished(k, p)
		}, irp.DelayedWorkQueue, nil)
		p.DriverContext()[0] = g // still the driver's
		irql.KeSetEvent(k, &g.work, 0, false)
	},
}

var looks = map[string]struct {
	rule string
	do   func(k *irql.K, s *seenBefore)
}{
	"status":      {"IRP-005", func(_ *irql.K, s *seenBefore) { _ = s.p.IoStatus().Status }},
	"cancel":      {"IRP-005", func(_ *irql.K, s *seenBefore) { s.p.Cancel() }},
	"location":    {"IRP-005", func(k *irql.K, s *seenBefore) { irp.IoGetCurrentIrpStackLocation(k, s.p) }},
	"parameters":  {"IRP-005", func(_ *irql.K, s *seenBefore) { s.loc.Parameters() }},
	"major":       {"IRP-005", func(_ *irql.K, s *seenBefore) { s.loc.MajorFunction() }},
	"flags":       {"IRP-005", func(_ *irql.K, s *seenBefore) { s.p.Flags() }},
	"flags again": {"IRP-005", func(k *irql.K, s *seenBefore) { s.loc.Flags() }},
	"buffer":      {"POOL-013", func(_ *irql.K, s *seenBefore) { s.buf.Load8(0) }},
}

func TestHandover_RequestIsUsedOnceMore(t *testing.T) {
	for _, how := range sorted(gives) {
		for _, look := range sorted(looks) {
			for _, strategy := range sampledAndProved {
				t.Run(fmt.Sprint(how, ", ", look, ", ", strategy), func(t *testing.T) {
					findsFrom(t, strategy, looks[look].rule, oneRequest(&giver{give: gives[how],
						look: looks[look].do}))
				})
			}
		}
	}
}

// The near miss keeps a copy of what it needs.
func TestHandover_RequestIsNotUsedAgain(t *testing.T) {
	for _, how := range sorted(gives) {
		r := sim.Explore(t, sim.ExploreOptions{Strategy: "dpor"}, oneRequest(&giver{give: gives[how],
			look: func(*irql.K, *seenBefore) {}}))
		assert.True(t, r.Complete, "%s: %s", how, r.Covered)
	}
}

func oneRequest(like *giver) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		g := &giver{give: like.give, look: like.look}
		if _, s := m.LoadStatus("giver.sys", g.entry); !ntstatus.NT_SUCCESS(s) || m.Ended() {
			return
		}
		m.Process("app.exe").Go("main", func(u *sim.User) {
			if h, err := u.Open(`\\.\GLOBALROOT\Device\Giver`); err == nil {
				h.Ioctl(giverCode, make([]byte, 4), make([]byte, 4))
				h.Close()
			}
		})
		m.Run()
		m.Unload("giver.sys")
	}
}
