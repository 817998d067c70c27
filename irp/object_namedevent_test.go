package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var noEventFaults = []ke.Pin{{Site: "fault/IoCreateNotificationEvent"},
	{Site: "fault/IoCreateSynchronizationEvent"}}

func TestIoCreateNotificationEvent_OneEventForAName(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			var h1, h2, h3 irql.HANDLE
			e := irp.IoCreateNotificationEvent(k, `\BaseNamedObjects\Go`, &h1)
			assert.Equal(t, int32(1), irql.KeReadStateEvent(k, e), "a new one is signalled")
			irql.KeClearEvent(k, e)
			assert.Same(t, e, irp.IoCreateNotificationEvent(k, `\BaseNamedObjects\Go`, &h2))
			assert.Equal(t, int32(0), irql.KeReadStateEvent(k, e))
			assert.NotSame(t, e, irp.IoCreateSynchronizationEvent(k, "", &h3))
			l.as(l.image, func(k *irql.K) { irql.KeSetEvent(k, e, 0, false) })
			irql.KeWaitForSingleObject(k, e, irql.Executive, irql.KernelMode, false, nil)
			irp.ZwClose(k, h1)
			irql.KeReadStateEvent(k, e)
			irp.ZwClose(k, h2)
			irp.ZwClose(k, h3)
			assert.NotSame(t, e, irp.IoCreateNotificationEvent(k, `\BaseNamedObjects\Go`, &h1))
			irp.ZwClose(k, h1)
		})
	}, noEventFaults...)
}

func TestIoCreateNotificationEvent_NoMemory(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			var h irql.HANDLE
			assert.Nil(t, irp.IoCreateNotificationEvent(k, "", &h))
		})
	}, ke.Pin{Site: "fault/IoCreateNotificationEvent", Alt: 1})
}

func TestIoCreateSynchronizationEvent_UsedAfterTheClose(t *testing.T) {
	l := newLab(t, ke.Config{Pins: noEventFaults})
	l.run(func(k *irql.K) {
		var h irql.HANDLE
		e := irp.IoCreateSynchronizationEvent(k, "", &h)
		irp.ZwClose(k, h)
		irql.KeSetEvent(k, e, 0, false)
	})
	assert.Len(t, l.found(), 1)
	assert.Len(t, l.findings(verify.OBJ_003), 1)
}

func TestZwWaitForSingleObject_ThreadsAndEvents(t *testing.T) {
	passes(t, func(l *lab) {
		var order []string
		l.run(func(k *irql.K) {
			var h, e irql.HANDLE
			s := irql.PsCreateSystemThread(k, &h, 0, nil, 0, nil, func(k *irql.K, _ any) {
				order = append(order, "thread")
			}, nil)
			if !ntstatus.NT_SUCCESS(s) {
				return
			}
			assert.Equal(t, ntstatus.STATUS_SUCCESS, irp.ZwWaitForSingleObject(k, h, false, nil))
			order = append(order, "waiter")
			assert.Equal(t, []string{"thread", "waiter"}, order)
			irp.ZwClose(k, h)
			assert.Equal(t, ntstatus.STATUS_INVALID_HANDLE, irp.ZwWaitForSingleObject(k, h, false, nil))
			event := irp.IoCreateNotificationEvent(k, `\BaseNamedObjects\Ready`, &e)
			if event == nil {
				return
			}
			irql.KeClearEvent(k, event)
			due := int64(-10)
			assert.Equal(t, ntstatus.STATUS_TIMEOUT, irp.ZwWaitForSingleObject(k, e, false, &due))
			irql.KeSetEvent(k, event, 0, false)
			assert.Equal(t, ntstatus.STATUS_SUCCESS, irp.ZwWaitForSingleObject(k, e, true, nil))
			irp.ZwClose(k, e)
		})
	})
}

// A handle may be closed while somebody waits for its event: the wait has a reference of its own.
func TestZwWaitForSingleObject_HandleClosedMeanwhile(t *testing.T) {
	passes(t, func(l *lab) {
		var e irql.HANDLE
		var event *irql.KEVENT
		l.run(func(k *irql.K) {
			if event = irp.IoCreateNotificationEvent(k, `\BaseNamedObjects\Ready`, &e); event != nil {
				irql.KeClearEvent(k, event)
			}
		})
		if event == nil {
			return
		}
		l.begin(func(k *irql.K) {
			due := int64(-1000)
			irp.ZwWaitForSingleObject(k, e, false, &due)
		})
		l.run(func(k *irql.K) {
			due := int64(-10)
			irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
			irp.ZwClose(k, e)
		})
	})
}
