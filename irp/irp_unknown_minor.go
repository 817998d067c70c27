package irp

import (
	"fmt"

	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// unknownMinor is a minor function that no header gives a meaning to. A plug and play, power or WMI request
// with it is one that no driver can know, so that it stands for a declaration of what a driver does not
// handle, which C has no place for. INFERRED: what bug check 0xC9 says of drivers that do not understand a
// request (0x213, 0x214) needs such a request to be seen.
const unknownMinor = 0xFF

func (l *IO_STACK_LOCATION) unknown() bool {
	return l.minor == unknownMinor &&
		(l.major == IRP_MJ_PNP || l.major == IRP_MJ_POWER || l.major == IRP_MJ_SYSTEM_CONTROL)
}

// sendUnknown judges how a driver forwards a request it cannot know, and keeps what the next one receives.
func (p *IRP) sendUnknown(k *irql.K, l *IO_STACK_LOCATION) {
	if p.received != nil {
		p.checkUnknown(k, "forwarded")
	}
	p.received = nil
	if l.unknown() {
		was := p.ioStatus
		p.received = &was
	}
}

// checkUnknown reports IRP-063. Who got the request back from below finds there what others left.
func (p *IRP) checkUnknown(k *irql.K, done string) {
	v := frameVisit(k, p)
	if v == nil || v.forwarded {
		return
	}
	sub, what, was, is := "0x213", "Status", any(p.received.Status), any(p.ioStatus.Status)
	if p.received.Status == p.ioStatus.Status {
		sub, what, was, is = "0x214", "Information", p.received.Information, p.ioStatus.Information
	}
	if was == is {
		return
	}
	p.report(k, verify.Finding{Rule: verify.IRP_063,
		Headline: fmt.Sprintf("%v is %s with %s %v, and came with %v: a request with minor function 0x%X is "+
			"known to nobody", p.id, done, what, is, was, unknownMinor),
		Args: c9Args(sub, what+" of an IRP changed by a driver that does not understand it", p)})
}
