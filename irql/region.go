package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// KeEnterCriticalRegion keeps normal kernel APCs, and with them suspension, from the calling thread.
// Regions nest.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-014, IRQL-020, LOCK-019.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-keentercriticalregion.
func KeEnterCriticalRegion(k *K) { enterRegion(k, ddi.KeEnterCriticalRegion, false) }

// KeLeaveCriticalRegion leaves the innermost critical region.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-014, LOCK-019.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-keleavecriticalregion.
func KeLeaveCriticalRegion(k *K) { leaveRegion(k, ddi.KeLeaveCriticalRegion, false) }

// KeEnterGuardedRegion keeps all APCs from the calling thread, those that end its IRPs as well. Regions
// nest.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-014, IRQL-020, LOCK-019.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-keenterguardedregion.
func KeEnterGuardedRegion(k *K) { enterRegion(k, ddi.KeEnterGuardedRegion, true) }

// KeLeaveGuardedRegion leaves the innermost guarded region; APCs that wait are delivered.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-014, LOCK-019.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-keleaveguardedregion.
func KeLeaveGuardedRegion(k *K) { leaveRegion(k, ddi.KeLeaveGuardedRegion, true) }

func enterRegion(k *K, d ddi.ID, guarded bool) {
	ke.EnterAnyLevel(k, d)
	checkRegionLevel(k, d, guarded)
	t := Sim.ThreadObject(ke.Owner(k))
	ke.Call(k, d, t.t.ID)
	if guarded {
		t.guarded++
		ke.ChangeAPCState(k, 0, -1)
		return
	}
	t.critical++
	ke.ChangeAPCState(k, -1, 0)
}

func leaveRegion(k *K, d ddi.ID, guarded bool) {
	ke.EnterAnyLevel(k, d)
	checkRegionLevel(k, d, guarded)
	t := Sim.ThreadObject(ke.Owner(k))
	if guarded && t.guarded == 0 || !guarded && t.critical == 0 {
		ke.Report(k, verify.Finding{Rule: verify.LOCK_019, Case: "left without being entered",
			Obj: t.t.ID.String(), Headline: fmt.Sprintf("%v, but the thread is in no such region", d)})
	}
	ke.Call(k, d, t.t.ID)
	if guarded {
		t.guarded--
		ke.ChangeAPCState(k, 0, 1)
		return
	}
	t.critical--
	ke.ChangeAPCState(k, 1, 0)
}

func checkRegionLevel(k *K, d ddi.ID, guarded bool) {
	now := ke.IRQL(k)
	if now <= ke.APC {
		return
	}
	region := ""
	if guarded {
		region = "a guarded region"
	}
	ke.Report(k, verify.Finding{Rule: verify.IRQL_014, Case: region, Obj: d.String(), AllowedIRQL: ke.APC,
		Also: []verify.RuleID{verify.IRQL_001}, Headline: fmt.Sprintf("%v at %v", d, KIRQL(now)),
		Args: verify.Params(nil, now)})
}

// KeAreApcsDisabled says whether normal kernel APCs are disabled by a region or a mutex; the level does not
// count.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-keareapcsdisabled.
func KeAreApcsDisabled(k *K) bool {
	ke.Enter(k, ddi.KeAreApcsDisabled)
	kernel, special := ke.APCState(k)
	return kernel != 0 || special != 0
}

// KeAreAllApcsDisabled says whether no APC at all can be delivered: in a guarded region, and from APC_LEVEL
// on.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-keareallapcsdisabled.
func KeAreAllApcsDisabled(k *K) bool {
	ke.Enter(k, ddi.KeAreAllApcsDisabled)
	_, special := ke.APCState(k)
	return special != 0 || ke.IRQL(k) >= ke.APC
}
