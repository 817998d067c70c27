package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/ntstatus"
)

// What a thread owns is not its DPC's: a DPC that runs on the stack of the owner is a stranger to the lock
// like one that runs anywhere else, and the thread owns it as before.
func TestDpc_OwnsNothingOfTheThreadItInterrupts(t *testing.T) {
	r, p, g, f, x := &ERESOURCE{}, &EX_PUSH_LOCK{}, &KGUARDED_MUTEX{}, &FAST_MUTEX{}, &KMUTEX{}
	raised := func(fn func()) {
		defer func() { assert.IsType(t, Exception{}, recover()) }()
		fn()
	}
	for _, c := range []struct {
		name string
		fn   func(k *K)
		rule string
	}{
		{"release a resource", func(k *K) { ExReleaseResourceLite(k, r) }, "LOCK-018"},
		{"convert a resource", func(k *K) { ExConvertExclusiveToSharedLite(k, r) }, "IRQL-001"},
		{"acquire a resource", func(k *K) { ExEnterCriticalRegionAndAcquireResourceExclusive(k, r) }, "IRQL-014"},
		{"release a push lock", func(k *K) { ExReleasePushLockExclusive(k, p) }, "LOCK-023"},
		{"acquire a push lock", func(k *K) { ExAcquirePushLockShared(k, p) }, "LOCK-023"},
		{"acquire a guarded mutex", func(k *K) { KeAcquireGuardedMutex(k, g) }, "LOCK-016"},
		{"acquire a fast mutex", func(k *K) { ExAcquireFastMutexUnsafe(k, f) }, "LOCK-016"},
		{"release a mutex", func(k *K) { raised(func() { KeReleaseMutex(k, x, false) }) }, "LOCK-017"},
		{"leave a region", KeLeaveGuardedRegion, "IRQL-014"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := play(t, ke.Config{Processors: 1, Continue: true}, func(k *K) {
				*r, *p, *g, *f, *x = ERESOURCE{}, EX_PUSH_LOCK{}, KGUARDED_MUTEX{}, FAST_MUTEX{}, KMUTEX{}
				ExInitializeResourceLite(k, r)
				ExInitializePushLock(k, p)
				KeInitializeGuardedMutex(k, g)
				ExInitializeFastMutex(k, f)
				KeInitializeMutex(k, x, 0)
				wait(k, x)
				KeAcquireGuardedMutex(k, g)
				ExEnterCriticalRegionAndAcquireResourceExclusive(k, r)
				ExAcquirePushLockExclusive(k, p)
				ExAcquireFastMutexUnsafe(k, f)
				kernel, special := ke.APCState(k)
				dpc(k, c.fn)
				nowKernel, nowSpecial := ke.APCState(k)
				assert.Equal(t, [2]int{kernel, special}, [2]int{nowKernel, nowSpecial})
				assert.Equal(t, uint32(1), ExIsResourceAcquiredSharedLite(k, r))
				assert.True(t, ExIsResourceAcquiredExclusiveLite(k, r))
				ExReleaseFastMutexUnsafe(k, f)
				ExReleasePushLockExclusive(k, p)
				ExReleaseResourceAndLeaveCriticalRegion(k, r)
				KeReleaseGuardedMutex(k, g)
				KeReleaseMutex(k, x, false)
				ExDeleteResourceLite(k, r)
			})
			require.NotEmpty(t, m.Findings())
			first := m.Findings()[0]
			assert.Equal(t, c.rule, first.Rule.String(), first.Headline)
			for _, f := range m.Findings() {
				last := f.Stack[len(f.Stack)-1].Func
				assert.NotContains(t, last, "OwnsNothing", "the thread is blamed: %s", f.Headline)
			}
			require.Empty(t, m.Threads())
			m.Close()
		})
	}
}

// What a DPC acquired in spite of the finding about it is nobody's when it has returned, not that of the next
// DPC and not that of the thread below.
func TestDpc_WhatItLeavesIsNobodys(t *testing.T) {
	r := &ERESOURCE{}
	m := play(t, ke.Config{Processors: 1, Continue: true}, func(k *K) {
		*r = ERESOURCE{}
		ExInitializeResourceLite(k, r)
		dpc(k, func(k *K) {
			assert.True(t, ExAcquireResourceExclusiveLite(k, r, false))
			assert.True(t, ExIsResourceAcquiredExclusiveLite(k, r))
			assert.True(t, ExAcquireResourceExclusiveLite(k, r, false), "again")
		})
		assert.Zero(t, ExIsResourceAcquiredSharedLite(k, r))
		dpc(k, func(k *K) { assert.Zero(t, ExIsResourceAcquiredSharedLite(k, r)) })
		inRegion(k, func() { assert.False(t, ExAcquireResourceSharedLite(k, r, false)) })
	})
	require.NotEmpty(t, m.Findings())
}

// A wait without time-out in a DPC acquires a free mutex for the DPC, and none that a thread owns, the
// interrupted one included.
func TestDpc_PollsAMutex(t *testing.T) {
	play(t, ke.Config{Processors: 1, Continue: true}, func(k *K) {
		free, owned := &KMUTEX{}, &KMUTEX{}
		KeInitializeMutex(k, free, 0)
		KeInitializeMutex(k, owned, 0)
		wait(k, owned)
		poll := func(k *K, x *KMUTEX) ntstatus.NTSTATUS {
			return KeWaitForSingleObject(k, x, Executive, KernelMode, false, atOnce())
		}
		dpc(k, func(k *K) {
			assert.Equal(t, ntstatus.STATUS_TIMEOUT, poll(k, owned))
			assert.Equal(t, ntstatus.STATUS_SUCCESS, poll(k, free))
			KeReleaseMutex(k, free, false)
		})
		assert.Equal(t, int32(1), KeReadStateMutex(k, free))
		KeReleaseMutex(k, owned, false)
	})
}

// A thread is not ended by a DPC that runs on its stack.
func TestPsTerminateSystemThread_InADpc(t *testing.T) {
	m := play(t, ke.Config{Processors: 1, Continue: true}, func(k *K) {
		dpc(k, func(k *K) {
			PsTerminateSystemThread(k, 0)
			t.Error("the run went on")
		})
	})
	require.NotEmpty(t, m.Findings())
}
