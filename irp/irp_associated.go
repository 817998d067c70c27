package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

var siteMakeAssociated = ke.Site{Name: "fault/IoMakeAssociatedIrp",
	Alts: []string{"succeeds", "returns NULL"}, Spec: "irp.md 11, 19.2"}

// IoMakeAssociatedIrp makes an IRP for a part of a request. When the last part has climbed past the top, the
// I/O manager completes the master. NULL when there is no memory.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the I/O manager frees it, unless a routine of the caller stops the climb; the caller holds the
// master, sets its AssociatedIrp.IrpCount and IoStatus, and marks it pending before it sends the first part.
// Rules: IRP-005, IRP-018, IRP-074, IRQL-001.
// Reference: ntddk/nf-ntddk-iomakeassociatedirp.
func IoMakeAssociatedIrp(k *irql.K, master *IRP, stackSize int8) *IRP {
	const d = ddi.IoMakeAssociatedIrp
	ke.Enter(k, d)
	master.check(k)
	switch {
	case master.flags&IRP_ASSOCIATED_IRP != 0:
		master.badAssociation(k, "%v is itself an associated IRP: its AssociatedIrp holds its master",
			"a part is split")
	case master.flags&IRP_BUFFERED_IO != 0 || master.assoc.SystemBuffer != nil:
		master.badAssociation(k, "%v uses buffered I/O: its AssociatedIrp holds SystemBuffer, not IrpCount",
			"buffered I/O")
	}
	if stackSize < 0 || stackSize > maxLocations || ke.Fails(k, &siteMakeAssociated) {
		ke.CallOn(k, d, 0, master.id)
		return nil
	}
	p := state.Of(k).newIRP(k, stackSize, byAssociated)
	p.master, p.masterID = master, master.id
	p.flags |= IRP_ASSOCIATED_IRP
	p.assoc.MasterIrp = master
	p.thread, p.requestorMode = master.thread, master.requestorMode
	p.allocSeq = ke.CallOn(k, d, p.id, master.id)
	return p
}

func (p *IRP) badAssociation(k *irql.K, format, cause string) {
	p.report(k, verify.Finding{Rule: verify.IRP_074, Case: cause, Headline: fmt.Sprintf(format, p.id)})
}

const notCounted = "not counted"

// checkAssociated judges the master when a part of it is sent for the first time.
func (p *IRP) checkAssociated(k *irql.K) {
	m := p.master
	switch {
	case p.sent:
		return
	case m.id != p.masterID || m.state == stFreed:
		ke.Report(k, verify.Finding{Rule: verify.IRP_074, Obj: p.masterID.String(),
			Headline: fmt.Sprintf("%v is sent as a part of %v, which the parts before completed: there are "+
				"more than its IrpCount says", p.id, p.masterID), Case: notCounted})
		return
	}
	m.uses(ke.W)
	m.parts++
	l := m.loc(m.cur)
	switch {
	case m.assoc.IrpCount <= 0:
		m.badAssociation(k, "a part of %v is sent and its IrpCount is not set: no part is the last",
			notCounted)
	case m.assoc.IrpCount < m.parts-m.partsDone:
		m.badAssociation(k, "more parts of %v are sent than its IrpCount says: it is completed too early",
			notCounted)
	case l == nil || l.control&SL_PENDING_RETURNED == 0:
		m.badAssociation(k, "a part of %v is sent before it is marked pending: the last one completes it",
			"master not marked")
	}
}

// finishAssociated ends a part of a request that passed its last location (irp.md 5, step 1). The last one
// completes the master.
func (p *IRP) finishAssociated(k *irql.K) {
	m, id := p.master, p.masterID
	for mdl := p.mdl; mdl != nil; {
		next := mdl.Next
		mdl.notInUse(k)
		mdl.freeBySystem(k)
		mdl = next
	}
	p.mdl = nil
	ke.Note(k, "part of a request ended", p.id)
	p.io.release(p)
	if m.id != id || m.state == stFreed {
		return
	}
	m.uses(ke.W)
	m.assoc.IrpCount--
	m.partsDone++
	if m.assoc.IrpCount != 0 {
		return
	}
	ke.Push(k, ke.Frame{Kind: ke.FrameSystem, Obj: m.id})
	IoCompleteRequest(k, m, IO_NO_INCREMENT)
	ke.Pop(k)
}

// checkParts reports, at the end of a run, a master that waits for parts that nobody made.
func (p *IRP) checkParts(m *ke.Machine) {
	if p.parts == 0 || p.parts != p.partsDone || p.assoc.IrpCount <= 0 || p.owner == nil {
		return
	}
	m.ReportEnd(verify.Finding{Rule: verify.IRP_074, Case: "parts are missing", Obj: p.id.String(),
		Driver: p.owner.Name, Dump: dumpIRP(p),
		Headline: fmt.Sprintf("%v waits for %d parts more than were sent: nobody will complete it", p.id,
			p.assoc.IrpCount),
		Places: p.story()})
}
