package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// ERESOURCE is a lock that one thread owns or several share, both of them recursively. It lies in nonpaged
// driver memory, is initialised once and, because the system keeps all resources in a list, deleted before
// the memory goes.
type ERESOURCE struct {
	resident
	lock    ke.RWLock
	image   *ke.Image
	listed  bool // initialised and not deleted
	deleted uint64
}

// Busy says what keeps the resource's memory in use, "" when nothing does.
func (r *ERESOURCE) Busy() string {
	switch {
	case r.lock.Owned():
		return "is a resource that is owned"
	case r.listed:
		return "is a resource that was not deleted"
	}
	return ""
}

// StackGone is called when the routine whose local variable the resource is returns.
func (r *ERESOURCE) StackGone(k *K) {
	if busy := r.Busy(); busy != "" && r.fresh(k) {
		r.misuse(k, fmt.Sprintf("%v %s when the routine it is a local variable of returns", r.id, busy),
			"memory goes", nil)
	}
	r.stackGone(k)
}

// Gone tells the resource that its memory is no more.
func (r *ERESOURCE) Gone(rule verify.RuleID, seq uint64) {
	r.listed = false
	r.resident.Gone(rule, seq)
}

func (r *ERESOURCE) misuse(k *K, headline, cause string, sub any) {
	kernel, special := ke.APCState(k)
	id := r.id.String()
	if r.id == 0 {
		id = "ERESOURCE"
	}
	f := verify.Finding{Rule: verify.LOCK_018, Case: cause, Obj: id, Headline: headline,
		AllowedIRQL: verify.AnyIRQL, Args: verify.Params(sub, ke.IRQL(k), kernel+special, id)}
	if r.initSeq != 0 && r.run.Of(k) {
		f.Places = append(f.Places, verify.Place{Label: "INITIALISED", Seq: r.initSeq})
	}
	if r.deleted != 0 && r.run.Of(k) {
		f.Places = append(f.Places, verify.Place{Label: "DELETED", Seq: r.deleted})
	}
	ke.Report(k, f)
}

// ready checks the resource at the entry of a routine: it is initialised and not deleted.
func (r *ERESOURCE) ready(k *K, d ddi.ID) {
	if r.fresh(k) && !r.listed {
		r.misuse(k, fmt.Sprintf("%v on %v, which is deleted", d, r.id), "deleted", nil)
	}
	r.usable(k, d, verify.LOCK_018)
}

// checkAPCs looks whether normal kernel APCs are kept off: a thread that is suspended while it owns the
// resource stops everybody.
func (r *ERESOURCE) checkAPCs(k *K, d ddi.ID, sub string) {
	if !apcsKeptOff(k) {
		r.misuse(k, fmt.Sprintf("%v on %v with normal kernel APCs enabled", d, r.id), "APCs enabled", sub)
	}
}

// ExInitializeResourceLite makes a resource that nobody owns and puts it into the system's list.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the resource is the driver's; ExDeleteResourceLite before its memory goes.
// Returns: STATUS_SUCCESS.
// Rules: IRQL-001, LOCK-018, POOL-018, POOL-026, UNLOAD-005.
// Not modelled: none.
// Reference: wdm/nf-wdm-exinitializeresourcelite.
func ExInitializeResourceLite(k *K, resource *ERESOURCE) ntstatus.NTSTATUS {
	const d = ddi.ExInitializeResourceLite
	ke.Enter(k, d)
	if resource.fresh(k) && resource.listed {
		resource.misuse(k, fmt.Sprintf("%v on %v, which is initialised already", d, resource.id),
			"initialised twice", nil)
	}
	first := !resource.run.Of(k)
	*resource = ERESOURCE{resident: resource.resident, image: ke.Acting(k), listed: true}
	resource.born(k, d, trace.Resource)
	resource.lock.ID = resource.id
	if first {
		s := state.Of(k)
		s.resources = append(s.resources, resource)
	}
	return ntstatus.STATUS_SUCCESS
}

