package tcpip

import (
	"encoding/binary"
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// Flow is what the filter engine knows an end of a connection by, or an endpoint's datagrams to and from one
// peer.
type Flow struct {
	ID       trace.ID // from the moment authorisation is asked for on
	Tuple             // as this stack sees it
	Inbound  bool     // its first packet was
	Endpoint *Endpoint
	// Invariant: Established implies Permitted; after Gone nothing changes.
	Permitted, Established, Gone bool
	Redirect                     *Redirection // nil when CONNECT_REDIRECT was never asked
	Attached                     any          // the engine's: contexts of callouts

	policy, others uint32 // policies it was authorised under

	// Of datagrams only: from and to where the owner sends them, whatever has become of that; the channel on
	// which they arrive in order; when the last one was sent or came.
	from, to netip.AddrPort
	out      *ke.Channel
	used     int64
	alarm    func() // takes back the timer that ends it when it is idle; nil while nobody watches it
}

// Redirection is what became of a connection at CONNECT_REDIRECT. Both ends mean the same one, if both are in
// this machine: the accepting end finds it by the addresses of the other.
type Redirection struct {
	Original  netip.AddrPort // where the opener asked to go
	TargetPID uint32         // process that serves the redirected connection
	Records   Records        // chain of the connection; nil without engine
	done      bool           // the connection was redirected
	ends      int            // that have not gone yet
}

// ends tells the engine, once, that an end is over. What belongs to the chain of records is freed when the
// other end has gone, too.
func (f *Flow) ends(k *ke.K, s *Stack) {
	if f == nil || f.Gone {
		return
	}
	if e := f.Endpoint; e != nil && e.closing {
		e.late = append(e.late, f)
		return
	}
	f.Gone = true
	f.unwatch()
	var records Records
	if r := f.Redirect; r != nil && r.Records != nil {
		s.w.use(sharedBy(r), ke.W)
		if r.ends--; r.ends == 0 {
			records = r.Records
		}
	}
	if s.engine != nil && (records != nil || f.ID != 0) {
		s.engine.FlowGone(k, f, records)
	}
}

// sharedBy stands for what the two ends of a connection have in common.
func sharedBy(r *Redirection) trace.ID { return ke.Content.Of(r.Records.ID()) }

// inherits is the flow of an end that accepts a connection: of one of this machine it shares what became of
// it.
func (s *Stack) inherits(e *Endpoint, t Tuple) *Flow {
	f := &Flow{ID: s.w.newID(trace.Flow), Tuple: t, Inbound: true, Endpoint: e}
	if o := s.stream(Tuple{t.Proto, t.Remote, t.Local}); o != nil && o.flow.Redirect != nil {
		f.Redirect = o.flow.Redirect
		if f.Redirect.Records != nil {
			s.w.use(sharedBy(f.Redirect), ke.W)
		}
		f.Redirect.ends++
	}
	return f
}

// iss is the initial sequence number of a connection: a hash, so that it does not depend on the schedule.
func (t Tuple) iss() uint32 {
	h := uint64(t.Proto)
	for _, ap := range [...]netip.AddrPort{t.Local, t.Remote} {
		a := ap.Addr().As16()
		h = ke.Mix(h ^ binary.LittleEndian.Uint64(a[:]))
		h = ke.Mix(h ^ binary.LittleEndian.Uint64(a[8:]) ^ uint64(ap.Port()))
	}
	return uint32(h)
}
