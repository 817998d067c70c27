package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// EX_RUNDOWN_REF protects an object while it is used: users acquire and release, and who wants to delete
// the object waits until the last one is gone and lets no new one in. It lies in driver memory and is
// initialised once.
type EX_RUNDOWN_REF struct {
	header
	count int32
	down  bool // waiting for the end has begun, or is over
	users []*ke.Thread
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
			"ExWaitForRundownProtectionRelease before the memory goes.")
	}
	r.header.StackGone(k)
}

func (r *EX_RUNDOWN_REF) misuse(k *K, headline, fix string) {
	ke.Report(k, verify.Finding{Rule: verify.LOCK_022, Obj: r.id.String(), Headline: headline,
		Places: []verify.Place{{Label: "initialised", Seq: r.initSeq}}, Fix: fix})
}

// ExInitializeRundownProtection makes an object that nobody uses.
//
// IRQL: <= APC_LEVEL.
// Ownership: the object is the driver's; it must outlive every user and the wait.
// Rules: LOCK-007, POOL-026.
// Not modelled: none.
// Reference: wdk-ddi-src/content/wdm/nf-wdm-exinitializerundownprotection.md
func ExInitializeRundownProtection(k *K, runRef *EX_RUNDOWN_REF) {
	const d = ddi.ExInitializeRundownProtection
	ke.Enter(k, d)
	if runRef.fresh(k) && runRef.o.Waiters() == 0 {
		reportLockAgain(k, d, &runRef.resident, runRef.count > 0)
	}
	runRef.initialise(k, d, trace.Rundown, ke.NotificationEvent, 0)
	runRef.count, runRef.down, runRef.users = 0, false, runRef.users[:0]
}

// ExAcquireRundownProtection makes the caller a user. FALSE means that the object is going away.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: after FALSE the protected object must not be touched.
// Rules: LOCK-007, POOL-026.
// Not modelled: none.
// Reference: wdk-ddi-src/content/wdm/nf-wdm-exacquirerundownprotection.md
func ExAcquireRundownProtection(k *K, runRef *EX_RUNDOWN_REF) bool {
	const d = ddi.ExAcquireRundownProtection
	ke.Enter(k, d)
	runRef.usable(k, d, verify.LOCK_007)
	ke.Point(k, ke.Use{Obj: runRef.id, How: ke.A})
	if runRef.down {
		ke.CallBool(k, d, runRef.id, false)
		return false
	}
	runRef.count++
	runRef.users = append(runRef.users, ke.ThreadOf(k))
	ke.CallBool(k, d, runRef.id, true)
	return true
}

// ExReleaseRundownProtection ends one use.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller may not touch the protected object any more.
// Rules: LOCK-007, LOCK-022, POOL-026.
// Not modelled: none.
// Reference: wdk-ddi-src/content/wdm/nf-wdm-exreleaserundownprotection.md
func ExReleaseRundownProtection(k *K, runRef *EX_RUNDOWN_REF) {
	const d = ddi.ExReleaseRundownProtection
	ke.Enter(k, d)
	runRef.usable(k, d, verify.LOCK_007)
	ke.Point(k, ke.Use{Obj: runRef.id, How: ke.A})
	if runRef.count == 0 {
		runRef.misuse(k, fmt.Sprintf("%v on %v, which nobody uses", d, runRef.id),
			"release only what ExAcquireRundownProtection gave with TRUE.")
		return
	}
	runRef.count--
	runRef.drop(ke.ThreadOf(k))
	ke.Call(k, d, runRef.id)
	if runRef.down && runRef.count == 0 {
		ke.SetSignal(k, &runRef.o, 1)
	}
}

// drop forgets one use by t, or by anybody: a use may be handed to another thread.
func (r *EX_RUNDOWN_REF) drop(t *ke.Thread) {
	at := len(r.users) - 1
	for i, u := range r.users {
		if u == t {
			at = i
			break
		}
	}
	r.users = list.Cut(r.users, at)
}

// ExWaitForRundownProtectionRelease lets no new user in and waits until the last one is gone.
//
// IRQL: <= APC_LEVEL.
// Ownership: afterwards the protected object is the caller's alone.
// Rules: LOCK-007, LOCK-022, POOL-026.
// Not modelled: none.
// Reference: wdk-ddi-src/content/wdm/nf-wdm-exwaitforrundownprotectionrelease.md
func ExWaitForRundownProtectionRelease(k *K, runRef *EX_RUNDOWN_REF) {
	const d = ddi.ExWaitForRundownProtectionRelease
	ke.Enter(k, d)
	runRef.usable(k, d, verify.LOCK_007)
	ke.Point(k, ke.Use{Obj: runRef.id, How: ke.A})
	if runRef.down {
		runRef.misuse(k, fmt.Sprintf("%v on %v for the second time", d, runRef.id),
			"ExReInitializeRundownProtection before it is used again.")
	}
	for _, u := range runRef.users {
		if u == ke.ThreadOf(k) {
			runRef.misuse(k, fmt.Sprintf("%v on %v by one of its users: it would wait for itself", d,
				runRef.id),
				"release first.")
			break
		}
	}
	runRef.down = true
	ke.Call(k, d, runRef.id)
	if runRef.count > 0 {
		objs := [1]*ke.Object{&runRef.o}
		ke.Wait(k, objs[:], false, nil, "ExWaitForRundownProtectionRelease")
	}
}

// ExReInitializeRundownProtection makes an object that has been waited for usable again.
//
// IRQL: <= APC_LEVEL.
// Ownership: nobody may use the object meanwhile.
// Rules: LOCK-007, LOCK-022, POOL-026.
// Not modelled: none.
// Reference: wdk-ddi-src/content/wdm/nf-wdm-exreinitializerundownprotection.md
func ExReInitializeRundownProtection(k *K, runRef *EX_RUNDOWN_REF) {
	const d = ddi.ExReInitializeRundownProtection
	ke.Enter(k, d)
	runRef.usable(k, d, verify.LOCK_007)
	if runRef.count > 0 || !runRef.down {
		runRef.misuse(k, fmt.Sprintf("%v on %v, which has not been waited for", d, runRef.id),
			"ExWaitForRundownProtectionRelease first.")
	}
	ke.Call(k, d, runRef.id)
	runRef.down, runRef.o.Signal = false, 0
}

// ExRundownCompleted says that the object will not be used again: acquiring fails from now on.
//
// IRQL: <= APC_LEVEL.
// Ownership: afterwards the protected object is the caller's alone.
// Rules: LOCK-007, POOL-026.
// Not modelled: none.
// Reference: wdk-ddi-src/content/wdm/nf-wdm-exrundowncompleted.md
func ExRundownCompleted(k *K, runRef *EX_RUNDOWN_REF) {
	const d = ddi.ExRundownCompleted
	ke.Enter(k, d)
	runRef.usable(k, d, verify.LOCK_007)
	ke.Point(k, ke.Use{Obj: runRef.id, How: ke.A})
	ke.Call(k, d, runRef.id)
	runRef.down = true
}
