package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

var noCacheAwareFault = ke.Pin{Site: "fault/ExAllocateCacheAwareRundownProtection", Alt: 0}

func cacheAware(k *irql.K) *irp.EX_RUNDOWN_REF_CACHE_AWARE {
	return irp.ExAllocateCacheAwareRundownProtection(k, irp.NonPagedPoolNx, irp.Tag("Rund"))
}

func TestExAllocateCacheAwareRundownProtection_UsersAndTheEnd(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			r := cacheAware(k)
			assert.True(t, irp.ExAcquireRundownProtectionCacheAware(k, r))
			assert.True(t, irp.ExAcquireRundownProtectionCacheAwareEx(k, r, 2))
			released := false
			l.as(l.image, func(k *irql.K) {
				irp.ExReleaseRundownProtectionCacheAwareEx(k, r, 2)
				released = true
				irp.ExReleaseRundownProtectionCacheAware(k, r)
			})
			irp.ExWaitForRundownProtectionReleaseCacheAware(k, r)
			assert.True(t, released)
			assert.False(t, irp.ExAcquireRundownProtectionCacheAware(k, r))
			irp.ExReInitializeRundownProtectionCacheAware(k, r)
			assert.True(t, irp.ExAcquireRundownProtectionCacheAware(k, r))
			irp.ExReleaseRundownProtectionCacheAware(k, r)
			irp.ExRundownCompletedCacheAware(k, r)
			assert.False(t, irp.ExAcquireRundownProtectionCacheAwareEx(k, r, 3))
			irp.ExFreeCacheAwareRundownProtection(k, r)
		})
	}, noCacheAwareFault)
}

func TestExInitializeRundownProtectionCacheAware_InMemoryOfTheDriver(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) {
			r := new(irp.EX_RUNDOWN_REF_CACHE_AWARE)
			irp.ExInitializeRundownProtectionCacheAware(k, r, irp.ExSizeOfRundownProtectionCacheAware(k))
			assert.True(t, irp.ExAcquireRundownProtectionCacheAware(k, r))
			irp.ExReleaseRundownProtectionCacheAware(k, r)
			irp.ExWaitForRundownProtectionReleaseCacheAware(k, r)
		})
	})
}

func TestExAllocateCacheAwareRundownProtection_NoMemory(t *testing.T) {
	passes(t, func(l *lab) {
		l.run(func(k *irql.K) { assert.Nil(t, cacheAware(k)) })
	}, ke.Pin{Site: "fault/ExAllocateCacheAwareRundownProtection", Alt: 1})
}

// breaksOnce asserts that the scenario breaks one rule of package irql, once.
func breaksOnce(t *testing.T, rule verify.RuleID, fn func(k *irql.K)) {
	t.Helper()
	l := newLab(t, ke.Config{Pins: []ke.Pin{noCacheAwareFault}})
	l.run(fn)
	assert.Len(t, l.found(), 1)
	assert.Len(t, l.findings(rule), 1)
}

func TestExFreeCacheAwareRundownProtection_InUse(t *testing.T) {
	breaksOnce(t, verify.LOCK_022, func(k *irql.K) {
		r := cacheAware(k)
		irp.ExAcquireRundownProtectionCacheAware(k, r)
		irp.ExFreeCacheAwareRundownProtection(k, r)
	})
	breaksOnce(t, verify.LOCK_022, func(k *irql.K) {
		r := cacheAware(k)
		irp.ExAcquireRundownProtectionCacheAwareEx(k, r, 2)
		irp.ExReleaseRundownProtectionCacheAwareEx(k, r, 3)
	})
	breaksOnce(t, verify.POOL_013, func(k *irql.K) {
		r := cacheAware(k)
		irp.ExFreeCacheAwareRundownProtection(k, r)
		irp.ExAcquireRundownProtectionCacheAware(k, r)
	})
}
