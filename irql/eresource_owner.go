package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// ERESOURCE_THREAD names an owner of a resource: a thread, as ExGetCurrentResourceThread gives it, or any
// other value that ExSetResourceOwnerPointer was given, whose two lowest bits are set.
type ERESOURCE_THREAD uint64

// Flags of ExSetResourceOwnerPointerEx.
const FLAG_OWNER_POINTER_IS_THREAD uint32 = 0x1

// resourceThread is the id of a thread in resources. In Windows it is the address of the thread object; here
// it is a number with the form of one.
func resourceThread(t *ke.Thread) uint64 { return 0xFFFF8000_00000000 | uint64(t.TID)<<12 }

// ExGetCurrentResourceThread names the calling thread for ExReleaseResourceForThreadLite.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: the value is no address.
// Reference: none; a macro of wdm.h
func ExGetCurrentResourceThread(k *K) ERESOURCE_THREAD {
	ke.Enter(k, ddi.ExGetCurrentResourceThread)
	return ERESOURCE_THREAD(resourceThread(ke.ThreadOf(k)))
}

// ExSetResourceOwnerPointer hands what the calling thread has of a resource to an owner that is no thread.
// From then on only ExReleaseResourceForThreadLite with the same value may be called for it, in any thread.
// ownerPointer is an address of memory that stays until then, with its two lowest bits set.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the resource is no longer the thread's.
// Rules: IRQL-001, LOCK-018.
// Not modelled: the memory behind ownerPointer.
// Reference: wdm/nf-wdm-exsetresourceownerpointer.
func ExSetResourceOwnerPointer(k *K, resource *ERESOURCE, ownerPointer ERESOURCE_THREAD) {
	resource.setOwner(k, ddi.ExSetResourceOwnerPointer, ownerPointer)
}

// ExSetResourceOwnerPointerEx is ExSetResourceOwnerPointer; with FLAG_OWNER_POINTER_IS_THREAD the value is
// that of a thread, which the two lowest bits are added to.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the resource is no longer the thread's.
// Rules: IRQL-001, LOCK-018.
// Not modelled: the memory behind ownerPointer; priority boosts of a thread that becomes the owner.
// Reference: wdm/nf-wdm-exsetresourceownerpointerex.
func ExSetResourceOwnerPointerEx(k *K, resource *ERESOURCE, ownerPointer ERESOURCE_THREAD, flags uint32) {
	resource.setOwner(k, ddi.ExSetResourceOwnerPointerEx, ownerPointer)
}

func (r *ERESOURCE) setOwner(k *K, d ddi.ID, to ERESOURCE_THREAD) {
	ke.Enter(k, d)
	r.ready(k, d)
	if n, _ := ke.RWCount(k, &r.lock); n == 0 {
		r.notOwned(k, d, "")
		return
	}
	if to&3 != 3 {
		// Without them the value would be taken for a thread (W:nf-wdm-exsetresourceownerpointer).
		ke.Report(k, verify.Finding{Rule: verify.LOCK_018, Case: "owner without the two bits",
			Obj: r.id.String(), AllowedIRQL: verify.AnyIRQL,
			Headline: fmt.Sprintf("%v on %v with %#x, whose two lowest bits are not set", d, r.id,
				uint64(to))})
	}
	r.point(k, d, ke.Writes(r.id))
	if n, _ := ke.RWCount(k, &r.lock); n == 0 {
		r.notOwned(k, d, "") // an APC of the thread has released it meanwhile
		return
	}
	ke.CallArg(k, d, r.id, uint64(to))
	ke.Unhold(k, r)
	ke.GiveRW(k, &r.lock, uint64(to))
}

// ExReleaseResourceForThreadLite gives back one acquisition of a resource for its owner: the value that
// ExSetResourceOwnerPointer was given, or a thread, the calling one or another.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: resourceThreadId must name an owner of the resource.
// Rules: IRQL-001, LOCK-018.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleaseresourceforthreadlite.
func ExReleaseResourceForThreadLite(k *K, resource *ERESOURCE, resourceThreadId ERESOURCE_THREAD) {
	const d = ddi.ExReleaseResourceForThreadLite
	if !ke.IsDPC(k) && resourceThreadId == ERESOURCE_THREAD(resourceThread(ke.ThreadOf(k))) {
		resource.release(k, d)
		return
	}
	ke.Enter(k, d)
	resource.ready(k, d)
	id := uint64(resourceThreadId)
	resource.point(k, d, ke.Releases(resource.id))
	t, n, found := ke.RWOwner(&resource.lock, id, resourceThread)
	if !found {
		resource.noSuchOwner(k, d, id)
		return
	}
	ke.CallArg(k, d, resource.id, id)
	if t != nil && n == 1 {
		ke.Unhold(ke.KOf(t), resource)
	}
	ke.Released(k, resource)
	ke.ReleaseRWFor(k, &resource.lock, id, resourceThread)
}

// noSuchOwner is LOCK-018 for a release in the name of somebody who does not own the resource.
func (r *ERESOURCE) noSuchOwner(k *K, d ddi.ID, id uint64) {
	f := verify.Finding{Rule: verify.LOCK_018, Case: "another owner", Obj: r.id.String(),
		AllowedIRQL: verify.AnyIRQL,
		Headline:    fmt.Sprintf("%v on %v for %#x, which does not own it", d, r.id, id),
		Args:        verify.Params(r.id, fmt.Sprintf("%#x", id)),
		Places:      []verify.Place{{Label: "INITIALISED", Seq: r.initSeq}}}
	if r.lock.Owned() {
		f.Headline += "; " + r.lock.Owners() + " does"
	}
	ke.Report(k, f)
}
