package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
)

const owner ERESOURCE_THREAD = 0xFFFF9000_00001003

func TestExSetResourceOwnerPointer_ReleasedByAnotherThread(t *testing.T) {
	clean(t, func(k *K) {
		r := newResource(k)
		inRegion(k, func() {
			ExAcquireResourceExclusiveLite(k, r, true)
			ExSetResourceOwnerPointer(k, r, owner)
		})
		assert.False(t, ExIsResourceAcquiredExclusiveLite(k, r))
		other := spawn(k, func(k *K) {
			ExAcquireResourceExclusiveLite(k, r, true)
			ExReleaseResourceLite(k, r)
		})
		spawn(k, func(k *K) { ExReleaseResourceForThreadLite(k, r, owner) })
		wait(k, other)
		ExDeleteResourceLite(k, r)
	})
}

func TestExReleaseResourceForThreadLite_ForThreads(t *testing.T) {
	clean(t, func(k *K) {
		r := newResource(k)
		inRegion(k, func() {
			ExAcquireResourceSharedLite(k, r, true)
			ExReleaseResourceForThreadLite(k, r, ExGetCurrentResourceThread(k))
			ExEnterCriticalRegionAndAcquireResourceShared(k, r)
			ExEnterCriticalRegionAndAcquireSharedWaitForExclusive(k, r)
			me := ExGetCurrentResourceThread(k)
			wait(k, spawn(k, func(k *K) { ExReleaseResourceForThreadLite(k, r, me) }))
			ExReleaseResourceAndLeaveCriticalRegion(k, r)
			KeLeaveCriticalRegion(k)
			ExAcquireResourceSharedLite(k, r, true)
			ExSetResourceOwnerPointerEx(k, r, me|3, FLAG_OWNER_POINTER_IS_THREAD)
			ExReleaseResourceForThreadLite(k, r, me|3)
		})
		ExDeleteResourceLite(k, r)
	})
}

// Rule: LOCK-018
func TestExSetResourceOwnerPointer_Misused(t *testing.T) {
	trips(t, verify.LOCK_018, func(k *K) { ExSetResourceOwnerPointer(k, newResource(k), owner) })
	owned := func(then func(k *K, r *ERESOURCE)) func(k *K) {
		return func(k *K) {
			r := newResource(k)
			KeEnterCriticalRegion(k)
			ExAcquireResourceExclusiveLite(k, r, true)
			then(k, r)
		}
	}
	trips(t, verify.LOCK_018, owned(func(k *K, r *ERESOURCE) { ExSetResourceOwnerPointer(k, r, 0x1000) }))
	trips(t, verify.LOCK_018, owned(func(k *K, r *ERESOURCE) {
		ExSetResourceOwnerPointer(k, r, owner)
		ExReleaseResourceLite(k, r)
	}))
	trips(t, verify.LOCK_018, owned(func(k *K, r *ERESOURCE) { ExReleaseResourceForThreadLite(k, r, owner) }))
}

func TestExEnterCriticalRegionAndAcquireFastMutexUnsafe_Pairs(t *testing.T) {
	clean(t, func(k *K) {
		m := fast(k)
		ExEnterCriticalRegionAndAcquireFastMutexUnsafe(k, m)
		assert.Equal(t, PASSIVE_LEVEL, KeGetCurrentIrql(k))
		assert.True(t, KeAreApcsDisabled(k))
		ExReleaseFastMutexUnsafeAndLeaveCriticalRegion(k, m)
		assert.False(t, KeAreApcsDisabled(k))
	})
}
