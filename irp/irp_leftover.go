package irp

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// This file is about requests in a machine in which nothing can run any more.

// kept reports whether somebody works on the IRP: it was sent and has not come back.
func (p *IRP) kept() bool {
	return p.sent && (p.state == stAt || p.state == stQueued || p.state == stInCancel || p.state == stStopped)
}

// listLeft lists the requests that are under way, oldest first, with who holds each since when.
func (io *ioManager) listLeft(m *ke.Machine, say func(line string)) {
	var all []*IRP
	for p := io.live; p != nil; p = p.next {
		if p.kept() {
			all = append(all, p)
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		say(all[i].leftLine(m))
	}
}

func (p *IRP) leftLine(m *ke.Machine) string {
	line := p.id.String()
	if l := p.loc(p.stackCount); l != nil {
		line += " (" + Sim.MajorName(l.major)
		if p.op != nil && p.thread != nil {
			line += " of " + p.thread.Name()
		} else if p.creator != nil {
			line += " of " + p.creator.Name
		}
		line += ")"
	}
	line += ": " + p.whereIs() + ", since " + m.When(max(p.sentSeq, p.queueSeq))
	switch {
	case p.csq != nil:
		line += ", in " + p.csq.id.String()
	case p.cancelRoutine != nil:
		line += ", cancelable (" + funcName(p.cancelRoutine) + ")"
	case p.owner != nil && !p.owner.System:
		line += ", without a cancel routine"
	}
	if p.cancel {
		line += ", cancelled at " + m.When(p.cancelSeq)
	}
	return line
}

// couldAct reports whether a driver could still be called, or the network end a request.
func (io *ioManager) couldAct(*ke.Machine) bool {
	for _, d := range io.drivers {
		if !d.system && !d.gone {
			return true
		}
	}
	for p := io.live; p != nil; p = p.next {
		if p.kept() && (p.owner == nil || p.owner.System) {
			return true
		}
	}
	return false
}

// lost reports IRP-040 as a hazard: at rest a driver keeps a request that cannot be cancelled. It may lie
// in a queue that the next request would serve; the program that waits for it cannot be ended before.
func (io *ioManager) lost(m *ke.Machine, p *IRP) {
	if !m.Quiet(nil) || p.op == nil || p.cancelRoutine != nil || p.csq != nil || p.state == stInCancel {
		return
	}
	who := "a program"
	if p.thread != nil {
		who = p.thread.Name()
	}
	m.ReportEnd(verify.Finding{Rule: verify.IRP_040, Case: "kept for ever", Warning: true,
		Obj: p.id.String(), Driver: p.owner.Name, Dump: dumpIRP(p), Places: p.story(),
		Headline: fmt.Sprintf("%s keeps %v without a cancel routine, and nothing can run any more: %s waits "+
			"for ever and cannot be ended", p.owner.Name, p.id, who)})
}
