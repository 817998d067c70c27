package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// TestPsLookupProcessByProcessId_AndWait: the object of a requesting process is found by its id, and by who
// waits for its end; its id goes with the last reference.
// windows-driver-docs-ddi: wdk-ddi-src/content/ntifs/nf-ntifs-pslookupprocessbyprocessid.md
func TestPsLookupProcessByProcessId_AndWait(t *testing.T) {
	passes(t, func(l *lab) {
		var asked *irql.KPROCESS
		var id irql.HANDLE
		c := &control{act: func(k *irql.K, _ *control, p *irp.IRP) ntstatus.NTSTATUS {
			asked = irp.IoGetRequestorProcess(k, p)
			id = irql.HANDLE(irp.IoGetRequestorProcessId(k, p))
			assert.Same(t, asked, irp.IoGetCurrentProcess(k))
			assert.Same(t, asked, irp.IoThreadToProcess(k, irql.KeGetCurrentThread(k)))
			assert.Equal(t, id, irql.PsGetProcessId(k, asked))
			assert.False(t, irql.PsIsSystemThread(k, irql.KeGetCurrentThread(k)))
			irp.ObReferenceObject(k, asked)
			assert.Same(t, irql.KeGetCurrentThread(k), p.Thread())
			assert.Same(t, irp.IoGetCurrentIrpStackLocation(k, p).FileObject(), p.OriginalFileObject())
			return complete(k, p, ok)
		}}
		c.load(l)
		waited := false
		l.start(func(k *irql.K, p *ke.Process) {
			h := openIt(t, k, p)
			h.Begin(k, &ioctlRequest)
			l.as(l.image, func(k *irql.K) {
				var o *irql.KPROCESS
				assert.Equal(t, ok, irql.PsLookupProcessByProcessId(k, id, &o))
				assert.Same(t, asked, o)
				waitOn(k, o)
				waited = true
				assert.True(t, p.Object.Signal > 0)
				assert.Equal(t, ok, irql.PsLookupProcessByProcessId(k, id, &o), "still referenced")
				for range 3 {
					irp.ObDereferenceObject(k, o)
				}
				assert.Equal(t, ntstatus.STATUS_INVALID_CID, irql.PsLookupProcessByProcessId(k, id, &o))
			})
			irp.Sim.EndProcess(k, p)
			ke.EndProcess(k, p)
		})
		l.rest()
		assert.True(t, waited)
	})
}

func TestPsLookup_TheSystem(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			var p *irql.KPROCESS
			assert.Equal(t, ok, irql.PsLookupProcessByProcessId(k, ke.SystemPID, &p))
			assert.Same(t, p, irp.IoGetCurrentProcess(k))
			irp.ObDereferenceObject(k, p)
			assert.Equal(t, ntstatus.STATUS_INVALID_CID, irql.PsLookupProcessByProcessId(k, 1<<20, &p))
			var th *irql.KTHREAD
			assert.Equal(t, ok, irql.PsLookupThreadByThreadId(k, irql.PsGetCurrentThreadId(k), &th))
			assert.Same(t, irql.KeGetCurrentThread(k), th)
			assert.Equal(t, irql.PsGetCurrentThreadId(k), irql.PsGetThreadId(k, th))
			assert.Equal(t, irql.HANDLE(ke.SystemPID), irql.PsGetThreadProcessId(k, th))
			assert.True(t, irql.PsIsSystemThread(k, th))
			assert.False(t, irql.PsIsThreadTerminating(k, th))
			irp.ObDereferenceObject(k, th)
			assert.Equal(t, ntstatus.STATUS_INVALID_CID, irql.PsLookupThreadByThreadId(k, 1<<20, &th))
			own := irp.IoAllocateIrp(k, 1, false)
			assert.Nil(t, irp.IoGetRequestorProcess(k, own))
			assert.Nil(t, own.Thread())
			assert.Nil(t, own.OriginalFileObject())
			irp.IoFreeIrp(k, own)
			other := systemThread(k, func(*irql.K, any) {})
			waitOn(k, other)
			assert.True(t, irql.PsIsThreadTerminating(k, other))
			irp.ObDereferenceObject(k, other)
		})
	})
}

// TestObReferenceObjectByHandle_InUserMode: the handles of drivers are kernel handles, which a program cannot
// use. IMPL, reactos: ntoskrnl/ob/obref.c.
func TestObReferenceObjectByHandle_InUserMode(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			var h irql.HANDLE
			var o any
			if irql.PsCreateSystemThread(k, &h, 0, nil, 0, nil, func(*irql.K, any) {}, nil) != ok {
				return
			}
			assert.Equal(t, ntstatus.STATUS_INVALID_HANDLE, irp.ObReferenceObjectByHandle(k, h, 0,
				irp.PsThreadType, irql.UserMode, &o, nil))
			assert.Nil(t, o)
			assert.Equal(t, ok, irp.ObReferenceObjectByHandle(k, h, 0, irp.PsThreadType, irql.KernelMode, &o,
				nil))
			irql.KeWaitForSingleObject(k, o, irql.Executive, irql.KernelMode, false, nil)
			irp.ObDereferenceObject(k, o)
			irp.ZwClose(k, h)
		})
	})
}
