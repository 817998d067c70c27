package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/irql"
)

// This file words what happens to an IRP after its completion: a second completion and how it begins.

// cancelRaceFix is for IRPs whose cancel routine has run: the usual reason for two completions.
const cancelRaceFix = "whoever ends the request asks first: if IoSetCancelRoutine(k, p, nil) returns nil, " +
	"the cancel routine has been called and completes the IRP; leave it alone then. A cancel-safe queue " +
	"(IoCsqRemoveNextIrp) does this by itself."

// completedBefore says who has completed the IRP, for a headline about the code in k.
func (p *IRP) completedBefore(k *irql.K) string {
	who := "the system"
	if p.completer != nil {
		who = p.completer.Name
	}
	if v := frameVisit(k, p); v != nil && v.completed {
		return "this call of the dispatch routine has completed it before"
	}
	return who + " has completed it before"
}

const secondFix = "complete a request on one path only: return right behind the call that completed it, or " +
	"let the helper say that it has."

// twiceFix is the likely fix of a second completion.
func (p *IRP) twiceFix(k *irql.K) string {
	switch {
	case p.cancelRan:
		return cancelRaceFix
	case ke.Acting(k) != p.completer:
		return "only the driver that holds the IRP completes it; one that sent it on gets it back in a " +
			"completion routine that returns STATUS_MORE_PROCESSING_REQUIRED."
	}
	return secondFix
}

// finished reports whether the IRP was completed at the level where it is or was last.
func (p *IRP) finished() bool { return p.completeSeq > p.sentSeq }

// touchedLate words a use by the driver that has completed the IRP: status says that it is the status block,
// with which every completion begins. Others than that driver get "".
func (p *IRP) touchedLate(k *irql.K, status bool) string {
	img := ke.Acting(k)
	switch {
	case !p.finished() || img == nil || img != p.completer:
		return ""
	case status:
		return fmt.Sprintf("%v: a second completion begins with the status block: %s, and %s", p.id,
			p.completedBefore(k), p.whereIs())
	}
	return fmt.Sprintf("%v is touched after its completion: %s, and %s", p.id, p.completedBefore(k),
		p.whereIs())
}

// lateFix is the likely fix of a use after the completion.
func (p *IRP) lateFix(k *irql.K, status bool) string {
	switch {
	case p.cancelRan:
		return cancelRaceFix
	case status && ke.Acting(k) == p.completer:
		return secondFix
	}
	return "keep copies of what is needed (the status above all) before calling IoCompleteRequest."
}
