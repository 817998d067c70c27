package corpus

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// requests are scenarios with one IRP.
func requests() []Scenario {
	const early = "the completion routine frees the buffer before the dispatcher reads it"
	all := []Scenario{
		{Name: "IRP use after free", Bug: early, Build: func(l *Lab) { request(l, false) }},
		{Name: "IRP, waits before it reads", Build: func(l *Lab) { request(l, true) }},
	}
	for _, n := range []int{4, 40} {
		all = append(all, Scenario{Name: fmt.Sprintf("IRP use after free + 3x%d", n), Bug: early,
			Build: func(l *Lab) { request(l, false); bystanders(l, 3, n) }},
			Scenario{Name: fmt.Sprintf("IRP, waits before it reads + 3x%d", n),
				Build: func(l *Lab) { request(l, true); bystanders(l, 3, n) }})
	}
	return all
}

// bystanders are threads that have nothing to do with anybody.
func bystanders(l *Lab, n, calls int) {
	for i := range n {
		l.thread(fmt.Sprint("bystander ", i), func(k *irql.K) {
			own := &event{}
			own.init(k, irql.NotificationEvent)
			for range calls {
				own.set(k)
			}
		})
	}
}

// request sends one IRP to a driver that completes it from a thread of its own, and reads the buffer
// afterwards. fixed says that it waits before, and that the buffer is freed after.
func request(l *Lab, fixed bool) {
	client, dev := drivers(l)
	if dev == nil {
		return // the load has failed, as it may
	}
	l.threadOf(client.Image(), "dispatcher", func(k *irql.K) {
		tag := irp.Tag("corp")
		p := irp.IoAllocateIrp(k, dev.StackSize, false)
		buffer := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 8, tag)
		if p == nil || buffer == nil {
			if p != nil {
				irp.IoFreeIrp(k, p)
			}
			if buffer != nil {
				irp.ExFreePoolWithTag(k, buffer, tag)
			}
			return
		}
		done := irql.OnStack[irql.KEVENT](k)
		irql.KeInitializeEvent(k, done, irql.NotificationEvent, false)
		irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(irp.IRP_MJ_DEVICE_CONTROL)
		irp.IoSetCompletionRoutine(k, p,
			func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
				irp.IoFreeIrp(k, p)
				if fixed {
					irql.KeSetEvent(k, done, irp.IO_NO_INCREMENT, false)
				} else {
					irp.ExFreePoolWithTag(k, buffer, tag)
				}
				return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
			}, nil, true, true, true)
		irp.IoCallDriver(k, dev, p)
		if fixed {
			wait(k, done)
		}
		buffer.Load32(0)
		if fixed {
			irp.ExFreePoolWithTag(k, buffer, tag)
		}
	})
}

// drivers loads a driver that makes requests and one that completes them later, and gives the device of the
// latter; nil when it could not be made.
func drivers(l *Lab) (client *irp.DRIVER_OBJECT, dev *irp.DEVICE_OBJECT) {
	isPnp := func(*irql.K, *irp.DRIVER_OBJECT, *irp.DEVICE_OBJECT) ntstatus.NTSTATUS {
		return ntstatus.STATUS_SUCCESS
	}
	client = irp.Sim.LoadDriver(l.m, "client.sys",
		func(_ *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
			drv.DriverExtension.AddDevice = isPnp
			return ntstatus.STATUS_SUCCESS
		})
	irp.Sim.LoadDriver(l.m, "lower.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
		drv.DriverExtension.AddDevice = isPnp
		drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = completesLater(l, drv)
		return irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &dev)
	})
	l.m.Run(nil)
	return client, dev
}

func completesLater(l *Lab, drv *irp.DRIVER_OBJECT) irp.DRIVER_DISPATCH {
	return func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
		irp.IoMarkIrpPending(k, p)
		l.threadOf(drv.Image(), "lower", func(k *ke.K) {
			p.IoStatus().Status = ntstatus.STATUS_SUCCESS
			irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
		})
		return ntstatus.STATUS_PENDING
	}
}
