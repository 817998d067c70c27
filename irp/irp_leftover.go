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

// checkHeld judges an IRP at the end of the run: may a driver hold it when nothing happens any more?
func (io *ioManager) checkHeld(m *ke.Machine, p *IRP) {
	held := p.state == stAt || p.state == stQueued || p.state == stInCancel
	if !held || p.lateError || p.owner == nil || p.owner == p.creator || p.owner.Unloaded ||
		p.ownerDev.DriverObject.system {
		return
	}
	f := verify.Finding{Rule: verify.IRP_040, Obj: p.id.String(), Driver: p.owner.Name, Dump: dumpIRP(p),
		Places: p.story()}
	switch {
	case p.origin == byManager && p.op == nil:
		f.Headline = fmt.Sprintf("%s never completes %v (%s): whoever opens or closes the device waits "+
			"for ever", p.owner.Name, p.id, Sim.MajorName(p.loc(p.stackCount).major))
		f.Case = "create, cleanup or close"
	case p.op != nil && p.op.f.Flags&FO_CLEANUP_COMPLETE != 0 && !p.late:
		io.leftByCleanup(m, p.op.f)
		return
	case p.cancel && m.Quiet(nil):
		f = p.neverEnds(p.keptTooLong(m.Now()))
	case p.cancel && !p.late:
		f = p.keptTooLong(m.Now())
	case p.cancel:
		return
	default:
		io.lost(m, p)
		return
	}
	m.ReportEnd(f)
}

// leftByCleanup reports IRP-040 once for a file object, with the oldest request that is left.
func (io *ioManager) leftByCleanup(m *ke.Machine, file *FILE_OBJECT) {
	if file.judged {
		return
	}
	file.judged = true
	left := io.outstanding(func(op *UserIO) bool { return op.f == file && op.p.owner != nil })
	p, more := left[0].p, ""
	if n := len(left) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	m.ReportEnd(verify.Finding{Rule: verify.IRP_040, Case: "kept after cleanup", Obj: p.id.String(),
		Driver: p.owner.Name,
		Headline: fmt.Sprintf("%s still keeps %v%s of %v, whose last handle is closed", p.owner.Name, p.id,
			more, file.id),
		Dump: dumpIRP(p), Places: append(p.story(), verify.Place{Label: "OPENED", Seq: file.seq})})
}
