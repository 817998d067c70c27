package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// IO_REMOVE_LOCK counts who uses a device, so that its removal can wait for them. It lies in the device
// extension.
type IO_REMOVE_LOCK struct {
	id      trace.ID
	run     ke.Stamp
	count   int32
	removed bool
	tags    []any
	gone    ke.Object
	initSeq uint64

	mortal
}

// ID returns the id reports use for the lock.
func (l *IO_REMOVE_LOCK) ID() trace.ID { return l.id }

// Busy says why the memory of the lock must not go, "" when it may.
func (l *IO_REMOVE_LOCK) Busy() string {
	if l.run.Live() && l.gone.Waiters() > 0 {
		return "has waiters"
	}
	return ""
}

// Gone tells the lock that its memory is no more.
func (l *IO_REMOVE_LOCK) Gone(rule verify.RuleID, seq uint64) {
	l.gone.Gone = true
	l.dies(rule, seq)
}

// alive reports a lock whose memory is gone.
func (l *IO_REMOVE_LOCK) alive(k *irql.K) {
	ke.CheckFunctions(k)
	if l.goneRule != verify.NoRule {
		l.there(k, l.id.String())
	}
}

// IoInitializeRemoveLock prepares a lock before its device can be reached.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the memory must stay as long as the device.
// Rules: IRQL-001, LOCK-021, POOL-013.
// Not modelled: the time and high-water limits of checked builds.
// Reference: wdm/nf-wdm-ioinitializeremovelock.
func IoInitializeRemoveLock(k *irql.K, lock *IO_REMOVE_LOCK, allocateTag uint32, maxLockedMinutes,
	highWatermark uint32) {
	_, _, _ = allocateTag, maxLockedMinutes, highWatermark
	ke.Enter(k, ddi.IoInitializeRemoveLock)
	lock.alive(k)
	if lock.run.Of(k) {
		lock.misused(k, "is initialised again", "initialised twice")
	}
	*lock = IO_REMOVE_LOCK{id: ke.Of(k).NewID(trace.RemoveLock), run: ke.StampOf(k), count: 1}
	lock.gone = ke.Object{Kind: ke.NotificationEvent, ID: lock.id}
	ke.Of(k).Ends(lock.id)
	lock.initSeq = ke.Call(k, ddi.IoInitializeRemoveLock, lock.id)
}

func (l *IO_REMOVE_LOCK) misused(k *irql.K, what, cause string) {
	ke.Report(k, verify.Finding{Rule: verify.LOCK_021, Case: cause, Obj: l.id.String(),
		Headline: fmt.Sprintf("%v %s", l.id, what), Args: verify.Params(nil, l.id),
		Places: []verify.Place{{Label: "INITIALISED", Seq: l.initSeq}}})
}

// usable reports a lock that was never initialised in this run.
func (l *IO_REMOVE_LOCK) usable(k *irql.K) {
	ke.Alive(k, l.id)
	l.alive(k)
	if !l.run.Of(k) {
		l.misused(k, "is used without having been initialised", "never initialised")
	}
}

// point is the scheduling point of a routine that changes a lock, which is looked at before and after: its
// memory can be gone when the routine goes on.
func (l *IO_REMOVE_LOCK) point(k *irql.K) {
	l.usable(k)
	ke.Point(k, ke.Swaps(l.id))
	l.usable(k)
}

// IoAcquireRemoveLock counts a user. STATUS_DELETE_PENDING means that the device is going: do nothing but
// complete the IRP.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: IoReleaseRemoveLock with the same tag.
// Rules: IRQL-001, LOCK-021, POOL-013.
// Reference: wdm/nf-wdm-ioacquireremovelock.
func IoAcquireRemoveLock(k *irql.K, lock *IO_REMOVE_LOCK, tag any) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.IoAcquireRemoveLock)
	lock.point(k)
	s := ntstatus.STATUS_DELETE_PENDING
	if !lock.removed {
		s = ntstatus.STATUS_SUCCESS
		lock.count++
		lock.tags = append(lock.tags, tag)
	}
	ke.CallStatus(k, ddi.IoAcquireRemoveLock, lock.id, uint32(s))
	return s
}

// IoReleaseRemoveLock ends what IoAcquireRemoveLock with the same tag began.
//
// IRQL: <= DISPATCH_LEVEL.
// Rules: IRQL-001, LOCK-021, POOL-013.
// Reference: wdm/nf-wdm-ioreleaseremovelock.
func IoReleaseRemoveLock(k *irql.K, lock *IO_REMOVE_LOCK, tag any) {
	ke.Enter(k, ddi.IoReleaseRemoveLock)
	lock.point(k)
	ke.Call(k, ddi.IoReleaseRemoveLock, lock.id)
	if lock.drop(k, tag) {
		lock.release(k)
	}
}

// drop takes one acquisition with the tag away; false when there is none.
func (l *IO_REMOVE_LOCK) drop(k *irql.K, tag any) bool {
	for i, t := range l.tags {
		if t == tag {
			l.tags = list.Cut(l.tags, i)
			return true
		}
	}
	l.misused(k, "is released with a tag that nobody acquired it with",
		"another tag")
	return false
}

func (l *IO_REMOVE_LOCK) release(k *irql.K) {
	l.count--
	if l.count == 0 {
		ke.SetSignal(k, &l.gone, 1)
	}
}

// IoReleaseRemoveLockAndWait marks the device as removed, gives up the caller's acquisition and the initial
// count, and waits until nobody uses the device.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: once, by the remover, which holds an acquisition.
// Rules: IRQL-001, LOCK-021.
// Reference: wdm/nf-wdm-ioreleaseremovelockandwait.
func IoReleaseRemoveLockAndWait(k *irql.K, lock *IO_REMOVE_LOCK, tag any) {
	ke.Enter(k, ddi.IoReleaseRemoveLockAndWait)
	lock.point(k)
	ke.Call(k, ddi.IoReleaseRemoveLockAndWait, lock.id)
	if lock.removed {
		lock.misused(k, "is released for removal a second time", "removed twice")
		return
	}
	lock.removed = true
	if lock.drop(k, tag) {
		lock.release(k)
	}
	lock.release(k)
	ke.Wait(k, []*ke.Object{&lock.gone}, false, nil, "IoReleaseRemoveLockAndWait")
}
