package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/ntstatus"
)

// paths are the ways through the stations (network.md 2). They belong to a stack and not to the package,
// since what some functions cause is the start of another travel.
type paths struct {
	bind, listen, connect, accept, establish, close path
	sendTo, connectTo, receive                      path // of datagrams
	out, in, forward                                path // of packets
}

func newPaths() *paths {
	p := &paths{
		bind: path{over: closed, blocked: bindBlocked, steps: []step{
			{at: BindRedirect, fill: aboutAddress, do: takeAddress},
			{do: reserve},
			{at: ResourceAssignment, fill: aboutAddress, do: commitBind},
		}},
		listen: path{over: closed, blocked: refused, steps: []step{
			{at: AuthListen, fill: aboutAddress, do: commitListen},
		}},
		connect: path{over: connectOver, blocked: connectBlocked, steps: []step{
			{at: ConnectRedirect, fill: aboutRecords, do: resolve},
			{at: AuthConnect, when: honoursPolicy, fill: aboutOriginal},
			{at: AuthConnect, fill: aboutRedirection},
			{do: open},
		}},
		accept: path{over: childOver, blocked: dropSyn, held: loseSyn, steps: []step{
			{at: AuthRecvAccept, fill: aboutSyn},
			{at: StreamPacketIn, fill: aboutSyn},
			{when: isConditional, do: inspect},
			{do: acceptSyn},
		}},
		establish: path{blocked: closeFlow, steps: []step{
			{at: FlowEstablished, fill: aboutFlow},
		}},
		close: path{waits: flowsEnd, steps: []step{
			{at: EndpointClosure, when: wasAuthorised, fill: aboutClosure},
			{do: flowsEnd},
			{at: ResourceRelease, when: wasAssigned},
			{do: closeDone},
		}},
		out: path{packets: true, blocked: dropped, steps: []step{
			{at: StreamPacketOut, when: ofConnection},
			{at: DatagramOut, when: datagram},
			{at: IcmpErrorOut, when: icmpError},
			{at: TransportOut},
			{at: IPOut},
			{do: wire},
		}},
		in: path{packets: true, blocked: dropped, steps: []step{
			{at: IPIn},
			{at: IPIn, when: isPiece, fill: aboutPiece},
			{do: demux},
			{at: TransportIn, fill: aboutALE},
			{do: standsAgain},
			{at: IcmpErrorIn, when: icmpError},
			{at: DatagramIn, when: rawDatagram},
			{at: StreamPacketIn, when: ofConnection},
			{do: deliver},
		}},
		forward: path{packets: true, blocked: dropped, steps: []step{
			{at: IPForward},
			{do: passOn},
		}},
	}
	p.ofDatagrams()
	return p
}

func (p *paths) ofDatagrams() {
	p.sendTo = path{over: sendOver, blocked: sendBlocked, held: sendHeld, steps: []step{
		{at: ConnectRedirect, when: isUnresolved, fill: aboutFirst, do: resolveFlow},
		{at: AuthConnect, when: isUnpermitted, fill: aboutDatagram, do: joinFlows},
		{at: FlowEstablished, when: isUnestablished, fill: aboutDatagram, do: flowStands},
		{do: sendOut},
	}}
	p.connectTo = path{over: closed, blocked: connectToBlocked, steps: []step{
		{at: ConnectRedirect, when: isUnresolved, fill: aboutFirst, do: resolveFlow},
		{do: connectFixes},
	}}
	p.receive = path{over: hearsOver, blocked: hearsBlocked, steps: []step{
		{at: AuthRecvAccept, when: isUnpermitted, fill: aboutArrival, do: joinPeer},
		{at: FlowEstablished, when: isUnestablished, fill: aboutArrival, do: flowStands},
		{at: DatagramIn, fill: aboutArrival},
		{do: enqueue},
	}}
}

// closed ends an operation of an endpoint that its owner has closed meanwhile.
func closed(k *ke.K, t *Travel) bool {
	if t.e.st != Closed {
		return false
	}
	t.finish(k, ntstatus.STATUS_CANCELLED)
	return true
}

// refused ends an operation that a station has blocked.
func refused(k *ke.K, t *Travel, a Answer) { t.finish(k, blocked(a)) }
