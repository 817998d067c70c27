package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/irql"
)

// This file words what happens to an IRP after its completion: a second completion and how it begins.

// cancelRace is the case of IRPs whose cancel routine has run: the usual reason for two completions.
const cancelRace = "the cancel routine has run"

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

// twiceCase says why an IRP is completed a second time.
func (p *IRP) twiceCase(k *irql.K) string {
	switch {
	case p.cancelRan:
		return cancelRace
	case ke.Acting(k) != p.completer:
		return "by another driver"
	}
	return ""
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

// lateCase says how an IRP comes to be used after its completion.
func (p *IRP) lateCase(k *irql.K, status bool) string {
	gone := ""
	if p.state == stFreed {
		gone = ", freed"
	}
	switch {
	case p.cancelRan:
		return cancelRace + gone
	case status && ke.Acting(k) == p.completer:
		return "completed on two paths" + gone
	}
	return "completed" + gone
}
