package sim

import (
	"testing"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// small is a scenario of three threads with five scheduling points each (scheduling.md 16).
func small(m *Machine) {
	for _, name := range []string{"a", "b", "c"} {
		m.Thread(name, func(k *ke.K) {
			for range 5 {
				touch(k, 0)
			}
		})
	}
	m.Run()
}

func benchExplore(b *testing.B, workers int, fn func(*Machine)) {
	b.ReportAllocs()
	o := ExploreOptions{Runs: b.N, Seed0: 1, Workers: workers, Strategy: "random"}
	o.shards = 1
	if err := o.complete(true); err != nil {
		b.Fatal(err)
	}
	e := &explorer{tb: b, o: o, fn: fn, name: b.Name()}
	if err := e.spread(nil); err != nil {
		b.Fatal(err)
	}
	r := e.explore()
	b.ReportMetric(float64(r.Runs)/b.Elapsed().Seconds(), "runs/s")
}

// BenchmarkExplore3x5 is what one schedule of a tiny scenario costs (goal: 250 000 in a second).
func BenchmarkExplore3x5(b *testing.B) { benchExplore(b, 1, small) }

// BenchmarkExplore3x5TwoWorkers is the same with two machines side by side (goal: 1.8 times one of them).
func BenchmarkExplore3x5TwoWorkers(b *testing.B) { benchExplore(b, 2, small) }

// smallIRP is the small scenario with a request: three contexts and sixteen points (scheduling.md 16).
func smallIRP() func(m *Machine) {
	s := &smallDriver{}
	return func(m *Machine) {
		*s = smallDriver{}
		if _, status := m.LoadStatus("lower.sys", s.entry); !ntstatus.NT_SUCCESS(status) {
			return // the device could not be made
		}
		m.Thread("client.sys", s.client)
		m.Thread("other.sys", func(k *ke.K) {
			for range 3 {
				touch(k, 0)
			}
		})
		m.Run()
	}
}

// smallDriver pends a request and completes it from a DPC; its client waits.
type smallDriver struct {
	device *irp.DEVICE_OBJECT
	held   *irp.IRP
	dpc    irql.KDPC
	done   irql.KEVENT
}

func (d *smallDriver) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = d.pend
	irql.KeInitializeDpc(k, &d.dpc, d.answer, nil)
	return irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &d.device)
}

func (d *smallDriver) pend(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	irp.IoMarkIrpPending(k, p)
	d.held = p
	irql.KeInsertQueueDpc(k, &d.dpc, nil, nil)
	return ntstatus.STATUS_PENDING
}

func (d *smallDriver) answer(k *irql.K, _ *irql.KDPC, _, _, _ any) {
	d.held.IoStatus().Status = ntstatus.STATUS_SUCCESS
	irp.IoCompleteRequest(k, d.held, irp.IO_NO_INCREMENT)
}

func (d *smallDriver) client(k *irql.K) {
	irql.KeInitializeEvent(k, &d.done, irql.NotificationEvent, false)
	p := irp.IoAllocateIrp(k, d.device.StackSize, false)
	if p == nil {
		return
	}
	irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(irp.IRP_MJ_DEVICE_CONTROL)
	irp.IoSetCompletionRoutine(k, p, d.finished, nil, true, true, true)
	irp.IoCallDriver(k, d.device, p)
	irql.KeWaitForSingleObject(k, &d.done, irql.Executive, irql.KernelMode, false, nil)
	irp.IoFreeIrp(k, p)
}

func (d *smallDriver) finished(
	k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP, _ any,
) ntstatus.NTSTATUS {
	irql.KeSetEvent(k, &d.done, 0, false)
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}

// BenchmarkExploreIRP is what one schedule of a small IRP scenario costs (goal: 150 000 in a second).
func BenchmarkExploreIRP(b *testing.B) { benchExplore(b, 1, smallIRP()) }

// BenchmarkProof is the whole search of useAfterFree, fixed, with three unrelated threads (goal: 10 ms).
func BenchmarkProof(b *testing.B) {
	for range b.N {
		o := ExploreOptions{Options: Options{Collect: true}, Strategy: "dpor"}
		r := Explore(b, o, useAfterFree(true, 3, 4))
		if !r.Complete {
			b.Fatal(r.Covered)
		}
	}
}
