package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// EX_RUNDOWN_REF protects an object while it is used: users acquire and release, and who wants to delete
// the object waits until the last one is gone and lets no new one in. It lies in driver memory and is
// initialised once. A use belongs to whoever is to release it, which need be neither the thread nor the
// context that acquired it: the pages speak of drivers that access the object, and of no thread.
type EX_RUNDOWN_REF struct {
	header
	count   int32
	down    bool // waiting for the end has begun, or is over
	waiting bool // somebody waits for the last user
	useSeq  uint64
}

// Busy says what keeps the object's memory in use, "" when nothing does.
func (r *EX_RUNDOWN_REF) Busy() string {
	if r.count > 0 {
		return "is in use"
	}
	return r.header.Busy()
}

// StackGone is called when the routine whose local variable the object is returns.
func (r *EX_RUNDOWN_REF) StackGone(k *K) {
	if r.count > 0 && r.fresh(k) {
		r.misuse(k, fmt.Sprintf("%v is in use when the routine it is a local variable of returns", r.id),
			"memory goes")
	}
	r.header.StackGone(k)
}

func (r *EX_RUNDOWN_REF) misuse(k *K, headline, cause string) {
	f := verify.Finding{Rule: verify.LOCK_022, Case: cause, Obj: r.id.String(), Headline: headline,
		Places: []verify.Place{{Label: "INITIALISED", Seq: r.initSeq}}}
	if r.count > 0 {
		f.Places = append(f.Places, verify.Place{Label: "ACQUIRED_LAST", Seq: r.useSeq})
	}
	ke.Report(k, f)
}

// ExInitializeRundownProtection makes an object that nobody uses.
//
// IRQL: <= APC_LEVEL.
// Ownership: the object is the driver's; it must outlive every user and the wait.
// Rules: LOCK-007, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-exinitializerundownprotection.
func ExInitializeRundownProtection(k *K, runRef *EX_RUNDOWN_REF) {
	Sim.InitializeRundown(k, ddi.ExInitializeRundownProtection, runRef)
}

// InitializeRundown is the routine d, which makes an object that nobody uses. Like those below it is for the
// cache-aware form, which a package above has.
func (sim) InitializeRundown(k *K, d ddi.ID, runRef *EX_RUNDOWN_REF) {
	ke.Enter(k, d)
	if runRef.fresh(k) && runRef.o.Waiters() == 0 {
		reportLockAgain(k, d, &runRef.resident, runRef.count > 0)
	}
	runRef.initialise(k, d, trace.Rundown, ke.NotificationEvent, 0)
	runRef.count, runRef.down, runRef.waiting = 0, false, false
}

// ExAcquireRundownProtection makes the caller a user. FALSE means that the object is going away.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: after FALSE the protected object must not be touched.
// Rules: LOCK-007, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-exacquirerundownprotection.
func ExAcquireRundownProtection(k *K, runRef *EX_RUNDOWN_REF) bool {
	return Sim.AcquireRundown(k, ddi.ExAcquireRundownProtection, runRef, 1)
}

// ExAcquireRundownProtectionEx makes the caller a user count times over. FALSE means that the object is going
// away, and that nothing was acquired.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: after FALSE the protected object must not be touched.
// Rules: LOCK-007, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-exacquirerundownprotectionex.
func ExAcquireRundownProtectionEx(k *K, runRef *EX_RUNDOWN_REF, count uint32) bool {
	return Sim.AcquireRundown(k, ddi.ExAcquireRundownProtectionEx, runRef, count)
}

// AcquireRundown is the routine d, which begins count uses.
func (sim) AcquireRundown(k *K, d ddi.ID, runRef *EX_RUNDOWN_REF, count uint32) bool {
	ke.Enter(k, d)
	runRef.usable(k, d, verify.LOCK_007)
	runRef.point(k, d, ke.Swaps(runRef.id))
	if runRef.down {
		ke.CallBool(k, d, runRef.id, false)
		return false
	}
	runRef.count += int32(count)
	runRef.useSeq = ke.CallBool(k, d, runRef.id, true)
	return true
}

// ExReleaseRundownProtection ends one use.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller may not touch the protected object any more.
// Rules: LOCK-007, LOCK-022, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleaserundownprotection.
func ExReleaseRundownProtection(k *K, runRef *EX_RUNDOWN_REF) {
	Sim.ReleaseRundown(k, ddi.ExReleaseRundownProtection, runRef, 1)
}

// ExReleaseRundownProtectionEx ends count uses.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller may not touch the protected object any more.
// Rules: LOCK-007, LOCK-022, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreleaserundownprotectionex.
func ExReleaseRundownProtectionEx(k *K, runRef *EX_RUNDOWN_REF, count uint32) {
	Sim.ReleaseRundown(k, ddi.ExReleaseRundownProtectionEx, runRef, count)
}