// ExReinitializeResourceLite makes a resource that nobody owns as new, without deleting it.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: nobody may use the resource meanwhile.
// Returns: STATUS_SUCCESS.
// Rules: IRQL-001, LOCK-018.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreinitializeresourcelite.
func ExReinitializeResourceLite(k *K, resource *ERESOURCE) ntstatus.NTSTATUS {
	const d = ddi.ExReinitializeResourceLite
	ke.Enter(k, d)
	resource.ready(k, d)
	resource.point(k, d, ke.Writes(resource.id))
	if resource.lock.Owned() {
		resource.misuse(k, fmt.Sprintf("%v on %v, which is owned by %s", d, resource.id,
			resource.lock.Owners()), "reinitialised while owned", nil)
	}
	resource.lock = ke.RWLock{ID: resource.id}
	ke.Call(k, d, resource.id)
	return ntstatus.STATUS_SUCCESS
}

// ExDeleteResourceLite takes a resource that nobody owns out of the system's list.
//
// IRQL: <= APC_LEVEL.
// Ownership: afterwards the memory may go, or be initialised again.
// Returns: STATUS_SUCCESS.
// Rules: IRQL-001, LOCK-018.
// Not modelled: none.
// Reference: wdm/nf-wdm-exdeleteresourcelite.
func ExDeleteResourceLite(k *K, resource *ERESOURCE) ntstatus.NTSTATUS {
	const d = ddi.ExDeleteResourceLite
	ke.Enter(k, d)
	resource.ready(k, d)
	resource.point(k, d, ke.Frees(resource.id))
	if resource.lock.Owned() {
		resource.misuse(k, fmt.Sprintf("%v on %v, which is owned by %s", d, resource.id,
			resource.lock.Owners()), "deleted while owned", nil)
	}
	ke.Of(k).Ends(resource.id)
	resource.listed = false
	resource.deleted = ke.Call(k, d, resource.id)
	return ntstatus.STATUS_SUCCESS
}

// ExAcquireResourceExclusiveLite acquires the resource for the calling thread alone. Without wait it returns
// FALSE when that needs time. An exclusive owner gets it again.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-001, LOCK-003, LOCK-018.
// Not modelled: priority boosts of owners.
// Reference: wdm/nf-wdm-exacquireresourceexclusivelite.
func ExAcquireResourceExclusiveLite(k *K, resource *ERESOURCE, wait bool) bool {
	return resource.acquire(k, ddi.ExAcquireResourceExclusiveLite, ke.WantExclusive, wait)
}

// ExAcquireResourceSharedLite acquires the resource together with others. A request waits while another
// thread owns the resource exclusively, and behind exclusive requests that wait, unless the thread has the
// resource already: then it gets it again, in the same mode.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-001, LOCK-003, LOCK-018.
// Not modelled: priority boosts of owners.
// Reference: wdm/nf-wdm-exacquireresourcesharedlite.
func ExAcquireResourceSharedLite(k *K, resource *ERESOURCE, wait bool) bool {
	return resource.acquire(k, ddi.ExAcquireResourceSharedLite, ke.WantShared, wait)
}

// ExAcquireSharedStarveExclusive is ExAcquireResourceSharedLite past exclusive requests that wait.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-001, LOCK-003, LOCK-018.
// Not modelled: priority boosts of owners.
// Reference: wdm/nf-wdm-exacquiresharedstarveexclusive.
func ExAcquireSharedStarveExclusive(k *K, resource *ERESOURCE, wait bool) bool {
	return resource.acquire(k, ddi.ExAcquireSharedStarveExclusive, ke.WantSharedPast, wait)
}

// ExAcquireSharedWaitForExclusive is ExAcquireResourceSharedLite behind exclusive requests that wait, even
// for a thread that shares the resource already; such a thread then waits for itself.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-001, LOCK-003, LOCK-018, LOCK-026.
// Not modelled: priority boosts of owners.
// Reference: wdm/nf-wdm-exacquiresharedwaitforexclusive.
func ExAcquireSharedWaitForExclusive(k *K, resource *ERESOURCE, wait bool) bool {
	return resource.acquire(k, ddi.ExAcquireSharedWaitForExclusive, ke.WantSharedBehind, wait)
}

// ExEnterCriticalRegionAndAcquireResourceExclusive enters a critical region and acquires the resource for the
// calling thread alone.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-001, LOCK-003, LOCK-018, LOCK-019.
// Not modelled: the result, which drivers ignore.
// Reference: wdm/nf-wdm-exentercriticalregionandacquireresourceexclusive.
func ExEnterCriticalRegionAndAcquireResourceExclusive(k *K, resource *ERESOURCE) {
	const d = ddi.ExEnterCriticalRegionAndAcquireResourceExclusive
	enterRegion(k, d, false)
	resource.acquire(k, d, ke.WantExclusive, true)
}

