package sim_test

import (
	"fmt"
	"testing"
	"time"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/sim"
)

// sober is a driver with one device that pends control requests. What is
// different in each is start, give and stop.
type sober struct {
	dev   *irp.DEVICE_OBJECT
	drv   *irp.DRIVER_OBJECT
	start func(k *irql.K, d *sober)
	give  func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS
	stop  func(k *irql.K, d *sober)
	clean func(k *irql.K, d *sober)

	lock irql.KSPIN_LOCK
	list irp.LIST_ENTRY
	run  irql.EX_RUNDOWN_REF
	dpc  irql.KDPC
	tick irql.KTIMER
	ex   *irql.EX_TIMER
	rl   irp.IO_REMOVE_LOCK
	csq  irp.IO_CSQ
	done irql.KEVENT
	look irp.LOOKASIDE_LIST_EX
	left irql.Var[int32]
	cb   *irp.CALLBACK_OBJECT
	reg  any
}

func (d *sober) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	d.drv = drv
	done := func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
		if d.clean != nil && irp.IoGetCurrentIrpStackLocation(k, p).MajorFunction() == irp.IRP_MJ_CLEANUP {
			d.clean(k, d)
		}
		finished(k, p)
		return ntstatus.STATUS_SUCCESS
	}
	drv.MajorFunction[irp.IRP_MJ_CREATE], drv.MajorFunction[irp.IRP_MJ_CLOSE] = done, done
	drv.MajorFunction[irp.IRP_MJ_CLEANUP] = done
	drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = func(k *irql.K, _ *irp.DEVICE_OBJECT,
		p *irp.IRP) ntstatus.NTSTATUS {
		return d.give(k, d, p)
	}
	drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
		irp.IoDeleteSymbolicLink(k, `\DosDevices\Sober`)
		if d.stop != nil {
			d.stop(k, d)
		}
		irp.IoDeleteDevice(k, d.dev)
	}
	s := irp.IoCreateDevice(k, drv, 0, `\Device\Sober`, irp.FILE_DEVICE_UNKNOWN, irp.FILE_DEVICE_SECURE_OPEN,
		false, &d.dev)
	if !ntstatus.NT_SUCCESS(s) {
		return s
	}
	irql.KeInitializeSpinLock(k, &d.lock)
	irp.InitializeListHead(k, &d.list)
	irql.ExInitializeRundownProtection(k, &d.run)
	irql.KeInitializeTimer(k, &d.tick)
	irp.IoInitializeRemoveLock(k, &d.rl, handTag, 0, 0)
	if s = irp.IoCreateSymbolicLink(k, `\DosDevices\Sober`, `\Device\Sober`); !ntstatus.NT_SUCCESS(s) {
		irp.IoDeleteDevice(k, d.dev)
		return s
	}
	if d.start != nil {
		d.start(k, d)
	}
	return s
}

func (d *sober) pend(k *irql.K, p *irp.IRP, fn func(k *irql.K)) ntstatus.NTSTATUS {
	w := irp.IoAllocateWorkItem(k, d.dev)
	if w == nil {
		p.IoStatus().Status = ntstatus.STATUS_INSUFFICIENT_RESOURCES
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	irp.IoMarkIrpPending(k, p)
	irp.IoQueueWorkItem(k, w, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
		irp.IoFreeWorkItem(k, w)
		fn(k)
	}, irp.DelayedWorkQueue, nil)
	return ntstatus.STATUS_PENDING
}

func fails(k *irql.K, p *irp.IRP, s ntstatus.NTSTATUS) ntstatus.NTSTATUS {
	p.IoStatus().Status = s
	irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
	return s
}

func (d *sober) sync(k *irql.K) irql.KIRQL {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &d.lock, &old)
	return old
}

func (d *sober) next() *irp.IRP {
	if d.list.Flink == &d.list {
		return nil
	}
	return irp.CONTAINING_RECORD[irp.IRP](d.list.Flink)
}

func (d *sober) queue(k *irql.K) {
	irp.IoCsqInitialize(k, &d.csq,
		func(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) { irp.InsertTailList(k, &d.list, p.ListEntry()) },
		func(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) { irp.RemoveEntryList(k, p.ListEntry()) },
		func(_ *irql.K, _ *irp.IO_CSQ, p *irp.IRP, _ any) *irp.IRP {
			e := d.list.Flink
			if p != nil {
				e = p.ListEntry().Flink
			}
			if e == &d.list {
				return nil
			}
			return irp.CONTAINING_RECORD[irp.IRP](e)
		},
		func(k *irql.K, _ *irp.IO_CSQ, old *irql.KIRQL) { irql.KeAcquireSpinLock(k, &d.lock, old) },
		func(k *irql.K, _ *irp.IO_CSQ, old irql.KIRQL) { irql.KeReleaseSpinLock(k, &d.lock, old) },
		func(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) { fails(k, p, ntstatus.STATUS_CANCELLED) })
}

// playSober uses the driver from two threads, one of which cancels.
func playSober(d *sober) func(m *sim.Machine) {
	return func(m *sim.Machine) {
		if _, s := m.LoadStatus("sober.sys", d.entry); !ntstatus.NT_SUCCESS(s) || m.Ended() {
			return
		}
		p := m.Process("app.exe")
		for i := range 2 {
			p.Go(fmt.Sprint("thread ", i), func(u *sim.User) {
				h, err := u.Open(`\\.\Sober`)
				if err != nil {
					return
				}
				if i == 0 {
					h.Ioctl(giverCode, nil, nil)
				} else {
					h.StartIoctl(giverCode, nil, nil)
					u.Sleep(time.Millisecond)
					h.Cancel()
				}
				h.Close()
			})
		}
		m.Run()
		m.Unload("sober.sys")
	}
}

// A driver without a mistake is not blamed, whoever chooses the schedule.
func TestCorrectDrivers_AreNotBlamed(t *testing.T) {
	options := map[string]sim.Options{"": {}, "timers race": {TimersRace: true},
		"forced": {ForcePending: true}}
	for name, mk := range sobers {
		t.Run(name, func(t *testing.T) {
			for how, o := range options {
				for _, strategy := range []string{"portfolio", "dpor", "preempt2"} {
					o.Collect, o.NoStacks = true, true
					r := sim.Explore(t, sim.ExploreOptions{Runs: 60, Strategy: strategy, KeepGoing: true,
						Options: o},
						func(m *sim.Machine) { playSober(mk())(m) })
					for _, f := range r.Failures {
						t.Errorf("%s, %s %s: %v %s\n%s", name, strategy, how, f.Rules, f.Headline, f.Report)
					}
					for _, h := range r.Hazards {
						t.Errorf("%s, %s %s: hazard %v %s", name, strategy, how, h.Rule, h.Headline)
					}
				}
			}
		})
	}
}
