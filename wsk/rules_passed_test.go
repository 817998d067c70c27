package wsk_test

import (
	"testing"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// passedDown lets another driver send a request to a device of proxy.sys, which hands it to WSK as pass says.
func passedDown(
	pass func(r *rig, k *irql.K, s *wsk.WSK_SOCKET, p *irp.IRP) ntstatus.NTSTATUS) func(r *rig, k *irql.K) {
	return func(r *rig, k *irql.K) {
		s := r.listener(k, server)
		r.drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = func(k *irql.K, _ *irp.DEVICE_OBJECT,
			p *irp.IRP) ntstatus.NTSTATUS {
			return pass(r, k, s, p)
		}
		var dev *irp.DEVICE_OBJECT
		irp.IoCreateDevice(k, r.drv, 0, "", 0x22, 0, false, &dev)
		ended := new(irql.KEVENT)
		irql.KeInitializeEvent(k, ended, irql.NotificationEvent, false)
		irp.Sim.LoadDriver(r.m, "upper.sys", func(k *irql.K, _ *irp.DRIVER_OBJECT,
			_ string) ntstatus.NTSTATUS {
			q := &request{p: irp.IoAllocateIrp(k, 2, false), event: new(irql.KEVENT)}
			irql.KeInitializeEvent(k, q.event, irql.NotificationEvent, false)
			q.arm(k)
			irp.IoGetNextIrpStackLocation(k, q.p).SetMajorFunction(irp.IRP_MJ_DEVICE_CONTROL)
			irp.IoCallDriver(k, dev, q.p)
			q.wait(k)
			q.free(k)
			irql.KeSetEvent(k, ended, 0, false)
			return good
		})
		due := int64(-10000000)
		irql.KeWaitForSingleObject(k, ended, irql.Executive, 0, false, &due)
		irp.IoDeleteDevice(k, dev)
		r.closeAll(k, s)
	}
}

// getOption is the request that is passed down.
func getOption(k *irql.K, s *wsk.WSK_SOCKET, b *irp.Buffer, p *irp.IRP) ntstatus.NTSTATUS {
	return listening(s).WskControlSocket(k, s, wsk.WskGetOption, ws2def.SO_KEEPALIVE, ws2def.SOL_SOCKET, 0,
		nil, 4, b, nil, p)
}

// withRoutine passes the IRP down with a completion routine.
func withRoutine(routine irp.IO_COMPLETION_ROUTINE) func(r *rig, k *irql.K) {
	return passedDown(func(r *rig, k *irql.K, s *wsk.WSK_SOCKET, p *irp.IRP) ntstatus.NTSTATUS {
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
		irp.IoSetCompletionRoutine(k, p, routine, b, true, true, true)
		return getOption(k, s, b, p)
	})
}

func propagate(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
	irp.ExFreePoolWithTag(k, context.(*irp.Buffer), tag)
	if p.PendingReturned() {
		irp.IoMarkIrpPending(k, p)
	}
	return good
}

func TestPassedDown_WithoutRoutineCompletesUpward(t *testing.T) {
	b := new(*irp.Buffer)
	missIn(t, func(r *rig, k *irql.K) {
		*b = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
		passedDown(func(r *rig, k *irql.K, s *wsk.WSK_SOCKET, p *irp.IRP) ntstatus.NTSTATUS {
			return getOption(k, s, *b, p)
		})(r, k)
		irp.ExFreePoolWithTag(k, *b, tag)
	})
}

// Rule: WSK-071
// Near miss: WSK-071
func TestPassedDown_PendingNotPropagated(t *testing.T) {
	tripIn(t, verify.WSK_071, withRoutine(func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
		_ any) ntstatus.NTSTATUS {
		return good
	}), answers("WskControlSocket", 0))
	missIn(t, withRoutine(propagate))
}

// Rule: WSK-072
// Near miss: WSK-072
func TestPassedDown_NeverCompleted(t *testing.T) {
	stop := func(complete bool) irp.IO_COMPLETION_ROUTINE {
		return func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
			irp.ExFreePoolWithTag(k, context.(*irp.Buffer), tag)
			if complete {
				irp.IoMarkIrpPending(k, p)
				w := irp.IoAllocateWorkItem(k, dev)
				irp.IoQueueWorkItem(k, w, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
					irp.IoFreeWorkItem(k, w)
					irp.IoCompleteRequest(k, p, 0)
				}, irp.DelayedWorkQueue, nil)
			}
			return more
		}
	}
	tripBeside(t, (*rig).driver, verify.WSK_072, []verify.RuleID{verify.LOCK_026}, // upper.sys waits for it
		withRoutine(stop(false)))
	missIn(t, passedDown(func(r *rig, k *irql.K, s *wsk.WSK_SOCKET, p *irp.IRP) ntstatus.NTSTATUS {
		b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
		irp.IoSetCompletionRoutine(k, p, stop(true), b, true, true, true)
		getOption(k, s, b, p)
		return ntstatus.STATUS_PENDING // the routine marks, also where the answer came inline
	}))
}

// Rule: WSK-065
// Near miss: WSK-065
func TestPassedDown_FreedByTheDriver(t *testing.T) {
	tripIn(t, verify.WSK_065, withRoutine(func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
		_ any) ntstatus.NTSTATUS {
		irp.IoFreeIrp(k, p)
		return more
	}))
	missIn(t, withRoutine(propagate))
}

// Rule: WSK-070
// Near miss: WSK-070
func TestPassedDown_Reused(t *testing.T) {
	tripIn(t, verify.WSK_070, withRoutine(func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
		_ any) ntstatus.NTSTATUS {
		irp.IoReuseIrp(k, p, good)
		return more
	}))
	missIn(t, withRoutine(propagate))
}

// Rule: WSK-247
// Near miss: WSK-247
func TestPassedDown_CancelledByTheDriver(t *testing.T) {
	body := func(cancel bool) func(r *rig, k *irql.K) {
		return passedDown(func(r *rig, k *irql.K, s *wsk.WSK_SOCKET, p *irp.IRP) ntstatus.NTSTATUS {
			b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
			irp.IoSetCompletionRoutine(k, p, propagate, b, true, true, true)
			st := getOption(k, s, b, p)
			if cancel {
				irp.IoCancelIrp(k, p)
			}
			return st
		})
	}
	tripIn(t, verify.WSK_247, body(true))
	missIn(t, body(false))
}

// Rule: WSK-221
// Near miss: WSK-221
func TestPassedDown_RedirectQueryNeedsARoutine(t *testing.T) {
	body := func(routine bool) func(r *rig, k *irql.K) {
		return passedDown(func(r *rig, k *irql.K, s *wsk.WSK_SOCKET, p *irp.IRP) ntstatus.NTSTATUS {
			c := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
			if routine {
				b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 4, tag)
				irp.IoSetCompletionRoutine(k, p, propagate, b, true, true, true)
			} else {
				irp.IoSetCompletionRoutine(k, p, nil, nil, false, false, false)
			}
			st := connected(c).WskControlSocket(k, c, wsk.WskIoctl,
				wsk.SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS, 0, 0,
				nil, 0, nil, nil, p)
			r.closeAll(k, c)
			return st
		})
	}
	tripIn(t, verify.WSK_221, body(false))
	missBeside(t, verify.WSK_231, body(true)) // of what the socket is not the rule says nothing
}
