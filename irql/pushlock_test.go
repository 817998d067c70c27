package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

func push(k *K) *EX_PUSH_LOCK {
	l := &EX_PUSH_LOCK{}
	ExInitializePushLock(k, l)
	return l
}

// Rule: LOCK-023
func TestExAcquirePushLockExclusive_Misused(t *testing.T) {
	f := trips(t, verify.LOCK_023, func(k *K) { ExAcquirePushLockExclusive(k, push(k)) })
	assert.Equal(t, "0xea", f.Args[0].Value)
	trips(t, verify.LOCK_023, func(k *K) { // recursion
		l := push(k)
		KeEnterCriticalRegion(k)
		ExAcquirePushLockShared(k, l)
		ExAcquirePushLockShared(k, l)
	})
	f = trips(t, verify.LOCK_023, func(k *K) { // too high
		l := push(k)
		KeRaiseIrqlToDpcLevel(k)
		ExAcquirePushLockShared(k, l)
	})
	assert.Equal(t, uint8(ke.APC), f.AllowedIRQL)
	f = trips(t, verify.LOCK_023, func(k *K) { // another thread
		l := push(k)
		KeEnterCriticalRegion(k)
		ExAcquirePushLockExclusive(k, l)
		spawn(k, func(k *K) { ExReleasePushLockExclusive(k, l) })
		sleep(k, ms)
	})
	assert.Contains(t, f.Headline, "; driver a does")
	f = trips(t, verify.LOCK_023, func(k *K) { // released too late
		l := push(k)
		KeEnterCriticalRegion(k)
		ExAcquirePushLockExclusive(k, l)
		KeLeaveCriticalRegion(k)
		ExReleasePushLockExclusive(k, l)
	})
	assert.Equal(t, "0xeb", f.Args[0].Value)
}

// Near miss: LOCK-023
func TestExAcquirePushLockExclusive_AsItShouldBe(t *testing.T) {
	readers, most := 0, 0
	clean(t, func(k *K) {
		l := push(k)
		for range 2 {
			spawn(k, func(k *K) {
				ExAcquirePushLockShared(k, l)
				readers++
				most = max(most, readers)
				sleep(k, ms)
				readers--
				ExReleasePushLockShared(k, l)
			})
		}
		sleep(k, 1)
		var old KIRQL
		KeRaiseIrql(k, APC_LEVEL, &old)
		ExAcquirePushLockExclusive(k, l)
		assert.Zero(t, readers)
		ExReleasePushLockExclusive(k, l)
		KeLowerIrql(k, old)
	})
	assert.Equal(t, 2, most)
}

// Rule: LOCK-006
func TestExReleasePushLockShared_OfAnExclusiveOne(t *testing.T) {
	trips(t, verify.LOCK_006, func(k *K) {
		l := push(k)
		KeEnterCriticalRegion(k)
		ExAcquirePushLockExclusive(k, l)
		ExReleasePushLockShared(k, l)
	})
}

// Rule: LOCK-007
func TestExInitializePushLock_TwiceOrNever(t *testing.T) {
	trips(t, verify.LOCK_007, func(k *K) {
		KeEnterCriticalRegion(k)
		ExAcquirePushLockShared(k, &EX_PUSH_LOCK{})
	})
	f := trips(t, verify.LOCK_007, func(k *K) { ExInitializePushLock(k, push(k)) })
	assert.True(t, f.Warning)
}

// Rule: LOCK-015
func TestEX_PUSH_LOCK_OnTheStackAndHeld(t *testing.T) {
	trips(t, verify.LOCK_015, func(k *K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameQueue, Image: ke.Acting(k)})
		l := OnStack[EX_PUSH_LOCK](k)
		ExInitializePushLock(k, l)
		KeEnterCriticalRegion(k)
		ExAcquirePushLockShared(k, l)
		l.StackGone(k)
	})
	clean(t, func(k *K) {
		l := OnStack[EX_PUSH_LOCK](k)
		ExInitializePushLock(k, l)
	})
}
