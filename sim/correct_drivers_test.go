package sim_test

import (
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// soberContext is what a driver keeps in the pool for one request.
type soberContext struct {
	dpc   irql.KDPC
	timer irql.KTIMER
	ran   bool
}

// sobers are drivers without a mistake, each with a way of doing things that comes near a rule.
var sobers = map[string]func() *sober{
	"rundown handed to a work item": func() *sober {
		return &sober{
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				if !irql.ExAcquireRundownProtection(k, &d.run) {
					return fails(k, p, ntstatus.STATUS_DELETE_PENDING)
				}
				s := d.pend(k, p, func(k *irql.K) {
					finished(k, p)
					irql.ExReleaseRundownProtection(k, &d.run)
				})
				if s != ntstatus.STATUS_PENDING {
					irql.ExReleaseRundownProtection(k, &d.run)
				}
				return s
			},
			stop: func(k *irql.K, d *sober) {
				irql.ExWaitForRundownProtectionRelease(k, &d.run)
				irql.ExRundownCompleted(k, &d.run)
			},
		}
	},
	"rundown in a timer DPC": func() *sober {
		return &sober{
			start: func(k *irql.K, d *sober) {
				irql.KeInitializeDpc(k, &d.dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
					if irql.ExAcquireRundownProtection(k, &d.run) {
						irql.InterlockedIncrement(k, &d.left)
						irql.ExReleaseRundownProtection(k, &d.run)
					}
				}, nil)
				irql.KeSetTimer(k, &d.tick, -10_000, &d.dpc)
			},
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				return fails(k, p, ntstatus.STATUS_SUCCESS)
			},
			stop: func(k *irql.K, d *sober) {
				irql.ExWaitForRundownProtectionRelease(k, &d.run)
				irql.KeCancelTimer(k, &d.tick)
				irql.KeFlushQueuedDpcs(k)
			},
		}
	},
	"DPC that queues itself": func() *sober {
		return &sober{
			start: func(k *irql.K, d *sober) {
				irql.KeInitializeDpc(k, &d.dpc, func(k *irql.K, dpc *irql.KDPC, _, _, _ any) {
					if irql.InterlockedDecrement(k, &d.left) > 0 {
						irql.KeInsertQueueDpc(k, dpc, nil, nil)
						return
					}
					for more := true; more; {
						irql.KeAcquireSpinLockAtDpcLevel(k, &d.lock)
						p := d.next()
						if more = p != nil; more {
							irp.RemoveEntryList(k, p.ListEntry())
						}
						irql.KeReleaseSpinLockFromDpcLevel(k, &d.lock)
						if more {
							finished(k, p)
						}
					}
				}, nil)
			},
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				irp.IoMarkIrpPending(k, p)
				old := d.sync(k)
				irp.InsertTailList(k, &d.list, p.ListEntry())
				irql.KeReleaseSpinLock(k, &d.lock, old)
				irql.InterlockedExchange(k, &d.left, 3)
				irql.KeInsertQueueDpc(k, &d.dpc, nil, nil)
				return ntstatus.STATUS_PENDING
			},
			stop: func(k *irql.K, d *sober) { irql.KeFlushQueuedDpcs(k) },
		}
	},
	"remove lock across a work item": func() *sober {
		return &sober{
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				if s := irp.IoAcquireRemoveLock(k, &d.rl, p); !ntstatus.NT_SUCCESS(s) {
					return fails(k, p, s)
				}
				s := d.pend(k, p, func(k *irql.K) {
					finished(k, p)
					irp.IoReleaseRemoveLock(k, &d.rl, p)
				})
				if s != ntstatus.STATUS_PENDING {
					irp.IoReleaseRemoveLock(k, &d.rl, p)
				}
				return s
			},
			stop: func(k *irql.K, d *sober) {
				irp.IoAcquireRemoveLock(k, &d.rl, d)
				irp.IoReleaseRemoveLockAndWait(k, &d.rl, d)
			},
		}
	},
	"cancel-safe queue emptied by a timer": func() *sober {
		return &sober{
			start: func(k *irql.K, d *sober) {
				d.queue(k)
				irql.KeInitializeDpc(k, &d.dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
					if p := irp.IoCsqRemoveNextIrp(k, &d.csq, nil); p != nil {
						finished(k, p)
					}
				}, nil)
			},
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				irp.IoCsqInsertIrp(k, &d.csq, p, nil)
				irql.KeSetTimer(k, &d.tick, -10_000, &d.dpc)
				return ntstatus.STATUS_PENDING
			},
			clean: func(k *irql.K, d *sober) {
				for p := irp.IoCsqRemoveNextIrp(k, &d.csq, nil); p != nil; p = irp.IoCsqRemoveNextIrp(k, &d.csq, nil) {
					fails(k, p, ntstatus.STATUS_CANCELLED)
				}
			},
			stop: func(k *irql.K, d *sober) {
				irql.KeCancelTimer(k, &d.tick)
				irql.KeFlushQueuedDpcs(k)
			},
		}
	},
	"cancel routine by hand": func() *sober {
		cancelled := func(d *sober) irp.DRIVER_CANCEL {
			return func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) {
				irp.IoReleaseCancelSpinLock(k, p.CancelIrql())
				old := d.sync(k)
				irp.RemoveEntryList(k, p.ListEntry())
				irql.KeReleaseSpinLock(k, &d.lock, old)
				fails(k, p, ntstatus.STATUS_CANCELLED)
			}
		}
		return &sober{
			start: func(k *irql.K, d *sober) {
				irql.KeInitializeDpc(k, &d.dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
					for more := true; more; {
						irql.KeAcquireSpinLockAtDpcLevel(k, &d.lock)
						p := d.next()
						if more = p != nil; more {
							irp.RemoveEntryList(k, p.ListEntry())
							if irp.IoSetCancelRoutine(k, p, nil) == nil {
								irp.InitializeListHead(k, p.ListEntry()) // the cancel routine has it
								p = nil
							}
						}
						irql.KeReleaseSpinLockFromDpcLevel(k, &d.lock)
						if p != nil {
							finished(k, p)
						}
					}
				}, nil)
			},
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				old := d.sync(k)
				irp.IoSetCancelRoutine(k, p, cancelled(d))
				if p.Cancel() && irp.IoSetCancelRoutine(k, p, nil) != nil {
					irql.KeReleaseSpinLock(k, &d.lock, old)
					return fails(k, p, ntstatus.STATUS_CANCELLED)
				}
				irp.IoMarkIrpPending(k, p)
				irp.InsertTailList(k, &d.list, p.ListEntry())
				irql.KeReleaseSpinLock(k, &d.lock, old)
				irql.KeSetTimer(k, &d.tick, -10_000, &d.dpc)
				return ntstatus.STATUS_PENDING
			},
			stop: func(k *irql.K, d *sober) {
				irql.KeCancelTimer(k, &d.tick)
				irql.KeFlushQueuedDpcs(k)
			},
		}
	},
	"system timer deleted in the end": func() *sober {
		return &sober{
			start: func(k *irql.K, d *sober) {
				d.queue(k)
				d.ex = irql.ExAllocateTimer(k, func(k *irql.K, _ *irql.EX_TIMER, _ any) {
					if p := irp.IoCsqRemoveNextIrp(k, &d.csq, nil); p != nil {
						finished(k, p)
					}
				}, nil, 0)
			},
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				if d.ex == nil {
					return fails(k, p, ntstatus.STATUS_INSUFFICIENT_RESOURCES)
				}
				irp.IoCsqInsertIrp(k, &d.csq, p, nil)
				irql.ExSetTimer(k, d.ex, -10_000, 0, nil)
				return ntstatus.STATUS_PENDING
			},
			clean: func(k *irql.K, d *sober) {
				for p := irp.IoCsqRemoveNextIrp(k, &d.csq, nil); p != nil; p = irp.IoCsqRemoveNextIrp(k, &d.csq, nil) {
					fails(k, p, ntstatus.STATUS_CANCELLED)
				}
			},
			stop: func(k *irql.K, d *sober) {
				if d.ex != nil {
					irql.ExDeleteTimer(k, d.ex, true, true, nil)
				}
			},
		}
	},
	"waits with a time-out, then takes the DPC back": func() *sober {
		return &sober{
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				done := irql.OnStack[irql.KEVENT](k)
				irql.KeInitializeEvent(k, done, irql.NotificationEvent, false)
				b := irp.New[soberContext](k, irp.POOL_FLAG_NON_PAGED, handTag)
				if b == nil {
					return fails(k, p, ntstatus.STATUS_INSUFFICIENT_RESOURCES)
				}
				dpc, timer := &b.Get().dpc, &b.Get().timer
				irql.KeInitializeDpc(k, dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
					b.Get().ran = true
					irql.KeSetEvent(k, done, 0, false)
				}, nil)
				irql.KeInitializeTimer(k, timer)
				irql.KeSetTimer(k, timer, -20_000, dpc)
				due := int64(-10_000)
				if irql.KeWaitForSingleObject(k, done, irql.Executive, irql.KernelMode, false,
					&due) == ntstatus.STATUS_TIMEOUT && !irql.KeCancelTimer(k, timer) {
					irql.KeWaitForSingleObject(k, done, irql.Executive, irql.KernelMode, false, nil)
				}
				irql.KeFlushQueuedDpcs(k)
				irp.Free(k, b, handTag)
				return fails(k, p, ntstatus.STATUS_SUCCESS)
			},
		}
	},
	"threaded DPC for another processor": func() *sober {
		return &sober{
			start: func(k *irql.K, d *sober) {
				d.queue(k)
				irql.KeInitializeThreadedDpc(k, &d.dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
					for p := irp.IoCsqRemoveNextIrp(k, &d.csq, nil); p != nil; {
						finished(k, p)
						p = irp.IoCsqRemoveNextIrp(k, &d.csq, nil)
					}
				}, nil)
				irql.KeSetTargetProcessorDpc(k, &d.dpc, 1)
			},
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				irp.IoCsqInsertIrp(k, &d.csq, p, nil)
				irql.KeInsertQueueDpc(k, &d.dpc, nil, nil)
				return ntstatus.STATUS_PENDING
			},
			stop: func(k *irql.K, d *sober) { irql.KeFlushQueuedDpcs(k) },
		}
	},
	"system thread that is joined": func() *sober {
		var thread any
		var work irql.KSEMAPHORE
		return &sober{
			start: func(k *irql.K, d *sober) {
				d.queue(k)
				irql.KeInitializeSemaphore(k, &work, 0, 1000)
				irql.KeInitializeEvent(k, &d.done, irql.NotificationEvent, false)
				var h irql.HANDLE
				if !ntstatus.NT_SUCCESS(irql.PsCreateSystemThread(k, &h, 0, nil, 0, nil, func(k *irql.K, _ any) {
					for {
						objs := []any{&d.done, &work}
						if irql.KeWaitForMultipleObjects(k, 2, objs, irql.WaitAny, irql.Executive, irql.KernelMode,
							false, nil, nil) == ntstatus.STATUS_WAIT_0 {
							break
						}
						if p := irp.IoCsqRemoveNextIrp(k, &d.csq, nil); p != nil {
							finished(k, p)
						}
					}
					irql.PsTerminateSystemThread(k, ntstatus.STATUS_SUCCESS)
				}, nil)) {
					return
				}
				irp.ObReferenceObjectByHandle(k, h, 0, irp.PsThreadType, irql.KernelMode, &thread, nil)
				irp.ZwClose(k, h)
			},
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				if thread == nil {
					return fails(k, p, ntstatus.STATUS_DEVICE_NOT_READY)
				}
				irp.IoCsqInsertIrp(k, &d.csq, p, nil)
				irql.KeReleaseSemaphore(k, &work, 0, 1, false)
				return ntstatus.STATUS_PENDING
			},
			stop: func(k *irql.K, d *sober) {
				if thread != nil {
					irql.KeSetEvent(k, &d.done, 0, false)
					irql.KeWaitForSingleObject(k, thread, irql.Executive, irql.KernelMode, false, nil)
					irp.ObDereferenceObject(k, thread)
				}
			},
		}
	},
	"StartIo": func() *sober {
		return &sober{
			start: func(k *irql.K, d *sober) {
				irql.KeInitializeDpc(k, &d.dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
					p := d.dev.CurrentIrp()
					irp.IoStartNextPacket(k, d.dev, false)
					finished(k, p)
				}, nil)
				d.drv.DriverStartIo = func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP) {
					irql.KeInsertQueueDpc(k, &d.dpc, nil, nil)
				}
			},
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				irp.IoMarkIrpPending(k, p)
				irp.IoStartPacket(k, d.dev, p, nil, nil)
				return ntstatus.STATUS_PENDING
			},
			stop: func(k *irql.K, d *sober) { irql.KeFlushQueuedDpcs(k) },
		}
	},
	"context of a lookaside list": func() *sober {
		return &sober{
			start: func(k *irql.K, d *sober) {
				irp.ExInitializeLookasideListEx(k, &d.look, nil, nil, irp.NonPagedPoolNx, 0, 64, handTag, 0)
			},
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				b := irp.ExAllocateFromLookasideListEx(k, &d.look)
				if b == nil {
					return fails(k, p, ntstatus.STATUS_INSUFFICIENT_RESOURCES)
				}
				b.Store32(0, 1)
				s := d.pend(k, p, func(k *irql.K) {
					b.Store32(0, 2)
					irp.ExFreeToLookasideListEx(k, &d.look, b)
					finished(k, p)
				})
				if s != ntstatus.STATUS_PENDING {
					irp.ExFreeToLookasideListEx(k, &d.look, b)
				}
				return s
			},
			stop: func(k *irql.K, d *sober) { irp.ExDeleteLookasideListEx(k, &d.look) },
		}
	},
	"told of processes": func() *sober {
		var told func(k *irql.K, parentId, processId irql.HANDLE, create bool)
		var on bool
		return &sober{
			start: func(k *irql.K, d *sober) {
				told = func(k *irql.K, _, _ irql.HANDLE, _ bool) { irql.InterlockedIncrement(k, &d.left) }
				on = ntstatus.NT_SUCCESS(irp.PsSetCreateProcessNotifyRoutine(k, told, false))
			},
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				return fails(k, p, ntstatus.STATUS_SUCCESS)
			},
			stop: func(k *irql.K, d *sober) {
				if on {
					irp.PsSetCreateProcessNotifyRoutine(k, told, true)
				}
			},
		}
	},
	"parts of an MDL": func() *sober {
		return &sober{
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				b := irp.ExAllocatePool2(k, irp.POOL_FLAG_PAGED, 8192, handTag)
				if b == nil {
					return fails(k, p, ntstatus.STATUS_INSUFFICIENT_RESOURCES)
				}
				whole := irp.IoAllocateMdl(k, b, 8192, false, false, nil)
				part := irp.IoAllocateMdl(k, b, 8192, false, false, nil)
				if whole != nil && part != nil {
					func() {
						defer func() { _ = recover() }()
						irp.MmProbeAndLockPages(k, whole, irql.KernelMode, irp.IoModifyAccess)
						for off := uint32(0); off < 8192; off += 4096 {
							at := irp.MmGetMdlVirtualAddress(k, whole).Slice(int(off), 4096)
							irp.IoBuildPartialMdl(k, whole, part, at, 4096)
							if v := irp.MmGetSystemAddressForMdlSafe(k, part,
								irp.NormalPagePriority|irp.MdlMappingNoExecute); v != nil {
								v.Store32(0, 1)
							}
							irp.MmPrepareMdlForReuse(k, part)
						}
						irp.MmUnlockPages(k, whole)
					}()
				}
				if part != nil {
					irp.IoFreeMdl(k, part)
				}
				if whole != nil {
					irp.IoFreeMdl(k, whole)
				}
				irp.ExFreePoolWithTag(k, b, handTag)
				return fails(k, p, ntstatus.STATUS_SUCCESS)
			},
		}
	},
	"callback object": func() *sober {
		return &sober{
			start: func(k *irql.K, d *sober) {
				var attr irp.OBJECT_ATTRIBUTES
				irp.InitializeObjectAttributes(k, &attr, `\Callback\Sober`, irp.OBJ_CASE_INSENSITIVE, 0, nil)
				if ntstatus.NT_SUCCESS(irp.ExCreateCallback(k, &d.cb, &attr, true, true)) {
					d.reg = irp.ExRegisterCallback(k, d.cb, func(k *irql.K, _, _, _ any) {
						irql.InterlockedIncrement(k, &d.left)
					}, nil)
				}
			},
			give: func(k *irql.K, d *sober, p *irp.IRP) ntstatus.NTSTATUS {
				if d.cb != nil {
					irp.ExNotifyCallback(k, d.cb, nil, nil)
				}
				return fails(k, p, ntstatus.STATUS_SUCCESS)
			},
			stop: func(k *irql.K, d *sober) {
				if d.reg != nil {
					irp.ExUnregisterCallback(k, d.reg)
				}
				if d.cb != nil {
					irp.ObDereferenceObject(k, d.cb)
				}
			},
		}
	},
}
