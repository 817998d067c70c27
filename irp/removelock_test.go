package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// withRemoveLock runs fn with a remove lock that has been initialised.
func withRemoveLock(fn func(k *irql.K, lock *irp.IO_REMOVE_LOCK)) func(l *lab) {
	return func(l *lab) {
		l.run(func(k *irql.K) {
			lock := new(irp.IO_REMOVE_LOCK)
			irp.IoInitializeRemoveLock(k, lock, irp.Tag("Lock"), 0, 0)
			fn(k, lock)
		})
	}
}

// Rule: LOCK-021
func TestIoReleaseRemoveLock_WithoutItsAcquisition(t *testing.T) {
	const one, other = "one", "other"
	for _, misuse := range []func(k *irql.K, lock *irp.IO_REMOVE_LOCK){
		func(k *irql.K, lock *irp.IO_REMOVE_LOCK) { irp.IoReleaseRemoveLock(k, lock, one) },
		func(k *irql.K, lock *irp.IO_REMOVE_LOCK) {
			irp.IoAcquireRemoveLock(k, lock, one)
			irp.IoReleaseRemoveLock(k, lock, other)
		},
		func(k *irql.K, lock *irp.IO_REMOVE_LOCK) { irp.IoReleaseRemoveLockAndWait(k, lock, one) },
		func(k *irql.K, lock *irp.IO_REMOVE_LOCK) { irp.IoInitializeRemoveLock(k, lock, 0, 0, 0) },
		func(k *irql.K, _ *irp.IO_REMOVE_LOCK) { irp.IoAcquireRemoveLock(k, new(irp.IO_REMOVE_LOCK), one) },
		func(k *irql.K, lock *irp.IO_REMOVE_LOCK) {
			irp.IoAcquireRemoveLock(k, lock, one)
			irp.IoReleaseRemoveLockAndWait(k, lock, one)
			irp.IoReleaseRemoveLockAndWait(k, lock, one)
		},
	} {
		trips(t, verify.LOCK_021, withRemoveLock(misuse))
	}
}

// The remover waits for every user, and later users are turned away.
//
// Near miss: LOCK-021
// Reference: kernel/using-remove-locks.md
func TestIoReleaseRemoveLockAndWait_WaitsForEveryUser(t *testing.T) {
	passes(t, func(l *lab) {
		lock := new(irp.IO_REMOVE_LOCK)
		var order []string
		l.run(func(k *irql.K) {
			irp.IoInitializeRemoveLock(k, lock, irp.Tag("Lock"), 0, 0)
			assert.Equal(t, ok, irp.IoAcquireRemoveLock(k, lock, "user"))
		})
		l.as(l.image, func(k *irql.K) {
			assert.Equal(t, ok, irp.IoAcquireRemoveLock(k, lock, "remover"))
			irp.IoReleaseRemoveLockAndWait(k, lock, "remover")
			order = append(order, "removed")
		})
		l.as(l.image, func(k *irql.K) {
			pause := int64(-10_000)
			irql.KeDelayExecutionThread(k, irql.KernelMode, false, &pause)
			assert.Equal(t, ntstatus.STATUS_DELETE_PENDING, irp.IoAcquireRemoveLock(k, lock, "late"))
			order = append(order, "user done")
			irp.IoReleaseRemoveLock(k, lock, "user")
		})
		l.rest()
		assert.Equal(t, []string{"user done", "removed"}, order)
	})
}
