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

// requesters are threads that each send a request to the driver of sender, and wait for it.
func requesters(n int) func(m *Machine) {
	return func(m *Machine) {
		s := &sender{}
		m.Load("lower.sys", s.entry)
		for range n {
			m.Thread("requester.sys", func(k *irql.K) {
				one := &sender{fixed: true, lower: s.lower}
				one.send(k)
			})
		}
		m.Run()
		m.Unload("lower.sys")
	}
}

// visitors are processes that each open the device of sender and send it a request.
func visitors(n int) func(m *Machine) {
	return func(m *Machine) {
		s := &sender{}
		m.Load("lower.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT, path string) ntstatus.NTSTATUS {
			for _, major := range []int{irp.IRP_MJ_CREATE, irp.IRP_MJ_CLEANUP, irp.IRP_MJ_CLOSE} {
				drv.MajorFunction[major] = func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
				) ntstatus.NTSTATUS {
					p.IoStatus().Status = ntstatus.STATUS_SUCCESS
					irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
					return ntstatus.STATUS_SUCCESS
				}
			}
			drv.MajorFunction[irp.IRP_MJ_DEVICE_CONTROL] = s.answer
			drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) {
				irp.IoDeleteSymbolicLink(k, `\??\Lower`)
				irp.IoDeleteDevice(k, s.lower)
			}
			irp.IoCreateSymbolicLink(k, `\??\Lower`, `\Device\Lower`)
			return irp.IoCreateDevice(k, drv, 0, `\Device\Lower`, irp.FILE_DEVICE_UNKNOWN, 0, false, &s.lower)
		})
		for range n {
			m.Process("visitor.exe").Go("main", func(u *User) {
				d, err := u.Open(`\\.\Lower`)
				require.NoError(m, err)
				_, err = d.Ioctl(0, nil, nil)
				require.NoError(m, err)
			})
		}
		m.Run()
		m.Unload("lower.sys")
	}
}

// Requests that have nothing to do with each other must not multiply the runs of a search.
func TestExplore_IndependentRequestsTakeFewRuns(t *testing.T) {
	for _, c := range []struct {
		name string
		fn   func(m *Machine)
		runs int
	}{
		{"a requester", requesters(1), 4},
		{"three requesters", requesters(3), 16},
		{"a visitor", visitors(1), 4},
		{"three visitors", visitors(3), 16},
	} {
		r := Explore(t, ExploreOptions{Strategy: "dpor", Options: Options{Name: c.name}, Faults: -1}, c.fn)
		t.Logf("%s: %s", c.name, r.Covered)
		assert.True(t, r.Complete, c.name)
		assert.LessOrEqual(t, r.Runs, c.runs, c.name)
	}
}
