package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

// Kinds of findings that drivers themselves ask for; no catalogue has numbers for them.
const (
	FailedAssertion = "failed assertion"
	BreakPoint      = "break point"
	BugCheck        = "bug check"
)

// NT_ASSERT states that exp is true. In runs of checked builds (Options.Checked) a false one is a finding; in
// others the statement does nothing, although Go, unlike C, evaluates exp.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: the answers of a debugger.
// Reference: none; a macro of wdm.h
func NT_ASSERT(k *K, exp bool) { assertion(k, ddi.NT_ASSERT, "", exp) }

// NT_ASSERTMSG is NT_ASSERT with a text for the finding.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: the answers of a debugger.
// Reference: none; a macro of wdm.h
func NT_ASSERTMSG(k *K, msg string, exp bool) { assertion(k, ddi.NT_ASSERTMSG, msg, exp) }

func assertion(k *K, d ddi.ID, msg string, exp bool) {
	ke.Enter(k, d)
	if exp || !ke.Of(k).Config().Checked {
		return
	}
	f := verify.Finding{Kind: FailedAssertion, Obj: d.String(), BugCheck: 0x1E, AllowedIRQL: verify.AnyIRQL,
		Headline: fmt.Sprintf("%v: what the driver asserts is false", d),
		Text: "In a checked build the assertion raises STATUS_ASSERTION_FAILURE: the machine stops in the " +
			"debugger, or with a bug check where none is attached.",
		Args: [4]verify.Arg{{Value: "0xC0000420", Meaning: "STATUS_ASSERTION_FAILURE"}}}
	if msg != "" {
		f.Headline += ": " + msg
	}
	ke.Report(k, f)
}

// DbgBreakPoint stops in the debugger. Where none is attached, as here, the exception that nobody handles is
// a bug check.
//
// IRQL: not stated.
// Ownership: none.
// Rules: none.
// Not modelled: a debugger.
// Reference: wdm/nf-wdm-dbgbreakpoint.
func DbgBreakPoint(k *K) {
	ke.Enter(k, ddi.DbgBreakPoint)
	breakPoint(k, ddi.DbgBreakPoint)
}

// DbgBreakPointWithStatus is DbgBreakPoint with a number for the debugger.
//
// IRQL: not stated.
// Ownership: none.
// Rules: none.
// Not modelled: a debugger.
// Reference: wdm/nf-wdm-dbgbreakpointwithstatus.
func DbgBreakPointWithStatus(k *K, status uint32) {
	ke.Enter(k, ddi.DbgBreakPointWithStatus)
	breakPoint(k, ddi.DbgBreakPointWithStatus)
}

// KdBreakPoint is DbgBreakPoint in checked builds, and nothing in others.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: a debugger.
// Reference: none; a macro of wdm.h
func KdBreakPoint(k *K) {
	if checkedBuild(k, ddi.KdBreakPoint) {
		breakPoint(k, ddi.KdBreakPoint)
	}
}

// KdBreakPointWithStatus is DbgBreakPointWithStatus in checked builds, and nothing in others.
//
// IRQL: not stated.
// Ownership: none.
// Rules: none.
// Not modelled: a debugger.
// Reference: wdm/nf-wdm-kdbreakpointwithstatus.
func KdBreakPointWithStatus(k *K, status uint32) {
	if checkedBuild(k, ddi.KdBreakPointWithStatus) {
		breakPoint(k, ddi.KdBreakPointWithStatus)
	}
}

func breakPoint(k *K, d ddi.ID) {
	ke.Report(k, verify.Finding{Kind: BreakPoint, Obj: d.String(), BugCheck: 0x1E,
		AllowedIRQL: verify.AnyIRQL, Headline: fmt.Sprintf("%v without a debugger", d),
		Text: "The break point is an exception. No debugger is attached, and nobody handles it.",
		Args: [4]verify.Arg{{Value: "0x80000003", Meaning: "STATUS_BREAKPOINT"}},
		Fix:  "take it out, or use KdBreakPoint, which free builds leave out."})
}

