package useafterfree

import (
	"calloutsim/irp"
	"calloutsim/irql"
)

// Bystander is a system thread that shares nothing with anybody: it counts, under a lock that nobody else has
// heard of, and says that it is done. It makes many schedules, and no difference.
func Bystander(k *irql.K) {
	var lock irql.KSPIN_LOCK
	var old irql.KIRQL
	var done irql.KEVENT
	var count irql.Var[int32]
	irql.KeInitializeSpinLock(k, &lock)
	irql.KeInitializeEvent(k, &done, irql.NotificationEvent, false)
	irql.InterlockedIncrement(k, &count)
	irql.KeAcquireSpinLock(k, &lock, &old)
	irql.InterlockedIncrement(k, &count)
	irql.KeReleaseSpinLock(k, &lock, old)
	irql.KeSetEvent(k, &done, irp.IO_NO_INCREMENT, false)
}
