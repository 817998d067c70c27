package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

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
