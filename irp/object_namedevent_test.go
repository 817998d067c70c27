package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
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
