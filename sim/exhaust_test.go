package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// sender is a driver that sends a request down with a buffer that its completion routine frees. With the bug
// it looks at the buffer after the send, when the routine may have run already.
type sender struct {
	fixed  bool
	lower  *irp.DEVICE_OBJECT
	done   irql.KEVENT
	buffer *irp.Buffer
}

// entry is that of the lower driver.
func (s *sender) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = s.answer
	drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { irp.IoDeleteDevice(k, s.lower) }
	return irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_UNKNOWN, 0, false, &s.lower)
}

// answer pends the request, and completes it from a work item.
func (s *sender) answer(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP) ntstatus.NTSTATUS {
	w := irp.IoAllocateWorkItem(k, s.lower)
	if w == nil {
		p.IoStatus().Status = ntstatus.STATUS_INSUFFICIENT_RESOURCES
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
		return ntstatus.STATUS_INSUFFICIENT_RESOURCES
	}
	irp.IoMarkIrpPending(k, p)
	irp.IoQueueWorkItem(k, w, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
		p.IoStatus().Status = ntstatus.STATUS_SUCCESS
		irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
		irp.IoFreeWorkItem(k, w)
	}, irp.DelayedWorkQueue, nil)
	return ntstatus.STATUS_PENDING
}

func (s *sender) send(k *irql.K) {
	irql.KeInitializeEvent(k, &s.done, irql.NotificationEvent, false)
	s.buffer = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 16, irp.Tag("Send"))
	p := irp.IoAllocateIrp(k, s.lower.StackSize, false)
	if s.buffer == nil || p == nil {
		if s.buffer != nil {
			irp.ExFreePoolWithTag(k, s.buffer, irp.Tag("Send"))
		}
		if p != nil {
			irp.IoFreeIrp(k, p)
		}
		return
	}
	irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(irp.IRP_MJ_DEVICE_CONTROL)
	irp.IoSetCompletionRoutine(k, p, s.completed, nil, true, true, true)
	irp.IoCallDriver(k, s.lower, p)
	if s.fixed {
		irql.KeWaitForSingleObject(k, &s.done, irql.Executive, irql.KernelMode, false, nil)
	}
	_ = s.buffer.Bytes()[0]
	if s.fixed {
		irp.ExFreePoolWithTag(k, s.buffer, irp.Tag("Send"))
		return
	}
	irql.KeWaitForSingleObject(k, &s.done, irql.Executive, irql.KernelMode, false, nil)
}

func (s *sender) completed(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
	if !s.fixed {
		irp.ExFreePoolWithTag(k, s.buffer, irp.Tag("Send"))
	}
	irp.IoFreeIrp(k, p)
	irql.KeSetEvent(k, &s.done, 0, false)
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}

// useAfterFree is the scenario of scheduling.md 9.1: the use after free, and threads that have nothing to do
// with it.
func useAfterFree(fixed bool, others, calls int) func(m *Machine) {
	return func(m *Machine) {
		s := &sender{fixed: fixed}
		if _, status := m.LoadStatus("lower.sys", s.entry); !ntstatus.NT_SUCCESS(status) {
			return // an allocation failed
		}
		m.Thread("sender.sys", s.send)
		for range others {
			v := new(irql.Var[int32])
			m.Thread("other.sys", func(k *irql.K) {
				for range calls {
					irql.InterlockedIncrement(k, v)
				}
			})
		}
		m.Run()
	}
}

func TestExplore_UseAfterFreeIsFoundAndProvedFixed(t *testing.T) {
	bad := Explore(t, ExploreOptions{Options: Options{Collect: true}, Strategy: "dpor"},
		useAfterFree(false, 3, 4))
	require.NotEmpty(t, bad.Failures)
	assert.LessOrEqual(t, bad.Failures[0].Run, uint64(10))
	assert.Equal(t, []string{"POOL-013"}, bad.Failures[0].Rules)
	assert.True(t, bad.Failures[0].Repeats)
	t.Logf("found at run %d: %s", bad.Failures[0].Run, bad.Failures[0].Token)

	start := time.Now()
	good := Explore(t, ExploreOptions{Strategy: "dpor"}, useAfterFree(true, 3, 4))
	t.Logf("fixed: %s in %v", good.Covered, time.Since(start))
	assert.True(t, good.Complete)
}