// KeBugCheck is KeBugCheckEx with four zeros.
//
// IRQL: any.
// Ownership: it does not return.
// Rules: none.
// Not modelled: bug check callbacks.
// Reference: ntddk/nf-ntddk-kebugcheck.
func KeBugCheck(k *K, bugCheckCode uint32) {
	ke.Enter(k, ddi.KeBugCheck)
	bugCheck(k, ddi.KeBugCheck, bugCheckCode, [4]uint64{})
}

// KeBugCheckEx stops the machine: the run ends with a finding that names the code, also where runs continue
// after violations.
//
// IRQL: any.
// Ownership: it does not return.
// Rules: none.
// Not modelled: bug check callbacks.
// Reference: wdm/nf-wdm-kebugcheckex.
func KeBugCheckEx(k *K, bugCheckCode uint32, bugCheckParameter1, bugCheckParameter2, bugCheckParameter3,
	bugCheckParameter4 uint64) {
	ke.Enter(k, ddi.KeBugCheckEx)
	bugCheck(k, ddi.KeBugCheckEx, bugCheckCode, [4]uint64{bugCheckParameter1, bugCheckParameter2,
		bugCheckParameter3, bugCheckParameter4})
}

func bugCheck(k *K, d ddi.ID, code uint32, params [4]uint64) {
	f := verify.Finding{Kind: BugCheck, Obj: d.String(), BugCheck: code, AllowedIRQL: verify.AnyIRQL,
		Headline: fmt.Sprintf("%v: the driver stops the machine with 0x%X", d, code),
		Text:     "The driver has found a state from which it cannot go on, and says so."}
	if name := verify.BugCheckName(code); name != "" {
		f.Headline += " (" + name + ")"
	}
	for i, p := range params {
		f.Args[i] = verify.Arg{Value: fmt.Sprintf("%#x", p), Meaning: "as the driver gave it"}
	}
	ke.Stop(k, f)
}

// ExRaiseStatus raises an exception with a status: here a panic with an Exception, which a driver catches
// with recover in place of __except.
//
// IRQL: <= APC_LEVEL.
// Ownership: it does not return.
// Rules: IRQL-001.
// Not modelled: none.
// Reference: wdm/nf-wdm-exraisestatus.
func ExRaiseStatus(k *K, status ntstatus.NTSTATUS) { raiseException(k, ddi.ExRaiseStatus, status) }

// ExRaiseAccessViolation is ExRaiseStatus with STATUS_ACCESS_VIOLATION.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: it does not return.
// Rules: IRQL-001.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-exraiseaccessviolation.
func ExRaiseAccessViolation(k *K) {
	raiseException(k, ddi.ExRaiseAccessViolation, ntstatus.STATUS_ACCESS_VIOLATION)
}

// ExRaiseDatatypeMisalignment is ExRaiseStatus with STATUS_DATATYPE_MISALIGNMENT.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: it does not return.
// Rules: IRQL-001.
// Not modelled: none.
// Reference: ntddk/nf-ntddk-exraisedatatypemisalignment.
func ExRaiseDatatypeMisalignment(k *K) {
	raiseException(k, ddi.ExRaiseDatatypeMisalignment, ntstatus.STATUS_DATATYPE_MISALIGNMENT)
}

func raiseException(k *K, d ddi.ID, status ntstatus.NTSTATUS) {
	ke.Enter(k, d)
	ke.CallStatus(k, d, 0, uint32(status))
	panic(Exception{status, d.String()})
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

// KeMemoryBarrier keeps accesses before it from being seen after those behind it. Contexts here see each
// other's accesses in order in any case; it orders nothing for the detector of data races.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: weak memory orders.
// Reference: wdm/nf-wdm-kememorybarrier.
func KeMemoryBarrier(k *K) {
	ke.Enter(k, ddi.KeMemoryBarrier)
	ke.Call(k, ddi.KeMemoryBarrier, 0)
}