// ExEnterCriticalRegionAndAcquireResourceShared enters a critical region and acquires the resource together
// with others, as ExAcquireResourceSharedLite does.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-001, LOCK-003, LOCK-018, LOCK-019.
// Not modelled: the result, which drivers ignore.
// Reference: none; declared in wdm.h beside the exclusive form
func ExEnterCriticalRegionAndAcquireResourceShared(k *K, resource *ERESOURCE) {
	const d = ddi.ExEnterCriticalRegionAndAcquireResourceShared
	enterRegion(k, d, false)
	resource.acquire(k, d, ke.WantShared, true)
}

// ExEnterCriticalRegionAndAcquireSharedWaitForExclusive enters a critical region and acquires the resource as
// ExAcquireSharedWaitForExclusive does.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-001, LOCK-003, LOCK-018, LOCK-019, LOCK-026.
// Not modelled: the result, which drivers ignore.
// Reference: none; declared in wdm.h beside the exclusive form
func ExEnterCriticalRegionAndAcquireSharedWaitForExclusive(k *K, resource *ERESOURCE) {
	const d = ddi.ExEnterCriticalRegionAndAcquireSharedWaitForExclusive
	enterRegion(k, d, false)
	resource.acquire(k, d, ke.WantSharedBehind, true)
}

// ExReleaseResourceAndLeaveCriticalRegion gives back one acquisition and leaves the critical region.
//
// IRQL: <= APC_LEVEL.
// Ownership: the thread must own the resource.
// Rules: IRQL-001, LOCK-005, LOCK-018, LOCK-019.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleaseresourceandleavecriticalregion.
func ExReleaseResourceAndLeaveCriticalRegion(k *K, resource *ERESOURCE) {
	const d = ddi.ExReleaseResourceAndLeaveCriticalRegion
	resource.release(k, d)
	leaveRegion(k, d, false)
}

// ExReleaseResourceLite gives back one acquisition. With the last one the resource goes to who waits; where
// several do, who is next is a choice.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the thread must own the resource.
// Rules: IRQL-001, LOCK-005, LOCK-018.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleaseresourcelite.
func ExReleaseResourceLite(k *K, resource *ERESOURCE) {
	resource.release(k, ddi.ExReleaseResourceLite)
}

// ExConvertExclusiveToSharedLite makes a shared ownership of an exclusive one and lets in everybody who waits
// to share the resource.
//
// IRQL: <= APC_LEVEL.
// Ownership: the thread must own the resource exclusively.
// Rules: IRQL-001, LOCK-018.
// Not modelled: none.
// Reference: wdm/nf-wdm-exconvertexclusivetosharedlite.
func ExConvertExclusiveToSharedLite(k *K, resource *ERESOURCE) {
	const d = ddi.ExConvertExclusiveToSharedLite
	ke.Enter(k, d)
	resource.ready(k, d)
	if _, exclusive := ke.RWCount(k, &resource.lock); !exclusive {
		resource.notOwned(k, d, " exclusively")
		return
	}
	resource.point(k, d, ke.Releases(resource.id))
	ke.Call(k, d, resource.id)
	ke.Released(k, resource) // sharers to come see what the owner did
	ke.ShareRW(k, &resource.lock)
}

func (r *ERESOURCE) acquire(k *K, d ddi.ID, want ke.Want, wait bool) bool {
	ke.Enter(k, d)
	r.ready(k, d)
	r.checkAPCs(k, d, "0x37")
	r.point(k, d, ke.Acquires(r.id))
	n, exclusive := ke.RWCount(k, &r.lock)
	if n > 0 && !exclusive && want == ke.WantExclusive && wait {
		h := ke.Held{}
		if held, ok := ke.FindHeld(k, r); ok {
			h = *held
		}
		ke.Report(k, verify.Finding{Rule: verify.LOCK_018, Case: "shared by the same thread",
			Obj: r.id.String(), AllowedIRQL: verify.AnyIRQL,
			Headline: fmt.Sprintf("%v on %v, which this thread shares: it would wait for itself", d, r.id),
			Args:     verify.Params(nil, r.id), Places: []verify.Place{{Label: "ACQUIRED", Seq: h.Seq}}})
	}
	if n == 0 && wait {
		noteOrder(k, d, r.id)
	}
	if !ke.AcquireRW(k, &r.lock, want, wait, d.String()) {
		ke.CallBool(k, d, r.id, false)
		return false
	}
	ke.CallBool(k, d, r.id, true)
	if n == 0 {
		ke.Hold(k, ke.Held{Lock: r, ID: r.id, Kind: ownedResource, Saved: ke.IRQL(k), AtEnd: verify.LOCK_015})
	}
	return true
}

