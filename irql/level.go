package irql

import (
	"fmt"
	"runtime"
	"strings"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// KIRQL is an interrupt request level.
type KIRQL uint8

// The levels of x64 (irp.md 13.1). Nothing runs above DISPATCH_LEVEL here; the higher ones are numbers to
// raise to.
const (
	PASSIVE_LEVEL  KIRQL = 0
	LOW_LEVEL      KIRQL = 0
	APC_LEVEL      KIRQL = 1
	DISPATCH_LEVEL KIRQL = 2
	DPC_LEVEL      KIRQL = 2
	CMCI_LEVEL     KIRQL = 5
	SYNCH_LEVEL    KIRQL = 12 // IPI_LEVEL-2
	CLOCK_LEVEL    KIRQL = 13
	IPI_LEVEL      KIRQL = 14
	DRS_LEVEL      KIRQL = 14
	POWER_LEVEL    KIRQL = 14
	PROFILE_LEVEL  KIRQL = 15
	HIGH_LEVEL     KIRQL = 15
)

// String gives the level's name; it has no counterpart in Windows.
func (l KIRQL) String() string { return ke.LevelName(uint8(l)) }

// KeGetCurrentIrql returns the level of the caller's processor.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-kegetcurrentirql.
func KeGetCurrentIrql(k *K) KIRQL {
	ke.Enter(k, ddi.KeGetCurrentIrql)
	return KIRQL(ke.IRQL(k))
}

// KeRaiseIrql raises the level to newIrql and stores the level before.
//
// IRQL: any.
// Ownership: oldIrql is written before return.
// Rules: IRQL-003.
// Not modelled: interrupts, so levels above DISPATCH_LEVEL mask nothing more.
// Reference: wdm/nf-wdm-keraiseirql.
func KeRaiseIrql(k *K, newIrql KIRQL, oldIrql *KIRQL) {
	*oldIrql = raiseTo(k, ddi.KeRaiseIrql, newIrql)
}

// KfRaiseIrql is KeRaiseIrql with the level before as its result.
//
// IRQL: any.
// Ownership: none.
// Rules: IRQL-003.
// Not modelled: interrupts, so levels above DISPATCH_LEVEL mask nothing more.
// Reference: wdm/nf-wdm-keraiseirql; declared in wdm.h
func KfRaiseIrql(k *K, newIrql KIRQL) KIRQL { return raiseTo(k, ddi.KfRaiseIrql, newIrql) }

func raiseTo(k *K, d ddi.ID, level KIRQL) KIRQL {
	ke.Enter(k, d)
	old := ke.IRQL(k)
	if level < KIRQL(old) || level > HIGH_LEVEL {
		ke.Report(k, verify.Finding{Rule: verify.IRQL_003, Obj: d.String(),
			Headline: fmt.Sprintf("%v to %v at %v", d, level, KIRQL(old)),
			Args:     verify.Params(nil, old, uint8(level))})
	}
	raise(k, d, level)
	return KIRQL(old)
}

// KeRaiseIrqlToDpcLevel raises to DISPATCH_LEVEL and returns the level before.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-keraiseirqltodpclevel.
func KeRaiseIrqlToDpcLevel(k *K) KIRQL {
	ke.Enter(k, ddi.KeRaiseIrqlToDpcLevel)
	old := KIRQL(ke.IRQL(k))
	raise(k, ddi.KeRaiseIrqlToDpcLevel, DISPATCH_LEVEL)
	return old
}

// KeRaiseIrqlToSynchLevel raises to SYNCH_LEVEL and returns the level before.
//
// IRQL: <= SYNCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: interrupts, so the level masks no more than DISPATCH_LEVEL does.
// Reference: none; declared in ntifs.h
func KeRaiseIrqlToSynchLevel(k *K) KIRQL {
	ke.Enter(k, ddi.KeRaiseIrqlToSynchLevel)
	old := KIRQL(ke.IRQL(k))
	raise(k, ddi.KeRaiseIrqlToSynchLevel, SYNCH_LEVEL)
	return old
}

func raise(k *K, d ddi.ID, level KIRQL) {
	if ke.IRQL(k) < ke.Dispatch && level >= DISPATCH_LEVEL {
		ke.MarkHigh(k)
	}
	ke.Raise(k, uint8(level))
	ke.Log(k, trace.Event{What: trace.Call, Code: d, A: uint64(level), Flags: trace.HasA})
}

// KeLowerIrql restores the level that the matching raise returned. DPCs that wait for this processor run
// before it returns to a level below DISPATCH_LEVEL; below APC_LEVEL special kernel APCs are delivered.
//
// IRQL: any.
// Ownership: none.
// Rules: IRQL-004, IRQL-005, IRQL-006, IRQL-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-kelowerirql.
func KeLowerIrql(k *K, newIrql KIRQL) { lowerTo(k, ddi.KeLowerIrql, newIrql) }

// KfLowerIrql is KeLowerIrql, which is a macro for it on some processors.
//
// IRQL: any.
// Ownership: none.
// Rules: IRQL-004, IRQL-005, IRQL-006, IRQL-016.
// Not modelled: none.
// Reference: wdm/nf-wdm-kelowerirql; declared in wdm.h
func KfLowerIrql(k *K, newIrql KIRQL) { lowerTo(k, ddi.KfLowerIrql, newIrql) }

func lowerTo(k *K, d ddi.ID, level KIRQL) {
	ke.Enter(k, d)
	checkLower(k, d, level)
	if level < DISPATCH_LEVEL && ke.IRQL(k) >= ke.Dispatch {
		checkHighTime(k, "KeRaiseIrql")
	}
	ke.Log(k, trace.Event{What: trace.Call, Code: d, A: uint64(level), Flags: trace.HasA})
	ke.Lower(k, uint8(level))
}

func checkLower(k *K, d ddi.ID, level KIRQL) {
	now := ke.IRQL(k)
	saved, raised := ke.Raised(k)
	if raised && uint8(level) == saved && saved <= now && !drops(k, level, nil) {
		return
	}
	f := verify.Finding{Obj: d.String(), Args: verify.Params(nil, now, uint8(level)),
		Headline: fmt.Sprintf("%v to %v at %v", d, level, KIRQL(now))}
	switch {
	case level > HIGH_LEVEL:
		f.Rule, f.Case = verify.IRQL_016, "lowered"
	case uint8(level) > now:
		f.Rule = verify.IRQL_004
	case drops(k, level, nil):
		f.Rule = verify.IRQL_006
		describeDrop(k, level, nil, &f, "lowered in a DPC", "lowered under a lock")
	case !raised:
		f.Rule = verify.IRQL_004
		f.Headline += ": nothing was raised here"
	default:
		f.Rule, f.Args = verify.IRQL_005, [4]verify.Arg{}
		f.Headline += fmt.Sprintf(", but the matching raise saved %v", KIRQL(saved))
	}
	ke.Report(k, f)
}

// drops reports whether going to level would bring a DPC, or the holder of a spin lock other than the one
// being released, below DISPATCH_LEVEL. Rule: IRQL-006.
func drops(k *K, level KIRQL, released any) bool {
	if level >= DISPATCH_LEVEL || ke.IRQL(k) < ke.Dispatch {
		return false
	}
	return ke.IsDPC(k) || otherSpin(k, released) != nil
}

// otherSpin is what k notes about a spin lock it holds other than released.
func otherSpin(k *K, released any) *ke.Held {
	locks := ke.Locks(k)
	for i := range locks {
		if locks[i].Spin && locks[i].Lock != released {
			return &locks[i]
		}
	}
	return nil
}

// describeDrop says what is dropped by going to level; the cases are those of IRQL-006 for a DPC and for a
// lock that is held.
func describeDrop(k *K, level KIRQL, released any, f *verify.Finding, inDPC, underLock string) {
	if ke.IsDPC(k) {
		f.Headline, f.Case = fmt.Sprintf("a DPC lowers its processor to %v", level), inDPC
		return
	}
	f.Case = underLock
	h := otherSpin(k, released)
	f.Headline = fmt.Sprintf("the level drops to %v while %v is held", level, h.ID)
	f.Places = append(f.Places, verify.Place{Label: "ACQUIRED", Seq: h.Seq})
}

// KeGetCurrentProcessorNumber returns the number of the processor the caller runs on.
//
// IRQL: not stated.
// Ownership: none.
// Rules: none.
// Not modelled: processor groups.
// Reference: ntddk/nf-ntddk-kegetcurrentprocessornumber.
func KeGetCurrentProcessorNumber(k *K) uint32 {
	ke.Enter(k, ddi.KeGetCurrentProcessorNumber)
	return uint32(ke.Processor(k))
}

// KeQueryActiveProcessorCount returns the number of processors of the machine. activeProcessors, if not
// nil, receives a bit for each.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: processor groups.
// Reference: ntddk/nf-ntddk-kequeryactiveprocessorcount.
func KeQueryActiveProcessorCount(k *K, activeProcessors *uint64) uint32 {
	ke.Enter(k, ddi.KeQueryActiveProcessorCount)
	n := ke.Of(k).Config().Processors
	if activeProcessors != nil {
		*activeProcessors = 1<<n - 1
	}
	return uint32(n)
}

// KeShouldYieldProcessor tells a DPC whether it has run long enough.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-002.
// Not modelled: the DPC watchdog, so the answer is always FALSE.
// Reference: wdm/nf-wdm-keshouldyieldprocessor.
func KeShouldYieldProcessor(k *K) bool {
	ke.Enter(k, ddi.KeShouldYieldProcessor)
	return false
}

// PAGED_CODE states that the function it stands in is pageable, so that it must not be entered above
// APC_LEVEL.
//
// IRQL: any.
// Ownership: none.
// Rules: IRQL-009, IRQL-010.
// Not modelled: none.
// Reference: devtest/wdm-pagedcode.
func PAGED_CODE(k *K) {
	ke.EnterAnyLevel(k, ddi.None)
	if pagedRoutine(k) {
		return
	}
	if ke.IRQL(k) > ke.APC {
		ke.Report(k, verify.Finding{Rule: verify.IRQL_009, Obj: "PAGED_CODE", AllowedIRQL: ke.APC,
			Headline: fmt.Sprintf("pageable code entered at %v", KIRQL(ke.IRQL(k)))})
	}
}

// pagedRoutine is IRQL-010: the function that calls PAGED_CODE is itself a completion, cancel, DPC or timer
// routine, which may run at DISPATCH_LEVEL. Windows can see that at the registration, from the section the
// code lies in; here the routine says it when it is first called, at whatever level.
func pagedRoutine(k *K) bool {
	f := ke.Top(k)
	if f == nil || f.Kind != ke.FrameCompletion && f.Kind != ke.FrameCancel && f.Kind != ke.FrameDPC &&
		f.Kind != ke.FrameTimer {
		return false
	}
	var pc [1]uintptr
	if runtime.Callers(3, pc[:]) == 0 {
		return false
	}
	caller, _ := runtime.CallersFrames(pc[:]).Next()
	routine := runtime.FuncForPC(f.Fn)
	if routine == nil || caller.Function != strings.TrimSuffix(routine.Name(), "-fm") {
		return false
	}
	v := verify.Finding{Rule: verify.IRQL_010, Obj: ke.FuncName(f.Fn), AllowedIRQL: ke.APC,
		Headline: fmt.Sprintf("%v routine %s is pageable code", f.Kind, ke.FuncName(f.Fn))}
	if f.Kind != ke.FrameCompletion {
		v.Case = "no completion routine"
	}
	ke.Report(k, v)
	return true
}

// Yield lets any other context that can run go first, and lets time pass when there is none. Windows has no
// such routine for drivers; loops that poll shared memory need it here, where nothing else would take the
// processor away.
func Yield(k *K) {
	ke.EnterAnyLevel(k, ddi.None)
	ke.Yield(k)
}

// ExGetPreviousMode says whether the system call under way was made by a program, UserMode, or by a driver
// or the system, KernelMode. In a DPC that is the one of the thread it interrupted.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001.
// Not modelled: Zw routines, which set KernelMode while they run in the thread of a program.
// Reference: wdm/nf-wdm-exgetpreviousmode.
func ExGetPreviousMode(k *K) KPROCESSOR_MODE {
	ke.Enter(k, ddi.ExGetPreviousMode)
	if ke.ThreadOf(k).Process == nil {
		return KernelMode
	}
	return UserMode
}

// YieldProcessor tells the processor that a loop spins. Others may go on before the loop looks again.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: none; a macro of wdm.h
func YieldProcessor(k *K) {
	ke.Enter(k, ddi.YieldProcessor)
	ke.Point(k, ke.Here(k))
}
