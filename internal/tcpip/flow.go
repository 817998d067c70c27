package tcpip

import (
	"encoding/binary"
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// flow is what the filter engine knows a connection's end by.
type flow struct {
	id       trace.ID // from FLOW_ESTABLISHED on
	redirect *redirection
	over     bool
}

// redirection is what became of a connection at CONNECT_REDIRECT. Both ends mean the same one, if both are in
// this machine: the accepting end finds it by the addresses of the other.
type redirection struct {
	original   netip.AddrPort // where the opener asked to go
	target     uint32         // process that serves the redirected connection
	redirected bool
	records    Records // chain of the connection; nil without engine
	ends       int     // that have not gone yet
}

// ends tells the engine, once, that an end is over. What belongs to the chain of records is freed when the
// other end has gone, too.
func (f *flow) ends(k *ke.K, s *Stack) {
	if f == nil || f.over {
		return
	}
	f.over = true
	var records Records
	if r := f.redirect; r != nil && r.records != nil {
		s.w.use(sharedBy(r), ke.W)
		if r.ends--; r.ends == 0 {
			records = r.records
		}
	}
	if s.engine != nil && (records != nil || f.id != 0) {
		s.engine.ConnectionGone(k, records, f.id)
	}
}

// sharedBy stands for what the two ends of a connection have in common.
func sharedBy(r *redirection) trace.ID { return r.records.ID() | 1<<53 }

// inherits is the flow of an end that accepts a connection: of one of this machine it shares what became of
// it.
func (s *Stack) inherits(t Tuple) *flow {
	f := &flow{}
	if o := s.stream(Tuple{t.Proto, t.Remote, t.Local}); o != nil && o.flow.redirect != nil {
		f.redirect = o.flow.redirect
		if f.redirect.records != nil {
			s.w.use(sharedBy(f.redirect), ke.W)
		}
		f.redirect.ends++
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
