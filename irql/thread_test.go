package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// Rule: OBJ-010
func TestPsTerminateSystemThread_InAWorkItem(t *testing.T) {
	trips(t, verify.OBJ_010, func(k *K) {
		ke.Of(k).QueueWork("worker", func(k *K) { PsTerminateSystemThread(k, ntstatus.STATUS_SUCCESS) })
	})
}

// Near miss: OBJ-010
func TestPsTerminateSystemThread_InItsThread(t *testing.T) {
	after := false
	clean(t, func(k *K) {
		th := spawn(k, func(k *K) {
			defer KeLeaveCriticalRegion(k) // cannot do anything any more
			PsTerminateSystemThread(k, ntstatus.STATUS_CANCELLED)
			after = true
		})
		wait(k, th)
		assert.Equal(t, ntstatus.STATUS_CANCELLED, PsGetThreadExitStatus(k, th))
		assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER, PsTerminateSystemThread(k, 0),
			"not a thread of its own")
	})
	assert.False(t, after)
}

// Rule: IRQL-020
func TestThread_EndsInAGuardedRegion(t *testing.T) {
	trips(t, verify.IRQL_020, func(k *K) { spawn(k, KeEnterGuardedRegion) })
	trips(t, verify.IRQL_020, KeEnterCriticalRegion)
}

// Near miss: IRQL-020
func TestThread_MayLeaveItsFirstRegion(t *testing.T) {
	clean(t, func(k *K) {
		spawn(k, func(k *K) {
			assert.True(t, KeAreApcsDisabled(k))
			KeLeaveCriticalRegion(k)
		})
		spawn(k, func(k *K) {
			KeEnterCriticalRegion(k)
			KeLeaveCriticalRegion(k)
		})
	})
}

// Rule: LOCK-019
func TestKeLeaveCriticalRegion_NotEntered(t *testing.T) {
	trips(t, verify.LOCK_019, KeLeaveCriticalRegion)
	trips(t, verify.LOCK_019, KeLeaveGuardedRegion)
	tripsIn(t, verify.LOCK_019, ke.FrameNotify, KeEnterCriticalRegion)
}

// Near miss: LOCK-019
func TestKeLeaveCriticalRegion_Paired(t *testing.T) {
	clean(t, func(k *K) {
		KeEnterCriticalRegion(k)
		KeEnterGuardedRegion(k)
		assert.True(t, KeAreAllApcsDisabled(k))
		KeLeaveGuardedRegion(k)
		assert.True(t, KeAreApcsDisabled(k))
		assert.False(t, KeAreAllApcsDisabled(k))
		KeLeaveCriticalRegion(k)
		assert.False(t, KeAreApcsDisabled(k))
	})
}

// Rule: IRQL-014
func TestKeEnterCriticalRegion_AtDispatchLevel(t *testing.T) {
	for _, enter := range []func(*K){KeEnterCriticalRegion, KeEnterGuardedRegion} {
		trips(t, verify.IRQL_014, func(k *K) {
			KeRaiseIrqlToDpcLevel(k)
			enter(k)
		})
	}
}

// Near miss: IRQL-014
func TestKeEnterCriticalRegion_AtApcLevel(t *testing.T) {
	clean(t, func(k *K) {
		var old KIRQL
		KeRaiseIrql(k, APC_LEVEL, &old)
		KeEnterCriticalRegion(k)
		KeLeaveCriticalRegion(k)
		KeLowerIrql(k, old)
	})
}

func TestPsCreateSystemThread_MayFail(t *testing.T) {
	m := play(t, ke.Config{Pins: []ke.Pin{{Site: "fault/PsCreateSystemThread", Alt: 1}}}, func(k *K) {
		h := HANDLE(7)
		s := PsCreateSystemThread(k, &h, THREAD_ALL_ACCESS, nil, 0, nil, func(*K, any) {}, nil)
		assert.Equal(t, ntstatus.STATUS_INSUFFICIENT_RESOURCES, s)
		assert.Equal(t, HANDLE(7), h)
	})
	assert.Empty(t, m.Findings())
}

func TestPsCreateSystemThread_RunsInAFrameOfTheDriver(t *testing.T) {
	clean(t, func(k *K) {
		var h HANDLE
		var id CLIENT_ID
		PsCreateSystemThread(k, &h, THREAD_ALL_ACCESS, nil, 0, &id, func(k *K, context any) {
			assert.Equal(t, "c", context)
			assert.Equal(t, "test.sys", ke.Acting(k).Name)
			assert.Equal(t, PASSIVE_LEVEL, KeGetCurrentIrql(k))
			assert.Equal(t, id, CLIENT_ID{PsGetCurrentProcessId(k), PsGetCurrentThreadId(k)})
			o, ok := Sim.Handles(k).Lookup(h)
			assert.True(t, ok)
			assert.Same(t, KeGetCurrentThread(k), o)
		}, "c")
		table := Sim.Handles(k)
		o, ok := table.Lookup(h)
		assert.True(t, ok)
		th := o.(*KTHREAD)
		assert.Equal(t, 3, th.Reference())
		assert.Equal(t, 2, th.Dereference())
		wait(k, th)
		assert.Len(t, table.List(), 1)
		assert.Equal(t, "test.sys", table.List()[0].Image.Name)
		_, ok = table.Close(h)
		assert.True(t, ok)
		_, ok = table.Close(h)
		assert.False(t, ok)
		assert.True(t, table.WasOpen(h))
		assert.False(t, table.WasOpen(h+4))
		assert.Empty(t, Sim.HandlesOn(ke.Of(k)).List())
	})
}