// ReleaseRundown is the routine d, which ends count uses.
func (sim) ReleaseRundown(k *K, d ddi.ID, runRef *EX_RUNDOWN_REF, count uint32) {
	ke.Enter(k, d)
	runRef.usable(k, d, verify.LOCK_007)
	runRef.point(k, d, ke.Swaps(runRef.id))
	if int64(runRef.count) < int64(count) {
		what := "which nobody uses"
		if runRef.count > 0 {
			what = fmt.Sprintf("%d times, of which only %d are in use", count, runRef.count)
		}
		runRef.misuse(k, fmt.Sprintf("%v on %v, %s", d, runRef.id, what),
			"released too often")
		return
	}
	runRef.count -= int32(count)
	ke.Call(k, d, runRef.id)
	if runRef.down && runRef.count == 0 {
		runRef.waiting = false
		ke.SetSignal(k, &runRef.o, 1)
	}
}

// ExWaitForRundownProtectionRelease lets no new user in and waits until the last one is gone. For an object
// that is run down already it does nothing.
//
// IRQL: <= APC_LEVEL.
// Ownership: afterwards the protected object is the caller's alone.
// Rules: LOCK-007, LOCK-022, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-exwaitforrundownprotectionrelease.
func ExWaitForRundownProtectionRelease(k *K, runRef *EX_RUNDOWN_REF) {
	Sim.WaitForRundown(k, ddi.ExWaitForRundownProtectionRelease, runRef)
}

// WaitForRundown is the routine d, which waits for the last user.
func (sim) WaitForRundown(k *K, d ddi.ID, runRef *EX_RUNDOWN_REF) {
	ke.Enter(k, d)
	runRef.usable(k, d, verify.LOCK_007)
	runRef.point(k, d, ke.Swaps(runRef.id))
	if runRef.waiting {
		// The page speaks of an object that has been run down, and there is room for one waiter only.
		// INFERRED from an independent implementation, which asserts that there is none.
		runRef.misuse(k, fmt.Sprintf("%v on %v while another thread waits there for its last user", d,
			runRef.id), "two waiters")
	}
	if runRef.down && !runRef.waiting { // "no effect, but not an error" (the same page)
		ke.Call(k, d, runRef.id)
		return
	}
	runRef.down = true
	ke.Call(k, d, runRef.id)
	if runRef.count > 0 {
		runRef.waiting = true
		objs := [1]*ke.Object{&runRef.o}
		ke.Wait(k, objs[:], false, nil, d.String())
	}
}

// ExReInitializeRundownProtection makes an object that has been waited for usable again.
//
// IRQL: <= APC_LEVEL.
// Ownership: nobody may use the object meanwhile.
// Rules: LOCK-007, LOCK-022, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-exreinitializerundownprotection.
func ExReInitializeRundownProtection(k *K, runRef *EX_RUNDOWN_REF) {
	Sim.ReinitializeRundown(k, ddi.ExReInitializeRundownProtection, runRef)
}

// ReinitializeRundown is the routine d, which makes an object that was run down usable again.
func (sim) ReinitializeRundown(k *K, d ddi.ID, runRef *EX_RUNDOWN_REF) {
	ke.Enter(k, d)
	runRef.usable(k, d, verify.LOCK_007)
	runRef.point(k, d, ke.Writes(runRef.id))
	if runRef.count > 0 || !runRef.down {
		runRef.misuse(k, fmt.Sprintf("%v on %v, which has not been waited for", d, runRef.id),
			"not waited for")
	}
	ke.Call(k, d, runRef.id)
	runRef.down, runRef.waiting, runRef.o.Signal = false, false, 0
}

// ExRundownCompleted says that the object will not be used again: acquiring fails from now on.
//
// IRQL: <= APC_LEVEL.
// Ownership: afterwards the protected object is the caller's alone.
// Rules: LOCK-007, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-exrundowncompleted.
func ExRundownCompleted(k *K, runRef *EX_RUNDOWN_REF) {
	Sim.CompleteRundown(k, ddi.ExRundownCompleted, runRef)
}

// CompleteRundown is the routine d, which lets nobody acquire the object any more.
func (sim) CompleteRundown(k *K, d ddi.ID, runRef *EX_RUNDOWN_REF) {
	ke.Enter(k, d)
	runRef.usable(k, d, verify.LOCK_007)
	runRef.point(k, d, ke.Swaps(runRef.id))
	ke.Call(k, d, runRef.id)
	runRef.down = true
}

// EndRundown is for memory of an object that goes with routine d, which must not be in use then. It is not a
// routine of Windows.
func (sim) EndRundown(k *K, d ddi.ID, runRef *EX_RUNDOWN_REF) {
	runRef.usable(k, d, verify.LOCK_007)
	runRef.point(k, d, ke.Frees(runRef.id))
	if runRef.count > 0 {
		runRef.misuse(k, fmt.Sprintf("%v on %v, which is in use", d, runRef.id),
			"ended in use")
	}
	ke.Of(k).Ends(runRef.id)
	runRef.Gone(verify.POOL_013, ke.Call(k, d, runRef.id))
}