func (r *ERESOURCE) release(k *K, d ddi.ID) {
	ke.Enter(k, d)
	r.ready(k, d)
	n, _ := ke.RWCount(k, &r.lock)
	if n == 0 {
		r.notOwned(k, d, "")
		return
	}
	r.checkAPCs(k, d, "0x38")
	r.point(k, d, ke.Releases(r.id))
	if n, _ = ke.RWCount(k, &r.lock); n == 0 {
		r.notOwned(k, d, "") // an APC of the thread has released it meanwhile
		return
	}
	ke.Call(k, d, r.id)
	if n == 1 {
		if _, after, _ := ke.Unhold(k, r); after > 0 {
			reportMutexOrder(k, d, r.id)
		}
	}
	ke.ReleaseRW(k, &r.lock)
}

// notOwned reports a release or conversion by a thread that does not own the resource.
func (r *ERESOURCE) notOwned(k *K, d ddi.ID, how string) {
	f := verify.Finding{Rule: verify.LOCK_018, Case: "not owned", Obj: r.id.String(),
		AllowedIRQL: verify.AnyIRQL,
		Headline:    fmt.Sprintf("%v on %v by %s that does not own it%s", d, r.id, caller(k), how),
		Args:        verify.Params(r.id, ke.ThreadOf(k).ID),
		Places:      []verify.Place{{Label: "INITIALISED", Seq: r.initSeq}}}
	if n, _ := ke.RWCount(k, &r.lock); n == 0 && r.lock.Owned() {
		f.Headline += "; " + r.lock.Owners() + " does"
		f.Also = []verify.RuleID{verify.LOCK_004}
	}
	ke.Report(k, f)
}

// ExIsResourceAcquiredExclusiveLite says whether the calling thread owns the resource exclusively.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001, LOCK-018.
// Not modelled: none.
// Reference: wdm/nf-wdm-exisresourceacquiredexclusivelite.
func ExIsResourceAcquiredExclusiveLite(k *K, resource *ERESOURCE) bool {
	ke.Enter(k, ddi.ExIsResourceAcquiredExclusiveLite)
	resource.ready(k, ddi.ExIsResourceAcquiredExclusiveLite)
	_, exclusive := ke.RWCount(k, &resource.lock)
	return exclusive
}

// ExIsResourceAcquiredSharedLite says how often the calling thread has acquired the resource, in either mode.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001, LOCK-018.
// Not modelled: none.
// Reference: wdm/nf-wdm-exisresourceacquiredsharedlite.
func ExIsResourceAcquiredSharedLite(k *K, resource *ERESOURCE) uint32 {
	ke.Enter(k, ddi.ExIsResourceAcquiredSharedLite)
	resource.ready(k, ddi.ExIsResourceAcquiredSharedLite)
	n, _ := ke.RWCount(k, &resource.lock)
	return uint32(n)
}

// ExGetExclusiveWaiterCount returns how many exclusive requests wait.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001, LOCK-018.
// Not modelled: none.
// Reference: wdm/nf-wdm-exgetexclusivewaitercount.
func ExGetExclusiveWaiterCount(k *K, resource *ERESOURCE) uint32 {
	n, _ := resource.waiting(k, ddi.ExGetExclusiveWaiterCount)
	return n
}

// ExGetSharedWaiterCount returns how many shared requests wait.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001, LOCK-018.
// Not modelled: none.
// Reference: wdm/nf-wdm-exgetsharedwaitercount.
func ExGetSharedWaiterCount(k *K, resource *ERESOURCE) uint32 {
	_, n := resource.waiting(k, ddi.ExGetSharedWaiterCount)
	return n
}

func (r *ERESOURCE) waiting(k *K, d ddi.ID) (exclusive, shared uint32) {
	ke.Enter(k, d)
	r.ready(k, d)
	r.point(k, d, ke.Reads(r.id))
	e, s := r.lock.Waiting()
	return uint32(e), uint32(s)
}
