package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/packet"
)

// policies counts, for each station of authorisation and family, how often its filters have changed, and how
// often something else has that makes every flow be authorised again.
type policies struct {
	at     [AuthRecvAccept + 1][2]uint32
	others uint32
	why    Again // of the last of the others
}

// PolicyChanged says that filters at l are others now: the flows that were authorised there are authorised
// again, each at its next packet (wfp.md 18).
func (s *Stack) PolicyChanged(l Layer, v6 bool) {
	if l == AuthConnect || l == AuthRecvAccept {
		s.policies.at[l][family(v6)]++
	}
}

// Reauthorise makes every flow be authorised again at its next packet, for a reason that is no policy.
func (s *Stack) Reauthorise(why Again) {
	s.w.use(againID, ke.W)
	s.policies.others++
	s.policies.why = why
}

// againID stands, in footprints, for what makes flows be authorised again besides their filters.
var againID = ke.Beside.Of(nextPort)

// station is where the flow was authorised.
func (f *Flow) station() (l Layer, v6 bool) {
	l = AuthConnect
	if f.Inbound {
		l = AuthRecvAccept
	}
	a := f.Local.Addr()
	return l, a.Is6() && !a.Is4In6()
}

// permit says that a flow is authorised, under the policy in force.
func (f *Flow) permit(s *Stack) {
	l, v6 := f.station()
	f.Permitted, f.policy, f.others = true, s.policies.at[l][family(v6)], s.policies.others
}

// stale says why a flow has to be authorised again, 0 if it has not, and takes note.
func (f *Flow) stale(s *Stack) (why Again) {
	l, v6 := f.station()
	s.w.use(StationID(l, v6), ke.R)
	s.w.use(againID, ke.R)
	if f.others != s.policies.others {
		why = s.policies.why
	}
	if f.policy != s.policies.at[l][family(v6)] {
		why |= PolicyChange
	}
	f.permit(s)
	return why
}

// stands authorises a flow again, if it has to be, with its next packet, in either direction. What is blocked
// is shown to the discard station; the caller ends the flow.
func (f *Flow) stands(k *ke.K, s *Stack, p *packet.Packet, inbound bool) bool {
	if s.engine == nil || f == nil || !f.Permitted || f.Gone {
		return true
	}
	why := f.stale(s)
	l, v6 := f.station()
	if why == 0 || !s.Wants(l, v6) {
		return true
	}
	q := f.Endpoint.question(l, nil)
	q.V6, q.Tuple, q.Flow, q.Inbound, q.Again, q.Matter = v6, f.Tuple, f, inbound, why, &Carried{Packet: p}
	if s.isLocal(f.Remote.Addr()) {
		q.Flags |= Loopback
	}
	if r := f.Redirect; r != nil && r.done && !f.Inbound {
		q.Flags |= ConnectionRedirected
	}
	answered, permit := false, false
	q.Done = func(k *ke.K, a Answer) {
		answered, permit = true, a.Permit
		if !a.Permit && !a.Absorb {
			q.discards(k, a)
		}
	}
	s.engine.Classify(k, q)
	if !answered {
		panic("internal error: a reauthorisation was pended")
	}
	return permit
}

// standsAgain authorises the flow of a packet that comes in, behind TransportIn.
func standsAgain(k *ke.K, t *Travel) {
	if t.flow.stands(k, t.s, t.packet, true) {
		return
	}
	t.ended = true
	t.s.ledger.dropped++
	t.s.gone(k, t.packet)
	t.flow.abort(k)
}
