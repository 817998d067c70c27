package corpus

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// routines are scenarios of DPCs, timers, work items and rundown protection.
func routines() []Scenario {
	return []Scenario{
		{Name: "DPC versus thread", Bug: "an update is lost", Build: dpcVersusThread},
		{Name: "work item versus unload", Bug: "the work item touches what is gone",
			Build: func(l *Lab) { workItem(l, false) }},
		{Name: "work item, signals last", Build: func(l *Lab) { workItem(l, true) }},
		{Name: "timer versus cancel", Bug: "the DPC touches what is gone", Timers: true,
			Build: func(l *Lab) { timer(l, false) }},
		{Name: "timer, result of the cancel is heeded", Timers: true, Build: func(l *Lab) { timer(l, true) }},
		{Name: "rundown without a wait", Bug: "an object is used after the rundown",
			Build: func(l *Lab) { rundown(l, false) }},
		{Name: "rundown", Build: func(l *Lab) { rundown(l, true) }},
	}
}

func dpcVersusThread(l *Lab) {
	var sum number
	d := &irql.KDPC{}
	l.setUp(func(k *irql.K) {
		irql.KeInitializeDpc(k, d, func(k *irql.K, _ *irql.KDPC, _, _, _ any) { increment(k, &sum) }, nil)
	})
	l.thread("queues", func(k *irql.K) { irql.KeInsertQueueDpc(k, d, nil, nil) })
	l.thread("increments", func(k *irql.K) { increment(k, &sum) })
	l.after(func() string { return lost(sum.Peek(), 2) })
}

// workItem is an unload routine that waits for a work item. The item signals that it is done before, or
// after, its last use of what the unload routine takes away.
func workItem(l *Lab, signalsLast bool) {
	var dev *irp.DEVICE_OBJECT
	drv := irp.Sim.LoadDriver(l.m, "worker.sys",
		func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			return irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
		})
	l.m.Run(nil)
	if dev == nil {
		return
	}
	var used, gone number
	done := &event{}
	l.threadOf(drv.Image(), "unload", func(k *irql.K) {
		done.init(k, irql.NotificationEvent)
		w := irp.IoAllocateWorkItem(k, dev)
		if w == nil {
			return
		}
		irp.IoQueueWorkItem(k, w, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
			if !signalsLast {
				done.set(k)
			}
			used.Store(k, 1)
			l.failIf(gone.Load(k) != 0, "the work item touches what the unload routine took away")
			irp.IoFreeWorkItem(k, w)
			if signalsLast {
				done.set(k)
			}
		}, irp.DelayedWorkQueue, nil)
		done.wait(k)
		gone.Store(k, 1)
	})
}

// timer is a driver that frees the context of a timer's DPC after it has cancelled the timer. If the timer
// was not armed any more, its DPC may still be queued or running.
func timer(l *Lab, heeds bool) {
	var used, gone number
	t, d, ran := &irql.KTIMER{}, &irql.KDPC{}, &event{}
	l.setUp(func(k *irql.K) {
		irql.KeInitializeTimer(k, t)
		ran.init(k, irql.NotificationEvent)
		irql.KeInitializeDpc(k, d, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
			used.Store(k, 1)
			l.failIf(gone.Load(k) != 0, "the DPC touches what was freed after KeCancelTimer")
			ran.set(k)
		}, nil)
	})
	l.thread("owner", func(k *irql.K) {
		irql.KeSetTimer(k, t, -10_000, d)
		pad(k, 2)
		if !irql.KeCancelTimer(k, t) && heeds {
			ran.wait(k)
		}
		gone.Store(k, 1)
	})
	l.thread("other", func(k *irql.K) { pad(k, 3) })
}

// rundown is an object that two threads use and a third takes away.
func rundown(l *Lab, waits bool) {
	ref := &irql.EX_RUNDOWN_REF{}
	var used, gone number
	l.setUp(func(k *irql.K) { irql.ExInitializeRundownProtection(k, ref) })
	l.threads(2, func(k *irql.K, _ int) {
		if !irql.ExAcquireRundownProtection(k, ref) {
			return
		}
		used.Load(k)
		l.failIf(gone.Load(k) != 0, "an object is used after the rundown")
		irql.ExReleaseRundownProtection(k, ref)
	})
	var closing number
	l.thread("closer", func(k *irql.K) {
		closing.Store(k, 1)
		if waits {
			irql.ExWaitForRundownProtectionRelease(k, ref)
		}
		gone.Store(k, 1)
	})
}
