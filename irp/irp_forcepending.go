package irp

import (
	"calloutsim/internal/ke"
	"calloutsim/irql"
)

// This file is Driver Verifier's option to force pending requests (irp.md 23): IoCallDriver answers
// STATUS_PENDING to a driver although the drivers below ended the request at once. The mark is in the
// location, and the climb goes on from there in a system worker thread.

var siteForcePending = ke.Site{Name: "verifier/ForcePending",
	Alts: []string{"returns what the driver below returned", "returns STATUS_PENDING"}, Spec: "irp.md 23"}

// forcePending decides for one IoCallDriver of a driver.
func forcePending(k *irql.K) bool {
	return ke.Acting(k) != nil && ke.Choose(k, &siteForcePending, 2) == 1
}

// deferred is asked when a climb is about to leave location sp. If the sender has not seen its IoCallDriver
// return and is to see STATUS_PENDING, the rest of the climb is handed to another thread.
func (p *IRP) deferred(k *irql.K, sp *IO_STACK_LOCATION) bool {
	p.usesReturn(p.cur-1, ke.W)
	v := sp.visit
	for v != nil && !v.force {
		v = v.above
	}
	if v == nil {
		return false
	}
	v.force, v.forced = false, true
	ke.Note(k, "pending is forced: the rest of the completion comes later", p.id)
	sp.control |= SL_PENDING_RETURNED
	p.give(stCompleting, nil, p.cur, nil)
	p.cur--
	ke.Of(k).QueueWork("forced completion of "+p.id.String(), func(k *ke.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameSystem, Obj: p.id})
		p.climb(k)
		ke.Pop(k)
	})
	return true
}
